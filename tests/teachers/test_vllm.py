"""The vLLM teacher, with a stand-in for vLLM. With the real one: tests/engines."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from server import Event, samples_served, start_server
from standin import Start, Ways, starts

from cotgen.errors import DONE, FAILED_ITEMS, INTERRUPTED, RecipeError, TeacherError
from cotgen.pipeline import run
from cotgen.protocols import Request
from cotgen.recipe import Recipe, parse_recipe
from cotgen.records import Message, Sampling
from cotgen.summary import Summary
from cotgen.teachers import VllmTeacher
from cotgen.teachers.managed.flags import command_line, joined, keywords
from cotgen.teachers.managed.suspects import Suspects

PROBLEMS, SAMPLES = 24, 3
TESTS = Path(__file__).parents[1]
STANDIN = [sys.executable, str(Path(__file__).with_name("standin.py"))]
COTGEN = Path(sys.executable).with_name("cotgen")


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of engines that died stay where they are."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def raw_recipe(folder: Path, ways: dict[str, Any] | None = None, **teacher: Any) -> dict[str, Any]:
    env = {
        "STANDIN": msgspec.json.encode(Ways(str(folder), **(ways or {}))).decode(),
        "PYTHONPATH": str(TESTS),
    }
    settings = {
        "kind": "vllm",
        "model": "some/model",
        "command": STANDIN,
        "env": env,
        "start_s": 60,
    }
    return {
        "name": "v",
        "seed": 3,
        "problems": {"kind": "generated", "limit": PROBLEMS},
        "teachers": {"t": settings | {"concurrency": 8} | teacher},
        "search": {"kind": "sample", "n": SAMPLES, "prompt": "solve"},
        "verifier": {"kind": "exact"},
        "datasets": [{"kind": "sft"}],
    }


def recipe(folder: Path, ways: dict[str, Any] | None = None, **teacher: Any) -> Recipe:
    return parse_recipe(raw_recipe(folder, ways, **teacher))


def made(folder: Path) -> dict[str, Any]:
    """The lines of `attempts.jsonl` by problem."""
    path = folder / "v" / "attempts.jsonl"
    every = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["problem"]: line for line in every}


def failed(folder: Path) -> dict[str, str]:
    return {id: line["error"] for id, line in made(folder).items() if line["error"]}


def questions(folder: Path) -> dict[str, str]:
    lines = (folder / "v" / "problems.jsonl").read_text().splitlines()
    return {line["id"]: line["question"] for line in map(json.loads, lines)}


def served(folder: Path) -> Counter[str]:
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    return samples_served(msgspec.json.decode(line, type=Event) for line in lines)


def journaled(folder: Path) -> list[tuple[str, int]]:
    """Every completion of the journal, by what was asked and its number."""
    entries = map(json.loads, (folder / "v" / "journal.jsonl").read_text().splitlines())
    return [
        (entry["asked"], entry["first"] + place)
        for entry in entries
        for place in range(len(entry["completions"]))
    ]


def lives(start: Start) -> bool:
    return any(_is_running(pid) for pid in start.pids)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def begin(folder: Path, raw: dict[str, Any]) -> subprocess.Popen[str]:
    path = folder / "recipe.json"
    path.write_text(json.dumps(raw))  # JSON is YAML.
    return subprocess.Popen(
        [COTGEN, "run", path, "--outputs", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def assert_all_made(folder: Path, summary: Summary | None = None) -> None:
    assert summary is None or summary.failed["search"] == 0
    assert failed(folder) == {}
    assert [len(line["attempts"]) for line in made(folder).values()] == [SAMPLES] * PROBLEMS
    assert len(set(journaled(folder))) == len(journaled(folder)) == PROBLEMS * SAMPLES


# --- a server that lives -------------------------------------------------------------------------


def test_a_run_starts_the_server_and_leaves_no_process_behind(tmp_path: Path) -> None:
    teacher: dict[str, Any] = {"args": {"quantization": "fp8"}, "tuning": {"max_num_seqs": 64}}
    teacher |= {"max_model_len": 512, "data_parallel": 2}
    summary = run(recipe(tmp_path, **teacher), outputs=tmp_path)
    assert_all_made(tmp_path, summary)
    assert set(served(tmp_path).values()) == {1}
    (start,) = starts(tmp_path)
    assert not lives(start)
    model, *flags = start.arguments
    assert model == "some/model"
    said = " ".join(flags)
    for flag in (
        "--host 127.0.0.1 --port",
        "--served-model-name some/model",
        "--generation-config vllm",
        "--enable-prefix-caching",
        "--max-model-len 512",
        "--data-parallel-size 2",
        "--quantization fp8",
        "--max-num-seqs 64",
    ):
        assert flag in said


def test_a_run_that_owes_nothing_starts_no_server(tmp_path: Path) -> None:
    run(recipe(tmp_path), outputs=tmp_path)
    run(recipe(tmp_path), outputs=tmp_path)
    assert len(starts(tmp_path)) == 1


def test_the_log_stays_only_where_it_tells_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(logs))
    run(recipe(tmp_path), outputs=tmp_path)
    assert list(logs.iterdir()) == []
    with pytest.raises(RecipeError, match=re.escape(str(logs))):
        run(recipe(tmp_path, {"dies_at_start": "x"}), outputs=tmp_path / "b")
    (kept,) = logs.iterdir()
    assert "Loading the model" in kept.read_text()
    named = tmp_path / "deep" / "engine.log"
    run(recipe(tmp_path, log_file=str(named)), outputs=tmp_path / "c")
    assert named.exists()


def test_the_length_of_the_servers_queue_is_known(tmp_path: Path) -> None:
    async def queued() -> object:
        async with recipe(tmp_path).teachers["t"].connect() as ask:
            return await getattr(ask, "queued")()  # noqa: B009 - as wiring finds it

    assert asyncio.run(queued()) == 3


def test_a_server_of_ones_own_is_asked_and_none_started(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=1) as server:
        summary = run(recipe(tmp_path, base_url=server.url), outputs=tmp_path)
        assert sum(samples_served(server.log()).values()) == PROBLEMS * SAMPLES
    assert_all_made(tmp_path, summary)
    assert starts(tmp_path) == []


def test_a_server_of_ones_own_is_told_what_a_model_might_decide_otherwise() -> None:
    teacher = VllmTeacher(model="m", base_url="http://x/v1", extra_body={"top_k": 20})
    sent = teacher._client("http://x/v1", True).extra_body
    assert (sent["top_k"], sent["repetition_penalty"], sent["min_p"]) == (20, 1.0, 0.0)
    assert VllmTeacher(model="m")._client("http://x/v1", True).extra_body == {}


def test_without_seeds_no_start_repeats_another(tmp_path: Path) -> None:
    for name in "ab":
        run(recipe(tmp_path, seeds="none"), outputs=tmp_path / name)
    first, second = (
        start.arguments[start.arguments.index("--seed") + 1] for start in starts(tmp_path)
    )
    assert first != second
    lines = (tmp_path / "log.jsonl").read_bytes().splitlines()
    assert {msgspec.json.decode(line, type=Event).seed for line in lines} == {None}


# --- a server that dies --------------------------------------------------------------------------


def test_a_server_killed_in_the_middle_is_started_again_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    raw = raw_recipe(tmp_path, {"latency_ms": 150, "slow_start_s": 1.0}, retries=1)
    journal = tmp_path / "v" / "journal.jsonl"
    with begin(tmp_path, raw) as process:
        until(lambda: journal.exists() and journal.stat().st_size > 0)
        os.kill(starts(tmp_path)[0].pids[0], signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == DONE, stderr
    # One retry was enough: during the second that the new start took none was used up.
    assert re.search(r"\d × engine died", stderr)
    assert_all_made(tmp_path)
    assert len(starts(tmp_path)) == 2
    assert not any(map(lives, starts(tmp_path)))
    bought_twice = [sample for sample, times in served(tmp_path).items() if times > 1]
    assert len(bought_twice) <= 8 * SAMPLES
    assert "killed by signal 9" in (tmp_path / "v" / "run.log").read_text()


def test_a_server_whose_engine_is_dead_is_started_again_though_its_process_lives(
    tmp_path: Path,
) -> None:
    summary = run(recipe(tmp_path, {"ill_on": "Start with"}), outputs=tmp_path)
    assert_all_made(tmp_path, summary)
    assert len(starts(tmp_path)) == 2
    assert not any(map(lives, starts(tmp_path)))


def test_a_problem_that_kills_three_times_is_quarantined_and_no_other(tmp_path: Path) -> None:
    run(recipe(tmp_path), outputs=tmp_path, until="load")
    poison, question = list(questions(tmp_path).items())[2]
    # The others take longer than the engine takes to die, so all of them are suspects at first.
    ways = {"dies_on": question, "latency_ms": 150}
    deadly = recipe(tmp_path, ways, concurrency=PROBLEMS)
    summary = run(deadly, outputs=tmp_path)
    assert summary.failed["search"] == 1
    (error,) = failed(tmp_path).values()
    assert failed(tmp_path).keys() == {poison}
    assert "quarantined: the engine died 3 times while it worked on this problem" in error
    assert "an illegal memory access" in error
    assert len(starts(tmp_path)) in (3, 4)  # The last is stopped at once if nothing else is owed.
    others = [line for id, line in made(tmp_path).items() if id != poison]
    assert [len(line["attempts"]) for line in others] == [SAMPLES] * (PROBLEMS - 1)


def test_an_engine_that_dies_of_everything_is_given_up_without_blaming_problems(
    tmp_path: Path,
) -> None:
    # Each death finds one problem with two deaths at most in flight, so none is convicted first.
    deadly = recipe(tmp_path, {"dies_on": "Start"}, restarts=1)
    with pytest.raises(RecipeError, match="given up after 1 restarts without an answer") as raised:
        run(deadly, outputs=tmp_path)
    assert "an illegal memory access" in str(raised.value)
    assert len(starts(tmp_path)) == 2
    assert made(tmp_path) == {}
    assert_all_made(tmp_path, run(recipe(tmp_path), outputs=tmp_path))


def test_a_server_that_dies_at_its_start_shows_its_last_words(tmp_path: Path) -> None:
    words = "ValueError: No available memory for the cache blocks"
    with pytest.raises(RecipeError, match="died at its start: ValueError: No available") as raised:
        run(recipe(tmp_path, {"dies_at_start": words}), outputs=tmp_path)
    assert "\n  Loading the model\n" in str(raised.value)
    (start,) = starts(tmp_path)
    assert not lives(start)


def test_a_server_that_is_never_ready_is_stopped_at_the_deadline(tmp_path: Path) -> None:
    (tmp_path / "starts.jsonl").write_text('{"pids": [], "arguments": []}\n')
    sleeper = recipe(tmp_path, {"slow_start_s": 600}, start_s=2)
    with pytest.raises(RecipeError, match="not ready within start_s: 2 s"):
        run(sleeper, outputs=tmp_path)
    assert not any(map(lives, starts(tmp_path)))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="/no/vllm cannot be started: No such file"):
        run(recipe(tmp_path, command=["/no/vllm"]), outputs=tmp_path)
    with pytest.raises(RecipeError, match="has no vLLM: pip install"):
        run(recipe(tmp_path, command=[]), outputs=tmp_path)
    with pytest.raises(RecipeError, match="there is no /no/python"):
        run(recipe(tmp_path, command=[], python="/no/python"), outputs=tmp_path)


def test_a_crash_by_seeds_is_survived_and_explained(tmp_path: Path) -> None:
    with begin(tmp_path, raw_recipe(tmp_path, {"dies_of_seeds": True})) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == DONE, stderr
    assert "engine died (say seeds: none)" in stderr
    assert "another run then samples other attempts" in (tmp_path / "v/run.log").read_text()
    assert_all_made(tmp_path)
    assert ["--seed" in each.arguments for each in starts(tmp_path)] == [False, True]


def test_seeds_that_the_recipe_insists_on_end_the_run_and_it_goes_on_without_them(
    tmp_path: Path,
) -> None:
    with pytest.raises(RecipeError, match="`seeds: none` spares it that"):
        run(recipe(tmp_path, {"dies_of_seeds": True}, seeds="send"), outputs=tmp_path)
    assert len(starts(tmp_path)) == 1
    unseeded = recipe(tmp_path, {"dies_of_seeds": True}, seeds="none")
    assert_all_made(tmp_path, run(unseeded, outputs=tmp_path))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_a_run_ends_no_process_is_left(tmp_path: Path, number: signal.Signals) -> None:
    with begin(tmp_path, raw_recipe(tmp_path, {"latency_ms": 100})) as process:
        until(lambda: made(tmp_path))
        assert all(map(lives, starts(tmp_path)))
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == (-number if number == signal.SIGKILL else INTERRUPTED)
    until(lambda: not any(map(lives, starts(tmp_path))))


def test_a_run_that_is_interrupted_while_the_server_starts_leaves_no_process(
    tmp_path: Path,
) -> None:
    (tmp_path / "starts.jsonl").write_text('{"pids": [], "arguments": []}\n')
    with begin(tmp_path, raw_recipe(tmp_path, {"slow_start_s": 600})) as process:
        until(lambda: len(starts(tmp_path)) == 2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert not any(map(lives, starts(tmp_path)))


def test_a_server_that_hangs_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"_LOOK_S": 0.2, "_ANSWER_S": 0.5, "_SILENT_S": 1.0}.items():
        monkeypatch.setattr(f"cotgen.teachers.managed.served.{name}", seconds)
    question = Request("q", (Message("user", "What is 1 + 1?"),), Sampling(), 0)

    async def ask_a_hanging_server() -> None:
        async with recipe(tmp_path).teachers["t"].connect() as ask:
            os.kill(starts(tmp_path)[0].pids[0], signal.SIGSTOP)
            with pytest.raises(TeacherError, match="the engine died: it stopped answering") as said:
                await ask(question)
            assert said.value.retryable
            assert not said.value.costly
            assert len(await ask(question)) == 1

    asyncio.run(ask_a_hanging_server())
    assert len(starts(tmp_path)) == 2
    assert not any(map(lives, starts(tmp_path)))


def test_the_doctor_starts_the_server_and_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(raw_recipe(tmp_path)))
    command = [str(COTGEN), "doctor", str(path), "--outputs", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    assert "✓ n samples a request" in said
    (start,) = starts(tmp_path)
    assert not lives(start)
    assert list(tmp_path.glob("cotgen-vllm-*.log")) == []


def test_the_doctor_fails_where_the_server_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(raw_recipe(tmp_path, {"dies_at_start": "ValueError: too large"})))
    command = [str(COTGEN), "doctor", str(path), "--outputs", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "✗ starts" in ended.stdout
    assert "ValueError: too large" in ended.stdout
    assert ended.returncode == FAILED_ITEMS


# --- without a server ----------------------------------------------------------------------------

FAKE_VLLM = """
import json, os, re, sys, types
class SamplingParams:
    def __init__(self, **settings): self.__dict__.update(settings)
