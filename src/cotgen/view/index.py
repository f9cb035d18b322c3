"""What the viewer knows of a run: ids, offsets and small integers, from one pass over its files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from cotgen.errors import StoreError
from cotgen.records import Chained, Problem, Rewarded, Searched, Verified
from cotgen.runs import saved_shape
from cotgen.store.lines import UNREADABLE
from cotgen.view.lines import BLOCK, Lines
from cotgen.view.search import Texts, folded

OUTCOMES = ("unjudged", "correct", "incorrect", "unverifiable", "unfinished")
"""What an attempt may be; its place here is its number in the index."""
TABLES = ("chains", "rewards", "verdicts", "attempts", "problems")
"""In the order of opening: what is read first mentions nothing that is read later and not there."""

_DOCUMENTS_AT_ONCE = 2_000
Ints = npt.NDArray[np.int64]
L = TypeVar("L")


class _Searched(msgspec.Struct):
    id: str
    attempts: list[msgspec.Raw] = []


class _Verified(msgspec.Struct):
    id: str
    outcome: str
    predicted: str
    method: str


class _Chained(msgspec.Struct):
    id: str
    chains: list[msgspec.Raw] = []


class _Identified(msgspec.Struct):
    id: str


class _Origin(msgspec.Struct):
    problem: str = ""


class Codes:
    """Names as small integers, in the order of their first appearance."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The name's number; a new one if it is new."""
        return self.names.setdefault(name, len(self.names))


class Dataset(NamedTuple):
    """The rows of one file: where each starts, and the place of its problem (-1: unknown)."""

    rows: Lines
    origins: Lines
    starts: Ints
    origin_starts: Ints
    problems: Ints
    sorted: Ints
    """Row numbers in the order of their problems."""

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, place: int) -> Ints:
        """The rows made of a problem."""
        ordered = self.problems[self.sorted]
        low, high = np.searchsorted(ordered, [place, place + 1])
        return self.sorted[low:high]


class Reader(Generic[L]):
    """Decodes lines of one table."""

    def __init__(self, lines: Lines, line_type: type[L]) -> None:
        self.lines = lines
        self._decoder = msgspec.json.Decoder(line_type)

    def decode(self, offset: int, line: bytes) -> L:
        """A line; a damaged one is an error that says where it stands."""
        try:
            return self._decoder.decode(line)
        except UNREADABLE as error:
            raise StoreError(f"{self.lines.path}, byte {offset}: {error}") from error

    def at(self, offset: int) -> L:
        """The line that starts at `offset`."""
        return self.decode(offset, self.lines.at(offset))

    def blocks(self) -> Iterator[list[tuple[int, L]]]:
        """All lines with their offsets."""
        for block in self.lines.blocks():
            yield [(offset, self.decode(offset, line)) for offset, line in block]


Signature = tuple[tuple[str, int, int], ...]


def signature(folder: Path) -> Signature:
    """Changes when a file of the run grows or is replaced."""
    paths = [folder / f"{name}.jsonl" for name in TABLES]
    paths += [*sorted((folder / "datasets").glob("*.jsonl")), folder / "recipe.yaml"]
    found = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((path.name, status.st_ino, status.st_size))
    return tuple(found)


