"""PRM800K: solutions whose steps people rated (Lightman et al. 2305.20050; formats.md §2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    License,
    Skipped,
    Source,
    Whole,
    problem,
    stepped,
)
from cotgen.records import Finish

_ANSWER = re.compile(r"^# Answer\s*$", re.MULTILINE)
_VALUES = {-1: 0.0, 0: 0.5, 1: 1.0}
_SEPARATOR = "\n"
"""Between steps: the generators wrote a step on each line (Lightman, App. B)."""


class Step(msgspec.Struct):
    """A step as somebody wrote and rated it."""

    text: str
    rating: Literal[-1, 0, 1] | None = None


class Place(msgspec.Struct):
    """All that stood at one place of the solution, and what the labeler went on with."""

    completions: list[Step] | None = None
    human_completion: Step | None = None
    chosen_completion: int | None = None


class Label(msgspec.Struct):
    """A labeler's work on one solution."""

    steps: list[Place]
    finish_reason: str | None = None


class Question(msgspec.Struct):
    """The problem."""

    problem: str
    ground_truth_answer: str | None = None
    pre_generated_steps: list[str] | None = None


class Row(msgspec.Struct):
    """The columns that are read."""

    question: Question
    label: Label
    is_quality_control_question: bool | None = None
    is_initial_screening_question: bool | None = None


class Prm800kImporter(Importer):
    """openai/prm800k, `phase{1,2}_{train,test}.jsonl`: attempts with a reward for each step.

    Ratings −1, 0, 1 become rewards 0, 0.5, 1. A step that a person wrote counts as 1 if nobody
    rated it; an attempt with another unrated step has no rewards.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row

    kind: Literal["prm800k"] = "prm800k"
    source: Source = "openai/prm800k"
    license: License = "MIT"
    split: Whole = "train"
    quality_control: bool = False
    """Take quality control rows too; they repeat other rows."""
    screening: bool = False
    """Take the rows with which labelers were screened."""

    def read(self, row: Row) -> Iterator[Imported | Skipped]:
        """The solution that was to be labelled; the path that was; the alternatives that were not
        followed, each with its prefix."""
        if row.is_quality_control_question and not self.quality_control:
            yield Skipped("quality control")
        elif row.is_initial_screening_question and not self.screening:
            yield Skipped("screening")
        elif row.label.finish_reason == "bad_problem":
            yield Skipped("bad problem")
        else:
            asked = problem(row.question.problem, row.question.ground_truth_answer or "")
            labelled = list(_given(row.label))
            whole = _generated(row.question.pre_generated_steps, labelled)
            yield Imported(asked, (*whole, *labelled))


def _generated(steps: list[str] | None, labelled: list[Given]) -> Iterator[Given]:
    """The whole solution of phase 2, whose labels end at the first mistake, if it is not among the
    labelled attempts."""
    if steps:
        finish: Finish = "stop" if _ANSWER.search(steps[-1]) else "pruned"
        whole = stepped(steps, _SEPARATOR, finish=finish)
        if all(each.attempt.text != whole.text for each in labelled):
            yield Given(whole)


def _given(label: Label) -> Iterator[Given]:
    path, others, ends = _walk(label.steps)
    if path and label.finish_reason != "found_error":
        yield _attempt(path, "stop" if label.finish_reason == "solution" else "pruned")
    for end in ends:
        yield _attempt(end, "stop" if _ANSWER.search(end[-1].text) else "pruned")
    for other in others:
        yield _attempt(other, "pruned")


def _walk(places: list[Place]) -> tuple[list[Step], list[list[Step]], list[list[Step]]]:
    """The chosen path; the alternatives beside it; those at its end, where none was chosen.

    Alternatives of different places are never combined: nobody has rated such a path.
    """
    path: list[Step] = []
    others: list[list[Step]] = []
    for place in places:
        offered = place.completions or []
        chosen = place.chosen_completion
        if chosen is not None and not 0 <= chosen < len(offered):
            raise ValueError(f"label.steps.{len(path)}.chosen_completion: there is no {chosen}")
        if chosen is None and place.human_completion is None:
            return path, others, [[*path, last] for last in offered]
        others += [[*path, step] for number, step in enumerate(offered) if number != chosen]
        path = [*path, _human(place.human_completion) if chosen is None else offered[chosen]]
    return path, others, []


def _human(step: Step | None) -> Step:
    """A labeler's own step is right, as TRL's converter takes it, if nobody rated it."""
    assert step is not None
    return Step(step.text, 1 if step.rating is None else step.rating)


def _attempt(path: list[Step], finish: Finish) -> Given:
    rewards = [_VALUES[step.rating] for step in path if step.rating is not None]
    whole = tuple(rewards) if len(rewards) == len(path) else ()
    texts = [step.text for step in path]
    return Given(stepped(texts, _SEPARATOR, finish=finish), rewards=whole)
