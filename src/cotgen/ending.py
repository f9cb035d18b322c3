"""Ending a run before all is done: by a signal, a deadline, or an error in the search.

Sampling is never broken off while requests are in flight and their time is not up: they are being
paid for. All other work is broken off at once: its tables are whole lines, and going on is cheap.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType

from cotgen.errors import CotgenError, LimitReached, Stopped
from cotgen.limits import Budget, Limits

log = logging.getLogger(__name__)

_OVERTIME_SHARE, _LEAST_OVERTIME_S = 0.1, 60.0
"""How much longer than its deadline a run may judge and write what was sampled."""


class Stop:
    """How somebody outside asks a run to stop: set before or while it works."""

    def __init__(self) -> None:
        self.why: Stopped | None = None
        self._heard: Callable[[Stopped], None] = lambda _: None

    def ask(self, said: str) -> None:
        """Stop: requests in flight are awaited for `limits.grace_s`, nothing else is."""
        self.why = Stopped(said)
        self._heard(self.why)

    def tell(self, heard: Callable[[Stopped], None]) -> None:
        """Who is told."""
        self._heard = heard
        if self.why:
            heard(self.why)


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM ask for an end; the second breaks off wherever it comes. To
    be entered where the event loop runs. What is ignored (`nohup`, `&`) stays ignored."""
    loop, heard = asyncio.get_running_loop(), False

    def hear(number: int, _: FrameType | None) -> None:
        nonlocal heard
        if heard:
            raise KeyboardInterrupt
        heard = True
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        loop.call_soon_threadsafe(stop.ask, f"interrupted by {name}")

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


class Ending:
    """Ends one run's work when it is told to, each stage in its way."""

    def __init__(self, budget: Budget, limits: Limits) -> None:
        self.why: CotgenError | None = None
        """What ends the run whatever its stage."""
        self.in_flight: Callable[[], int] = lambda: 0
        self._budget = budget
        self._limits = limits
        self._work: asyncio.Task[int] | None = None
        self._sampling: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def watch_the_clock(self) -> None:
        """Start the deadline, if there is one. The loop's clock is monotonic."""
        deadline_s = self._limits.deadline
        if deadline_s is None:
            return
        overtime_s = max(_LEAST_OVERTIME_S, deadline_s * _OVERTIME_SHARE) + self._limits.grace_s
        over = LimitReached(f"limits.deadline is reached: {_clock(deadline_s)} are over")
        self._later(deadline_s, lambda: self._end_sampling(over))
        self._later(deadline_s + overtime_s, lambda: self.stop(over))

    def stop(self, why: CotgenError) -> None:
        """End the run: at once, or once requests in flight have had their time."""
        self.why = self.why or why
        if self._sampling:
            self._end_sampling(why)
        else:
            self._budget.halt(why)
            if self._work:
                self._work.cancel()

    async def mind(self, work: Coroutine[object, object, int]) -> int:
        """Do the work of a stage. Raises what ends the run, if it is to end."""
        if self.why:
            work.close()
            raise self.why
        self._work = asyncio.create_task(work)
        try:
            pieces = await self._work
        except asyncio.CancelledError:
            if self.why is None or _is_cancelled():
                raise
            raise self.why from None
        else:
            # Work that never waited could not be broken off.
            if isinstance(self.why, Stopped):
                raise self.why
            return pieces
        finally:
            self._work = None

    async def drain(self, sampling: Coroutine[object, object, None]) -> None:
        """Sample until all is done, or what is in flight has ended after `stop` or the deadline."""
        self._sampling = asyncio.create_task(sampling)
        try:
            await self._sampling
        except asyncio.CancelledError:
            if self._budget.halted is None or _is_cancelled():
                raise
        finally:
            self._sampling = None

    def close(self) -> None:
        """Forget the clock."""
        for timer in self._timers:
            timer.cancel()

    def _end_sampling(self, why: CotgenError) -> None:
        self._budget.halt(why)
        if self._sampling is None:
            return
        if self.in_flight():
            self._later(self._limits.grace_s, self._cut)
        else:
            self._cut()

    def _cut(self) -> None:
        if self._sampling:
            if given_up := self.in_flight():
                log.warning("%d requests in flight were given up", given_up)
            self._sampling.cancel()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))


def _is_cancelled() -> bool:
    """Whether this very task was cancelled, and not one that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"