class Index:
    """A run as it stood when the index was made. `read` makes it, piece by piece.

    Attempts are numbered by problem, then teacher, then sample; `base[slot]` is the first of a
    search, whose slot is problem × teachers + teacher.
    """

    def __init__(self, folder: Path) -> None:
        self.shape = saved_shape(folder)
        self.signature = signature(folder)
        self.read_bytes = self.all_bytes = 0
        self._open: list[Lines] = []
        tables = {name: self._lines(folder / f"{name}.jsonl") for name in TABLES}
        self._files = _dataset_files(folder, self._lines)
        self._tables = tables
        self.problem_lines = Reader(tables["problems"], Problem)
        self.search_lines = Reader(tables["attempts"], Searched)
        self.verdict_lines = Reader(tables["verdicts"], Verified)
        self.reward_lines = Reader(tables["rewards"], Rewarded)
        self.chain_lines = Reader(tables["chains"], Chained)
        self.ids: list[str] = []
        self.place: dict[str, int] = {}
        self.levels, self.sources, self.methods = Codes(), Codes(), Codes()
        self.texts = Texts()
        self.datasets: dict[str, Dataset] = {}
        # A few problems are looked at again and again while one pages through their attempts.
        self.searched = lru_cache(maxsize=4)(self._searched)
        self.chained = lru_cache(maxsize=4)(self._chained)

    def _lines(self, path: Path) -> Lines:
        lines = Lines(path)
        self._open.append(lines)
        self.all_bytes += lines.size
        return lines

    @property
    def progress(self) -> float:
        """The share of the files that was read."""
        return self.read_bytes / self.all_bytes if self.all_bytes else 1.0

    def read(self) -> Iterator[None]:
        """Read the run, giving way every few milliseconds."""
        documents: list[bytes] = []
        yield from self._read_problems(documents)
        yield from self._read_attempts()
        yield from self._read_verdicts(documents)
        yield from self._read_rewards()
        yield from self._read_chains()
        for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
            self.texts.add(documents[start : start + _DOCUMENTS_AT_ONCE])
            yield
        documents.clear()
        for name, (rows, origins) in self._files.items():
            yield from self._read_dataset(name, rows, origins)
        self._count()
        self.read_bytes = self.all_bytes

    def _passed(self) -> None:
        """Keep count of what was read."""
        self.read_bytes = min(self.read_bytes + BLOCK, self.all_bytes)

    def _read_problems(self, documents: list[bytes]) -> Iterator[None]:
        offsets: list[int] = []
        levels: list[int] = []
        sources: list[int] = []
        limit = self.shape.limit
        for block in self.problem_lines.blocks():
            for offset, problem in block:
                place = self.place.setdefault(problem.id, len(self.ids))
                if place < len(self.ids):
                    offsets[place] = offset
                elif limit is None or place < limit:
                    self.ids.append(problem.id)
                    offsets.append(offset)
                    levels.append(self.levels.of(problem.level))
                    sources.append(self.sources.of(problem.source))
                    text = (problem.id, problem.question, problem.answer)
                    documents.append(b"\n".join(map(folded, text)))
                else:
                    del self.place[problem.id]
            self._passed()
            yield
        self.problem_at = np.array(offsets, np.int64)
        self.level = np.array(levels, np.int32)
        self.source = np.array(sources, np.int32)

    def _slot(self, search: str) -> int:
        """The place of a search, -1 for one that this run has nothing to do with."""
        id, _, teacher = search.rpartition("@")
        place = self.place.get(id, -1)
        if place < 0 or teacher not in self.shape.teachers:
            return -1
        return place * len(self.shape.teachers) + self.shape.teachers.index(teacher)

    def _read_attempts(self) -> Iterator[None]:
        slots = len(self.ids) * len(self.shape.teachers)
        self.search_at = np.full(slots, -1, np.int64)
        counts = np.zeros(slots, np.int64)
        for block in Reader(self._tables["attempts"], _Searched).blocks():
            for offset, line in block:
                slot = self._slot(line.id)
                if slot >= 0:
                    self.search_at[slot] = offset
                    counts[slot] = len(line.attempts)
            self._passed()
            yield
        self.base = np.concatenate([[0], np.cumsum(counts)])
        searches = np.repeat(np.arange(slots), counts)
        self.owner = (searches // len(self.shape.teachers)).astype(np.int32)
        self.teacher = (searches % len(self.shape.teachers)).astype(np.int16)

    def attempt(self, id: str) -> int:
        """The number of an attempt in this index, -1 if it is not here."""
        search, _, sample = id.rpartition("/")
        slot = self._slot(search)
        if slot < 0 or not sample.isdecimal():
            return -1
        number = int(self.base[slot]) + int(sample)
        return number if number < self.base[slot + 1] else -1

    def _read_verdicts(self, documents: list[bytes]) -> Iterator[None]:
        attempts = len(self.owner)
        self.verdict_at = np.full(attempts, -1, np.int64)
        self.outcome = np.zeros(attempts, np.uint8)
        self.method = np.full(attempts, -1, np.int32)
        codes = {name: code for code, name in enumerate(OUTCOMES)}
        for block in Reader(self._tables["verdicts"], _Verified).blocks():
            for offset, line in block:
                number = self.attempt(line.id)
                if number < 0:
                    continue
                self.verdict_at[number] = offset
                self.outcome[number] = codes.get(line.outcome, 0)
                self.method[number] = self.methods.of(line.method)
                answer, owner = folded(line.predicted[:200]), self.owner[number]
                if answer not in documents[owner]:
                    documents[owner] += b"\n" + answer
            self._passed()
            yield

    def _read_rewards(self) -> Iterator[None]:
        self.reward_at = np.full(len(self.owner), -1, np.int64)
        for block in Reader(self._tables["rewards"], _Identified).blocks():
            for offset, line in block:
                if (number := self.attempt(line.id)) >= 0:
                    self.reward_at[number] = offset
            self._passed()
            yield

    def _read_chains(self) -> Iterator[None]:
        self.chains_at = np.full(len(self.ids), -1, np.int64)
        self.chain_count = np.zeros(len(self.ids), np.int32)
        for block in Reader(self._tables["chains"], _Chained).blocks():
            for offset, line in block:
                place = self.place.get(line.id, -1)
                if place >= 0 and self.shape.chains:
                    self.chains_at[place] = offset
                    self.chain_count[place] = len(line.chains)
            self._passed()
            yield

    def _read_dataset(self, name: str, rows: Lines, origins: Lines) -> Iterator[None]:
        starts: list[Ints] = []
        for ends in rows.starts():
            starts.append(ends)
            self._passed()
            yield
        places: list[Ints] = [np.zeros(0, np.int64)]
        offsets: list[Ints] = [np.zeros(0, np.int64)]
        for block in Reader(origins, _Origin).blocks():
            offsets.append(np.array([offset for offset, _ in block], np.int64))
            found = [self.place.get(line.problem, -1) for _, line in block]
            places.append(np.array(found, np.int64))
            self._passed()
            yield
        made, known = np.concatenate(starts)[:-1], np.concatenate(places)
        # Files of one dataset are replaced one after the other: between the two they may differ.
        owners = np.full(len(made), -1, np.int64)
        owners[: len(known)] = known[: len(made)]
        yield
        order = np.argsort(owners, kind="stable")
        self.datasets[name] = Dataset(rows, origins, made, np.concatenate(offsets), owners, order)
        yield

    def _count(self) -> None:
        """Attempts by problem and outcome, and the share that is right (-1: none judged)."""
        size = len(self.ids) * len(OUTCOMES)
        places = self.owner.astype(np.int64) * len(OUTCOMES) + self.outcome
        self.counts = np.bincount(places, minlength=size).reshape(-1, len(OUTCOMES))
        judged = self.counts[:, 1:].sum(axis=1)
        self.rate = np.where(judged > 0, self.counts[:, 1] / np.maximum(judged, 1), -1.0)

    def problem(self, place: int) -> Problem:
        """The problem at a place."""
        return self.problem_lines.at(int(self.problem_at[place]))

    def slots(self, place: int) -> range:
        """The searches of a problem, one for each teacher."""
        teachers = len(self.shape.teachers)
        return range(place * teachers, (place + 1) * teachers)

    def _searched(self, slot: int) -> Searched | None:
        offset = int(self.search_at[slot])
        return self.search_lines.at(offset) if offset >= 0 else None

    def _chained(self, place: int) -> Chained | None:
        offset = int(self.chains_at[place])
        return self.chain_lines.at(offset) if offset >= 0 else None

    def close(self) -> None:
        """Let go of the files."""
        for lines in self._open:
            lines.close()
        self._open.clear()


def _dataset_files(folder: Path, open_lines: Any) -> dict[str, tuple[Lines, Lines]]:
    files = sorted((folder / "datasets").glob("*.jsonl"))
    return {
        path.name.removesuffix(".jsonl"): (
            open_lines(path),
            open_lines(path.with_suffix(".origin.jsonl")),
        )
        for path in files
        if not path.name.endswith(".origin.jsonl")
    }
