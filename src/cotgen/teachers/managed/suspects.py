"""Who killed the engine? Requests that were in flight when it died are asked with more care.

All that were in flight are suspects, but one of them is to blame at most. After a first death a
few of them are in flight at once, after a second one at a time. So a third death convicts one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
MOST_DEATHS = 3
_AT_ONCE = {1: 16, 2: 1}
"""How many requests that were in flight in so many deaths are in flight together."""


class Suspects(Generic[K]):
    """Counts the deaths in which a request was in flight, and hands out turns accordingly."""

    def __init__(self) -> None:
        self._deaths: dict[K, int] = {}
        self._turns = {deaths: asyncio.Semaphore(many) for deaths, many in _AT_ONCE.items()}

    @asynccontextmanager
    async def turn(self, key: K) -> AsyncIterator[None]:
        """Wait until this request may be asked."""
        turns = self._turns.get(self._deaths.get(key, 0))
        if turns is None:
            yield
            return
        async with turns:
            yield

    def blame(self, keys: Iterable[K]) -> int:
        """The engine died while it worked on these. Returns how many are convicted by that."""
        convicted = 0
        for key in keys:
            self._deaths[key] = self._deaths.get(key, 0) + 1
            convicted += self._deaths[key] == MOST_DEATHS
        return convicted

    def is_convicted(self, key: K) -> bool:
        """Whether the engine has died of this request too often."""
        return self._deaths.get(key, 0) >= MOST_DEATHS

    def acquit(self, key: K) -> None:
        """It was answered."""
        self._deaths.pop(key, None)
