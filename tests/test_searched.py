"""The process that writes attempts: its table is the one that this process would have written."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from server import Fault, FaultScript, Server, samples_served, start_server

from cotgen import Recipe, parse_recipe, run, searched
from cotgen.ending import Stop
from cotgen.errors import Stopped, StoreError
from cotgen.pipeline import run_async
from cotgen.searched import Paid
from cotgen.store.lines import LineFile
from cotgen.store.table import Encoded
from cotgen.summary import Summary
from cotgen.wiring import Sampler
from cotgen.workers import children

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="the second process needs Linux and a second core",
)
PROBLEMS, SAMPLES = 240, 4
BEFORE = 20
"""So many searches begin before the second process is there."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with start_server(tmp_path, latency_ms=30) as started:
        yield started


def raw_recipe(
    folder: Path, url: str, name: str, at_once: int = 6, **search: object
) -> dict[str, Any]:
    problems = folder / "problems.jsonl"
    rows = [
        {"id": f"p{number}", "question": f"What is {number} + 1?", "answer": f"{number + 1}"}
        for number in range(PROBLEMS)
    ]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "name": name,
        "problems": {"kind": "jsonl", "path": str(problems), "split": "train"},
        "teachers": {
            "t": {"kind": "openai", "model": "m", "base_url": url, "concurrency": at_once}
        },
        "search": {"kind": "sample", "n": SAMPLES, "prompt": "question"} | search,
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}],
    }


def recipe(folder: Path, url: str, name: str, at_once: int = 6, **search: object) -> Recipe:
    return parse_recipe(raw_recipe(folder, url, name, at_once, **search))


def searching(recipe: Recipe, outputs: Path) -> Summary:
    return run(recipe, outputs=outputs, until="search")


def table(folder: Path) -> bytes:
    return (folder / "attempts.jsonl").read_bytes()


def assert_as_written_here(name: str, server: Server, outputs: Path) -> None:
    """The table is the one of a run without a second process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searched, "_MANY", sys.maxsize)
        searching(recipe(outputs, server.url, "here"), outputs)
    assert table(outputs / name) == table(outputs / "here")


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[Paid]:
    """A second process is started at once, and most searches wait for it; what it is handed is
    written down."""
    monkeypatch.setattr(searched, "_MANY", 0)
    found: list[Paid] = []
    put, start, room = searched._Beside.put, searched.Searches._started, searched.Searches.room
    begun, settled = 0, False

    async def started(self: searched.Searches, over: asyncio.Event) -> Any:
        nonlocal settled
        try:
            return await start(self, over)
        finally:
            settled = True

    async def wait(self: searched.Searches) -> None:
        nonlocal begun
        begun += 1
        while begun > BEFORE and not settled and searched._MANY == 0:
            await asyncio.sleep(0.01)
        await room(self)

    def note(self: searched._Beside, made: Any) -> None:
        if isinstance(made, Paid):
            found.append(made)
        put(self, made)

    monkeypatch.setattr(searched._Beside, "put", note)
    monkeypatch.setattr(searched.Searches, "_started", started)
    monkeypatch.setattr(searched.Searches, "room", wait)
    return found


def test_the_table_is_the_same_byte_for_byte(
    server: Server, tmp_path: Path, handed: list[Paid]
) -> None:
    searching(recipe(tmp_path, server.url, "beside"), tmp_path)
    count = len(handed)
    assert count >= PROBLEMS - BEFORE
    assert_as_written_here("beside", server, tmp_path)
    assert len(handed) == count


def test_later_stages_and_more_samples_find_what_it_wrote(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    grow(server, tmp_path, "beside")
    assert handed
    assert max(samples_served(server.log()).values()) == 1
    monkeypatch.setattr(searched, "_MANY", sys.maxsize)
    grow(server, tmp_path, "here")
    assert table(tmp_path / "beside") == table(tmp_path / "here")


def grow(server: Server, folder: Path, name: str) -> None:
    for n in (2, SAMPLES):
        summary = run(recipe(folder, server.url, name, n=n), outputs=folder)
        assert summary.attempts == n * PROBLEMS


def test_failures_stand_in_the_table_too(tmp_path: Path, handed: list[Paid]) -> None:
    faults = FaultScript((Fault("bad_prompt", 0.1),))
    with start_server(tmp_path, latency_ms=30, faults=faults) as server:
        searching(recipe(tmp_path, server.url, "failing"), tmp_path)
    lines = [json.loads(line) for line in table(tmp_path / "failing").splitlines()]
    failed = [line for line in lines if line["error"]]
    assert handed
    assert len(lines) == PROBLEMS
    assert 10 < len(failed) < 100
    assert not any(line["attempts"] for line in failed)


def test_if_the_process_dies_this_one_goes_on(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    handed: list[Paid],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(searched, "_Scribe", Dying)
    searching(recipe(tmp_path, server.url, "dying"), tmp_path)
    assert "going on without it" in caplog.text
    assert handed
    assert max(samples_served(server.log()).values()) == 1
    assert_as_written_here("dying", server, tmp_path)


_FORKED = """
import json, os, signal, sys
from pathlib import Path
from cotgen import parse_recipe, run, searched
from cotgen.workers import children
path, outputs, lives = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
searched._MANY = 0
forks = calls = 0
connect, work = children._Forked.connect, searched._Scribe.__call__
async def connected(self):
    global forks
    forks += 1
    return await connect(self)
