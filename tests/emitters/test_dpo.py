from __future__ import annotations

from conftest import MakeGroup
from rows import validate

from cotgen.emitters.dpo import DpoEmitter
from cotgen.protocols import Row
from cotgen.records import Chain, Group
from cotgen.wiring import draws


def pairs(group: Group, seed: int = 0, **settings: object) -> list[tuple[str, str]]:
    made = list(DpoEmitter.model_validate(settings).emit(group, draws(seed)))
    assert all(isinstance(row, Row) and validate("dpo", row.columns) == [] for row in made)
    return [row.origin.attempts for row in made if isinstance(row, Row)]  # type: ignore[misc]


def a_group(make_group: MakeGroup) -> Group:
    return make_group(
        ("is 40", "correct"), ("is 50", "incorrect"), ("I say 4", "correct"),
        ("I say 5", "incorrect"), ("?", "unverifiable"), ("is …", "unfinished"),
        ("is 40", "correct"), ("is 50", "incorrect"),
    )  # fmt: skip


def test_nearest_pairs_each_correct_text_with_the_closest_wrong_one(make_group: MakeGroup) -> None:
    assert pairs(a_group(make_group)) == [("p@t/0", "p@t/1"), ("p@t/2", "p@t/3")]


def test_nearest_uses_what_the_chains_found(make_group: MakeGroup) -> None:
    group = make_group(("is 4", "correct"), ("is 5", "incorrect"), ("far away", "incorrect"))
    chain = Chain(("p@t/0",), 0, "p@t/2", 7, ())
    assert pairs(Group(group.problem, group.judged, (chain,))) == [("p@t/0", "p@t/2")]


def test_outcome_takes_all_pairs_in_order_up_to_the_limit(make_group: MakeGroup) -> None:
    every = [(f"p@t/{c}", f"p@t/{w}") for c in (0, 2) for w in (1, 3)]
    group = a_group(make_group)
    assert pairs(group, pairing="outcome") == every
    assert pairs(group, pairing="outcome", pairs_per_problem=3) == every[:3]


def test_random_draws_pairs_without_repeating_one(make_group: MakeGroup) -> None:
    group = a_group(make_group)
    drawn = {tuple(pairs(group, seed, pairing="random", pairs_per_problem=2)) for seed in range(40)}
    assert len(drawn) == 12
    assert all(first != second for first, second in drawn)
    assert pairs(group, 5, pairing="random") == pairs(group, 5, pairing="random")


def test_only_judged_attempts_are_on_either_side(make_group: MakeGroup) -> None:
    assert pairs(make_group(("4", "correct"), ("?", "unverifiable"), ("…", "unfinished"))) == []
    assert pairs(make_group(("5", "incorrect"), ("?", "unverifiable"))) == []


def test_a_wrong_attempt_that_differs_by_white_space_only_is_never_rejected(
    make_group: MakeGroup,
) -> None:
    assert pairs(make_group(("is 4", "correct"), ("is  4 ", "incorrect"))) == []


def test_nearest_looks_across_teachers_whatever_the_chains_did(make_group: MakeGroup) -> None:
    group = make_group(
        ("is 4", "correct"), ("zzzzzz", "incorrect"), ("is 5", "incorrect"),
        teachers=("a", "a", "b"),
    )  # fmt: skip
    own = Chain(("p@a/0",), 0, "p@a/1", 6, ())
    assert pairs(Group(group.problem, group.judged, (own,))) == [("p@a/0", "p@b/2")]
