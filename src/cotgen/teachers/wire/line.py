"""One HTTP connection that is kept: a question, its answer, the next question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import httptools

from cotgen.errors import TeacherError
from cotgen.teachers.wire.failures import Reply, lost

_MOST_HEADER_BYTES = 1 << 18


class Line(asyncio.BufferedProtocol):
    """asyncio hands it what arrives, in `buffer`; the parser calls it back with what that means."""

    def __init__(self, buffer: memoryview, now: Callable[[], float]) -> None:
        self.heard_at = now()
        self._now = now
        self._buffer = buffer
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._reusable = True
        self._begin()

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._parts: list[bytes] = []
        self._until_end = False

    def ask(self, request: bytes) -> Awaitable[Reply]:
        """Send a request; the answer is awaited."""
        self._answer = asyncio.get_running_loop().create_future()
        answer = self._answer
        self.heard_at = self._now()
        if self._transport is None:
            self.fail(lost("closed by the server before anything was sent", costly=False))
        else:
            self._transport.write(request)
        return answer

    def is_usable(self) -> bool:
        """Whether another request may be sent: nothing is owed or left over."""
        return (
            self._reusable
            and self._answer is None
            and self._transport is not None
            and not self._transport.is_closing()
        )

    def hang_up(self) -> None:
        """Close without a farewell."""
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: TeacherError) -> None:
        """Tell who waits that no answer comes."""
        self._reusable = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are asyncio's in all but name.
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard_at = self._now()
        if self._answer is None:
            return self.hang_up()  # Said without being asked: perhaps that it closes.
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(lost(f"no HTTP reply: {error}"))
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if exc is None and self._until_end:
            self.on_message_complete()
        begun = self._header_bytes or self._parts
        ended = "closed before the end of the answer" if begun else "the server disconnected"
        self.fail(lost(f"{type(exc).__name__}: {exc}" if exc else ended))

    # The parser calls these.

    def on_message_begin(self) -> None:
        if self._answer is None:
            self._reusable = False  # A second answer to one request.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _MOST_HEADER_BYTES:
            raise ValueError("headers without end")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        told = "content-length" in self._headers or "transfer-encoding" in self._headers
        self._until_end = not told and not self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        status, parts, headers = self._parser.get_status_code(), self._parts, self._headers
        self._reusable &= self._parser.should_keep_alive()
        self._begin()
        if 100 <= status < 200 or self._answer is None:
            return  # "Continue" and the like: the answer is still to come.
        answer, self._answer = self._answer, None
        if not answer.done():
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            answer.set_result(Reply(status, headers, body))
