"""Our own HTTP connections: what a server may do with them, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from test_wire import http, listening, read_request

from cotgen.errors import RecipeError, TeacherError
from cotgen.teachers.wire import connections
from cotgen.teachers.wire.connections import Connections
from cotgen.teachers.wire.failures import Reply

Client = Callable[[Connections], Awaitable[list[Reply]]]


async def once(opened: Connections) -> list[Reply]:
    return [await opened.post(b"{}")]


async def twice(opened: Connections) -> list[Reply]:
    return [await opened.post(b"{}"), await opened.post(b"{}")]


def against(
    *answers: bytes | None, client: Client = once, silence_s: float = 5.0
) -> tuple[list[Reply], int]:
    """What a client gets of a server that sends one answer a request (None: a reset) on each
    connection and then hangs up, and how many connections it took."""
    taken = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        for answer in answers:
            await read_request(reader)
            if answer is None:
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return writer.transport.abort()
            writer.write(answer)
        writer.close()

    async def main() -> list[Reply]:
        async with listening(handle) as url:
            opened = Connections(url, {}, silence_s)
            try:
                return await client(opened)
            finally:
                opened.close()

    return asyncio.run(main()), taken


def bodies(*answers: bytes) -> list[bytes]:
    return [reply.body for reply in against(*answers)[0]]


def failure(*answers: bytes | None, client: Client = once) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        against(*answers, client=client, silence_s=0.3)
    return caught.value


OK = b"HTTP/1.1 200 OK\r\n"


def test_a_connection_is_used_again() -> None:
    replies, taken = against(http("a"), http("b"), client=twice)
    assert ([reply.body for reply in replies], taken) == ([b"a", b"b"], 1)


@pytest.mark.parametrize(
    "last", [http("a", Connection="close"), http("a") + http("x"), OK + b"\r\na"]
)
def test_a_connection_that_is_not_clean_is_not_used_again(last: bytes) -> None:
    replies, taken = against(last, client=twice)
    assert ([reply.body for reply in replies], taken) == ([b"a", b"a"], 2)


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "KEEP_ALIVE_S", 0.05)

    async def slowly(opened: Connections) -> list[Reply]:
        first = await opened.post(b"{}")
        await asyncio.sleep(0.1)
        return [first, await opened.post(b"{}")]

    assert against(http("a"), http("b"), client=slowly)[1] == 2


def test_a_body_comes_in_any_form_that_http_allows() -> None:
    chunked = (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    assert bodies(chunked) == [b"abc"]
    assert bodies(OK + b"\r\nuntil the end") == [b"until the end"]
    assert bodies(b"HTTP/1.1 100 Continue\r\n\r\n" + http("a")) == [b"a"]
    assert bodies(b"HTTP/1.1 204 No Content\r\n\r\n") == [b""]


def test_a_body_that_was_packed_unasked_is_unpacked() -> None:
    packed = gzip.compress(b"a" * 1000)
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert bodies(OK + head + packed) == [b"a" * 1000]
    error = failure(http("a", Content_Encoding="br"))
    assert "cannot be read (br)" in str(error)
    assert error.costly
    assert failure(http("no gzip", Content_Encoding="gzip")).kind == "bad reply"


def test_headers_are_told_in_lower_case() -> None:
    (reply,), _ = against(http("", "429 Too Many Requests", RETRY_AFTER="7"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "the server disconnected"),
        (OK, "the server disconnected"),
        (OK + b"Content-Length: 9\r\n\r\nhalf", "closed before the end"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "closed before the end"),
        (None, "Reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP reply"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "no HTTP reply"),
        (OK + b"X: " + b"y" * 300_000 + b"\r\n\r\n", "no HTTP reply"),
    ],
)
def test_what_ends_early_or_is_no_http_may_have_been_paid(answer: bytes | None, said: str) -> None:
    error = failure(answer)
    assert said in str(error)
    assert (error.kind, error.retryable, error.costly) == ("connection lost", True, True)


def test_a_request_into_a_connection_that_closes_may_have_been_paid() -> None:
    async def racing(opened: Connections) -> list[Reply]:
        first = await opened.post(b"{}")
        return [first, await opened.post(b"{}")]

    error = failure(http("a"), None, client=racing)
    assert (error.kind, error.costly) == ("connection lost", True)


def test_silence_in_the_middle_of_a_body_is_left_after_the_timeout() -> None:
    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http("abc")[:-1])
        await reader.read()
        writer.close()

    async def main() -> None:
        async with listening(stalling) as url:
            opened = Connections(url, {}, 0.3)
            try:
                await opened.post(b"{}")
            finally:
                opened.close()

    began = time.monotonic()
    with pytest.raises(TeacherError, match="no byte came in time") as caught:
        asyncio.run(main())
    assert 0.3 <= time.monotonic() - began < 3
    assert caught.value.costly


def test_who_is_cancelled_hangs_up() -> None:
    """vLLM ends the generation of whoever hangs up."""
    ends: list[float] = []

    async def waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()
        ends.append(time.monotonic())
        writer.close()

    async def main() -> float:
        async with listening(waiting) as url:
            opened = Connections(url, {}, 60)
            asked = asyncio.ensure_future(opened.post(b"{}"))
            await asyncio.sleep(0.1)
            asked.cancel()
            cancelled = time.monotonic()
            while not ends:
                await asyncio.sleep(0.01)
            opened.close()
            return cancelled

    cancelled = asyncio.run(main())
    assert 0 <= ends[0] - cancelled < 2


def test_many_at_once_each_get_their_own_answer() -> None:
    async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await read_request(reader)
            await asyncio.sleep(0.001 * (body % 7))
            writer.write(http(str(body) * 20_000))

    async def main() -> list[bytes]:
        async with listening(echoing) as url:
            opened = Connections(url, {}, 5)
            replies = await asyncio.gather(*(opened.post(b"%d" % number) for number in range(100)))
            opened.close()
            return [reply.body for reply in replies]

    assert asyncio.run(main()) == [str(number).encode() * 20_000 for number in range(100)]


def test_an_encrypted_connection_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key)]
    command += [
        "-out",
        str(certificate),
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(command, capture_output=True, check=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    long, taken = "x" * 1_000_000, 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        for body in ("a", long):
            await read_request(reader)
            writer.write(http(body))
        await reader.read()

    async def main() -> list[int]:
        async with listening(handle, tls=tls) as url:
            opened = Connections(url, {}, 5)
            try:
                return [len(reply.body) for reply in await twice(opened)]
            finally:
                opened.close()

    assert asyncio.run(main()) == [1, len(long)]
    assert taken == 1


def test_a_name_of_a_header_that_would_add_another_is_refused() -> None:
    with pytest.raises(RecipeError, match="no name of a header"):
        asyncio.run(_made({"X: 1\r\nY": "2"}))


async def _made(headers: dict[str, str]) -> None:
    Connections("http://127.0.0.1:1/v1", headers, 1.0).close()
