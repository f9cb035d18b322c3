"""The people and things that the problems are about."""

from __future__ import annotations

from typing import NamedTuple


class Person(NamedTuple):
    """A name with its pronouns."""

    name: str
    he: str
    him: str


_SHE = (
    "Anna",
    "Clara",
    "Dina",
    "Ella",
    "Fay",
    "Ivy",
    "Lena",
    "Mei",
    "Nora",
    "Priya",
    "Ruth",
    "Zoe",
)
_HE = ("Adam", "Ben", "Carl", "Finn", "Hugo", "Ivan", "Leo", "Musa", "Noah", "Omar", "Paul", "Tom")

PEOPLE = tuple(Person(name, "she", "her") for name in _SHE) + tuple(
    Person(name, "he", "him") for name in _HE
)

THINGS = (
    "marbles", "stickers", "shells", "stamps", "beads", "coins", "cards", "apples",
    "pencils", "books", "toys", "buttons",
)  # fmt: skip
BAKED = ("muffins", "rolls", "pies", "cookies", "cakes")
