"""Memory that a process and its forks see, for bytes that are too many for a pipe."""

from __future__ import annotations

import mmap


class Shared:
    """A ring: what was put first is freed first. Only who puts knows what is free."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._memory = mmap.mmap(-1, size) if size else None
        self._at = 0

    def __reduce__(self) -> tuple[type[Shared], tuple[int]]:
        """A process that is no fork sees none of it."""
        return Shared, (0,)

    @property
    def has_room(self) -> bool:
        """Whether half of it is free."""
        return 2 * self._free > self._size

    def put(self, data: bytes) -> tuple[int, int] | None:
        """Where the bytes stand, and what they take of the ring; None where there is no room."""
        wraps = self._at + len(data) > self._size
        skipped = self._size - self._at if wraps else 0
        taken = skipped + len(data)
        if self._memory is None or taken > self._free:
            return None
        offset = 0 if wraps else self._at
        self._memory[offset : offset + len(data)] = data
        self._at = offset + len(data)
        self._free -= taken
        return offset, taken

    def take(self, offset: int, size: int) -> bytes:
        """A copy of bytes that were put."""
        assert self._memory is not None
        return self._memory[offset : offset + size]

    def free(self, taken: int) -> None:
        """So much of what was put first is not needed any more."""
        self._free += taken
