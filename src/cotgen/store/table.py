"""A stage's table: id → line, append-only, resumable, and in one canonical order when complete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from cotgen.errors import StoreError
from cotgen.records import own_json
from cotgen.store.lines import UNREADABLE, LineFile


class Identified(Protocol):
    """Whatever a table may hold."""

    @property
    def id(self) -> str:
        """Unique in its table."""


class _Head(msgspec.Struct):
    """The part of a line that the index needs."""

    id: str
    error: str = ""


class Encoded(NamedTuple):
    """A line that is ready to be written."""

    id: str
    data: bytes
    error: str


L = TypeVar("L", bound=Identified)


class Table(Generic[L]):
    """One JSONL file, one line an id. The index holds ids and offsets, never lines.

    A line with an `error` is a failure: data, but owed again. Appending another line for its id
    replaces it; appending a second line for a finished id is a bug and refused.
    """

    def __init__(
        self, path: Path, line_type: type[L], *, write: bool = True, gathered: bool = False
    ) -> None:
        self._file = LineFile(path, write=write, gathered=gathered)
        self._gathered = gathered
        self._decoder = msgspec.json.Decoder(line_type)
        self._encoder = msgspec.json.Encoder(enc_hook=own_json)
        self._offsets: dict[str, int] = {}
        self._failed: set[str] = set()
        self._dead = 0
        try:
            self._index()
        except StoreError:
            self._file.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, id: str) -> bool:
        return id in self._offsets

    @property
    def failed(self) -> int:
        """How many ids have a failure line only."""
        return len(self._failed)

    def failures(self) -> Iterator[L]:
        """The lines of ids that have a failure only."""
        return (self.get(id) for id in self._offsets if id in self._failed)

    def has_finished(self, id: str) -> bool:
        """Whether the id has a line that is not a failure."""
        return id in self._offsets and id not in self._failed

    def append(self, line: L) -> None:
        """Add the line of a new id, or the line that replaces a failure."""
        if self.has_finished(line.id):
            raise AssertionError(f"{self.path.name}: a second line for {line.id}")
        self.write(self.encoded(line))

    def replace(self, line: L) -> None:
        """Add a line that takes the place of the id's earlier one, if there is one."""
        self._failed.add(line.id)
        self.append(line)

    def encoded(self, line: L) -> Encoded:
        """A line as it will stand in the file."""
        return Encoded(line.id, self._encoder.encode(line), getattr(line, "error", ""))

    def write(self, line: Encoded) -> None:
        """Add a line that takes the place of the id's earlier one, if there is one."""
        self._note(line.id, self._file.append(line.data), line.error)

    def adopt(self, lines: Iterable[tuple[str, int, str]], size: int) -> None:
        """Take up lines that another process appended: ids, offsets, errors; and the file's size.
        As long as it appends, nobody else may."""
        self._file.grown(size)
        for line in lines:
            self._note(*line)

    def read_again(self) -> None:
        """Take up what another process left: a line that it did not end is cut off."""
        self._file.close()
        self._file = LineFile(self.path, gathered=self._gathered)
        self._index()

    def flush(self) -> None:
        """Hand what was gathered to the kernel."""
        self._file.flush()

    def get(self, id: str) -> L:
        """The id's last line."""
        return self._decode(self._offsets[id])

    def raw(self, id: str) -> bytes:
        """The id's last line as it stands in the file."""
        return self._file.at(self._offsets[id])

    def find(self, id: str) -> L | None:
        """The id's last line, if it has one."""
        offset = self._offsets.get(id)
        return None if offset is None else self._decode(offset)

    def ids(self) -> Iterator[str]:
        """All ids in file order."""
        return iter(self._offsets)

    def lines(self) -> Iterator[L]:
        """The last line of every id, streamed, in the order of the ids' last lines."""
        return (self._decode(offset) for offset in self._offsets.values())

    def seal(self, order: Iterable[str]) -> None:
        """Bring the lines into `order` and drop replaced ones, atomically.

        Lines arrive in the order in which work ends, which differs from run to run. After sealing
        the file depends on its content alone. Nothing is written if the order is right already.
        """
        wanted = [id for id in order if id in self._offsets]
        if len(wanted) < len(self._offsets):
            known = set(wanted)
            wanted += sorted(id for id in self._offsets if id not in known)
        if not self._dead and wanted == list(self._offsets):
            self._file.begin_sync()
            return
        rewritten = self.path.with_suffix(".jsonl.tmp")
        rewritten.unlink(missing_ok=True)
        try:
            with LineFile(rewritten, gathered=True) as copy:
                offsets = {id: copy.append(self._file.at(self._offsets[id])[:-1]) for id in wanted}
        except StoreError:
            rewritten.unlink(missing_ok=True)  # A full disk needs its place.
            raise
        rewritten.replace(self.path)
        _sync_folder(self.path.parent)
        self._file.close()
        self._file = LineFile(self.path, gathered=self._gathered)
        self._offsets, self._dead = offsets, 0

    def digest(self) -> str:
        """A hash of the file's content."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]

    def close(self) -> None:
        """Synchronise and close."""
        self._file.close()

    def _decode(self, offset: int) -> L:
        line = self._file.at(offset)
        try:
            return self._decoder.decode(line)
        except UNREADABLE as error:
            raise StoreError(f"{self.path}, byte {offset}: {error}. {_DAMAGED}") from error

    def _index(self) -> None:
        self._offsets, self._failed, self._dead = {}, set(), 0
        decode = msgspec.json.Decoder(_Head).decode
        for number, (offset, line) in enumerate(self._file.scan(), start=1):
            try:
                head = decode(line)
            except UNREADABLE as error:
                raise StoreError(f"{self.path}, line {number}: {error}. {_DAMAGED}") from error
            self._note(head.id, offset, head.error)

    def _note(self, id: str, offset: int, error: str) -> None:
        if id in self._offsets:
            # Ids stand in the order of their last lines, as a rewritten file would have them.
            del self._offsets[id]
            self._dead += 1
        self._offsets[id] = offset
        if error:
            self._failed.add(id)
        else:
            self._failed.discard(id)


_DAMAGED = (
    "The line is damaged: delete it to have it made again "
    "(completions already paid for are in journal.jsonl)"
)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
