"""Runs that nobody sits beside: stopped, watched by programs, listed, told of."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import test_kill as kit
from server import Server, start_server

from cotgen import cli, listing
from cotgen.ending import Ending, Stop
from cotgen.errors import (
    DONE,
    FAILED_ITEMS,
    INTERRUPTED,
    LIMIT,
    USER_MISTAKE,
    LimitReached,
    RecipeError,
    Stopped,
)
from cotgen.limits import Budget, Limits
from cotgen.notifying import Notify, tell
from cotgen.operating import one_line
from cotgen.recipe import parse_recipe
from cotgen.summary import State, Summary, read_summary, write_summary

COTGEN = kit.COTGEN
SCRIPTED = Path(__file__).parents[1] / "recipes" / "scripted.yaml"
SMALL = ("run", SCRIPTED, "--limit", "6", "--set", "search.n=4", "--set", "datasets=[]")


def cotgen(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(each) for each in (COTGEN, *arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


# --- stopping ------------------------------------------------------------------------------------


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Server]:
    with start_server(tmp_path, latency_ms=1500) as server:
        yield server


def begun(server: Server, outputs: Path, *sets: str) -> subprocess.Popen[str]:
    """A run with requests in flight."""
    recipe = kit.write_recipe(outputs, server.url, problems=8)
    command: list[str | Path] = [COTGEN, "run", recipe, "--outputs", outputs]
    command += [part for each in sets for part in ("--set", each)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    end = time.monotonic() + 60
    while sum(event.event == "arrived" for event in server.log()) < kit.AT_ONCE:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_first_signal_awaits_what_is_in_flight(slow: Server, tmp_path: Path, name: str) -> None:
    process = begun(slow, tmp_path)
    os.killpg(process.pid, signal.Signals[name])
    said = kit.said_at_its_end(process)
    assert process.returncode == INTERRUPTED, said
    assert "4 requests in flight, up to 25 s; Ctrl-C again stops now" in said
    assert "nothing finished is lost, run again to go on" in said
    assert len(kit.bought(tmp_path / "k")) == kit.AT_ONCE * kit.SAMPLES
    # No request was sent after the signal.
    assert sum(event.event == "arrived" for event in slow.log()) == kit.AT_ONCE
    summary = read_summary(tmp_path / "k")
    assert summary.state == "stopped"
    # What was bought is known at once, what came of it is not.
    assert summary.tokens > summary.prompt_tokens > 0
    assert "0 of 0" not in one_line(summary, "")


def test_the_second_signal_stops_at_once(slow: Server, tmp_path: Path) -> None:
    process = begun(slow, tmp_path)
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(0.3)
    asked = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said = kit.said_at_its_end(process)
    assert time.monotonic() - asked < 2
    assert process.returncode == INTERRUPTED, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert kit.bought(tmp_path / "k") == set()


@pytest.mark.parametrize("loaded", ["cotgen.cli", "cotgen.recipe", "cotgen.pipeline"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_while_modules_are_loaded_is_heard(tmp_path: Path, loaded: str, name: str) -> None:
    # The signal comes when the module is looked for, on whatever machine.
    code = f"""
import os, signal, sys
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == {loaded!r}:
            os.kill(os.getpid(), signal.{name})
sys.meta_path.insert(0, Sender())
sys.argv = ["cotgen", "run", {str(SCRIPTED)!r}, "--outputs", {str(tmp_path)!r}]
from cotgen.__main__ import main
main()
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == INTERRUPTED, said
    assert ("interrupted" if name == "SIGINT" else "interrupted by SIGTERM") in said.stderr
    assert "Traceback" not in said.stderr
    assert not (tmp_path / "scripted").exists()


def test_what_takes_longer_than_the_grace_is_given_up(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=30_000) as server:
        process = begun(server, tmp_path, "limits.grace_s=0.5")
        os.killpg(process.pid, signal.SIGTERM)
        said = kit.said_at_its_end(process, within_s=10)
    assert process.returncode == INTERRUPTED, said
    assert read_summary(tmp_path / "k").unaccounted == kit.AT_ONCE


