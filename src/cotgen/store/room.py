"""Room that a file system sets aside for a file that grows fast.

Without it, who appends while the disk is synchronised waits until that has found blocks for what
was appended before: with ext4 a tenth of the time of a fast run.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from typing import Any

_ROOM, _PLENTY = 1 << 26, 1 << 31
"""Bytes set aside at once, and those that must be free: no other file shall miss them."""
_KEEP_SIZE = 1
_BLOCK = 512
_SLACK = 1 << 20
"""What a file system may hold beside a file's own bytes."""


def make_room(fd: int, size: int) -> int:
    """Set blocks aside behind a file of this size, which it keeps. Returns for how many bytes they
    are; where there is no room or no such call, the file grows as it would have grown."""
    with suppress(OSError):
        space = os.fstatvfs(fd)
        if space.f_bavail * space.f_frsize > _PLENTY and (call := _fallocate()):
            call(fd, _KEEP_SIZE, size, _ROOM)
    return _ROOM


def give_room_back(fd: int, size: int) -> None:
    """Free what was set aside and not needed, by this process or one that was killed. Of a file
    that is not of this size nothing is touched: somebody else may be writing it."""
    found = os.fstat(fd)
    if found.st_size == size and found.st_blocks * _BLOCK > size + _SLACK:
        with suppress(OSError):
            os.ftruncate(fd, size)


@lru_cache(maxsize=1)
def _fallocate() -> Any:
    """The system's own: Python's changes the size."""
    call = getattr(ctypes.CDLL(None), "fallocate", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return call
