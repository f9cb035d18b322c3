"""A run may be stopped at any moment: nothing is lost, bought twice or made differently."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple, get_args

import pytest
import yaml
from server import Event, Server, in_flight, start_server

from cotgen.pipeline import Stage, run
from cotgen.recipe import load_recipe
from cotgen.wiring import seed_of

log = logging.getLogger(__name__)

KILLS = 50
SEED, PROBLEMS, SAMPLES, AT_ONCE = 7, 50, 6, 4
COTGEN = Path(sys.executable).with_name("cotgen")
TABLES: dict[Stage, str] = {
    "load": "problems.jsonl",
    "search": "attempts.jsonl",
    "verify": "verdicts.jsonl",
    "filter": "filtered.jsonl",
    "chain": "chains.jsonl",
}


def write_recipe(folder: Path, url: str, problems: int = PROBLEMS) -> Path:
    recipe = {
        "name": "k",
        "seed": SEED,
        "problems": {"kind": "generated", "limit": problems},
        "teachers": {
            "t": {"kind": "openai", "model": "m", "base_url": url, "concurrency": AT_ONCE}
        },
        "search": {"kind": "sample", "n": SAMPLES, "prompt": "solve"},
        "verifier": {"kind": "math"},
        "filters": [{"kind": "dedup"}, {"kind": "per_problem", "k": 3}],
        "chains": {"kind": "revision", "max_wrong": 3},
        "datasets": [
            {"kind": "sft"},
            {"kind": "sft", "from": "chains", "layout": "multiturn"},
            {"kind": "sft", "from": "chains", "layout": "folded"},
            {"kind": "sft", "from": "chains", "layout": "single"},
            {"kind": "dpo"},
        ],
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to, and the server that it asked."""

    server: Server
    recipe: Path
    folder: Path

    def copy(self, outputs: Path) -> Path:
        return Path(shutil.copytree(self.folder, outputs / "k"))


@contextmanager
def undisturbed_run(folder: Path) -> Iterator[Undisturbed]:
    """A finished run, with its server still there to be asked."""
    with start_server(folder, latency_ms=25) as server:
        recipe = write_recipe(folder, server.url)
        finish(recipe, folder)
        made = Undisturbed(server, recipe, folder / "k")
        assert len(bought(made.folder)) == PROBLEMS * SAMPLES
        yield made


def begin(
    recipe: Path, outputs: Path, command: tuple[str | Path, ...] = (COTGEN,)
) -> subprocess.Popen[str]:
    """The command, in a session of its own, so that signals reach it as from a terminal."""
    arguments = [*command, "run", recipe, "--outputs", outputs]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def said_at_its_end(process: subprocess.Popen[str], within_s: float = 60) -> str:
    """All it printed; its children write there too, so this ends when the last of them has died."""
    stdout, stderr = process.communicate(timeout=within_s)
    return stdout + stderr


def finish(recipe: Path, outputs: Path) -> str:
    process = begin(recipe, outputs)
    said = said_at_its_end(process)
    assert process.returncode == 0, said
    return said


