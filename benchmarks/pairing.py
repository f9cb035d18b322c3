"""Each correct attempt with its nearest wrong one, beside rapidfuzz over all pairs, on one core.

Long attempts are made of recorded MATH attempts, by recombining paragraphs and editing characters;
without the recordings, of words drawn here. One line a workload: the same nearest attempts, and
how much faster. `far` is the worst case: nothing in common, so nothing can be skipped.

    python benchmarks/pairing.py --attempts 64 --chars 20000
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from cotgen.distance import Nearest, nearest_of

RECORDED = Path(__file__).parents[2] / "shared/data/math/math_cot_100.jsonl"
LETTERS = "abcdefghijklmnopqrstuvwxyz 0123456789+-=\\{}."


class Workload(NamedTuple):
    """The attempts of one problem, already judged."""

    name: str
    correct: list[str]
    wrong: list[str]


class Measured(NamedTuple):
    """What one workload took, and whether both sides agree on it."""

    peer_s: float
    ours_s: float
    equal: bool


class Maker:
    """Makes attempts out of recorded ones."""

    def __init__(self, recorded: list[list[str]], chars: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.recorded = recorded
        self.chars = chars

    def near(self, count: int) -> list[str]:
        """One trace, up to 5% of its paragraphs and 1% of its characters changed."""
        return self._family(count, changed=(0, 0.05), edited=(0, 0.01))

    def family(self, count: int) -> list[str]:
        """One trace, 2 to 30% of its paragraphs and up to 2% of its characters changed."""
        return self._family(count, changed=(0.02, 0.3), edited=(0, 0.02))

    def families(self, count: int) -> list[str]:
        """Eight ways to solve it, each as a family: a correct and a wrong attempt share few."""
        ways = [self._family(-(-count // 8), (0.02, 0.2), (0, 0.02)) for _ in range(8)]
        attempts = [attempt for way in ways for attempt in way][:count]
        self.rng.shuffle(attempts)
        return attempts

    def crossed(self, count: int) -> list[str]:
        """Each new attempt: the head of one before, the tail of another, up to 5% edited."""
        attempts = ["\n\n".join(self._trace(self._paragraphs(4)))]
        while len(attempts) < count:
            head, tail = self.rng.choice(attempts), self.rng.choice(attempts)
            cut = self.rng.randrange(min(len(head), len(tail)))
            attempts.append(self._edit(head[:cut] + tail[cut:], self.rng.uniform(0, 0.05)))
        return attempts

    def chained(self, count: int) -> list[str]:
        """Recorded attempts of one problem, one after the other in any order, edited."""
        recorded = self.rng.choice(self.recorded)
        made = (self._trace(recorded) for _ in range(count))
        rates = (0, 0.02, 0.1)
        return ["\n\n".join(self._edit(t, self.rng.choice(rates)) for t in parts) for parts in made]

    def mixed(self, count: int) -> list[str]:
        """One trace, 30 to 60% of its paragraphs and up to 5% of its characters changed."""
        return self._family(count, changed=(0.3, 0.6), edited=(0, 0.05))

    def far(self, count: int) -> list[str]:
        """Paragraphs drawn from different problems for each attempt."""
        return ["\n\n".join(self._trace(self._paragraphs(10))) for _ in range(count)]

    def _family(
        self, count: int, changed: tuple[float, float], edited: tuple[float, float]
    ) -> list[str]:
        pool = self._paragraphs(4)
        trace = self._trace(pool)
        made = (self._recombine(trace, pool, self.rng.uniform(*changed)) for _ in range(count))
        return [self._edit("\n\n".join(parts), self.rng.uniform(*edited)) for parts in made]

    def _paragraphs(self, problems: int) -> list[str]:
        chosen = self.rng.sample(self.recorded, min(problems, len(self.recorded)))
        return [part for attempts in chosen for text in attempts for part in text.split("\n\n")]

    def _trace(self, pool: list[str]) -> list[str]:
        parts = [self.rng.choice(pool)[: self.chars]]
        while (chars := sum(len(part) + 2 for part in parts)) < self.chars:
            parts.append(self.rng.choice(pool)[: self.chars - chars])
        return parts

    def _recombine(self, trace: list[str], pool: list[str], changed: float) -> list[str]:
        parts: list[str] = []
        for part in trace:
            if self.rng.random() >= changed:
                parts.append(part)
            elif (change := self.rng.choice(("replace", "insert", "delete", "move"))) == "replace":
                parts.append(self.rng.choice(pool))
            elif change == "insert":
                parts += [part, self.rng.choice(pool)]
            elif change == "move":
                parts.insert(self.rng.randrange(len(parts) + 1), part)
        return parts

    def _edit(self, text: str, rate: float) -> str:
        chars = list(text)
        for place in range(len(chars)):
            if self.rng.random() < rate:
                new = self.rng.choice(LETTERS)
                chars[place] = self.rng.choice(("", new, chars[place] + new))
        return "".join(chars)


def main() -> None:
    """Prints a line a workload, then the sum."""
    options = _options()
    recorded = _recorded(options.data, random.Random(options.seed))
    cdist([""], [""])  # loads numpy, which neither side shall pay for
    print("workload                 pairs   chars  nearest    all   cdist s   ours s  ratio  equal")
    long = []
    for problem in range(options.problems):
        maker = Maker(recorded, options.chars, options.seed + problem)
        long += [_measure(workload) for workload in _recombined(maker, options.attempts)]
    peer_s, ours_s = sum(m.peer_s for m in long), sum(m.ours_s for m in long)
    print(f"{'recombined, all':52}{peer_s:10.2f}{ours_s:9.2f}{peer_s / ours_s:7.1f}")
    others = _others(maker.far(options.attempts // 2), recorded, options.seed)
    if not all(measured.equal for measured in [*long, *map(_measure, others)]):
        raise SystemExit("not the same nearest attempts")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=RECORDED)
    parser.add_argument("--problems", type=int, default=1, help="of each long workload")
    parser.add_argument("--attempts", type=int, default=64)
    parser.add_argument("--chars", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _recombined(maker: Maker, attempts: int) -> Iterator[Workload]:
    half, few = attempts // 2, max(1, attempts // 16)
    for make in (
        maker.near,
        maker.crossed,
        maker.family,
        maker.families,
        maker.chained,
        maker.mixed,
    ):
        made = make(attempts)
        yield Workload(make.__name__, made[:half], made[half:])
    made = maker.family(attempts)
    yield Workload("family, few wrong", made[few:], made[:few])
    yield Workload("family, few correct", made[:few], made[few:])


def _others(far: list[str], recorded: list[list[str]], seed: int) -> Iterator[Workload]:
    yield Workload("far", far[: len(far) // 2], far[len(far) // 2 :])
    for chars, attempts in ((300, 4), (500, 16)):
        maker = Maker(recorded, chars, seed)
        for make in (maker.family, maker.far):
            made = make(attempts)
            name = f"{attempts} short, {make.__name__}"
            yield Workload(name, made[: attempts // 2], made[attempts // 2 :])


def _measure(workload: Workload) -> Measured:
    name, correct, wrong = workload
    pairs = len(correct) * len(wrong)
    times = max(1, 5_000_000 // (pairs * len(wrong[0]) ** 2 // 100))
    peer_s = ours_s = float("inf")
    for _ in range(min(times, 200)):
        start = time.perf_counter()
        apart = cdist(correct, wrong, scorer=Levenshtein.distance, workers=1)
        theirs = _first_least(apart.argmin(axis=1).tolist(), apart.min(axis=1).tolist())
        peer_s = min(peer_s, time.perf_counter() - start)
        start = time.perf_counter()
        ours = nearest_of(correct, wrong)
        ours_s = min(ours_s, time.perf_counter() - start)
    equal = ours == theirs
    nearest = sum(found.distance for found in ours) / len(ours)
    chars = sum(map(len, wrong)) // len(wrong)
    print(
        f"{name:22}{f'{len(correct)} x {len(wrong)}':>8}{chars:8}{nearest:9.0f}{apart.mean():7.0f}"
        f"{peer_s:10.5f}{ours_s:9.5f}{peer_s / ours_s:7.1f}  {equal}",
        flush=True,
    )
    return Measured(peer_s, ours_s, equal)


def _first_least(indices: Sequence[int], distances: Sequence[int]) -> list[Nearest]:
    return [Nearest(*pair) for pair in zip(indices, distances, strict=True)]


def _recorded(path: Path, rng: random.Random) -> list[list[str]]:
    if not path.exists():
        print(f"no {path}: made-up text instead")
        return [_made_up(rng) for _ in range(20)]
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["code"] for line in lines]


def _made_up(rng: random.Random) -> list[str]:
    """Eight texts in the words of one problem."""
    words = ["".join(rng.choices(LETTERS[:26], k=rng.randint(1, 9))) for _ in range(200)]
    return [
        "\n\n".join(" ".join(rng.choices(words, k=rng.randint(5, 60))) for _ in range(6))
        for _ in range(8)
    ]


if __name__ == "__main__":
    main()
