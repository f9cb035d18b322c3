"""Runs through a Batch API that fails and is slow: what is submitted is paid once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from batch_server import RunningBatchServer, Script, start_batch_server
from server import start_server

from cotgen import pipeline, progress, wiring
from cotgen.errors import RecipeError, StoreError, TeacherError
from cotgen.pipeline import run
from cotgen.protocols import Request
from cotgen.recipe import Recipe, parse_recipe
from cotgen.records import Message, Sampling
from cotgen.summary import Summary
from cotgen.teachers import OpenAITeacher
from cotgen.teachers.batch import api, courier, desk
from cotgen.teachers.batch.ledger import Ledger
from cotgen.teachers.batch.results import Results
from cotgen.teachers.batch.terms import Terms

PROBLEMS, SAMPLES = 12, 3
KEY = "sk-a-secret-that-nobody-may-read"
HASTE = {
    (desk, "_QUIET_S"): 0.2,
    (courier, "_FIRST_LOOK_S"): 0.05,
    (courier, "_FIRST_WAIT_S"): 0.02,
    (courier, "_SETTLE_S"): 0.1,
    (courier, "_ROOM_S"): 0.1,
    (wiring, "_FIRST_WAIT_S"): 0.005,
}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a fraction of what they are."""
    for (module, name), value in HASTE.items():
        monkeypatch.setattr(module, name, value)


def raw_recipe(url: str, n: int = SAMPLES, /, **teacher: object) -> dict[str, Any]:
    return {
        "name": "b",
        "seed": 3,
        "problems": {"kind": "generated", "limit": PROBLEMS},
        "teachers": {
            "t": {"kind": "openai", "model": "m", "base_url": url, "mode": "batch", **teacher}
        },
        "search": {"kind": "sample", "n": n, "prompt": "solve"},
        "verifier": {"kind": "exact"},
        "datasets": [{"kind": "sft"}, {"kind": "dpo"}],
    }


def recipe(url: str, n: int = SAMPLES, /, **teacher: object) -> Recipe:
    return parse_recipe(raw_recipe(url, n, **teacher))


def go(server: RunningBatchServer, outputs: Path, n: int = SAMPLES, **teacher: object) -> Summary:
    return run(recipe(server.url, n, **teacher), outputs=outputs)


def made(outputs: Path) -> dict[str, object]:
    """What a run made, but for its recipe, its times and its log, and the teacher's own notes."""
    folder = outputs / "b"
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == "journal.jsonl":
            found[name] = sorted(path.read_bytes().splitlines())
        elif path.name == "summary.json":
            found[name] = {**json.loads(path.read_text()), "seconds": None}
        elif (
            path.is_file()
            and "teachers" not in path.relative_to(folder).parts
            and path.name not in (".lock", "run.log", "recipe.yaml")
        ):
            found[name] = path.read_bytes()
    return found


