"""Calling a plain function in child processes that are killed when they are late."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

from cotgen.errors import WorkerError
from cotgen.workers.children import AsyncChild, Gone, result_of
from cotgen.workers.frames import Job

R = TypeVar("R")
_BATCH = 32
"""Requests written to a child at once: enough to hide the pipe, few enough to share out evenly."""


class Pool(Generic[R]):
    """Child processes that call one function. A call that is late kills its child, not the run.

    The function goes to the children by value (cloudpickle), so it may live in a script or a
    notebook. Children start when they are first needed and inherit the environment.
    """

    def __init__(self, job: Job[R], reply: type[R], *, size: int | None = None) -> None:
        self._job = job
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
                child = await AsyncChild.start(self._job)
                try:
                    await self._feed(child)
                finally:
                    await child.kill()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            self._broken = error
            while not self._waiting.empty():
                self._waiting.get_nowait().fail(error)

    async def _feed(self, child: AsyncChild) -> None:
        """Hand out calls until the child is late or dies."""
        while True:
            batch = await self._take()
            try:
                child.send([call.payload for call in batch])
                while batch:
                    self._settle(batch[0], await child.receive())
                    batch.popleft()
            except Gone as gone:
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
        try:
            reply = result_of(frame, self._decoder)
        except WorkerError as error:
            call.fail(error)
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
