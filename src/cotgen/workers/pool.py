"""Calling a plain function in child processes that are killed when they are late."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

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
_BATCH = 32
"""Requests written to a child at once: enough to hide the pipe, few enough to share out evenly."""


class Pool(Generic[R]):
    """Child processes that call one function. A call that is late kills its child, not the run.

    The function goes to the children by value (cloudpickle), so it may live in a script or a
    notebook. Children start when they are first needed and inherit the environment.
    """

    def __init__(
        self, job: Job[R], reply: type[R], *, size: int | None = None, fork: bool = False
    ) -> None:
        """`fork`: the children start as forks of this process, where that is safe."""
        self._job = job
        self._fork = fork
        self._decoder = msgspec.msgpack.Decoder(reply)
        self._size = size or len(os.sched_getaffinity(0))
        self._waiting: asyncio.Queue[_Call[R]] = asyncio.Queue()
        self._keepers: list[asyncio.Task[None]] = []
        self._broken: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def call(self, *args: object) -> R:
        """Call the function.

        Raises WorkerError if the child is late, dies or raises; NoWorkers if none can be started.
        """
        if self._broken:
            raise self._broken
        call: _Call[R] = _Call(msgspec.msgpack.encode(args))
        self._waiting.put_nowait(call)
        if len(self._keepers) < self._size:
            self._keepers.append(asyncio.create_task(self._keep_child()))
        return await call.reply

    async def _keep_child(self) -> None:
        """Feed one child after another. If that cannot go on, every call fails: none may hang."""
        try:
            while True:
                forks = self._fork and may_fork()
                child = await (_Child.forked if forks else _Child.start)(self._job)
                try:
                    await self._feed(child)
                finally:
                    await child.kill()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            self._broken = error
            while not self._waiting.empty():
                self._waiting.get_nowait().fail(error)

    async def _feed(self, child: _Child) -> None:
        """Hand out calls until the child is late or dies."""
        while True:
            batch = await self._take()
            try:
                child.send([call.payload for call in batch])
                while batch:
                    self._settle(batch[0], await child.receive())
                    batch.popleft()
            except _Gone as gone:
                batch.popleft().fail(WorkerError(str(gone)))
                return
            finally:
                for call in batch:
                    self._waiting.put_nowait(call)

    async def _take(self) -> deque[_Call[R]]:
        batch = deque([await self._waiting.get()])
        while len(batch) < _BATCH and self._waiting.qsize() >= self._size:
            batch.append(self._waiting.get_nowait())
        return batch

    def _settle(self, call: _Call[R], frame: bytes) -> None:
        if frame[:1] != DONE:
            call.fail(WorkerError(frame[1:].decode("utf-8", "replace")))
            return
        try:
            reply = self._decoder.decode(frame[1:])
        except msgspec.DecodeError as error:
            call.fail(WorkerError(f"the worker process sent no valid reply: {error}"))
        else:
            if not call.reply.done():
                call.reply.set_result(reply)


class _Call(Generic[R]):
    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.reply: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def fail(self, error: BaseException) -> None:
        """Tell the caller, unless it has stopped waiting."""
        if not self.reply.done():
            self.reply.set_exception(error)


class _Gone(Exception):
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
        while (code := self.returncode) is None:
            await asyncio.sleep(0.001)
        self._requests.close()
        return code


class _Child:
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
    async def start(cls, job: Job[R]) -> _Child:
        """Start a child and wait until it can work: its start is not the first call's time."""
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
        except _Gone as gone:
            raise NoWorkers(
                f"no worker process can be started: {gone}; its own message stands above"
            ) from None
        except BaseException:
            await child.kill()
            raise
        return child

    @classmethod
    async def forked(cls, job: Job[R]) -> _Child:
        """A fork of this process, which can work at once."""
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
        """The next reply, or _Gone once the deadline has passed."""
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
            raise _Gone(await self._why()) from None

    async def _why(self) -> str:
        code = await self._process.wait()
        if self._late:
            return f"timed out after {self._timeout_s:g} s"
        return f"the worker process died ({-code if code < 0 else code})"
