"""Stepwise supervision: attempts with a label for each step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from cotgen.emitters.trainers import Dataset, Shape, StepFormat, shape_of
from cotgen.emitters.turns import origin
from cotgen.emitters.writing import named
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row, Share
from cotgen.records import Group, Judged, Problem


class _Rated(NamedTuple):
    text: str
    reward: float


class PrmEmitter(Component):
    """Attempts with the rewards of their steps as labels, for a process reward model.

    Rewards come from people (PRM800K), rollouts (Math-Shepherd, OmegaPRM) or a judge; they lie in
    the run's `rewards.jsonl`. An attempt without any is refused: no label is made of a verdict.
    Attempts that were given up or cut off give rows too, for a label belongs to its step. Steps are
    written without the white space around them; a step of white space only is left out.
    """

    kind: Literal["prm"] = "prm"
    name: FileName | None = None
    """The file's name; by default `prm`, with the format if it is not TRL's."""
    format: StepFormat = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    labels: Literal["hard", "soft"] = "hard"
    """`soft` writes the rewards too: as a column `values` beside the labels (trl, jsonl), or in
    place of the labels (openrlhf-legacy, mathaps)."""
    threshold: Share = 0.5
    """A step is right if its reward is above this. For rollouts 0: one success is enough."""
    neutral: Literal["positive", "negative", "drop"] = "positive"
    """What a reward that equals a threshold above 0 counts as (people's `neutral` is 0.5). `drop`
    leaves such steps out at the end of a row; before others they count as right."""
    first_error: bool = True
    """End each row at its first wrong step (Lightman 2023); if false, later steps are labelled."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "question"))
    """What stands before the steps (given `question`), followed by a line end: trainers of steps
    put nothing between the prompt and the first one."""
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
        return self.name or named("prm", self.format)

    @property
    def _dataset(self) -> Dataset:
        return "prm-soft" if self.labels == "soft" else "prm"

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of(self._dataset, self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """A row for each attempt whose steps have rewards; equal rows stand once."""
        seen: set[tuple[str, ...]] = set()
        for judged in group.judged:
            made = self._row(group, judged)
            if isinstance(made, Row):
                texts = made.sequences[0]
                if texts in seen:
                    made = Refusal("duplicate")
                seen.add(texts)
            yield made

    def _row(self, group: Group, judged: Judged) -> Row | Refusal:
        if judged.rewards is None:
            return Refusal("no_rewards")
        if len(judged.rewards.per_step) != len(judged.attempt.steps):
            return Refusal("rewards_do_not_fit")
        steps = self._supervised(list(_rated(judged)))
        if not steps:
            return Refusal("no_labelled_step")
        prompt = self.prompt.render(question=group.problem.question).rstrip("\n") + "\n"
        columns = self._columns(group.problem, prompt, steps)
        row = self.shape.write(columns)
        if row is None:
            return Refusal("tag_collision")
        texts = (prompt, *(step.text for step in steps))
        return Row(row, origin(group, [judged], "prm", self.labels), (texts,))

    def _supervised(self, steps: list[_Rated]) -> list[_Rated]:
        """The steps that a row holds."""
        if self.first_error:
            wrong = (number for number, step in enumerate(steps) if not self._is_right(step))
            steps = steps[: next(wrong, len(steps)) + 1]
        while self.neutral == "drop" and steps and self._is_neutral(steps[-1]):
            steps = steps[:-1]
        return steps

    def _is_right(self, step: _Rated) -> bool:
        neutral_is_right = self.neutral != "negative"
        return step.reward > self.threshold or (self._is_neutral(step) and neutral_is_right)

    def _is_neutral(self, step: _Rated) -> bool:
        return step.reward == self.threshold > 0

    def _columns(self, problem: Problem, prompt: str, steps: list[_Rated]) -> dict[str, Any]:
        """TRL's columns, and what other formats hold besides."""
        columns: dict[str, Any] = {
            "prompt": prompt,
            "completions": [step.text for step in steps],
            "labels": [self._is_right(step) for step in steps],
        }
        if self.labels == "soft":
            columns["values"] = [step.reward for step in steps]
        if self.format == "math-shepherd":
            columns["task"] = _task(problem)
        if self.format == "mathaps":
            columns["answer"] = problem.answer
        return columns


def _rated(judged: Judged) -> Iterator[_Rated]:
    assert judged.rewards is not None
    for step, reward in zip(judged.attempt.steps, judged.rewards.per_step, strict=True):
        if text := step.text.strip():
            yield _Rated(text, reward)


def _task(problem: Problem) -> str:
    """What Math-Shepherd calls a problem's source: `GSM8K` or `MATH`, where it is one of them."""
    for task in ("GSM8K", "MATH"):
        if task in problem.tags or task.lower() in problem.source.lower():
            return task
    return problem.source
