"""Equal shares for all problems, or for all levels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import PositiveInt, model_validator

from cotgen.protocols import Component, Decision, Draw, Groups


class BalanceFilter(Component):
    """Drops at random what one problem, or one level, has more than the others.

    By `problem` it counts attempts of one outcome and drops attempts; by `level` it counts problems
    and drops problems. What stays is decided by a draw for each id, the same in every run of one
    recipe seed: where a run grows, what it adds displaces at most as many as it brings. Filters
    before it decide what is counted: put `difficulty` first to leave unsolved problems out.
    """

    alone: ClassVar[bool] = False
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["balance"] = "balance"
    by: Literal["problem", "level"]
    """What gets equal shares."""
    of: Literal["correct", "incorrect"] = "correct"
    """By problem: the attempts that are counted."""
    most: PositiveInt | None = None
    """What each problem or level keeps at most."""
    total: PositiveInt | None = None
    """What all keep together at most, in shares as equal as can be. With neither, each keeps as
    many as the one that has the fewest (problems with none aside)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most is not None and self.total is not None:
            raise ValueError("give most or total, not both")
        return self

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """First count, then drop what is in excess."""
        if self.by == "level":
            yield from self._levels(groups, draw)
        else:
            yield from self._problems(groups, draw)

    def _levels(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        levels: defaultdict[str, list[_Drawn]] = defaultdict(list)
        for number, group in enumerate(groups):
            problem = group.problem
            levels[problem.level].append(_Drawn(_rank(draw, problem.id), number, problem.id))
        limits = self._limits({level: len(drawn) for level, drawn in levels.items()}, draw)
        excess = (
            (each, f"level {level!r} keeps {limits(level)} of {len(drawn)} problems")
            for level, drawn in levels.items()
            for each in sorted(drawn)[limits(level) :]
        )
        for each, evidence in sorted(excess, key=lambda pair: pair[0].number):
            yield Decision(each.id, "problem", "excess", evidence=evidence)

    def _problems(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        sizes = {group.problem.id: len(list(group.having(self.of))) for group in groups}
        limits = self._limits(sizes, draw)
        for group in groups:
            judged, limit = list(group.having(self.of)), limits(group.problem.id)
            evidence = f"the problem keeps {limit} of {len(judged)} {self.of} attempts"
            drawn = [
                _Drawn(_rank(draw, each.id), number, each.id) for number, each in enumerate(judged)
            ]
            for each in sorted(sorted(drawn)[limit:], key=lambda each: each.number):
                yield Decision(each.id, "attempt", "excess", evidence=evidence)

    def _limits(self, sizes: dict[str, int], draw: Draw) -> Callable[[str], int]:
        """How many each share keeps."""
        sizes = {share: size for share, size in sizes.items() if size}
        if self.total is None:
            most = self.most or min(sizes.values(), default=0)
            return lambda share: most
        level = _fill(list(sizes.values()), self.total)
        left = self.total - sum(min(size, level) for size in sizes.values())
        higher = [share for share, size in sizes.items() if size > level]
        # What does not divide evenly goes to those that a draw names.
        lucky = set(sorted(higher, key=lambda share: (_rank(draw, share), share))[:left])
        return lambda share: level + (share in lucky)


class _Drawn(NamedTuple):
    """Something with its draw, the least of which stay, and its place in the order of the run."""

    rank: float
    number: int
    id: str


def _rank(draw: Draw, id: str) -> float:
    return draw(f"balance/{id}").random()


def _fill(sizes: list[int], total: int) -> int:
    """The highest level at which shares that are cut there sum up to no more than the total."""
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(size, middle) for size in sizes) <= total:
            low = middle
        else:
            high = middle - 1
    return low
