"""Everything known about one problem, read from the files when it is looked at."""

from __future__ import annotations

import numpy as np

from cotgen.errors import RecipeError
from cotgen.records import Attempt, Chain, Problem, Rewards, Verdict
from cotgen.view.index import OUTCOMES, Index
from cotgen.view.parts import Part, attempt_parts


class Missing(RecipeError):
    """What was asked for is not in the run."""


class Looker:
    """Looks things of one problem up."""

    def __init__(self, index: Index, id: str) -> None:
        place = index.place.get(id)
        if place is None:
            raise Missing(f"this run holds no problem {id[:200]!r}")
        self.index = index
        self.place = place
        self.problem: Problem = index.problem(place)
        self.numbers = range(
            int(index.base[index.slots(place).start]), int(index.base[index.slots(place).stop])
        )

    def id(self, number: int) -> str:
        """An attempt's id."""
        slot = self._slot(number)
        return f"{self.problem.id}@{self.teacher(number)}/{number - int(self.index.base[slot])}"

    def teacher(self, number: int) -> str:
        """The teacher that made it."""
        return self.index.shape.teachers[int(self.index.teacher[number])]

    def _slot(self, number: int) -> int:
        return int(np.searchsorted(self.index.base, number, side="right")) - 1

    def number(self, id: str) -> int:
        """An attempt of this problem by its id."""
        number = self.index.attempt(id)
        if number not in self.numbers:
            raise Missing(f"problem {self.problem.id} has no attempt {id[:200]!r}")
        return number

    def attempt(self, number: int) -> Attempt:
        """The attempt itself."""
        slot = self._slot(number)
        searched = self.index.searched(slot)
        if searched is None:
            raise Missing(f"no attempt {number}")
        return searched.attempts[number - int(self.index.base[slot])]

    def verdict(self, number: int) -> Verdict | None:
        """What was made of it."""
        offset = int(self.index.verdict_at[number])
        return self.index.verdict_lines.at(offset).verdict if offset >= 0 else None

    def rewards(self, number: int) -> Rewards | None:
        """Its steps' numbers."""
        offset = int(self.index.reward_at[number])
        return self.index.reward_lines.at(offset).rewards if offset >= 0 else None

    def outcome(self, number: int) -> str:
        """The word for its verdict."""
        return OUTCOMES[self.index.outcome[number]]

    def chains(self) -> tuple[Chain, ...]:
        """The chains built of it."""
        chained = self.index.chained(self.place)
        return chained.chains if chained else ()

    def parts(self, number: int) -> list[Part]:
        """An attempt's text with its marks."""
        return attempt_parts(self.attempt(number), self.verdict(number), self.rewards(number))
