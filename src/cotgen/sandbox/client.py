"""The owner's side of a sandbox: starts its server, hands it work, keeps its deadlines."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from cotgen.errors import CotgenError
from cotgen.sandbox import wire
from cotgen.sandbox.bubblewrap import wrapped
from cotgen.sandbox.report import Report

Tier = Literal["bubblewrap", "landlock", "none"]

_START = (
    "import json, sys; sys.path.insert(0, sys.argv[1]); from cotgen.sandbox.server import main; "
    "main(json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))"
)
_START_S, _STOP_S = 20.0, 2.0
_LONGEST_REPORT = 64 << 10


class SandboxError(CotgenError):
    """The sandbox failed, not what ran in it: nothing is known about the program."""


class Limits(NamedTuple):
    """What one program may use. `wall_s` is when we give up, whatever the reason."""

    cpu_s: int = 4
    memory_mb: int = 512
    output_kb: int = 1024
    wall_s: float = 8.0
    scratch_mb: int = 16


class Exit(NamedTuple):
    """How a process ended: exit status (negative: killed by that signal), CPU seconds, and whether
    it was stopped because they were used up."""

    status: int
    cpu_s: float
    exhausted: bool = False


class Scripted(NamedTuple):
    """What a program printed, how it ended, and its uncaught exception."""

    output: bytes
    flooded: bool
    exit: Exit
    note: str


class Judgement(NamedTuple):
    """How tests went (None: their process ended without a report) and how both processes ended."""

    report: Report | None
    program: Exit
    judge: Exit


class LateError(SandboxError):
    """Nothing had ended at the deadline."""


class Sandbox:
    """One server process, which runs one program at a time. Not for two threads at once."""

    def __init__(self, tier: Tier, *, namespaces: bool = True) -> None:
        """`namespaces=False` does without them, as it is where a container refuses them."""
        self.tier = tier
        if not hasattr(os, "pidfd_open"):
            raise SandboxError("programs can be run on Linux 5.3 or later only")
        self._control, there = socket.socketpair()
        owner = os.pidfd_open(os.getpid())
        command, settings = _command(tier)
        settings["namespaces"] &= namespaces
        arguments = [str(_SOURCE), json.dumps(settings), str(there.fileno()), str(owner)]
        try:
            self._server = subprocess.Popen(
                [*command, "-P", "-s", "-S", "-X", "utf8", "-c", _START, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(there.fileno(), owner),
                env={"PYTHONHASHSEED": "0"},  # Sets keep their order from run to run.
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            raise SandboxError(f"the sandbox server cannot be started: {error}") from error
        finally:
            there.close()
            os.close(owner)
        self._await_start()

    def _await_start(self) -> None:
        self._control.settimeout(_START_S)
        try:
            self.scratch = bool(wire.receive(self._control)["scratch"])
        except (wire.Gone, wire.Garbled) as error:
            assert self._server.stderr is not None
            self._server.kill()
            why = self._server.stderr.read(1 << 16).decode("utf-8", "replace").strip()
            self.close()
            reason = why.rpartition("\n")[2] or str(error)
            raise SandboxError(f"the sandbox server did not start: {reason}") from None
        self._control.settimeout(None)

    @property
    def alive(self) -> bool:
        """Whether it can take more work."""
        return self._control.fileno() >= 0 and self._server.poll() is None

    def close(self) -> None:
        """End the server and whatever runs in it."""
        self._control.close()
        self._server.kill()
        self._server.wait()
        if self._server.stderr is not None:
            self._server.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run_script(self, text: str, stdin: bytes, limits: Limits) -> Scripted:
        """Run a program on an input. Raises SandboxError, LateError."""
        given = os.memfd_create("stdin")
        try:
            with open(given, "wb", closefd=False) as file:
                file.write(stdin)
            os.lseek(given, 0, os.SEEK_SET)
            order = _order("script", limits)
            streams = (limits.output_kb << 10, 4096)
            outputs, flooded, ends = self._run(order, [{"text": text}], [given], streams, limits)
        finally:
            os.close(given)
        note = outputs[1].decode("utf-8", "replace")
        return Scripted(outputs[0], flooded, ends["program"], note)

    def run_tests(
        self, program: dict[str, Any], tests: dict[str, Any], limits: Limits
    ) -> Judgement:
        """Run tests against a program. One process gets `program` (context, texts, wanted, sure),
        another `tests` (tests, context, entry_point). Raises SandboxError, LateError."""
        order = _order("tests", limits)
        outputs, _, ends = self._run(order, [program, tests], [], (_LONGEST_REPORT,), limits)
        try:
            report = Report(**json.loads(outputs[0]))
        except (ValueError, TypeError):
            report = None
        return Judgement(report, ends["program"], ends["judge"])

    def _run(
        self,
        order: dict[str, Any],
        work: list[dict[str, Any]],
        files: list[int],
        streams: tuple[int, ...],
        limits: Limits,
    ) -> tuple[list[bytes], bool, dict[str, Exit]]:
        """One run: what came out of each stream (up to its limit), whether one was cut, how it
        ended. A sandbox that fails here is closed: its server may be in any state."""
        deadline = time.monotonic() + limits.wall_s
        pipes = [os.pipe() for _ in streams]
        try:
            self._control.settimeout(_START_S)
            try:
                socket.send_fds(self._control, [wire.RUN], [*files, *(write for _, write in pipes)])
            finally:
                for _, write in pipes:
                    os.close(write)
            for frame in (order, *work):
                wire.send(self._control, frame)
            collector = _Collector([read for read, _ in pipes], streams)
            late = not collector.collect(self._control, deadline)
            if late or collector.flooded:
                self._control.sendall(wire.STOP)
            self._control.settimeout(_STOP_S)
            ends = {name: Exit(*end) for name, end in wire.receive(self._control).items()}
            if not late:
                collector.drain()
        except (wire.Gone, wire.Garbled, wire.Unsendable, OSError) as error:
            self.close()
            raise SandboxError(f"the sandbox server failed: {error}") from None
        finally:
            for read, _ in pipes:
                os.close(read)
        if late:
            raise LateError(f"not done after {limits.wall_s:g} s")
        return collector.outputs, collector.flooded, ends


class _Collector:
    """Reads the streams of a run until its server reports the end."""

    def __init__(self, files: list[int], limits: tuple[int, ...]) -> None:
        self._limits = dict(zip(files, limits, strict=True))
        self._parts = {file: bytearray() for file in files}
        self._open = set(files)
        self.flooded = False

    @property
    def outputs(self) -> list[bytes]:
        return [bytes(part) for part in self._parts.values()]

    def collect(self, control: socket.socket, deadline: float) -> bool:
        """Read until the server speaks or a stream is too long; False at the deadline."""
        poller = select.poll()
        poller.register(control, select.POLLIN)
        for file in self._open:
            poller.register(file, select.POLLIN)
        while not self.flooded:
            left = deadline - time.monotonic()
            ready = {file for file, _ in poller.poll(max(0.0, left) * 1000)}
            if control.fileno() in ready:
                return True
            if not ready and left <= 0:
                return False
            for file in ready:
                if not self._read(file):
                    poller.unregister(file)
        return True

    def drain(self) -> None:
        """Read what was written before the end."""
        for file in list(self._open):
            os.set_blocking(file, False)
            with contextlib.suppress(BlockingIOError):
                while not self.flooded and self._read(file):
                    pass

    def _read(self, file: int) -> bool:
        part = os.read(file, 1 << 16)
        self._parts[file] += part
        if len(self._parts[file]) > self._limits[file]:
            self.flooded = True
        if not part:
            self._open.discard(file)
        return bool(part)


def _order(role: str, limits: Limits) -> dict[str, Any]:
    return {
        "role": role,
        "cpu_s": limits.cpu_s,
        "judge_cpu_s": limits.cpu_s + 10,
        "memory_mb": limits.memory_mb,
        "scratch_mb": limits.scratch_mb,
    }


_SOURCE = Path(__file__).parents[2]


def _command(tier: Tier) -> tuple[list[str], dict[str, Any]]:
    """How the server is started, and its settings."""
    python = os.path.realpath(sys.executable)
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    readable = [path for path in _readable(packages) if Path(path).exists()]
    settings = {
        "tier": tier,
        "namespaces": tier != "none",
        "readable": readable,
        "stdlib": [sysconfig.get_path("stdlib"), *_dynload()],
        "packages": packages,
    }
    if tier != "bubblewrap":
        return [python], settings
    started = [str(Path(python).parent), str(Path(__file__).parents[1])]
    return [*wrapped(readable, started), python], settings


def _dynload() -> list[str]:
    return [path for path in sys.path if path.endswith("lib-dynload")]


def _readable(packages: list[str]) -> list[str]:
    """What a program may read: Python's libraries and the system's, nothing else."""
    prefixes = {sys.base_prefix, sys.prefix} - {"/usr"}
    return [
        *sorted(f"{prefix}/{folder}" for prefix in prefixes for folder in ("lib", "lib64")),
        *packages,
        sysconfig.get_path("stdlib"),
        "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo",
        "/etc/ld.so.cache", "/dev/zero", "/dev/random", "/dev/urandom",
    ]  # fmt: skip
