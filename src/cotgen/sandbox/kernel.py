"""What the Linux kernel offers against hostile programs, through ctypes: no dependency, no root."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_REC, _PRIVATE, _READ_ONLY, _REMOUNT = 1 << 14, 1 << 18, 1, 32
_MOUNTED = 2 | 4 | 8
"""No rights from files, no devices, no programs."""
_DETACH = 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_READ = 4 | 8
_WRITE = 2
_FILE_RIGHTS = 2 | 4 | 1 << 14
_SCRATCH_RIGHTS = 2 | 4 | 8 | 16 | 32 | 128 | 256 | 4096 | 8192 | 1 << 14
"""Read, write, list, remove, make files, folders and links; no devices, sockets or programs."""
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_O_PATH = 0o10000000


def checked(result: int, what: str) -> int:
    """The result of a C call, or OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends."""
    checked(libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "PR_SET_PDEATHSIG")


def no_new_privileges() -> None:
    """No program that this process might start can gain rights; landlock and seccomp need it."""
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def drop_capabilities() -> None:
    """Give up what root may do, in this namespace and others."""
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
    nothing = ctypes.create_string_buffer(24)
    checked(libc.capset(header, nothing), "capset")


def hide() -> None:
    """Keep other processes of this user from tracing this one or reading its memory."""
    checked(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE")


class Left(Enum):
    """How far a process could leave the namespaces that it was started in.

    Most containers allow `nothing`; some distributions allow to leave, but not to mount (`some`).
    """

    nothing = "nothing"
    some = "some"
    all = "all"


def leave_namespaces() -> Left:
    """Give this process a user, network, file system and process tree of its own.

    Its next child is the first process of the new tree: when that ends, the kernel kills all others
    in it.
    """
    user, group = os.geteuid(), os.getegid()
    flags = _NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS
    if libc.unshare(flags) < 0:
        return Left.nothing
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        checked(libc.mount(b"none", b"/", None, _REC | _PRIVATE, None), "mount")
    except OSError:
        return Left.some
    return Left.all


def mount_scratch(folder: str, size_mb: int) -> None:
    """An empty folder in memory, seen by this process tree alone. Raises OSError."""
    options = f"size={size_mb}m,nr_inodes=4096,mode=0777".encode()
    checked(libc.mount(b"scratch", folder.encode(), b"tmpfs", _MOUNTED, options), "mount")


def make_unwritable(folder: str) -> None:
    """Let nothing change in a scratch folder any more. Raises OSError."""
    flags = _MOUNTED | _REMOUNT | _READ_ONLY
    checked(libc.mount(None, folder.encode(), None, flags, None), "mount")


def unmount(folder: str) -> None:
    """Drop a scratch folder with all that it holds."""
    libc.umount2(folder.encode(), _DETACH)


def landlock_abi() -> int:
    """The kernel's version of landlock; 0 if it has none."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, 0, 1)))


def landlock_rules(readable: Iterable[str], writable: str | None) -> int:
    """Rules that close the file system but for these folders, and TCP and signals too where the
    kernel can: a file for `landlock`. Raises OSError where the kernel has no landlock."""
    abi = landlock_abi()
    rights = _RIGHTS_BY_ABI[max((known for known in _RIGHTS_BY_ABI if known <= abi), default=1)]
    attributes = struct.pack("QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = checked(libc.syscall(_CREATE_RULESET, attributes, size, 0), "landlock")
    for path in readable:
        _allow(rules, path, _READ & rights)
    _allow(rules, "/dev/null", (_READ | _WRITE) & rights)
    if writable is not None:
        _allow(rules, writable, _SCRATCH_RIGHTS & rights)
    return rules


def landlock(rules: int) -> None:
    """Put this process under rules. Raises OSError."""
    checked(libc.syscall(_RESTRICT_SELF, rules, 0), "landlock")


def _allow(rules: int, path: str, rights: int) -> None:
    with suppress(FileNotFoundError):
        place = os.open(path, _O_PATH | os.O_CLOEXEC)
        if not Path(path).is_dir():
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, place)
        checked(libc.syscall(_ADD_RULE, rules, 1, rule, 0), f"landlock {path}")
        os.close(place)


def limit(cpu_s: int, memory_mb: int, file_mb: int) -> None:
    """Bound the CPU time, memory, files and open files of this process. Raises OSError."""
    memory = _address_space() + (memory_mb << 20)
    files = file_mb << 20
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, files),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if kind == resource.RLIMIT_AS and hard != resource.RLIM_INFINITY and hard < most:
            raise OSError(f"{memory_mb} MB are more than this process may use itself")
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _address_space() -> int:
    """What the interpreter itself has mapped."""
    return int(_STATM.split()[0]) * resource.getpagesize() if _STATM else 256 << 20


def remember_address_space() -> None:
    """Note how much memory this process has mapped, while /proc can be read."""
    global _STATM
    with suppress(OSError):
        _STATM = Path("/proc/self/statm").read_text("ascii")


_STATM = ""
