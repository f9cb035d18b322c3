from __future__ import annotations

from conftest import MakeGroup
from trainer_rows import validate

from cotgen.emitters.cpt import CptEmitter
from cotgen.protocols import Row
from cotgen.records import Group
from cotgen.wiring import draws


def texts(group: Group, **settings: object) -> list[str]:
    made = list(CptEmitter.model_validate(settings).emit(group, draws(0)))
    assert all(isinstance(row, Row) and validate("cpt", "trl", row.columns) == [] for row in made)
    return [row.columns["text"] for row in made if isinstance(row, Row)]


def test_a_text_is_the_question_and_a_correct_attempt(make_group: MakeGroup) -> None:
    group = make_group(("is 5", "incorrect"), ("is 4", "correct"), ("4!", "correct"))
    assert texts(group) == ["What is 2 + 2?\n\nis 4"]


def test_nothing_but_correct_attempts_is_in_a_text(make_group: MakeGroup) -> None:
    group = make_group(("5", "incorrect"), ("?", "unverifiable"), ("…", "unfinished"))
    assert texts(group, per_problem=None) == []


def test_equal_texts_count_once(make_group: MakeGroup) -> None:
    group = make_group(("is 4", "correct"), ("is 4", "correct"), ("4!", "correct"))
    assert len(texts(group, per_problem=2)) == 2
