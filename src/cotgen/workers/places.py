"""How many requests are in flight at once: a limit with an order, and one that finds itself."""

from __future__ import annotations

import asyncio
import math
import resource
import time
from heapq import heappop, heappush
from itertools import count


class Places:
    """A semaphore whose limit can change and whose waiters are served by rank, lowest first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._before: list[asyncio.Future[None]] = []
        self._arrivals = count()

    @property
    def full(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    async def take(self, rank: int) -> None:
        """Wait for a place."""
        if self.taken < self.limit and not self._waiting:
            self.taken += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (rank, next(self._arrivals), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back()  # It was given while its taker was cancelled.
            raise

    async def room(self) -> None:
        """Wait until no more wait for a place than there are places. Whoever brings many requests
        asks first, so that not all of them are in memory at once."""
        while len(self._waiting) >= self.limit:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._before.append(turn)
            await turn

    def give_back(self) -> None:
        """Free a place."""
        self.taken -= 1
        self._hand_out()

    def resize(self, limit: int) -> None:
        """Change the limit. Who holds a place keeps it."""
        self.limit = limit
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self.taken < self.limit:
            _, _, place = heappop(self._waiting)
            if not place.done():
                self.taken += 1
                place.set_result(None)
        if self._before and len(self._waiting) < self.limit:
            turn = self._before.pop()
            if not turn.done():
                turn.set_result(None)


_SPARE_FILES = 64


def most_connections() -> int:
    """How many connections may be open at once, after raising the limit on files to the highest
    allowed. Most systems start with 1,024 files, where a thousand connections crash."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):
            pass  # macOS refuses what it reports.
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, soft - _SPARE_FILES)


class Climb:
    """Finds the limit: it doubles while the rate of samples grows with it, and gives way when the
    server asks for less.

    A rate is judged over as many answers as there are places, since a request that was sent
    before the limit changed says nothing about it. Where the server tells how many requests it
    keeps waiting (vLLM's metrics), that decides at once.
    """

    START, LEAST = 64, 1
    _DOUBLE, _NUDGE, _GIVE_WAY = 2.0, 1.25, 0.7
    _WORTH = 0.3
    """More places must bring this share of what they would bring if the rate grew with them."""
    _SHORTEST_S, _RESTING = 0.25, 12

    def __init__(self, places: Places, most: int) -> None:
        self._places = places
        self._most = most
        self._gave_way_at = -math.inf
        self._draining = False
        self._factor = self._DOUBLE
        self._resting = 0
        self._rate = 0.0
        self._before = places.limit
        self._begin()

    def answered(self, samples: int) -> None:
        """A request was answered."""
        self._answers += 1
        self._samples += samples
        now = time.monotonic()
        if self._answers >= self._places.limit and now - self._began >= self._SHORTEST_S:
            self._judge(self._samples / (now - self._began))

    def refused(self) -> None:
        """The server asked for less. Those in flight together ask once."""
        now = time.monotonic()
        if now - self._gave_way_at < 1.0:
            return
        self._gave_way_at = now
        used = min(self._places.limit, self._places.taken + 1)
        self._resize(max(self.LEAST, int(used * self._GIVE_WAY)))
        self._rate, self._resting, self._factor = 0.0, self._RESTING, self._NUDGE

    def told(self, waiting: int) -> None:
        """The server keeps so many requests waiting: none is room for more, many is too much."""
        if waiting == 0:
            self._draining = False
            if self._places.full:
                self._resize(int(self._places.limit * 1.25) + 1)
        elif waiting > self._places.limit // 8 and not self._draining:
            # Once: the queue that was too long must drain before it says anything new.
            self._draining = True
            self._resize(max(self.LEAST, self._places.limit - waiting))
            self._resting = self._RESTING

    def _judge(self, rate: float) -> None:
        limit = self._places.limit
        if not self._places.full:
            self._begin()  # Nobody waits: the rate is the demand's, not the server's.
        elif self._resting:
            self._resting -= 1
            self._rate = max(self._rate, rate)
            if self._resting == 0:
                self._before = limit
                self._resize(int(limit * self._factor) + 1)
            else:
                self._begin()
        elif rate > self._rate * (1 + self._WORTH * (self._factor - 1)):
            self._rate, self._before = rate, limit
            self._resize(int(limit * self._factor) + 1)
        else:
            self._resting, self._factor = self._RESTING, self._NUDGE
            self._resize(self._before)

    def _resize(self, limit: int) -> None:
        self._places.resize(min(self._most, limit))
        self._begin()

    def _begin(self) -> None:
        self._began, self._answers, self._samples = time.monotonic(), 0, 0
