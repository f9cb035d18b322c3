from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cotgen import workers
from cotgen.errors import NoWorkers, WorkerError
from cotgen.workers import Job, Pool, Stream, bounded, children

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], within_s: float = 30) -> T:
    """A pool that hangs must fail its test, not stop all of them."""

    async def limited() -> T:
        return await asyncio.wait_for(work, within_s)

    return asyncio.run(limited())


def call_all(
    function: Callable[[int], int], numbers: range, *, timeout_s: float = 10, size: int = 2
) -> list[int | Exception]:
    """What each call gave: a result, or the exception that it raised."""

    async def call(pool: Pool[int], number: int) -> int | Exception:
        try:
            return await pool.call(number)
        except (WorkerError, NoWorkers) as error:
            return error

    async def calls() -> list[int | Exception]:
        async with Pool(Job(function, tuple[int], timeout_s), int, size=size) as pool:
            return await asyncio.gather(*(call(pool, number) for number in numbers))

    return run(calls())


def failures(results: list[int | Exception]) -> dict[int, str]:
    return {
        number: str(result)
        for number, result in enumerate(results)
        if isinstance(result, Exception)
    }


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that ended and was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def seconds_until(condition: Callable[[], bool], most_s: float) -> float:
    """How long it took; nothing tells of the death of a process that is not one's child."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < most_s, f"not within {most_s} s"
        time.sleep(0.01)
    return time.monotonic() - started


# --- the pool ------------------------------------------------------------------------------------


def test_a_function_made_in_a_test_is_called_in_other_processes() -> None:
    offset = 1000

    def pids(number: int) -> int:
        return os.getpid() * offset + number

    results = call_all(pids, range(50))
    numbers = [int(str(result)) for result in results]
    assert [number % offset for number in numbers] == list(range(50))
    assert os.getpid() not in {number // offset for number in numbers}


def test_a_lambda_and_a_method_of_an_object_can_be_called() -> None:
    class Adder:
        def __init__(self, more: int) -> None:
            self.more = more

        def add(self, number: int) -> int:
            return number + self.more

    assert call_all(lambda number: number * number, range(4)) == [0, 1, 4, 9]
    assert call_all(Adder(5).add, range(3)) == [5, 6, 7]


def test_a_late_call_is_killed_in_time_and_costs_no_other_call() -> None:
    def one_hangs(number: int) -> int:
        while number == 20:
            pass
        return number

    async def calls() -> float:
        async with Pool(Job(one_hangs, tuple[int], 0.5), int, size=2) as pool:
            await asyncio.gather(*(pool.call(number) for number in range(4)))  # Both have started.
            numbers = [*range(20), *range(21, 60)]
            others = asyncio.gather(*(pool.call(number) for number in numbers))
            started = time.monotonic()
            with pytest.raises(WorkerError, match=r"^timed out after 0\.5 s$"):
                await pool.call(20)
            late = time.monotonic() - started
            assert await others == numbers
            return late

    assert 0.5 <= run(calls()) < 1.0


def test_a_call_that_cannot_be_interrupted_is_killed_too() -> None:
    def deaf(number: int) -> int:
        if number == 1:
            for each in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(each, signal.SIG_IGN)
            # One C call, which no timer inside the process could stop.
            return 7**50_000_000 % 10
        return number

    results = call_all(deaf, range(4), timeout_s=0.5)
    assert failures(results) == {1: "timed out after 0.5 s"}


def test_a_child_that_dies_costs_the_call_it_held_and_no_other() -> None:
    def suicidal(number: int) -> int:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 7:
            os._exit(5)
        return number

    results = call_all(suicidal, range(40))
    assert failures(results) == {
        3: "the worker process died (9)",
        7: "the worker process died (5)",
    }
    assert [number for number in range(40) if results[number] == number] == [
        number for number in range(40) if number not in (3, 7)
    ]


def test_a_call_that_needs_too_much_memory_fails_alone() -> None:
    def hungry(number: int) -> int:
        eaten = []
        while number == 2:
            eaten.append(bytearray(1 << 24))
        return number

    async def calls() -> list[int | BaseException]:
        job = Job(hungry, tuple[int], timeout_s=20, memory_mb=512)
        async with Pool(job, int, size=2) as pool:
            all_calls = (pool.call(number) for number in range(6))
            return await asyncio.gather(*all_calls, return_exceptions=True)

    *results, error = sorted(run(calls()), key=lambda result: isinstance(result, Exception))
    assert results == [0, 1, 3, 4, 5]
    assert isinstance(error, WorkerError)
    assert str(error) == "needed more than 512 MB"


def test_an_exception_reaches_the_caller_as_its_name_and_message() -> None:
    def raising(number: int) -> int:
        if number == 1:
            raise KeyError("no such \ud800 thing")
        return 10 // number

    found = failures(call_all(raising, range(4)))
    assert found.keys() == {0, 1}
    assert found[0] == "ZeroDivisionError: integer division or modulo by zero"
    assert found[1].startswith("KeyError: 'no such ")


def test_a_result_of_another_type_fails_its_call_instead_of_hanging_all() -> None:
    def careless(number: int) -> int:
        wrong: Any = {"not": "a number"}
        return wrong if number == 1 else number

    found = failures(call_all(careless, range(4)))
    assert found.keys() == {1}
    assert "no valid reply" in found[1]


def test_what_a_function_prints_does_not_disturb_its_results(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def talkative(number: int) -> int:
        sys.stdout.write("\x00\x00\x00\x05dnoise\n")
        sys.stdout.flush()
        os.write(1, b"more noise\n")
        os.system("echo noise of a child")
        return number

    assert call_all(talkative, range(5)) == list(range(5))
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("noise of a child") == 5


def test_large_arguments_and_results_pass() -> None:
    def twice(text: str) -> str:
        return text + text

    async def calls() -> list[str]:
        async with Pool(Job(twice, tuple[str], 20), str, size=2) as pool:
            return await asyncio.gather(*(pool.call("é" * 1_000_000) for _ in range(8)))

    assert {len(text) for text in run(calls())} == {2_000_000}


class _CannotArrive:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (_refuse, ("cannot be built here",))

    def __call__(self, number: int) -> int:
        return number


def _refuse(why: str) -> object:
    raise RuntimeError(why)


def test_children_that_cannot_start_fail_every_call_instead_of_hanging(
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = call_all(_CannotArrive(), range(100))
    found = failures(results)
    assert len(found) == 100
    assert all("no worker process can be started" in message for message in found.values())
    assert all(isinstance(result, NoWorkers) for result in results)
    assert "cannot be built here" in capfd.readouterr().err


def test_calls_after_a_failed_start_fail_at_once() -> None:
    async def calls() -> None:
        async with Pool(Job(_CannotArrive(), tuple[int], 5), int, size=1) as pool:
            for _ in range(2):
                with pytest.raises(NoWorkers):
                    await pool.call(1)

    run(calls())


def test_no_child_outlives_its_pool() -> None:
    def pid_or_hang(number: int) -> int:
        while number == 1:
            pass
        return os.getpid()

    async def calls() -> set[int]:
        async with Pool(Job(pid_or_hang, tuple[int], 60), int, size=2) as pool:
            pids = set(await asyncio.gather(*(pool.call(0) for _ in range(100))))
            hanging = asyncio.create_task(pool.call(1))
            await pool.call(0)
        # Closing a pool does not wait for what still runs, nor does it answer it.
        assert not hanging.done()
        hanging.cancel()
        return pids

    pids = run(calls())
    assert pids
    assert not [pid for pid in pids if is_alive(pid)]


_PARENT = """
import asyncio, os, sys, time
from cotgen.workers import Job, Pool

