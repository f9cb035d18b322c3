"""Calling a plain function in child processes for a stream of requests, in plain calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from itertools import chain, islice
from queue import SimpleQueue
from typing import TypeVar

import cloudpickle
import msgspec

from cotgen.errors import NoWorkers, WorkerError
from cotgen.workers.child import serve
from cotgen.workers.forks import Serve, may_fork
from cotgen.workers.frames import DONE, READY, Job
from cotgen.workers.process import Child, Gone

R = TypeVar("R")
_AHEAD = 4
"""Requests taken for each child before their results are: so many that none waits for work while
one is slow, so few that a slow reader never fills memory."""


def ordered(
    job: Job[R], reply: type[R], requests: Iterable[tuple[object, ...]], *, size: int
) -> Iterator[R | WorkerError]:
    """The function's results in the order of the requests; a WorkerError for one that failed.

    A late child ends by the alarm that it sets itself (`child`) and is replaced. Each child has a
    thread that does nothing but wait for it. Where it is safe, the first children are forks of this
    process, and there are no more of them than requests.
    """
    decoder = msgspec.msgpack.Decoder(reply)

    def read(result: bytes | WorkerError) -> R | WorkerError:
        if isinstance(result, WorkerError):
            return result
        if result[:1] != DONE:
            return WorkerError(result[1:].decode("utf-8", "replace"))
        return decoder.decode(result[1:])

    requests = iter(requests)
    first = list(islice(requests, size))
    if not first:
        return
    with closing(_Crew(job, len(first))) as crew:
        waiting: deque[Future[bytes | WorkerError]] = deque()
        for request in chain(first, requests):
            waiting.append(crew.start(msgspec.msgpack.encode(request)))
            while len(waiting) > size * _AHEAD or (waiting and waiting[0].done()):
                yield read(waiting.popleft().result())
        while waiting:
            yield read(waiting.popleft().result())


class _Crew:
    """Threads that wait, and a seat for each."""

    def __init__(self, job: Job[R], size: int) -> None:
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="cotgen")
        told = cloudpickle.dumps(job)
        self._seats = [_Seat(told) for _ in range(size)]
        if may_fork():  # Not any more once there is a thread.
            for seat in self._seats:
                seat.fork(partial(serve, job))
        self._free: SimpleQueue[_Seat] = SimpleQueue()
        for seat in self._seats:
            self._free.put(seat)

    def start(self, request: bytes) -> Future[bytes | WorkerError]:
        return self._threads.submit(self._call, request)

    def close(self) -> None:
        """End all children; a thread that waits for one is told that it is gone."""
        for seat in self._seats:
            seat.end()
        self._threads.shutdown(cancel_futures=True)
        for seat in self._seats:
            seat.clear()

    def _call(self, request: bytes) -> bytes | WorkerError:
        seat = self._free.get()
        try:
            return seat.ask(request)
        finally:
            self._free.put(seat)


class _Seat:
    """A place for one child after another."""

    def __init__(self, told: bytes) -> None:
        self._told = told
        self._child: Child | None = None
        self._ended = False

    def fork(self, serving: Serve) -> None:
        """Start the first child here and now; if it cannot be, the first request starts one."""
        with suppress(NoWorkers):
            self._child = Child.forked(serving)

    def ask(self, request: bytes) -> bytes | WorkerError:
        try:
            child = self._child or self._started()
            child.send(request)
            return child.receive()
        except Gone as gone:
            self.clear()
            return WorkerError(str(gone))

    def end(self) -> None:
        self._ended = True
        if self._child is not None:
            self._child.end()

    def clear(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _started(self) -> Child:
        self._child = child = Child("child")
        if self._ended:
            child.end()
        try:
            child.send(self._told)
            ready = child.receive()
        except Gone as gone:
            raise NoWorkers(f"no worker process can be started: {gone}") from None
        assert ready == READY
        return child
