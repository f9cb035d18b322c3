"""Networks that fail, seen from the command line: what is told, sent again, paid, and returned."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cotgen.errors import DONE, FAILED_ITEMS, USER_MISTAKE
from cotgen.summary import read_summary

PROBLEMS = 4
COTGEN = Path(sys.executable).with_name("cotgen")
REPLY = json.dumps(
    {
        "choices": [{"message": {"content": "4"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
).encode()
EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBVzCB/aADAgECAgEBMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCTEyNy4wLjAu
MTAeFw0yMDAxMDEwMDAwMDBaFw0yMDAxMDIwMDAwMDBaMBQxEjAQBgNVBAMMCTEy
Ny4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKEbLxPX0tnDCqWz7TAr
Gp1uzb+/wx+3lJ7j4S/A9AAPPNcaeMwokxai/Ffx1t6Dh8s6GA0gv3gd1tFHTDWN
d3WjQDA+MA8GA1UdEQQIMAaHBH8AAAEwDAYDVR0TBAUwAwEB/zAdBgNVHQ4EFgQU
5BcHT19/l1Y6es68MRu4zbjP9SMwCgYIKoZIzj0EAwIDSQAwRgIhAJ591ExhP5Z+
nMGC57+JO3NNw/GTfp+fmgFDiTP76NEDAiEAsWVzMkFEMg1BjAQ23Uk3at62QUzE
WTQrjJq+0w3irPQ=
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxucovO91Pbnccjp2
X8axoPLSu9XTYoaNe5nBwbDmLQyhRANCAAShGy8T19LZwwqls+0wKxqdbs2/v8Mf
t5Se4+EvwPQADzzXGnjMKJMWovxX8dbeg4fLOhgNIL94HdbRR0w1jXd1
-----END PRIVATE KEY-----
"""
"""Made for 127.0.0.1, and good for one day in January 2020; its key guards nothing."""


class Came(NamedTuple):
    """A request: its question and how often that came before."""

    question: str
    before: int


Answer = Callable[[Came, asyncio.StreamWriter], Awaitable[None]]


