"""The public calls: one judgement in this process, many in others, and `cotgen verify`."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from cotgen import verify, verify_many
from cotgen.errors import CotgenError, NoWorkers, RecipeError
from cotgen.records import TimedVerdict, Verdict
from cotgen.verifiers import MathVerifier
from cotgen.verifiers.mathematics import symbolic
from cotgen.verifiers.mathematics.nodes import (
    Function,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
)
from cotgen.verifying import _Source
from cotgen.workers.helper import Helper


def shown(number: int) -> bool:
    """Whether sympy shows sin² + cos² + number to be 1 + number."""
    with symbolic.limited(60):
        return symbolic.equal(*pythagoras(number))


def pythagoras(number: int) -> tuple[Sum, Number]:
    squares = (Power(Function(name, (Symbol("x"),)), integer(2)) for name in ("sin", "cos"))
    return Sum((*squares, integer(number))), integer(1 + number)


def integer(value: int) -> Number:
    return Number(Fraction(value))


def untimed(verdict: TimedVerdict) -> Verdict:
    fields = msgspec.structs.asdict(verdict)
    del fields["milliseconds"]
    return Verdict(**fields)


def python(program: str, within_s: float = 60) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=within_s,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


# --- one ------------------------------------------------------------------------------------------


def test_a_verdict_says_what_was_read_and_where() -> None:
    verdict = verify("\\frac12", "Half of it: \\boxed{0.5}.")
    assert verdict.outcome == "correct"
    assert verdict.predicted == "0.5"
    assert verdict.canonical == verdict.canonical_gold == "1/2"
    assert verdict.span == (12, 23)
    assert 0 < verdict.milliseconds < 1_000


def test_a_verdict_without_an_answer_has_no_span() -> None:
    verdict = verify("5", "I do not know.")
    assert (verdict.outcome, verdict.span, verdict.canonical) == ("unverifiable", (-1, -1), "")


def test_canonical_forms_are_short_however_long_the_answer() -> None:
    verdict = verify("+".join(["x"] * 300), "\\boxed{" + "+".join(["y"] * 300) + "}")
    assert len(verdict.canonical) == len(verdict.canonical_gold) == 200


def test_an_unknown_setting_is_refused_with_those_there_are() -> None:
    with pytest.raises(TypeError, match="no setting round: there are forms, rounding, timeout_s"):
        verify("1", "1", round="up")
    with pytest.raises(RecipeError, match=r"timeout_s: .* greater than 0 \(got -1\)"):
        verify("1", "1", timeout_s=-1)
    with pytest.raises(TypeError, match="no setting round"):
        verify_many([], round="up")


@pytest.mark.parametrize("seconds", [1e300, 3_601, float("inf"), float("nan")])
def test_a_time_that_no_timer_can_keep_is_refused(seconds: float) -> None:
    with pytest.raises(RecipeError, match="timeout_s: "):
        verify("1", "1", timeout_s=seconds)
    with pytest.raises(RecipeError, match="timeout_s: "):
        verify_many([("1", "1")], timeout_s=seconds)


def test_an_hour_is_a_time_for_workers() -> None:
    [verdict] = verify_many([("1", "\\boxed{1}")], workers=1, timeout_s=3_600)
    assert verdict.outcome == "correct"


def test_settings_are_those_of_the_verifier() -> None:
    assert verify("1", "#### 1", forms=["box"]).outcome == "unverifiable"
    assert verify("0.33", "\\boxed{1/3}").outcome != "correct"
    assert verify("0.33", "\\boxed{1/3}", rounding="gold").outcome == "correct"
    assert verify("0.34", "\\boxed{1/3}", rounding="gold").outcome == "incorrect"
    assert verify("3.14", "\\boxed{\\pi}", rounding="gold").outcome == "correct"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="gold and attempt must be texts"):
        verify(5, "5")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["\ud800", "5\udfff", "\x00", "\\boxed{\ud83d\ude00}", "\u202e5", "\\boxed{\x00}", ""]
)
def test_any_text_gives_a_verdict_that_a_file_can_hold(text: str) -> None:
    for gold, attempt in ((text, "\\boxed{5}"), ("5", text), (text, text)):
        verdict = verify(gold, attempt)
        assert verdict.outcome != "correct" or gold == attempt
        msgspec.json.encode(verdict)


def test_a_bug_of_a_verifier_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Verdict:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(MathVerifier, "verify", broken)
    verdict = verify("1", "1")
    assert (verdict.outcome, verdict.reason) == ("unverifiable", "ZeroDivisionError: a bug")


def test_a_deep_caller_gets_a_verdict() -> None:
    def deeper(levels: int) -> str:
        return deeper(levels - 1) if levels else verify("x+1", "\\boxed{1+x}").outcome

    here = len(__import__("inspect").stack())
    room = sys.getrecursionlimit() - here
    assert {deeper(room - left) for left in (12, 20, 40)} <= {"unverifiable", "correct"}


def test_numbers_load_no_sympy_and_start_no_process() -> None:
    python(
        "import sys, cotgen\n"
        "assert cotgen.verify('1/2', '\\\\boxed{0.5}').outcome == 'correct'\n"
        "assert cotgen.verify('3', '\\\\boxed{1,000}').outcome == 'incorrect'\n"
        "assert cotgen.verify('{1, 2}', '\\\\boxed{2, 1}').outcome != 'incorrect'\n"
        "assert 'sympy' not in sys.modules\n"
        "from cotgen.verifiers.mathematics import symbolic\n"
        "assert not symbolic._shared\n"
    )


def test_the_first_expression_starts_the_process_and_waits_for_nothing() -> None:
    python(
        "import sys, cotgen\n"
        "from cotgen.verifiers.mathematics import symbolic\n"
        "verdict = cotgen.verify('x+1', '\\\\boxed{1+x}')\n"
        "assert verdict.outcome == 'correct'\n"
        "helper = symbolic._shared[symbolic._MODULE]\n"
        "pid = helper._child._process.pid\n"
        "assert not helper._is_ready\n"
        "assert cotgen.verify('y+1', '\\\\boxed{1+y}').outcome == 'correct'\n"
        "sine = symbolic.Function('sin', (symbolic.Symbol('x'),))\n"
        "assert symbolic.equal(sine, sine)\n"
        "assert helper._child._process.pid == pid\n"
    )


def test_sympy_is_never_loaded_here_and_its_process_ends_with_this_one() -> None:
    pid = python(
        "import sys\n"
        "from cotgen.verifiers.mathematics import symbolic\n"
        "from cotgen.verifiers.mathematics.nodes import Function, Symbol\n"
        "sine = Function('sin', (Symbol('x'),))\n"
        "assert symbolic.equal(sine, sine)\n"
        "assert 'sympy' not in sys.modules\n"
        "print(symbolic._helper()._child._process.pid)\n"
    )
    wait_for_death(int(pid))


def wait_for_death(pid: int) -> None:
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} lives on")


# --- threads, forks, kills ------------------------------------------------------------------------


def helper_pid() -> int:
    child = symbolic._helper()._child
    assert child is not None
    return child._process.pid


def test_many_threads_get_the_same_answers_and_share_one_process() -> None:
    with ThreadPoolExecutor(8) as threads:
        pids = list(threads.map(lambda number: (shown(number), helper_pid()), range(16)))
    assert pids == [(True, helper_pid())] * 16


def test_a_killed_process_is_started_again() -> None:
    shown(1)
    os.kill(helper_pid(), signal.SIGKILL)
    gone(helper_pid())
    assert shown(1)


def gone(pid: int) -> None:
    """Wait until a child is no more than a name in the table of processes."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_starts_that_failed_are_tried_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Helper(Path(symbolic.__file__).with_name("simplify.py"), memory_mb=1_024)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", shutil.which("false"))
        for reason in [*["died"] * 3, "started"]:
            with pytest.raises(NoWorkers, match=reason):
                helper.ask(b"", within_s=5, processor_s=1)
    with pytest.raises(NoWorkers):
        helper.ask(b"", within_s=5, processor_s=1)
    monkeypatch.setattr("cotgen.workers.helper._PAUSE_S", 0.0)
    assert "failed" in helper.ask(b"", within_s=30, processor_s=1).reason
    helper.close()


