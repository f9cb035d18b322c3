"""The system calls that a sandboxed program may make, as a seccomp filter (Linux 3.17 and later).

Only what is listed is allowed, so that calls of newer kernels are refused too. A program may read
and write files (landlock says which), use memory, threads, clocks and pipes. It may not start
programs or processes, open sockets, send signals, trace, mount, change owners or rights.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from functools import cache
from typing import NamedTuple

from cotgen.sandbox.kernel import checked, libc

# read write open openat close creat stat fstat lstat newfstatat statx access faccessat
# faccessat2 readlink readlinkat getcwd chdir fchdir getdents getdents64 statfs fstatfs lseek
# mmap mprotect munmap brk mremap madvise msync rt_sigaction rt_sigprocmask rt_sigreturn
# rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pread64 pwrite64 readv writev preadv
# pwritev pipe pipe2 select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait
# epoll_pwait eventfd2 sched_yield sched_getaffinity getcpu dup dup2 dup3 pause nanosleep
# clock_nanosleep clock_gettime clock_getres time gettimeofday times getitimer setitimer alarm
# getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp
# getpgid getsid socketpair recvfrom recvmsg shutdown getsockopt getsockname getpeername exit
# exit_group uname flock fsync fdatasync truncate ftruncate fallocate rename renameat renameat2
# mkdir mkdirat rmdir unlink unlinkat symlink symlinkat umask getrlimit getrusage sysinfo wait4
# waitid futex set_robust_list rseq membarrier getrandom sendfile restart_syscall
# The numbers are those of the kernel headers, for the names above.


class _Machine(NamedTuple):
    audit: int
    plain: tuple[int, ...]
    clone: int
    clone3: int
    ioctl: int
    fcntl: int
    sendto: int
    prlimit64: int


# fmt: off
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23,
        24, 25, 26, 28, 32, 33, 34, 35, 36, 37, 38, 39, 40, 45, 47, 48, 51, 52, 53, 55, 60,
        61, 63, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 87, 88, 89, 95, 96, 97,
        98, 99, 100, 102, 104, 107, 108, 110, 111, 115, 118, 120, 121, 124, 127, 128, 130,
        131, 137, 138, 186, 201, 202, 204, 213, 217, 219, 228, 229, 230, 231, 232, 233, 247,
        257, 258, 262, 263, 264, 266, 267, 269, 270, 271, 273, 281, 285, 290, 291, 292, 293,
        295, 296, 309, 316, 318, 324, 332, 334, 439,
        ),
        clone=56, clone3=435, ioctl=16, fcntl=72, sendto=44, prlimit64=302,
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (
        17, 19, 20, 21, 22, 23, 24, 32, 34, 35, 36, 38, 43, 44, 45, 46, 47, 48, 49, 50, 56,
        57, 59, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 78, 79, 80, 82, 83, 93,
        94, 95, 98, 99, 101, 102, 103, 113, 114, 115, 123, 124, 128, 132, 133, 134, 135,
        136, 137, 139, 148, 150, 153, 155, 156, 158, 160, 163, 165, 166, 168, 169, 172, 173,
        174, 175, 176, 177, 178, 179, 199, 204, 205, 207, 209, 210, 212, 214, 215, 216, 222,
        226, 227, 233, 260, 276, 278, 283, 291, 293, 439,
        ),
        clone=220, clone3=435, ioctl=29, fcntl=25, sendto=206, prlimit64=261,
    ),
}
# fmt: on

_LOAD, _EQUALS, _HAS_BITS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _REFUSE, _MISSING = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
"""Refused calls fail with EPERM, `clone3` with ENOSYS: libc then falls back to `clone`."""
_CLONE_THREAD = 0x10000
_X32 = 0x40000000
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Ask whether a file is a terminal, its size, the bytes that wait; blocking and close-on-exec."""
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032)
"""Copies, flags and locks; not F_SETOWN, which sends signals."""
_PR_SET_SECCOMP, _FILTER = 22, 2


def supported() -> bool:
    """Whether the filter knows this machine's system calls."""
    return platform.machine() in _MACHINES


def restrict() -> None:
    """Refuse all other system calls of this process from now on. Needs no privileges, but
    `no_new_privileges` before it. Raises OSError."""
    code = filter_code()
    kept = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(kept))
    checked(libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0), "seccomp")


@cache
def filter_code() -> bytes:
    """The filter for this machine."""
    return _filter(_MACHINES[platform.machine()])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _filter(machine: _Machine) -> bytes:
    """A straight line of tests; each that matches returns."""
    code = [
        _op(_LOAD, 4),
        *_unless(_EQUALS, machine.audit, _KILL),
        _op(_LOAD, 0),
        *_when(_AT_LEAST, _X32, _KILL),
        *_when(_EQUALS, machine.clone3, _MISSING),
    ]
    for number in machine.plain:
        code += _when(_EQUALS, number, _ALLOW)
    threads = [_op(_LOAD, _argument(0)), *_when(_HAS_BITS, _CLONE_THREAD, _ALLOW)]
    code += _call(machine.clone, threads)
    code += _call(machine.ioctl, _one_of(1, _IOCTLS))
    code += _call(machine.fcntl, _one_of(1, _FCNTLS))
    # Nameless sends only: a datagram with an address reaches sockets outside.
    code += _call(machine.sendto, _zero(4))
    code += _call(machine.prlimit64, _zero(0))
    return b"".join([*code, _op(_RETURN, _REFUSE)])


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def _when(test: int, value: int, answer: int) -> list[bytes]:
    return [_op(test, value, 0, 1), _op(_RETURN, answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_op(test, value, 1, 0), _op(_RETURN, answer)]


def _call(number: int, rules: list[bytes]) -> list[bytes]:
    """Rules for the arguments of one call; what none of them allows is refused."""
    rules = [*rules, _op(_RETURN, _REFUSE)]
    return [_op(_EQUALS, number, 0, len(rules)), *rules]


def _one_of(argument: int, values: tuple[int, ...]) -> list[bytes]:
    rules = [_op(_LOAD, _argument(argument))]
    for value in values:
        rules += _when(_EQUALS, value, _ALLOW)
    return rules


def _zero(argument: int) -> list[bytes]:
    """Both halves of the argument are 0."""
    high = [_op(_LOAD, _argument(argument) + 4), *_unless(_EQUALS, 0, _REFUSE)]
    return [*high, _op(_LOAD, _argument(argument)), *_when(_EQUALS, 0, _ALLOW)]


def _argument(number: int) -> int:
    """The offset of an argument's lower half (little endian)."""
    return 16 + 8 * number
