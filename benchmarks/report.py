"""What a report and an audit of a run cost: CPU seconds and peak memory, and how both grow.

    python benchmarks/report.py [--attempts 10000 100000]

Runs of replayed attempts of about 4,000 characters are made first (8 a problem, some wrong, some
repeated), which takes longer than what is measured. Report and audit each run in a fresh process;
the bare loop beside them only decodes every group.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import cotgen
from cotgen.runs import Run, saved_shape

PER_PROBLEM = 8
CHARACTERS = 4_000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--attempts", type=int, nargs="+", default=[10_000, 100_000])
    arguments = parser.parse_args()
    print("attempts      what       CPU s   µs/attempt   peak MB")
    with tempfile.TemporaryDirectory() as folder:
        for attempts in arguments.attempts:
            run = _made(Path(folder), attempts)
            for what in WORK:
                seconds, memory_mb = _measured(what, run)
                each = seconds / attempts * 1e6
                print(
                    f"{attempts:>8,}   {what:<10}{seconds:>7.1f}  {each:>9.0f}  {memory_mb:>10,.0f}"
                )


def _made(folder: Path, attempts: int) -> Path:
    name = f"run-{attempts}"
    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in _rows(attempts // PER_PROBLEM))
    source = {"kind": "jsonl", "path": str(path), "split": "train", "license": "MIT"}
    recipe = {
        "name": name,
        "problems": source | {"gold": "whole"},
        "teachers": {"recorded": {"kind": "replay", "path": str(path), "attempts": "attempts"}},
        "search": {"kind": "sample", "n": PER_PROBLEM, "prompt": "question"},
        "verifier": {"kind": "math"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}, {"kind": "sft", "from": "chains"}, {"kind": "dpo"}],
    }
    cotgen.run(cotgen.parse_recipe(recipe), outputs=folder)
    return folder / name


def _rows(problems: int) -> Iterator[dict[str, Any]]:
    for number in range(problems):
        draw = Random(number)
        words = [f"step{draw.randint(0, 99)}" for _ in range(CHARACTERS // 8)]
        yield {
            "question": f"What is {number} plus 7?",
            "answer": str(number + 7),
            "level": str(1 + number % 5),
            "attempts": [_attempt(words, number, draw) for _ in range(PER_PROBLEM)],
        }


def _attempt(words: list[str], number: int, draw: Random) -> str:
    """The problem's words with a few changed; right in half of the cases."""
    changed = list(words)
    for _ in range(draw.randint(0, 30)):
        changed[draw.randrange(len(changed))] = "changed"
    lines = [" ".join(changed[start : start + 12]) for start in range(0, len(changed), 12)]
    answer = number + 7 + draw.choice((0, 0, 0, 1, 2, 30))
    return "\n".join([*lines, f"The answer is \\boxed{{{answer}}}."])


def _report(run: Path) -> None:
    from cotgen.report import write_report

    write_report([run])


def _audit(run: Path) -> None:
    from cotgen.audit import audit

    assert audit(run).passed


def _bare(run: Path) -> None:
    with Run(saved_shape(run), run, write=False) as opened:
        for _ in opened.groups():
            pass


WORK: dict[str, Callable[[Path], None]] = {"bare": _bare, "report": _report, "audit": _audit}


def _measured(what: str, run: Path) -> tuple[float, float]:
    out = run / "measured.json"
    arguments = [sys.executable, __file__, "--child", what, str(run), str(out)]
    child = os.spawnv(os.P_NOWAIT, sys.executable, arguments)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{what} of {run} failed")
    seconds, memory_mb = json.loads(out.read_text(encoding="utf-8"))
    return seconds, memory_mb


def _child(what: str, run: Path, out: Path) -> None:
    started = time.process_time()
    WORK[what](run)
    times = os.times()
    seconds = time.process_time() - started + times.children_user + times.children_system
    # Not ru_maxrss: it starts at what the parent held when it spawned this process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    out.write_text(json.dumps([seconds, int(peak_kb) / 1024]), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
