"""Emission of many long rows: speed and memory, beside bare pyarrow in the same run.

    python benchmarks/emit.py [--rows 1000000] [--pipeline 40000]

Rows are of `kind: sft` (a question, a correct attempt), about 4 KB of JSON. Each measurement runs
in a process of its own, streams, and sees the same rows, which repeat after 30 MB.

- bare Parquet, what the target is about: the rows as Python objects → `pa.Table.from_pylist` →
  `ParquetWriter` (zstd), 1,000 rows at a time. Nothing is synchronised with the disk.
- bare JSON Lines: the rows → `msgspec.json.Encoder().encode_lines` → a file.
- cotgen: groups of attempts → all that stands in `datasets/`: the emitter, JSON Lines, Parquet
  (zstd), origins, lengths, settings, synchronised with the disk.
- whole stage: the emit stage of a run on the disk, which reads its tables first (`--pipeline 0`:
  left out). The run itself, which is not timed, takes a quarter of a millisecond a row.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from cotgen import Recipe, parse_recipe, run
from cotgen.emitters import SftEmitter
from cotgen.export import Order, schema_of, write_datasets
from cotgen.protocols import Row
from cotgen.recipe import Files
from cotgen.records import Attempt, Group, Judged, Origin, Problem, Step, Verdict
from cotgen.summary import read_summary
from cotgen.wiring import draws

PER_PROBLEM = 8
TEXT_BYTES = 3800
POOL_GROUPS = 1000
MEMORY_LIMIT_MB = 1000
TARGET = 0.5
Mode = Callable[[Path, int], tuple[float, float]]
"""Takes a folder and a number of rows; gives seconds, and seconds of processors."""


def main() -> None:
    """Measure each way, and say what became of the targets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pipeline", type=int, default=40_000)
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    arguments = parser.parse_args()
    if arguments.mode:
        _report(MODES[arguments.mode], arguments.folder, arguments.rows)
        return
    sizes = dict.fromkeys(("bare Parquet", "bare JSON Lines", "cotgen"), arguments.rows)
    if arguments.pipeline:
        sizes |= {"whole stage": arguments.pipeline}
    print(f"{'':22}{'rows':>10}{'seconds':>9}{'CPU s':>8}{'rows/s':>10}{'peak MB':>9}")
    rates = {}
    for mode, rows in sizes.items():
        told = _measured(mode, rows, arguments.folder)
        rates[mode] = rows / told["seconds"]
        print(
            f"{mode:22}{rows:>10,}{told['seconds']:>9.1f}{told['cpu_s']:>8.1f}"
            f"{rates[mode]:>10,.0f}{told['peak_mb']:>9,.0f}",
            flush=True,
        )
        if mode == "cotgen":
            _judge(rates, told["peak_mb"])
    bare = [mode for mode in rates if mode.startswith("bare")]
    for mode in rates.keys() - {*bare}:
        shares = ", ".join(f"{rates[mode] / rates[each]:.2f} × {each}" for each in bare)
        print(f"  {mode}: {shares}")


def _judge(rates: dict[str, float], peak_mb: float) -> None:
    ratio = rates["cotgen"] / rates["bare Parquet"]
    print(f"  speed: {ratio:.2f} of bare Parquet, {_met(ratio >= TARGET)} (target {TARGET})")
    print(f"  memory: {peak_mb:,.0f} MB, {_met(peak_mb < MEMORY_LIMIT_MB)} (target 1,000)")


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def _measured(mode: str, rows: int, folder: Path | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, __file__, "--mode", mode, "--rows", str(rows)]
        done = subprocess.run(
            [*command, "--folder", place], check=True, stdout=subprocess.PIPE, text=True
        )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _report(mode: Mode, folder: Path, rows: int) -> None:
    seconds, cpu_s = mode(folder, rows)
    # Not ru_maxrss: it starts at what the parent held when it made this process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_mb": int(peak_kb) / 1024}))


# What is written: groups, and the rows that the emitter makes of them.


def _groups() -> list[Group]:
    """Problems with correct attempts of arithmetic in words: text that compresses as such does."""
    rng = random.Random(7)
    return [_group(number, rng) for number in range(POOL_GROUPS)]


def _group(number: int, rng: random.Random) -> Group:
    problem = Problem(
        f"problem-{number:07}", f"Case {number}: {_sentence(rng)} How many are left?", "4",
        split="train", source="benchmark", license="CC0-1.0",
    )  # fmt: skip
    judged = tuple(
        Judged(f"{problem.id}@t/{each}", _attempt(rng), "t", Verdict("correct", "4", "exact"))
        for each in range(PER_PROBLEM)
    )
    return Group(problem, judged)


def _attempt(rng: random.Random) -> Attempt:
    steps, size = [], 0
    while size < TEXT_BYTES:
        steps.append(Step(_sentence(rng) + "\n"))
        size += len(steps[-1].text)
    return Attempt((*steps, Step("The answer is \\boxed{4}.")), origin=Origin("t"))


