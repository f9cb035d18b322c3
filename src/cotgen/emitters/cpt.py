"""Plain texts for continued pretraining."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from cotgen.emitters.trainers import Format, Shape, shape_of
from cotgen.emitters.turns import origin
from cotgen.emitters.writing import best, distinct, named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group


class CptEmitter(Component):
    """The question and a correct attempt as one text, all of which is trained.

    So no wrong attempt ever stands in it: chains are for `kind: sft`, whose loss leaves them out.
    """

    kind: Literal["cpt"] = "cpt"
    name: FileName | None = None
    """The file's name; by default `cpt`, with the format if it is not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    per_problem: PositiveInt | None = 1
    """Texts a problem at most, by reward if there is one, else in attempt order; null: all."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "question"))
    """What stands before the attempt (given `question`); `question` is the bare question."""
    allow_test: bool = False
    """Emit problems of a test split, for trials; never train on them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.prompt.check(question="?")
        shape_of("cpt", self.format)
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind and format."""
        return self.name or named("cpt", self.format)

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of("cpt", self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The texts of one problem; equal ones count once."""
        question = self.prompt.render(question=group.problem.question)
        for each in islice(distinct(best(group)), self.per_problem):
            columns = {"text": f"{question}\n\n{each.attempt.text}"}
            yield written(self.shape, columns, origin(group, [each], "cpt"))
