"""Worked examples for a prompt: verified attempts at other problems (methods.md §2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import NamedTuple, Self, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from cotgen.errors import RecipeError
from cotgen.records import Problem, Searched, Verified
from cotgen.testsets import test_set_of

L = TypeVar("L")


class Example(NamedTuple):
    """A question with a right solution."""

    question: str
    solution: str


class Examples(BaseModel):
    """Where examples come from, and how many a prompt shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Path
    """The folder of an earlier run, whose correct attempts are taken (the first of each problem, of
    no test problem), or a JSONL file of `{question, solution}`."""
    k: PositiveInt = 4
    """Examples a prompt, drawn anew for each problem."""
    digest: str = ""
    """Of the examples themselves; filled in, so that a run never mixes two sets of them."""

    @model_validator(mode="after")
    def _fixed(self) -> Self:
        try:
            digest = blake2b(repr(_read(self.path)).encode(), digest_size=8).hexdigest()
        except RecipeError as error:
            raise ValueError(str(error)) from error
        object.__setattr__(self, "digest", digest)  # Frozen, but not yet handed out.
        return self

    def of(self, problem: Problem, draw: Random) -> list[Example]:
        """So many examples, none of the problem itself. Raises RecipeError if there are too few."""
        asked = problem.question.split()
        others = [each for each in _read(self.path) if each.question.split() != asked]
        if len(others) < self.k:
            raise RecipeError(
                f"search.examples: {self.path} holds {len(others)} examples of other problems, "
                f"{self.k} are asked for"
            )
        return draw.sample(others, self.k)


@lru_cache(maxsize=8)
def _read(path: Path) -> tuple[Example, ...]:
    try:
        return tuple(_of_run(path) if path.is_dir() else _of_file(path))
    except OSError as error:
        raise RecipeError(f"search.examples: {error.filename or path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"search.examples: {path}: not what was expected: {error}") from error


class _Row(msgspec.Struct):
    question: str
    solution: str


def _of_file(path: Path) -> Iterator[Example]:
    decode = msgspec.json.Decoder(_Row).decode
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                row = decode(line)
                if known := test_set_of(row.question):
                    raise RecipeError(
                        f"search.examples: {path}: a problem of {known}, which is test data: "
                        f"{row.question[:60]!r}"
                    )
                yield Example(row.question, row.solution)


def _of_run(path: Path) -> Iterator[Example]:
    """The first correct attempt at each problem; test problems are never shown."""
    problems = {
        line.id: line for line in _lines(path / "problems.jsonl", Problem) if line.split != "test"
    }
    right = {
        line.id for line in _lines(path / "verdicts.jsonl", Verified) if line.outcome == "correct"
    }
    for search in _lines(path / "attempts.jsonl", Searched):
        for number, attempt in enumerate(search.attempts):
            if f"{search.id}/{number}" in right and search.problem in problems:
                question = problems.pop(search.problem).question
                yield Example(question, attempt.solution)
                break


def _lines(path: Path, kind: type[L]) -> Iterator[L]:
    decode = msgspec.json.Decoder(kind).decode
    with path.open("rb") as file:
        yield from map(decode, file)
