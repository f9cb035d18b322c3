"""What a run survives: killed, stopped, on a full disk, with a server that dies. Seeded.

    python benchmarks/hammer.py [--blows 200] [--seed 7] [kill term full server]

Runs sample from a real HTTP server. After each blow the run is started again; at last its files
must equal those of a run that nothing happened to, no completion that was answered may be missing,
and none may be asked for twice but those in flight at a kill. Prints the figures, or fails.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import test_kill as kit
from server import Event, Server, in_flight, start_server

from cotgen.errors import DONE, FAILED_ITEMS, INTERRUPTED, USER_MISTAKE

DISK_BYTES = 8 << 20


def kill(undisturbed: kit.Undisturbed, folder: Path, blows: int, seed: int) -> str:
    """SIGKILL at random moments of all stages."""
    return kit.kill_often(undisturbed, folder, blows, seed)[1]


def term(undisturbed: kit.Undisturbed, folder: Path, blows: int, seed: int) -> str:
    """SIGTERM or Ctrl-C: what is in flight is awaited, so nothing at all is asked for twice."""
    random, begun, runs, given = Random(seed), time.monotonic(), 0, Counter[str]()
    while given.total() < blows:
        runs += 1
        hammer = kit.Hammer(undisturbed, folder / f"term-{runs}", random)
        for moment in hammer.moments():
            process = kit.begin(undisturbed.recipe, hammer.outputs)
            if not kit.reached(moment, hammer.outputs / "k", process):
                assert_code(process, DONE)
                break
            name = random.choice(["SIGTERM", "SIGINT"])
            os.kill(process.pid, signal.Signals[name])
            if not assert_code(process, INTERRUPTED, DONE):
                break  # It had nothing more to do.
            given[name] += 1
            if given.total() == blows:
                break
        kit.finish(undisturbed.recipe, hammer.outputs)
        kit.assert_equal(hammer.outputs / "k", undisturbed.folder)
    served = served_since(undisturbed.server, begun)
    assert set(served.values()) == {runs}, "a sample was bought twice, or not at all"
    return f"{given.total()} stops of {runs} runs: {dict(given)}; no sample was served again"


def full(undisturbed: kit.Undisturbed, folder: Path, blows: int, seed: int) -> str:
    """A disk that is filled to the brim while a run works on it."""
    random, begun, runs, met = Random(seed), time.monotonic(), 0, 0
    needed = sum(path.stat().st_size for path in undisturbed.folder.rglob("*") if path.is_file())
    with small_disk(folder / "disk", DISK_BYTES) as disk:
        while met < blows:
            runs += 1
            outputs = disk / f"full-{runs}"
            outputs.mkdir()
            for _ in range(random.randint(1, 5)):
                with filled(disk, leave=random.randint(0, needed)):
                    process = kit.begin(undisturbed.recipe, outputs)
                    met += assert_code(process, USER_MISTAKE, DONE, said="No space left") != DONE
                assert answered_are_kept(undisturbed.server, begun, outputs / "k", runs)
            kit.finish(undisturbed.recipe, outputs)
            kit.assert_equal(outputs / "k", undisturbed.folder)
            subprocess.run(["rm", "-r", outputs], check=True)
    served = served_since(undisturbed.server, begun)
    assert set(served.values()) == {runs}, "a sample was bought twice, or not at all"
    return f"{met} full disks in {runs} runs; no completion was lost, none was served again"


def server(undisturbed: kit.Undisturbed, folder: Path, blows: int, seed: int) -> str:
    """A server that is killed and comes back while the run goes on."""
    random, runs, deaths, lost, twice, healed = Random(seed), 0, 0, 0, 0, 0
    while deaths < blows:
        runs += 1
        outputs = folder / f"server-{runs}"
        outputs.mkdir(parents=True)
        live = start_server(outputs, latency_ms=40)
        recipe, port = kit.write_recipe(outputs, live.url), live.port
        events: list[Event] = []
        process = kit.begin(recipe, outputs)
        while deaths < blows and buys(process, outputs / "k", random.randint(1, 12)):
            moment = time.monotonic()
            live.stop()
            died = live.log()
            events += died
            lost += sum(len(event.samples) for event in in_flight(died, moment))
            deaths += 1
            time.sleep(random.uniform(0, 0.4))
            live = start_server(outputs, latency_ms=40, port=port)
        # A request that was cut four times may have been paid for four times: it is left to us.
        if assert_code(process, DONE, FAILED_ITEMS):
            healed += 1
            kit.finish(recipe, outputs)
        live.stop()
        events += live.log()
        kit.assert_equal(outputs / "k", undisturbed.folder, but="recipe.yaml")
        served = Counter(
            sample for event in events if event.event == "served" for sample in kit.samples(event)
        )
        assert len(served) == kit.PROBLEMS * kit.SAMPLES
        twice += served.total() - len(served)
    # What it had answered and not yet sent when it died was asked for again.
    assert twice <= deaths * kit.AT_ONCE * kit.SAMPLES
    return (
        f"{deaths} deaths of the server in {runs} runs, {lost} samples in flight; {healed} runs "
        f"needed a second start, {twice} samples were served again"
    )


def buys(process: subprocess.Popen[str], folder: Path, replies: int) -> bool:
    """Wait until a run has bought so many more replies; False if it ended before."""
    journal = folder / "journal.jsonl"
    wanted = len(kit.whole_lines(journal)) + replies
    while len(kit.whole_lines(journal)) < wanted:
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    return True


MODES: dict[str, Callable[[kit.Undisturbed, Path, int, int], str]] = {
    "kill": kill,
    "term": term,
    "full": full,
    "server": server,
}


def assert_code(process: subprocess.Popen[str], *codes: int, said: str = "") -> int:
    """Wait for one of the exit codes; the first of them comes with these words. Returns it."""
    text = kit.said_at_its_end(process, within_s=120)
    assert process.returncode in codes, text
    assert "Traceback" not in text, text
    if process.returncode == codes[0]:
        assert said in text, text
    return process.returncode


def served_since(server: Server, begun: float) -> Counter[int]:
    """How often each sample was answered to somebody who waited for it."""
    return Counter(
        sample
        for event in server.log()
        if event.event == "served" and event.time >= begun
        for sample in kit.samples(event)
    )


def answered_are_kept(server: Server, begun: float, folder: Path, runs: int) -> bool:
    """Whether all that was answered in the latest of some runs is in its journal."""
    served = {id for id, times in served_since(server, begun).items() if times == runs}
    return served == kit.bought(folder)


@contextmanager
def filled(disk: Path, leave: int) -> Iterator[None]:
    """Fill a disk but for so many bytes."""
    free = os.statvfs(disk)
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - leave))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes, in memory. Only root may make one."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def main() -> None:
    """Hammer, and print the figures."""
    # In the background Ctrl-C is ignored, and children would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modes", nargs="*", choices=[*MODES, []], default=list(MODES))
    parser.add_argument("--blows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory() as made, kit.undisturbed_run(Path(made)) as undisturbed:
        for mode in arguments.modes or MODES:
            started = time.monotonic()
            said = MODES[mode](undisturbed, Path(made) / mode, arguments.blows, arguments.seed)
            print(f"{mode}: {said} ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
