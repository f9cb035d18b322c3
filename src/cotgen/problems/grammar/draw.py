"""Drawing a problem of a family and a difficulty, with structures kept apart by part."""

from __future__ import annotations

from hashlib import blake2b
from random import Random
from typing import Literal

from cotgen.problems.grammar.comparison import draw_comparison
from cotgen.problems.grammar.levels import Difficulty, Family
from cotgen.problems.grammar.running import draw_running
from cotgen.problems.grammar.worked import Worked

Part = Literal["test", "train", "teacher"]
"""Who may see a structure: `teacher` is what the tiny teacher was trained on, and nobody else."""

_BUCKETS = 20


def draw_problem(draw: Random, family: Family, difficulty: Difficulty, part: Part) -> Worked:
    """A problem whose structure belongs to the part; structures of two parts never meet."""
    while True:
        make = draw_running if family == "running" else draw_comparison
        worked = make(draw, difficulty)
        if worked is not None and part_of(worked.structure) == part:
            return worked


def part_of(structure: tuple[str, ...]) -> Part:
    """The part that a structure falls into, by its hash: 10 % test, 20 % train, 70 % teacher."""
    digest = blake2b("\0".join(structure).encode(), digest_size=8).digest()
    bucket = int.from_bytes(digest, "big") % _BUCKETS
    return "test" if bucket < 2 else "train" if bucket < 6 else "teacher"
