"""Preference rows: a correct attempt chosen over a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice, product
from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from cotgen.distance import nearest_of
from cotgen.emitters.styles import Style, restyled
from cotgen.emitters.trainers import Format, Shape, shape_of
from cotgen.emitters.turns import assistant, opening, origin
from cotgen.emitters.writing import distinct, named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group, Judged

Pair = tuple[Judged, Judged]


class DpoEmitter(Component):
    """Pairs of a correct attempt (chosen) and a wrong one (rejected).

    `nearest` pairs each correct attempt with the wrong one at the smallest edit distance, `random`
    draws pairs without replacement, `outcome` takes all pairs in attempt order. Only attempts that
    were judged are used: unverifiable and unfinished ones are on neither side.
    """

    kind: Literal["dpo"] = "dpo"
    name: FileName | None = None
    """The file's name; by default `dpo`, with the format if it is not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    pairing: Literal["nearest", "random", "outcome"] = "nearest"
    """Which correct and wrong attempts are paired."""
    pairs_per_problem: PositiveInt | None = 4
    """Pairs a problem at most; null: all."""
    system: str | None = Field(default=None, min_length=1)
    """A system message that every row begins with."""
    think: Style | None = None
    """How thought and answer are written; null: as sampled. Attempts without a thought are left
    out, but for `journey` and `gsm8k`, which end in the bare answer."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "question"))
    """The user turn (given `question`); `question` is the bare question."""
    allow_test: bool = False
    """Emit problems of a test split, for trials; never train on them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.prompt.check(question="?")
        shape_of("dpo", self.format)
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind and format."""
        return self.name or named("dpo", self.format)

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of("dpo", self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The pairs of one problem; equal texts count once."""
        refused, group = restyled(group, self.think)
        yield from refused
        correct, wrong = distinct(group.having("correct")), group.contrasting()
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

    def _row(self, group: Group, chosen: Judged, rejected: Judged) -> Row | Refusal:
        columns = {
            "prompt": opening(self.system, self.prompt.render(question=group.problem.question)),
            "chosen": [assistant(chosen.attempt.text)],
            "rejected": [assistant(rejected.attempt.text)],
        }
        made_of = origin(group, [chosen, rejected], "dpo", self.pairing)
        return written(self.shape, columns, made_of)


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
