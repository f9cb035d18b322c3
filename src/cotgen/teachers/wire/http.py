"""Requests to the endpoints of one teacher: over connections of our own, or through a proxy.

What is asked rarely (lists of models, metrics, whether an endpoint is back) goes over aiohttp, and
so does everything where the environment names a proxy.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
import msgspec

from cotgen.errors import RecipeError, TeacherError
from cotgen.teachers.wire.connections import Connections, made_socket
from cotgen.teachers.wire.endpoints import FAILURES, Endpoint, Endpoints
from cotgen.teachers.wire.failures import CONNECT_S, KEEP_ALIVE_S, Reply, lost, silent, unreachable
from cotgen.teachers.wire.refusals import (
    OVERLOADED,
    SHORTEST_SECRET,
    Refused,
    described,
    retry_after,
)

_LOOK_S = 5.0
_AWAY = frozenset((502, 503, 504))
"""Statuses of a proxy whose server is away."""
_BUSY_S = 1.0
"""So long one of several endpoints is left alone that is overloaded and names no time: refusing is
quick, so it would seem the least busy."""
_Post = Callable[[bytes], Awaitable[Reply]]


class Wire:
    """Live connections to the endpoints of one teacher."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoints: Endpoints,
        path: str,
        posts: Mapping[str, _Post],
        secrets: Sequence[str],
    ) -> None:
        self._session = session
        self._endpoints = endpoints
        self._path = path
        self._posts = posts
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= SHORTEST_SECRET]

    async def post(self, body: bytes) -> bytes | Refused:
        """Send one request to the least busy endpoint and return what it answered.

        Raises TeacherError where no answer came.
        """
        request = hash(body)
        endpoint = await self._endpoints.pick(request)
        endpoint.in_flight += 1
        try:
            reply = await self._posts[endpoint.url](body)
        except TeacherError as error:
            self._endpoints.failed(endpoint, str(error), request)
            raise
        finally:
            endpoint.in_flight -= 1
        read = self._without_secrets(reply.body)
        answer = read if 200 <= reply.status < 300 else self._refused(reply, read, endpoint)
        self._note(endpoint, answer, request)
        if isinstance(answer, Refused) and answer.status in OVERLOADED:
            elsewhere = self._endpoints.has_another_than(endpoint)
            return msgspec.structs.replace(answer, elsewhere=elsewhere)
        return answer

    def _refused(self, reply: Reply, read: bytes, endpoint: Endpoint) -> Refused:
        said, code = described(read)
        return Refused(reply.status, said, endpoint.url + self._path, code, reply.headers)

    def _without_secrets(self, read: bytes) -> bytes:
        """The body without what was sent in headers: some servers repeat it."""
        for secret in self._secrets:
            if secret in read:
                read = read.replace(secret, b"[key]")
        return read

    def _note(self, endpoint: Endpoint, answer: bytes | Refused, request: int) -> None:
        if not isinstance(answer, Refused):
            endpoint.knows_model = True
            return self._endpoints.answered(endpoint)
        several = len(self._endpoints.all) > 1
        wait_s = retry_after(answer.headers) or (_BUSY_S if several else 0.0)
        if wait_s and answer.status in OVERLOADED:
            self._endpoints.asked_to_wait(endpoint, wait_s)
        broken = answer.status >= 500 and answer.status not in OVERLOADED
        if answer.status in _AWAY or (broken and several):
            # A busy server says 503 too: only one that never answers anything else is away.
            return self._endpoints.failed(endpoint, f"HTTP {answer.status}", request)
        endpoint.knows_model &= answer.status != 404
        if answer.status == 404 and any(each.knows_model for each in self._endpoints.all):
            # The others may know the model.
            said = f"HTTP 404 from {answer.url}: {answer.said[:100]}"
            for _ in range(FAILURES):
                self._endpoints.failed(endpoint, said, request)
            raise TeacherError(said, retryable=True, kind="HTTP 404")
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
    silence_s, patience_s = limits
    headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    proxied = bool(getproxies())
    async with _session(headers, silence_s, proxied) as session, AsyncExitStack() as stack:
        posts: dict[str, _Post] = {}
        for url in urls:
            if proxied:
                posts[url] = _through_session(session, url + path)
            else:
                opened = Connections(url + path, headers, silence_s)
                stack.callback(opened.close)
                posts[url] = opened.post
        endpoints = Endpoints(urls, _looker(session), patience_s)
        stack.callback(endpoints.close)
        yield Wire(session, endpoints, path, posts, secrets)


def _session(headers: Mapping[str, str], silence_s: float, proxied: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEP_ALIVE_S, socket_factory=made_socket
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silence_s),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=proxied,
    )


def _through_session(session: aiohttp.ClientSession, url: str) -> _Post:
    """How to post where there may be a proxy in between."""

    async def post(body: bytes) -> Reply:
        try:
            async with session.post(url, data=body, allow_redirects=False) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, names, await response.read())
        except TimeoutError as error:
            connected = not isinstance(error, aiohttp.ConnectionTimeoutError)
            raise silent(connected=connected) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise unreachable(error.certificate_error, error.host, error.port) from error
        except aiohttp.ClientConnectorError as error:
            raise unreachable(error.os_error, error.host, error.port) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise RecipeError(f"{url}: no address that can be asked: {error}"[:300]) from error
        except (aiohttp.ClientError, OSError) as error:
            raise lost(f"{type(error).__name__}: {error}") from error

    return post


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
