"""Near-duplicate filtering of many attempts: time, memory, and what of the planted ones it finds.

A run is made up, the same each time: attempts of independent words, a fifth of them copies of
earlier ones with some words changed, so that their exact Jaccard similarity is known. Beside it
stand the bare pass over the same groups, which any filter must pay, and datasketch on a sample.

    python benchmarks/filters.py --attempts 100000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from cotgen.filtering import filter_run
from cotgen.filters.signatures import PERMUTATIONS, rows_of_a_band
from cotgen.ngrams import gram_set, jaccard, normal
from cotgen.recipe import Recipe, parse_recipe
from cotgen.records import Attempt, Outcome, Problem, Searched, Step, Verified
from cotgen.runs import Run, attempt_id, shape_of
from cotgen.store.lines import LineFile

NEAR, A_PROBLEM, PLANTED = 0.8, 16, 0.2
VOCABULARY = 20_000
BANDS = (0.5, 0.7, 0.75, 0.8, 0.825, 0.85, 0.9, 1.01)


class Plant(NamedTuple):
    """A copy of another attempt, and their exact similarity."""

    copy: str
    source: str
    similarity: float


class Maker:
    """Makes attempts up; each depends on its number alone."""

    def __init__(self, words: int, seed: int) -> None:
        self._words = words
        self._seed = seed

    def source(self, number: int) -> int | None:
        """The number of the attempt that this one copies, if it does."""
        draw = Random(f"{self._seed}/plant/{number}")
        if number < A_PROBLEM or draw.random() >= PLANTED:
            return None
        other = draw.randrange(number)
        while self._is_copy(other):
            other -= 1
        return other

    def _is_copy(self, number: int) -> bool:
        return number >= A_PROBLEM and (Random(f"{self._seed}/plant/{number}").random() < PLANTED)

    def text(self, number: int) -> str:
        """The attempt with this number."""
        other = self.source(number)
        draw = Random(f"{self._seed}/text/{number if other is None else other}")
        length = draw.randint(self._words // 2, self._words * 3 // 2)
        words = [f"w{int(VOCABULARY ** draw.random())}" for _ in range(length)]
        if other is not None:
            change = Random(f"{self._seed}/change/{number}")
            for place in change.sample(range(length), change.randint(0, length // 28)):
                words[place] = f"x{change.randrange(VOCABULARY)}"
        return " ".join(words)


def recipe() -> Recipe:
    """The recipe of the run that is made up."""
    return parse_recipe(
        {
            "name": "filters",
            "problems": {"kind": "generated", "limit": 1_000_000},
            "teachers": {"t": {"kind": "scripted"}},
            "search": {"kind": "sample", "n": A_PROBLEM},
            "verifier": {"kind": "math"},
            "filters": [{"kind": "dedup", "near": NEAR}],
        }
    )


def make(folder: Path, attempts: int, maker: Maker) -> None:
    """Write the tables of the run."""
    folder.mkdir(parents=True)
    outcome: Outcome = "correct"
    names = ("problems", "attempts", "verdicts")
    files = [LineFile(folder / f"{name}.jsonl", gathered=True) for name in names]
    for first in range(0, attempts, A_PROBLEM):
        id = f"p{first // A_PROBLEM:07}"
        found = tuple(
            Attempt((Step(maker.text(number)),))
            for number in range(first, min(first + A_PROBLEM, attempts))
        )
        lines: list[list[Problem | Searched | Verified]] = [
            [Problem(id, "?", "4")],
            [Searched(f"{id}@t", id, "t", found)],
            [Verified(name_of(first + n), "", outcome, "", "", "") for n in range(len(found))],
        ]
        for file, some in zip(files, lines, strict=True):
            for line in some:
                file.append(msgspec.json.encode(line))
    for file in files:
        file.close()


def name_of(number: int) -> str:
    """The id of an attempt."""
    return attempt_id(f"p{number // A_PROBLEM:07}@t", number % A_PROBLEM)


def measure(folder: Path, what: str) -> dict[str, float]:
    """In a process of its own, which does nothing else: seconds, CPU seconds, peak memory."""
    command = [sys.executable, __file__, "--measure", what, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def measured(folder: Path, what: str) -> dict[str, float]:
    """What `measure` asks for."""
    with Run(shape_of(recipe()), folder) as run:
        opened = len(run.problems) + len(run.attempts) + len(run.verdicts)
        assert opened
        before, cpu, wall = memory(), time.process_time(), time.perf_counter()
        if what == "pass":
            for _ in run.groups():
                pass
        else:
            asyncio.run(filter_run(run, recipe(), lambda: None))
        return {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "before_mb": before,
            "peak_mb": memory(),
        }


def memory() -> float:
    """Most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plants(maker: Maker, attempts: int) -> Iterator[Plant]:
    """All copies with what they copy."""
    for number in range(attempts):
        source = maker.source(number)
        if source is not None:
            mine, theirs = (gram_set(normal(maker.text(each)), 5) for each in (number, source))
            yield Plant(name_of(number), name_of(source), jaccard(mine, theirs))


