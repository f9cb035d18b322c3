"""Problems of a difficulty, by the share of their attempts that are correct."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from cotgen.protocols import Component, Decision, Draw, Groups, Share
from cotgen.records import Group, Outcome


class DifficultyFilter(Component):
    """Keeps problems whose pass rate lies strictly between two bounds.

    The rate is correct / (correct + incorrect + unfinished), over all attempts of the problem,
    those that earlier filters dropped included: otherwise dropping duplicates would make problems
    look harder. Unverifiable attempts say nothing and do not count.
    """

    alone: ClassVar[bool] = True
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["difficulty"] = "difficulty"
    low: Share | None = 0.0
    """Only rates above this; by default a problem is solved at least once. null: no bound."""
    high: Share | None = 1.0
    """Only rates below this; by default a problem is not solved each time. null: no bound."""
    min_attempts: PositiveInt = 4
    """Problems with fewer attempts that count are dropped: their rate is not known."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low must be below high ({self.high})")
        return self

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """Drop the problems outside the band."""
        for group in groups:
            passed, counted = _passes(groups.whole(group.problem.id))
            if reason := self._reason(passed, counted):
                evidence = f"{passed} of {counted} attempts are correct"
                yield Decision(group.problem.id, "problem", reason, evidence=evidence)

    def _reason(self, passed: int, counted: int) -> str:
        if counted < self.min_attempts:
            return "too_few_attempts"
        rate = passed / counted
        if self.low is not None and rate <= self.low:
            return "too_hard"
        return "too_easy" if self.high is not None and rate >= self.high else ""


def _passes(group: Group) -> tuple[int, int]:
    outcomes: Counter[Outcome] = Counter(
        judged.verdict.outcome for judged in group.judged if judged.verdict
    )
    counted = outcomes["correct"] + outcomes["incorrect"] + outcomes["unfinished"]
    return outcomes["correct"], counted
