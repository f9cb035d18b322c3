"""Ends an engine with all its processes when cotgen ends, even by `kill -9`.

    python guard.py FD[,FD…]|- COMMAND…

Run as a script that needs nothing but Python. Its stdin is a pipe that cotgen holds open: when it
closes, or the command ends by itself, every process that came of the command is ended. vLLM alone
starts four, some of which outlive their parent.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_LOOK_S = 0.1
_PATIENCE_S = 8.0
"""So long an engine has to give back its GPU in an orderly way."""
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_LINUX = sys.platform == "linux"


def main() -> int:
    """Run the command; returns its exit code."""
    files = [int(file) for file in sys.argv[1].split(",") if file != "-"]
    # Processes whose parent died become ours, so that none is overlooked.
    _prctl(_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        engine = subprocess.Popen(
            sys.argv[2:],
            stdin=subprocess.DEVNULL,
            pass_fds=files,
            start_new_session=True,
            preexec_fn=lambda: _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL),
        )
    except OSError as error:
        sys.stderr.write(f"OSError: {sys.argv[2]} cannot be started: {error.strerror}\n")
        return 127
    for file in files:
        os.close(file)
    code: int | None = None
    try:
        while code is None and not select.select([0], [], [], _LOOK_S)[0]:
            code = _reaped(engine.pid)
        if code is not None:
            what = f"killed by signal {code - 128}" if code > 128 else f"exit code {code}"
            sys.stderr.write(f"cotgen: the engine has ended: {what}\n")
            sys.stderr.flush()
    finally:
        _end(engine.pid)
    return 128 + signal.SIGTERM if code is None else code


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _reaped(engine: int) -> int | None:
    """Collect the processes that have ended; returns the engine's exit code if it is among them."""
    code: int | None = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == engine:
                code = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass  # None is left.
    return 128 - code if code is not None and code < 0 else code


def _end(engine: int) -> None:
    """End what is left: asked first, then killed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _send(engine, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and _any_left():
        _reaped(engine)
        time.sleep(_LOOK_S / 5)
    while _any_left():
        _send(engine, signal.SIGKILL)
        _reaped(engine)
        time.sleep(_LOOK_S / 5)


def _any_left() -> bool:
    try:
        # Ours are the engine and, by adoption, those that it left behind.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _send(engine: int, number: signal.Signals) -> None:
    for process in _descendants():
        with suppress(ProcessLookupError):
            os.kill(process, number)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(engine, number)


def _descendants() -> list[int]:
    """All processes below this one, also those that went into a group of their own."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = children.get(os.getpid(), [])
    for process in found:
        found += children.get(process, [])
    return found


if __name__ == "__main__":
    sys.exit(main())
