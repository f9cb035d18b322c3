"""The trusted process of a sandbox: it forks one child for each program or judge.

It runs no hostile code and never holds a program, a test or an output: what was there once could be
read by a later child, which gets a copy of its memory. Children read their own work from the
control socket; what they print goes straight to the process that owns the sandbox.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from cotgen.sandbox import kernel, program, seccomp, wire
from cotgen.sandbox.judge import judge

BEGUN = b"b"
"""What a child says when it is confined and has read its work."""
_MOUNTED, _SCRATCH = "/tmp", "/tmp/scratch"
"""A folder that is mounted once, and in it one for each run. The rules of landlock are made once
and stand on the outer one, which is read-only."""
_OTHERS = 200
_WARM = (
    "math cmath typing collections collections.abc itertools functools re heapq bisect string "
    "random json copy operator datetime decimal fractions statistics dataclasses enum abc io time "
    "hashlib textwrap types contextlib numbers queue calendar array struct traceback"
)
"""Modules that programs often import, loaded once."""


def main(settings: dict[str, Any], control: int, owner: int) -> None:
    """Serve until the owner closes the socket or dies."""
    os.environ.clear()
    left = kernel.Left.nothing
    kernel.remember_address_space()
    if settings["namespaces"]:
        left = kernel.leave_namespaces()
        if left is not kernel.Left.nothing:
            _become_first(control, owner)
    if left is kernel.Left.all:
        with suppress(OSError):
            kernel.mount_scratch("/proc", 1)
    for name in _WARM.split():
        importlib.import_module(name)
    sys.path[:] = [*settings["stdlib"], *settings["packages"]]
    server = _Server(settings, socket.socket(fileno=control), owner, left is kernel.Left.all)
    random.seed(0)
    gc.collect()
    gc.freeze()
    server.serve()


def _mount_scratch() -> bool:
    """Whether runs can have a scratch folder."""
    try:
        kernel.mount_scratch(_MOUNTED, 1)
        Path(_SCRATCH).mkdir()
        kernel.make_unwritable(_MOUNTED)
    except OSError:
        return False
    return True


def _become_first(control: int, owner: int) -> None:
    """Go on as the first process of the new process tree; wait for it in the old one."""
    first = os.fork()
    if first == 0:
        kernel.die_with_parent()
        return
    os.close(control)
    os.close(owner)
    os.waitpid(first, 0)
    os._exit(0)


class _Server:
    def __init__(
        self, settings: dict[str, Any], control: socket.socket, owner: int, scratch: bool
    ) -> None:
        self._settings = settings
        self._control = control
        self._owner = owner
        self._scratch = scratch and _mount_scratch()
        self._rules: int | None = None
        if settings["tier"] != "none":
            seccomp.filter_code()
            if kernel.landlock_abi():
                writable = _MOUNTED if self._scratch else None
                self._rules = kernel.landlock_rules(settings["readable"], writable)

    def serve(self) -> None:
        self._say({"ready": True, "scratch": self._scratch})
        while True:
            byte, files, _, _ = socket.recv_fds(self._control, 1, 4, socket.MSG_CMSG_CLOEXEC)
            if not byte:
                return
            if byte == wire.STOP:
                continue  # It came too late: that run was over.
            try:
                self._run(wire.receive(self._control), files)
            finally:
                for file in files:
                    os.close(file)

    def _run(self, order: dict[str, Any], files: list[int]) -> None:
        """Start what the order names, watch it, say how it ended."""
        if self._scratch:
            kernel.mount_scratch(_SCRATCH, order["scratch_mb"])
        children: dict[str, int] = {}
        ends: dict[str, list[float | bool]] = {}
        exhausted = False
        try:
            if order["role"] == "script":
                stdin, out, note = files
                children["program"] = self._fork(order, _script, [stdin, out, note], [])
            else:
                here, there = socket.socketpair()
                with here, there:
                    plain = [-1, -1, -1]
                    children["program"] = self._fork(order, _program, plain, [here.fileno()])
                    judged = order | {"cpu_s": order["judge_cpu_s"]}
                    links = [there.fileno(), files[0]]
                    children["judge"] = self._fork(judged, _judge, plain, links)
            exhausted = self._watch(children, order["cpu_s"])
        finally:
            for pid in children.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for name, pid in children.items():
                ends[name] = [*_end(pid), exhausted and name == "program"]
            if self._scratch:
                kernel.unmount(_SCRATCH)
        self._say(ends)

    def _watch(self, children: dict[str, int], cpu_s: float) -> bool:
        """Wait until the run is over: the judge, or a program without one, has ended, or the owner
        has asked to stop. True if the program has used up its CPU time. Without an owner,
        everything ends."""
        last = "judge" if "judge" in children else "program"
        watched = os.pidfd_open(children[last])
        try:
            poller = select.poll()
            for file in (watched, self._control.fileno(), self._owner):
                poller.register(file, select.POLLIN)
            ready: set[int] = set()
            exhausted = False
            while not ready:
                left = cpu_s - _cpu_time(children["program"])
                if left <= 0:
                    # A judge then says in which test.
                    exhausted = True
                    os.kill(children["program"], signal.SIGKILL)
                ready = {file for file, _ in poller.poll(max(20.0, left * 500))}
        finally:
            os.close(watched)
        if self._owner in ready:
            os._exit(0)
        if watched not in ready and self._control.recv(1) != wire.STOP:
            os._exit(0)
        return exhausted

    def _fork(
        self,
        order: dict[str, Any],
        work: Callable[[socket.socket, list[int]], int],
        standard: list[int],
        links: list[int],
    ) -> int:
        """A confined child that reads its work from the control socket; returns when it has."""
        read, written = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            self._be_child(order, work, standard, [self._control.fileno(), written, *links])
        os.close(written)
        begun = os.read(read, 1) == BEGUN
        os.close(read)
        if not begun:
            # It could not be confined. Its work still waits in the control socket: all is lost.
            os._exit(1)
        return pid

    def _be_child(
        self,
        order: dict[str, Any],
        work: Callable[[socket.socket, list[int]], int],
        standard: list[int],
        kept: list[int],
    ) -> NoReturn:
        status = wire.FAILED
        try:
            self._confine()
            _arrange_files(standard, kept)
            self._seal(order)
            control = socket.socket(fileno=3)
            status = work(control, list(range(4, 3 + len(kept))))
        finally:
            os._exit(status & 0xFF)

    def _confine(self) -> None:
        """Close the file system to this process. Raises OSError."""
        kernel.die_with_parent()
        os.chdir(_SCRATCH if self._scratch else "/")
        if self._settings["tier"] == "none":
            return
        kernel.hide()
        kernel.no_new_privileges()
        if self._rules is not None:
            kernel.landlock(self._rules)

    def _seal(self, order: dict[str, Any]) -> None:
        """Set the limits, then refuse all system calls that a program has no use for. Raises
        OSError."""
        # The kernel counts roughly, and too much on a busy machine: its limit is for emergencies.
        kernel.limit(2 * order["cpu_s"] + 1, order["memory_mb"], order["scratch_mb"])
        if self._settings["tier"] != "none":
            kernel.drop_capabilities()
            seccomp.restrict()

    def _say(self, message: object) -> None:
        try:
            wire.send(self._control, message)
        except wire.Gone:
            os._exit(0)


def _arrange_files(standard: list[int], kept: list[int]) -> None:
    """Files 0–2 as given (-1: nothing), 3 and up those to keep; all others closed."""
    nothing = os.open("/dev/null", os.O_RDWR)
    high = [os.dup2(file if file >= 0 else nothing, _OTHERS + number)
            for number, file in enumerate([*standard, *kept])]  # fmt: skip
    for number, file in enumerate(high):
        os.dup2(file, number)
    os.closerange(len(high), 1 << 16)


def _work(control: socket.socket, written: int) -> Any:
    """Read this child's work, then let the server go on."""
    work = wire.receive(control)
    control.close()
    os.write(written, BEGUN)
    os.close(written)
    return work