def own_files(outputs: Path) -> list[str]:
    """What the teacher keeps for itself."""
    return sorted(path.name for path in (outputs / "b/teachers/t").iterdir())


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the same recipe makes without batches."""
    outputs = tmp_path_factory.mktemp("online")
    with start_server(outputs, latency_ms=1) as server:
        run(recipe(server.url, mode="online"), outputs=outputs)
    return made(outputs)


def assert_made(outputs: Path, wanted: dict[str, object]) -> None:
    """Name the files that differ: their contents are too long to be read."""
    found = made(outputs)
    names = found.keys() | wanted.keys()
    assert [name for name in sorted(names) if found.get(name) != wanted.get(name)] == []


def assert_submitted_once(server: RunningBatchServer) -> None:
    submitted = server.submitted()
    assert len(submitted) == PROBLEMS
    assert set(submitted.values()) == {1}


# --- the way of a batch --------------------------------------------------------------------------


def test_a_run_in_batches_makes_what_it_makes_online(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path) as server:
        go(server, tmp_path)
        assert_submitted_once(server)
        assert (server.count("uploaded"), server.count("created")) == (1, 1)
    assert_made(tmp_path, online)
    assert own_files(tmp_path) == ["batches.jsonl"]


def test_the_log_says_what_is_waited_for(tmp_path: Path) -> None:
    with start_batch_server(tmp_path) as server:
        go(server, tmp_path)
    log = (tmp_path / "b/run.log").read_text()
    assert f"in_progress 0/{PROBLEMS}" in log
    assert f"completed {PROBLEMS}/{PROBLEMS}" in log


def test_the_progress_lines_say_what_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", 0.02)
    monkeypatch.setattr(pipeline, "_BEAT_S", 0.05)
    with start_batch_server(tmp_path, Script(seconds=1)) as server:
        asked = recipe(server.url)
        asyncio.run(pipeline.run_async(asked, outputs=tmp_path, watch=progress.Progress(asked)))
    said = capsys.readouterr().err.splitlines()
    waiting = [line for line in said if f"in_progress 0/{PROBLEMS}" in line]
    # Said once, not at every beat.
    assert len(waiting) == 1
    assert waiting[0].startswith(f"search 0/{PROBLEMS} searches · batch batch_")
    assert "in flight" not in waiting[0]


def test_waves_make_batches_one_after_the_other(tmp_path: Path) -> None:
    made_by: list[dict[str, object]] = []
    for mode in ("online", "batch"):
        outputs = tmp_path / mode
        with start_server(tmp_path) as chat, start_batch_server(tmp_path) as batches:
            url = chat.url if mode == "online" else batches.url
            raw = raw_recipe(url, mode=mode)
            raw["search"] |= {"n": 8, "wave": 2, "until": {"correct": 5}}
            run(parse_recipe(raw), outputs=outputs)
            made_by.append(made(outputs))
            assert batches.count("created") == (0 if mode == "online" else 3)
    assert_made(tmp_path / "batch", made_by[0])


def test_a_limit_holds_for_batches_too_and_the_next_run_goes_on(
    online: dict[str, object], tmp_path: Path
) -> None:
    raw = raw_recipe("", price={"input": 1, "output": 100})
    raw["limits"] = {"attempts": 21}
    with start_batch_server(tmp_path) as server:
        raw["teachers"]["t"]["base_url"] = server.url
        states: list[tuple[str, int]] = []
        while not states or states[-1][0] != "complete":
            summary = run(parse_recipe(raw), outputs=tmp_path)
            states.append((summary.state, summary.attempts))
        assert states == [("limit", 21), ("complete", 36)]
        assert_submitted_once(server)
    journal = (tmp_path / "b/journal.jsonl").read_text().splitlines()
    tokens = [each for line in journal for each in json.loads(line)["completions"]]
    micros = sum(each["prompt_tokens"] + 100 * each["tokens"] for each in tokens)
    assert summary.cost_usd == micros / 1e6


@pytest.mark.parametrize("concurrency", ["auto", 100])
def test_no_batch_holds_more_requests_than_allowed(
    online: dict[str, object], tmp_path: Path, concurrency: object
) -> None:
    with start_batch_server(tmp_path, Script(seconds=0.5)) as server:
        go(server, tmp_path, batch_requests=5, concurrency=concurrency)
        sizes = [len(event.requests) for event in server.log() if event.event == "created"]
        assert sorted(sizes) == [2, 5, 5]
        assert_submitted_once(server)
        began = [event.time for event in server.log() if event.event == "created"]
    # With room for all searches the batches are under way together.
    assert (max(began) - min(began) < 0.5) == (concurrency == 100)
    assert_made(tmp_path, online)


def test_no_batch_is_larger_than_allowed(tmp_path: Path) -> None:
    teacher = OpenAITeacher(model="m", base_url="http://x/v1", mode="batch")
    texts = [f"What is {number} + 1? " + "x" * 1000 for number in range(6)]

    async def ask_all(url: str) -> None:
        terms = Terms("m", "K", "/v1/chat/completions", teacher.body, 9, 9, 3000, 5)
        async with (
            api.opened(url, {}, "m", ("K", "")) as live,
            desk.opened(terms, live, tmp_path / "own") as ask,
        ):
            found = await asyncio.gather(
                *(ask(Request(t, (Message("user", t),), Sampling(), 0)) for t in texts)
            )
        assert [len(each) for each in found] == [1] * 6

    with start_batch_server(tmp_path) as server:
        asyncio.run(ask_all(server.url))
        assert [len(each.requests) for each in server.log() if each.event == "created"] == [2, 2, 2]


def test_a_server_that_ignores_n_is_asked_for_the_rest_in_the_next_batch(tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(honour_n=False)) as server:
        summary = go(server, tmp_path)
        assert set(server.submitted().values()) == {1}
        assert server.count("created") < 4
    assert summary.attempts == PROBLEMS * SAMPLES


def test_samples_beyond_those_under_way_are_asked_for_alone(tmp_path: Path) -> None:
    """Raising n while a batch is under way pays for the difference only."""
    with start_batch_server(tmp_path, Script(hold="poll")) as server:
        kill_when_held(server, tmp_path)
        summary = go(server, tmp_path, n=SAMPLES + 2)
        assert server.count("created") == 2
        assert set(server.submitted().values()) == {1}
        assert len(server.submitted()) == 2 * PROBLEMS
    assert summary.attempts == PROBLEMS * (SAMPLES + 2)


def test_samples_that_nobody_asks_for_now_are_kept_for_later(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(hold="poll")) as server:
        kill_when_held(server, tmp_path)
        assert go(server, tmp_path, n=1).attempts == PROBLEMS
        go(server, tmp_path)
        assert_submitted_once(server)
    files = made(tmp_path)
    assert files["attempts.jsonl"] == online["attempts.jsonl"]


# --- kills ---------------------------------------------------------------------------------------

_PATCHED = "\n".join(
    [
        "from cotgen import wiring",
        "from cotgen.teachers.batch import courier, desk",
        *(
            f"{module.__name__.rpartition('.')[2]}.{name} = {value}"
            for (module, name), value in HASTE.items()
        ),
    ]
)
_RUN = "\nfrom cotgen.cli import app\napp()"


def begin(
    server: RunningBatchServer, outputs: Path, code: str = "", n: int = SAMPLES
) -> subprocess.Popen[str]:
    path = outputs / "recipe.json"
    path.write_text(json.dumps(raw_recipe(server.url, n)))  # JSON is YAML.
    command = [sys.executable, "-c", _PATCHED + code + _RUN, "run"]
    command += [str(path), "--outputs", str(outputs)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def kill_when_held(server: RunningBatchServer, outputs: Path) -> None:
    process = begin(server, outputs)
    deadline = time.monotonic() + 90
    while not server.count("held"):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    "moment",
    ["before upload", "upload", "before create", "create", "poll", "download"],
)
def test_a_run_that_is_killed_finds_its_batch_again(
    online: dict[str, object], tmp_path: Path, moment: str
) -> None:
    with start_batch_server(tmp_path, Script(hold=moment)) as server:
        kill_when_held(server, tmp_path)
        process = begin(server, tmp_path)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        assert_submitted_once(server)
        assert (server.count("uploaded"), server.count("created")) == (1, 1)
    assert_made(tmp_path, online)
    assert own_files(tmp_path) == ["batches.jsonl"]


_DIES_AT_AN_ENTRY = """
import os, signal
from cotgen.store.journal import Journal
append, left = Journal.append, [3]
def mortal(self, entry):
    append(self, entry)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Journal.append = mortal
