from __future__ import annotations

from collections import Counter

import pytest
from listed import decisions, dropped, problem_with
from pydantic import ValidationError

from cotgen.filters import BalanceFilter
from cotgen.records import Group


def leveled(**sizes: int) -> list[Group]:
    return [
        problem_with(f"{level}-{number}", "text", level=level)
        for level, size in sizes.items()
        for number in range(size)
    ]


def left_by_level(filter: BalanceFilter, groups: list[Group], seed: int = 0) -> dict[str, int]:
    gone = set(dropped(filter, *groups, seed=seed))
    return Counter(group.problem.level for group in groups if group.problem.id not in gone)


def sized(*sizes: int) -> list[Group]:
    """Problems p0, p1, … with so many correct attempts, and a wrong one each."""
    return [
        problem_with(f"p{n}", *(f"text {each}" for each in range(size)), ("wrong", "incorrect"))
        for n, size in enumerate(sizes)
    ]


def left_by_problem(filter: BalanceFilter, groups: list[Group], seed: int = 0) -> list[int]:
    gone = set(dropped(filter, *groups, seed=seed))
    return [sum(1 for each in group.having("correct") if each.id not in gone) for group in groups]


def test_levels_keep_as_many_problems_as_the_smallest() -> None:
    groups = leveled(easy=30, medium=12, hard=7)
    assert left_by_level(BalanceFilter(by="level"), groups) == {"easy": 7, "medium": 7, "hard": 7}


def test_levels_keep_what_is_asked_for_at_most() -> None:
    groups = leveled(easy=30, medium=12, hard=7)
    assert left_by_level(BalanceFilter(by="level", most=10), groups) == {
        "easy": 10, "medium": 10, "hard": 7,
    }  # fmt: skip


@pytest.mark.parametrize("total", [1, 2, 20, 25, 26, 40, 48, 49, 50])
def test_a_total_is_met_in_shares_as_equal_as_can_be(total: int) -> None:
    left = left_by_level(BalanceFilter(by="level", total=total), leveled(a=30, b=12, c=7))
    assert sum(left.values()) == min(total, 49)
    full = {"a": 30, "b": 12, "c": 7}
    cut = [left.get(level, 0) for level in full if left.get(level, 0) < full[level]]
    assert not cut or max(cut) - min(cut) <= 1
    assert not cut or max(left.values()) <= max(cut) + 1


def test_problems_keep_as_many_correct_attempts_as_the_one_with_fewest() -> None:
    assert left_by_problem(BalanceFilter(by="problem"), sized(6, 2, 0, 3)) == [2, 2, 0, 2]
    assert left_by_problem(BalanceFilter(by="problem", most=3), sized(6, 2, 0, 3)) == [3, 2, 0, 3]
    left = left_by_problem(BalanceFilter(by="problem", total=8), sized(6, 2, 0, 3))
    assert left == [3, 2, 0, 3]


def test_wrong_attempts_are_balanced_if_they_are_named() -> None:
    groups = [
        problem_with("p", "right", ("a", "incorrect"), ("b", "incorrect")),
        problem_with("q", "right", ("a", "incorrect")),
    ]
    (found,) = decisions(BalanceFilter(by="problem", of="incorrect"), *groups)
    assert found.id in ("p@t/1", "p@t/2")
    assert found.evidence == "the problem keeps 1 of 2 incorrect attempts"


def test_the_draw_follows_from_the_seed() -> None:
    groups = leveled(a=30, b=5)
    filter = BalanceFilter(by="level")
    drawn = {tuple(dropped(filter, *groups, seed=seed)) for seed in range(5)}
    assert len(drawn) == 5
    assert dropped(filter, *groups) == dropped(filter, *groups)


def test_what_a_growing_run_adds_displaces_no_more_than_it_brings() -> None:
    def kept(size: int) -> set[str]:
        groups = leveled(a=size)
        gone = set(dropped(BalanceFilter(by="level", most=20), *groups))
        return {group.problem.id for group in groups} - gone

    before, after = kept(50), kept(60)
    assert len(before - after) == len({id for id in after if int(id[2:]) >= 50}) <= 10
    # The order in which problems come changes nothing either.
    groups = leveled(a=50)
    filter = BalanceFilter(by="level", most=20)
    assert set(dropped(filter, *groups)) == set(dropped(filter, *groups[::-1]))


def test_nothing_to_balance_is_nothing_to_drop() -> None:
    assert dropped(BalanceFilter(by="level")) == []
    assert dropped(BalanceFilter(by="problem"), *sized(0, 0)) == []


def test_most_and_total_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        BalanceFilter(by="level", most=1, total=2)
