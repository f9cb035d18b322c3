"""Several addresses of one teacher: the least busy one is asked, a dead one is left alone.

An endpoint whose connections fail several times in a row is taken out (a circuit breaker) and
looked at again, first soon and then more and more rarely. While none is left, requests wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from cotgen.errors import TeacherError

log = logging.getLogger(__name__)

FAILURES = 3
"""So many failures with no answer between them take an endpoint out."""
FIRST_LOOK_S, RAREST_LOOK_S = 0.25, 15.0
SHUNNED_S = 10.0
"""So long a request that an endpoint has failed is rather asked elsewhere."""
NEW_S = 20.0
"""How long an endpoint that has never answered is waited for: its address may be wrong."""


@dataclass
class Endpoint:
    """One address, and how it does."""

    url: str
    in_flight: int = 0
    asked: int = 0
    failures: int = 0
    has_answered: bool = False
    not_before: float = 0.0
    out: bool = False
    out_since: float = 0.0
    pause_s: float = FIRST_LOOK_S
    on_trial: bool = False
    knows_model: bool = True
    failed_at: dict[int, float] = field(default_factory=dict, repr=False)
    """When it failed which request, since it last answered one."""
    last_said: str = ""
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)

    def is_worse_for(self, request: int, now: float) -> bool:
        """Whether another endpoint should rather be asked this."""
        failed = now - self.failed_at.get(request, -SHUNNED_S) < SHUNNED_S
        return failed or (self.on_trial and self.in_flight > 0)


class Endpoints:
    """Hands out endpoints. `look` asks an address whether it is there again."""

    def __init__(
        self, urls: Sequence[str], look: Callable[[str], Awaitable[bool]], patience_s: float
    ) -> None:
        self.all = [Endpoint(url) for url in urls]
        self._look = look
        self._patience_s = patience_s
        self._back = asyncio.Event()
        self._asked = 0

    async def pick(self, request: int) -> Endpoint:
        """The healthy endpoint with the fewest requests in flight, but one that has failed this
        request or is on trial only if there is no other. `request` tells requests apart.

        Waits while there is none. Raises TeacherError once patience is at an end: the next run
        goes on.
        """
        while True:
            now = asyncio.get_running_loop().time()
            if len(self.all) == 1 and not self.all[0].out and self.all[0].not_before <= now:
                return self.all[0]  # The usual case, once for each request.
            healthy = [each for each in self.all if not each.out]
            if healthy and (ready := [each for each in healthy if each.not_before <= now]):
                # Among equals the one that was asked longest ago.
                chosen = min(
                    ready,
                    key=lambda each: (each.is_worse_for(request, now), each.in_flight, each.asked),
                )
                self._asked += 1
                chosen.asked = self._asked
                return chosen
            if healthy:
                await asyncio.sleep(min(each.not_before for each in healthy) - now)
                continue
            left = max(self._left(each) for each in self.all)
            if left <= 0:
                raise self._given_up()
            self._back.clear()
            try:
                await asyncio.wait_for(self._back.wait(), left)
            except TimeoutError:
                continue

    def has_another_than(self, endpoint: Endpoint) -> bool:
        """Whether a request that this one refused can be asked of another at once."""
        now = asyncio.get_running_loop().time()
        others = (each for each in self.all if each is not endpoint)
        return any(not each.out and each.not_before <= now for each in others)

    def answered(self, endpoint: Endpoint) -> None:
        """The endpoint answered, whatever it said."""
        endpoint.failures = 0
        endpoint.has_answered = True
        endpoint.pause_s, endpoint.on_trial = FIRST_LOOK_S, False
        endpoint.failed_at.clear()

    def asked_to_wait(self, endpoint: Endpoint, seconds: float) -> None:
        """The endpoint named a time before which it wants to hear nothing, from anyone."""
        until = asyncio.get_running_loop().time() + seconds
        if until > endpoint.not_before + 1:
            log.info("%s asks to be left alone for %.0f s", endpoint.url, seconds)
        endpoint.not_before = max(endpoint.not_before, until)

    def failed(self, endpoint: Endpoint, said: str, request: int) -> None:
        """The endpoint could not be reached, did not answer, or is broken."""
        endpoint.failed_at[request] = asyncio.get_running_loop().time()
        endpoint.failures += 1
        endpoint.last_said = said
        if endpoint.failures >= FAILURES and not endpoint.out:
            endpoint.out, endpoint.out_since = True, asyncio.get_running_loop().time()
            log.warning("%s is taken out: %s", endpoint.url, said)
            endpoint.watcher = asyncio.create_task(self._watch(endpoint))

    def close(self) -> None:
        """Stop looking."""
        for endpoint in self.all:
            if endpoint.watcher:
                endpoint.watcher.cancel()

    async def _watch(self, endpoint: Endpoint) -> None:
        while True:
            await asyncio.sleep(endpoint.pause_s)
            # Kept until it answers a request: that it can be looked at is no proof.
            endpoint.pause_s = min(2 * endpoint.pause_s, RAREST_LOOK_S)
            if await self._look(endpoint.url):
                break
        endpoint.on_trial = True
        log.warning("%s answers again", endpoint.url)
        # Its next failure takes it out again: one look does not make it healthy.
        endpoint.out, endpoint.failures, endpoint.has_answered = False, FAILURES - 1, True
        self._back.set()

    def _left(self, endpoint: Endpoint) -> float:
        patience = self._patience_s if endpoint.has_answered else min(NEW_S, self._patience_s)
        return endpoint.out_since + patience - asyncio.get_running_loop().time()

    def _given_up(self) -> TeacherError:
        said = "; ".join(f"{each.url}: {each.last_said}" for each in self.all)
        return TeacherError(f"no endpoint answers ({said})", retryable=False, kind="down")
