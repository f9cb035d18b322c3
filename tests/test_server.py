import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import server as server_module
from server import (
    Event,
    Fault,
    FaultKind,
    FaultScript,
    Server,
    expression,
    in_flight,
    samples_served,
    start_server,
    value_of,
)

QUESTION = "What is 27 * 14?"


@dataclass(frozen=True)
class Reply:
    """What a raw client saw of one request; `error` names the exception, if one ended it."""

    status: int = 0
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def texts(self) -> list[str]:
        return [choice["message"]["content"] for choice in self.json["choices"]]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


def chat(question: str = QUESTION, **options: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": question}], **options}


async def post(
    session: aiohttp.ClientSession, server: Server, body: dict[str, object], within_s: float = 10
) -> Reply:
    timeout = aiohttp.ClientTimeout(total=within_s)
    try:
        async with session.post(
            f"{server.url}/chat/completions", json=body, timeout=timeout
        ) as response:
            headers = tuple(response.headers.items())
            return Reply(response.status, await response.text(), headers)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Reply(error=type(error).__name__)


def ask(server: Server, *bodies: dict[str, object], within_s: float = 10) -> list[Reply]:
    """Send the bodies one after the other."""

    async def all_of_them() -> list[Reply]:
        async with aiohttp.ClientSession() as session:
            return [await post(session, server, body, within_s) for body in bodies]

    return run(all_of_them())


def ask_at_once(server: Server, *bodies: dict[str, object]) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(post(session, server, body) for body in bodies))

    return run(all_of_them())


def run(replies: Coroutine[Any, Any, list[Reply]]) -> list[Reply]:
    return asyncio.run(replies)


def boxed(text: str) -> str:
    found = re.search(r"The answer is \\boxed\{(.*)\}\.\Z", text)
    return found[1] if found else ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[Server]:
    with start_server(folder, latency_ms=0) as server:
        yield server


@pytest.fixture(scope="module")
def faulty(folder: Path) -> Iterator[Server]:
    """One fault a key, of every passing kind."""
    kinds: list[FaultKind] = [
        "429", "500", "503", "reset_before", "reset_mid", "malformed", "empty_choices", "html",
        "slow", "null_content",
    ]  # fmt: skip
    faults = [Fault(kind, 0.08, retry_after=0.25, seconds=0.02) for kind in kinds]
    faults += [Fault("reset_before", 0.08, rst=True), Fault("bad_request", 0.1)]
    script = FaultScript(tuple(faults), seed=3, max_per_key=1)
    with start_server(folder, faults=script, latency_ms=0) as server:
        yield server


@pytest.fixture(scope="module")
def seen(faulty: Server) -> dict[str, list[Reply]]:
    """What clients saw of 150 keys' first requests, by the fault that the log says they met."""
    bodies = [chat(f"What is {number} + 8?", seed=number, n=2) for number in range(150)]
    replies = ask(faulty, *bodies)
    ends = [event for event in faulty.log() if event.event != "arrived"]
    by_fault: dict[str, list[Reply]] = {}
    for end, reply in zip(ends, replies, strict=True):
        by_fault.setdefault(end.fault, []).append(reply)
    return by_fault


def test_an_answer_has_the_protocols_shape(plain: Server) -> None:
    (reply,) = ask(plain, chat(n=3, seed=5))
    body = reply.json
    assert reply.status == 200
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert {choice["finish_reason"] for choice in body["choices"]} <= {"stop", "length"}
    assert body["usage"]["prompt_tokens"] == 5
    assert body["usage"]["completion_tokens"] == sum(len(text.split()) for text in reply.texts)


def test_the_model_list_names_one_model(plain: Server) -> None:
    async def models() -> Any:
        async with aiohttp.ClientSession() as session, session.get(f"{plain.url}/models") as reply:
            return await reply.json()

    assert [model["id"] for model in asyncio.run(models())["data"]] == ["scripted"]


def test_sample_i_is_a_function_of_question_and_seed_plus_i(plain: Server, folder: Path) -> None:
    many, one, late = ask(plain, chat(n=4, seed=10), chat(seed=12), chat(n=2, seed=12))
    assert many.texts[2:3] == one.texts
    assert many.texts[2:] == late.texts
    with start_server(folder) as other:
        (again,) = ask(other, chat(n=4, seed=10, temperature=0.3))
    assert again.texts == many.texts


