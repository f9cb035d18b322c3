"""Keeps an engine alive: waits for it, starts it again, and asks again for what it left undone."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Request
from cotgen.records import Completion, Message, Sampling
from cotgen.teachers.managed.life import Begin, Life, NotStarted
from cotgen.teachers.managed.suspects import MOST_DEATHS, Suspects

log = logging.getLogger(__name__)

Seeds = Literal["auto", "send", "none"]
Key = tuple[tuple[Message, ...], Sampling]
_SEED_CRASH = "CPU Generator does not use offset"
"""vLLM turns a generator back where a prompt was not read to its end; on a CPU it cannot."""
_WITHOUT_SEEDS = (
    "on a CPU vLLM dies of seeds once it reads prompts in chunks. `seeds: none` spares it that: "
    "another run then samples other attempts, this run's are kept"
)


@dataclass
class _Term:
    """One life of the engine, and what happened in it."""

    life: Life
    in_flight: Counter[Key] = field(default_factory=Counter)
    answers: int = 0
    cause: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def landed(self, key: Key) -> None:
        """A request is no longer in flight."""
        self.in_flight[key] -= 1
        if not self.in_flight[key]:
            del self.in_flight[key]


class Keeper:
    """Asks the engine that lives now. Its death costs the requests in flight nothing but time.

    A request that was in flight in three deaths is not asked again. After `restarts` new starts
    without an answer between them there will be no further one.
    """

    def __init__(self, model: str, begin: Begin, restarts: int, seeds: Seeds) -> None:
        self._model = model
        self._begin = begin
        self._restarts = restarts
        self._seeds = seeds
        self._in_vain = 0
        self.deaths = 0
        self._suspects: Suspects[Key] = Suspects()
        self._term: _Term | None = None
        self._failure: BaseException | None = None
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the engine and keep it as long as the context is open. Raises RecipeError if it
        does not start; the context ends when no process is left."""
        keeping = asyncio.create_task(self._keep())
        try:
            await self._now()
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def __call__(self, request: Request) -> list[Completion]:
        """Ask once the engine is ready. Raises TeacherError; RecipeError if it is given up."""
        key = request.messages, request.sampling
        async with self._suspects.turn(key):
            term = await self._now()
            term.in_flight[key] += 1
            try:
                found = await term.life.ask(request)
            except TeacherError as error:
                if not await term.life.is_dead():
                    if error.kind == "down":  # Many lines were cut at once: that passes.
                        raise TeacherError(
                            str(error), retryable=True, kind="no connection"
                        ) from error
                    raise
                await term.over.wait()
                raise self._undone(key, term.cause) from error
            finally:
                term.landed(key)
        term.answers += 1
        self._suspects.acquit(key)
        return found

    async def queued(self) -> int | None:
        """How many requests wait in the engine; while there is none, waits for one."""
        while True:
            term = await self._now()
            waiting = await term.life.queued()
            if waiting is not None or not await term.life.is_dead():
                return waiting
            await term.over.wait()

    async def _now(self) -> _Term:
        """The living engine. Raises what keeps it from living."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._term is not None:
                return self._term
            self._news.clear()
            await self._news.wait()

    async def _keep(self) -> None:
        try:
            while True:
                await self._live()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            self._failure = error
            self._news.set()

    async def _live(self) -> None:
        """One life. Raises RecipeError if there shall be no other."""
        try:
            async with self._begin(self._seeds != "none") as life:
                self._term = _Term(life)
                self._news.set()
                await life.death()
                # Who asks from now on waits for the next life, and is no suspect.
                term, self._term = self._term, None
                try:
                    term.cause = await life.cause()
                    self._bury(term)
                finally:
                    term.over.set()
        except NotStarted as error:
            if self._in_vain == 0:  # It has never lived: the user has to do something.
                raise RecipeError(f"teachers: {self._model}: {error}") from error
            self._go_on_or_give_up(f"it did not start again: {error}")

    def _bury(self, term: _Term) -> None:
        """Draw the conclusions of a death. Raises RecipeError if there shall be no other life."""
        self.deaths += 1
        cause, undone = term.cause, len(term.in_flight)
        log.warning(
            "%s: the engine died with %d requests in flight: %s", self._model, undone, cause
        )
        convicted = 0
        if _SEED_CRASH in cause:
            self._go_on_without_seeds()
        else:
            convicted = self._suspects.blame(term.in_flight)
        if term.answers or convicted:
            self._in_vain = 0
        self._go_on_or_give_up(cause)

    def _go_on_without_seeds(self) -> None:
        if self._seeds == "send":
            raise RecipeError(f"teachers: {self._model}: the engine died: {_WITHOUT_SEEDS}")
        self._seeds = "none"
        log.warning("%s: goes on without seeds: %s", self._model, _WITHOUT_SEEDS)

    def _go_on_or_give_up(self, cause: str) -> None:
        if self._in_vain >= self._restarts:
            raise RecipeError(
                f"teachers: {self._model}: given up after {self._in_vain} restarts without an "
                f"answer between them; the engine's last words: {cause}"
            )
        self._in_vain += 1

    def _undone(self, key: Key, cause: str) -> TeacherError:
        if self._suspects.is_convicted(key):
            return TeacherError(
                f"quarantined: the engine died {MOST_DEATHS} times while it worked on this problem "
                f"({cause})",
                retryable=False,
                kind="quarantined",
            )
        kind = "engine died (say seeds: none)" if _SEED_CRASH in cause else "engine died"
        # The next turn waits for the engine itself.
        return TeacherError(
            f"the engine died: {cause}", retryable=True, retry_after_s=0.0, kind=kind
        )
