"""So many attempts a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveInt

from cotgen.distance import nearest_of
from cotgen.ngrams import gram_set, jaccard, normal
from cotgen.protocols import Component, Decision, Draw, Groups
from cotgen.records import Group, Judged, Outcome

Pick = Literal["first", "random", "shortest", "nearest", "diverse"]
_WORDS = 5


class PerProblemFilter(Component):
    """Keeps the k attempts of each outcome that suit best, for chains and pairs as for rows.

    `nearest` are those at the smallest edit distance from an attempt of the other outcome (with
    none, the first); `diverse` begins with the first, then takes each time the attempt that is
    least like those taken, by the Jaccard similarity of sets of word 5-grams. Attempts without a
    decision enter no dataset and are left alone. An emitter's own limit (`sft`'s `per_problem`)
    counts rows, after this.
    """

    alone: ClassVar[bool] = True
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["per_problem"] = "per_problem"
    k: PositiveInt
    """Attempts of an outcome that stay at most."""
    of: Literal["correct", "incorrect", "each"] = "each"
    """Which outcomes are limited: one of them, or each by itself."""
    pick: Pick = "first"
    """Which attempts stay; ties go to the first."""

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """Drop the others."""
        outcomes: tuple[Outcome, ...] = ("correct", "incorrect")
        for group in groups:
            for outcome in outcomes if self.of == "each" else (self.of,):
                yield from self._beyond(group, outcome, draw)

    def _beyond(self, group: Group, outcome: Outcome, draw: Draw) -> Iterator[Decision]:
        judged = list(group.having(outcome))
        if len(judged) <= self.k:
            return
        kept = {each.id for each in self._chosen(group, judged, draw)}
        evidence = f"{self.k} of {len(judged)} {outcome} attempts stay ({self.pick})"
        for each in judged:
            if each.id not in kept:
                yield Decision(each.id, "attempt", "beyond_k", evidence=evidence)

    def _chosen(self, group: Group, judged: list[Judged], draw: Draw) -> list[Judged]:
        if self.pick == "diverse":
            return _diverse(judged, self.k)
        orders: dict[Pick, Callable[[], list[float]]] = {
            "first": lambda: [0.0] * len(judged),
            "random": lambda: [draw(f"per_problem/{each.id}").random() for each in judged],
            "shortest": lambda: [len(each.attempt.text) for each in judged],
            "nearest": lambda: _distances(group, judged),
        }
        order = orders[self.pick]()
        ranked = sorted(range(len(judged)), key=order.__getitem__)
        return [judged[number] for number in ranked[: self.k]]


def _distances(group: Group, judged: list[Judged]) -> list[float]:
    """How far each attempt is from the nearest one of the other outcome."""
    other: Outcome = "incorrect" if judged[0].is_("correct") else "correct"
    others = [each.attempt.text for each in group.having(other)]
    if not others:
        return [0.0] * len(judged)
    return [near.distance for near in nearest_of([each.attempt.text for each in judged], others)]


def _diverse(judged: list[Judged], k: int) -> list[Judged]:
    """Greedy: each time the attempt whose likeness to its most similar neighbour is least."""
    grams = [gram_set(normal(each.attempt.text), _WORDS) for each in judged]
    chosen, likeness = [0], [0.0] * len(judged)
    while len(chosen) < k:
        last = chosen[-1]
        likeness = [
            max(so_far, jaccard(grams[last], each))
            for so_far, each in zip(likeness, grams, strict=True)
        ]
        rest = [number for number in range(len(judged)) if number not in chosen]
        chosen.append(min(rest, key=likeness.__getitem__))
    return [judged[number] for number in chosen]