def tell(busy: int) -> int:
    os.write(2, f"{os.getpid()}\\n".encode())
    while busy:
        time.sleep(0.01)
    return 0

async def main():
    async with Pool(Job(tell, tuple[int], 0.5 if sys.argv[1] == "1" else 60), int, size=2) as pool:
        await asyncio.gather(pool.call(0), pool.call(int(sys.argv[1])), pool.call(0))
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(params=["idle", "busy"])
def orphans(request: pytest.FixtureRequest) -> Iterator[tuple[list[int], float]]:
    """The children of a parent that was killed, and the seconds they may take to notice."""
    busy = request.param == "busy"
    code = [sys.executable, "-c", _PARENT, str(int(busy))]
    with subprocess.Popen(code, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        pids = [int(parent.stderr.readline()) for _ in range(2 if busy else 3)]
        parent.kill()
        parent.wait()
        yield pids, (8.0 if busy else 2.0)


def test_no_child_outlives_a_parent_that_was_killed(orphans: tuple[list[int], float]) -> None:
    pids, most_s = orphans
    assert seconds_until(lambda: not any(map(is_alive, pids)), most_s) < most_s


def test_a_cancelled_call_leaves_the_pool_usable() -> None:
    def slow(number: int) -> int:
        time.sleep(0.2 if number == 0 else 0)
        return number

    async def calls() -> list[int]:
        async with Pool(Job(slow, tuple[int], 10), int, size=1) as pool:
            await pool.call(9)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pool.call(0), 0.05)
            return [await pool.call(number) for number in (1, 2, 3)]

    assert run(calls()) == [1, 2, 3]


