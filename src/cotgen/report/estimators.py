"""What k attempts would give, and how sure that is: exact expectations, intervals over problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import comb, sqrt
from random import Random

import msgspec

RESAMPLES = 2000
"""Bootstrap samples of an interval; its ends move by about a fiftieth of its width from seed to
seed, hence the fixed seed."""
MOST_EXACT = 256
"""Attempts of a problem up to which the majority is exact (methods.md §46 asks for 20)."""
MONTE_CARLO_DRAWS = 2000
"""Subsets drawn beyond that: the error of one problem is at most 0.011 (one standard deviation)."""
_Z = 1.959964
_DIGITS = 3
"""Values are resampled to the thousandth, so that a million problems are as quick as a hundred."""

Vote = tuple[int, bool]
"""How many attempts gave one answer, and whether it is right."""


class Estimate(msgspec.Struct):
    """A mean over problems with its 95 % interval. `interval` says where that is from:
    `bootstrap` over problems, `wilson` where all problems agree, `mover` for differences."""

    value: float
    low: float
    high: float
    problems: int
    interval: str

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def pass_at(k: int, correct: int, attempts: int) -> float:
    """The chance that k of these attempts, drawn without replacement, hold a correct one.

    Unbiased for the chance of k fresh attempts: 1 − C(N−c, k) / C(N, k) (methods.md §16).
    """
    return 1.0 - comb(attempts - correct, k) / comb(attempts, k)


@lru_cache(maxsize=1 << 16)
def majority_at(k: int, votes: tuple[Vote, ...], silent: int) -> float:
    """The chance that the commonest answer of k of these attempts is right.

    `silent` attempts have no readable answer and never vote; a subset of them alone is wrong.
    Answers that tie share the win evenly: that is what breaking ties by attempt order comes to when
    attempts are exchangeable. Exact over all subsets up to `MOST_EXACT` attempts, else Monte Carlo.
    """
    attempts = silent + sum(count for count, _ in votes)
    if attempts > MOST_EXACT:
        return _drawn_majority(k, votes, silent)
    return sum(
        _winning(k, count, votes[:place] + votes[place + 1 :], silent)
        for place, (count, right) in enumerate(votes)
        if right
    ) / comb(attempts, k)


def _winning(k: int, mine: int, others: Sequence[Vote], silent: int) -> float:
    """In how many k-subsets an answer wins; a tie of t answers counts 1 / t."""
    total = 0.0
    for votes in range(1, min(mine, k) + 1):
        ways = {(0, 0): 1}
        for count, _ in others:
            ways = _with(ways, count, votes, k - votes)
        for (drawn, ties), number in ways.items():
            rest = comb(silent, k - votes - drawn)
            total += comb(mine, votes) * number * rest / (ties + 1)
    return total


def _with(
    ways: dict[tuple[int, int], int], count: int, most: int, room: int
) -> dict[tuple[int, int], int]:
    """The ways to draw from one answer more, at most `most` of it; `most` itself is a tie."""
    wider: dict[tuple[int, int], int] = {}
    for (drawn, ties), number in ways.items():
        for taken in range(min(count, most, room - drawn) + 1):
            key = (drawn + taken, ties + (taken == most))
            wider[key] = wider.get(key, 0) + number * comb(count, taken)
    return wider


def _drawn_majority(k: int, votes: tuple[Vote, ...], silent: int) -> float:
    answers = [place for place, (count, _) in enumerate(votes) for _ in range(count)]
    answers += [-1] * silent
    draw = Random(k)
    won = 0.0
    for _ in range(MONTE_CARLO_DRAWS):
        counts = Counter(draw.sample(answers, k))
        del counts[-1]
        most = max(counts.values(), default=0)
        leaders = [votes[place][1] for place, count in counts.items() if count == most]
        won += sum(leaders) / len(leaders) if leaders else 0.0
    return won / MONTE_CARLO_DRAWS


class Values:
    """One number a problem: all that the mean and its interval need, in little memory."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one more problem."""
        self._counts[round(value, _DIGITS)] += 1
        self._sum += value

    def __len__(self) -> int:
        return self._counts.total()

    def estimate(self) -> Estimate | None:
        """The mean of shares in [0, 1]; None without problems."""
        problems = len(self)
        if not problems:
            return None
        mean = self._sum / problems
        if len(self._counts) == 1:
            # A bootstrap of equal values would claim to be certain.
            return Estimate(mean, *wilson(mean, problems), problems, "wilson")
        return Estimate(mean, *self._bootstrap(mean), problems, "bootstrap")

    def difference(self) -> Estimate | None:
        """The mean of paired differences in [−1, 1]; None without problems."""
        problems = len(self)
        if not problems:
            return None
        mean = self._sum / problems
        if len(self._counts) == 1:
            unsure = wilson(0.0, problems)[1]
            return Estimate(mean, mean - unsure, mean + unsure, problems, "wilson")
        return Estimate(mean, *self._bootstrap(mean), problems, "bootstrap")

    def _bootstrap(self, mean: float) -> tuple[float, float]:
        import numpy as np

        pairs = sorted(self._counts.items())
        values = np.array([value for value, _ in pairs])
        counts = np.array([count for _, count in pairs])
        problems = int(counts.sum())
        drawn = np.random.default_rng(0).multinomial(problems, counts / problems, RESAMPLES)
        means = drawn @ values / problems
        low, high = np.quantile(means, (0.025, 0.975))
        rounding = mean - float(counts @ values) / problems
        return float(low) + rounding, float(high) + rounding


def wilson(share: float, problems: int) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    spread = _Z * _Z / problems
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / problems + spread / (4 * problems))
    return max(0.0, middle - half), min(1.0, middle + half)


def unpaired(left: Estimate, right: Estimate) -> Estimate:
    """left − right of different problems, from both intervals (MOVER, Zou and Donner 2008)."""
    value = left.value - right.value
    low = value - sqrt((left.value - left.low) ** 2 + (right.high - right.value) ** 2)
    high = value + sqrt((left.high - left.value) ** 2 + (right.value - right.low) ** 2)
    return Estimate(value, low, high, min(left.problems, right.problems), "mover")
