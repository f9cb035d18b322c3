"""A child process and its two pipes, awaited."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TypeVar

import cloudpickle
import msgspec

from cotgen.errors import NoWorkers, WorkerError
from cotgen.workers.child import serve
from cotgen.workers.forks import Fork, may_fork
from cotgen.workers.frames import DONE, LENGTH, READY, Job, framed

R = TypeVar("R")
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from cotgen.workers.child import main; main()"
)
"""A child imports from where its parent does, so that functions of the user's modules are found."""
_PUNCTUAL_S = 0.3
_MOST_BYTES = 1 << 24
_NOTED_S = 5.0


def result_of(frame: bytes, decoder: msgspec.msgpack.Decoder[R]) -> R:
    """What a child returned. Raises WorkerError with what it raised."""
    if frame[:1] != DONE:
        raise WorkerError(frame[1:].decode("utf-8", "replace"))
    try:
        return decoder.decode(frame[1:])
    except msgspec.DecodeError as error:
        raise WorkerError(f"the worker process sent no valid reply: {error}") from error


class Gone(Exception):
    """The child is no more; says why."""


class _Forked:
    """A fork, with as much of asyncio's processes as a child needs."""

    def __init__(self, fork: Fork) -> None:
        self._fork = fork

    async def connect(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        """Its two pipes."""
        loop = asyncio.get_running_loop()
        replies = asyncio.StreamReader(_MOST_BYTES)
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(replies), self._fork.stdout
        )
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, self._fork.stdin
        )
        self._requests = transport
        return asyncio.StreamWriter(transport, protocol, None, loop), replies

    @property
    def returncode(self) -> int | None:
        """How it ended."""
        return self._fork.poll()

    def kill(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            os.killpg(self._fork.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """Its end, which comes soon after that of its pipes."""
        deadline = time.monotonic() + _NOTED_S
        while (code := self.returncode) is None and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
        self._requests.close()
        return code or 0  # None: somebody else waits for all children, and was told how it ended.


class AsyncChild:
    """One child process."""

    def __init__(
        self,
        process: asyncio.subprocess.Process | _Forked,
        pipes: tuple[asyncio.StreamWriter, asyncio.StreamReader],
        timeout_s: float,
    ) -> None:
        self._process = process
        self._stdin, self._stdout = pipes
        self._timeout_s = timeout_s
        self._late = False

    @classmethod
    async def start(cls, job: Job[R], *, fork: bool = False) -> AsyncChild:
        """Start a child and wait until it can work: its start is not the first call's time. `fork`:
        as a fork of this process, where that is safe. Raises NoWorkers."""
        return await (cls._forked(job) if fork and may_fork() else cls._begun(job))

    @classmethod
    async def _begun(cls, job: Job[R]) -> AsyncChild:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _START,
            json.dumps(sys.path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=_MOST_BYTES,
            process_group=0,  # Ctrl-C is the parent's to handle.
        )
        assert process.stdin is not None
        assert process.stdout is not None
        child = cls(process, (process.stdin, process.stdout), job.timeout_s)
        try:
            child.send([cloudpickle.dumps(job)])
            ready = await child._frame()
            assert ready == READY
        except Gone as gone:
            raise NoWorkers(
                f"no worker process can be started: {gone}; its own message stands above"
            ) from None
        except BaseException:
            await child.kill()
            raise
        return child

    @classmethod
    async def _forked(cls, job: Job[R]) -> AsyncChild:
        forked = _Forked(Fork(partial(serve, job)))
        try:
            return cls(forked, await forked.connect(), job.timeout_s)
        except BaseException:
            forked.kill()
            raise

    def send(self, payloads: list[bytes]) -> None:
        """Write requests. What the pipe does not take waits in memory: a child that hangs must
        not hold up its own deadline. A dead child shows when its reply is awaited."""
        self._stdin.write(b"".join(map(framed, payloads)))

    async def receive(self) -> bytes:
        """The next reply. Raises Gone if the child dies, or is late and killed."""
        self._start_clock()
        try:
            return await self._frame()
        finally:
            self._timer.cancel()

    async def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def _start_clock(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._timeout_s
        self._timer = loop.call_later(self._timeout_s, self._expire)

    def _expire(self) -> None:
        if asyncio.get_running_loop().time() > self._deadline + _PUNCTUAL_S:
            # We were late ourselves (stopped with Ctrl-Z, a busy machine): the reply may be there.
            self._start_clock()
            return
        self._late = True
        self._process.kill()

    async def _frame(self) -> bytes:
        try:
            head = await self._stdout.readexactly(LENGTH.size)
            return await self._stdout.readexactly(LENGTH.unpack(head)[0])
        except asyncio.IncompleteReadError:
            raise Gone(await self._why()) from None

    async def _why(self) -> str:
        code = await self._process.wait()
        if self._late:
            return f"timed out after {self._timeout_s:g} s"
        return f"the worker process died ({-code if code < 0 else code})"
