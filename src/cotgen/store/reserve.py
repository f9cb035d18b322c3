"""Room that is kept free on the disk for what was paid for and is still on its way."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MOST, _SHARE = 16 << 20, 16
"""16 MiB hold the answers to a thousand requests; of a small disk at most this part is taken."""


class Reserve:
    """A file that takes up room until somebody needs it. Without room for it there is none.

    A run that is killed leaves it behind, and the next one takes it over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with suppress(OSError):
            free = os.statvfs(path.parent)
            size = min(_MOST, free.f_bavail * free.f_frsize // _SHARE)
            if path.exists() or size == 0 or not hasattr(os, "posix_fallocate"):
                return
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, size)
            finally:
                os.close(fd)

    def give_up(self) -> bool:
        """Free the room; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