def test_a_stop_before_a_stage_begins_keeps_it_from_beginning() -> None:
    async def go() -> None:
        ending, stop = Ending(Budget({}), Limits()), Stop()
        stop.ask("interrupted by SIGTERM")
        stop.tell(ending.stop)

        async def work() -> int:
            raise AssertionError

        with pytest.raises(Stopped, match="SIGTERM"):
            await ending.mind(work())

    asyncio.run(go())


def test_judging_ends_some_time_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotgen.ending._LEAST_OVERTIME_S", 0.05)

    async def go() -> None:
        ending = Ending(Budget({}), Limits(deadline=0.1, grace_s=0))
        ending.watch_the_clock()

        async def judge() -> int:
            await asyncio.sleep(60)
            return 1

        with pytest.raises(LimitReached, match="deadline"):
            await ending.mind(judge())
        ending.close()

    asyncio.run(asyncio.wait_for(go(), 5))


@pytest.mark.skipif(not shutil.which("faketime"), reason="faketime is not installed")
def test_a_clock_that_was_set_back_by_a_year_changes_nothing(tmp_path: Path) -> None:
    first = cotgen(*SMALL, "--until", "search", cwd=tmp_path)
    assert first.returncode == DONE, first.stderr
    command: list[str | Path] = [
        "faketime",
        "-f",
        "-365d",
        COTGEN,
        *SMALL,
        "--set",
        "limits.deadline=1h",
    ]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == DONE, again.stderr
    assert read_summary(tmp_path / "outputs/scripted").state == "complete"


# --- a full disk ---------------------------------------------------------------------------------


def test_files_that_may_not_grow_end_the_run_in_a_clear_line(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=20) as server:
        recipe = kit.write_recipe(tmp_path, server.url, problems=20)
        limited = f"ulimit -f 20; exec {COTGEN} run {recipe} --outputs {tmp_path}"
        done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
        assert done.returncode == USER_MISTAKE, done.stderr
        assert "File too large" in done.stderr
        assert "Traceback" not in done.stderr
        assert kit.finish(recipe, tmp_path)
    assert read_summary(tmp_path / "k").state == "complete"


# --- watching ------------------------------------------------------------------------------------


def test_quietly_a_run_is_one_line(tmp_path: Path) -> None:
    done = cotgen(*SMALL, "--quiet", cwd=tmp_path)
    assert done.returncode == DONE
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith("scripted: complete · 6 of 6 problems solved · 24 attempts")


def test_quietly_a_mistake_is_still_told(tmp_path: Path) -> None:
    cotgen(*SMALL, "--quiet", cwd=tmp_path)
    done = cotgen(*SMALL, "--quiet", "--set", "seed=9", cwd=tmp_path)
    assert done.returncode == USER_MISTAKE
    assert "jsonl was made with other settings" in done.stderr


def test_json_events_tell_a_run_from_its_start_to_its_end(tmp_path: Path) -> None:
    done = cotgen(*SMALL, "--json", "--set", "limits.attempts=10", cwd=tmp_path)
    assert done.returncode == LIMIT
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["started", "finished"]
    assert all(each["time"].endswith("+00:00") for each in events)
    stages = [each["stage"] for each in events if each["event"] == "stage_ended"]
    assert stages == ["load", "search", "verify", "chain", "emit"]
    (limit,) = [each for each in events if each["event"] == "limit_reached"]
    assert "limits.attempts is reached" in limit["said"]
    (search,) = [
        each for each in events if each["event"] == "progress" and each["stage"] == "search"
    ]
    (teacher,) = search["teachers"].values()
    assert (teacher["done"], teacher["owed"], teacher["in_flight"]) == (2, 6, 0)
    ended = events[-1]
    assert (ended["state"], ended["exit_code"]) == ("limit", LIMIT)
    assert ended["summary"] == json.loads((tmp_path / "outputs/scripted/summary.json").read_text())


def test_nobody_reading_the_events_does_not_end_the_run(tmp_path: Path) -> None:
    run = shlex.join(map(str, (COTGEN, *SMALL)))
    command = f"{run} --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[1] == "0", done.stderr
    assert read_summary(tmp_path / "outputs/scripted").state == "complete"


