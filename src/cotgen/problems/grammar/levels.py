"""How hard a problem is: its steps, its numbers, and how its sentences lead astray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["running", "comparison"]
Level = Literal[1, 2, 3, 4, 5]

FAMILIES: tuple[Family, ...] = ("running", "comparison")
LEVELS: tuple[Level, ...] = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Difficulty:
    """What the drawing of a problem is held to."""

    steps: int
    """Operations from the question to the answer."""
    largest: int
    """The largest number that is added or taken away, and the largest start."""
    factor: int = 9
    """The largest number to multiply or divide by."""
    backwards: float = 0.5
    """Share of comparisons that name the known person first ("A has 3 more than B")."""
    shuffled: float = 0.0
    """Share of comparison problems, from three steps on, with their sentences out of order."""
    distractor: float = 0.1
    """Share of running problems with a number that does not matter."""

    @property
    def limit(self) -> int:
        """The largest value on the way."""
        return 10 * self.largest


def difficulty(family: Family, level: Level) -> Difficulty:
    """The difficulty of a level.

    A level is its number of steps; the other knobs are set per family so that the tiny teacher
    solves 35–75 % of each (docs/tiny-teacher.md).
    """
    return _TABLE[family][level - 1]


_TABLE: dict[Family, tuple[Difficulty, ...]] = {
    "running": (
        Difficulty(2, largest=430),
        Difficulty(3, largest=300),
        Difficulty(4, largest=300),
        Difficulty(5, largest=190),
        Difficulty(6, largest=170),
    ),
    "comparison": (
        Difficulty(2, largest=60, backwards=0.25),
        Difficulty(3, largest=50, backwards=0.15),
        Difficulty(4, largest=40, backwards=0.1),
        Difficulty(5, largest=40, backwards=0.07),
        Difficulty(6, largest=40, backwards=0.03),
    ),
}
