"""Texts that mean harm: none runs, hangs, crashes, fills the memory or passes for a right answer.

The corpus is judged by a process of its own (this file, run as a program), so that a crash, an
exit or a peak of memory is told apart from the tests' own.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import pytest

from cotgen import verify
from cotgen.verifiers.mathematics import symbolic

CORPUS = Path(__file__).with_name("hostile.jsonl")
TIMEOUT_S = 5.0
CPU_S, HELPER_CPU_S = 1.0, 0.8
"""Of this process, and of the one that runs sympy: the verifier's own bounds and some slack."""
WALL_S = 4.0
"""For a machine that does much else; by itself no pair takes more than a second."""
GIVEN_UP_S = 2.0
PEAK_MB = 300
ADDRESS_SPACE = 8 << 30
"""A bound for the machine's sake: `PEAK_MB` is what counts."""


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gold, an attempt, and whether it may pass; null where either decision is right.

    Texts are written short: a list is its joined parts, {"repeat": [text, n]} a repetition,
    {"numbered": [template, start, stop, separator, step]} puts numbers in the place of "#", and
    {"codes": text} is a text's code points between commas. @CANARY@ is a file that must not appear.
    """

    gold: object
    attempt: object
    accept: bool | None
    why: str


class Result(msgspec.Struct, frozen=True):
    """What became of a pair, and what it cost."""

    outcome: str
    reason: str
    cpu_s: float
    wall_s: float
    helper_cpu_s: float


class Ended(msgspec.Struct, frozen=True):
    """How the process came to its end."""

    results: list[Result]
    returncode: int
    error: str
    peak_mb: float
    left_behind: list[str]


def corpus() -> list[Pair]:
    """Read with json, as msgspec refuses the lone surrogates that belong to the corpus."""
    lines = CORPUS.read_text("utf-8").splitlines()
    return [msgspec.convert(json.loads(line), Pair) for line in lines]


def text(spec: object, canary: str) -> str:
    match spec:
        case str():
            return spec.replace("@CANARY@", canary)
        case list():
            return "".join(text(part, canary) for part in spec)
        case {"repeat": [part, int(times)]}:
            return text(part, canary) * times
        case {"codes": part}:
            return ",".join(str(ord(letter)) for letter in text(part, canary))
        case {"numbered": [str(template), int(start), int(stop), str(separator), *step]}:
            numbers = range(start, stop, *step)
            return separator.join(template.replace("#", str(number)) for number in numbers)
    raise ValueError(f"no such text: {spec!r}")


def judge(pair: Pair, canary: str) -> Result:
    gold, attempt = text(pair.gold, canary), text(pair.attempt, canary)
    wall, cpu, helper = time.perf_counter(), time.process_time(), helper_cpu_s()
    signal.setitimer(signal.ITIMER_PROF, GIVEN_UP_S)
    try:
        found = decide(gold, attempt)
    except TooLong:
        found = "hung", "given up"
    signal.setitimer(signal.ITIMER_PROF, 0)
    spent = time.process_time() - cpu, time.perf_counter() - wall
    return Result(*found, *spent, helper_cpu_s() - helper)


def helper_cpu_s() -> float:
    """What the answers of the process that runs sympy have cost, if it still is the same one."""
    child = symbolic._helper()._child
    if child is None or child.has_ended():
        return 0.0
    fields = Path(f"/proc/{child._process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


class TooLong(BaseException):
    """So that one endless pair does not hide the others; no `except Exception` holds it up."""


def ring(_number: int, _frame: object) -> None:
    raise TooLong


def decide(gold: str, attempt: str) -> tuple[str, str]:
    """Outcome and reason. A bug that `verify` turns into a verdict is found out all the same."""
    try:
        verdict = verify(gold, attempt, timeout_s=TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - whatever flies is a finding
        return "raised", repr(error)[:200]
    return "raised" if verdict.method == "error" else verdict.outcome, verdict.reason[:200]


def judge_all(folder: Path) -> None:
    """The program: one line for each pair, and what is known of the process as the last one."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    signal.signal(signal.SIGPROF, ring)
    verify("\\sin x", "\\boxed{\\cos x}")  # What is imported once is no pair's cost.
    with (folder / "results.jsonl").open("w", encoding="utf-8") as out:
        for pair in corpus():
            out.write(json.dumps(msgspec.to_builtins(judge(pair, str(folder / "canary")))) + "\n")
            out.flush()
        out.write(json.dumps({"peak_mb": peak_mb(), "ran": "COTGEN_RAN" in os.environ}) + "\n")


