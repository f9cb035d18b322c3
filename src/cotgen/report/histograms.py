"""Histograms of lengths and distances whose bins are fixed before the first value is seen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import pairwise

import msgspec

_FINENESS = 1.04
_LARGEST = 10**10


def _edges() -> list[int]:
    """Whole numbers, each at most 4 % above the one before where that is possible."""
    edges = [0]
    while edges[-1] < _LARGEST:
        edges.append(max(edges[-1] + 1, round(edges[-1] * _FINENESS)))
    return edges


_EDGES = _edges()


class Bin(msgspec.Struct):
    """How many values v have low ≤ v < high."""

    low: int
    high: int
    count: int


class Distribution(msgspec.Struct):
    """What is known of some whole numbers. Quantiles are true to 4 %."""

    count: int
    mean: float
    least: int
    most: int
    quantiles: dict[str, int]


class Histogram:
    """Collects whole numbers ≥ 0."""

    def __init__(self) -> None:
        self.fine: Counter[int] = Counter()
        self._sum = 0
        self._least = -1
        self._most = 0

    def add(self, value: int) -> None:
        """Count one more."""
        self.fine[bisect_right(_EDGES, value) - 1] += 1
        self._sum += value
        self._least = value if self._least < 0 else min(self._least, value)
        self._most = max(self._most, value)

    def distribution(self) -> Distribution | None:
        """Mean, range and quantiles; None without values."""
        count = self.fine.total()
        if not count:
            return None
        shares = {"5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95}
        quantiles = {name: self._quantile(share * count) for name, share in shares.items()}
        return Distribution(count, self._sum / count, self._least, self._most, quantiles)

    def _quantile(self, left: float) -> int:
        for place, count in sorted(self.fine.items()):
            left -= count
            if left <= 0:
                return min(max(_EDGES[place], self._least), self._most)
        return self._most


def coarse_edges(histograms: list[Histogram], bars: int = 28) -> list[int]:
    """Places of `_EDGES` that cut what the histograms hold into at most so many bars, about equally
    wide on a logarithmic axis, none narrower than a whole number."""
    places = sorted({place for histogram in histograms for place in histogram.fine})
    if not places:
        return []
    edges, last = [places[0]], places[-1] + 1
    ratio = ((_EDGES[last] + 1) / (_EDGES[places[0]] + 1)) ** (1 / bars)
    wanted = float(_EDGES[places[0]] + 1)
    while edges[-1] < last:
        wanted = max(wanted * ratio, _EDGES[edges[-1]] + 2)
        edges.append(min(max(bisect_left(_EDGES, round(wanted) - 1), edges[-1] + 1), last))
    if len(edges) > 2 and _EDGES[last] + 1 < (_EDGES[edges[-2]] + 1) * ratio**0.5:
        del edges[-2]  # What is left over is no bar of its own.
    return edges


def binned(histogram: Histogram, edges: list[int]) -> list[Bin]:
    """The histogram with these bars."""
    counts: Counter[int] = Counter()
    for place, count in histogram.fine.items():
        counts[bisect_right(edges, place) - 1] += count
    return [
        Bin(_EDGES[low], _EDGES[high], counts[number])
        for number, (low, high) in enumerate(pairwise(edges))
    ]
