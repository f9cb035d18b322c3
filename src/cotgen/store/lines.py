"""Files of whole lines: appended by one writer, repaired on opening."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from cotgen.errors import StoreError

SYNC_EVERY_S = 1.0
"""A kill loses nothing that was written; a power cut loses at most this many seconds of lines."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What decoding a damaged line raises: msgspec has no error of its own for broken UTF-8."""
_BLOCK = 1 << 20


class LineFile:
    """An append-only file of JSON lines. A line is whole or absent.

    Each line is handed to the kernel before `append` returns, so that killing the process at any
    moment loses none; the disk is synchronised at most once in `SYNC_EVERY_S`. A torn last line
    (a kill in the middle of a write) is cut off on opening: appending after it would glue two.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self._writes = write
        access = os.O_RDWR | os.O_CREAT | os.O_APPEND if write else os.O_RDONLY
        try:
            self._fd = os.open(path, access | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error
        self.size = _whole_lines(self._fd)
        if write and self.size < os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, self.size)
        self._synced_at = time.monotonic()
        self._reader = path.open("rb", buffering=1 << 16)

    def append(self, line: bytes) -> int:
        """Write one line, given without its newline, and return the offset it stands at."""
        offset, data = self.size, line + b"\n"
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            os.ftruncate(self._fd, offset)
            raise StoreError(f"{self.path}: cannot be written ({error.strerror})") from error
        self.size += len(data)
        if time.monotonic() - self._synced_at > SYNC_EVERY_S:
            self.sync()
        return offset

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._synced_at = time.monotonic()

    def at(self, offset: int) -> bytes:
        """The line that starts at `offset`."""
        self._reader.seek(offset)
        return self._reader.readline()

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """All whole lines with their offsets, in file order; a torn last line is no line."""
        with self.path.open("rb", buffering=_BLOCK) as file:
            offset = 0
            for line in file:
                if offset == self.size:
                    return
                yield offset, line
                offset += len(line)

    def close(self) -> None:
        """Synchronise and close."""
        if self._writes:
            self.sync()
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
