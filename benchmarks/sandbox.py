"""What a sandboxed execution costs beside plain `python -I`, and how HumanEval is judged by it.

    python benchmarks/sandbox.py                      # costs
    python benchmarks/sandbox.py --humaneval FILE     # HumanEval.jsonl.gz: canonical and mutants

An execution is one `print(1)` in a process of its own; a verdict is two processes, the program's
and its tests'. CPU time is that of all processes together, on cgroups or not: it is read from the
processes' own accounts. Wall times grow with whatever else the machine does.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mutants import judged_plainly, mutants

from cotgen.records import Problem
from cotgen.sandbox.client import Exit, Limits, Sandbox, Tier
from cotgen.sandbox.tiers import STRONGEST_FIRST, weakness_of
from cotgen.verifiers import CodeVerifier

_LIMITS = Limits(wall_s=60)
_TIERS: tuple[Tier, ...] = (*STRONGEST_FIRST, "none")


class Cost(NamedTuple):
    """Medians of one execution, in milliseconds. The CPU time of a sandboxed one is that of its own
    processes; the server's and ours are not in it."""

    wall: float
    cpu: float


def main() -> None:
    """Print the costs, then how HumanEval goes if its file is given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--humaneval", type=Path)
    given = parser.parse_args()
    _print("plain python -I", _plain(given.runs))
    for tier in _TIERS:
        weakness = weakness_of(tier) if tier != "none" else ""
        if weakness:
            print(f"{tier:34} not here: {weakness}")
            continue
        started = time.perf_counter()
        with Sandbox(tier) as sandbox:
            print(f"{tier + ', start':34} {(time.perf_counter() - started) * 1000:8.1f} ms wall")
            _print(f"{tier}, a script", _costs(given.runs, lambda: _script(sandbox)))
            _print(f"{tier}, a function and its test", _costs(given.runs, lambda: _test(sandbox)))
    if given.humaneval:
        _humaneval(given.humaneval)


def _print(name: str, cost: Cost) -> None:
    print(f"{name:34} {cost.wall:8.1f} ms wall  {cost.cpu:6.1f} ms CPU")


def _plain(runs: int) -> Cost:
    def execute() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-I", "-c", "print(1)"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return _costs(runs, execute)


def _script(sandbox: Sandbox) -> float:
    ran = sandbox.run_script("print(1)", b"", _LIMITS)
    assert ran.output == b"1\n"
    return ran.exit.cpu_s


def _test(sandbox: Sandbox) -> float:
    program: dict[str, Any] = {
        "context": "",
        "texts": ["def add(a, b):\n    return a + b"],
        "wanted": ["add"],
        "sure": True,
    }
    tests = {"tests": {"asserts": "assert add(1, 2) == 3"}, "context": "", "entry_point": "add"}
    told = sandbox.run_tests(program, tests, _LIMITS)
    assert told.report is not None
    assert told.report.finding == "passed"
    ends: list[Exit] = [told.program, told.judge]
    return sum(end.cpu_s for end in ends)


def _costs(runs: int, execute: Callable[[], float]) -> Cost:
    walls, cpus = [], []
    for _ in range(runs):
        started = time.perf_counter()
        cpus.append(execute())
        walls.append(time.perf_counter() - started)
    return Cost(statistics.median(walls) * 1000, statistics.median(cpus) * 1000)


def _humaneval(path: Path) -> None:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    programs = [(row, row["prompt"] + row["canonical_solution"]) for row in rows]
    _judge("canonical solutions", programs, ["passes"] * len(rows))
    changed = [
        (row, mutant)
        for number, (row, source) in enumerate(programs)
        for mutant in itertools.islice(mutants(source, row["entry_point"], number), 8)
    ]
    said = judged_plainly([(mutant, row["test"], row["entry_point"]) for row, mutant in changed])
    first: dict[str, tuple[dict[str, Any], str]] = {}
    for (row, mutant), verdict in zip(changed, said, strict=True):
        if verdict == "fails":
            first.setdefault(row["task_id"], (row, mutant))
    _judge("a failing mutant of each", list(first.values()), ["fails"] * len(first))


def _judge(name: str, programs: list[tuple[dict[str, Any], str]], said: list[str]) -> None:
    verifier = CodeVerifier()
    outcomes: Counter[tuple[str, str]] = Counter()
    started = time.perf_counter()
    for (row, program), plainly in zip(programs, said, strict=True):
        problem = Problem(id=row["task_id"], question=row["prompt"], answer=row["test"])
        verdict = verifier.verify(problem, f"```python\n{program}\n```")
        outcomes[plainly, verdict.outcome] += 1
    seconds = time.perf_counter() - started
    told = ", ".join(f"{plainly} → {ours}: {n}" for (plainly, ours), n in outcomes.items())
    print(f"HumanEval, {name:26} {told}; {seconds:.1f} s")


if __name__ == "__main__":
    main()
