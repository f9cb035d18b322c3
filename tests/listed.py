"""Groups in a list, as a filter reads them, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from cotgen.protocols import Decision, Filter
from cotgen.records import Attempt, Group, Judged, Outcome, Problem, Step, Verdict

HOSTILE = {
    "empty": "",
    "spaces": " \n\t ",
    "nul": "a\0b " * 50,
    "lone surrogate": "\ud800 and \udfff " * 20,
    "one word of a megabyte": "x" * 1_000_000,
    "a megabyte of words": "so we add 1 to 2 " * 60_000,
    "a megabyte of marks": "a" + "\u0316\u0300" * 250_000,
    "a megabyte of openings": r"\[" * 250_000 + "`$" * 125_000,
    "a megabyte of fences": "```" * 330_000,
    "no end of a loop": ("ab" * 40 + "c") * 6_000 + "ab" * 39,
    "bidirectional": "\u202e\u2066 evil \u2069" * 1000,
}


class Listed:
    """Groups in memory; `wholes` are those that were there before earlier filters."""

    def __init__(self, groups: Sequence[Group], wholes: Sequence[Group] = ()) -> None:
        self._groups = groups
        self._wholes = {group.problem.id: group for group in wholes or groups}

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def whole(self, problem: str) -> Group:
        """What there was of a problem."""
        return self._wholes[problem]


def problem_with(
    id: str,
    *attempts: str | tuple[str, Outcome],
    question: str = "What is 2 + 2?",
    level: str = "",
) -> Group:
    """A group with attempts id@t/0, id@t/1, …; they are correct if nothing else is said."""
    pairs: list[tuple[str, Outcome]] = [
        (each, "correct") if isinstance(each, str) else each for each in attempts
    ]
    judged = tuple(
        Judged(f"{id}@t/{number}", Attempt((Step(text),)), "t", Verdict(outcome))
        for number, (text, outcome) in enumerate(pairs)
    )
    return Group(Problem(id, question, "4", level=level), judged)


def decisions(filter: Filter, *groups: Group, seed: int = 0) -> list[Decision]:
    """All that a filter says."""
    return list(filter.decide(Listed(groups), lambda id: Random(f"{seed}/{id}")))


def dropped(filter: Filter, *groups: Group, seed: int = 0) -> list[str]:
    """The ids of what it drops."""
    return [decision.id for decision in decisions(filter, *groups, seed=seed)]