# --- streams -------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["fork", "spawn"])
def starts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Children are forks, or they are not."""
    monkeypatch.setattr(children, "may_fork", lambda: request.param)
    return bool(request.param)


def test_a_stream_answers_in_order_what_it_was_sent_ahead(starts: bool) -> None:
    async def sent() -> list[int]:
        stream = await Stream.start(Job(lambda number: number**2, tuple[int], 10), int)
        assert isinstance(stream._child._process, children._Forked) == starts
        try:
            for number in range(200):
                stream.send(number)
            return [await stream.receive() for _ in range(200)]
        finally:
            await stream.close()

    assert run(sent()) == [number**2 for number in range(200)]


def test_a_stream_says_what_a_call_raised_and_goes_on(starts: bool) -> None:
    async def sent() -> int:
        stream = await Stream.start(Job(lambda number: 6 // number, tuple[int], 10), int)
        try:
            stream.send(0)
            stream.send(3)
            with pytest.raises(WorkerError, match="ZeroDivisionError"):
                await stream.receive()
            return await stream.receive()
        finally:
            await stream.close()

    assert run(sent()) == 2


@pytest.mark.parametrize("dying", [lambda _: os._exit(3), lambda _: time.sleep(60)])
def test_a_stream_whose_child_is_dead_or_late_says_so(
    starts: bool, dying: Callable[[int], int]
) -> None:
    async def sent() -> None:
        stream = await Stream.start(Job(dying, tuple[int], 0.5), int)
        try:
            stream.send(1)
            with pytest.raises(WorkerError, match=r"died \(3\)|timed out"):
                await stream.receive()
        finally:
            await stream.close()

    run(sent())


# --- bounded -------------------------------------------------------------------------------------


def test_never_more_than_so_many_are_at_work_and_never_less_while_there_is_work() -> None:
    at_work = most = 0

    async def work(number: int) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.001 * (number % 3))
        at_work -= 1

    run(bounded(range(50), work, at_once=7))
    assert most == 7
    assert at_work == 0


def test_items_are_taken_only_when_a_place_is_free() -> None:
    taken: list[int] = []
    done: list[int] = []
    ahead: list[int] = []

    def items() -> Iterator[int]:
        for number in range(30):
            taken.append(number)
            yield number

    async def work(number: int) -> None:
        await asyncio.sleep(0.001)
        ahead.append(len(taken) - len(done))
        done.append(number)

    run(bounded(items(), work, at_once=3))
    assert sorted(done) == list(range(30))
    assert max(ahead) == 3


def test_the_first_error_is_raised_by_itself_and_cancels_the_others() -> None:
    begun: list[int] = []
    cancelled: list[int] = []
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    async def work(number: int) -> None:
        begun.append(number)
        if number == 2:
            await asyncio.sleep(0.01)
            raise ValueError("the third")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    with pytest.raises(ValueError, match=r"^the third$") as raised:
        run(bounded(items(), work, at_once=4))
    assert type(raised.value) is ValueError
    assert begun == taken == [0, 1, 2, 3]
    assert sorted(cancelled) == [0, 1, 3]


def test_an_error_inside_nested_calls_is_raised_by_itself() -> None:
    async def inner(number: int) -> None:
        raise LookupError(f"inner {number}")

    async def outer(_: int) -> None:
        await bounded(range(3), inner, at_once=1)

    with pytest.raises(LookupError, match=r"^inner 0$"):
        run(bounded(range(2), outer, at_once=1))


def test_an_error_of_the_stream_is_raised_by_itself() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the source broke")

    async def work(_: int) -> None:
        await asyncio.sleep(0)

    with pytest.raises(OSError, match="the source broke"):
        run(bounded(items(), work, at_once=2))


def test_cancelling_it_cancels_the_work() -> None:
    cancelled: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    async def cancel() -> None:
        task = asyncio.create_task(bounded(range(10), work, at_once=2))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel())
    assert sorted(cancelled) == [0, 1]


def test_work_that_never_waits_lets_others_run() -> None:
    seen: list[int] = []

    async def work(number: int) -> None:
        seen.append(number)

    async def watch() -> int:
        task = asyncio.create_task(bounded(range(1000), work, at_once=1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        so_far = len(seen)
        await task
        return so_far

    assert run(watch()) < 1000
    assert len(seen) == 1000


def test_no_items_are_no_work() -> None:
    async def work(_: int) -> None:
        raise AssertionError

    run(bounded([], work, at_once=5))


def test_the_start_of_a_helper_loads_no_event_loop() -> None:
    told = "import cotgen.workers.forker, sys; print('asyncio' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


def test_what_the_package_offers_is_found_by_its_name() -> None:
    assert workers.bounded is bounded
    assert callable(workers.ordered)
    with pytest.raises(AttributeError, match="has no attribute 'threads'"):
        _ = workers.threads