def peak_mb() -> float:
    """Of this process and of each of its workers, those that still live included."""
    # Its own ru_maxrss starts at what the tests held when they started it.
    living = ["self"]
    for children in Path("/proc/self/task").glob("*/children"):
        living += children.read_text().split()
    peaks = [resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]
    for process in living:
        status = Path("/proc", process, "status").read_text()
        peaks += [int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line]
    return max(peaks) / 1024


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("hostile")
    work = folder / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        cwd=work,
        env={**os.environ, "COTGEN_CANARY": str(folder / "canary")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=250,
    )
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    last = lines.pop() if lines and "peak_mb" in lines[-1] else {"peak_mb": -1.0, "ran": True}
    left = {path.name for path in (*folder.iterdir(), *work.iterdir())} - {"work", "results.jsonl"}
    return Ended(
        results=[msgspec.convert(line, Result) for line in lines],
        returncode=done.returncode,
        error=done.stderr.decode("utf-8", "replace")[-2_000:],
        peak_mb=last["peak_mb"],
        left_behind=sorted(left | ({"COTGEN_RAN"} if last["ran"] else set())),
    )


def short(spec: object) -> str:
    return json.dumps(spec)[:120]


def offenders(ended: Ended, wrong: list[bool]) -> list[tuple[str, str, str, Result]]:
    """The pairs that fail, short enough to read, at most twenty."""
    trio = zip(corpus(), ended.results, wrong, strict=True)
    return [(p.why, short(p.gold), short(p.attempt), r) for p, r, bad in trio if bad][:20]


def test_the_corpus_is_large_and_whole() -> None:
    pairs = corpus()
    assert len(pairs) >= 320
    assert Counter(pair.accept for pair in pairs).keys() == {True, False, None}
    assert all(pair.why for pair in pairs)


@pytest.mark.timeout(300)
def test_no_pair_ends_the_process(ended: Ended) -> None:
    assert (ended.returncode, ended.error, len(ended.results)) == (0, "", len(corpus()))


def test_nothing_was_executed(ended: Ended) -> None:
    assert ended.left_behind == []


def test_no_exception_escapes(ended: Ended) -> None:
    assert offenders(ended, [result.outcome == "raised" for result in ended.results]) == []


def test_no_wrong_answer_is_accepted(ended: Ended) -> None:
    wrong = [
        pair.accept is False and result.outcome == "correct"
        for pair, result in zip(corpus(), ended.results, strict=True)
    ]
    assert offenders(ended, wrong) == []


def test_equal_answers_are_accepted_however_large_or_strangely_written(ended: Ended) -> None:
    wrong = [
        pair.accept is True and result.outcome != "correct"
        for pair, result in zip(corpus(), ended.results, strict=True)
    ]
    assert offenders(ended, wrong) == []


def test_no_pair_hangs(ended: Ended) -> None:
    assert offenders(ended, [result.outcome == "hung" for result in ended.results]) == []


def test_no_pair_costs_more_than_its_share(ended: Ended) -> None:
    wrong = [
        result.cpu_s > CPU_S or result.wall_s > WALL_S or result.helper_cpu_s > HELPER_CPU_S
        for result in ended.results
    ]
    assert offenders(ended, wrong) == []


def test_long_fractions_as_coefficients_cost_little_too() -> None:
    """250 factors: few steps of algebra, each of which reduces fractions of thousands of digits."""
    digits = Random(1)
    parts = [
        (digits.randrange(10**19, 10**20), digits.randrange(10**19, 10**20)) for _ in range(250)
    ]
    product = "".join(f"(x-\\frac{{{over}}}{{{under}}})" for over, under in parts)
    started = time.process_time()
    verdicts = [verify(gold, f"\\boxed{{{product}}}") for gold in ("x+1", "\\{1,2\\}")]
    assert time.process_time() - started < 2 * CPU_S
    assert "correct" not in {verdict.outcome for verdict in verdicts}


def test_the_memory_stays_small(ended: Ended) -> None:
    assert 0 < ended.peak_mb < PEAK_MB


def test_every_decision_but_acceptance_has_a_reason(ended: Ended) -> None:
    wrong = [not result.reason and result.outcome != "correct" for result in ended.results]
    assert offenders(ended, wrong) == []


if __name__ == "__main__":
    judge_all(Path(sys.argv[1]))
