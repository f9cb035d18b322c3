"""Workers that are forks of this process: they start in milliseconds, with all that is loaded.

Only where nothing can go wrong in a fork that could not in a fresh process (`may_fork`). A fork
keeps nothing open but its two pipes and stderr, answers signals as a fresh process does, and never
returns into its parent's code.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cotgen.errors import NoWorkers

Serve = Callable[[BinaryIO, BinaryIO], None]
"""Reads requests and writes replies until there are no more requests."""
_TASKS, _SIZE = Path("/proc/self/task"), Path("/proc/self/statm")
_LARGEST = 1 << 30
"""Bytes of address space: a larger process leaves a fork too little of a worker's memory."""
_REPLIES = 3


def may_fork() -> bool:
    """Whether this process is on Linux, has one thread, is small, and may have children.

    A fork of a process with threads, be they Python's or a library's, may wait for ever for a lock
    that one of them holds.
    """
    from multiprocessing import current_process

    if current_process().daemon:
        return False  # One of `multiprocessing`, which allows it no children.
    try:
        tasks = sum(1 for _ in _TASKS.iterdir())
        pages = int(_SIZE.read_text().split()[0])
    except (OSError, ValueError):
        return False
    return tasks == 1 and pages * os.sysconf("SC_PAGE_SIZE") <= _LARGEST


class Fork:
    """A fork that serves: as much of `subprocess.Popen` as a `Child` asks for."""

    def __init__(self, serve: Serve) -> None:
        from multiprocessing import get_context

        theirs, ours = os.pipe()
        mine, yours = os.pipe()
        self._process = get_context("fork").Process(
            target=_run, args=(serve, theirs, yours), daemon=True
        )
        try:
            self._process.start()
        except OSError as error:
            for end in (theirs, ours, mine, yours):
                os.close(end)
            raise NoWorkers(f"no worker process can be started: {error}") from error
        os.close(theirs)
        os.close(yours)
        self.stdin, self.stdout = os.fdopen(ours, "wb", 0), os.fdopen(mine, "rb", 0)
        assert self._process.pid is not None
        self.pid = self._process.pid
        with suppress(OSError):
            # The fork does it as well: whoever comes first, it can be killed from here on.
            os.setpgid(self.pid, self.pid)

    def poll(self) -> int | None:
        """How it ended, as `subprocess.Popen` tells it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        # Not `join` with a timeout: it takes a closed pipe, which a fork has, for the end.
        if timeout is None:
            self._process.join()
        deadline = time.monotonic() + (_NOTED_S if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                if timeout is None:
                    return 0  # Somebody else waits for all children, and was told how it ended.
                raise subprocess.TimeoutExpired("a fork", timeout)
            time.sleep(0.001)
        return code


_NOTED_S = 0.5
"""In this time another thread that was told of the end has noted it."""
_ENDING = (signal.SIGTERM, signal.SIGINT)


def _run(serve: Serve, theirs: int, yours: int) -> None:
    """The fork: as a fresh process would be, except for what is loaded."""
    code = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)  # Ctrl-C is the parent's to handle.
        for number in signal.valid_signals():
            if number in _ENDING or callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)  # An event loop's, whose number a file of the fork may get.
        # What was the parent's is never collected here: it might close a number that is reused.
        gc.freeze()
        _keep_only(theirs, yours)
        serve(os.fdopen(0, "rb"), os.fdopen(_REPLIES, "wb"))
        code = 0
    finally:
        os._exit(code)


def _keep_only(theirs: int, yours: int) -> None:
    """Requests as stdin, stderr as stdout, replies as number 3; all else is closed."""
    requests, replies = os.dup(theirs), os.dup(yours)
    while replies <= _REPLIES or requests <= _REPLIES:
        requests, replies = os.dup(requests), os.dup(replies)
    os.dup2(requests, 0)
    os.dup2(2, 1)
    os.dup2(replies, _REPLIES)
    os.closerange(_REPLIES + 1, os.sysconf("SC_OPEN_MAX"))
    sys.stdout = sys.stderr
