"""Room that is kept free on the disk for what was paid for and is still on its way."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from cotgen.errors import StoreError

_MOST, _SHARE = 16 << 20, 4
"""16 MiB hold the answers to a thousand requests; of a small disk at most this part is taken."""
_LEAST = 64 << 10


RESERVE = ".reserve"


def drop_reserve(folder: Path) -> None:
    """Remove what a run that was killed right after its last answer left behind."""
    with suppress(OSError):
        (folder / RESERVE).unlink(missing_ok=True)


class Reserve:
    """A file that takes up room until somebody needs it.

    A run that is killed leaves it behind, and the next one takes it over. Raises StoreError if the
    disk is full: then nothing may be bought.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if path.exists() or not hasattr(os, "posix_fallocate"):
                return
            free = os.statvfs(path.parent)
            room = free.f_bavail * free.f_frsize
            size = min(_MOST, room // _SHARE)
            if size < _LEAST:
                raise StoreError(
                    f"{path.parent}: No space left on device: {room:,} bytes are free, and what is "
                    f"paid for must find room ({_LEAST * _SHARE:,} bytes at least)"
                )
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, size)
            finally:
                os.close(fd)
        except OSError as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            if error.errno == errno.ENOSPC:
                raise StoreError(f"{path}: cannot be written ({error.strerror})") from error

    def give_up(self) -> bool:
        """Free the room; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
