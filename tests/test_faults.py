"""Runs against a server that fails: passing faults cost nothing, lasting ones are lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import server as server_module
from server import Event, Fault, FaultKind, FaultScript, Server, samples_served, start_server

from cotgen import wiring
from cotgen.errors import DONE, FAILED_ITEMS, USER_MISTAKE, RecipeError, TeacherError
from cotgen.pipeline import run
from cotgen.recipe import Recipe, parse_recipe
from cotgen.summary import Summary
from cotgen.teachers.wire.endpoints import FAILURES

PROBLEMS, SAMPLES = 12, 3
COTGEN = Path(sys.executable).with_name("cotgen")
KEY = "sk-a-secret-that-nobody-may-read"
PASSING: dict[str, Fault] = {
    "429": Fault("429", 1.0),
    "429 with Retry-After": Fault("429", 1.0, retry_after=0.01),
    "500": Fault("500", 1.0),
    "503": Fault("503", 1.0),
    "dropped before the answer": Fault("reset_before", 1.0),
    "reset before the answer": Fault("reset_before", 1.0, rst=True),
    "half a body": Fault("reset_mid", 1.0),
    "half a body, then a reset": Fault("reset_mid", 1.0, rst=True),
    "malformed JSON": Fault("malformed", 1.0),
    "no choices": Fault("empty_choices", 1.0),
    "wrong content type": Fault("html", 1.0),
    "null content": Fault("null_content", 1.0),
}
SAID: dict[FaultKind, str] = {
    "429": r"HTTP 429: .*scripted fault",
    "500": r"HTTP 500: .*scripted fault",
    "503": r"HTTP 503: .*scripted fault",
    "reset_before": r"connection lost: .*(disconnected|Error)",
    "reset_mid": r"connection lost: .*(closed|Error)",
    "malformed": r"not a chat completion \(.*\): '\{",
    "empty_choices": r"the reply holds no choices",
    "html": r"not a chat completion \(.*\): '<html>",
    "null_content": r"the reply holds no text",
    "bad_request": r"HTTP 400: .*prompt is too long",
}


def recipe(url: str, n: int = SAMPLES, **teacher: object) -> Recipe:
    return parse_recipe(raw_recipe(url, n, **teacher))


def raw_recipe(url: str, n: int = SAMPLES, /, **teacher: object) -> dict[str, Any]:
    return {
        "name": "f",
        "seed": 3,
        "problems": {"kind": "generated", "limit": PROBLEMS},
        "teachers": {"t": {"kind": "openai", "model": "m", "base_url": url, **teacher}},
        "search": {"kind": "sample", "n": n, "prompt": "solve"},
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [
            {"kind": "sft"},
            {"kind": "sft", "from": "chains", "layout": "single"},
            {"kind": "dpo"},
        ],
    }


def command(url: str, outputs: Path, **teacher: object) -> subprocess.CompletedProcess[str]:
    path = outputs / "recipe.json"
    path.write_text(json.dumps(raw_recipe(url, **teacher)))  # JSON is YAML.
    return subprocess.run(
        [COTGEN, "run", path, "--outputs", outputs], capture_output=True, text=True, timeout=60
    )


def lines(folder: Path) -> dict[str, Any]:
    """The lines of `attempts.jsonl` by problem; a later line of an id replaces the earlier one."""
    path = folder / "f" / "attempts.jsonl"
    every = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["problem"]: line for line in every}


def failed(folder: Path) -> dict[str, str]:
    return {id: line["error"] for id, line in lines(folder).items() if line["error"]}


def files(folder: Path) -> dict[str, object]:
    """What a run made, but for the address that it asked, its times and its log."""
    made: dict[str, object] = {}
    for path in sorted((folder / "f").rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == "journal.jsonl":
            made[name] = sorted(path.read_bytes().splitlines())
        elif path.name == "summary.json":
            made[name] = {**json.loads(path.read_text()), "seconds": None, "unaccounted": None}
        elif path.is_file() and path.name not in (".lock", "run.log", "recipe.yaml"):
            made[name] = path.read_bytes()
    return made


def assert_equal(folder: Path, undisturbed: Path) -> None:
    """Name the files that differ: their contents are too long to be read."""
    made, wanted = files(folder), files(undisturbed)
    names = made.keys() | wanted.keys()
    assert [name for name in sorted(names) if made.get(name) != wanted.get(name)] == []


def faulted(events: list[Event]) -> list[Event]:
    return [event for event in events if event.event == "fault"]


@dataclass(frozen=True)
class Healthy:
    """A run against a server without faults."""

    outputs: Path
    summary: Summary
    events: list[Event]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Healthy:
    outputs = tmp_path_factory.mktemp("healthy")
    with start_server(outputs, latency_ms=1) as server:
        summary = run(recipe(server.url), outputs=outputs)
        return Healthy(outputs, summary, server.log())


@pytest.fixture(scope="module")
def healthy_single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run with one sample a problem."""
    outputs = tmp_path_factory.mktemp("healthy-single")
    with start_server(outputs, latency_ms=1) as server:
        run(recipe(server.url, n=1), outputs=outputs)
    return outputs


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between retries of a hundredth of what they are."""
    monkeypatch.setattr(wiring, "_FIRST_WAIT_S", 0.005)


def script(*faults: Fault, times: int = 2, seed: int = 0) -> FaultScript:
    return FaultScript(faults, seed=seed, max_per_key=times)


# --- faults that pass ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_changes_nothing_that_is_made(
    healthy: Healthy, tmp_path: Path, name: str
) -> None:
    with start_server(tmp_path, faults=script(PASSING[name]), latency_ms=1) as server:
        summary = run(recipe(server.url, retries=2), outputs=tmp_path)
        events = server.log()
    assert len(faulted(events)) == 2 * PROBLEMS
    assert summary.failed == {"search": 0}
    assert_equal(tmp_path, healthy.outputs)
    # A reply that a fault destroyed was not served: every sample was, once.
    assert samples_served(events) == samples_served(healthy.events)
    assert set(samples_served(events).values()) == {1}


def test_all_faults_at_once_change_nothing_that_is_made(healthy: Healthy, tmp_path: Path) -> None:
    faults = [
        Fault(fault.kind, 0.07, fault.retry_after, rst=fault.rst) for fault in PASSING.values()
    ]
    faults.append(Fault("slow", 0.1, seconds=0.1))
    with start_server(tmp_path, faults=script(*faults, times=4), latency_ms=1) as server:
        run(recipe(server.url, retries=4, concurrency=3), outputs=tmp_path)
        events = server.log()
    assert len({event.fault for event in events}) > 6
    assert_equal(tmp_path, healthy.outputs)
    assert samples_served(events) == samples_served(healthy.events)


def test_the_command_says_that_all_went_well_in_spite_of_faults(
    healthy: Healthy, tmp_path: Path
) -> None:
    with start_server(tmp_path, faults=script(Fault("500", 0.5), times=1), latency_ms=1) as server:
        ended = command(server.url, tmp_path)
        faults = len(faulted(server.log()))
    assert ended.returncode == DONE, ended.stderr
    assert f"{faults} × HTTP 500" in ended.stderr
    assert_equal(tmp_path, healthy.outputs)


def test_a_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    faults = script(Fault("429", 1.0, retry_after=0.4), times=1)
    with start_server(tmp_path, faults=faults, latency_ms=0) as server:
        run(recipe(server.url), outputs=tmp_path, until="search")
        waits = waits_of(server.log())
    assert len(waits) == PROBLEMS
    assert min(waits) >= 0.4


def test_waits_that_the_server_does_not_set_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_FIRST_WAIT_S", 0.1)
    with start_server(tmp_path, faults=script(Fault("500", 1.0), times=3), latency_ms=0) as server:
        run(recipe(server.url, concurrency=PROBLEMS), outputs=tmp_path, until="search")
        events = server.log()
    waits = waits_of(events)
    assert len(waits) == 3 * PROBLEMS
    by_number = [waits[number::3] for number in range(3)]
    for number, wait in enumerate([0.1, 0.2, 0.4]):
        # The jitter adds a quarter at most; the rest is what the machine needs.
        assert wait <= min(by_number[number]) < 1.25 * wait + 0.1


def waits_of(events: list[Event]) -> list[float]:
    """Seconds from each fault to the next arrival of its key, key by key, in order."""
    by_key: dict[str, list[Event]] = {}
    for event in events:
        by_key.setdefault(event.key, []).append(event)
    return [
        after.time - before.time
        for each in by_key.values()
        for before, after in pairwise(each)
        if before.event == "fault" and after.event == "arrived"
    ]


# --- faults that last ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SAID)
def test_a_fault_that_lasts_is_a_line_that_the_next_run_owes(
    healthy_single: Path, tmp_path: Path, kind: FaultKind
) -> None:
    # Every second key or so fails whenever it comes; the seed leaves some of both kinds.
    lasting = FaultScript((Fault(kind, 0.5),), seed=1, max_per_key=99)
    with start_server(tmp_path, faults=lasting, latency_ms=1) as server:
        summary = run(recipe(server.url, retries=0, n=1), outputs=tmp_path)
    broken = failed(tmp_path)
    assert 0 < len(broken) < PROBLEMS
    assert summary.failed["search"] == len(broken)
    assert all(re.search(SAID[kind], error) for error in broken.values()), broken
    assert all(line["attempts"] == [] for id, line in lines(tmp_path).items() if id in broken)
    finished = {id: line for id, line in lines(tmp_path).items() if id not in broken}

    with start_server(tmp_path, latency_ms=1) as server:
        summary = run(recipe(server.url, retries=0, n=1), outputs=tmp_path)
        events = server.log()
    assert summary.failed["search"] == 0
    assert len(samples_served(events)) == len(broken)
    after = lines(tmp_path)
    assert not failed(tmp_path)
    assert {id: after[id] for id in finished} == finished

    assert_equal(tmp_path, healthy_single)


def test_a_prompt_that_is_refused_costs_the_others_nothing(
    healthy: Healthy, tmp_path: Path
) -> None:
    lasting = FaultScript((Fault("bad_prompt", 0.3),), seed=1)
    with start_server(tmp_path, faults=lasting, latency_ms=1) as server:
        ended = command(server.url, tmp_path, concurrency=1)
        events = server.log()
    broken = failed(tmp_path)
    assert 0 < len(broken) < PROBLEMS
    assert ended.returncode == FAILED_ITEMS
    assert f"{len(broken)} failed" in ended.stdout
    # It is not the number of samples that the server refused: the others are asked for together.
    served = [event for event in events if event.event == "served"]
    assert [event.n for event in served] == [SAMPLES] * (PROBLEMS - len(broken))

    with start_server(tmp_path, latency_ms=1) as server:
        ended = command(server.url, tmp_path)
        assert sum(samples_served(server.log()).values()) == SAMPLES * len(broken)
    assert ended.returncode == DONE, ended.stderr
    assert_equal(tmp_path, healthy.outputs)


def test_retries_that_are_used_up_are_counted_from_the_first_request(tmp_path: Path) -> None:
    with start_server(tmp_path, faults=script(Fault("500", 1.0), times=99), latency_ms=0) as server:
        summary = run(recipe(server.url, retries=3), outputs=tmp_path, until="search")
        arrivals = Counter(event.key for event in server.log() if event.event == "arrived")
    assert set(arrivals.values()) == {4}
    assert summary.failed["search"] == PROBLEMS


def test_a_server_that_never_answers_well_is_given_up_and_the_rest_is_owed(tmp_path: Path) -> None:
    raw = {"concurrency": 4, "retries": 1}
    many = {"kind": "generated", "limit": 60}

    def started(url: str) -> Recipe:
        return parse_recipe({**raw_recipe(url, 1, **raw), "problems": many})

    with start_server(tmp_path, faults=script(Fault("500", 1.0), times=99), latency_ms=0) as server:
        with pytest.raises(
            TeacherError, match=r"none of the first 20 requests .*HTTP 500"
        ) as ended:
            run(started(server.url), outputs=tmp_path)
        asked = sum(event.event == "arrived" for event in server.log())
    assert "run again to go on" in str(ended.value)
    assert 40 <= asked <= 2 * (20 + 4)
    assert len(failed(tmp_path)) == len(lines(tmp_path)) == 19
    with start_server(tmp_path, latency_ms=0) as server:
        assert run(started(server.url), outputs=tmp_path).failed == {"search": 0}


def test_a_server_that_is_down_gives_lines_and_is_asked_again_when_it_is_up(
    healthy: Healthy, tmp_path: Path
) -> None:
    with start_server(tmp_path) as server:
        port, url = server.port, server.url
    ended = command(url, tmp_path, retries=0)
    assert ended.returncode == FAILED_ITEMS
    assert f"{PROBLEMS} failed" in ended.stdout
    assert "Traceback" not in ended.stderr
    errors = failed(tmp_path)
    assert len(errors) == PROBLEMS
    assert all("Connection refused" in error for error in errors.values()), errors
    with start_server(tmp_path, port=port, latency_ms=1):
        ended = command(url, tmp_path, retries=0)
    assert ended.returncode == DONE, ended.stderr
    assert_equal(tmp_path, healthy.outputs)


def test_an_outage_that_lasts_ends_the_run_and_leaves_the_rest_owed(
    healthy: Healthy, tmp_path: Path
) -> None:
    with start_server(tmp_path) as server:
        port, url = server.port, server.url
    ended = command(url, tmp_path, retries=0, concurrency=1, outage_s=0.3)
    assert ended.returncode == FAILED_ITEMS
    assert re.search(r"teachers\.t: no endpoint answers \(.*\bConnection refused\b", ended.stderr)
    assert "run again to go on" in ended.stderr
    assert "Traceback" not in ended.stderr
    # Those that found out have lines; of the others nothing is said, and nothing is wrong.
    assert len(failed(tmp_path)) == FAILURES
    assert len(lines(tmp_path)) == FAILURES
    with start_server(tmp_path, port=port, latency_ms=1):
        ended = command(url, tmp_path)
    assert ended.returncode == DONE, ended.stderr
    assert_equal(tmp_path, healthy.outputs)


def test_a_server_that_dies_while_it_is_asked_leaves_what_it_answered(
    healthy: Healthy, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.json"
    with start_server(tmp_path, latency_ms=100) as server:
        path.write_text(json.dumps(raw_recipe(server.url, retries=0, concurrency=2, outage_s=0.5)))
        with subprocess.Popen([COTGEN, "run", path, "--outputs", tmp_path]) as process:
            attempts = tmp_path / "f" / "attempts.jsonl"
            while not (attempts.exists() and attempts.stat().st_size):
                assert process.poll() is None
                time.sleep(0.001)
            server.stop()
        assert process.returncode == FAILED_ITEMS
    first = server.log()
    broken = failed(tmp_path)
    assert 0 < len(broken) < PROBLEMS
    with start_server(tmp_path, port=server.port, latency_ms=1) as again:
        ended = command(again.url, tmp_path)
        served = samples_served(first) + samples_served(again.log())
    assert ended.returncode == DONE, ended.stderr
    # The two requests that it was answering may have been lost on their way.
    assert sum(times > 1 for times in served.values()) <= 2 * SAMPLES
    assert served.keys() == samples_served(healthy.events).keys()
    assert_equal(tmp_path, healthy.outputs)


def test_several_teachers_share_the_files_that_may_be_open(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=300) as server:
        raw = raw_recipe(server.url, 1, concurrency=130)
        raw["problems"]["limit"] = 160
        raw["teachers"]["u"] = raw["teachers"]["t"] | {"model": "u"}
        path = tmp_path / "recipe.json"
        path.write_text(json.dumps(raw))
        limited = f"ulimit -n 200; exec {COTGEN} run {path} --outputs {tmp_path}"
        ended = subprocess.run(
            ["bash", "-c", limited], capture_output=True, text=True, timeout=60, check=False
        )
        arrived = sum(event.event == "arrived" for event in server.log())
    assert ended.returncode == DONE, ended.stderr
    assert "no connection" not in ended.stderr
    assert arrived == 2 * 160


# --- several samples a request -------------------------------------------------------------------


def texts(folder: Path) -> dict[str, list[str]]:
    return {
        id: ["".join(step["text"] for step in attempt["steps"]) for attempt in line["attempts"]]
        for id, line in lines(folder).items()
    }


def seeds_served(events: list[Event]) -> Counter[int]:
    return Counter(
        event.seed + place
        for event in events
        if event.event == "served" and event.seed is not None
        for place in range(len(event.samples))
    )


@pytest.mark.parametrize("most", [1, 2])
def test_a_server_that_refuses_several_samples_is_asked_for_one_at_a_time(
    healthy: Healthy, tmp_path: Path, most: int
) -> None:
    with start_server(tmp_path, latency_ms=1, most_n=most) as server:
        summary = run(recipe(server.url, concurrency=2), outputs=tmp_path)
        events = server.log()
    assert summary.failed["search"] == 0
    assert_same_samples(tmp_path, events, healthy)
    # Found out once by each of the requests that were under way, not by each problem.
    assert sum(event.fault == "invalid" for event in faulted(events)) <= 2


def test_a_server_that_ignores_n_is_asked_for_one_at_a_time(
    healthy: Healthy, tmp_path: Path
) -> None:
    with start_server(tmp_path, latency_ms=1, honour_n=False) as server:
        summary = run(recipe(server.url, concurrency=2), outputs=tmp_path)
        events = server.log()
    assert summary.failed["search"] == 0
    assert_same_samples(tmp_path, events, healthy)
    asked_for_several = [event for event in events if event.event == "arrived" and event.n > 1]
    # Two short replies in a row teach it; two more requests may be under way by then.
    assert 1 <= len(asked_for_several) <= 4


def assert_same_samples(folder: Path, events: list[Event], healthy: Healthy) -> None:
    """All samples, each served once, under the seed that it has in a request for several."""
    assert texts(folder) == texts(healthy.outputs)
    assert set(seeds_served(events).values()) == {1}
    assert seeds_served(events) == seeds_served(healthy.events)
    for line in lines(folder).values():
        samples = [attempt["origin"]["sample"] for attempt in line["attempts"]]
        assert samples == list(range(SAMPLES))


def test_one_sample_that_cannot_be_had_does_not_cost_the_others_of_its_problem(
    tmp_path: Path,
) -> None:
    lasting = FaultScript((Fault("bad_request", 0.2),), seed=2)
    with start_server(tmp_path, faults=lasting, honour_n=False, latency_ms=1) as server:
        run(recipe(server.url, concurrency=2), outputs=tmp_path)
        first = server.log()
    broken = failed(tmp_path)
    assert broken
    assert sum(samples_served(first).values()) > SAMPLES * (PROBLEMS - len(broken))
    with start_server(tmp_path, honour_n=False, latency_ms=1) as server:
        run(recipe(server.url, concurrency=2), outputs=tmp_path)
        second = server.log()
    assert not failed(tmp_path)
    served = seeds_served(first) + seeds_served(second)
    assert set(served.values()) == {1}
    assert len(served) == PROBLEMS * SAMPLES


# --- keys, and odd replies -----------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    with start_server(tmp_path, api_key="sk-the-right-one") as server:
        yield server


def all_text(folder: Path) -> str:
    paths = (folder / "f").rglob("*")
    return "".join(path.read_text(errors="replace") for path in paths if path.is_file())


def test_a_wrong_key_ends_the_run_with_a_message_that_does_not_repeat_it(
    guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    ended = command(guarded.url, tmp_path, api_key_env="MY_KEY")
    assert ended.returncode == USER_MISTAKE
    assert "cotgen: teachers: m: the server refused the key in MY_KEY (HTTP 401" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stderr + ended.stdout + all_text(tmp_path)
    assert not lines(tmp_path), "a wrong key is no failure of the problems"


def test_the_right_key_is_found_even_with_a_line_end_behind_it(
    guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-the-right-one\r\n")
    summary = run(recipe(guarded.url, api_key_env="MY_KEY"), outputs=tmp_path)
    assert summary.failed["search"] == 0
    assert "sk-the-right-one" not in all_text(tmp_path)


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(
    guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(RecipeError, match="MY_KEY holds characters that no key has") as raised:
        run(recipe(guarded.url, api_key_env="MY_KEY"), outputs=tmp_path)
    assert key not in str(raised.value)
    assert guarded.log() == []


def test_a_key_that_is_not_set_is_missed_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    raw = raw_recipe("unused", api_key_env="MY_KEY")
    del raw["teachers"]["t"]["base_url"]
    with pytest.raises(RecipeError, match="MY_KEY is not set"):
        run(parse_recipe(raw), outputs=tmp_path)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_reasoning_field_is_kept_inline_as_a_think_block(tmp_path: Path, field: str) -> None:
    with start_server(tmp_path, latency_ms=1, reasoning_field=field, length_share=0) as server:
        run(recipe(server.url), outputs=tmp_path)
    attempts = [attempt for line in lines(tmp_path).values() for attempt in line["attempts"]]
    assert len(attempts) == PROBLEMS * SAMPLES
    for attempt in attempts:
        steps = [step["text"] for step in attempt["steps"]]
        thought = "".join(steps[: attempt["thought_steps"]])
        assert thought.startswith("<think>\n")
        assert thought.endswith("\n</think>\n\n")
        assert "".join(steps[attempt["thought_steps"] :]).startswith("The answer is \\boxed{")


def test_a_thought_that_was_cut_off_is_an_unfinished_attempt(tmp_path: Path) -> None:
    options: Any = {"reasoning_field": "reasoning", "length_share": 1}
    with start_server(tmp_path, latency_ms=1, **options) as server:
        summary = run(recipe(server.url), outputs=tmp_path)
    assert summary.failed["search"] == 0
    assert summary.verdicts["unfinished"] == PROBLEMS * SAMPLES
    attempts = [attempt for line in lines(tmp_path).values() for attempt in line["attempts"]]
    assert {attempt["finish"] for attempt in attempts} == {"length"}


def test_a_reply_whose_tokens_went_into_hidden_thought_is_an_unfinished_attempt(
    tmp_path: Path,
) -> None:
    hidden = script(Fault("null_length", 1.0), times=99)
    with start_server(tmp_path, faults=hidden, latency_ms=1) as server:
        summary = run(recipe(server.url), outputs=tmp_path)
        arrivals = [event for event in server.log() if event.event == "arrived"]
    assert summary.failed["search"] == 0
    assert summary.verdicts["unfinished"] == PROBLEMS * SAMPLES
    assert len(arrivals) == PROBLEMS


def test_the_server_agrees_that_these_are_all_its_faults() -> None:
    kinds = set(server_module.FaultKind.__args__)  # type: ignore[attr-defined]
    tested = {fault.kind for fault in PASSING.values()} | set(SAID)
    assert kinds - tested == {"slow", "bad_prompt", "null_length"}
