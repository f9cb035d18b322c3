"""Emission of many long rows: speed and memory, beside bare pyarrow in the same run.

    python benchmarks/emit.py [--rows 1000000] [--pipeline 100000]

Rows are of `kind: sft` (a question, a correct attempt), about 4 KB of JSON. Each measurement runs in
a process of its own, streams, and sees the same rows, which repeat only after many megabytes.

- bare Parquet: the rows as Python objects → `pa.Table.from_pylist` → `ParquetWriter` (zstd), 1,000
  rows at a time. What the target is about.
- bare JSON Lines: `msgspec.json.Encoder().encode_lines` → file.
- cotgen: from groups of attempts to all that stands in `datasets/`: the emitter, JSON Lines, Parquet
  (zstd), origins, lengths, settings, synchronised with the disk. Nothing else is done twice as much
  as this: it writes three times the files of bare Parquet.
- cotgen, whole stage: the emit stage of a run on the disk, which reads attempts and verdicts too.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from cotgen.emitters import SftEmitter
from cotgen.export import Order, schema_of, write_datasets
from cotgen.protocols import Row
from cotgen.recipe import Files
from cotgen.records import Attempt, Group, Judged, Origin, Problem, Step, Verdict
from cotgen.wiring import draws

PER_PROBLEM = 8
TEXT_BYTES = 3800
POOL_GROUPS = 1000
MEMORY_LIMIT_MB = 1000
TARGET = 0.5
Mode = Callable[[Path, int], float]


def main() -> None:
    """Measure each way, and say what became of the targets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pipeline", type=int, default=0, help="rows of the whole stage; 0: none")
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    arguments = parser.parse_args()
    if arguments.mode:
        _report(MODES[arguments.mode], arguments.folder, arguments.rows)
        return
    sizes = dict.fromkeys(("bare Parquet", "bare JSON Lines", "cotgen"), arguments.rows)
    if arguments.pipeline:
        sizes |= {"cotgen, whole stage": arguments.pipeline}
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
    for mode in rates:
        if mode.startswith("cotgen"):
            shares = (f"{rates[mode] / rates[bare]:.2f} × {bare}" for bare in list(rates)[:2])
            print(f"{mode}: {', '.join(shares)}")


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
    used = os.times()
    before = used.user + used.system
    seconds = mode(folder, rows)
    used = os.times()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    cpu_s = used.user + used.system - before
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


_NAMES = [
    "Ben",
    "Clara",
    "Dora",
    "Emil",
    "Finn",
    "Greta",
    "Hugo",
    "Ida",
    "Jonas",
    "Karla",
    "Lena",
    "Milo",
]
_THINGS = [
    "apples",
    "rolls",
    "stamps",
    "marbles",
    "tickets",
    "pencils",
    "stickers",
    "shells",
    "coins",
    "cards",
]
_VERBS = [
    "buys",
    "sells",
    "finds",
    "loses",
    "gives",
    "away",
    "counts",
    "sorts",
    "borrows",
    "returns",
    "packs",
]
_WHY = [
    "so",
    "then",
    "because",
    "hence",
    "which",
    "means",
    "that",
    "therefore",
    "after",
    "that",
    "next",
]


def _sentence(rng: random.Random) -> str:
    a, b = rng.randrange(2, 9999), rng.randrange(2, 9999)
    name, thing, verb, why = map(rng.choice, (_NAMES, _THINGS, _VERBS, _WHY))
    return f"{name} {verb} {a} {thing} of {a + b}, {why} {a + b} - {a} = {b} {thing} remain."


def _stream(rows: int) -> Iterator[Group]:
    pool = _groups()
    list(map(_touch, pool))
    return itertools.islice(itertools.cycle(pool), rows // PER_PROBLEM)


def _touch(group: Group) -> int:
    return sum(len(judged.attempt.text) for judged in group.judged)


def _rows(rows: int) -> Iterator[dict[str, Any]]:
    made = (row for group in _groups() for row in SftEmitter().emit(group, draws(7)))
    pool = [row.columns for row in made if isinstance(row, Row)]
    return itertools.islice(itertools.cycle(pool), rows)


# The ways to write them.


def _bare_parquet(folder: Path, rows: int) -> float:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made, schema = _rows(rows), schema_of(SftEmitter().columns)
    started = time.perf_counter()
    with pq.ParquetWriter(folder / "rows.parquet", schema, compression="zstd") as file:
        while batch := list(itertools.islice(made, 1000)):
            file.write_table(pa.Table.from_pylist(batch, schema=schema))
    return time.perf_counter() - started


def _bare_lines(folder: Path, rows: int) -> float:
    made, encoder = _rows(rows), msgspec.json.Encoder()
    started = time.perf_counter()
    with (folder / "rows.jsonl").open("wb") as file:
        while batch := list(itertools.islice(made, 1000)):
            file.write(encoder.encode_lines(batch))
    return time.perf_counter() - started


def _cotgen(folder: Path, rows: int) -> float:
    import pyarrow.parquet  # noqa: F401  # As above, importing it is not timed.

    groups = _stream(rows)
    order = Order(SftEmitter(), "0" * 24)
    started = time.perf_counter()
    (writer,) = asyncio.run(write_datasets(folder, [order], Files(), groups, draws(7)))
    seconds = time.perf_counter() - started
    assert writer.rows == {"train": rows}
    return seconds


MODES: dict[str, Mode] = {
    "bare Parquet": _bare_parquet,
    "bare JSON Lines": _bare_lines,
    "cotgen": _cotgen,
}

if __name__ == "__main__":
    main()
