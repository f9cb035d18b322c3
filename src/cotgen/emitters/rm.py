"""Pairs for a reward model: attempts of one problem, the better one first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice, product
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from cotgen.distance import similarity
from cotgen.emitters.styles import Style, restyled
from cotgen.emitters.trainers import Dataset, Format, Shape, shape_of
from cotgen.emitters.turns import assistant, opening, origin
from cotgen.emitters.writing import distinct, named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group, Judged


class RmEmitter(Component):
    """Random pairs of a correct and a wrong attempt, for a Bradley–Terry reward model.

    Drawn without replacement over all pairs of a problem: a reward model has to rank whatever a
    teacher says, not the nearest misses only (`kind: dpo` has those). Unverifiable and unfinished
    attempts are on neither side. Verdicts alone do not say by how much one is better: `margin`
    adds a number that does.
    """

    kind: Literal["rm"] = "rm"
    name: FileName | None = None
    """The file's name; by default `rm`, with the format if it is not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    pairs_per_problem: PositiveInt | None = 8
    """Pairs a problem at most; null: all."""
    margin: Literal["rewards", "distance"] | None = None
    """Adds the column `margin` (trl, openrlhf, jsonl), by which the scores shall differ: `rewards`
    is by how much the least reward of a step is higher in the chosen attempt (at least 0; pairs
    without rewards are left out), `distance` the share of characters in which both differ."""
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
        shape_of(self._dataset, self.format)
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind and format."""
        return self.name or named("rm", self.format)

    @property
    def _dataset(self) -> Dataset:
        return "rm-margin" if self.margin else "rm"

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of(self._dataset, self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The pairs of one problem, in the order drawn; equal texts count once."""
        refused, group = restyled(group, self.think)
        yield from refused
        pairs = list(product(distinct(group.having("correct")), group.contrasting()))
        draw(group.problem.id).shuffle(pairs)
        prompt = opening(self.system, self.prompt.render(question=group.problem.question))
        if self.margin == "rewards":
            rewarded = [pair for pair in pairs if all(judged.rewards for judged in pair)]
            yield from [Refusal("no_rewards")] * (len(pairs) - len(rewarded))
            pairs = rewarded
        for chosen, rejected in islice(pairs, self.pairs_per_problem):
            columns: dict[str, Any] = {
                "prompt": prompt,
                "chosen": [assistant(chosen.attempt.text)],
                "rejected": [assistant(rejected.attempt.text)],
            }
            if self.margin:
                measure = {"rewards": _ahead, "distance": _apart}[self.margin]
                columns["margin"] = measure(chosen, rejected)
            yield written(self.shape, columns, origin(group, [chosen, rejected], "rm"))


def _ahead(chosen: Judged, rejected: Judged) -> float:
    """How much better the worst step is: an attempt is worth its worst step (Math-Shepherd)."""
    return max(0.0, _worst(chosen) - _worst(rejected))


def _worst(judged: Judged) -> float:
    return min(judged.rewards.per_step, default=0.0) if judged.rewards else 0.0


def _apart(chosen: Judged, rejected: Judged) -> float:
    return 1.0 - similarity(chosen.attempt.text, rejected.attempt.text)
