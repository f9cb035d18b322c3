"""How much work a judgement may cost in the caller's own process, where nothing can be killed.

Work is counted in steps of about a microsecond, and taken from an allowance before it is done.
Steps, and not seconds, decide, so that a verdict is the same on any machine. The clock is the last
wall, for work that is worth more than it was counted: it is looked at while steps are taken.

What is raised when nothing is left is no `Unreadable`: no tier takes it for "not shown" and goes
on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cotgen.errors import CotgenError

READING, COMPARING = 120_000, 300_000
"""Steps for reading one text, and for all that is compared in one judgement."""
PROCESSOR_S = 0.7
"""Processor time of this thread for one judgement."""
_LOOK_EVERY = 256
"""Steps between two looks at the clock, which take as long as one step."""


class Exhausted(CotgenError):
    """The steps are used up: on every machine, at the same place."""


class OutOfTime(CotgenError):
    """The processor time is used up: another machine might have made it."""


class _Allowance:
    """Steps that are left, and when the time ends."""

    __slots__ = ("ends", "limit", "look", "seen", "steps")

    def __init__(self, limit: float, ends: float) -> None:
        self.steps = 0
        self.limit = limit
        self.ends = ends
        self.look = min(limit, _LOOK_EVERY)
        self.seen: set[object] = set()

    def check(self) -> None:
        """Look at both limits."""
        if self.steps > self.limit:
            raise Exhausted("takes too many steps")
        if time.thread_time() > self.ends:
            raise OutOfTime("takes too much time")
        self.look = min(self.limit, self.steps + _LOOK_EVERY)


class _Current(threading.local):
    """What this thread may still spend; None outside of a judgement."""

    allowance: _Allowance | None = None


_current = _Current()


@contextmanager
def timed() -> Iterator[None]:
    """One judgement: whatever it is made of, it ends when its processor time is used up."""
    with _within(_Allowance(math.inf, time.thread_time() + PROCESSOR_S)):
        yield


@contextmanager
def limited(steps: int) -> Iterator[None]:
    """One allowance for all that is worked out inside. Within another one it is part of that.

    Raises Exhausted, or OutOfTime, from the work that is inside.
    """
    outer = _current.allowance
    if outer is None:
        with _within(_Allowance(steps, time.thread_time() + PROCESSOR_S)):
            yield
    elif outer.limit == math.inf:
        with _within(_Allowance(steps, outer.ends)):
            yield
    else:
        yield


@contextmanager
def _within(allowance: _Allowance) -> Iterator[None]:
    before, _current.allowance = _current.allowance, allowance
    try:
        yield
    finally:
        _current.allowance = before


def spend(steps: int) -> None:
    """Take from the allowance, if there is one."""
    allowance = _current.allowance
    if allowance is None:
        return
    allowance.steps += steps
    if allowance.steps > allowance.look:
        allowance.check()


def is_new(thing: object) -> bool:
    """Whether this allowance has not paid for a thing yet.

    What is remembered between judgements is paid for once in each, as though it had been worked out
    there: what a judgement costs must not depend on those before it.
    """
    allowance = _current.allowance
    if allowance is None or thing in allowance.seen:
        return False
    allowance.seen.add(thing)
    return True


def spent() -> int:
    """Steps taken so far."""
    return 0 if _current.allowance is None else _current.allowance.steps