def files(folder: Path) -> dict[str, object]:
    """What a run made, without its times and its log."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    made: dict[str, object] = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.name not in (".lock", "run.log", "summary.json", "journal.jsonl")
    }
    made["journal.jsonl"] = sorted((folder / "journal.jsonl").read_bytes().splitlines())
    summary = json.loads((folder / "summary.json").read_text())
    made["summary.json"] = {**summary, "seconds": None, "unaccounted": None}
    return made


def assert_equal(folder: Path, undisturbed: Path, but: str = "") -> None:
    """Name the files that differ: their contents are too long to be read."""
    made, wanted = files(folder), files(undisturbed)
    names = (made.keys() | wanted.keys()) - {but}
    assert [name for name in sorted(names) if made.get(name) != wanted.get(name)] == []


def whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def bought(folder: Path) -> set[int]:
    """The seeds of the samples in the journal: a server names samples by their seeds, too."""
    seeds: list[int] = []
    for line in whole_lines(folder / "journal.jsonl"):
        entry = json.loads(line)
        start = seed_of(SEED, entry["asked"]) + entry["first"]
        seeds += range(start, start + len(entry["completions"]))
    assert len(seeds) == len(set(seeds)), "a completion stands twice in the journal"
    return set(seeds)


def samples(event: Event) -> set[int]:
    assert event.seed is not None
    return {event.seed + place for place in range(len(event.samples))}


class Moment(NamedTuple):
    """So many seconds after a file of a run has reached a size."""

    name: str
    size: int = 1
    delay_s: float = 0.0


def reached(moment: Moment, folder: Path, process: subprocess.Popen[str]) -> bool:
    """Wait for a moment of a process that holds the run; False if it ended before."""
    while not (_held(folder, process) and _size(folder / moment.name) >= moment.size):
        if process.poll() is not None:
            return False
        time.sleep(0.0001)
    # Not to wait for anything: this is where the moment lies.
    time.sleep(moment.delay_s)
    return process.poll() is None


def _held(folder: Path, process: subprocess.Popen[str]) -> bool:
    try:
        return (folder / ".lock").read_text().startswith(f"process {process.pid} ")
    except FileNotFoundError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# --- the hammer ----------------------------------------------------------------------------------


class Life(NamedTuple):
    """What one process of a run left behind. `killed` is 0 for the one that came to the end."""

    started: float
    killed: float
    bought: set[int]


@dataclass
class Hammer:
    """Kills runs of one recipe, one after the other, at random moments of every stage."""

    undisturbed: Undisturbed
    outputs: Path
    random: Random

    def moments(self) -> Iterator[Moment]:
        """Moments of one run, in the order in which it reaches them."""
        yield self._within("problems.jsonl", self.random.random())
        for name, most in [("journal.jsonl", 3), ("verdicts.jsonl", 2), ("chains.jsonl", 2)]:
            for share in sorted(self.random.random() for _ in range(self.random.randint(1, most))):
                # Not always just after a line was written: what a journal has not yet written
                # would be lost then, too.
                late = self.random.uniform(0, 0.05) if name == "journal.jsonl" else 0.0
                yield self._within(name, share, late)
            # The table is complete; now it is brought into order, which takes a few ms.
            table = name.replace("journal", "attempts")
            yield self._within(table, 1.0, self.random.uniform(0, 0.004))
        for _ in range(self.random.randint(1, 3)):
            yield self._within("chains.jsonl", 1.0, self.random.uniform(0, 0.8))

    def _within(self, name: str, share: float, delay_s: float = 0.0) -> Moment:
        size = int(share * _size(self.undisturbed.folder / name))
        return Moment(name, max(1, size), delay_s)

    def kill_at(self, moment: Moment) -> Life | None:
        """Work on the run until a moment; None if it came to its end before."""
        started = time.monotonic()
        process = begin(self.undisturbed.recipe, self.outputs)
        try:
            if not reached(moment, self.outputs / "k", process):
                said = said_at_its_end(process)
                assert process.returncode == 0, said
                return None
            # Half of the times the worker processes must notice by themselves.
            kill = self.random.choice([os.kill, os.killpg])
            killed = time.monotonic()
            kill(process.pid, signal.SIGKILL)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        said = said_at_its_end(process, within_s=5)
        if process.returncode == 0:
            return None  # It came to its end in the moment before.
        assert process.returncode == -signal.SIGKILL, said
        return Life(started, killed, bought(self.outputs / "k"))

    def stage(self) -> Stage:
        """The stage that the run had reached."""
        folder = self.outputs / "k"
        manifest = folder / "manifest.json"
        if not manifest.exists() or not json.loads(manifest.read_bytes())["loaded"]:
            return "load"
        for stage, table in TABLES.items():
            if len(whole_lines(folder / table)) < len(whole_lines(self.undisturbed.folder / table)):
                return stage
        return "emit"

    def is_unordered(self) -> bool:
        """Whether a table is complete, but not in its final order."""
        folder, wanted = self.outputs / "k", self.undisturbed.folder
        return any(
            _size(folder / table) == _size(wanted / table)
            and (folder / table).read_bytes() != (wanted / table).read_bytes()
            for table in TABLES.values()
        )


def assert_bought_once(lives: list[Life], events: list[Event]) -> int:
    """No sample is asked for again but those of requests that were in flight at a kill.

    In flight, for the client: asked for and not yet in the journal. How long a reply takes to get
    there depends on the machine, but never are there more of them than it asks at once. Returns
    how many samples had to be served twice.
    """
    served: Counter[int] = Counter()
    lost: Counter[int] = Counter()
    before: set[int] = set()
    for life, following in zip(lives, [*lives[1:], None], strict=True):
        until = following.started if following else float("inf")
        here = [event for event in events if life.started <= event.time < until]
        asked = [event for event in here if event.event == "arrived"]
        assert not before & {seed for event in asked for seed in samples(event)}
        served.update(seed for event in here if event.event == "served" for seed in samples(event))
        open_requests = [event for event in asked if samples(event) - life.bought]
        assert len(open_requests) <= (AT_ONCE if life.killed else 0)
        # What the server had not answered cannot be in the journal.
        unanswered = in_flight(here, life.killed) if life.killed else []
        assert not life.bought & {seed for event in unanswered for seed in samples(event)}
        lost.update(seed for event in open_requests for seed in samples(event))
        assert before <= life.bought
        before = life.bought
    assert len(before) == PROBLEMS * SAMPLES
    twice = {seed: times - 1 for seed, times in served.items() if times > 1}
    assert all(times <= lost[seed] for seed, times in twice.items())
    return len(twice)


@pytest.mark.timeout(900)
def test_kills_at_random_moments_change_no_file_and_buy_nothing_twice(
    undisturbed: Undisturbed, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    stages, numbers = kill_often(undisturbed, tmp_path, KILLS, SEED)
    log.info(numbers)
    record_property("kills", numbers)
    assert set(stages) == set(get_args(Stage)), numbers


def kill_often(
    undisturbed: Undisturbed, outputs: Path, kills: int, seed: int
) -> tuple[Counter[Stage], str]:
    """Kill runs until that was done so often; how many in which stage, and all in a sentence."""
    random = Random(seed)
    stages: Counter[Stage] = Counter()
    unordered = twice = runs = 0
    while stages.total() < kills:
        runs += 1
        hammer = Hammer(undisturbed, outputs / f"run-{runs}", random)
        lives: list[Life] = []
        for moment in hammer.moments():
            life = hammer.kill_at(moment)
            if life is None:
                break
            lives.append(life)
            stages[hammer.stage()] += 1
            unordered += hammer.is_unordered()
            if stages.total() == kills:
                break
        started = time.monotonic()
        finish(undisturbed.recipe, hammer.outputs)
        assert_equal(hammer.outputs / "k", undisturbed.folder)
        lives.append(Life(started, 0.0, bought(hammer.outputs / "k")))
        events = [event for event in undisturbed.server.log() if event.time >= lives[0].started]
        twice += assert_bought_once(lives, events)
        log.info("%d of %d kills", stages.total(), kills)
    numbers = (
        f"{stages.total()} kills of {runs} runs: {dict(stages)}; {unordered} before a table was in "
        f"order; {twice} samples in flight had to be served again"
    )
    return stages, numbers


_DIES_AT_A_WRITE = """
import os, signal, sys

