"""From somebody's row to a Problem: dotted paths, golds inside solutions, ids from content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal, get_args

from cotgen.golds import Gold, gold_of
from cotgen.records import AnswerKind, Problem, Split, clean
from cotgen.rows import MISSING, lookup

Field = Literal["id", "question", "answer", "answer_kind", "level", "tags", "split", "source",
                "license"]  # fmt: skip

GUESSES: dict[str, tuple[str, ...]] = {
    "id": ("id", "unique_id"),
    "question": ("question", "problem"),
    "answer": ("answer", "solution"),
    "level": ("level",),
    "split": ("split",),
    "source": ("source",),
    "license": ("license",),
    "answer_kind": ("answer_kind",),
    "tags": ("tags",),
}
"""Where a field is looked for when the recipe does not say."""


class Ids:
    """Where each id of a source was first seen, to tell repeated problems from clashing ids."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, bytes]] = {}

    def check(self, problem: Problem, place: str) -> None:
        """Raise ValueError if the id stood for another problem before."""
        digest = blake2b(repr(problem).encode(), digest_size=8).digest()
        first, before = self._seen.setdefault(problem.id, (place, digest))
        if before != digest:
            raise ValueError(f"the id {problem.id!r} stands for another problem at {first}")


class RowMap:
    """How the rows of one source become problems.

    `paths` maps fields to dotted paths into the row, `constants` to values that hold for all
    rows; a constant gives way to a value in the row.
    """

    def __init__(
        self, paths: Mapping[Field, str], constants: Mapping[str, Any], gold: Gold
    ) -> None:
        self._paths = paths
        self._constants = {key: value for key, value in constants.items() if value}
        self._gold = gold

    def problem(self, row: object) -> Problem:
        """Read a row. Raises ValueError saying which field is missing or wrong."""
        if not isinstance(row, Mapping):
            raise ValueError(f"expected an object, found {type(row).__name__}")
        question, answer = self._required(row, "question"), self._required(row, "answer")
        gold = gold_of(answer, self._gold)
        if not gold:
            raise ValueError("the answer holds an empty gold")
        tags = self._value(row, "tags")
        return Problem(
            id=self._text(row, "id") or content_id(question, gold),
            question=question,
            answer=gold,
            answer_kind=self._choice(row, "answer_kind", get_args(AnswerKind)),
            level=self._text(row, "level"),
            tags=_tags(tags),
            split=self._choice(row, "split", get_args(Split)),
            source=self._text(row, "source"),
            license=self._text(row, "license"),
        )

    def _required(self, row: Mapping[str, Any], field: Field) -> str:
        text = self._text(row, field)
        if not text.strip():
            places = [self._paths[field]] if field in self._paths else list(GUESSES[field])
            raise ValueError(f"no {field} at {' or '.join(places)} (columns: {', '.join(row)})")
        return text

    def _text(self, row: Mapping[str, Any], field: Field) -> str:
        value = self._value(row, field)
        if value is None or value == []:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"{field} must be a text or a number, found {type(value).__name__}")
        return clean(str(value))

    def _choice(self, row: Mapping[str, Any], field: Field, allowed: tuple[str, ...]) -> Any:
        value = self._text(row, field) or "unknown"
        if value not in allowed:
            # Only what the recipe names is an error: a column may use words of its own.
            if field in self._paths:
                raise ValueError(f"{field} is {value!r}: allowed are {', '.join(allowed)}")
            return "unknown"
        return value

    def _value(self, row: Mapping[str, Any], field: Field) -> Any:
        if field in self._paths:
            value = lookup(row, self._paths[field])
            if value is MISSING:
                raise ValueError(f"no {self._paths[field]} (columns: {', '.join(row)})")
            return value
        for guess in GUESSES.get(field, ()):
            if row.get(guess) is not None:
                return row[guess]
        return self._constants.get(field)


def content_id(question: str, gold: str) -> str:
    """An id for a problem that brings none: equal problems get equal ids."""
    return blake2b(f"{question}\0{gold}".encode(), digest_size=8).hexdigest()


def _tags(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (clean(value),)
    if isinstance(value, Sequence) and all(isinstance(tag, str) for tag in value):
        return tuple(clean(tag) for tag in value)
    raise ValueError(f"tags must be a text or a list of texts, found {type(value).__name__}")