def test_other_seeds_and_questions_give_other_texts(plain: Server) -> None:
    replies = ask(plain, chat(n=20, seed=0), chat("What is 27 + 14?", n=20, seed=0))
    assert len(set(replies[0].texts)) > 15
    assert not set(replies[0].texts) & set(replies[1].texts)


def test_about_half_of_the_answers_are_right_and_few_are_cut_off(plain: Server) -> None:
    (reply,) = ask(plain, chat(n=2000, seed=0))
    count = Counter(
        choice["finish_reason"]
        if choice["finish_reason"] == "length"
        else boxed(choice["message"]["content"])
        for choice in reply.json["choices"]
    )
    assert 0.50 < count["378"] / 2000 < 0.60
    assert 0.01 < count["length"] / 2000 < 0.04
    assert count[""] == 0


def test_cut_answers_state_no_result(plain: Server) -> None:
    (reply,) = ask(plain, chat(n=500, seed=1))
    cut = [
        choice["message"]["content"]
        for choice in reply.json["choices"]
        if choice["finish_reason"] == "length"
    ]
    assert cut
    assert not any("boxed" in text for text in cut)


@pytest.mark.parametrize(
    ("text", "found", "value"),
    [
        ("What is 12 + 5?", "12 + 5", "17"),
        ("Use 1-2 sentences. What is (3 + 4) * 15 - 2?", "(3 + 4) * 15 - 2", "103"),
        ("What is 12 × 13? Answer in 1-2 lines.", "12 * 13", "156"),
        ("Compute 7/2 + 1.", "7/2 + 1", "9/2"),
        ("Tom has 1,234 x 17 apples.", "1234 * 17", "20978"),
        ("What is 17 * 0?", "17 * 0", "0"),
        ("What is -5 + 7?", "-5 + 7", "2"),
        (
            "Start with 5. Subtract 9. Multiply by 3. Add 3. What is the result?",
            "((5 - 9) * 3) + 3",
            "-9",
        ),
    ],
)
def test_the_expression_is_found_and_computed(text: str, found: str, value: str) -> None:
    assert expression(text) == found
    assert value_of(found) == value


@pytest.mark.parametrize("text", ["Hello.", "What is 3.5 + 2?", "What is 2**3?", "What is 1 / 0?"])
def test_other_texts_hold_no_expression(text: str) -> None:
    assert expression(text) == ""


@pytest.mark.parametrize("question", ["What is 17 * 0?", "What is (2 + 3) * 0 + 4?"])
def test_wrong_answers_are_wrong_even_where_a_slip_would_vanish(
    question: str, folder: Path
) -> None:
    settings = server_module.Settings(correct_share=0, length_share=0)
    answers = [server_module.solve(question, seed, settings) for seed in range(200)]
    assert value_of(expression(question)) not in {boxed(answer.text) for answer in answers}


def test_a_last_turn_without_a_question_is_answered_from_the_earlier_ones(plain: Server) -> None:
    body = chat(n=30, seed=0)
    body["messages"] = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "It is 3 + 4."},
        {"role": "user", "content": "Try again."},
    ]
    (reply,) = ask(plain, body)
    assert "378" in {boxed(text) for text in reply.texts}


def test_max_tokens_cuts_after_so_many_words(plain: Server) -> None:
    (reply,) = ask(plain, chat(n=10, seed=0, max_tokens=2))
    assert {len(text.split()) for text in reply.texts} == {2}
    assert {choice["finish_reason"] for choice in reply.json["choices"]} == {"length"}


def test_stop_sequences_end_a_text(plain: Server) -> None:
    (reply,) = ask(plain, chat(n=20, seed=0, stop=["\n", "boxed"]))
    assert all("\n" not in text for text in reply.texts)
    assert "stop" in {choice["finish_reason"] for choice in reply.json["choices"]}


def test_one_sample_is_returned_where_n_is_ignored(folder: Path) -> None:
    with start_server(folder, honour_n=False, latency_ms=0) as server:
        (reply,) = ask(server, chat(n=4, seed=10))
        (served,) = [event for event in server.log() if event.event == "served"]
    assert len(reply.texts) == 1
    assert served.n == 4
    assert len(served.samples) == 1


def test_the_thought_goes_into_the_reasoning_field(folder: Path) -> None:
    with start_server(folder, reasoning_field="reasoning_content", latency_ms=0) as server:
        (reply,) = ask(server, chat(n=100, seed=0))
    choices = reply.json["choices"]
    assert all(choice["message"]["reasoning_content"] for choice in choices)
    for choice in choices:
        content = choice["message"]["content"]
        assert (content is None) == (choice["finish_reason"] == "length")
        assert content is None or boxed(content)


