"""An engine's process, its log, and its last words."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")
_STOP_S = 20.0
_TAIL_BYTES, _TAIL_LINES = 1 << 16, 12
_RAISED = re.compile(rb"\b([\w.]*(?:Error|Exception|Interrupt): .+)")
_ENDED = re.compile(rb"^cotgen: the engine has ended: (.+)", re.MULTILINE)


class Process:
    """A running command under a guard, which ends all that came of it when we end."""

    def __init__(self, guard: asyncio.subprocess.Process, log: Path, start: int) -> None:
        self._guard = guard
        self._log = log
        self._start = start
        self.ended = asyncio.create_task(guard.wait())
        """Its result is the exit code."""

    @classmethod
    async def start(
        cls, command: Sequence[str], env: Mapping[str, str], log: Path, share: int | None = None
    ) -> Process:
        """Start a command that writes to the end of `log`, and inherits the file `share`."""
        files = () if share is None else (share,)
        with log.open("ab") as output:
            start = output.tell()
            guarded = ["-I", "-S", str(_GUARD), ",".join(map(str, files)) or "-", *command]
            guard = await asyncio.create_subprocess_exec(
                sys.executable,
                *guarded,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=env,
                pass_fds=files,
                start_new_session=True,  # Ctrl-C is ours to handle.
            )
        return cls(guard, log, start)

    def forget(self) -> None:
        """What the log holds until now is of no interest any more."""
        self._start = self._log.stat().st_size

    async def stop(self) -> None:
        """End the command and everything that came of it; returns when nothing is left."""
        if self._guard.stdin:
            self._guard.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), _STOP_S)
        except TimeoutError:
            self._guard.kill()
            await self.ended

    def last_words(self) -> str:
        """The end of the log, for whoever has to find out."""
        lines = [line for line in self._tail().decode("utf-8", "replace").splitlines() if line]
        return "\n".join(f"  {line[:200]}" for line in lines[-_TAIL_LINES:])

    def cause(self) -> str:
        """The first error of the log's end: those that follow are mostly of its making."""
        tail = self._tail()
        found = _RAISED.search(tail) or _ENDED.search(tail)
        if found is not None:
            return found.group(1).decode("utf-8", "replace").strip()[:200]
        return "it stopped answering"

    def _tail(self) -> bytes:
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._start, size - _TAIL_BYTES))
                return file.read()
        except OSError:
            return b""