def _script(control: socket.socket, links: list[int]) -> int:
    work = _work(control, links[0])
    # File 2 carries the note on how the program failed; what it prints there itself is dropped.
    note = os.dup(2)
    os.set_inheritable(note, False)
    nothing = os.open("/dev/null", os.O_WRONLY)
    os.dup2(nothing, 2)
    return program.run_script(work["text"], lambda text: _write(note, text))


def _program(control: socket.socket, links: list[int]) -> int:
    work = _work(control, links[0])
    served = program.Served(socket.socket(fileno=links[1]))
    with suppress(wire.Gone, wire.Garbled):
        served.serve(work)
    return 0


def _judge(control: socket.socket, links: list[int]) -> int:
    work = _work(control, links[0])
    report = judge(
        socket.socket(fileno=links[1]), work["tests"], work["context"], work["entry_point"]
    )
    _write(links[2], json.dumps(report._asdict()))
    return 0


def _write(file: int, text: str) -> None:
    with suppress(OSError):
        os.write(file, text.encode("utf-8", "replace"))


def _cpu_time(pid: int) -> float:
    """The exact CPU time of a running child, all threads together; 0 once it has ended."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def _end(pid: int) -> list[float]:
    """How a child ended: its exit status (negative: the signal) and CPU seconds."""
    _, status, usage = os.wait4(pid, 0)
    return [os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime]