"""


def test_a_run_that_is_killed_while_it_journals_downloads_nothing_again(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path) as server:
        process = begin(server, tmp_path, _DIES_AT_AN_ENTRY)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == -signal.SIGKILL, said
        assert len((tmp_path / "b/journal.jsonl").read_bytes().splitlines()) == 3
        go(server, tmp_path)
        assert_submitted_once(server)
        assert server.count("downloaded") == 1
    assert_made(tmp_path, online)


def test_what_failed_before_a_kill_is_tried_again_by_every_run(tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(bad_share=0.3)) as server:
        process = begin(server, tmp_path, _DIES_AT_AN_ENTRY, n=1)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == -signal.SIGKILL, said
        submitted = [server.submitted().total()]
        for _ in range(2):
            assert go(server, tmp_path, n=1).failed["search"] > 0
            submitted.append(server.submitted().total())
    assert submitted[0] < submitted[1] < submitted[2]


def test_a_batch_that_is_created_while_older_ones_fill_pages_is_found(tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(hold="create", max_per_page=1)) as server:
        kill_when_held(server, tmp_path)
        for number in range(3):
            raw = raw_recipe(server.url) | {"name": f"other-{number}"}
            run(parse_recipe(raw), outputs=tmp_path)
        go(server, tmp_path)
        assert server.count("created") == 4


def test_a_batch_is_not_taken_for_that_of_another_run_with_the_same_requests(
    tmp_path: Path,
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    with start_batch_server(tmp_path, Script(hold="before create")) as server:
        kill_when_held(server, one)
        go(server, two)
        go(server, one)
        assert server.count("created") == 2


def test_what_a_kill_tore_is_no_line_of_the_ledger(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(hold="poll")) as server:
        kill_when_held(server, tmp_path)
        ledger = tmp_path / "b/teachers/t/batches.jsonl"
        assert b'"created"' in ledger.read_bytes()
        os.truncate(ledger, ledger.stat().st_size - 5)
        go(server, tmp_path)
        assert_submitted_once(server)
    assert_made(tmp_path, online)


def test_a_damaged_ledger_stops_the_run(tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(hold="poll")) as server:
        kill_when_held(server, tmp_path)
        ledger = tmp_path / "b/teachers/t/batches.jsonl"
        ledger.write_bytes(b"#" + ledger.read_bytes())
        with pytest.raises(StoreError, match=r"batches\.jsonl, byte 0: damaged"):
            go(server, tmp_path)
        assert_submitted_once(server)


def test_requests_under_way_are_not_paid_again_online(tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(hold="poll")) as server:
        kill_when_held(server, tmp_path)
        with pytest.raises(RecipeError, match="1 batches are under way"):
            go(server, tmp_path, mode="online")


# --- failures ------------------------------------------------------------------------------------


def test_requests_that_fail_for_a_passing_reason_go_into_the_next_batch(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(passing_share=0.4)) as server:
        go(server, tmp_path)
        times = server.submitted().values()
        assert server.count("created") == 2
        assert (min(times), max(times)) == (1, 2)
    assert_made(tmp_path, online)


def test_requests_that_are_refused_are_lines_and_tried_again_by_the_next_run(
    tmp_path: Path,
) -> None:
    with start_batch_server(tmp_path, Script(bad_share=0.4)) as server:
        summary = go(server, tmp_path, n=1)
        failed = summary.failed["search"]
        assert 0 < failed < PROBLEMS
        assert summary.reasons == {"HTTP 400: scripted poison": failed}
        assert set(server.submitted().values()) == {1}
        assert go(server, tmp_path, n=1).failed["search"] == failed
        again = server.submitted().values()
        assert sum(again) == PROBLEMS + failed


def test_what_came_before_a_batch_expired_is_kept(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(expired_share=0.5)) as server:
        go(server, tmp_path)
        first, second = (set(each.requests) for each in server.log() if each.event == "created")
        assert len(first) == PROBLEMS
        assert 0 < len(second) < PROBLEMS
        assert second < first
    assert_made(tmp_path, online)


def test_a_batch_that_somebody_cancelled_is_not_sent_again_by_this_run(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(cancelled=True)) as server:
        failed = go(server, tmp_path).failed["search"]
        assert 0 < failed < PROBLEMS
        assert server.count("created") == 1
        go(server, tmp_path)
        assert sum(server.submitted().values()) == PROBLEMS + failed
    assert_made(tmp_path, online)


def test_a_server_whose_every_call_fails_at_first_is_not_paid_twice(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(broken=2)) as server:
        go(server, tmp_path)
        assert_submitted_once(server)
        assert (server.count("uploaded"), server.count("created")) == (1, 1)
    assert_made(tmp_path, online)


@pytest.mark.parametrize("moment", ["upload", "create"])
def test_a_submission_without_an_answer_is_looked_for_before_it_is_repeated(
    online: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(api, "_SILENT_S", 0.3)
    with start_batch_server(tmp_path, Script(hold=moment)) as server:
        go(server, tmp_path)
        assert_submitted_once(server)
        assert (server.count("uploaded"), server.count("created")) == (1, 1)
    assert_made(tmp_path, online)


def test_polls_without_an_answer_are_repeated(
    online: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_SILENT_S", 0.2)
    with start_batch_server(tmp_path, Script(silent=2)) as server:
        go(server, tmp_path)
        assert_submitted_once(server)
    assert_made(tmp_path, online)


@pytest.mark.parametrize("endless", [False, True])
def test_downloads_that_are_cut_are_repeated(
    online: dict[str, object], tmp_path: Path, endless: bool
) -> None:
    with start_batch_server(tmp_path, Script(cut=2, endless=endless)) as server:
        go(server, tmp_path)
        assert_submitted_once(server)
    assert_made(tmp_path, online)


def test_a_server_that_is_away_for_too_long_is_left_and_the_next_run_fetches(
    online: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_SILENT_S", 0.3)
    with start_batch_server(tmp_path, Script(hold="poll")) as server:
        with pytest.raises(TeacherError, match="run again to fetch it"):
            go(server, tmp_path, outage_s=0.1)
        go(server, tmp_path)
        assert_submitted_once(server)
    assert_made(tmp_path, online)


def test_a_batch_that_finds_no_room_waits_for_it(online: dict[str, object], tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(refusal="token_limit_exceeded")) as server:
        go(server, tmp_path)
        assert_submitted_once(server)
        assert server.count("uploaded") == 1
    assert_made(tmp_path, online)


def test_a_batch_that_finds_no_room_for_too_long_is_too_large(tmp_path: Path) -> None:
    with (
        start_batch_server(tmp_path, Script(refusal="token_limit_exceeded")) as server,
        pytest.raises(RecipeError, match=r"token_limit_exceeded: refused\. Make batches smaller"),
    ):
        go(server, tmp_path, outage_s=1e-9)


def test_a_batch_that_is_refused_is_the_users_to_mend(
    online: dict[str, object], tmp_path: Path
) -> None:
    with start_batch_server(tmp_path, Script(refusal="model_not_found")) as server:
        with pytest.raises(RecipeError, match="was refused: model_not_found: refused"):
            go(server, tmp_path)
        go(server, tmp_path)
        assert_submitted_once(server)
    assert_made(tmp_path, online)


def test_a_wrong_key_is_the_users_to_mend_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with start_batch_server(tmp_path, Script(api_key="another")) as server:
        with pytest.raises(RecipeError, match=r"refused the key in OPENAI_API_KEY") as caught:
            go(server, tmp_path)
        assert KEY not in str(caught.value) + (tmp_path / "b/run.log").read_text()
        assert server.count("uploaded") == 0
        monkeypatch.setenv("OPENAI_API_KEY", "another")
        go(server, tmp_path)
        assert_submitted_once(server)


def test_a_server_without_batches_is_named(tmp_path: Path) -> None:
    with (
        start_server(tmp_path) as server,
        pytest.raises(RecipeError, match=r"HTTP 404 from POST .*/v1/files"),
    ):
        run(recipe(server.url), outputs=tmp_path)


def test_a_batch_of_another_account_is_not_bought_again(tmp_path: Path) -> None:
    with start_batch_server(tmp_path, Script(hold="poll")) as first:
        kill_when_held(first, tmp_path)
    with start_batch_server(tmp_path) as second:
        with pytest.raises(RecipeError, match="were api_key_env or base_url changed"):
            go(second, tmp_path)
        assert second.count("created") == 0


@pytest.mark.parametrize(
    "wrong",
    [{"transport": "sdk"}, {"base_url": None, "base_urls": ["http://a/v1", "http://b/v1"]}],
)
def test_batches_take_one_address_and_our_own_requests(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="mode: batch takes one base_url and transport: http"):
        recipe("http://x/v1", **wrong)


# --- the files -----------------------------------------------------------------------------------


def test_results_with_broken_characters_are_read(tmp_path: Path) -> None:
    body = {"choices": [{"message": {"content": "a\ud800b"}}], "usage": {"completion_tokens": 2}}
    good = {"custom_id": "k-0", "response": {"status_code": 200, "body": body}}
    path = tmp_path / "x.results"
    path.write_text("\n" + "not JSON\n" + json.dumps(good) + "\n")

    async def places(results: Results) -> list[tuple[str, int]]:
        return [place async for place in results.places()]

    results = Results(path, "m", "K")
    [(custom_id, offset)] = asyncio.run(places(results))
    [completion] = results.at(offset, 1)
    results.close()
    assert (custom_id, completion.text, completion.tokens) == ("k-0", "a\ufffdb", 2)


def test_the_ledger_is_on_disk_before_it_is_believed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batches.jsonl")
    known = ledger.intend("x", ())
    ledger.note(known, "uploaded", "file-1")
    again = Ledger(tmp_path / "batches.jsonl")
    assert (again.batches["x"].step, again.batches["x"].file) == ("uploaded", "file-1")
    again.close()
    ledger.close()
