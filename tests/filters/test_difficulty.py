from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from listed import Listed, decisions, dropped, problem_with
from pydantic import ValidationError

from cotgen.filters import DifficultyFilter
from cotgen.records import Group, Outcome


def group_of(id: str, outcomes: str) -> Group:
    names: dict[str, Outcome] = {
        "c": "correct", "i": "incorrect", "u": "unfinished", "?": "unverifiable",
    }  # fmt: skip
    return problem_with(id, *((f"text {n}", names[each]) for n, each in enumerate(outcomes)))


def test_by_default_problems_that_are_never_or_always_solved_are_dropped() -> None:
    groups = [group_of("never", "iiii"), group_of("always", "cccc"), group_of("some", "ciii")]
    found = decisions(DifficultyFilter(), *groups)
    assert [(each.id, each.reason) for each in found] == [
        ("never", "too_hard"),
        ("always", "too_easy"),
    ]
    assert found[1].evidence == "4 of 4 attempts are correct"


def test_unfinished_attempts_count_and_unverifiable_ones_do_not() -> None:
    half = DifficultyFilter(low=0.4, high=0.6)
    assert dropped(half, group_of("p", "cciu????")) == []
    assert dropped(half, group_of("p", "cc??????c")) == ["p"]


def test_few_attempts_tell_no_rate() -> None:
    assert decisions(DifficultyFilter(), group_of("p", "ci?"))[0].reason == "too_few_attempts"
    assert dropped(DifficultyFilter(min_attempts=2), group_of("p", "ci?")) == []


def test_attempts_that_earlier_filters_dropped_count() -> None:
    whole, left = group_of("p", "cccciiii"), group_of("p", "c")
    found = DifficultyFilter(low=0.4, high=0.6).decide(Listed([left], [whole]), Random)
    assert list(found) == []


def test_a_bound_can_be_left_out() -> None:
    assert dropped(DifficultyFilter(high=None), group_of("p", "cccc")) == []
    assert dropped(DifficultyFilter(low=None), group_of("p", "iiii")) == []


def test_the_band_is_that_of_the_rates_themselves() -> None:
    draw = Random(0)
    groups = [group_of(f"p{n}", "".join(draw.choices("ci", k=8))) for n in range(200)]
    rates = {
        group.problem.id: Fraction(sum(1 for _ in group.having("correct")), 8) for group in groups
    }
    outside = [id for id, rate in rates.items() if not Fraction(1, 4) < rate < Fraction(3, 4)]
    assert dropped(DifficultyFilter(low=0.25, high=0.75), *groups) == outside


def test_an_empty_band_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="below high"):
        DifficultyFilter(low=0.5, high=0.5)
