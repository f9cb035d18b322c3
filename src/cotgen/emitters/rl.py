"""Prompts with their ground truth, for reinforcement learning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cotgen.emitters.trainers import Format, Shape, shape_of
from cotgen.emitters.trainers.verl import is_scored
from cotgen.emitters.turns import opening, origin
from cotgen.emitters.writing import named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Group, Problem

_GSM8K = "openai/gsm8k"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class RlEmitter(Component):
    """One prompt a problem, with the gold as the ground truth that the trainer's reward reads.

    No attempt stands in the rows. With verl, `data_source` selects the reward function, and a gold
    that the one for GSM8K would never match (it compares plain numbers) is refused.
    """

    kind: Literal["rl"] = "rl"
    name: FileName | None = None
    """The file's name; by default `rl`, with the format if it is not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    data_source: str | None = None
    """verl: selects its reward function (`openai/gsm8k`, `math_dapo`, …); required there."""
    own_reward: bool = False
    """verl: you bring a reward function, so `data_source` may be a name that verl does not know."""
    ability: str = "math"
    """verl: what the problems ask for."""
    system: str | None = Field(default=None, min_length=1)
    """A system message that every row begins with."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "question"))
    """The user turn (given `question`); `question` is the bare question."""
    allow_test: bool = False
    """Emit problems of a test split, for trials; never train on them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.prompt.check(question="?")
        shape_of("rl", self.format)
        if self.format != "verl" and (self.data_source or self.own_reward):
            raise ValueError("data_source and own_reward are for format: verl")
        if self.format == "verl" and not self.data_source:
            raise ValueError("format verl selects the reward function by data_source: name one")
        if self.data_source and not (self.own_reward or is_scored(self.data_source)):
            raise ValueError(
                f"data_source: verl has no reward function for {self.data_source!r} and would stop "
                "at the first step; with one of your own add own_reward: true"
            )
        return self

    @property
    def file_name(self) -> str:
        """The name given, or the kind and format."""
        return self.name or named("rl", self.format)

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of("rl", self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The one row of a problem."""
        problem = group.problem
        answer = self._ground_truth(problem.answer.strip())
        if not answer:
            yield Refusal("no_ground_truth")
            return
        prompt = opening(self.system, self.prompt.render(question=problem.question))
        columns: dict[str, Any] = {"prompt": prompt, "answer": answer, "source": problem.source}
        if self.format == "verl":
            columns = self._verl(problem, answer) | {"prompt": prompt}
        numbered = "extra_info" if self.format == "verl" else ""
        yield written(self.shape, columns, origin(group, [], "rl"), numbered)

    def _verl(self, problem: Problem, answer: str) -> dict[str, Any]:
        return {
            "data_source": self.data_source,
            "ability": self.ability,
            "reward_model": {"style": "rule", "ground_truth": answer},
            # The row's number is filled in where rows are written.
            "extra_info": {
                "split": problem.split,
                "index": 0,
                "answer": answer,
                "question": problem.question,
            },
        }

    def _ground_truth(self, answer: str) -> str:
        """The gold as the reward function reads it; empty if that is impossible."""
        if self.data_source != _GSM8K or self.own_reward:
            return answer
        number = answer.replace(",", "")
        return number if _NUMBER.fullmatch(number) else ""
