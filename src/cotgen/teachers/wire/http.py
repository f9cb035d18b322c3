"""Requests over aiohttp: 5–40 times cheaper for the client than the `openai` package (facts.md §1).

Connections are bounded by who asks, not by a pool. They are dropped before a server drops them:
vLLM keeps idle ones for 5 s, and a request sent into a closing connection is lost.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp

from cotgen.errors import RecipeError, TeacherError
from cotgen.teachers.wire.endpoints import FAILURES, Endpoint, Endpoints
from cotgen.teachers.wire.refusals import OVERLOADED, Refused, described, retry_after

_KEEP_ALIVE_S = 4.0
_CONNECT_S = 10.0
_LOOK_S = 5.0
_SHORTEST_SECRET = 6
"""What is shorter would be found in texts that have nothing to do with it."""
_AWAY = frozenset((502, 503, 504))
"""Statuses of a proxy whose server is away."""


class Wire:
    """Live connections to the endpoints of one teacher."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoints: Endpoints,
        path: str,
        secrets: Sequence[str],
    ) -> None:
        self._session = session
        self._endpoints = endpoints
        self._path = path
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    async def post(self, body: bytes) -> bytes | Refused:
        """Send one request to the least busy endpoint and return what it answered.

        Raises TeacherError where no answer came.
        """
        endpoint = await self._endpoints.pick()
        endpoint.in_flight += 1
        try:
            answer = await self._post(endpoint.url + self._path, body)
        except TeacherError as error:
            self._endpoints.failed(endpoint, str(error))
            raise
        finally:
            endpoint.in_flight -= 1
        self._note(endpoint, answer)
        return answer

    async def _post(self, url: str, body: bytes) -> bytes | Refused:
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                read = self._without_secrets(await response.read())
                if 200 <= response.status < 300:
                    return read
                return self._refused(response, read)
        except TimeoutError as error:
            before = isinstance(error, aiohttp.ConnectionTimeoutError)
            said = "could not connect in time" if before else "no byte came in time"
            raise TeacherError(
                f"timeout: {said}", retryable=True, kind="timeout", costly=not before
            ) from error
        except aiohttp.ClientConnectorError as error:
            # A certificate stays as it is; a name or a port may come back.
            passing = not isinstance(error, aiohttp.ClientConnectorCertificateError)
            said = _unreachable(error)
            raise TeacherError(said, retryable=passing, kind="no connection") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise RecipeError(f"{url}: no address that can be asked: {error}"[:300]) from error
        except (aiohttp.ClientError, OSError) as error:
            # The request was sent: it may have been worked on, and paid for.
            raise TeacherError(
                f"connection lost: {type(error).__name__}: {error}"[:300],
                retryable=True,
                kind="connection lost",
                costly=True,
            ) from error

    def _refused(self, response: aiohttp.ClientResponse, read: bytes) -> Refused:
        said, code = described(read)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Refused(response.status, said, str(response.url), code, headers)

    def _without_secrets(self, read: bytes) -> bytes:
        """The body without what was sent in headers: some servers repeat it."""
        for secret in self._secrets:
            if secret in read:
                read = read.replace(secret, b"[key]")
        return read

    def _note(self, endpoint: Endpoint, answer: bytes | Refused) -> None:
        if not isinstance(answer, Refused):
            return self._endpoints.answered(endpoint)
        wait_s = retry_after(answer.headers) if answer.status in OVERLOADED else None
        if wait_s:
            self._endpoints.asked_to_wait(endpoint, wait_s)
        if answer.status in _AWAY:
            # A busy server says 503 too: only one that never answers anything else is away.
            return self._endpoints.failed(endpoint, f"HTTP {answer.status}")
        if answer.status == 404 and len(self._endpoints.all) > 1:
            # The others may know the model.
            for _ in range(FAILURES):
                self._endpoints.failed(endpoint, f"HTTP 404: {answer.said[:100]}")
            raise TeacherError(f"HTTP 404 from {answer.url}", retryable=True, kind="HTTP 404")
        return self._endpoints.answered(endpoint)

    async def models(self, url: str) -> bytes | None:
        """An address's list of models, if it has one."""
        try:
            async with self._session.get(f"{url}/models", timeout=_short()) as response:
                return await response.read() if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def queued(self) -> int | None:
        """How many requests the servers keep waiting; None where they do not tell (vLLM does)."""
        waiting: int | None = None
        for endpoint in self._endpoints.all:
            told = _waiting(await self._metrics(endpoint.url))
            if told is not None:
                waiting = (waiting or 0) + told
        return waiting

    async def _metrics(self, url: str) -> str:
        parts = urlsplit(url)
        try:
            address = f"{parts.scheme}://{parts.netloc}/metrics"
            async with self._session.get(address, timeout=_short()) as response:
                return await response.text() if response.status == 200 else ""
        except (aiohttp.ClientError, OSError, TimeoutError, UnicodeDecodeError):
            return ""


_WAITING = re.compile(r"^vllm:num_requests_waiting(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def _waiting(metrics: str) -> int | None:
    """The sum over vLLM's engines."""
    found = _WAITING.findall(metrics)
    return round(sum(map(float, found))) if found else None


@asynccontextmanager
async def wired(
    urls: Sequence[str],
    path: str,
    headers: Mapping[str, str],
    limits: tuple[float, float],
    secrets: Sequence[str],
) -> AsyncIterator[Wire]:
    """Open connections; `limits` are the seconds without a byte and those without an endpoint."""
    read_s, patience_s = limits
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=read_s)
    connector = aiohttp.TCPConnector(
        limit=0, keepalive_timeout=_KEEP_ALIVE_S, socket_factory=_socket
    )
    sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=sent,
        cookie_jar=aiohttp.DummyCookieJar(),
        # Only where there is a proxy: looking for one costs two threads a request.
        trust_env=bool(getproxies()),
    ) as session:
        endpoints = Endpoints(urls, _looker(session), patience_s)
        try:
            yield Wire(session, endpoints, path, secrets)
        finally:
            endpoints.close()


def _looker(session: aiohttp.ClientSession) -> Callable[[str], Awaitable[bool]]:
    async def look(url: str) -> bool:
        """Whether a server is there: whatever it answers, but a proxy's word that it is away."""
        try:
            async with session.get(
                f"{url}/models", timeout=_short(), allow_redirects=False
            ) as response:
                return response.status not in _AWAY
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    return look


def _short() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=_LOOK_S)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices a peer that is gone: an answer may take an hour to begin."""
    family, kind, proto, _, _ = address
    made = socket.socket(family=family, type=kind, proto=proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _unreachable(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no such host: {error.host}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"certificate refused: {error.certificate_error}"[:300]
    code = error.os_error.errno
    said = os.strerror(code) if code else str(error)
    return f"no connection to {error.host}:{error.port}: {said}"[:300]