def test_several_teachers_have_a_line_each(tmp_path: Path) -> None:
    sets = [f"teachers.{name}={{kind: scripted}}" for name in ("first", "second")]
    flags = [part for each in sets for part in ("--set", each)]
    done = cotgen(*SMALL, *flags, cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    lines = [line.split()[0] for line in done.stderr.splitlines()]
    assert lines.count("first") == lines.count("second") == 1


# --- listing -------------------------------------------------------------------------------------


@contextmanager
def held(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        file.write("process 1 on here, since then")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_runs_are_listed_with_state_yield_and_cost(tmp_path: Path) -> None:
    states: tuple[State, ...] = ("complete", "failed", "limit", "stopped")
    for number, state in enumerate(states):
        folder = tmp_path / state
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")
        summary = Summary(name=state, problems=5, solved=number, cost_usd=0.1, state=state)
        summary.failed = {"search": 2 if state == "failed" else 0}
        write_summary(folder, summary)
        os.utime(folder / "summary.json", (number, number))
        os.utime(folder / "manifest.json", (0, 0))
    (tmp_path / "stopped/.lock").write_text("process 1 on here, since then")
    (tmp_path / "no-run").mkdir()
    with held(tmp_path / "limit"):
        found = listing.listed(tmp_path)
    assert [(run.name, run.state) for run in found] == [
        ("complete", "complete"), ("failed", "failed"), ("limit", "running"), ("stopped", "killed"),
    ]  # fmt: skip
    assert found[2].said == "process 1 on here, since then"
    assert found[1].last_activity == "1970-01-01T00:00:01+00:00"
    shown = cotgen("runs", "--outputs", tmp_path, cwd=tmp_path).stdout
    assert "failed, 2 failed" in shown
    assert "0/5" in shown
    assert "$0.10" in shown
    told = cotgen("runs", "--outputs", tmp_path, "--json", cwd=tmp_path).stdout
    assert [json.loads(line)["solved"] for line in told.splitlines()] == [0, 1, 2, 3]


def test_hundreds_of_runs_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(500):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")
        write_summary(folder, Summary(name=folder.name, state="complete"))
    started = time.process_time()
    assert len(listing.listed(tmp_path)) == 500
    assert time.process_time() - started < 1


@contextmanager
def nobody() -> Iterator[None]:
    """Root, who may read everything, as a user who may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_read_hides_no_run(tmp_path: Path) -> None:
    for name in ("lost+found", "run"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    for folder in (tmp_path, tmp_path / "run"):
        folder.chmod(0o755)
    (tmp_path / "lost+found").chmod(0)
    try:
        with chdir(tmp_path), nobody():  # What is above may be closed to others.
            assert not os.access("lost+found", os.X_OK, effective_ids=True)
            assert [run.name for run in listing.listed(Path())] == ["run"]
    finally:
        (tmp_path / "lost+found").chmod(0o700)


def test_a_name_of_several_lines_is_one_line_of_the_list(tmp_path: Path) -> None:
    for name in ("a\nb\tc\x1b[2J", os.fsdecode(b"d\xff")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    said = cotgen("runs", "--outputs", tmp_path, cwd=tmp_path).stdout
    lines = [line.split("  ")[0] for line in said.splitlines()]
    assert sorted(lines) == [r"a\nb\tc\x1b[2J", r"d\udcff", "run"]
    told = cotgen("runs", "--outputs", tmp_path, "--json", cwd=tmp_path).stdout
    names = {json.loads(line)["name"] for line in told.splitlines()}
    assert names == {"a\nb\tc\x1b[2J", r"d\udcff"}


def test_a_run_is_found_by_name_beside_another_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "outputs/data").mkdir(parents=True)
    (tmp_path / "outputs/data/manifest.json").write_text("{}")
    (tmp_path / "data").mkdir()
    with chdir(tmp_path):
        assert cli._folder("data", Path("outputs")) == Path("outputs/data")
        assert cli._folder("outputs/data", Path("outputs")) == Path("outputs/data")
        (tmp_path / "data/manifest.json").write_text("{}")
        assert cli._folder("data", Path("outputs")) == Path("data")


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is no folder"):
        listing.listed(tmp_path / "none")


# --- telling -------------------------------------------------------------------------------------


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """A webhook's server: its address, and what it was posted."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            posted.append(json.loads(self.rfile.read(length)))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret", posted
        server.shutdown()
        thread.join()


def test_a_command_and_a_webhook_are_told_of_the_end(tmp_path: Path) -> None:
    script = (
        "import sys, os; open('told', 'w').write(sys.stdin.read() + os.environ['COTGEN_STATE'])"
    )
    recipe = tmp_path / "r.json"
    raw = parse_settings() | {"notify": {"command": [sys.executable, "-c", script]}}
    with hook() as (address, posted):
        raw["notify"]["webhook"] = address
        recipe.write_text(json.dumps(raw))
        done = cotgen("run", recipe, "--quiet", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert done.stderr == ""
    told = (tmp_path / "told").read_text()
    assert told.endswith("}complete")
    ended = json.loads(told.removesuffix("complete"))
    assert posted == [ended]
    assert (ended["run"], ended["exit_code"], ended["summary"]["problems"]) == ("n", 0, 3)
    assert ended["text"] == done.stdout.strip()


def parse_settings() -> dict[str, Any]:
    raw = {
        "name": "n",
        "problems": {"kind": "generated", "limit": 3},
        "teachers": {"t": {"kind": "scripted"}},
        "search": {"kind": "sample", "n": 2},
        "verifier": {"kind": "math"},
    }
    parse_recipe(raw)
    return raw


def test_failing_to_tell_is_a_warning_and_changes_no_exit_code(tmp_path: Path) -> None:
    recipe = tmp_path / "r.json"
    with hook(status=500) as (address, _):
        notify = {"command": ["/no/such/program"], "webhook": address}
        recipe.write_text(json.dumps(parse_settings() | {"notify": notify}))
        done = cotgen("run", recipe, "--quiet", cwd=tmp_path)
    assert done.returncode == DONE
    assert done.stderr.splitlines() == [
        "cotgen: notify.command: /no/such/program: No such file or directory",
        "cotgen: notify.webhook: HTTP 500",
    ]


def test_a_webhook_of_the_environment_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "http://hooks.example/T0/secret")
    (said,) = tell(Notify(webhook_env="HOOK"), b"{}", {})
    assert said == (
        "notify.webhook_env: an address starts with https:// (http:// only on this machine)"
    )
    monkeypatch.delenv("HOOK")
    (said,) = tell(Notify(webhook_env="HOOK"), b"{}", {})
    assert said == "notify.webhook_env: HOOK is not set in the environment"


def test_a_redirect_is_not_followed() -> None:
    with hook(status=307) as (address, posted):
        (said,) = tell(Notify(webhook=address), b"{}", {})
    assert said == "notify.webhook: HTTP 307"
    assert len(posted) == 1


def test_a_command_that_hangs_is_ended() -> None:
    (said,) = tell(Notify(command=("sleep", "60"), timeout_s=0.2), b"{}", {})
    assert said == "notify.command: not done after 0.2 s"


def test_only_failures_are_told_if_that_is_asked_for(tmp_path: Path) -> None:
    notify = Notify(command=("touch", str(tmp_path / "told")), on="failure")
    assert list(tell(notify, b"{}", {"COTGEN_EXIT_CODE": str(DONE)})) == []
    assert not (tmp_path / "told").exists()
    assert list(tell(notify, b"{}", {"COTGEN_EXIT_CODE": str(FAILED_ITEMS)})) == []
    assert (tmp_path / "told").exists()


@pytest.mark.parametrize(
    "address",
    ["http://example.com/x", "ftp://example.com", "nonsense", "https://[1", "https://a.b/c d"],
)
def test_an_address_that_would_be_read_by_others_is_refused(address: str) -> None:
    with pytest.raises(RecipeError, match="notify: an address starts with https"):
        parse_recipe(parse_settings() | {"notify": {"webhook": address}})
