"""Rate limits: so many requests and tokens a minute, spread evenly but for short bursts."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Pace:
    """A token bucket for requests and one for tokens; each holds a few seconds' worth.

    A request's tokens are known only afterwards: it is let go on an estimate (the mean so far),
    and the difference is settled when it ends.
    """

    BURST_S = 5.0

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _Bucket(requests_per_minute) if requests_per_minute else None
        self._tokens = _Bucket(tokens_per_minute) if tokens_per_minute else None
        self._mean = 0.0
        self._seen = 0

    async def wait(self, prompt_characters: int, samples: int, max_tokens: int) -> float:
        """Wait for a turn; returns the tokens it was let go on."""
        each = self._mean if self._seen else max_tokens / 4
        estimate = prompt_characters / 4 + each * samples
        if self._requests:
            await self._requests.take(1)
        if self._tokens:
            await self._tokens.take(estimate)
        return estimate

    def settle(self, estimate: float, tokens: int, samples: int) -> None:
        """Correct the estimate by what the request needed."""
        if self._tokens:
            self._tokens.give_back(estimate - tokens)
        self._seen += samples
        self._mean += (tokens - self._mean * samples) / max(1, self._seen)


class _Bucket:
    def __init__(self, per_minute: float) -> None:
        self._rate = per_minute / 60
        self._most = self._rate * Pace.BURST_S
        self.level = self._most
        self._at = asyncio.get_running_loop().time()
        self._turn = asyncio.Lock()
        self._given_back = asyncio.Event()

    async def take(self, amount: float) -> None:
        # One at a time, in the order of asking. A debt is waited for by whoever comes next.
        async with self._turn:
            needed = min(amount, self._most)
            self._fill()
            while self.level < needed:
                self._given_back.clear()
                with suppress(TimeoutError):
                    wait_s = (needed - self.level) / self._rate
                    await asyncio.wait_for(self._given_back.wait(), wait_s)
                self._fill()
            self.level -= amount

    def give_back(self, amount: float) -> None:
        """Correct what was taken."""
        self.level += amount
        self._given_back.set()

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        self.level = min(self._most, self.level + (now - self._at) * self._rate)
        self._at = now
