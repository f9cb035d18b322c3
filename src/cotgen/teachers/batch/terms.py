"""What a teacher wants of its batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cotgen.protocols import Request


@dataclass(frozen=True)
class Terms:
    """`holds`: how many searches may wait at once. `body` makes a request's JSON."""

    model: str
    key_env: str
    endpoint: str
    body: Callable[[Request], dict[str, Any]]
    holds: int
    most_requests: int
    most_bytes: int
    outage_s: float
