"""One child process that is handed requests before it has answered earlier ones."""

from __future__ import annotations

from typing import Generic, Self, TypeVar

import msgspec

from cotgen.errors import WorkerError
from cotgen.workers.children import AsyncChild, Gone, result_of
from cotgen.workers.frames import Job

R = TypeVar("R")


class Stream(Generic[R]):
    """Where a child must never wait for a busy parent. Replies come in the order of requests."""

    def __init__(self, child: AsyncChild, reply: type[R]) -> None:
        self._child = child
        self._decoder = msgspec.msgpack.Decoder(reply)

    @classmethod
    async def start(cls, job: Job[R], reply: type[R]) -> Self:
        """Start the child: a fork of this process, where that is safe. Raises NoWorkers."""
        return cls(await AsyncChild.start(job, fork=True), reply)

    def send(self, *args: object) -> None:
        """Call the function; the pipe takes what the child has no time for."""
        self._child.send([msgspec.msgpack.encode(args)])

    async def receive(self) -> R:
        """The next reply. Raises WorkerError if the function did, or the child is late or dead."""
        try:
            return result_of(await self._child.receive(), self._decoder)
        except Gone as gone:
            raise WorkerError(str(gone)) from None

    async def close(self) -> None:
        """End the child, whatever it does."""
        await self._child.kill()
