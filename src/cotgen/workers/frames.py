"""What a `Pool` or a `Helper` and its children say to each other: a 4-byte length, then bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

R = TypeVar("R")
LENGTH = struct.Struct(">I")
SECONDS = struct.Struct(">d")

READY, DONE, FAILED = b"r", b"d", b"f"
"""The first byte of a child's frame: it can work; a result follows; a reason follows."""
ANSWER = b"a"
"""What a helper's fork answers; DONE or FAILED of the helper follows, with the time it took."""


class Job(NamedTuple, Generic[R]):
    """What a child is told when it starts: a plain function, its argument types as a tuple type,
    and its limits."""

    function: Callable[..., R]
    request: Any
    timeout_s: float
    memory_mb: int = 2048


def framed(payload: bytes) -> bytes:
    """A payload with its length before it."""
    return LENGTH.pack(len(payload)) + payload
