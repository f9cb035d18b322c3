import operator
import re
from collections.abc import Callable

import pytest

from cotgen.problems.generated import GeneratedProblems
from cotgen.records import Problem

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply by": operator.mul,
}


def load(**settings: int) -> list[Problem]:
    return list(GeneratedProblems.model_validate(settings).load())


def worked_out(question: str) -> tuple[int, int]:
    """The result of a question and its number of steps, read sentence by sentence."""
    first, *steps, last = re.findall(r"[^.?]+[.?]", question)
    assert last == " What is the result?"
    value = int(first.removeprefix("Start with ").removesuffix("."))
    for step in steps:
        verb, _, operand = step.strip().removesuffix(".").rpartition(" ")
        value = OPERATIONS[verb](value, int(operand))
    return value, len(steps)


@pytest.mark.parametrize("seed", [0, 7])
def test_every_gold_is_the_result_of_its_question(seed: int) -> None:
    for problem in load(limit=300, seed=seed):
        value, steps = worked_out(problem.question)
        assert problem.answer == str(value)
        assert problem.level == str(steps)


def test_problems_have_as_many_steps_as_asked_for() -> None:
    steps = [int(problem.level) for problem in load(limit=200, min_steps=3, max_steps=6)]
    assert set(steps) == {3, 4, 5, 6}


def test_raising_the_limit_leaves_the_earlier_problems_as_they_were() -> None:
    assert load(limit=50)[:10] == load(limit=10)


def test_the_same_settings_give_the_same_problems() -> None:
    assert load(limit=20, seed=3) == load(limit=20, seed=3)


def test_another_seed_gives_other_problems() -> None:
    first, second = load(limit=20, seed=1), load(limit=20, seed=2)
    assert {problem.id for problem in first}.isdisjoint(problem.id for problem in second)
    assert [each.question for each in first] != [each.question for each in second]


def test_ids_are_unique_and_stand_in_order() -> None:
    ids = [problem.id for problem in load(limit=300)]
    assert ids == sorted(set(ids))


def test_problems_say_what_they_are() -> None:
    (problem,) = load(limit=1)
    assert problem.answer_kind == "number"
    assert problem.split == "train"
    assert problem.license == "CC0-1.0"