def report(folder: Path, maker: Maker, attempts: int) -> bool:
    """Print what was found of what was planted; whether all that was dropped was rightly so."""
    lines = (folder / "filtered.jsonl").read_text(encoding="utf-8").splitlines()
    found = {line["id"]: line["match"] for line in map(json.loads, lines)}
    planted = list(plants(maker, attempts))
    rightly = {plant.copy for plant in planted if plant.similarity >= NEAR}
    print(f"planted copies: {len(planted):,}, {len(rightly):,} of them at {NEAR} or more")
    all_of: Counter[int] = Counter()
    found_of: Counter[int] = Counter()
    for plant in planted:
        band = sum(plant.similarity >= bound for bound in BANDS)
        all_of[band] += 1
        found_of[band] += found.get(plant.copy) == plant.source
    for band in sorted(all_of):
        low, high = (0.0, *BANDS)[band], BANDS[band]
        of = f"{found_of[band]:6,} of {all_of[band]:6,}"
        print(f"  {low:5.3f} to {high:5.3f}: {of} dropped, {found_of[band] / all_of[band]:.2%}")
    right = len(found.keys() & rightly)
    print(
        f"recall {right / max(len(rightly), 1):.4f}, precision {right / max(len(found), 1):.4f} "
        f"({len(found):,} dropped)"
    )
    return found.keys() <= rightly


def beside_datasketch(maker: Maker, sample: int) -> None:
    """CPU seconds, and the duplicates found, of datasketch and of ours on the first texts."""
    from datasketch import MinHash, MinHashLSH

    from cotgen.filters.signatures import Signatures

    texts = [maker.text(number) for number in range(sample)]
    rows = rows_of_a_band(NEAR)
    sets = [gram_set(normal(text), 5) for text in texts]
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS // rows, rows))
    theirs: set[int] = set()
    started = time.process_time()
    for number, text in enumerate(texts):
        words = normal(text).split()
        minhash = MinHash(num_perm=PERMUTATIONS)
        minhash.update_batch(
            [" ".join(words[at : at + 5]).encode() for at in range(max(1, len(words) - 4))]
        )
        if any(jaccard(sets[number], sets[other]) >= NEAR for other in lsh.query(minhash)):
            theirs.add(number)
        else:
            lsh.insert(number, minhash)
    their_s, started = time.process_time() - started, time.process_time()
    signatures = Signatures(NEAR, 5)
    for text in texts:
        signatures.add(normal(text), "")

    def repeats(number: int, earlier: list[int]) -> int | None:
        alike = any(jaccard(sets[number], sets[other]) >= NEAR for other in earlier)
        return number if alike else None

    ours = set(signatures.firsts(repeats))
    our_s = time.process_time() - started
    print(
        f"first {sample:,} texts: datasketch {their_s:.2f} CPU s, {len(theirs):,} duplicates; "
        f"ours {our_s:.2f} CPU s, {len(ours):,}; found by one only: {len(ours ^ theirs)}; "
        f"{their_s / our_s:.1f} times faster"
    )


def main() -> None:
    """Make the run, filter it, compare."""
    options = _options()
    if options.measure:
        print(json.dumps(measured(options.folder, options.measure)))
        return
    maker = Maker(options.words, options.seed)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary) / "filters"
        make(folder, options.attempts, maker)
        size = (folder / "attempts.jsonl").stat().st_size
        print(f"{options.attempts:,} attempts, {size / 1e6:,.0f} MB")
        bare, filtered = measure(folder, "pass"), measure(folder, "filter")
        for name, found in (("bare pass", bare), ("near-duplicates", filtered)):
            print(
                f"{name:16} {found['cpu_s']:7.1f} CPU s {found['wall_s']:7.1f} s, peak "
                f"{found['peak_mb']:,.0f} MB ({found['before_mb']:,.0f} MB before, its index)"
            )
        sound = report(folder, maker, options.attempts)
    beside_datasketch(maker, min(options.sample, options.attempts))
    if not sound:
        raise SystemExit("something was dropped that repeats nothing")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--attempts", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=300, help="of an attempt, on average")
    parser.add_argument("--sample", type=int, default=5_000, help="texts that datasketch gets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="where the run is made up")
    parser.add_argument("--measure", choices=["pass", "filter"], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
