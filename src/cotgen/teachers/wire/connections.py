"""Our own keep-alive connections to one address, for the one request that is sent by the million.

aiohttp's session does for each request what a browser needs (redirects, cookies, proxies, streams,
a timer of its own): two thirds of the client's work. A post to a known address needs none of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress

import aiohappyeyeballs
from yarl import URL

from cotgen.errors import RecipeError, TeacherError
from cotgen.teachers.wire.failures import CONNECT_S, KEEP_ALIVE_S, Reply, silent, unreachable
from cotgen.teachers.wire.line import Line

_SECOND_ADDRESS_S = 0.25
_NAMES_S = 10.0
"""How long a name's addresses are believed."""
_BUFFER_BYTES = 1 << 18
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Connections:
    """Posts to one address. As many connections as requests in flight; idle ones are used again."""

    def __init__(self, url: str, headers: Mapping[str, str], silence_s: float) -> None:
        self._url = URL(url)
        self._head = _head(self._url, headers)
        self._tls = _tls() if self._url.scheme == "https" else None
        self._names = _Names(self._url.host or "", self._url.port or 0)
        self._silence_s = silence_s
        self._idle: list[Line] = []
        self._busy: set[Line] = set()
        # All connections read into it, one after another: what is read is copied out at once.
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._loop = asyncio.get_running_loop()
        self._looking = self._loop.call_later(self._look_s, self._look)

    async def post(self, body: bytes) -> Reply:
        """Send a body and return what was answered. Raises TeacherError where no answer came."""
        line = self._idle_line() or await self._connected()
        self._busy.add(line)
        try:
            reply = await line.ask(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        finally:
            # Who is cancelled while he waits hangs up: a server ends what nobody waits for.
            self._busy.discard(line)
            if line.is_usable():
                self._idle.append(line)
            else:
                line.hang_up()
        return reply if "content-encoding" not in reply.headers else _decoded(reply)

    def close(self) -> None:
        """Hang up."""
        self._looking.cancel()
        for line in (*self._idle, *self._busy):
            line.hang_up()
        self._idle.clear()

    def _idle_line(self) -> Line | None:
        """The connection that was used last, if the server will not have closed it by now."""
        while self._idle:
            line = self._idle.pop()
            if line.is_usable() and self._loop.time() - line.heard_at < KEEP_ALIVE_S:
                return line
            line.hang_up()
        return None

    async def _connected(self) -> Line:
        url = self._url
        try:
            async with asyncio.timeout(CONNECT_S):
                connected = await aiohappyeyeballs.start_connection(
                    await self._names.addresses(),
                    happy_eyeballs_delay=_SECOND_ADDRESS_S,
                    interleave=1,
                    socket_factory=made_socket,
                )
                name = url.raw_host if self._tls else None
                _, line = await self._loop.create_connection(
                    lambda: Line(self._buffer, self._loop.time),
                    sock=connected,
                    ssl=self._tls,
                    server_hostname=name,
                )
                return line
        except TimeoutError as error:
            raise silent(connected=False) from error
        except OSError as error:
            raise unreachable(error, url.host or "", url.port or 0) from error

    @property
    def _look_s(self) -> float:
        return min(1.0, self._silence_s / 8)

    def _look(self) -> None:
        """Give up what has been silent for too long. One timer for all: starting and cancelling
        one for each request costs more than looking at all of them."""
        now = self._loop.time()
        for line in [each for each in self._busy if now - each.heard_at > self._silence_s]:
            line.fail(silent(connected=True))
        while self._idle and now - self._idle[0].heard_at > KEEP_ALIVE_S:
            self._idle.pop(0).hang_up()
        self._looking = self._loop.call_later(self._look_s, self._look)


class _Names:
    """The addresses of a host, looked up once for all who ask at the same time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._found: list[aiohappyeyeballs.AddrInfoType] = []
        self._found_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def addresses(self) -> list[aiohappyeyeballs.AddrInfoType]:
        """Raises socket.gaierror. Each call begins with another address."""
        if not self._found or asyncio.get_running_loop().time() - self._found_at > _NAMES_S:
            self._looking = self._looking or asyncio.create_task(self._look_up())
            # One who is cancelled leaves the others waiting.
            await asyncio.shield(self._looking)
        self._found.append(self._found.pop(0))
        return list(self._found)

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
            self._found, self._found_at = list(found), loop.time()
        finally:
            self._looking = None


def made_socket(address: aiohappyeyeballs.AddrInfoType) -> socket.socket:
    """A socket that notices a peer that is gone: an answer may take an hour to begin."""
    family, kind, proto, _, _ = address
    made = socket.socket(family=family, type=kind, proto=proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _head(url: URL, headers: Mapping[str, str]) -> bytes:
    """All of a request that is the same for each, up to the length of its body."""
    sent = {"host": url.host_port_subcomponent or "", "accept-encoding": "identity"}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise RecipeError(f"headers_env: {name!r} is no name of a header")
        sent[name.lower()] = value
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST {url.raw_path_qs} HTTP/1.1\r\n{lines}content-length: ".encode()


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _decoded(reply: Reply) -> Reply:
    """A body that was packed although nobody asked for it."""
    packed = reply.headers["content-encoding"].strip().lower()
    if packed in ("", "identity"):
        return reply
    with suppress(zlib.error):
        if packed in ("gzip", "x-gzip", "deflate"):
            return reply._replace(body=zlib.decompress(reply.body, wbits=zlib.MAX_WBITS | 32))
    raise TeacherError(
        f"the reply is packed in a way that cannot be read ({packed[:40]})",
        retryable=True,
        kind="bad reply",
        costly=True,
    )
