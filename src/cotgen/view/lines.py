"""A file of whole lines, read as it was when it was opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cotgen.errors import StoreError

BLOCK = 1 << 16
"""Bytes read at once: a few milliseconds' work."""
_READ = 1 << 14


class Lines:
    """Lines by offset. A run may go on meanwhile: what is appended is not seen, a file that is put
    in the place of this one changes nothing, and a torn last line is no line.

    A file that is not there (a stage that has not begun) holds no lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error
        self.size = os.fstat(self._fd).st_size

    def blocks(self) -> Iterator[list[tuple[int, bytes]]]:
        """All lines with their offsets, a short time's work at once."""
        held: list[bytes] = []
        start = 0
        for block in self._raw():
            *whole, rest = block.split(b"\n")
            lines = []
            for piece in whole:
                line = b"".join((*held, piece)) if held else piece
                held.clear()
                lines.append((start, line))
                start += len(line) + 1
            held.append(rest)
            yield lines

    def starts(self) -> Iterator[npt.NDArray[np.int64]]:
        """The offsets of all lines, without looking into them; the last one ends the last line."""
        at = 0
        yield np.zeros(1, np.int64)
        for block in self._raw():
            yield np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + (at + 1)
            at += len(block)

    def _raw(self) -> Iterator[bytes]:
        at = 0
        while block := os.pread(self._fd, min(BLOCK, self.size - at), at):
            at += len(block)
            yield block

    def at(self, offset: int) -> bytes:
        """The line that starts at `offset`."""
        pieces: list[bytes] = []
        size = _READ
        while piece := os.pread(self._fd, size, offset):
            end = piece.find(b"\n")
            if end >= 0:
                pieces.append(piece[:end])
                break
            pieces.append(piece)
            offset += len(piece)
            size = min(2 * size, 1 << 22)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
