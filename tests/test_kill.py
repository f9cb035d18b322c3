"""A run may be stopped at any moment: nothing paid for is lost, bought twice or made differently."""

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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, get_args

import pytest
import yaml
from server import Event, Server, in_flight, start_server

from cotgen.pipeline import Stage, run
from cotgen.recipe import load_recipe
from cotgen.wiring import seed_of

log = logging.getLogger(__name__)

KILLS = 50
SEED, PROBLEMS, SAMPLES, AT_ONCE = 7, 50, 6, 8
COTGEN = Path(sys.executable).with_name("cotgen")
TABLES: dict[Stage, str] = {
    "load": "problems.jsonl",
    "search": "attempts.jsonl",
    "verify": "verdicts.jsonl",
    "chain": "chains.jsonl",
}


def write_recipe(folder: Path, url: str, **search: object) -> Path:
    recipe = {
        "name": "k",
        "seed": SEED,
        "problems": {"kind": "generated", "limit": PROBLEMS},
        "teachers": {
            "t": {"kind": "openai", "model": "m", "base_url": url, "concurrency": AT_ONCE}
        },
        "search": {"kind": "sample", "n": SAMPLES, "prompt": "solve", **search},
        "verifier": {"kind": "math"},
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

    def size(self, name: str) -> int:
        return (self.folder / name).stat().st_size

    def copy(self, outputs: Path) -> Path:
        return Path(shutil.copytree(self.folder, outputs / "k"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with start_server(folder, latency_ms=10) as server:
        recipe = write_recipe(folder, server.url)
        finish(recipe, folder)
        made = Undisturbed(server, recipe, folder / "k")
        assert len(bought(made.folder)) == PROBLEMS * SAMPLES
        yield made


def begin(recipe: Path, outputs: Path) -> subprocess.Popen[str]:
    """The command, in a session of its own, so that signals reach it as from a terminal."""
    command = [COTGEN, "run", recipe, "--outputs", outputs]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


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
    made["summary.json"] = {**json.loads((folder / "summary.json").read_text()), "seconds": None}
    return made


def assert_equal(folder: Path, undisturbed: Path) -> None:
    """Name the files that differ: their contents are too long to be read."""
    made, wanted = files(folder), files(undisturbed)
    names = made.keys() | wanted.keys()
    assert [name for name in sorted(names) if made.get(name) != wanted.get(name)] == []


def whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def bought(folder: Path) -> set[int]:
    """The seeds of the samples in the journal: a server names samples by their seeds, too."""
    seeds = []
    for line in whole_lines(folder / "journal.jsonl"):
        key, _, number = json.loads(line)["id"].partition("/")
        seeds.append(seed_of(SEED, key) + int(number))
    assert len(seeds) == len(set(seeds)), "a completion stands twice in the journal"
    return set(seeds)


def samples(event: Event) -> set[int]:
    assert event.seed is not None
    return {event.seed + place for place in range(len(event.samples))}


# --- the hammer ----------------------------------------------------------------------------------


class Moment(NamedTuple):
    """When to kill: so many seconds after a file of the run has reached a size."""

    name: str
    size: int
    delay_s: float = 0.0


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
                yield self._within(name, share)
            # The table is complete; now it is brought into order, which takes a few ms.
            table = name.replace("journal", "attempts")
            yield self._within(table, 1.0, self.random.uniform(0, 0.004))
        for _ in range(self.random.randint(1, 3)):
            yield self._within("chains.jsonl", 1.0, self.random.uniform(0, 0.8))

    def _within(self, name: str, share: float, delay_s: float = 0.0) -> Moment:
        size = int(share * self.undisturbed.size(name))
        return Moment(name, max(1, size), delay_s)

    def kill_at(self, moment: Moment) -> Life | None:
        """Work on the run until a moment; None if it came to its end before."""
        started = time.monotonic()
        process = begin(self.undisturbed.recipe, self.outputs)
        try:
            if not self._reached(moment, process):
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
        said_at_its_end(process, within_s=5)
        assert process.returncode == -signal.SIGKILL
        return Life(started, killed, bought(self.outputs / "k"))

    def _reached(self, moment: Moment, process: subprocess.Popen[str]) -> bool:
        folder = self.outputs / "k"
        while not (_held(folder, process) and _size(folder / moment.name) >= moment.size):
            if process.poll() is not None:
                return False
            time.sleep(0.0001)
        # Not to wait for anything: this is where the moment lies.
        time.sleep(moment.delay_s)
        return process.poll() is None

    def stage(self) -> Stage:
        """The stage that the run had reached."""
        folder = self.outputs / "k"
        manifest = folder / "manifest.json"
        if not manifest.exists() or not json.loads(manifest.read_bytes())["loaded"]:
            return "load"
        for stage, table in TABLES.items():
            if len(whole_lines(folder / table)) < len(
                whole_lines(self.undisturbed.folder / table)
            ):
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
    undisturbed: Undisturbed, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    random = Random(SEED)
    stages: Counter[Stage] = Counter()
    unordered = twice = runs = 0
    while stages.total() < KILLS:
        runs += 1
        hammer = Hammer(undisturbed, tmp_path / f"run-{runs}", random)
        lives: list[Life] = []
        for moment in hammer.moments():
            life = hammer.kill_at(moment)
            if life is None:
                break
            lives.append(life)
            stages[hammer.stage()] += 1
            unordered += hammer.is_unordered()
        started = time.monotonic()
        finish(undisturbed.recipe, hammer.outputs)
        assert_equal(hammer.outputs / "k", undisturbed.folder)
        lives.append(Life(started, 0.0, bought(hammer.outputs / "k")))
        events = [
            event for event in undisturbed.server.log() if event.time >= lives[0].started
        ]
        twice += assert_bought_once(lives, events)
    numbers = (
        f"{stages.total()} kills of {runs} runs: {dict(stages)}; {unordered} before a table was in "
        f"order; {twice} samples in flight had to be served again"
    )
    log.info(numbers)
    record_property("kills", numbers)
    assert set(stages) == set(get_args(Stage)), numbers
