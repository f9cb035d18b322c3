"""A batch from its first request on: gathered into a file, later followed, at last handed out."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from cotgen.errors import StoreError
from cotgen.teachers.batch.ledger import Known, Part
from cotgen.teachers.batch.results import Results


@dataclass(eq=False)
class Batch:
    """One batch as this process knows it. While it is gathered it has an input and is not yet
    `known`; one of an earlier run has no input."""

    endpoint: str
    known: Known | None = None
    input: Input | None = None
    lines: dict[str, Line] = field(default_factory=dict)
    """Its requests that somebody may still be owed, by custom id."""
    results: Results | None = None
    failure: BaseException | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the results are on disk, or cannot be had."""
    follower: asyncio.Task[None] | None = None
    ended: str = ""
    """The server's word for how it ended (`completed`, `expired`, …)."""
    said: str = ""
    """What it waits for, for the progress line."""

    def add(self, part: Part) -> Line:
        """One more request."""
        line = Line(part.key, part.first, part.n, self, left=part.n)
        self.lines[part.custom_id] = line
        return line


@dataclass(eq=False)
class Line:
    """A request of a batch: the samples `first` … of a key."""

    key: str
    first: int
    n: int
    batch: Batch
    left: int
    """How many of its samples nobody has taken yet."""
    offset: int | None = None
    """Where its result stands; None: there is none."""

    @property
    def part(self) -> Part:
        """As the ledger names it."""
        return Part(self.key, self.first, self.n)

    def holds(self, number: int) -> bool:
        """Whether it asks for a sample."""
        return self.first <= number < self.first + self.n


class Input:
    """The file that a batch's requests are gathered in."""

    SUFFIX = ".gathering"

    def __init__(self, folder: Path) -> None:
        self._path = folder / (secrets.token_hex(4) + self.SUFFIX)
        self._digest = blake2b(digest_size=12)
        self.requests = 0
        self.size = 0
        self.touched = asyncio.get_running_loop().time()
        try:
            self._file = self._path.open("xb")
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, line: bytes) -> None:
        """Write one request."""
        try:
            self._file.write(line + b"\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._digest.update(line)
        self.requests += 1
        self.size += len(line) + 1
        self.touched = asyncio.get_running_loop().time()

    def close(self) -> str:
        """Put it on the disk for good; returns the batch's name.

        The name holds the digest of all requests, and a random part: another run, or the same
        requests after they failed, must not be taken for this batch.
        """
        name = f"cotgen-{self._digest.hexdigest()}-{secrets.token_hex(6)}"
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.rename(self._path.with_name(f"{name}.jsonl"))
        except OSError as error:
            raise self._unwritable(error) from error
        return name

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"{self._path}: cannot be written ({error.strerror})")
