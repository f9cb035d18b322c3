"""An opened run: its tables, and the groups that they make together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from itertools import count, islice, takewhile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, cast

import msgspec

from cotgen.errors import RecipeError, StoreError
from cotgen.recipe import Recipe
from cotgen.records import (
    Attempt,
    Chained,
    Filtered,
    Group,
    Judged,
    Problem,
    Rewarded,
    Searched,
    Thing,
    Verified,
)
from cotgen.store import RunFolder, Table
from cotgen.store.lines import UNREADABLE, LineFile
from cotgen.yamltext import NotYaml, read_yaml

FILTERED = "filtered.jsonl"
"""What filters dropped, and why."""

L = TypeVar("L", Problem, Searched, Verified, Rewarded, Chained)
AnyTable = Table[Problem] | Table[Searched] | Table[Verified] | Table[Rewarded] | Table[Chained]


class _Attempts(msgspec.Struct):
    """A line of attempts with the attempts as they stand, not decoded."""

    attempts: list[msgspec.Raw]
    enough: bool = False


_ATTEMPT = msgspec.json.Decoder(Attempt)
_COUNTER = msgspec.json.Decoder(_Attempts)


class Judgeable(NamedTuple):
    """An attempt that can have a verdict, not decoded; `inputs` is what its verdict must name."""

    problem: Problem
    id: str
    inputs: str
    raw: msgspec.Raw

    def attempt(self) -> Attempt:
        """The attempt itself."""
        return _ATTEMPT.decode(self.raw)


class Sieve:
    """What filters dropped: the ids of problems and of attempts."""

    def __init__(self, dropped: Iterable[Filtered] = ()) -> None:
        self.problems: set[str] = set()
        self.attempts: set[str] = set()
        for line in dropped:
            self.drop(line.id, line.thing)

    def drop(self, id: str, thing: Thing) -> bool:
        """Drop something; False if it was dropped before."""
        ids = self.problems if thing == "problem" else self.attempts
        before = len(ids)
        ids.add(id)
        return len(ids) > before

    def update(self, other: Sieve) -> None:
        """Drop what the other drops."""
        self.problems |= other.problems
        self.attempts |= other.attempts

    def left(self, group: Group) -> Group | None:
        """What is left of a group; None if its problem was dropped."""
        if group.problem.id in self.problems:
            return None
        kept = tuple(judged for judged in group.judged if judged.id not in self.attempts)
        if len(kept) == len(group.judged):
            return group
        return msgspec.structs.replace(group, judged=kept)


class Shape(NamedTuple):
    """What reading a run takes to know of its recipe."""

    teachers: tuple[str, ...]
    limit: int | None
    chains: bool


def shape_of(recipe: Recipe) -> Shape:
    """The shape of a recipe's run."""
    return Shape(tuple(recipe.teachers), recipe.problems.limit, recipe.chains is not None)


def saved_shape(folder: Path) -> Shape:
    """The shape of a run on disk. Its components need not be installed to read it."""
    saved = saved_recipe(folder)
    return Shape(
        tuple(saved["teachers"]), saved["problems"].get("limit"), bool(saved.get("chains"))
    )


def saved_recipe(folder: Path) -> dict[str, Any]:
    """The plain settings that were saved with a run. Raises RecipeError if there are none."""
    path = folder / "recipe.yaml"
    try:
        saved = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{folder} is not the folder of a run") from None
    except (OSError, UnicodeDecodeError, NotYaml) as error:
        raise RecipeError(f"{path}: not the recipe of a run ({error})") from error
    for section in ("problems", "teachers"):
        if not isinstance(saved, dict) or not isinstance(saved.get(section), dict):
            raise RecipeError(f"{path}: not the recipe of a run (it has no mapping `{section}:`)")
    return cast(dict[str, Any], saved)


