"""The fuzzer finds nothing in a short run, and finds what is planted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SHORT = ["--seed", "1", "--rounds", "60", "--recorded", "150"]
PLANTED = """
import itertools, sys
from pathlib import Path
import fuzz_verifier
from cotgen.records import Verdict

count, verify = itertools.count(), fuzz_verifier.verify

def planted(gold, attempt, **settings):
    turn = next(count)
    if {rule!r} == "executed" and turn == 700:
        Path("CANARY").touch()
    if {rule!r} == "exception" and "5" in attempt:
        raise ValueError("planted")
    if {rule!r} == "crash" and "5" in attempt:
        reason = "the symbolic comparison ended without a result: died (11)"
        return Verdict("unverifiable", method="none", reason=reason)
    while {rule!r} == "slow" and turn in (700, 701):
        pass
    if {rule!r} == "self" and gold in attempt:
        return Verdict("incorrect", method="exact", reason="planted")
    return verify(gold, attempt, **settings)

fuzz_verifier.verify, fuzz_verifier.SHRINK_S, fuzz_verifier.TIMEOUT_S = planted, 0.1, 0.8
if {rule!r} == "memory":
    fuzz_verifier.PEAK_MB = 1
sys.exit(fuzz_verifier.main())
"""


def fuzzed(*program: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([*sys.path, str(BENCHMARKS)])
    return subprocess.run(
        [sys.executable, *program, *SHORT],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_short_run_finds_nothing_and_goes_where_the_recorded_pairs_do_not() -> None:
    done = fuzzed(str(BENCHMARKS / "fuzz_verifier.py"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "violations (0)" in done.stdout
    found = re.search(
        r"arcs (\d+) at the start, (\d+) at the end; pool 150, then (\d+)", done.stdout
    )
    assert found
    at_start, at_end, pool = map(int, found.groups())
    assert 2_000 < at_start < at_end
    assert pool > 150


@pytest.mark.parametrize("rule", ["executed", "exception", "crash", "slow", "self", "memory"])
def test_what_is_planted_is_reported(rule: str) -> None:
    done = fuzzed("-c", PLANTED.format(rule=rule))
    assert done.returncode == 1, done.stdout + done.stderr
    counts = dict(re.findall(r"(\w+) (\d+)", done.stdout.rpartition("violations by rule:")[2]))
    assert counts.pop(rule) != "0"
    assert set(counts.values()) == {"0"}