_NAMES = ("Ben", "Clara", "Dora", "Emil", "Finn", "Greta", "Hugo", "Ida", "Jonas", "Karla")
_THINGS = ("apples", "rolls", "stamps", "marbles", "tickets", "pencils", "shells", "coins")
_VERBS = ("buys", "sells", "finds", "loses", "gives away", "counts", "sorts", "borrows", "packs")
_WHY = ("so", "then", "because", "hence", "which means that", "therefore", "after that")


def _sentence(rng: random.Random) -> str:
    a, b = rng.randrange(2, 9999), rng.randrange(2, 9999)
    name, thing, verb, why = map(rng.choice, (_NAMES, _THINGS, _VERBS, _WHY))
    return f"{name} {verb} {a} {thing} of {a + b}, {why} {a + b} - {a} = {b} {thing} remain."


def _rows(rows: int) -> Iterator[dict[str, Any]]:
    made = (row for group in _groups() for row in SftEmitter().emit(group, draws(7)))
    pool = [row.columns for row in made if isinstance(row, Row)]
    return itertools.islice(itertools.cycle(pool), rows)


# The ways to write them.


def _bare_parquet(folder: Path, rows: int) -> tuple[float, float]:
    import pyarrow.parquet as pq

    made, schema = _rows(rows), schema_of(SftEmitter().columns)

    def write() -> None:
        with pq.ParquetWriter(folder / "rows.parquet", schema, compression="zstd") as file:
            while batch := list(itertools.islice(made, 1000)):
                file.write_table(pa.Table.from_pylist(batch, schema=schema))

    return _timed(write)


def _bare_lines(folder: Path, rows: int) -> tuple[float, float]:
    made, encoder = _rows(rows), msgspec.json.Encoder()

    def write() -> None:
        with (folder / "rows.jsonl").open("wb") as file:
            while batch := list(itertools.islice(made, 1000)):
                file.write(encoder.encode_lines(batch))

    return _timed(write)


def _cotgen(folder: Path, rows: int) -> tuple[float, float]:
    import pyarrow.parquet  # noqa: F401  # Importing it is not timed above either.

    groups = itertools.islice(itertools.cycle(_groups()), rows // PER_PROBLEM)
    order = Order(SftEmitter(), "0" * 24)

    def write() -> None:
        (writer,) = asyncio.run(write_datasets(folder, [order], Files(), groups, draws(7)))
        assert writer.rows == {"train": rows // PER_PROBLEM * PER_PROBLEM}

    return _timed(write)


def _stage(folder: Path, rows: int) -> tuple[float, float]:
    """A run up to its chains, and then the rest of it, which is the emit stage."""
    import pyarrow.parquet  # noqa: F401

    recipe = _recorded(folder, rows)
    run(recipe, outputs=folder, until="chain")
    before = read_summary(folder / recipe.name).seconds
    _, cpu_s = _timed(lambda: run(recipe, outputs=folder))
    after = read_summary(folder / recipe.name)
    assert after.rows == {"sft": rows // PER_PROBLEM * PER_PROBLEM}
    assert "emit" not in before
    return after.seconds["emit"], cpu_s


def _recorded(folder: Path, rows: int) -> Recipe:
    pool = _groups()
    with (folder / "recorded.jsonl").open("wb") as file:
        for number in range(rows // PER_PROBLEM):
            group = pool[number % len(pool)]
            line = {
                "question": f"({number}) {group.problem.question}",
                "answer": group.problem.answer,
                "attempts": [judged.attempt.text for judged in group.judged],
            }
            file.write(msgspec.json.encode(line) + b"\n")
    path = str(folder / "recorded.jsonl")
    return parse_recipe(
        {
            "name": "bench",
            "problems": {"kind": "jsonl", "path": path, "split": "train"},
            "teachers": {"recorded": {"kind": "replay", "path": path, "attempts": "attempts"}},
            "search": {"kind": "sample", "n": PER_PROBLEM, "prompt": "question"},
            "verifier": {"kind": "math"},
            "datasets": [{"kind": "sft"}],
        }
    )


def _timed(write: Callable[[], object]) -> tuple[float, float]:
    pa.Table.from_pylist([{"text": ""}])  # Imports pandas, half a second, in every way alike.
    gc.freeze()  # The pool that rows are drawn from is the benchmark's, not a writer's.
    started, used = time.perf_counter(), time.process_time()
    write()
    return time.perf_counter() - started, time.process_time() - used


MODES: dict[str, Mode] = {
    "bare Parquet": _bare_parquet,
    "bare JSON Lines": _bare_lines,
    "cotgen": _cotgen,
    "whole stage": _stage,
}

if __name__ == "__main__":
    main()