def worked(self, commands, last):
    global calls
    calls += 1
    if calls > lives:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(self, commands, last)
children._Forked.connect, searched._Scribe.__call__ = connected, worked
run(parse_recipe(json.loads(path.read_text())), outputs=outputs, until="search")
print(forks)
"""


@pytest.mark.parametrize("lives", [1000, 4])
def test_the_table_is_the_same_if_it_is_a_fork(server: Server, tmp_path: Path, lives: int) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(msgspec.json.encode(raw_recipe(tmp_path, server.url, "forked")).decode())
    # A process with one thread, as pytest's is not: only such a one forks.
    command = [sys.executable, "-c", _FORKED, str(path), str(tmp_path), str(lives)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"
    said = (tmp_path / "forked" / "run.log").read_text()
    assert ("going on without it" in said) == (lives < 1000)
    assert max(samples_served(server.log()).values()) == 1
    assert_as_written_here("forked", server, tmp_path)


def test_what_cannot_be_sent_to_it_is_done_here(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    handed: list[Paid],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(children, "may_fork", lambda: False)
    monkeypatch.setattr(searched, "_Scribe", Unsendable)
    searching(recipe(tmp_path, server.url, "here"), tmp_path)
    assert "cannot be started: no such thing" in caplog.text
    assert not handed
    assert len(table(tmp_path / "here").splitlines()) == PROBLEMS


class Unsendable(searched._Scribe):
    """Holds what cannot be pickled, as a search of the user's own might."""

    def __reduce__(self) -> str:
        raise TypeError("no such thing")


