from __future__ import annotations

from conftest import MakeGroup
from trainer_rows import validate

from cotgen.emitters.kto import KtoEmitter
from cotgen.protocols import Row
from cotgen.records import Group
from cotgen.wiring import draws


def labelled(group: Group, **settings: object) -> list[tuple[str, bool]]:
    made = list(KtoEmitter.model_validate(settings).emit(group, draws(0)))
    assert all(isinstance(row, Row) and validate("kto", "trl", row.columns) == [] for row in made)
    return [
        (row.columns["completion"][0]["content"], row.columns["label"])
        for row in made
        if isinstance(row, Row)
    ]


def test_correct_attempts_are_true_and_wrong_ones_false_each_text_once(
    make_group: MakeGroup,
) -> None:
    group = make_group(
        ("is 4", "correct"), ("is 5", "incorrect"), ("is 4", "correct"), ("is 5", "incorrect"),
        ("4!", "correct"),
    )  # fmt: skip
    assert labelled(group) == [("is 4", True), ("4!", True), ("is 5", False)]


def test_unverifiable_and_unfinished_attempts_have_no_label(make_group: MakeGroup) -> None:
    assert labelled(make_group(("?", "unverifiable"), ("…", "unfinished"))) == []


def test_a_wrong_attempt_that_equals_a_correct_one_but_for_white_space_is_left_out(
    make_group: MakeGroup,
) -> None:
    assert labelled(make_group(("is 4", "correct"), ("is  4\n", "incorrect"))) == [("is 4", True)]


def test_problems_with_one_outcome_only_give_rows_too(make_group: MakeGroup) -> None:
    assert labelled(make_group(("is 5", "incorrect"))) == [("is 5", False)]
    assert labelled(make_group(("is 4", "correct"))) == [("is 4", True)]


def test_per_label_limits_each_class_by_itself(make_group: MakeGroup) -> None:
    right = [(f"4{'.' * number}", "correct") for number in range(3)]
    wrong = [(f"5{'.' * number}", "incorrect") for number in range(5)]
    made = labelled(make_group(*right, *wrong), per_label=2)
    assert [label for _, label in made] == [True, True, False, False]


def test_a_row_says_which_attempt_it_is(make_group: MakeGroup) -> None:
    (row,) = KtoEmitter().emit(make_group(("is 5", "incorrect")), draws(0))
    assert isinstance(row, Row)
    assert (row.origin.attempts, row.origin.made_by) == (("p@t/0",), ("kto",))
