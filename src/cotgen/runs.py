"""An opened run: its tables, and the groups that they make together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from cotgen.recipe import Recipe
from cotgen.records import Chained, Group, Judged, Problem, Searched, Verified
from cotgen.store import RunFolder, Table

L = TypeVar("L", Problem, Searched, Verified, Chained)


class _Attempts(msgspec.Struct):
    """Just enough of a line of attempts to count them."""

    attempts: list[msgspec.Raw]


_COUNTER = msgspec.json.Decoder(_Attempts)


class Run:
    """A recipe and the tables of its run. Tables open when they are first used."""

    def __init__(self, recipe: Recipe, path: Path, *, write: bool = True) -> None:
        self.recipe = recipe
        self.folder = RunFolder(path)
        self._write = write
        self._open: list[Table[Problem] | Table[Searched] | Table[Verified] | Table[Chained]] = []

    @cached_property
    def problems(self) -> Table[Problem]:
        """All problems loaded so far."""
        return self._table("problems", Problem)

    @cached_property
    def attempts(self) -> Table[Searched]:
        """A line for each problem and teacher."""
        return self._table("attempts", Searched)

    @cached_property
    def verdicts(self) -> Table[Verified]:
        """A line for each attempt."""
        return self._table("verdicts", Verified)

    @cached_property
    def chains(self) -> Table[Chained]:
        """A line for each problem."""
        return self._table("chains", Chained)

    def _table(self, name: str, line_type: type[L]) -> Table[L]:
        path = self.folder.path / f"{name}.jsonl"
        if not self._write and not path.exists():
            path = Path(os.devnull)  # A stage that has not begun is an empty table.
        table = Table(path, line_type, write=self._write)
        self._open.append(table)
        return table

    def active(self) -> Iterator[Problem]:
        """The problems that this run works on: the first `limit` of those loaded."""
        return islice(self.problems.lines(), self.recipe.problems.limit)

    def search_ids(self, problem: Problem) -> Iterator[tuple[str, str]]:
        """Each teacher with the id of its search of a problem."""
        return ((teacher, f"{problem.id}@{teacher}") for teacher in self.recipe.teachers)

    def attempt_ids(self, search: str) -> list[str]:
        """The ids of a search's attempts, without reading them; none if it is still owed."""
        if not self.attempts.has_finished(search):
            return []
        count = len(_COUNTER.decode(self.attempts.raw(search)).attempts)
        return [attempt_id(search, number) for number in range(count)]

    def group(self, problem: Problem) -> Group:
        """Everything known about a problem."""
        chained = self.chains.find(problem.id) if self.recipe.chains else None
        return Group(
            problem=problem,
            judged=tuple(self._judged(problem)),
            chains=chained.chains if chained else (),
        )

    def groups(self) -> Iterator[Group]:
        """The groups of the active problems, one at a time."""
        return (self.group(problem) for problem in self.active())

    def verdicts_digest(self, problem: Problem) -> str:
        """Changes when a problem gets or changes an attempt or a verdict."""
        digest = blake2b(digest_size=12)
        for _, search in self.search_ids(problem):
            for id in self.attempt_ids(search):
                verified = self.verdicts.find(id)
                outcome = verified.outcome if verified else ""
                digest.update(f"{id}\0{outcome}\n".encode())
        return digest.hexdigest()

    def _judged(self, problem: Problem) -> Iterator[Judged]:
        for teacher, search in self.search_ids(problem):
            searched = self.attempts.find(search)
            for number, attempt in enumerate(searched.attempts if searched else ()):
                id = attempt_id(search, number)
                verified = self.verdicts.find(id)
                yield Judged(id, attempt, teacher, verified.verdict if verified else None)

    def close(self) -> None:
        """Close the tables."""
        for table in self._open:
            table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def attempt_id(search: str, number: int) -> str:
    """The id of an attempt."""
    return f"{search}/{number}"