class Run:
    """The tables of a run. They open when they are first used."""

    def __init__(self, shape: Shape, path: Path, *, write: bool = True) -> None:
        self.shape = shape
        self.folder = RunFolder(path)
        self._write = write
        self._open: list[AnyTable] = []

    @cached_property
    def problems(self) -> Table[Problem]:
        """All problems loaded so far."""
        return self._table("problems", Problem)

    @cached_property
    def attempts(self) -> Table[Searched]:
        """A line for each problem and teacher."""
        # A line that a kill takes is made again from the journal.
        return self._table("attempts", Searched, gathered=True)

    @cached_property
    def verdicts(self) -> Table[Verified]:
        """A line for each attempt."""
        return self._table("verdicts", Verified)

    @cached_property
    def rewards(self) -> Table[Rewarded] | None:
        """A line for each attempt whose steps have rewards; None in a run without any."""
        if not (self.folder.path / "rewards.jsonl").exists():
            return None
        return self._table("rewards", Rewarded)

    @cached_property
    def chains(self) -> Table[Chained]:
        """A line for each problem."""
        return self._table("chains", Chained)

    @cached_property
    def sieve(self) -> Sieve:
        """What filters dropped; nothing in a run without any."""
        return Sieve(self.filtered())

    def filtered(self) -> Iterator[Filtered]:
        """The lines of what filters dropped, in the order of the decisions."""
        path = self.folder.path / FILTERED
        if not path.exists():
            return
        decoder = msgspec.json.Decoder(Filtered)
        with LineFile(path, write=False) as file:
            for offset, line in file.scan():
                try:
                    yield decoder.decode(line)
                except UNREADABLE as error:
                    raise StoreError(
                        f"{path}, byte {offset}: {error}. Delete the file to have it made again"
                    ) from error

    def _table(self, name: str, line_type: type[L], *, gathered: bool = False) -> Table[L]:
        path = self.folder.path / f"{name}.jsonl"
        if not self._write and not path.exists():
            path = Path(os.devnull)  # A stage that has not begun is an empty table.
        table = Table(path, line_type, write=self._write, gathered=gathered)
        self._open.append(table)
        return table

    def active(self) -> Iterator[Problem]:
        """The problems that this run works on: the first `limit` of those loaded."""
        return islice(self.problems.lines(), self.shape.limit)

    def active_ids(self) -> Iterator[str]:
        """Their ids, without reading them."""
        return islice(self.problems.ids(), self.shape.limit)

    def search_ids(self, problem: str) -> Iterator[tuple[str, str]]:
        """Each teacher with the id of its search of a problem."""
        return ((teacher, f"{problem}@{teacher}") for teacher in self.shape.teachers)

    def attempt_count(self, search: str) -> tuple[int, bool]:
        """How many attempts a finished search has, without reading them, and if that is enough."""
        found = _COUNTER.decode(self.attempts.raw(search))
        return len(found.attempts), found.enough

    def judgeable(self, problem: Problem) -> Iterator[Judgeable]:
        """The attempts of a problem as they stand in the table."""
        for _, search in self.search_ids(problem.id):
            for number, raw in enumerate(self._raw_attempts(search)):
                inputs = inputs_of(problem, raw)
                yield Judgeable(problem, attempt_id(search, number), inputs, raw)

    def _raw_attempts(self, search: str) -> list[msgspec.Raw]:
        if not self.attempts.has_finished(search):
            return []
        return _COUNTER.decode(self.attempts.raw(search)).attempts

    def group(self, problem: Problem, *, chains: bool = True) -> Group:
        """Everything known about a problem, with what filters dropped; or all but its chains."""
        chained = self.chains.find(problem.id) if chains and self.shape.chains else None
        return Group(
            problem=problem,
            judged=tuple(self._judged(problem)),
            chains=chained.chains if chained else (),
        )

    def groups(self) -> Iterator[Group]:
        """The groups of the active problems, one at a time."""
        return (self.group(problem) for problem in self.active())

    def left_groups(self) -> Iterator[Group]:
        """The groups without what filters dropped."""
        return (left for group in self.groups() if (left := self.sieve.left(group)))

    def verdicts_digest(self, problem: Problem) -> str:
        """Changes when a problem gets, changes or loses an attempt or a verdict."""
        digest = blake2b(digest_size=12)
        for _, search in self.search_ids(problem.id):
            for id in self.left_ids(search, problem.id):
                verified = self.verdicts.get(id)
                digest.update(f"{id}\0{verified.inputs}\0{verified.outcome}\n".encode())
        return digest.hexdigest()

    def judged_ids(self, search: str) -> Iterator[str]:
        """The attempts of a search that have verdicts, found without reading the attempts."""
        ids = (attempt_id(search, number) for number in count())
        return takewhile(self.verdicts.__contains__, ids)

    def left_ids(self, search: str, problem: str) -> Iterator[str]:
        """Those of them that no filter dropped."""
        if problem in self.sieve.problems:
            return iter(())
        return (id for id in self.judged_ids(search) if id not in self.sieve.attempts)

    def _judged(self, problem: Problem) -> Iterator[Judged]:
        for teacher, search in self.search_ids(problem.id):
            searched = self.attempts.find(search)
            for number, attempt in enumerate(searched.attempts if searched else ()):
                id = attempt_id(search, number)
                verified = self.verdicts.find(id)
                rewarded = self.rewards.find(id) if self.rewards else None
                yield Judged(
                    id,
                    attempt,
                    teacher,
                    verified.verdict if verified else None,
                    rewarded.rewards if rewarded else None,
                )

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


def inputs_of(problem: Problem, raw: bytes | msgspec.Raw) -> str:
    """The digest that the verdict and the rewards of an attempt, as it stands, must name."""
    digest = blake2b(problem.answer.encode() + b"\0", digest_size=8)
    digest.update(raw)
    return digest.hexdigest()
