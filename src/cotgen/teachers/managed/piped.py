"""An engine without a server: a process that is asked over a socket pair, chunk by chunk."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotgen.errors import TeacherError
from cotgen.protocols import Request
from cotgen.records import Completion, clean
from cotgen.teachers.managed.flags import Flag
from cotgen.teachers.managed.life import NotStarted
from cotgen.teachers.managed.process import Process

_CHUNKS = Path(__file__).with_name("chunks.py")
_LONGEST_LINE = 1 << 30
_LINGER_S = 2.0
"""Its line is cut a moment before a process has ended."""


@dataclass(frozen=True)
class PipePlan:
    """What to start."""

    python: str
    options: Callable[[bool], Mapping[str, Flag]]
    """What `vllm.LLM` is given; told whether seeds are sent."""
    chunk: int
    logprobs: bool
    env: Mapping[str, str]
    log: Path
    start_s: float

    def command(self, file: int, seeded: bool) -> list[str]:
        """The process that talks over this file."""
        options = json.dumps(self.options(seeded))
        return [self.python, str(_CHUNKS), str(file), str(self.chunk), options]


class _Reply(msgspec.Struct):
    """A line of the engine. `id` is 0 when it is ready."""

    id: int
    completions: list[Completion] = []
    refused: str = ""


@asynccontextmanager
async def piping(plan: PipePlan, seeded: bool) -> AsyncIterator[Piped]:
    """Start the engine and wait until it has loaded its model."""
    ours, theirs = socket.socketpair()
    async with AsyncExitStack() as stack:
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LONGEST_LINE)
        stack.callback(writer.close)
        with theirs:
            command = plan.command(theirs.fileno(), seeded)
            process = await Process.start(command, plan.env, plan.log, theirs.fileno())
        stack.push_async_callback(process.stop)
        try:
            ready = await asyncio.wait_for(_line(reader), plan.start_s)
        except TimeoutError:
            raise NotStarted(
                f"the engine was not ready within start_s: {plan.start_s:g} s"
            ) from None
        if not ready:
            await process.ended
            raise NotStarted(
                f"the engine died at its start: {process.cause()}; its last words (all of them: "
                f"{plan.log}):\n{process.last_words()}"
            )
        process.forget()
        life = Piped((seeded, plan.logprobs), process, reader, writer)
        reading = asyncio.create_task(life.read())
        stack.callback(reading.cancel)
        yield life


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; nothing once the engine is gone."""
    try:
        line = await reader.readline()
    except ConnectionError:
        return b""
    return line if line.endswith(b"\n") else b""


class Piped:
    """The engine from when it is ready to its death."""

    def __init__(
        self,
        wants: tuple[bool, bool],
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._seeded, self._logprobs = wants
        self._process = process
        self._reader = reader
        self._writer = writer
        self._calls: dict[int, asyncio.Future[_Reply]] = {}
        self._asked = 0
        self._dead = asyncio.Event()

    async def ask(self, request: Request) -> list[Completion]:
        """Ask once."""
        if self._dead.is_set():
            raise _gone()
        self._asked += 1
        number = self._asked
        call = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(msgspec.json.encode(self._body(number, request)) + b"\n")
            reply = await call
        finally:
            self._calls.pop(number, None)
        if reply.refused:
            raise TeacherError(reply.refused, retryable=False, kind="refused")
        return [_cleaned(completion) for completion in reply.completions]

    def _body(self, number: int, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        settings: dict[str, Any] = {
            "n": sampling.n,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop),
            "seed": request.seed if self._seeded else None,
            "logprobs": 0 if self._logprobs else None,
        }
        return {"id": number, "messages": request.messages, "sampling": settings}

    async def read(self) -> None:
        """Hand out replies until there are no more."""
        decode = msgspec.json.Decoder(_Reply).decode
        try:
            while line := await _line(self._reader):
                reply = decode(line)
                call = self._calls.get(reply.id)
                if call is not None and not call.done():
                    call.set_result(reply)
        finally:
            self._dead.set()
            for call in self._calls.values():
                if not call.done():
                    call.set_exception(_gone())

    async def queued(self) -> int | None:
        """It does not tell."""
        return None

    async def is_dead(self) -> bool:
        """Whether its line was cut."""
        return self._dead.is_set()

    async def death(self) -> None:
        """Wait until its line is cut."""
        await self._dead.wait()

    async def cause(self) -> str:
        """What the log says."""
        await asyncio.wait([self._process.ended], timeout=_LINGER_S)
        return self._process.cause()


def _gone() -> TeacherError:
    return TeacherError("the engine is gone", retryable=True, kind="connection lost")


def _cleaned(completion: Completion) -> Completion:
    return msgspec.structs.replace(completion, text=clean(completion.text))
