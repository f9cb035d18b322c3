"""An engine behind a server of its own: started, waited for, watched, and asked over HTTP."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp

from cotgen.protocols import Ask, Request
from cotgen.records import Completion
from cotgen.teachers.managed.life import NotStarted
from cotgen.teachers.managed.process import Process

HOST = "127.0.0.1"
_READY_LOOK_S, _LOOK_S = 0.25, 5.0
_SILENT_S = 120.0
"""A server may be too busy to answer for a while; for longer than this it hangs."""
_ANSWER_S = 20.0

_LINGER_S = 2.0
"""A killed process closes its connections a moment before it has ended."""

_Health = Literal["well", "ill", "cut", "silent"]


@dataclass(frozen=True)
class Plan:
    """What to start, on a port, and how to ask it; both are told whether seeds are sent."""

    command: Callable[[int, bool], list[str]]
    connect: Callable[[str, bool], AbstractAsyncContextManager[Ask]]
    env: Mapping[str, str]
    log: Path
    start_s: float


@asynccontextmanager
async def serving(plan: Plan, seeded: bool) -> AsyncIterator[Served]:
    """Start a server on a free port and wait until it is ready."""
    port = _free_port()
    async with AsyncExitStack() as stack:
        process = await Process.start(plan.command(port, seeded), plan.env, plan.log)
        stack.push_async_callback(process.stop)
        address = f"http://{HOST}:{port}"
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        # A connection of its own for each look: one that is kept may be dead for other reasons.
        connector = aiohttp.TCPConnector(force_close=True)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(address, timeout=timeout, connector=connector)
        )
        await _ready(process, session, plan)
        process.forget()
        ask = await stack.enter_async_context(plan.connect(f"{address}/v1", seeded))
        yield Served(f"{address}/v1", process, session, ask)


async def _ready(process: Process, session: aiohttp.ClientSession, plan: Plan) -> None:
    deadline = asyncio.get_running_loop().time() + plan.start_s
    while await _health(session) != "well":
        await asyncio.wait([process.ended], timeout=_READY_LOOK_S)
        if process.ended.done():
            raise NotStarted(f"the engine died at its start: {_told(process, plan.log)}")
        if asyncio.get_running_loop().time() > deadline:
            raise NotStarted(
                f"the engine was not ready within start_s: {plan.start_s:g} s; "
                f"{_told(process, plan.log)}"
            )


def _told(process: Process, log: Path) -> str:
    return f"{process.cause()}; its last words (all of them: {log}):\n{process.last_words()}"


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


async def _health(session: aiohttp.ClientSession) -> _Health:
    try:
        async with session.get("/health") as response:
            # vLLM answers 503 once its engine is dead.
            return "ill" if response.status >= 500 else "well"
    except aiohttp.ClientConnectorError as error:
        return "ill" if error.os_error.errno == errno.ECONNREFUSED else "cut"
    except TimeoutError:
        return "silent"
    except (aiohttp.ClientError, OSError):
        return "cut"


class Served:
    """A server from when it is ready to its death."""

    def __init__(
        self, url: str, process: Process, session: aiohttp.ClientSession, ask: Ask
    ) -> None:
        self.url = url
        self._process = process
        self._session = session
        self._ask = ask
        self._dead = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._well_at = asyncio.get_running_loop().time()

    async def ask(self, request: Request) -> list[Completion]:
        """Ask once."""
        return await self._ask(request)

    async def queued(self) -> int | None:
        """What the server's metrics say of its queue."""
        queued: Callable[[], Awaitable[int | None]] | None = getattr(self._ask, "queued", None)
        return None if queued is None else await queued()

    async def is_dead(self) -> bool:
        """Look at once; those that ask together share one look."""
        if not self._dead.is_set():
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)
        return self._dead.is_set()

    async def death(self) -> None:
        """Look every few seconds until the process has ended, is ill, or was silent for long."""
        self._process.ended.add_done_callback(lambda _: self._dead.set())
        while not self._dead.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._dead.wait(), _LOOK_S)
                break
            await self._look()

    async def cause(self) -> str:
        """What the log says."""
        await asyncio.wait([self._process.ended], timeout=_LINGER_S)
        return self._process.cause()

    async def _look(self) -> None:
        health = await _health(self._session)
        if health == "cut":
            await asyncio.wait([self._process.ended], timeout=_LINGER_S)
            if self._dead.is_set():
                return
            health = await _health(self._session)
        now = asyncio.get_running_loop().time()
        if health == "well":
            self._well_at = now
        elif health == "ill" or now - self._well_at > _SILENT_S:
            self._dead.set()