def _shown_after_fork(queue: multiprocessing.SimpleQueue[bool]) -> None:
    queue.put(shown(3))


def test_a_fork_asks_a_process_of_its_own_and_leaves_the_parents_alone() -> None:
    shown(1)
    before = helper_pid()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    fork = context.Process(target=_shown_after_fork, args=(queue,))
    fork.start()
    assert queue.get()
    fork.join()
    assert shown(2)
    assert helper_pid() == before


def wave(name: str, times: int) -> Function:
    return Function(name, (Product((integer(times), Symbol("x"))),))


def test_a_comparison_that_takes_too_long_is_stopped_and_takes_the_others_along() -> None:
    sums = [Sum(tuple(wave(name, times) for times in (1, 3, 5, 7))) for name in ("sin", "cos")]
    with symbolic.limited(60) as budget:
        budget.processor_s = 0.02
        assert not symbolic.equal(Quotient(*sums), wave("tan", 4))
        assert budget.trouble == "out of time"
        started = time.monotonic()
        assert not symbolic.equal(Symbol("x"), Symbol("x"))
        assert time.monotonic() - started < 0.5


def test_waiting_time_is_kept_to() -> None:
    helper = Helper(symbolic._MODULE, memory_mb=1_024)
    started = time.monotonic()
    with pytest.raises(CotgenError, match="out of time"):
        helper.ask(b"", within_s=0.01, processor_s=1)  # Its start takes longer.
    assert time.monotonic() - started < 0.4
    helper.close()


