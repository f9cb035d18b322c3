from __future__ import annotations

from conftest import MakeGroup
from trainer_rows import validate

from cotgen.emitters.orm import OrmEmitter
from cotgen.protocols import Refusal, Row
from cotgen.records import Group
from cotgen.wiring import draws


def emit(group: Group) -> list[Row | Refusal]:
    return list(OrmEmitter().emit(group, draws(0)))


def rows(group: Group) -> list[tuple[str, bool]]:
    made = [row for row in emit(group) if isinstance(row, Row)]
    assert all(validate("orm", "trl", row.columns) == [] for row in made)
    return [(row.columns["completion"][0]["content"], row.columns["label"]) for row in made]


def test_every_verified_attempt_is_a_row_with_its_verdict_as_often_as_it_was_sampled(
    make_group: MakeGroup,
) -> None:
    group = make_group(
        ("is 5", "incorrect"), ("is 4", "correct"), ("is 5", "incorrect"), ("is 4", "correct")
    )
    assert rows(group) == [("is 5", False), ("is 4", True), ("is 5", False), ("is 4", True)]


def test_unverifiable_and_unfinished_attempts_have_no_label(make_group: MakeGroup) -> None:
    assert emit(make_group(("?", "unverifiable"), ("…", "unfinished"))) == []


def test_a_doubtful_verdict_is_refused(make_group: MakeGroup) -> None:
    group = make_group(("is 4", "correct"), ("is  4", "incorrect"))
    assert rows(group) == [("is 4", True)]
    assert emit(group)[1] == Refusal("doubtful_verdict")
