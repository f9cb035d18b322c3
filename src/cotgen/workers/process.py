"""A child process and its two pipes, in plain calls."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cotgen.errors import NoWorkers, WorkerError
from cotgen.workers.frames import LENGTH, framed

if TYPE_CHECKING:
    from cotgen.workers.forks import Fork, Serve

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from cotgen.workers.{} import main; main()"
)
"""A child imports from where its parent does, so that functions of the user's modules are found."""
_PIECE = 1 << 16
_LAST_BREATH_S = 1.0


class Gone(WorkerError):
    """The child is no more."""


class Child:
    """A process that runs `main` of one module of this package, and speaks in frames."""

    def __init__(
        self, module: str, told: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        command = [sys.executable, "-c", _START.format(module), json.dumps(sys.path), *told]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if environment else None,
                bufsize=0,
                env=environment,
                process_group=0,  # Ctrl-C is the parent's to handle, and forks are killed with it.
            )
        except OSError as error:
            raise NoWorkers(f"no worker process can be started: {error}") from error
        self._speak_with(process)

    @classmethod
    def forked(cls, serve: Serve) -> Child:
        """A fork of this process. Only where it `may_fork`."""
        from cotgen.workers.forks import Fork

        child = cls.__new__(cls)
        child._speak_with(Fork(serve))
        return child

    def _speak_with(self, process: subprocess.Popen[bytes] | Fork) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._unread = bytearray()

    def send(self, frame: bytes) -> None:
        """Write a frame: all of it, waiting for the child to read it."""
        rest = memoryview(framed(frame))
        try:
            while rest:
                rest = rest[self._stdin.write(rest) :]
        except OSError:
            raise Gone(self._why()) from None

    def receive(self, deadline: float = math.inf) -> bytes:
        """The child's next frame. Raises WorkerError at the deadline, Gone if the child died."""
        self._fill(LENGTH.size, deadline)
        end = LENGTH.size + LENGTH.unpack_from(self._unread)[0]
        self._fill(end, deadline)
        frame = bytes(self._unread[LENGTH.size : end])
        del self._unread[:end]
        return frame

    def has_ended(self) -> bool:
        """Whether the process is known to be no more."""
        return self._process.poll() is not None

    def end(self) -> None:
        """Kill the process and its forks; whoever waits for a frame is told that it is gone."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the process, whatever it does, and close the pipes."""
        self.end()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    def disown(self) -> None:
        """In a fork: leave the process to the parent, whose end of the pipes it must see close."""
        self._stdin.close()
        self._stdout.close()
        if isinstance(self._process, subprocess.Popen):
            self._process.returncode = 0

    def _fill(self, count: int, deadline: float) -> None:
        while len(self._unread) < count:
            self._wait(deadline)
            piece = self._stdout.read(_PIECE)
            if not piece:
                raise Gone(self._why())
            self._unread += piece

    def _wait(self, deadline: float) -> None:
        if deadline == math.inf:
            return
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise WorkerError("out of time")

    def _why(self) -> str:
        try:
            code = self._process.wait(_LAST_BREATH_S)
        except subprocess.TimeoutExpired:
            return "the worker process closed its pipes"
        if code == -signal.SIGALRM:
            return "out of time"
        return f"the worker process died ({-code if code < 0 else code})"
