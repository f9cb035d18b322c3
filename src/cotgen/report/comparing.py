"""Two runs beside each other: what differs, and whether more than by chance."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from cotgen.report.counting import Seen, collect
from cotgen.report.estimators import Estimate, Values, unpaired
from cotgen.report.numbers import Comparison, Difference, Numbers, Report, Slice

_MEASURES = ("accuracy", "solved", "majority")
_TITLES = {
    "accuracy": "pass@1",
    "decided": "pass@1 of decided attempts",
    "solved": "problems solved",
    "majority": "majority of all attempts",
}


def collect_all(folders: list[Path]) -> Report:
    """The numbers of some runs; the second and later ones are compared with the first."""
    first: dict[bytes, Seen] = {}
    remember = None if len(folders) == 1 else lambda question, seen: _keep(first, question, seen)
    runs = [collect(folders[0], remember)]
    comparisons = []
    for folder in folders[1:]:
        paired = _Paired(first)
        runs.append(collect(folder, paired.add))
        comparisons.append(_compared(runs[0], runs[-1], paired))
    return Report(runs, comparisons)


def _keep(seen_by_question: dict[bytes, Seen], question: str, seen: Seen) -> None:
    seen_by_question[_digest(question)] = seen


def _digest(question: str) -> bytes:
    return blake2b(question.encode("utf-8", "replace"), digest_size=12).digest()


class _Paired:
    """Collects differences on the questions that the first run saw too."""

    def __init__(self, first: dict[bytes, Seen]) -> None:
        self._first = first
        self.all = 0
        self.better = self.worse = self.equal = 0
        self.differences = {name: Values() for name in _MEASURES}

    def add(self, question: str, seen: Seen) -> None:
        self.all += 1
        before = self._first.get(_digest(question))
        if before is None:
            return
        for name, values in self.differences.items():
            values.add(getattr(seen, name) - getattr(before, name))
        self.better += seen.accuracy > before.accuracy
        self.worse += seen.accuracy < before.accuracy
        self.equal += seen.accuracy == before.accuracy

    @property
    def shared(self) -> int:
        """How many questions both runs saw."""
        return self.better + self.worse + self.equal

    def complete(self, first: Numbers) -> bool:
        """Whether both runs saw the same questions: only then do the differences of the means
        equal the mean of the differences."""
        return 0 < self.shared == self.all == first.all.problems


def _compared(first: Numbers, second: Numbers, paired: _Paired) -> Comparison:
    same = paired.complete(first)
    found = []
    for name, title in _TITLES.items():
        left, right = _measure(first.all, name), _measure(second.all, name)
        if left is None or right is None:
            continue
        values = paired.differences.get(name)
        difference = values.difference() if values and same else None
        found.append(
            Difference(
                title, left, right, difference or unpaired(right, left), difference is not None
            )
        )
    return Comparison(
        first.facts.name,
        second.facts.name,
        paired.shared,
        paired.better,
        paired.worse,
        paired.equal,
        found + _curves(first, second),
        _settings(first, second),
    )


def _measure(slice: Slice, name: str) -> Estimate | None:
    found: Estimate | None = getattr(slice, name)
    return found


def _curves(first: Numbers, second: Numbers) -> list[Difference]:
    """pass@k and majority@k at each k > 1 that both have."""
    points = {point.k: point for point in first.curve if point.k > 1}
    both = [(points[point.k], point) for point in second.curve if point.k in points]
    pairs = [(f"pass@{left.k}", left.passed, right.passed) for left, right in both]
    pairs += [(f"majority@{left.k}", left.majority, right.majority) for left, right in both]
    return [Difference(name, a, b, unpaired(b, a), paired=False) for name, a, b in pairs]


def _settings(first: Numbers, second: Numbers) -> list[tuple[str, str, str]]:
    """The settings that differ; '' where one has none."""
    left, right = first.facts.settings, second.facts.settings
    keys = [*left, *(key for key in right if key not in left)]
    found = ((key, left.get(key, ""), right.get(key, "")) for key in keys)
    return [(key, a, b) for key, a, b in found if a != b]