class LLM:
    def __init__(self, **options):
        self.options = options
        self.llm_engine = types.SimpleNamespace(
            model_config=types.SimpleNamespace(max_model_len=options.get("max_model_len", 5000)))
        self.write({"options": options, "pid": os.getpid()})
    def write(self, what):
        with open(os.environ["FAKE_LOG"], "a") as file: file.write(json.dumps(what) + "\\n")
    def get_tokenizer(self): return self
    def apply_chat_template(self, messages, **_): return messages[-1]["content"].split()
    def chat(self, conversations, params, *, use_tqdm, **how):
        goes_on = how["continue_final_message"]
        assert goes_on != how["add_generation_prompt"]
        self.write({"chunk": len(conversations), "goes_on": goes_on})
        if os.environ.get("DIES_ONCE") and not os.path.exists(os.environ["DIES_ONCE"]):
            open(os.environ["DIES_ONCE"], "w").close()
            sys.exit("MemoryError: that was too much")
        return [self.answer(m, p) for m, p in zip(conversations, params)]
    def answer(self, messages, params):
        chosen = types.SimpleNamespace(logprob=-0.5)
        return types.SimpleNamespace(
            prompt_token_ids=self.apply_chat_template(messages),
            outputs=[types.SimpleNamespace(
                text=f"The answer is {params.seed} {number}.", token_ids=[7], stop_reason=None,
                finish_reason="stop", logprobs=[{7: chosen}] if params.logprobs == 0 else None)
                for number in range(params.n)])
