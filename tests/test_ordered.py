"""`ordered`: plain functions in child processes, which are forks of this one where that is safe."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

import pytest

from cotgen.errors import WorkerError
from cotgen.workers import Job, ordered
from cotgen.workers.forks import Fork, may_fork

_HOME = sys.modules["cotgen.workers.ordered"]

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")


@pytest.fixture(params=["forks", "fresh processes"])
def started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "forks" and sys.platform != "linux":
        pytest.skip("forks are for Linux")
    monkeypatch.setattr(_HOME, "may_fork", lambda: request.param == "forks")
    return str(request.param)


def results(function: Callable[[int], int], numbers: range, timeout_s: float = 20) -> list[object]:
    job: Job[int] = Job(function, tuple[int], timeout_s)
    return [*ordered(job, int, ((number,) for number in numbers), size=2)]


def ask(function: Callable[[], str]) -> str:
    """What a function says in a worker."""
    [said] = ordered(Job(function, tuple[()], 20), str, [()], size=1)
    assert isinstance(said, str), said
    return said


@pytest.mark.usefixtures("started")
def test_results_come_in_the_order_of_the_requests() -> None:
    assert results(lambda number: number * number, range(50)) == [n * n for n in range(50)]


@pytest.mark.usefixtures("started")
def test_no_requests_are_no_results() -> None:
    assert results(lambda number: number, range(0)) == []


@pytest.mark.usefixtures("started")
def test_a_late_worker_and_a_dead_one_cost_only_what_they_held() -> None:
    def judge(number: int) -> int:
        if number == 3:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            time.sleep(20)
        if number == 6:
            os._exit(7)
        return number

    found = results(judge, range(10))
    failed = {place: str(each) for place, each in enumerate(found) if isinstance(each, WorkerError)}
    assert failed == {3: "out of time", 6: "the worker process died (7)"}
    assert [each for each in found if isinstance(each, int)] == [0, 1, 2, 4, 5, 7, 8, 9]


@pytest.mark.usefixtures("started")
def test_a_worker_that_needs_too_much_memory_says_so() -> None:
    job = Job(lambda: len(bytes(3 << 30)), tuple[()], 20)
    [failed] = ordered(job, int, [()], size=1)
    assert str(failed) == "needed more than 2048 MB"


@pytest.mark.usefixtures("started")
def test_a_worker_holds_no_file_and_no_signal_handler_of_its_parent(tmp_path: Path) -> None:
    def told() -> str:
        opened = " ".join(map(os.path.realpath, Path("/proc/self/fd").iterdir()))
        handled = signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        return f"{'held' in opened} {handled} {os.getpgid(0) == os.getpid()}"

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with (tmp_path / "held").open("w"):
            assert ask(told) == "False False True"
    finally:
        signal.signal(signal.SIGTERM, before)


@needs_linux
def test_there_are_no_more_forks_than_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Fork] = []
    real = Fork.__init__

    def counted(self: Fork, serve: Callable[..., None]) -> None:
        made.append(self)
        real(self, serve)

    monkeypatch.setattr(_HOME, "may_fork", lambda: True)
    monkeypatch.setattr(Fork, "__init__", counted)
    job = Job(lambda number: number, tuple[int], 20)
    assert list(ordered(job, int, [(1,), (2,)], size=40)) == [1, 2]
    assert len(made) == 2


@needs_linux
def test_waiting_for_a_fork_ends_in_time_and_tells_how_it_ended() -> None:
    def serve(requests: BinaryIO, _: BinaryIO) -> None:
        requests.read()
        os._exit(5)

    fork = Fork(serve)
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.05)
    assert time.monotonic() - started < 5
    assert fork.poll() is None
    fork.stdin.close()
    assert fork.wait() == fork.wait(1) == 5
    fork.stdout.close()


@needs_linux
def test_a_process_with_threads_is_not_forked() -> None:
    done = Event()
    other = Thread(target=done.wait)
    other.start()
    try:
        assert not may_fork()
    finally:
        done.set()
        other.join()


def _say_whether(queue: multiprocessing.queues.SimpleQueue[bool]) -> None:
    queue.put(may_fork())


@needs_linux
def test_a_process_that_may_have_no_children_is_not_forked() -> None:
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.queues.SimpleQueue[bool] = context.SimpleQueue()
    child = context.Process(target=_say_whether, args=(queue,), daemon=True)
    child.start()
    assert not queue.get()
    child.join()


PROGRAM = """
import os, signal, sys, time
from cotgen.workers import Job, ordered
from cotgen.workers.forks import may_fork
assert may_fork()
sys.stdout.write("once ")  # Not flushed before the fork.

def work(number):
    print("aside")
    return os.getpid()

def numbers():
    yield (1,)
    yield (2,)
    if sys.argv[1:]:
        time.sleep(60)

for pid in ordered(Job(work, tuple[int], 20), int, numbers(), size=1):
    print(pid, flush=True)
"""


def program(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@needs_linux
def test_what_is_printed_is_printed_once_and_aside() -> None:
    with program() as running:
        said, aside = running.communicate(timeout=30)
    first, second = said.split()[1:]
    assert said == f"once {first}\n{second}\n"
    assert first == second
    assert aside == "aside\naside\n"


@needs_linux
def test_no_fork_outlives_a_parent_that_was_killed() -> None:
    with program("wait") as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        deadline = time.monotonic() + 20
        while not (pids := children.read_text().split()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert pids
        running.kill()
        running.communicate()
    while any(_is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(_is_alive(pid) for pid in pids)


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