left = int(sys.argv.pop(1))

def mortal(call):
    def called(*args, **kwargs):
        global left
        left -= 1
        done = call(*args, **kwargs)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return called

os.write, os.writev, os.replace = mortal(os.write), mortal(os.writev), mortal(os.replace)
from cotgen.cli import app
app()
"""


def test_a_kill_right_after_any_write_changes_no_file(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    random = Random(SEED)
    kills = 0
    for _ in range(8):
        # Putting the verdicts in order takes more than 300 writes: some must get past that.
        code = (
            sys.executable,
            "-c",
            _DIES_AT_A_WRITE,
            str(random.randint(1, random.choice([20, 100, 800]))),
        )
        process = begin(undisturbed.recipe, tmp_path, code)
        said = said_at_its_end(process)
        assert process.returncode in (-signal.SIGKILL, 0), said
        kills += process.returncode != 0
    assert kills > 3
    finish(undisturbed.recipe, tmp_path)
    assert_equal(tmp_path / "k", undisturbed.folder)


# --- gentler ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["journal.jsonl", "verdicts.jsonl", "datasets/sft.jsonl.tmp"])
def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(
    undisturbed: Undisturbed, tmp_path: Path, table: str
) -> None:
    process = begin(undisturbed.recipe, tmp_path)
    assert reached(Moment(table), tmp_path / "k", process)
    os.killpg(process.pid, signal.SIGINT)
    said = said_at_its_end(process, within_s=10)
    assert process.returncode == 130, said
    assert "nothing finished is lost" in said
    before = bought(tmp_path / "k")
    started = time.monotonic()
    finish(undisturbed.recipe, tmp_path)
    assert_equal(tmp_path / "k", undisturbed.folder)
    asked = [event for event in undisturbed.server.log() if event.time > started]
    assert not before & {seed for event in asked for seed in samples(event)}


def test_a_second_process_is_told_who_works_on_the_run(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    first = begin(undisturbed.recipe, tmp_path)
    assert reached(Moment("journal.jsonl"), tmp_path / "k", first)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = begin(undisturbed.recipe, tmp_path)
        said = said_at_its_end(second)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode == 3
    assert f"is being worked on by process {first.pid} on" in said
    assert "Traceback" not in said
    said = said_at_its_end(first)
    assert first.returncode == 0, said
    assert_equal(tmp_path / "k", undisturbed.folder)


# --- damaged files -------------------------------------------------------------------------------


def cut(path: Path, random: Random) -> None:
    """Take random bytes off a file's end: now and then just the newline, now and then all."""
    size = path.stat().st_size
    os.truncate(path, size - random.choice([1, random.randint(1, 400), random.randint(1, size)]))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("table", TABLES.values())