"""


def in_process(folder: Path, env: dict[str, str] | None = None, **teacher: Any) -> dict[str, Any]:
    (folder / "vllm.py").write_text(FAKE_VLLM)
    raw = raw_recipe(folder, command=[], mode="in_process", chunk=5, **teacher)
    raw["teachers"]["t"]["env"] = {
        "PYTHONPATH": str(folder),
        "FAKE_LOG": str(folder / "fake.jsonl"),
        **(env or {}),
    }
    return raw


def told(folder: Path, key: str) -> list[Any]:
    lines = map(json.loads, (folder / "fake.jsonl").read_text().splitlines())
    return [line[key] for line in lines if key in line]


def test_without_a_server_chunks_are_answered_and_written(tmp_path: Path) -> None:
    raw = in_process(tmp_path, tuning={"max-num-seqs": 4}, logprobs=True)
    assert_all_made(tmp_path, run(parse_recipe(raw), outputs=tmp_path))
    (options,) = told(tmp_path, "options")
    assert options == {
        "model": "some/model",
        "generation_config": "vllm",
        "enable_prefix_caching": True,
        "max_num_seqs": 4,
    }
    chunks = told(tmp_path, "chunk")
    assert sum(chunks) == PROBLEMS
    assert max(chunks) == 5
    texts = [
        "".join(step["text"] for step in attempt["steps"])
        for line in made(tmp_path).values()
        for attempt in line["attempts"]
    ]
    assert len(set(texts)) == len(texts), "samples without seeds of their own"
    assert not any(map(_is_running, told(tmp_path, "pid")))


def test_without_a_server_a_dead_engine_is_started_again(tmp_path: Path) -> None:
    raw = in_process(tmp_path, {"DIES_ONCE": str(tmp_path / "died")})
    assert_all_made(tmp_path, run(parse_recipe(raw), outputs=tmp_path))
    assert len(told(tmp_path, "pid")) == 2
    assert "MemoryError: that was too much" in (tmp_path / "v" / "run.log").read_text()


def ask_in_process(folder: Path, *requests: Request, **teacher: Any) -> list[object]:
    async def ask_all() -> list[object]:
        raw = in_process(folder, **teacher)
        async with parse_recipe(raw).teachers["t"].connect() as ask:
            return list(await asyncio.gather(*map(ask, requests), return_exceptions=True))

    return asyncio.run(ask_all())


def test_without_a_server_a_prompt_that_does_not_fit_costs_its_chunk_nothing(
    tmp_path: Path,
) -> None:
    sampling = Sampling(n=2, max_tokens=40)
    short, long = (
        Request("q", (Message("user", "word " * length),), sampling, 0) for length in (9, 11)
    )
    refused, answered = ask_in_process(tmp_path, long, short, max_model_len=50)
    assert isinstance(refused, TeacherError)
    assert not refused.retryable
    assert "11 tokens of prompt and max_tokens 40 are more than the model's 50" in str(refused)
    assert isinstance(answered, list)
    assert [(each.tokens, each.prompt_tokens) for each in answered] == [(1, 9), (1, 0)]


def test_without_a_server_unfinished_answers_are_gone_on_with(tmp_path: Path) -> None:
    prompt = Message("user", "q")
    fresh = Request("q", (prompt,), Sampling(), 0)
    begun = Request("q", (prompt, Message("assistant", "So")), Sampling(), 0)
    ask_in_process(tmp_path, fresh, begun, fresh)
    assert sorted(zip(told(tmp_path, "goes_on"), told(tmp_path, "chunk"), strict=True)) == [
        (False, 2),
        (True, 1),
    ]


# --- the parts -----------------------------------------------------------------------------------


def test_flags_are_spelled_as_vllm_spells_them() -> None:
    flags = joined(
        {"a_b": 1, "enable-c": True},
        {"a-b": 2, "--d": False, "e": {"k": 1}, "f": ["x", "y"], "g": "z"},
    )
    assert " ".join(command_line(flags)) == ('--a-b 2 --enable-c --no-d --e {"k": 1} --f x y --g z')
    assert keywords({"a-b": 1}) == {"a_b": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"args": {"port": 3}}, "port is no flag to give"),
        ({"tuning": {"max_model_len": 3}}, "max_model_len is no flag to give"),
        ({"mode": "in_process", "base_url": "http://x/v1"}, "asks no server"),
        ({"mode": "in_process", "extra_body": {"top_k": 1}}, "no extra_body"),
        ({"extra_body": {"seed": 1}}, "extra_body: seed: settings of their own"),
        ({"mode": "in_process", "args": ["--x"]}, "args as a mapping"),
        ({"mode": "in_process", "data_parallel": 2}, "data_parallel needs a server"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        VllmTeacher(model="m", **settings)


def test_a_folder_that_is_not_there_is_no_hub_id(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no such folder"):
        run(recipe(tmp_path, model=str(tmp_path / "absent")), outputs=tmp_path)


def test_suspects_are_asked_with_more_care_until_one_is_convicted() -> None:
    suspects: Suspects[int] = Suspects()
    assert suspects.blame(range(40)) == 0

    async def most_at_once() -> int:
        """Ask all together, and count how many are let in at once."""
        together, most = 0, 0

        async def ask(key: int) -> None:
            nonlocal together, most
            async with suspects.turn(key):
                together += 1
                most = max(most, together)
                await asyncio.sleep(0)
                together -= 1

        await asyncio.gather(*map(ask, range(40)))
        return most

    async def try_them() -> None:
        assert await most_at_once() == 16
        assert suspects.blame(range(16)) == 0
        suspects.acquit(5)
        assert await most_at_once() == 16 + 1 + 1  # One acquitted, and one of those twice blamed.

    asyncio.run(try_them())
    assert suspects.blame([7]) == 1
    assert suspects.is_convicted(7)
    assert not suspects.is_convicted(6)
