"""The child's side of a `Helper`: loads one module, then answers each request in a fork.

A fork starts with everything loaded, has limits of its own and takes nothing along to the next
request, so that an answer never depends on what was asked before. The forks of a module that
computes need neither network nor programs nor files: they have given them up (`confine`).
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import BinaryIO

from cotgen.workers.confine import confine, limit_memory
from cotgen.workers.frames import ANSWER, DONE, FAILED, LENGTH, READY, SECONDS, framed


def main() -> None:
    """Serve requests until the parent closes the pipe. The module has `load`, which it cannot do
    without, `warm`, which makes later answers faster in small pieces, and `answer`."""
    path, memory_mb = json.loads(sys.argv[2])
    requests, replies = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)
    # Collecting would copy every page of this process into its forks, and what is loaded stays: for
    # sympy, looking for garbage is a fifth of loading it.
    gc.disable()
    module = _loaded(path)
    module.load()
    limit_memory(memory_mb)
    confine(may_fork=True)
    os.write(replies, framed(READY))
    warming = module.warm()
    while True:
        # Whoever waits for the start comes first; until the next request there is time.
        while warming and not _is_asked(requests):
            if next(warming, _WARM) is _WARM:
                warming = None
        frame = _read(requests)
        if frame is None:
            return
        os.write(replies, framed(_forked(module, frame, replies)))


_WARM = object()
_SOON_S = 0.02
"""Who waited for READY asks within this time."""


def _is_asked(requests: BinaryIO) -> bool:
    return bool(select.select([requests], [], [], _SOON_S)[0])


def _loaded(path: str) -> ModuleType:
    """The module of a file, without the packages that it stands in: they load much that is not
    needed here, and whoever waits for the first answer waits for that."""
    spec = spec_from_file_location("answering", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _forked(module: ModuleType, frame: bytes, replies: int) -> bytes:
    """How a fork ended, with the processor time that it took. Its answer comes before this."""
    (seconds,), question = SECONDS.unpack_from(frame), frame[SECONDS.size :]
    pid = os.fork()
    if not pid:
        _answer(module, question, seconds, replies)
    _, status, used = os.wait4(pid, 0)
    spent = SECONDS.pack(used.ru_utime + used.ru_stime)
    return (FAILED if status else DONE) + spent + _why(status).encode()


def _answer(module: ModuleType, question: bytes, seconds: float, replies: int) -> None:
    """The fork: the kernel ends it when it has used its time."""
    code = _RAISED
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.alarm(_LONGEST_S)
        confine(may_fork=False)
        os.write(replies, framed(ANSWER + module.answer(question)))
        code = 0
    except MemoryError:
        code = _NO_MEMORY
    finally:
        os._exit(code)  # Whatever was raised: the loop of the parent is not this process's.


_RAISED, _NO_MEMORY = 1, 2
_LONGEST_S = 60
"""The parent kills a late child. If the parent is gone, the kernel does."""


def _why(status: int) -> str:
    if os.WIFSIGNALED(status):
        ended = os.WTERMSIG(status)
        return "out of time" if ended == signal.SIGPROF else f"died ({ended})"
    return {0: "", _NO_MEMORY: "out of memory"}.get(os.WEXITSTATUS(status), "failed")


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None
