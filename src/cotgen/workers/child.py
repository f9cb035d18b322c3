"""The child's side of a `Pool`: reads requests, calls one function, writes replies.

Frames are a 4-byte length and msgpack. The function and
its limits arrive once, as a cloudpickle made by the parent; replies are plain data, so that a child
that was taken over by hostile text cannot pass code to its parent.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import BinaryIO

import cloudpickle
import msgspec

from cotgen.workers.confine import limit_memory
from cotgen.workers.frames import DONE, FAILED, LENGTH, READY, Job, R, framed


def main() -> None:
    """Serve requests until the parent closes the pipe."""
    requests, replies = sys.stdin.buffer, _private_stdout()
    told = _read(requests)
    if told is None:
        return  # The parent died before it said what to do.
    job: Job[object] = cloudpickle.loads(told)
    _write(replies, READY)
    serve(job, requests, replies)


def serve(job: Job[R], requests: BinaryIO, replies: BinaryIO) -> None:
    """Call the job's function for each request, within the job's limits."""
    limit_memory(job.memory_mb)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    decode = msgspec.msgpack.Decoder(job.request).decode
    while (frame := _read(requests)) is not None:
        # The parent kills a late child. If the parent is gone, the kernel does.
        signal.setitimer(signal.ITIMER_REAL, min(job.timeout_s, _LONGEST_S) + 1)
        try:
            reply = DONE + msgspec.msgpack.encode(job.function(*decode(frame)))
        except MemoryError:
            reply = FAILED + f"needed more than {job.memory_mb} MB".encode()
        except Exception as error:  # noqa: BLE001 - the parent must learn of every failure
            reply = FAILED + f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(replies, reply)


_LONGEST_S = 1_000_000.0
"""The kernel's timers hold no number of seconds that a user's own class may ask for."""


def _private_stdout() -> BinaryIO:
    """Keep stdout for replies alone: whatever the function prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None


def _write(stream: BinaryIO, frame: bytes) -> None:
    try:
        stream.write(framed(frame))
        stream.flush()
    except BrokenPipeError:
        # The parent is gone: nobody is left to be told, nor to be shown a traceback. What the
        # stream still holds, an ordinary end would try to write again.
        os._exit(0)