@pytest.mark.parametrize(
    "body",
    [{}, {"model": "m", "messages": []}, chat(n=0), chat(stream=True), chat(temperature="hot")],
)
def test_requests_that_make_no_sense_are_refused(plain: Server, body: dict[str, object]) -> None:
    (reply,) = ask(plain, body)
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_request_error"
    assert plain.log()[-1].fault == "invalid"


def test_a_served_request_is_logged_before_its_client_knows(plain: Server) -> None:
    before = time.monotonic()
    ask(plain, chat(n=2, seed=77))
    arrived, served = plain.log()[-2:]
    assert (arrived.event, served.event) == ("arrived", "served")
    assert arrived.key == served.key
    assert arrived.request == served.request
    assert (served.seed, served.n, len(set(served.samples))) == (77, 2, 2)
    assert before < arrived.time <= served.time < time.monotonic()


def test_samples_keep_their_digest_however_they_are_asked_for(plain: Server) -> None:
    start = len(plain.log())
    question = "What is 1 + 1?"
    ask(plain, chat(question, n=3, seed=4), chat(question, seed=6), chat(question, seed=7))
    counts = samples_served(plain.log()[start:])
    assert sorted(counts.values()) == [1, 1, 1, 2]


def test_other_sampling_is_another_sample(plain: Server) -> None:
    start = len(plain.log())
    ask(plain, chat(seed=4, temperature=0.5), chat(seed=4, temperature=0.6), chat(seed=4, n=2))
    assert max(samples_served(plain.log()[start:]).values()) == 1


def test_the_log_tells_what_was_in_flight() -> None:
    events = [
        Event("arrived", 1, 1.0),
        Event("arrived", 2, 2.0),
        Event("served", 1, 3.0),
        Event("fault", 2, 4.0),
    ]
    flights = [[event.request for event in in_flight(events, t)] for t in (0.5, 1.5, 2.5, 3.5, 9)]
    assert flights == [[], [1], [1, 2], [2], []]


def test_concurrent_answers_overtake_each_other(folder: Path) -> None:
    with start_server(folder, latency_ms=40) as server:
        ask_at_once(server, *(chat(seed=seed) for seed in range(30)))
        log = server.log()
    served = [event.request for event in log if event.event == "served"]
    assert len(served) == 30
    assert served != sorted(served)
    assert max(len(in_flight(log, event.time)) for event in log) > 10


def test_an_answer_that_nobody_waited_for_is_logged_as_gone(folder: Path) -> None:
    with start_server(folder, latency_ms=200) as server:
        (reply,) = ask(server, chat(), within_s=0.05)
        assert reply.error == "TimeoutError"
        deadline = time.monotonic() + 5
        while len(server.log()) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [event.event for event in server.log()] == ["arrived", "gone"]
        assert not samples_served(server.log())


@pytest.mark.parametrize("kind", ["429", "500", "503"])
def test_error_statuses_carry_retry_after(seen: dict[str, list[Reply]], kind: str) -> None:
    assert {reply.status for reply in seen[kind]} == {int(kind)}
    assert {reply.header("retry-after") for reply in seen[kind]} == {"0.25"}
    assert all("message" in reply.json["error"] for reply in seen[kind])


def test_connections_are_dropped_before_any_byte(seen: dict[str, list[Reply]]) -> None:
    errors = {reply.error for reply in seen["reset_before"]}
    assert "ServerDisconnectedError" in errors
    assert "ClientOSError" in errors, "with rst"
    assert len(errors) == 2


def test_connections_are_dropped_in_the_middle_of_the_body(seen: dict[str, list[Reply]]) -> None:
    assert {reply.error for reply in seen["reset_mid"]} == {"ClientPayloadError"}


def test_malformed_bodies_are_whole_http_and_half_json(seen: dict[str, list[Reply]]) -> None:
    for reply in seen["malformed"]:
        assert reply.status == 200
        assert reply.header("content-type").startswith("application/json")
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply.text)


def test_choices_may_be_empty(seen: dict[str, list[Reply]]) -> None:
    assert {(r.status, len(r.json["choices"])) for r in seen["empty_choices"]} == {(200, 0)}


