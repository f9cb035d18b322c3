"""Preference rows: a correct attempt chosen over a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice, product
from typing import Literal, Self, TypedDict

from pydantic import Field, PositiveInt, model_validator

from cotgen.distance import nearest_of
from cotgen.emitters.turns import Turn, assistant, origin, user
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group, Judged

Pair = tuple[Judged, Judged]


class DpoRow(TypedDict):
    """TRL's conversational preference type with an explicit prompt (TRL 1.16)."""

    prompt: list[Turn]
    chosen: list[Turn]
    rejected: list[Turn]


class DpoEmitter(Component):
    """Pairs of a correct attempt (chosen) and a wrong one (rejected).

    `nearest` pairs each correct attempt with the wrong one at the smallest edit distance, `random`
    draws pairs without replacement, `outcome` takes all pairs in attempt order. Only attempts that
    were judged are used: unverifiable and unfinished ones are on neither side.
    """

    kind: Literal["dpo"] = "dpo"
    name: FileName | None = None
    """The file's name; by default `dpo`."""
    pairing: Literal["nearest", "random", "outcome"] = "nearest"
    """Which correct and wrong attempts are paired."""
    pairs_per_problem: PositiveInt | None = 4
    """Pairs a problem at most; null: all."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "question"))
    """The user turn (given `question`); `question` is the bare question."""
    allow_test: bool = False
    """Emit problems of a test split, for trials; never train on them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.prompt.check(question="?")
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind."""
        return self.name or "dpo"

    @property
    def columns(self) -> type:
        """Messages."""
        return DpoRow

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The pairs of one problem; equal texts count once."""
        correct, wrong = _distinct(group.having("correct")), group.contrasting()
        if not correct or not wrong:
            return
        pairs = self._pairs(group, (correct, wrong), draw)
        for chosen, rejected in islice(pairs, self.pairs_per_problem):
            yield self._row(group, chosen, rejected)

    def _pairs(
        self, group: Group, sides: tuple[list[Judged], list[Judged]], draw: Draw
    ) -> Iterator[Pair]:
        if self.pairing == "nearest":
            return _nearest(group, *sides)
        pairs = list(product(*sides))
        if self.pairing == "random":
            draw(group.problem.id).shuffle(pairs)
        return iter(pairs)

    def _row(self, group: Group, chosen: Judged, rejected: Judged) -> Row:
        columns: DpoRow = {
            "prompt": [user(self.prompt.render(question=group.problem.question))],
            "chosen": [assistant(chosen.attempt.text)],
            "rejected": [assistant(rejected.attempt.text)],
        }
        return Row({**columns}, origin(group, [chosen, rejected], "dpo", self.pairing))


def _nearest(group: Group, correct: list[Judged], wrong: list[Judged]) -> Iterator[Pair]:
    """Pairs as the chains found them, where there are chains; else found here.

    Chains may keep to the wrong attempts of one teacher; with one teacher that is all of them.
    """
    known = {chain.correct: chain.nearest for chain in group.chains if chain.nearest}
    one_teacher = len({judged.teacher for judged in group.judged}) == 1
    if one_teacher and all(judged.id in known for judged in correct):
        yield from ((judged, group.by_id(known[judged.id])) for judged in correct)
        return
    texts = [judged.attempt.text for judged in correct]
    found = nearest_of(texts, [judged.attempt.text for judged in wrong])
    yield from ((judged, wrong[to.index]) for judged, to in zip(correct, found, strict=True))


def _distinct(judged: Iterator[Judged]) -> list[Judged]:
    """The first attempt of each text."""
    first: dict[str, Judged] = {}
    for each in judged:
        first.setdefault(each.attempt.text, each)
    return list(first.values())
