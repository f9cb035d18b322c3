"""How much work one comparison may cost in the caller's own process, where nothing can be killed.

Counted in steps of some microseconds, never in time, so that a verdict is the same on any machine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cotgen.verifiers.mathematics.nodes import TooBig

MAX_STEPS = 100_000


class _Spent(threading.local):
    """What the comparison that this thread is in has cost so far; None outside of one."""

    steps: int | None = None


_spent = _Spent()


@contextmanager
def limited() -> Iterator[None]:
    """One allowance for all that is worked out inside."""
    before = _spent.steps
    _spent.steps = before or 0
    try:
        yield
    finally:
        _spent.steps = before


def spend(steps: int) -> None:
    """Take from the allowance. Raises TooBig when there is none left."""
    if _spent.steps is None:
        return
    _spent.steps += steps
    if _spent.steps > MAX_STEPS:
        raise TooBig("too much work")