def test_error_pages_come_as_html_with_status_200(seen: dict[str, list[Reply]]) -> None:
    for reply in seen["html"]:
        assert reply.status == 200
        assert reply.header("content-type").startswith("text/html")


def test_content_may_be_null(seen: dict[str, list[Reply]]) -> None:
    assert all(reply.status == 200 for reply in seen["null_content"])
    assert all(reply.texts == [None, None] for reply in seen["null_content"])


def test_slow_answers_are_served_in_the_end(faulty: Server, seen: dict[str, list[Reply]]) -> None:
    assert all(reply.status == 200 and reply.texts for reply in seen["slow"])
    slow = [event for event in faulty.log() if event.fault == "slow"]
    assert {event.event for event in slow} == {"served"}


def test_poison_and_health_take_the_rest(seen: dict[str, list[Reply]]) -> None:
    assert {reply.status for reply in seen["bad_request"]} == {400}
    assert all(reply.texts for reply in seen[""])
    assert len(seen) == 12


def test_retries_succeed_after_max_per_key_faults_and_poison_never_does(folder: Path) -> None:
    script = FaultScript((Fault("500", 1.0), Fault("bad_request", 0.3)), max_per_key=2)
    bodies = [chat(seed=seed) for seed in range(20)]
    with start_server(folder, faults=script, latency_ms=0) as server:
        rounds = [[reply.status for reply in ask(server, *bodies)] for _ in range(4)]
    lives = Counter(zip(*rounds, strict=True))
    assert set(lives) == {(500, 500, 200, 200), (400, 400, 400, 400)}


def test_the_same_script_gives_the_same_faults(folder: Path) -> None:
    script = FaultScript((Fault("500", 0.5),), seed=8, max_per_key=3)
    bodies = [chat(seed=seed) for seed in range(20)]
    runs = []
    for _ in range(2):
        with start_server(folder, faults=script, latency_ms=0) as server:
            runs.append([[r.status for r in ask_at_once(server, *bodies)] for _ in range(5)])
    assert runs[0] == runs[1]
    assert all(statuses.count(500) <= 3 for statuses in zip(*runs[0], strict=True))
    assert len({tuple(statuses) for statuses in runs[0]}) > 1


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        FaultScript((Fault("500", 0.6), Fault("503", 0.5)))


def test_a_bad_script_ends_the_server_at_once(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('{"faults": [{"kind": "gremlin", "share": 1}]}')
    command = [sys.executable, str(server_module.__file__), "--log", str(tmp_path / "log")]
    done = subprocess.run(
        [*command, "--fault-script", str(script)], capture_output=True, check=False, timeout=20
    )
    assert done.returncode == 1
    assert b"gremlin" in done.stderr


def test_a_port_in_use_is_an_error(plain: Server, folder: Path) -> None:
    with pytest.raises(RuntimeError, match="did not start") as caught:
        start_server(folder, port=plain.port)
    assert "Address already in use" in "".join(caught.value.__notes__)


def test_a_stopped_server_leaves_its_log_and_frees_its_port(folder: Path) -> None:
    with start_server(folder, latency_ms=0) as server:
        ask(server, chat())
    assert server.process.returncode is not None
    assert len(server.log()) == 2
    with start_server(folder, port=server.port, latency_ms=0) as again:
        assert again.port == server.port
        assert again.log() == []
        assert ask(again, chat())[0].status == 200


def test_stopping_does_not_wait_for_requests_in_flight(folder: Path) -> None:
    script = FaultScript((Fault("slow", 1.0, seconds=60),))
    with start_server(folder, faults=script, latency_ms=0) as server:
        ask(server, chat(), within_s=0.1)
        started = time.monotonic()
    assert time.monotonic() - started < 2


def test_a_server_ends_with_the_process_that_started_it(folder: Path) -> None:
    code = (
        "import pathlib, sys, time; from server import start_server\n"
        f"server = start_server(pathlib.Path({str(folder)!r}))\n"
        "print(server.process.pid, flush=True); time.sleep(60)"
    )
    tests = Path(server_module.__file__).parent
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tests) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    assert _ended(pid, within_s=5)


def _ended(pid: int, within_s: float) -> bool:
    """Whether the process ends in time; a zombie that nobody reaps has ended, too."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


def test_events_are_one_json_line_each(plain: Server) -> None:
    ask(plain, chat())
    for line in plain.log_path.read_bytes().splitlines():
        assert msgspec.json.decode(line, type=Event).time > 0
