"""What can come of a request besides an answer, in the words that the user sees."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from cotgen.errors import TeacherError

CONNECT_S = 10.0
KEEP_ALIVE_S = 4.0
"""vLLM keeps idle connections for 5 s; a request sent into a closing one is lost."""


class Reply(NamedTuple):
    """What a server answered; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def silent(*, connected: bool) -> TeacherError:
    """Nothing came in time. What was sent may have been worked on, and paid for."""
    said = "no byte came in time" if connected else "could not connect in time"
    return TeacherError(f"timeout: {said}", retryable=True, kind="timeout", costly=connected)


def lost(said: str, *, costly: bool = True) -> TeacherError:
    """The line was cut after the request was sent: it may have been worked on, and paid for."""
    return TeacherError(
        f"connection lost: {said}"[:300], retryable=True, kind="connection lost", costly=costly
    )


def unreachable(error: Exception, host: str, port: int | None) -> TeacherError:
    """No connection was made."""
    # A certificate stays as it is; a name or a port may come back.
    passing = not isinstance(error, ssl.CertificateError)
    if isinstance(error, socket.gaierror):
        said = f"no such host: {host}"
    elif isinstance(error, ssl.CertificateError):
        said = f"certificate refused: {error}"
    else:
        code = error.errno if isinstance(error, OSError) else None
        why = os.strerror(code) if code and not isinstance(error, ssl.SSLError) else str(error)
        said = f"no connection to {host}:{port}: {why}"
    return TeacherError(said[:300], retryable=passing, kind="no connection")