def test_a_request_of_garbage_ends_without_an_answer() -> None:
    helper = Helper(symbolic._MODULE, memory_mb=1_024)
    answer = helper.ask(b"\xc1 no msgpack", within_s=30, processor_s=1)
    assert (answer.data, answer.reason) == (b"", "failed")
    power = ["power", ["symbol", "x"], ["symbol", "y"]]
    request = msgspec.msgpack.encode((power, power))
    assert helper.ask(request, within_s=30, processor_s=1).data == b"1"
    helper.close()


def test_a_child_that_cannot_start_is_a_reason(tmp_path: Path) -> None:
    helper = Helper(tmp_path / "no_such_module.py", memory_mb=1_024)
    for _ in range(4):
        with pytest.raises(CotgenError, match="no helper process can be started"):
            helper.ask(b"", within_s=30, processor_s=1)


def test_a_confined_process_has_no_network_no_writes_and_no_programs(tmp_path: Path) -> None:
    program = (
        "import os, socket, subprocess\n"
        "from cotgen.workers.confine import confine\n"
        "enforced = confine(may_fork=False)\n"
        "def refused(act):\n"
        "    try: act()\n"
        "    except OSError: return True\n"
        "    return False\n"
        f"path = {str(tmp_path / 'file')!r}\n"
        "acts = [socket.socket, lambda: open(path, 'w'), lambda: os.mkdir(path), os.fork,\n"
        "        lambda: subprocess.run(['true']), lambda: os.kill(os.getppid(), 0)]\n"
        "print(enforced, [refused(act) for act in acts], len(os.listdir('/etc')) > 0)\n"
    )
    said = python(program)
    if not said.startswith("True"):
        pytest.skip("no seccomp filter on this machine")
    assert said == "True [True, True, True, True, True, True] True\n"
    assert list(tmp_path.iterdir()) == []


# --- many -----------------------------------------------------------------------------------------


def pairs(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        yield str(number % 7), f"It is \\boxed{{{number % 5}}}."


def test_many_are_judged_in_order_as_one_by_one() -> None:
    expected = [untimed(verify(*pair)) for pair in pairs(700)]
    assert [untimed(verdict) for verdict in verify_many(pairs(700), workers=2)] == expected


def test_an_endless_stream_is_taken_only_as_far_as_needed() -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, str]]:
        nonlocal taken
        while True:
            taken += 1
            yield "5", "\\boxed{5}"

    verdicts = verify_many(endless(), workers=1)
    assert next(verdicts).outcome == "correct"
    verdicts.close()  # type: ignore[attr-defined]
    assert taken <= 5 * 128


def test_no_process_outlives_the_iterator() -> None:
    verdicts = verify_many(pairs(1_000), workers=2)
    next(verdicts)
    working = workers_at_work()
    assert working
    verdicts.close()  # type: ignore[attr-defined]
    assert not [pid for pid in working if Path(f"/proc/{pid}").exists()]


