"""Which sandbox this machine can offer: found out by attacking it, not by asking for versions."""

from __future__ import annotations

import os
import platform
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

from cotgen.sandbox import bubblewrap, kernel, seccomp
from cotgen.sandbox.client import Limits, Sandbox, SandboxError, Tier

Choice = Literal["auto", "bubblewrap", "landlock", "none"]
STRONGEST_FIRST: tuple[Tier, ...] = ("bubblewrap", "landlock")
_SECRET = "cotgen-self-test-secret"

ATTACKS = """
import ctypes, os, signal, socket, subprocess, threading

def attacks(folder, port, name, owner, memory):
    done = []

    def attempt(label, function, *args):
        try:
            result = function(*args)
        except (OSError, MemoryError):
            return  # Refused. What fails in another way would prove nothing, and ends the test.
        if result is not False:
            done.append(label)

    def connect():
        with socket.socket() as tcp:
            tcp.settimeout(1)
            tcp.connect(("127.0.0.1", port))

    def send():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plain:
            plain.sendto(b"x", name)

    def send_from_pair():
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.sendto(b"x", name)

    def read(path):
        with open(path, "rb") as file:
            return len(file.read(1)) > 0

    def write(flags):
        os.write(os.open(folder + "/secret", flags), b"x")

    def fork():
        if os.fork() == 0:
            os._exit(0)

    def trace(pid):
        return ctypes.CDLL(None, use_errno=True).ptrace(0x4206, pid, 0, 0) == 0

    attempt("read a file", read, folder + "/secret")
    attempt("list a folder", os.listdir, folder)
    attempt("write to a file", write, os.O_WRONLY)
    attempt("truncate a file", os.open, folder + "/secret", os.O_RDONLY | os.O_TRUNC)
    attempt("truncate by path", os.truncate, folder + "/secret", 0)
    attempt("make a file", os.open, folder + "/new", os.O_WRONLY | os.O_CREAT)
    attempt("change rights", os.chmod, folder + "/secret", 0o777)
    attempt("connect by TCP", connect)
    attempt("send to a unix socket", send)
    attempt("send to a unix socket from a pair", send_from_pair)
    attempt("start a process", fork)
    attempt("start a program", subprocess.run, ["/bin/true"])
    attempt("use too much memory", bytearray, memory)
    for pid in {owner, os.getppid(), 1}:
        attempt("signal a process", os.kill, pid, 0)
        attempt("trace a process", trace, pid)
        attempt("open a process's memory", os.open, f"/proc/{pid}/mem", os.O_RDONLY)
        attempt("read a process's environment", read, f"/proc/{pid}/environ")
    if set(os.environ) - {"LC_CTYPE", "PWD"}:
        done.append("see the environment")
    return done
"""


class NoSandbox(SandboxError):
    """No tier on this machine withstands the attacks; the message says what to do."""


def choose(choice: Choice) -> Tier:
    """The strongest tier that withstands the attacks, or the one that the recipe names.

    Raises NoSandbox.
    """
    if choice == "none":
        return "none"
    wanted = STRONGEST_FIRST if choice == "auto" else (choice,)
    weak: list[str] = []
    for tier in wanted:
        weakness = weakness_of(tier)
        if not weakness:
            return tier
        weak.append(f"{tier}: {weakness}")
    raise NoSandbox(
        "this machine offers no sufficient sandbox for model-written programs "
        f"({'; '.join(weak)}). Install bubblewrap (apt install bubblewrap) on a system that allows "
        "unprivileged user namespaces, or use a Linux kernel of 6.2 or later with landlock; in a "
        "container, allow the system calls landlock_* and seccomp. Where the machine itself may be "
        "lost, `sandbox: none` in the recipe runs programs without protection"
    )


@cache
def weakness_of(tier: Tier) -> str:
    """Why a tier is not good enough here; empty if it withstands all attacks."""
    if platform.system() != "Linux":
        return "it needs Linux"
    if tier == "bubblewrap" and bubblewrap.installed() is None:
        return "bwrap is not installed"
    if tier == "landlock" and not kernel.landlock_abi():
        return "this kernel has no landlock"
    if not seccomp.supported():
        return f"its system calls are not known on {os.uname().machine}"
    try:
        with Sandbox(tier) as sandbox:
            return _attack(sandbox)
    except SandboxError as error:
        return str(error)


def _attack(sandbox: Sandbox) -> str:
    """Let a hostile program try what must fail, beside something that must work."""
    with (
        tempfile.TemporaryDirectory(prefix="cotgen-") as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        secret = Path(folder, "secret")
        secret.write_text(_SECRET, "utf-8")
        secret.chmod(0o666)
        Path(folder).chmod(0o777)
        datagrams.bind(f"{folder}/socket")
        limits = Limits(memory_mb=128, wall_s=10)
        facts = [folder, tcp.getsockname()[1], f"{folder}/socket", os.getpid(), 256 << 20]
        work = f"assert sum([40, 2]) == 42\nassert attacks(*{facts!r}) == []"
        tested = sandbox.run_tests(
            {"context": "", "texts": [ATTACKS], "wanted": ["attacks"], "sure": True},
            {"tests": {"asserts": work}, "context": "", "entry_point": ""},
            limits,
        )
        if secret.read_text("utf-8") != _SECRET or len(list(Path(folder).iterdir())) != 2:
            return "a program changed files outside"
    if tested.report is None:
        return f"the self-test ended without a report (exit {tested.judge.status})"
    if tested.report.finding != "passed":
        _, returned, succeeded = tested.report.detail.rpartition(" returned ")
        if not returned:
            return f"the self-test failed: {tested.report.detail}"
        return f"a program could {succeeded}"
    return ""
