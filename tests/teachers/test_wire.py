"""Endpoints, timeouts, rate limits and refusals, over real connections."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Request
from cotgen.records import Completion, Message, Sampling
from cotgen.teachers import OpenAITeacher
from cotgen.teachers.openai import Live
from cotgen.teachers.wire import endpoints
from cotgen.teachers.wire.endpoints import Endpoints
from cotgen.teachers.wire.probes import listed
from cotgen.teachers.wire.refusals import Refused, classified, described, retry_after

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHOICE = {"message": {"content": "4"}, "finish_reason": "stop"}
REPLY = json.dumps({"choices": [CHOICE], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


def request(n: int = 1, text: str = "2 + 2?") -> Request:
    return Request(text, (Message("user", text),), Sampling(n=n), 7)


def http(body: str, status: str = "200 OK", **headers: str) -> bytes:
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n{body}".encode()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(
        (
            int(line[15:])
            for line in head.splitlines()
            if line.lower().startswith("content-length:")
        ),
        0,
    )
    body = await reader.readexactly(length)
    return head, json.loads(body) if body else None


def answering(reply: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(reply)

    return handle


@asynccontextmanager
async def listening(handler: Handler, port: int = 0, tls: Any = None) -> AsyncIterator[str]:
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls)
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.05)  # The transports close one turn later.


async def ask(teacher: OpenAITeacher, n: int = 1) -> list[Completion]:
    async with teacher.connect() as asked:
        return await asked(request(n))


def failure(teacher: OpenAITeacher) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        asyncio.run(ask(teacher))
    return caught.value


# --- what is sent --------------------------------------------------------------------------------


def sent(**settings: Any) -> tuple[str, Any]:
    """The head and the body of the request that a teacher of these settings sends."""
    seen: list[tuple[str, Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(http(REPLY))
        writer.close()

    async def main() -> None:
        async with listening(handle) as url:
            found = await ask(OpenAITeacher(model="m", base_url=url, **settings), n=2)
            assert (found[0].text, found[0].tokens, found[0].prompt_tokens) == ("4", 2, 3)

    asyncio.run(main())
    return seen[0]


@pytest.mark.parametrize("transport", ["http", "sdk"])
def test_all_sampling_settings_are_sent(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "secret-value")
    head, body = sent(
        transport=transport,
        extra_body={"top_k": 20},
        logprobs=True,
        headers_env={"X-Mine": "MINE"},
    )
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "n": 2,
        "temperature": 1.0,
        "top_p": 1.0,
        "max_tokens": 4096,
        "seed": 7,
        "logprobs": True,
        "top_k": 20,
    }
    assert "POST /v1/chat/completions" in head
    assert "secret-value" in head


def test_a_raw_prompt_goes_to_completions() -> None:
    head, body = sent(api="completions", seeds="none", max_tokens_field="max_completion_tokens")
    assert "POST /v1/completions" in head
    assert (body["prompt"], "messages" in body, "seed" in body) == ("2 + 2?", False, False)
    assert body["max_completion_tokens"] == 4096


def test_a_header_without_its_variable_is_missed_before_anything_is_asked() -> None:
    teacher = OpenAITeacher(model="m", base_url="http://x/v1", headers_env={"A": "NOT_THERE_1"})
    with pytest.raises(RecipeError, match="NOT_THERE_1"):
        asyncio.run(ask(teacher))


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "localhost:8000"},
        {"base_url": "http://user:secret@host/v1"},
        {"base_url": "http://host/v1?key=secret"},
        {"base_url": "http://host:99999/v1"},
        {"base_url": f"http://{'a' * 70}.com/v1"},
        {"base_url": "http://a/v1", "base_urls": ("http://b/v1",)},
        {"base_urls": ("http://b/v1",), "transport": "sdk"},
        {"api_version": "2026-01-01", "base_url": "http://b/v1"},
        {"extra_body": {"temperature": 0.2}},
        {"extra_body": {"n": 4}},
        {"extra_body": {"stream": True}},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpenAITeacher(model="m", **settings)


def test_a_field_that_a_model_refuses_can_be_emptied() -> None:
    teacher = OpenAITeacher(model="m", base_url="http://x/v1", extra_body={"top_p": None})
    assert teacher.body(request())["top_p"] is None


def test_a_raw_prompt_holds_the_question_and_what_the_answer_begins_with() -> None:
    teacher = OpenAITeacher(model="m", base_url="http://x/v1", api="completions")
    begun = (Message("system", "S"), Message("user", "2 + 2?"), Message("assistant", "<think>"))
    assert teacher.body(Request("q", begun, Sampling(), 0))["prompt"] == "S\n\n2 + 2?\n\n<think>"


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_server_that_accepts_and_never_answers_is_left_after_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def main() -> None:
        async with listening(silent) as url:
            await ask(OpenAITeacher(model="m", base_url=url, timeout_s=0.3))

    began = time.monotonic()
    with pytest.raises(TeacherError, match="no byte came in time") as caught:
        asyncio.run(main())
    assert 0.3 <= time.monotonic() - began < 3
    assert (caught.value.kind, caught.value.retryable, caught.value.costly) == (
        "timeout",
        True,
        True,
    )


def test_a_body_that_drips_in_slowly_is_waited_for() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reply = http(REPLY)
        for start in range(0, len(reply), 20):
            writer.write(reply[start : start + 20])
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    async def main() -> list[Completion]:
        async with listening(dripping) as url:
            return await ask(OpenAITeacher(model="m", base_url=url, timeout_s=0.4))

    assert [each.text for each in asyncio.run(main())] == ["4"]


def test_an_unknown_host_is_named() -> None:
    error = failure(OpenAITeacher(model="m", base_url="http://no-such-host.invalid/v1"))
    assert "no such host: no-such-host.invalid" in str(error)
    assert not error.costly


def test_a_certificate_that_cannot_be_trusted_is_named(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key)]
    command += ["-out", str(certificate), "-days", "-1", "-subj", "/CN=localhost"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        command[command.index("-1")] = "1"  # Newer versions make no expired ones.
        subprocess.run(command, capture_output=True, check=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def main() -> None:
        async with listening(answering(http(REPLY)), tls=tls) as url:
            await ask(OpenAITeacher(model="m", base_url=url))

    with pytest.raises(TeacherError, match="certificate refused") as caught:
        asyncio.run(main())
    assert not caught.value.retryable


def test_a_key_that_the_server_repeats_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_1", "sk-never-to-be-seen")
    reply = http('{"error": {"message": "no sk-never-to-be-seen"}}', "400 Bad Request")

    async def main() -> None:
        async with listening(answering(reply)) as url:
            await ask(OpenAITeacher(model="m", base_url=url, api_key_env="KEY_1"))

    with pytest.raises(TeacherError, match=r"HTTP 400: no \[key\]"):
        asyncio.run(main())


def test_the_package_repeats_no_header_either_and_leaves_other_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE", "secret-value")
    monkeypatch.delenv("NO_KEY", raising=False)
    reply = http('{"error": {"message": "none for secret-value"}}', "400 Bad Request")

    async def main() -> None:
        async with listening(answering(reply)) as url:
            settings: Any = {"api_key_env": "NO_KEY", "headers_env": {"X-Mine": "MINE"}}
            await ask(OpenAITeacher(model="m", base_url=url, transport="sdk", **settings))

    with pytest.raises(TeacherError, match=r"none for \[key\]"):
        asyncio.run(main())


def test_a_connection_that_the_package_never_made_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import httpx2
    import openai

    async def unreachable(*_: object, **__: object) -> None:
        raise httpx2.ConnectTimeout("too far")

    monkeypatch.setattr(httpx2.AsyncClient, "send", unreachable)
    monkeypatch.setattr(openai.AsyncOpenAI, "_should_retry", lambda *_: False)
    teacher = OpenAITeacher(
        model="m", base_url="http://127.0.0.1:9/v1", transport="sdk", api_key_env="NO_KEY"
    )
    with pytest.raises(TeacherError) as caught:
        asyncio.run(ask(teacher))
    assert (caught.value.kind, caught.value.costly) == ("no connection", False)


def test_a_gateway_that_lost_its_patience_is_a_timeout_that_may_be_paid() -> None:
    error = classified(Refused(504, "gateway", "u"), "m", "KEY", 1)
    assert isinstance(error, TeacherError)
    assert (error.kind, error.retryable, error.costly) == ("timeout", True, True)


def test_an_engine_that_died_in_a_server_of_somebody_elses_is_named() -> None:
    said = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    error = classified(Refused(500, said, "u"), "m", "KEY", 1)
    assert isinstance(error, TeacherError)
    assert error.retryable
    assert error.kind == "HTTP 500, vLLM's engine died (on a CPU say seeds: none)"


@pytest.mark.parametrize("transport", ["http", "sdk"])
def test_a_quota_that_only_the_type_names_is_the_users_to_fill(transport: str) -> None:
    body = '{"error": {"message": "not a cent", "type": "insufficient_quota", "code": 429}}'

    async def main() -> None:
        async with listening(answering(http(body, "429 Too Many Requests"))) as url:
            settings: Any = {"transport": transport, "api_key_env": "NO_KEY"}
            await ask(OpenAITeacher(model="m", base_url=url, **settings))

    with pytest.raises(RecipeError, match=r"m: the account has no credit left: not a cent$"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("enforced", "found"), [(True, ("yes", '{"animals": []}')), (False, ("no", "A cat."))]
)
def test_json_mode_is_found_where_a_prompt_must_name_it(
    enforced: bool, found: tuple[str, str]
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_request(reader)
        if body is None or "response_format" not in body:
            writer.write(http(REPLY))
        elif "json" not in json.dumps(body["messages"]).lower():
            # What OpenAI says.
            said = "'messages' must contain the word 'json' in some form"
            writer.write(http(json.dumps({"error": {"message": said}}), "400 Bad Request"))
        else:
            text = '{"animals": []}' if enforced else "A cat."
            choice = {"message": {"content": text}, "finish_reason": "stop"}
            writer.write(http(json.dumps({"choices": [choice]})))
        writer.close()

    async def main() -> dict[str, tuple[str, str]]:
        async with listening(handle) as url:
            probe = OpenAITeacher(model="m", base_url=url).probe()
            return {each.what: (each.verdict, each.said) async for each in probe}

    assert asyncio.run(main())["JSON mode"] == found


def test_an_empty_list_of_models_says_nothing() -> None:
    assert listed(b'{"data": []}', "m").verdict == "unknown"


def test_a_header_that_the_server_repeats_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "secret-value")

    async def main() -> None:
        async with listening(answering(http("x" * 290 + "secret-value"))) as url:
            await ask(OpenAITeacher(model="m", base_url=url, headers_env={"X-Mine": "MINE"}))

    with pytest.raises(TeacherError) as caught:
        asyncio.run(main())
    assert "secr" not in str(caught.value)


def test_a_server_that_sends_elsewhere_is_not_followed() -> None:
    visits: list[str] = []

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append((await reader.readline()).decode())
        writer.write(http(REPLY))

    async def main() -> None:
        async with listening(other) as there:
            moved = http("", "307 Temporary Redirect", Location=there)
            async with listening(answering(moved)) as url:
                await ask(OpenAITeacher(model="m", base_url=url))

    with pytest.raises(RecipeError, match=r"sends to http://127.*give that address"):
        asyncio.run(main())
    assert visits == []


def test_a_balance_that_is_used_up_is_the_users_to_fill() -> None:
    async def main() -> None:
        reply = http('{"error": {"message": "Insufficient Balance"}}', "402 Payment Required")
        async with listening(answering(reply)) as url:
            await ask(OpenAITeacher(model="m", base_url=url))

    with pytest.raises(RecipeError, match="no credit left: Insufficient Balance"):
        asyncio.run(main())


def test_an_endpoint_that_asks_to_be_left_alone_hears_nothing_from_anyone() -> None:
    times: list[float] = []

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            times.append(time.monotonic())
            first = len(times) == 1
            writer.write(
                http("", "429 Too Many Requests", Retry_After="0.5") if first else http(REPLY)
            )

    async def main() -> None:
        async with (
            listening(busy) as url,
            OpenAITeacher(model="m", base_url=url).connect() as asked,
        ):
            with pytest.raises(TeacherError):
                await asked(request())
            await asyncio.gather(*(asked(request()) for _ in range(8)))

    asyncio.run(main())
    assert len(times) == 9
    assert min(times[1:]) - times[0] >= 0.5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "a", "code": "b"}}', ("a", "b")),
        (b'{"error": {"message": "a", "code": null, "type": "c"}}', ("a", "c")),
        (b'{"error": "a"}', ("a", "")),
        (b'{"message": "a"}', ("a", "")),
        (b'{"detail": [{"loc": 1}]}', ("[{'loc': 1}]", "")),
        (b"<html>\n a</html>", ("<html> a</html>", "")),
        (b"\xff", ("\ufffd", "")),
        (b"", ("", "")),
    ],
)
def test_error_bodies_of_any_shape_are_read(body: bytes, said: tuple[str, str]) -> None:
    assert described(body) == said


def test_the_wait_may_be_a_number_or_a_date() -> None:
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after": "nan"}) is None
    assert retry_after({"retry-after": "inf"}) == 3600
    assert retry_after({}) is None


# --- several endpoints ----------------------------------------------------------------------------


def test_a_dead_endpoint_of_three_is_left_alone_and_asked_again_when_it_is_back() -> None:
    counts: Counter[str] = Counter()

    def counting(name: str) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                head, _ = await read_request(reader)
                counts[name] += "POST" in head
                await asyncio.sleep(0.002)
                writer.write(http(REPLY))

        return handle

    async def main() -> tuple[int, int]:
        async with listening(counting("dead")) as dead:
            port = int(dead.split(":")[2].removesuffix("/v1"))
        async with listening(counting("a")) as a, listening(counting("b")) as b:
            teacher = OpenAITeacher(model="m", base_urls=(dead, a, b))
            async with teacher.connect() as asked:

                async def one() -> bool:
                    try:
                        return bool(await asked(request()))
                    except TeacherError:
                        return False

                failed = (await asyncio.gather(*(one() for _ in range(60)))).count(False)
                failed_later = [await one() for _ in range(20)].count(False)
                assert failed_later == 0
                async with listening(counting("dead"), port=port):
                    while not counts["dead"]:
                        await asyncio.sleep(0.1)
                        await one()
                    before = counts["dead"]
                    await asyncio.gather(*(one() for _ in range(60)))
                    return failed, counts["dead"] - before

    failed, back = asyncio.run(main())
    assert 3 <= failed <= 20  # The share of those sent at once, before anything was known.
    assert back >= 15
    assert abs(counts["a"] - counts["b"]) <= 10


def patient(has_answered: bool, patience_s: float) -> TeacherError:
    async def main() -> None:
        async def look(url: str) -> bool:
            return False

        known = Endpoints(["http://a"], look, patience_s)
        endpoint = await known.pick(0)
        if has_answered:
            known.answered(endpoint)
        for _ in range(endpoints.FAILURES):
            known.failed(endpoint, "refused", 0)
        try:
            await known.pick(0)
        finally:
            known.close()

    with pytest.raises(TeacherError) as caught:
        asyncio.run(main())
    return caught.value


def test_an_outage_is_waited_for_and_a_wrong_address_not_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "NEW_S", 0.1)
    began = time.monotonic()
    assert "http://a: refused" in str(patient(has_answered=True, patience_s=0.5))
    assert 0.5 <= time.monotonic() - began < 2
    began = time.monotonic()
    assert not patient(has_answered=False, patience_s=0.5).retryable
    assert 0.1 <= time.monotonic() - began < 0.4


# --- rate limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limit", [{"requests_per_minute": 1200.0}, {"tokens_per_minute": 1200.0 * (5 + 1.5)}]
)
def test_a_rate_limit_is_kept_to(limit: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    from cotgen.teachers.wire.pace import Pace

    monkeypatch.setattr(Pace, "BURST_S", 0.5)
    times: list[float] = []

    async def main() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            times.append(time.monotonic())
            writer.write(http(REPLY, Connection="close"))
            writer.close()

        async with listening(handle) as url:
            teacher = OpenAITeacher(model="m", base_url=url, **limit)
            async with teacher.connect() as asked:
                await asyncio.gather(*(asked(request()) for _ in range(40)))

    asyncio.run(main())
    # 20 a second after a burst of 10: the other 30 take 1.5 s.
    assert 1.0 <= max(times) - min(times) <= 3.0


# --- queues ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "waiting"),
    [
        ('# HELP x\nvllm:num_requests_waiting{engine="0",model_name="m"} 3.0\n', 3),
        ('vllm:num_requests_waiting{engine="0"} 3.0\nvllm:num_requests_waiting{engine="1"} 4.0', 7),
        ("vllm:num_requests_waiting_by_reason 3.0", None),
        ("", None),
    ],
)
def test_what_vllm_says_of_its_queue_is_read(metrics: str, waiting: int | None) -> None:
    async def main() -> int | None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("GET /metrics ")
            writer.write(http(metrics, Content_Type="text/plain"))

        async with (
            listening(handle) as url,
            OpenAITeacher(model="m", base_url=url).connect() as asked,
        ):
            assert isinstance(asked, Live)
            return await asked.queued()

    assert asyncio.run(main()) == waiting