class Place:
    """A server of whatever manners. `times` counts the requests of each question; `there`: whether
    it answers those who only ask if it is."""

    def __init__(self, answer: Answer, *, there: bool = True) -> None:
        self.times: Counter[str] = Counter()
        self._answer = answer
        self._asked = whole if there else silent

    @property
    def requests(self) -> int:
        return self.times.total()

    @asynccontextmanager
    async def opened(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        writers: list[asyncio.StreamWriter] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            gone = asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
            with suppress(*gone):
                while True:
                    await self._serve(reader, writer)

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        try:
            scheme = "https" if tls else "http"
            yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()
            for writer in writers:
                writer.close()
            await asyncio.sleep(0.05)  # The transports close one turn later.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"^content-length: (\d+)", head, re.MULTILINE)
        body = await reader.readexactly(int(length[1])) if length else b""
        if not body:
            await self._asked(Came("", 0), writer)
            return
        question = json.loads(body)["messages"][-1]["content"]
        came = Came(question, self.times[question])
        self.times[question] += 1
        await self._answer(came, writer)


def http(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode() + body


async def whole(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(REPLY))


async def silent(came: Came, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def silent_at_first(came: Came, writer: asyncio.StreamWriter) -> None:
    await (whole if came.before else silent)(came, writer)


async def dripping(came: Came, writer: asyncio.StreamWriter) -> None:
    reply = http(REPLY)
    for start in range(0, len(reply), 10):
        writer.write(reply[start : start + 10])
        await writer.drain()
        await asyncio.sleep(0.1)


async def overloaded(came: Came, writer: asyncio.StreamWriter) -> None:
    busy = http(b'{"error": "slow down"}', "429 Too Many Requests")
    writer.write(http(REPLY) if came.before > 1 else busy)


async def busy(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b'{"error": "slow down"}', "429 Too Many Requests"))


async def busy_for_long(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b"{}", "503 Service Unavailable\r\nRetry-After: 30"))


async def half(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(REPLY[: len(REPLY) // 2], length=len(REPLY)))
    writer.close()


async def reset(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def none(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b'{"choices": []}'))


async def garbled(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    writer.close()


async def torn(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(REPLY[: len(REPLY) // 2]))


async def page(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b"<html>welcome to the wireless network</html>"))


async def broken(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(http(b"<html>500</html>", "500 Internal Server Error"))


class Ended(NamedTuple):
    code: int | None
    said: str
    unaccounted: int
    journaled: int
    failed: int


async def ran(
    folder: Path, teacher: dict[str, Any], n: int = 1, problems: int = PROBLEMS, **environment: str
) -> Ended:
    """`cotgen run` in a process of its own, while the servers of this one answer it."""
    teacher = {"kind": "openai", "model": "m", "concurrency": 2, "outage_s": 1.0, **teacher}
    recipe = {
        "name": "f",
        "problems": {"kind": "generated", "limit": problems},
        "teachers": {"t": teacher},
        "search": {"kind": "sample", "n": n, "prompt": "question"},
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}],
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe))
    process = await asyncio.create_subprocess_exec(
        COTGEN, "run", path, "--outputs", folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )  # fmt: skip
    said = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
    assert "Traceback" not in said
    run = folder / "f"
    lines = [json.loads(line) for line in (run / "attempts.jsonl").read_text().splitlines()]
    failed = sum(bool(line["error"]) for line in lines)
    journaled = len((run / "journal.jsonl").read_bytes().splitlines())
    return Ended(process.returncode, said, read_summary(run).unaccounted, journaled, failed)


def met(
    folder: Path, answer: Answer, *, there: bool = True, n: int = 1, **teacher: Any
) -> tuple[Ended, Place]:
    """A run against one server."""
    place = Place(answer, there=there)

    async def main() -> Ended:
        async with place.opened() as url:
            return await ran(folder, {"base_url": url, **teacher}, n)

    return asyncio.run(main()), place


@pytest.mark.parametrize("there", [True, False])
def test_a_server_that_never_answers_is_paid_twice_at_most_and_the_user_is_told(
    tmp_path: Path, there: bool
) -> None:
    # One that is not even there ends the run in the search.
    ended, place = met(tmp_path, silent, there=there, timeout_s=0.3, concurrency=PROBLEMS)
    assert ended.code == FAILED_ITEMS
    assert "timeout: no byte came in time" in ended.said
    assert place.requests
    assert max(place.times.values()) <= 2
    assert (ended.unaccounted, ended.journaled) == (place.requests, 0)
    assert f"{place.requests} requests had no answer and may be billed all the same" in ended.said


def test_a_server_that_is_silent_once_is_asked_again(tmp_path: Path) -> None:
    ended, place = met(tmp_path, silent_at_first, timeout_s=0.3, concurrency=2, outage_s=20)
    assert ended.code == DONE, ended.said
    assert set(place.times.values()) == {2}
    assert (ended.unaccounted, ended.journaled) == (PROBLEMS, PROBLEMS)
    assert f"{PROBLEMS} × timeout" in ended.said


def test_a_server_that_drips_is_waited_for(tmp_path: Path) -> None:
    ended, place = met(tmp_path, dripping, timeout_s=0.5, concurrency=PROBLEMS)
    assert (ended.code, ended.unaccounted, ended.journaled) == (DONE, 0, PROBLEMS), ended.said
    assert set(place.times.values()) == {1}
    assert "×" not in ended.said


def test_a_storm_of_refusals_costs_only_time(tmp_path: Path) -> None:
    ended, place = met(tmp_path, overloaded, retries=1, concurrency=PROBLEMS, outage_s=20)
    assert (ended.code, ended.unaccounted, ended.journaled) == (DONE, 0, PROBLEMS), ended.said
    assert set(place.times.values()) == {3}
    assert f"{2 * PROBLEMS} × HTTP 429" in ended.said


def test_refusals_without_end_are_outwaited_for_so_long_and_told(tmp_path: Path) -> None:
    ended, place = met(tmp_path, busy, retries=1, concurrency=PROBLEMS, outage_s=1.0)
    assert (ended.code, ended.unaccounted, ended.journaled) == (FAILED_ITEMS, 0, 0), ended.said
    assert f"{PROBLEMS} × HTTP 429: slow down" in ended.said
    assert min(place.times.values()) >= 2


def test_a_server_that_ignores_n_is_paid_for_what_it_answers(tmp_path: Path) -> None:
    ended, place = met(tmp_path, whole, n=3, price={"input": 1000, "output": 1000})
    assert (ended.code, ended.unaccounted, ended.failed) == (DONE, 0, 0), ended.said
    assert (place.requests, ended.journaled) == (3 * PROBLEMS, 3 * PROBLEMS)
    assert re.search(r"tokens +48, \$0\.0480\b", ended.said), ended.said  # Of four tokens each.


@pytest.mark.parametrize(
    ("answer", "told", "billed"),
    [
        (reset, "connection lost: ", True),
        (half, "connection lost: closed before the end of the answer", True),
        (garbled, "connection lost: no HTTP reply", True),
        (none, "the reply holds no choices", True),
        (torn, "not a chat completion", True),
        (page, "not a chat completion", True),
        (broken, "HTTP 500", False),
    ],
)
def test_what_is_broken_for_good_is_told_and_owed(
    tmp_path: Path, answer: Answer, told: str, billed: bool
) -> None:
    ended, place = met(tmp_path, answer, retries=1, concurrency=2)
    assert ended.code == FAILED_ITEMS
    assert told in ended.said
    assert max(place.times.values()) == 2
    assert (ended.unaccounted, ended.journaled) == (place.requests if billed else 0, 0)
    assert ("may be billed" in ended.said) == billed


def test_an_expired_certificate_is_told_and_nothing_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "expired.pem"
    file.write_text(EXPIRED)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(file)
    place = Place(whole)

    async def main() -> Ended:
        async with place.opened(tls) as url:
            return await ran(tmp_path, {"base_url": url}, SSL_CERT_FILE=str(file))

    ended = asyncio.run(main())
    assert ended.code == FAILED_ITEMS
    assert "certificate has expired" in ended.said
    assert (place.requests, ended.unaccounted, ended.journaled) == (0, 0, 0)


def test_a_host_that_no_name_server_knows_is_told(tmp_path: Path) -> None:
    ended = asyncio.run(ran(tmp_path, {"base_url": "http://no-such-host.invalid/v1"}))
    assert ended.code == FAILED_ITEMS
    assert "no such host: no-such-host.invalid" in ended.said
    assert "run again" in ended.said
    assert (ended.unaccounted, ended.journaled) == (0, 0)


def test_one_dead_endpoint_of_three_costs_nothing(tmp_path: Path) -> None:
    places = [Place(whole), Place(whole)]

    async def main() -> Ended:
        async with Place(whole).opened() as dead:
            pass
        async with places[0].opened() as a, places[1].opened() as b:
            return await ran(tmp_path, {"base_urls": [dead, a, b]})

    ended = asyncio.run(main())
    assert (ended.code, ended.failed, ended.unaccounted) == (DONE, 0, 0), ended.said
    assert "× no connection" in ended.said
    served = places[0].times + places[1].times
    assert (len(served), set(served.values()), ended.journaled) == (PROBLEMS, {1}, PROBLEMS)


async def telling(came: Came, writer: asyncio.StreamWriter) -> None:
    told = {
        "message": {"content": "4", "reasoning_content": "2 + 2"},
        "finish_reason": "stop",
        "stop_reason": "END",
        "logprobs": {"content": [{"token": "4", "logprob": -0.5}]},
    }
    writer.write(http(json.dumps({"choices": [told], "system_fingerprint": "fp"}).encode()))


@pytest.mark.parametrize("transport", ["http", "sdk"])
def test_all_that_a_server_tells_of_a_sample_is_kept(tmp_path: Path, transport: str) -> None:
    ended, _ = met(tmp_path, telling, transport=transport, logprobs=True)
    assert (ended.code, ended.journaled) == (DONE, PROBLEMS), ended.said
    for line in (tmp_path / "f/journal.jsonl").read_text().splitlines():
        (kept,) = json.loads(line)["completions"]
        assert (kept["text"], kept["reasoning"], kept["logprobs"]) == ("4", "2 + 2", [-0.5])
        assert (kept["stop_reason"], kept["fingerprint"]) == ("END", "fp")


async def unknown(came: Came, writer: asyncio.StreamWriter) -> None:
    said = b'{"error": {"message": "the model `m` does not exist", "type": "NotFoundError"}}'
    writer.write(http(said, "404 Not Found"))


@pytest.mark.parametrize("bad", [broken, silent, page, unknown, busy, busy_for_long])
def test_one_bad_endpoint_of_three_costs_no_item(bad: Answer, tmp_path: Path) -> None:
    """It is there for whoever looks, and answers no request."""
    places = [Place(whole), Place(whole)]

    async def main() -> Ended:
        async with (
            Place(bad).opened() as first,
            places[0].opened() as a,
            places[1].opened() as b,
        ):
            teacher = {"base_urls": [first, a, b], "timeout_s": 1, "concurrency": 4}
            return await ran(tmp_path, teacher)

    began = time.monotonic()
    ended = asyncio.run(main())
    assert (ended.code, ended.failed, ended.journaled) == (DONE, 0, PROBLEMS), ended.said
    assert time.monotonic() - began < 20, "waited for the bad one"
    assert len(places[0].times + places[1].times) == PROBLEMS


def test_an_endpoint_that_is_always_busy_does_not_slow_down_the_others(tmp_path: Path) -> None:
    async def main() -> Ended:
        async with Place(busy).opened() as first, Place(dripping).opened() as second:
            teacher = {"base_urls": [first, second], "concurrency": "auto", "outage_s": 20}
            return await ran(tmp_path, teacher, problems=40)

    ended = asyncio.run(main())
    assert (ended.code, ended.failed, ended.journaled) == (DONE, 0, 40), ended.said
    limit = re.search(r"of (\d+) in flight", ended.said)
    assert limit
    # It is the first one that asks for less, not the teacher.
    assert int(limit[1]) >= 64


def test_a_model_that_no_endpoint_knows_is_the_users_mistake(tmp_path: Path) -> None:
    async def main() -> Ended:
        async with Place(unknown).opened() as a, Place(unknown).opened() as b:
            return await ran(tmp_path, {"base_urls": [a, b]})

    ended = asyncio.run(main())
    assert ended.code == USER_MISTAKE, ended.said
    assert "does not exist" in ended.said
