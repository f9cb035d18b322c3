"""Unpaired preference rows: single attempts, each good or bad."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from cotgen.emitters.styles import Style, restyled
from cotgen.emitters.trainers import Format, Shape, shape_of
from cotgen.emitters.turns import assistant, opening, origin
from cotgen.emitters.writing import best, distinct, named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group


class KtoEmitter(Component):
    """Attempts with a label: correct ones true, wrong ones false (KTO, 2024).

    No pairs are needed, so problems that were always or never solved give rows too. Each text
    stands once; unverifiable and unfinished attempts never do, nor a wrong attempt that equals a
    correct one up to white space. A dataset of one class teaches nothing: that is warned of.
    """

    kind: Literal["kto"] = "kto"
    name: FileName | None = None
    """The file's name; by default `kto`, with the format if it is not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    per_label: PositiveInt | None = None
    """Rows of each label a problem at most; null: all."""
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
        shape_of("kto", self.format)
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind and format."""
        return self.name or named("kto", self.format)

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of("kto", self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The correct attempts of one problem, then the wrong ones."""
        refused, group = restyled(group, self.think)
        yield from refused
        prompt = opening(self.system, self.prompt.render(question=group.problem.question))
        for label, judged in ((True, distinct(best(group))), (False, group.contrasting())):
            for each in islice(judged, self.per_label):
                reply = [assistant(each.attempt.text)]
                columns = {"prompt": prompt, "completion": reply, "label": label}
                yield written(self.shape, columns, origin(group, [each], "kto"))
