"""One child process for all threads of this process: for work that may hang, in plain calls.

A `Pool` serves a run, which owns an event loop. A helper serves a library call, which may come
from any thread, of any process, before or after a fork: no signals, no event loop, nothing to
close.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from cotgen.errors import NoWorkers, WorkerError
from cotgen.workers.frames import ANSWER, DONE, READY, SECONDS
from cotgen.workers.process import Child, Gone

_KEPT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
"""The rest of the environment may hold secrets."""
_CHANGED = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
"""One order of hashes makes answers repeatable; strict warnings of the parent are its own."""
_STARTS, _PAUSE_S = 3, 30.0
"""After so many starts in a row that failed, requests fail at once for so long: a machine without
memory is not asked for it again and again, and a service that runs for months recovers."""


class Answer(NamedTuple):
    """What the child's module returned; nothing, with a reason, where it did not end by itself."""

    data: bytes
    seconds: float
    reason: str = ""
    waited_s: float = 0.0
    """In line behind other requests, and for the child's start."""


class Helper:
    """A child process that answers one request at a time with the `answer` of a module.

    The module is a file that imports nothing of its package: `load` and `warm` prepare `answer`.

    It starts when it is first needed, is started again after it had to be killed, belongs to the
    process that started it (a fork starts its own), and ends with it.
    """

    def __init__(self, module: Path, *, memory_mb: int) -> None:
        self._told = json.dumps([str(module), memory_mb])
        self._lock = Lock()
        self._child: Child | None = None
        self._is_ready = False
        self._failed_starts = 0
        self._last_failure = 0.0
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def ask(
        self, question: bytes, *, within_s: float, processor_s: float, patience_s: float
    ) -> Answer:
        """The module's answer, within `within_s` of when the child takes the question; until then
        others and the child's start are waited for, at most `patience_s`. `processor_s` is what the
        work may use.

        Raises WorkerError if there is no answer in time, NoWorkers if no child can be started.
        """
        asked = time.monotonic()
        if not self._lock.acquire(timeout=max(0.0, patience_s)):
            raise WorkerError("out of time, which other requests took")
        try:
            child = self._ready(asked + patience_s)
            taken = time.monotonic()
            try:
                child.send(SECONDS.pack(processor_s) + question)
                return _answer(child, taken + within_s)._replace(waited_s=taken - asked)
            except BaseException:
                # For Ctrl-C too: the answer that still comes would be taken for the next one's.
                self.close()
                raise
        finally:
            self._lock.release()

    def start(self) -> None:
        """Start the child without waiting for it, so that a later request need not."""
        # A held lock means that another thread is at it.
        if self._child is None and self._lock.acquire(blocking=False):
            try:
                # If it cannot be started, the request that needs it says so.
                with suppress(NoWorkers):
                    self._started()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the child; the next request starts another."""
        child, self._child, self._is_ready = self._child, None, False
        if child is not None:
            child.kill()

    def _ready(self, deadline: float) -> Child:
        """A child that can work. One that is too slow for this request starts for the next."""
        if self._child is not None and self._is_ready and self._child.has_ended():
            # While nobody asked, for want of memory say: no fault of this request.
            self.close()
        child = self._started()
        if not self._is_ready:
            self._wait_until_ready(child, deadline)
        return child

    def _started(self) -> Child:
        is_pausing = time.monotonic() < self._last_failure + _PAUSE_S
        if self._failed_starts >= _STARTS and is_pausing:
            raise NoWorkers("no helper process can be started")
        if self._child is None:
            kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
            self._child = Child("forker", [self._told], kept | _CHANGED)
        return self._child

    def _wait_until_ready(self, child: Child, deadline: float) -> None:
        try:
            self._is_ready = child.receive(deadline) == READY
        except Gone as gone:
            self._failed_starts += 1
            self._last_failure = time.monotonic()
            self.close()
            raise NoWorkers(f"no helper process can be started: {gone}") from None
        self._failed_starts = 0

    def _forget(self) -> None:
        """In a fork: the child is the parent's, and so is whoever holds the lock."""
        self._lock = Lock()
        child, self._child, self._is_ready = self._child, None, False
        if child is not None:
            child.disown()


def _answer(child: Child, deadline: float) -> Answer:
    """What a fork answered, if it did, and what the helper says of how it ended."""
    data, frame = b"", child.receive(deadline)
    if frame[:1] == ANSWER:
        data, frame = frame[1:], child.receive(deadline)
    seconds: float = SECONDS.unpack_from(frame, 1)[0]
    reason = frame[1 + SECONDS.size :].decode("utf-8", "replace")
    return Answer(data if frame[:1] == DONE else b"", seconds, reason)
