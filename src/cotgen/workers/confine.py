"""What a worker process gives up for good: network, programs, changes to files, other processes.

Enforced by a seccomp filter on Linux (x86-64 and ARM64), which the kernel keeps until the process
ends and hands on to its children: no socket is made or used, no program started, no process
signalled or traced, no file opened for writing, made, renamed, linked or removed. Files can still
be read, and what is open stays open. Elsewhere, and where the kernel refuses filters, only the
limits hold: no file can grow, no core is dumped. What calls this must therefore not rely on it: it
is the wall behind the wall.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable

_NO_NEW_PRIVILEGES, _SECCOMP = 38, 22
_FILTER_MODE = 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1
"""Refused calls fail with EPERM."""
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""A machine's name for the kernel, and its column below."""
_OPENING = {"open": ((2, -1), 1), "openat": ((257, 56), 2)}
"""Allowed for reading: a call's numbers, and which argument holds its flags."""
_REFUSED = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_writev": (311, 271),
    "creat": (85, -1),
    "openat2": (437, 437),
    "open_by_handle_at": (304, 265),
    "truncate": (76, 45),
    "rename": (82, -1),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, -1),
    "linkat": (265, 37),
    "symlink": (88, -1),
    "symlinkat": (266, 36),
    "unlink": (87, -1),
    "unlinkat": (263, 35),
    "mkdir": (83, -1),
    "mkdirat": (258, 34),
    "rmdir": (84, -1),
    "mknod": (133, -1),
    "mknodat": (259, 33),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "lchown": (94, -1),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "utimensat": (280, 88),
    "mount": (165, 40),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
}
_FORKING = {"fork": (57, -1), "vfork": (58, -1), "clone": (56, 220), "clone3": (435, 435)}


def limit_memory(megabytes: int) -> None:
    """Allow this process so much address space, or what it was allowed if that is less."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = megabytes << 20
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def confine(*, may_fork: bool) -> bool:
    """Give up what a worker that computes does not need; whether the kernel enforces all of it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    known = _ARCHITECTURES.get(platform.machine())
    if known is None or platform.system() != "Linux":
        return False
    architecture, column = known
    refused = _REFUSED if may_fork else _REFUSED | _FORKING
    numbers = [each[column] for each in refused.values() if each[column] >= 0]
    opening = [(call[column], at) for call, at in _OPENING.values() if call[column] >= 0]
    return _install(list(_program(architecture, numbers, opening)))


def _program(
    architecture: int, refused: list[int], opening: list[tuple[int, int]]
) -> Iterable[bytes]:
    """The filter: each instruction jumps over the next one, or falls into it."""
    yield _step(_LOAD, _ARCHITECTURE_AT)
    yield _step(_EQUAL, architecture, skip_if_true=1)
    yield _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER_AT)
    yield _step(_AT_LEAST, _X32, skip_if_false=1)
    yield _step(_RETURN, _KILL)
    for number in refused:
        yield _step(_EQUAL, number, skip_if_false=1)
        yield _step(_RETURN, _REFUSE)
    for number, flags in opening:
        yield _step(_EQUAL, number, skip_if_false=4)
        yield _step(_LOAD, _ARGUMENTS_AT + 8 * flags)
        yield _step(_ANY_BIT, _WRITING, skip_if_false=1)
        yield _step(_RETURN, _REFUSE)
        yield _step(_RETURN, _ALLOW)
    yield _step(_RETURN, _ALLOW)


def _step(code: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if_true, skip_if_false, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _install(steps: list[bytes]) -> bool:
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return False
    program = _Program(len(steps), b"".join(steps))
    nothing = [ctypes.c_ulong(0)] * 3
    if prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), *nothing):
        return False
    return not prctl(_SECCOMP, ctypes.c_ulong(_FILTER_MODE), ctypes.byref(program), *nothing[:2])
