"""Two runs beside each other: what differs, and whether more than by chance."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from pathlib import Path

from cotgen.report.counting import DECIDED, MAJORITY, PASS_1, SOLVED, Note, collect
from cotgen.report.estimators import Estimate, Values, unpaired
from cotgen.report.numbers import Comparison, Difference, Numbers, Report


def collect_all(folders: list[Path]) -> Report:
    """The numbers of some runs; the second and later ones are compared with the first."""
    first = _Remembered()
    runs = [collect(folders[0], first.add if folders[1:] else None)]
    comparisons = []
    for folder in folders[1:]:
        paired = _Paired(first)
        note: Note = paired.add
        runs.append(collect(folder, note))
        comparisons.append(_compared(runs[0], runs[-1], paired))
    return Report(runs, comparisons)


class _Remembered:
    """What came of each question of a run, in a few hundred bytes a question."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._found: dict[bytes, tuple[tuple[str, ...], array[float]]] = {}

    def add(self, question: str, shares: dict[str, float]) -> None:
        names = tuple(shares)
        names = self._names.setdefault(names, names)
        self._found[_digest(question)] = (names, array("d", shares.values()))

    def get(self, question: str) -> dict[str, float]:
        """The measures of a question; none if the run has not seen it."""
        names, shares = self._found.get(_digest(question), ((), ()))
        return dict(zip(names, shares, strict=True))


def _digest(question: str) -> bytes:
    return blake2b(question.encode("utf-8", "replace"), digest_size=12).digest()


class _Paired:
    """Collects differences on the questions that the first run saw too."""

    def __init__(self, first: _Remembered) -> None:
        self._first = first
        self.better = self.worse = self.equal = 0
        self._differences: dict[str, Values] = {}

    def add(self, question: str, shares: dict[str, float]) -> None:
        before = self._first.get(question)
        if not before:
            return
        for name in shares.keys() & before.keys():
            values = self._differences.setdefault(name, Values())
            values.add(shares[name] - before[name])
        change = shares[PASS_1] - before[PASS_1]
        self.better += change > 0
        self.worse += change < 0
        self.equal += change == 0

    @property
    def shared(self) -> int:
        """How many questions both runs saw."""
        return self.better + self.worse + self.equal

    def difference(self, name: str, left: Estimate, right: Estimate) -> Estimate | None:
        """The mean difference, if both means are over the same questions: only then is it the
        difference of the means."""
        found = self._differences.get(name)
        if found is None or not len(found) == left.problems == right.problems:
            return None
        return found.difference()


def _compared(first: Numbers, second: Numbers, paired: _Paired) -> Comparison:
    return Comparison(
        first.facts.name,
        second.facts.name,
        paired.shared,
        paired.better,
        paired.worse,
        paired.equal,
        _differences(_measures(first), _measures(second), paired),
        _settings(first, second),
    )


def _differences(
    first: dict[str, Estimate], second: dict[str, Estimate], paired: _Paired
) -> list[Difference]:
    """All measures that both have; one that says the same as an earlier one is left out."""
    found: list[Difference] = []
    for name in (name for name in first if name in second):
        left, right = first[name], second[name]
        if any((left, right) == (each.first, each.second) for each in found):
            continue
        difference = paired.difference(name, left, right)
        is_paired = difference is not None
        found.append(Difference(name, left, right, difference or unpaired(right, left), is_paired))
    return found


def _measures(numbers: Numbers) -> dict[str, Estimate]:
    whole, curve = numbers.all, [point for point in numbers.curve if point.k > 1]
    found: dict[str, Estimate | None] = {PASS_1: whole.accuracy}
    found |= {f"pass@{point.k}": point.passed for point in curve}
    found |= {f"majority@{point.k}": point.majority for point in curve}
    found |= {DECIDED: whole.decided, SOLVED: whole.solved, MAJORITY: whole.majority}
    return {name: estimate for name, estimate in found.items() if estimate}


def _settings(first: Numbers, second: Numbers) -> list[tuple[str, str, str]]:
    """The settings that differ; '' where one has none."""
    left, right = first.facts.settings, second.facts.settings
    keys = [*left, *(key for key in right if key not in left)]
    found = ((key, left.get(key, ""), right.get(key, "")) for key in keys)
    return [(key, a, b) for key, a, b in found if a != b]
