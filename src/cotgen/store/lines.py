"""Files of whole lines: appended by one writer, repaired on opening."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

import msgspec

from cotgen.errors import StoreError
from cotgen.store.room import give_room_back, make_room

SYNC_EVERY_S = 1.0
"""A kill loses nothing that was written; a power cut loses at most this many seconds of lines, and
those of the time that the disk takes."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What decoding a damaged line raises: msgspec has no error of its own for broken UTF-8."""
_BLOCK = 1 << 20
_GATHERED = 1 << 18
_WORTH_ROOM = 1 << 22
"""Bytes appended before room is made for more."""
_MOST_PARTS = min(1024, os.sysconf("SC_IOV_MAX"))
"""How many pieces the kernel takes at once."""


def _beside(wait: Callable[[], None]) -> Future[None]:
    """Wait for a disk in a thread that does nothing else, and is gone when the disk is done: a
    process with one thread may fork."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            wait()
        except Exception as error:  # noqa: BLE001 - whoever asks for the result hears of it
            done.set_exception(error)
        else:
            done.set_result(None)

    try:
        Thread(target=work, name="cotgen-disk").start()
    except RuntimeError:
        work()  # No more threads are allowed.
    return done


def sync_soon(path: Path) -> Future[None]:
    """Bring a file that was closed to the disk, beside the work; the result raises OSError."""

    def sync() -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())

    return _beside(sync)


class LineFile:
    """An append-only file of JSON lines. A line is whole or absent.

    Each line is handed to the kernel before `append` returns, so that killing the process at any
    moment loses none; `gathered` files, which suit copies, hand over many at once. The disk is
    synchronised about once in `SYNC_EVERY_S`. A torn last line (a kill in the middle of a write)
    is cut off on opening: appending after it would glue two.
    """

    def __init__(self, path: Path, *, write: bool = True, gathered: bool = False) -> None:
        self.path = path
        self._writes = write
        self._gathered = gathered
        self._held: list[bytes] = []
        self._held_from = 0
        self._syncing: Future[None] | None = None
        access = os.O_RDWR | os.O_CREAT | os.O_APPEND if write else os.O_RDONLY
        try:
            self._fd = os.open(path, access | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error
        self.size = _whole_lines(self._fd)
        if write and self.size < os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, self.size)
        self._held_from = self._room_from = self.size
        self._synced_at = time.monotonic()
        self._reader = path.open("rb", buffering=1 << 16)

    def append(self, line: bytes) -> int:
        """Write one line, given without its newline, and return the offset it stands at."""
        if time.monotonic() - self._synced_at > SYNC_EVERY_S:
            self.begin_sync()  # First: that the disk failed is heard before the line is there.
        offset = self.size
        self._held += (line, b"\n")
        self.size += len(line) + 1
        held = self.size - self._held_from
        if not self._gathered or held >= _GATHERED or len(self._held) >= _MOST_PARTS:
            self.flush()
        return offset

    def flush(self) -> None:
        """Hand over what was gathered. On failure the file ends before it."""
        if not self._held:
            return
        if self.size > self._room_from + _WORTH_ROOM:
            self._room_from = self.size - _WORTH_ROOM + make_room(self._fd, self.size)
        offset, parts, self._held = self._held_from, self._held, []
        try:
            written = os.writev(self._fd, parts)
            if written < self.size - offset:
                data = b"".join(parts)
                while written < len(data):
                    written += os.write(self._fd, data[written:])
        except OSError as error:
            os.ftruncate(self._fd, offset)
            self.size = offset
            raise StoreError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._held_from = self.size

    def grown(self, size: int) -> None:
        """Another process has appended, up to this size."""
        assert not self._held
        self.size = self._held_from = size

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        self.flush()
        self._end_sync()
        self._fsync()
        self._synced_at = time.monotonic()

    def begin_sync(self) -> None:
        """Synchronise beside the work: a disk can take a tenth of a second, a busy one much more.
        Then lines wait for the disk, and nobody for them. `close` waits, and hears of failures."""
        if self._syncing and not self._syncing.done():
            return
        self._end_sync()
        self.flush()
        self._syncing = _beside(self._fsync)
        self._synced_at = time.monotonic()

    def _end_sync(self) -> None:
        """Wait for the last one, and hear of its failure."""
        if self._syncing:
            syncing, self._syncing = self._syncing, None
            syncing.result()

    def _fsync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror})") from error

    def piece(self, offset: int, size: int) -> bytes:
        """So many bytes from `offset` on, which were handed to the kernel before."""
        return os.pread(self._fd, size, offset)

    def at(self, offset: int) -> bytes:
        """The line that starts at `offset`."""
        if offset >= self._held_from:
            self.flush()
        self._reader.seek(offset)
        return self._reader.readline()

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """All whole lines with their offsets, in file order; a torn last line is no line."""
        self.flush()
        with self.path.open("rb", buffering=_BLOCK) as file:
            offset = 0
            for line in file:
                if offset == self.size:
                    return
                yield offset, line
                offset += len(line)

    def close(self) -> None:
        """Synchronise and close."""
        try:
            if self._writes:
                self.flush()
                give_room_back(self._fd, self.size)
                self.sync()
        finally:
            os.close(self._fd)
            self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def _whole_lines(fd: int) -> int:
    """The size of a file up to its last newline."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