class Dying(searched._Scribe):
    """Is killed in the middle of a line, when it has written some."""

    calls = 0

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        self.calls += 1
        if self.calls < 4:
            return super().__call__(commands, last)
        super().__call__(commands[: len(commands) // 2], False)
        with self._path.open("ab") as file:
            file.write(b'{"id": "p1')
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_full_disk_ends_the_run_and_loses_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    monkeypatch.setattr(searched, "_Scribe", OnFullDisk)
    append = LineFile.append

    def full(self: LineFile, line: bytes) -> int:
        if handed and self.path.name == "attempts.jsonl":
            raise StoreError(f"{self.path}: cannot be written (No space left on device)")
        return append(self, line)

    with monkeypatch.context() as patched:
        patched.setattr(LineFile, "append", full)
        with pytest.raises(StoreError, match="No space left"):
            searching(recipe(tmp_path, server.url, "full"), tmp_path)
    monkeypatch.setattr(searched, "_MANY", sys.maxsize)
    searching(recipe(tmp_path, server.url, "full"), tmp_path)
    assert max(samples_served(server.log()).values()) == 1
    assert_as_written_here("full", server, tmp_path)


class OnFullDisk(searched._Scribe):
    """Can write nothing from its fourth call on."""

    calls = 0

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        self.calls += 1
        if self.calls < 4:
            return super().__call__(commands, last)
        raise StoreError("cannot be written (No space left on device)")


@pytest.mark.timeout(60)
def test_an_unforeseen_error_ends_the_run_though_there_is_no_room_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    monkeypatch.setattr(searched, "_MOST_LEFT", 3)

    def fail(*_: object) -> None:
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(searched._Beside, "_note", fail)
    with pytest.raises(LookupError, match="nobody thought of this"):
        searching(recipe(tmp_path, server.url, "broken"), tmp_path)
    assert handed
    monkeypatch.undo()
    searching(recipe(tmp_path, server.url, "broken"), tmp_path)
    assert max(samples_served(server.log()).values()) == 1
    assert_as_written_here("broken", server, tmp_path)


@pytest.mark.timeout(60)
def test_a_search_that_takes_long_does_not_hold_up_the_others(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    """All lines after its own are held back in the second process, which is no reason to wait."""
    monkeypatch.setattr(searched, "_MOST_LEFT", 3)
    had, others, ended = Sampler._had, asyncio.Event(), 0

    async def late(self: Sampler, search: str, *asked: Any) -> Any:
        nonlocal ended
        if search == "p0@t":
            await others.wait()
        found = await had(self, search, *asked)
        ended += 1
        if ended == PROBLEMS - 1:
            others.set()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Sampler, "_had", late)
        searching(recipe(tmp_path, server.url, "held"), tmp_path)
    assert len(handed) >= PROBLEMS - BEFORE
    assert_as_written_here("held", server, tmp_path)


class Slow(searched._Scribe):
    """Is behind when sampling ends."""

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        time.sleep(0.5)
        return super().__call__(commands, last)


def test_what_was_paid_before_sampling_was_cut_stands_in_the_table(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    stop, told = Stop(), searched._Beside.put

    def cut(self: searched._Beside, made: Any) -> None:
        told(self, made)
        if len(handed) == 30:
            stop.ask("enough")

    monkeypatch.setattr(searched, "_Scribe", Slow)
    monkeypatch.setattr(searched._Beside, "put", cut)
    raw = raw_recipe(tmp_path, server.url, "cut") | {"limits": {"grace_s": 0}}
    with pytest.raises(Stopped):
        asyncio.run(run_async(parse_recipe(raw), outputs=tmp_path, until="search", stop=stop))
    paid = (tmp_path / "cut" / "journal.jsonl").read_bytes().splitlines()
    assert 30 <= len(paid) < PROBLEMS
    assert len(table(tmp_path / "cut").splitlines()) == len(paid)


def test_what_is_left_to_write_when_the_run_is_stopped_after_sampling_is_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    stop, share = Stop(), searched._Beside._kept

    def shared(self: searched._Beside) -> dict[str, Paid | searched._Made]:
        asyncio.get_running_loop().call_soon(stop.ask, "enough")
        return share(self)

    monkeypatch.setattr(searched, "_Scribe", Slow)
    monkeypatch.setattr(searched._Beside, "_kept", shared)
    asked = recipe(tmp_path, server.url, "late")
    with pytest.raises(Stopped):
        asyncio.run(run_async(asked, outputs=tmp_path, until="search", stop=stop))
    assert handed
    assert len(table(tmp_path / "late").splitlines()) == PROBLEMS
    searching(asked, tmp_path)
    assert_as_written_here("late", server, tmp_path)


class LineByLine(searched._Scribe):
    """Needs a tenth of a second a line."""

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        time.sleep(0.1 * sum(isinstance(each, Paid) for each in commands))
        return super().__call__(commands, last)


def test_what_it_wrote_before_its_time_was_up_stands_in_the_table(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    stop, share = Stop(), searched._Beside._kept
    found: list[tuple[Any, int]] = []

    def shared(self: searched._Beside) -> dict[str, Paid | searched._Made]:
        found.append((self._table, len(self._table)))
        asyncio.get_running_loop().call_soon(stop.ask, "enough")
        return share(self)

    with monkeypatch.context() as patched:
        patched.setattr(searched, "_Scribe", LineByLine)
        patched.setattr(searched, "_BATCH", 4)
        patched.setattr(searched, "_LAST_S", 3)
        patched.setattr(searched._Beside, "_kept", shared)
        asked = recipe(tmp_path, server.url, "late")
        with pytest.raises(Stopped):
            asyncio.run(run_async(asked, outputs=tmp_path, until="search", stop=stop))
    ((written, before),) = found
    assert before + 12 < len(written) < PROBLEMS
    searching(asked, tmp_path)
    assert max(samples_served(server.log()).values()) == 1
    assert_as_written_here("late", server, tmp_path)


class FarBehind(searched._Scribe):
    """Does nothing until all searches have ended."""

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        while not ended(self._path).exists():
            time.sleep(0.05)
        return super().__call__(commands, last)


class DyingAtLast(FarBehind):
    """Is killed when it is told the last."""

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(commands, last)


def ended(table: Path) -> Path:
    return table.with_name("ended")


@pytest.mark.parametrize("scribe", [FarBehind, DyingAtLast])
@pytest.mark.parametrize("most", [1 << 26, 0])
def test_what_it_was_not_told_when_sampling_ended_is_shared_out(  # noqa: PLR0913 - fixtures
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    handed: list[Paid],
    scribe: type[searched._Scribe],
    most: int,
) -> None:
    kept: list[str] = []
    choose, end = searched._Beside._kept, searched.Searches.end
    endings = 0

    def note(self: searched._Beside) -> dict[str, Paid | searched._Made]:
        found = choose(self)
        kept.extend(found)
        return found

    def count(self: searched.Searches, id: str) -> None:
        nonlocal endings
        end(self, id)
        endings += 1
        if endings == PROBLEMS:
            ended(self._table.path).touch()

    monkeypatch.setattr(searched, "_Scribe", scribe)
    monkeypatch.setattr(searched, "_BATCH", 16)
    monkeypatch.setattr(searched, "_MOST_KEPT", most)
    monkeypatch.setattr(searched._Beside, "_kept", note)
    monkeypatch.setattr(searched.Searches, "end", count)
    searching(recipe(tmp_path, server.url, "shared"), tmp_path)
    assert len(kept) == 1 if most == 0 else PROBLEMS / 4 < len(kept) <= PROBLEMS / 2
    assert_as_written_here("shared", server, tmp_path)


class DyingFarBehind(FarBehind):
    """Is killed while it owes much."""

    def __call__(self, commands: list[searched._Command], last: bool) -> searched._Written:
        super().__call__(commands, last)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_sampling_goes_on_while_this_one_writes_what_a_dead_one_owed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed: list[Paid]
) -> None:
    made, put = searched.Searches._made, searched._Beside.put
    moment, moments = 0, list[int]()

    def count() -> None:
        nonlocal moment
        moment += 1
        asyncio.get_running_loop().call_soon(count)

    def note(self: searched.Searches, paid: Paid) -> Encoded:
        if not moments:
            count()
        moments.append(moment)
        return made(self, paid)

    def told(self: searched._Beside, line: Any) -> None:
        put(self, line)
        if len(handed) == 40:
            ended(self._table.path).touch()

    with monkeypatch.context() as patched:
        patched.setattr(searched, "_Scribe", DyingFarBehind)
        patched.setattr(searched.Searches, "_made", note)
        patched.setattr(searched._Beside, "put", told)
        searching(recipe(tmp_path, server.url, "freely"), tmp_path)
    assert len(set(moments[:30])) > 15  # Now and then a search that ends falls into the same.
    assert_as_written_here("freely", server, tmp_path)


_KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from cotgen import parse_recipe, run, searched
import json
searched._MANY = 0
path, outputs = Path(sys.argv[1]), Path(sys.argv[2])
put = searched._Beside.put
count = 0
def note(self, made):
    global count
    put(self, made)
    count += 1
    if count == 80:
        os.kill(os.getpid(), signal.SIGKILL)
searched._Beside.put = note
run(parse_recipe(json.loads(path.read_text())), outputs=outputs, until="search")
"""


def test_a_kill_takes_both_processes_and_loses_nothing(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(msgspec.json.encode(raw_recipe(tmp_path, server.url, "killed")).decode())
    killed = subprocess.run([sys.executable, "-c", _KILLED, path, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    wait_until_nobody_has_open(tmp_path / "killed" / "attempts.jsonl")
    before = samples_served(server.log())
    assert 80 * SAMPLES <= before.total() < PROBLEMS * SAMPLES
    searching(parse_recipe(json.loads(path.read_text())), tmp_path)
    after = samples_served(server.log())
    assert sum(times > 1 for times in after.values()) <= 6 * SAMPLES
    assert_as_written_here("killed", server, tmp_path)


def wait_until_nobody_has_open(path: Path, within_s: float = 5) -> None:
    """The process that writes ends with the one that asks."""
    deadline = time.monotonic() + within_s
    while has_open(path):
        assert time.monotonic() < deadline, "the second process outlived the first"
        time.sleep(0.01)


def has_open(path: Path) -> bool:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == path:
                return True
        except OSError:
            continue
    return False