def workers_at_work() -> list[int]:
    """The worker processes of this one, whichever of its threads started them: forks of it, or
    fresh ones."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split()]
    own = Path("/proc/self/cmdline").read_bytes()
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    return [
        pid for pid, command in commands.items() if command == own or b"workers.child" in command
    ]


def test_what_a_killed_worker_held_is_judged_by_another() -> None:
    killed: list[int] = []
    verdicts = list(verify_many(_with_one_killer(killed), workers=1))
    assert killed
    assert [verdict.outcome for verdict in verdicts] == ["correct"] * 1_000


def _with_one_killer(killed: list[int]) -> Iterator[tuple[str, str]]:
    """Kills the worker when it has given its first verdicts; the pairs that it holds are judged by
    another."""
    for number in range(1_000):
        if number == 700:
            killed += workers_at_work()
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        yield str(number), f"\\boxed{{{number}}}"


def _then_raising(count: int) -> Iterator[tuple[str, str]]:
    yield from pairs(count)
    raise OSError("the disk is gone")


@pytest.mark.parametrize("count", [0, 1, 128, 1_000])
def test_what_was_given_is_judged_before_an_error_of_the_giver_is_raised(count: int) -> None:
    verdicts = verify_many(_then_raising(count), workers=2)
    got = [untimed(next(verdicts)) for _ in range(count)]
    with pytest.raises(OSError, match="the disk is gone"):
        next(verdicts)
    assert got == [untimed(verify(*pair)) for pair in pairs(count)]


def test_what_is_no_pair_is_an_error_after_the_verdicts_before_it() -> None:
    verdicts = verify_many([("1", "\\boxed{1}"), ("1", None)], workers=1)  # type: ignore[list-item]
    assert next(verdicts).outcome == "correct"
    with pytest.raises(TypeError, match="gold and attempt must be texts"):
        next(verdicts)


def test_batches_fit_the_time_that_a_pair_takes() -> None:
    source = _Source(pairs(100_000))
    batches = source.batches()
    assert len(next(batches)) == 128
    for _ in range(5):
        source.learn([TimedVerdict("correct", milliseconds=0.01)] * 128)
    assert len(next(batches)) == 1_024
    for _ in range(12):
        source.learn([TimedVerdict("correct", milliseconds=100.0)] * 10)
    assert len(next(batches)) == 1


def test_no_workers_at_all_is_an_error() -> None:
    for workers in (0, -1, 1.5, "2", 10**9):
        with pytest.raises(RecipeError, match="workers: a whole number, at least 1"):
            verify_many([], workers=workers)  # type: ignore[arg-type]


def test_lone_surrogates_reach_the_workers() -> None:
    [verdict] = verify_many([("5", "\ud800 \\boxed{5}")], workers=1)
    assert (verdict.outcome, verdict.span) == ("correct", (2, 11))


# --- files ----------------------------------------------------------------------------------------


COTGEN = Path(sys.executable).with_name("cotgen")


def cotgen(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(COTGEN), "verify", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)


LINES = (
    '{"id": 7, "gold": "1/2", "attempt": "\\\\boxed{0.5}", "note": [1]}\n'
    "\n"
    '{"gold": 3, "attempt": "#### 4"}\n'
    '{"gold": "5", "attempt": "\\ud800"}\n'
)


def test_a_file_gives_a_line_for_each_line(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(LINES)
    said = cotgen(str(source), "--workers", "1")
    assert said.returncode == 0, said.stderr
    made = [json.loads(line) for line in said.stdout.splitlines()]
    assert [line["outcome"] for line in made] == ["correct", "incorrect", "unverifiable"]
    assert [line.get("id") for line in made] == [7, None, None]
    assert said.stderr == "3 verdicts: 1 correct, 1 incorrect, 1 unverifiable\n"


def test_standard_input_goes_to_a_whole_file(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert cotgen("-", "--out", str(out), given=LINES).returncode == 0
    assert len(out.read_text().splitlines()) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_link_is_followed_and_rights_are_kept(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.jsonl", tmp_path / "link.jsonl"
    kept.write_text("old")
    kept.chmod(0o640)
    link.symlink_to(kept)
    assert cotgen("-", "--out", str(link), given=LINES).returncode == 0
    assert link.is_symlink()
    assert len(kept.read_text().splitlines()) == 3
    assert kept.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    plain, out = tmp_path / "plain", tmp_path / "out.jsonl"
    plain.touch()
    assert cotgen("-", "--out", str(out), given=LINES).returncode == 0
    assert out.stat().st_mode == plain.stat().st_mode


def test_files_of_the_user_beside_the_new_one_stay(tmp_path: Path) -> None:
    mine = tmp_path / "out.jsonl.tmp"
    mine.write_text("mine")
    assert cotgen("-", "--out", str(tmp_path / "out.jsonl"), given=LINES).returncode == 0
    assert mine.read_text() == "mine"


def test_a_pipe_stays_one_and_takes_the_verdicts(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(pipe.read_text)
        said = cotgen("-", "--out", str(pipe), given=LINES)
        if not pipe.is_fifo():  # Whoever reads it would wait for ever.
            pipe.unlink()
            raise AssertionError("the pipe was replaced")
        assert said.returncode == 0, said.stderr
        assert len(read.result().splitlines()) == 3


def test_the_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    source, link, hard = (tmp_path / name for name in ("in.jsonl", "link.jsonl", "hard.jsonl"))
    source.write_text(LINES)
    link.symlink_to(source)
    hard.hardlink_to(source)
    for out in (source, link, hard):
        said = cotgen(str(source), "--out", str(out))
        assert said.returncode == 2
        assert said.stderr == f"cotgen: {out}: the verdicts would replace the file that is read\n"
    with source.open() as given:
        command = [str(COTGEN), "verify", "-", "--out", str(source)]
        assert subprocess.run(command, stdin=given, capture_output=True).returncode == 2
    assert source.read_text() == LINES


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for out in (tmp_path / "none" / "out.jsonl", tmp_path):
        said = cotgen("-", "--out", str(out), given=LINES)
        assert said.returncode == 2
        assert said.stderr.startswith(f"cotgen: {out}: cannot be written (")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [3, 3_000])
def test_a_full_disk_under_standard_output_is_told_in_a_line(tmp_path: Path, count: int) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"gold": 5, "attempt": "#### 5"}\n' * count)
    command = [
        "sh",
        "-c",
        'ulimit -f 0; exec "$0" verify "$1" --workers 1',
        str(COTGEN),
        str(source),
    ]
    with out.open("w") as file:
        said = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, timeout=60)
    assert said.stderr == "cotgen: standard output: cannot be written (File too large)\n"
    assert said.returncode == 2


def test_a_reader_that_leaves_early_sees_no_tracebacks_of_workers(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"gold": "x+1", "attempt": "#### x+2"}\n' * 20_000)
    said = subprocess.run(
        f"{COTGEN} verify {source} --workers 2 | head -1",
        shell=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (len(said.stdout.splitlines()), said.stderr) == (1, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("to_file", [True, False])
def test_an_interrupt_leaves_no_draft_and_tells_the_truth(
    tmp_path: Path, name: str, to_file: bool
) -> None:
    fifo = tmp_path / "in"
    os.mkfifo(fifo)
    out = tmp_path / "out.jsonl"
    command = [str(COTGEN), "verify", str(fifo), "--out", str(out) if to_file else "-"]
    command += ["--workers", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as running, fifo.open("w") as lines:
        lines.write('{"gold": 5, "attempt": "#### 5"}\n' * 100)
        lines.flush()
        end = time.monotonic() + 30
        while to_file and len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.3)
        running.send_signal(signal.Signals[name])
        _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    told = "no verdicts were written to" if to_file else "the verdicts on standard output are not"
    assert b"interrupted" in said
    assert name == "SIGTERM" or told.encode() in said


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"gold": 5, "attempt": "#### 5"}\n' * 10_000)
    command = [str(COTGEN), "verify", str(source), "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"gold": "1"}', "no attempt (keys: gold)"),
        ("[1]", "an object with gold and attempt is needed"),
        ('{"gold": null, "attempt": ""}', "gold must be a text or a number, found NoneType"),
        ('{"gold": "1", ', "truncated"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path: Path, line: str, told: str) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(LINES + line + "\n")
    said = cotgen(str(source), "--out", str(out))
    assert said.returncode == 2
    assert said.stderr.startswith(f"cotgen: {source}:5: ")
    assert told in said.stderr
    assert not out.exists()


def test_settings_are_given_as_in_a_recipe() -> None:
    line = '{"gold": "0.33", "attempt": "\\\\boxed{1/3}"}\n'
    said = cotgen("-", "--set", "rounding=gold", "--set", "forms=[box]", given=line)
    assert json.loads(said.stdout)["outcome"] == "correct"
    assert "no setting round: there are forms" in cotgen("-", "--set", "round=up").stderr
