"""Word problems from cotgen's own grammar: endless, seeded, with golds and reference steps."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field, PositiveInt

from cotgen.problems.grammar import FAMILIES, Level, Worked, difficulty, draw_problem
from cotgen.protocols import Component
from cotgen.records import Problem


class WordProblems(Component):
    """Multi-step arithmetic in plain English: quantities that change, and chains of comparisons.

    A level is its steps: level 1 takes two, level 5 takes six. The structures of the two splits
    (what happens in which words, without names and numbers) never overlap, and neither split shares
    one with what the tiny teacher was trained on.
    """

    incidental = frozenset({"limit"})

    remote: ClassVar[bool] = False
    on_bad_line: ClassVar[Literal["stop"]] = "stop"

    kind: Literal["word_problems"] = "word_problems"
    limit: PositiveInt = Field(default=100, validation_alias=AliasChoices("limit", "count"))
    """How many problems; `count` says the same."""
    levels: Annotated[tuple[Level, ...], Field(min_length=1)] = (1, 2, 3, 4, 5)
    """The levels to take in turn, from 1 (two steps) to 5 (six steps)."""
    seed: int = 0
    """Another seed gives other problems of the same structures."""
    split: Literal["train", "test"] = "train"
    """Which structures: those to train on, or those held out."""

    def load(self) -> Iterator[Problem]:
        """Make the problems, in a fixed order."""
        for problem, _ in self.worked():
            yield problem

    def worked(self) -> Iterator[tuple[Problem, Worked]]:
        """The problems with their reference steps, for tests and step checkers."""
        for number in range(self.limit):
            yield self._problem(number)

    def _problem(self, number: int) -> tuple[Problem, Worked]:
        turn, at = divmod(number, len(self.levels))
        family, level = FAMILIES[turn % len(FAMILIES)], self.levels[at]
        # Each problem has draws of its own: raising the limit leaves the earlier ones as they were.
        draw = Random(f"{self.seed}/{self.split}/{number}")
        worked = draw_problem(draw, family, difficulty(family, level), self.split)
        problem = Problem(
            id=f"words-{self.split}-{self.seed}-{number:06}",
            question=worked.question,
            answer=str(worked.answer),
            answer_kind="number",
            level=str(level),
            tags=(family,),
            split=self.split,
            source="cotgen/word_problems",
            license="CC0-1.0",
        )
        return problem, worked
