"""The whole pipeline on replayed attempts: rate by stage, peak memory, and how both grow.

    python benchmarks/pipeline.py [--attempts 20000] [--growth 10000 100000] [--data FILE]

Attempts are the recorded MATH attempts of `--data` (see README), each problem repeated under other
wording; without the file, attempts of the scripted teacher. Beside each stage stands a bare
loop that does only what cannot be left out: read and write the lines, call the verifier, call the
emitters; no resuming, no processes, no checks. Every size runs in a fresh process.
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
from typing import Any

import jsonlines
import msgspec

from cotgen import Recipe, load_recipe, parse_recipe, run
from cotgen.records import Completion, Problem, Searched, own_json
from cotgen.runs import Run, shape_of
from cotgen.steps import parse

PER_PROBLEM = 8
DATA = Path(__file__).parents[2] / "shared" / "data" / "math" / "math_cot_100.jsonl"
MEMORY_LIMIT_MB = 700


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--attempts", type=int, default=20_000)
    parser.add_argument("--growth", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"attempts from {_source(arguments.data)}\n")
        _stages(Path(folder), arguments.data, arguments.attempts)
        _growth(Path(folder), arguments.data, arguments.growth)


def _stages(folder: Path, data: Path, attempts: int) -> None:
    recipe = _recipe(folder, data, attempts)
    memory_mb, seconds = _measured(recipe, folder)
    bare = _bare(recipe, folder)
    print(f"{attempts:,} attempts          cotgen                    bare loop, one process")
    for stage, spent in seconds.items():
        other = f"{attempts / bare[stage]:>12,.0f}/s" if stage in bare else ""
        print(f"  {stage:<8}{attempts / spent:>12,.0f}/s {spent:>8.2f} s {other:>24}")
    whole = sum(seconds.values())
    print(f"  {'whole':<8}{attempts / whole:>12,.0f}/s {whole:>8.2f} s")
    print(f"  peak memory of the run (worker processes apart): {memory_mb:,.0f} MB\n")


def _growth(folder: Path, data: Path, sizes: list[int]) -> None:
    print("growth        seconds   µs/attempt   peak MB")
    first = 0.0
    for attempts in sizes:
        memory_mb, seconds = _measured(_recipe(folder, data, attempts), folder)
        each = sum(seconds.values()) / attempts
        first = first or each
        verdict = "" if memory_mb < MEMORY_LIMIT_MB else f"  over {MEMORY_LIMIT_MB} MB"
        print(
            f"{attempts:>9,}  {each * attempts:>9.1f}  {each * 1e6:>9.0f}  {memory_mb:>9,.0f}"
            f"   ({each / first:.2f} × the first's time an attempt){verdict}"
        )


def _recipe(folder: Path, data: Path, attempts: int) -> Recipe:
    """A recipe over a recording of so many attempts, which is made on the way."""
    path = folder / f"recorded-{attempts}.jsonl"
    with jsonlines.open(path, "w", dumps=lambda row: msgspec.json.encode(row).decode()) as writer:
        for number, row in enumerate(_rows(data, attempts // PER_PROBLEM)):
            writer.write({"id": f"problem-{number:07}", **row})
    return parse_recipe(
        {
            "name": f"bench-{attempts}",
            "problems": {"kind": "jsonl", "path": str(path), "split": "train", "gold": "whole"},
            "teachers": {"recorded": {"kind": "replay", "path": str(path), "attempts": "attempts"}},
            "search": {"kind": "sample", "n": PER_PROBLEM, "prompt": "question"},
            "verifier": {"kind": "math"},
            "chains": {"kind": "revision"},
            "datasets": [{"kind": "sft"}, {"kind": "sft", "from": "chains"}, {"kind": "dpo"}],
        }
    )


def _rows(data: Path, problems: int) -> Iterator[dict[str, Any]]:
    base = list(_recorded(data) if data.exists() else _scripted())
    for number in range(problems):
        row = base[number % len(base)]
        mark = f"(Variant {number // len(base)}.) "
        yield {
            "question": mark + row["question"],
            "answer": row["answer"],
            "attempts": [mark + text for text in row["attempts"]],
        }


def _recorded(data: Path) -> Iterator[dict[str, Any]]:
    with jsonlines.open(data, loads=msgspec.json.decode) as rows:
        for row in rows:
            yield {"question": row["question"], "answer": row["gt"], "attempts": row["code"]}


def _scripted() -> Iterator[dict[str, Any]]:
    from cotgen.problems.generated import GeneratedProblems
    from cotgen.teachers.scripted import ScriptedTeacher

    teacher = ScriptedTeacher()
    for problem in GeneratedProblems(limit=100, min_steps=20, max_steps=40).load():
        texts = [teacher._attempt(problem.question, n).text for n in range(PER_PROBLEM)]
        yield {"question": problem.question, "answer": problem.answer, "attempts": texts}


def _source(data: Path) -> str:
    return str(data) if data.exists() else "the scripted teacher"


def _measured(recipe: Recipe, folder: Path) -> tuple[float, dict[str, float]]:
    """Run a recipe in a fresh process; its peak memory and its seconds by stage."""
    path = folder / f"{recipe.name}.json"
    path.write_text(json.dumps(recipe.settings()), encoding="utf-8")
    child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, __file__, "--child", str(path)])
    if os.waitpid(child, 0)[1]:
        sys.exit(f"the run of {recipe.name} failed")
    summary = json.loads((folder / recipe.name / "summary.json").read_text(encoding="utf-8"))
    return float(path.with_suffix(".mb").read_text()), summary["seconds"]


def _child(path: Path) -> None:
    run(load_recipe(path), outputs=path.parent)
    # Not ru_maxrss: it starts at what the parent held when it spawned this process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    path.with_suffix(".mb").write_text(str(int(peak_kb) / 1024))


def _bare(recipe: Recipe, folder: Path) -> dict[str, float]:
    """Seconds of bare loops over the same attempts."""
    with Run(shape_of(recipe), folder / recipe.name, write=False) as made:
        problems = list(made.problems.lines())
        searched = list(made.attempts.lines())
        golds = {problem.id: problem for problem in problems}
        groups = list(made.groups())
        encode = msgspec.json.Encoder(enc_hook=own_json).encode
        copy = folder / "copy.jsonl"

        def search() -> None:
            with copy.open("wb") as file:
                for line in searched:
                    texts = [attempt.text for attempt in line.attempts]
                    parsed = [parse(Completion(text)).steps for text in texts]
                    file.write(encode([line.id, parsed]) + b"\n")

        def verify() -> None:
            with copy.open("wb") as file:
                for problem, text in _pairs(golds, searched):
                    file.write(encode(recipe.verifier.verify(problem, text)) + b"\n")

        def emit() -> None:
            with copy.open("wb") as file:
                for group in groups:
                    for line in (group.problem, *(judged.attempt for judged in group.judged)):
                        file.write(encode(line) + b"\n")

        loops: dict[str, Callable[[], None]] = {"search": search, "verify": verify, "emit": emit}
        return {stage: _timed(loop) for stage, loop in loops.items()}


def _pairs(golds: dict[str, Problem], searched: list[Searched]) -> Iterator[tuple[Problem, str]]:
    for line in searched:
        for attempt in line.attempts:
            yield golds[line.problem], attempt.solution


def _timed(loop: Callable[[], None]) -> float:
    started = time.perf_counter()
    loop()
    return time.perf_counter() - started


if __name__ == "__main__":
    _child(Path(sys.argv[2])) if sys.argv[1:2] == ["--child"] else main()
