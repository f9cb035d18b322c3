from __future__ import annotations

import pytest
from conftest import MakeGroup
from msgspec import structs
from pydantic import ValidationError
from trainer_rows import validate

from cotgen.emitters.rm import RmEmitter
from cotgen.protocols import Refusal, Row
from cotgen.records import Group, Rewards
from cotgen.wiring import draws


def pairs(group: Group, seed: int = 0, **settings: object) -> list[tuple[str, str]]:
    made = list(RmEmitter.model_validate(settings).emit(group, draws(seed)))
    assert all(isinstance(row, Row) and validate("rm", "trl", row.columns) == [] for row in made)
    return [row.origin.attempts for row in made if isinstance(row, Row)]  # type: ignore[misc]


def a_group(make_group: MakeGroup) -> Group:
    return make_group(
        ("is 4", "correct"), ("is 5", "incorrect"), ("4!", "correct"), ("5!", "incorrect"),
        ("?", "unverifiable"), ("…", "unfinished"), ("is 4", "correct"), ("is 5", "incorrect"),
        ("4 !", "incorrect"), ("4  !", "incorrect"),
    )  # fmt: skip


def test_all_pairs_of_distinct_judged_attempts_stand_once(make_group: MakeGroup) -> None:
    found = pairs(a_group(make_group), pairs_per_problem=None)
    wrong = ("p@t/1", "p@t/3", "p@t/8", "p@t/9")
    assert sorted(found) == [(right, each) for right in ("p@t/0", "p@t/2") for each in wrong]


def test_pairs_are_drawn_by_the_seed_up_to_the_limit(make_group: MakeGroup) -> None:
    group = a_group(make_group)
    drawn = [tuple(pairs(group, seed, pairs_per_problem=2)) for seed in range(20)]
    assert {len(set(each)) for each in drawn} == {2}
    assert len(set(drawn)) > 5
    assert pairs(group, 3) == pairs(group, 3)


def test_the_correct_attempt_is_always_the_chosen_one(make_group: MakeGroup) -> None:
    (row,) = RmEmitter().emit(make_group(("is 5", "incorrect"), ("is 4", "correct")), draws(0))
    assert isinstance(row, Row)
    assert row.columns["chosen"][0]["content"] == "is 4"
    assert row.columns["rejected"][0]["content"] == "is 5"


def test_a_problem_with_one_outcome_gives_no_pair(make_group: MakeGroup) -> None:
    assert pairs(make_group(("4", "correct"), ("?", "unverifiable"), ("…", "unfinished"))) == []
    assert pairs(make_group(("5", "incorrect"))) == []


def test_a_margin_from_rewards_is_how_much_better_the_worst_step_is(make_group: MakeGroup) -> None:
    group = make_group(("4", "correct"), ("5", "incorrect"), ("6", "incorrect"), ("7", "incorrect"))
    numbers = [(0.75,), (0.5,), (1.0,)]
    judged = [
        structs.replace(each, rewards=Rewards(per_step, "prm"))
        for each, per_step in zip(group.judged, numbers, strict=False)
    ]
    made = list(
        RmEmitter(margin="rewards").emit(
            structs.replace(group, judged=(*judged, group.judged[3])), draws(0)
        )
    )
    assert made.count(Refusal("no_rewards")) == 1
    margins = {
        row.columns["rejected"][0]["content"]: row.columns["margin"]
        for row in made
        if isinstance(row, Row)
    }
    assert margins == {"5": 0.25, "6": 0.0}


def test_a_margin_from_distance_is_the_share_of_characters_that_differ(
    make_group: MakeGroup,
) -> None:
    group = make_group(("is 4", "correct"), ("is 5", "incorrect"))
    (row,) = RmEmitter(margin="distance").emit(group, draws(0))
    assert isinstance(row, Row)
    assert row.columns["margin"] == 0.25


@pytest.mark.parametrize("format", ["llama_factory", "axolotl", "verl"])
def test_a_margin_is_refused_where_it_would_not_be_read(format: str) -> None:
    with pytest.raises(ValidationError, match="cannot hold rm-margin rows"):
        RmEmitter.model_validate({"margin": "distance", "format": format})
