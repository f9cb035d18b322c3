"""Outcome labels: whole attempts, each with its verdict."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from cotgen.emitters.styles import Style, restyled
from cotgen.emitters.trainers import Format, Shape, shape_of
from cotgen.emitters.turns import assistant, opening, origin
from cotgen.emitters.writing import named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group


class OrmEmitter(Component):
    """Every verified attempt with its verdict as the label (Cobbe 2021, Lightman 2023).

    As sampled: a text stands as often as it was sampled and the classes are not balanced, because
    the score shall be the share of correct ones. Unverifiable and unfinished attempts have no
    label; a wrong attempt that equals a correct one up to white space is refused.
    """

    kind: Literal["orm"] = "orm"
    name: FileName | None = None
    """The file's name; by default `orm`, with the format if it is not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
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
        shape_of("orm", self.format)
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind and format."""
        return self.name or named("orm", self.format)

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of("orm", self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The verified attempts of one problem, in attempt order."""
        refused, group = restyled(group, self.think)
        yield from refused
        prompt = opening(self.system, self.prompt.render(question=group.problem.question))
        wrong = {judged.attempt.text for judged in group.contrasting()}
        for judged in group.judged:
            text, correct = judged.attempt.text, judged.is_("correct")
            if correct or (judged.is_("incorrect") and text in wrong):
                columns = {"prompt": prompt, "completion": [assistant(text)], "label": correct}
                yield written(self.shape, columns, origin(group, [judged], "orm"))
            elif judged.is_("incorrect"):
                yield Refusal("doubtful_verdict")