def test_a_table_with_a_torn_tail_heals_without_asking_anyone(
    undisturbed: Undisturbed, tmp_path: Path, table: str, seed: int
) -> None:
    folder = undisturbed.copy(tmp_path)
    cut(folder / table, Random(seed))
    events = len(undisturbed.server.log())
    run(load_recipe(undisturbed.recipe), outputs=tmp_path)
    assert_equal(folder, undisturbed.folder)
    assert len(undisturbed.server.log()) == events


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_torn_journal_lost_is_bought_again_and_nothing_else(
    tmp_path: Path, seed: int
) -> None:
    # A server that answers singly: what several samples cost together cannot be cut in two.
    with start_server(tmp_path, latency_ms=0, honour_n=False) as server:
        recipe = load_recipe(write_recipe(tmp_path, server.url, problems=8))
        run(recipe, outputs=tmp_path)
        folder = Path(shutil.copytree(tmp_path / "k", tmp_path / "again" / "k"))
        whole = bought(folder)
        cut(folder / "journal.jsonl", Random(seed))
        os.truncate(folder / "attempts.jsonl", 0)
        kept = bought(folder)
        moment = time.monotonic()
        run(recipe, outputs=tmp_path / "again")
        assert_equal(folder, tmp_path / "k")
        events = [event for event in server.log() if event.time > moment]
    served = Counter(seed for event in events if event.event == "served" for seed in samples(event))
    assert served == Counter(whole - kept)
    assert kept < whole


@pytest.mark.parametrize("seed", [1, 2])
def test_tables_that_were_not_yet_in_order_are_ordered_by_the_next_run(
    undisturbed: Undisturbed, tmp_path: Path, seed: int
) -> None:
    folder, random = undisturbed.copy(tmp_path), Random(seed)
    for table in ("attempts.jsonl", "verdicts.jsonl", "chains.jsonl"):
        lines = (folder / table).read_bytes().splitlines(keepends=True)
        (folder / f"{table}.tmp").write_bytes(b"".join(lines)[: random.randint(0, 5000)])
        random.shuffle(lines)
        (folder / table).write_bytes(b"".join(lines))
    run(load_recipe(undisturbed.recipe), outputs=tmp_path)
    assert_equal(folder, undisturbed.folder)
