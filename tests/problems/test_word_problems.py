"""The grammar's problems: right, readable, repeatable, and split by structure."""

from __future__ import annotations

import re
from random import Random

import pytest
from pydantic import ValidationError

from cotgen.problems.grammar import FAMILIES, LEVELS, STYLES, Difficulty, difficulty, draw_problem
from cotgen.problems.grammar.draw import Part, part_of
from cotgen.problems.grammar.worked import Earlier
from cotgen.problems.word_problems import WordProblems

EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def test_reference_solutions_are_right_in_every_style() -> None:
    for problem, worked in WordProblems(limit=300).worked():
        for style in STYLES:
            equations = EQUATION.findall(worked.solution(style))
            assert len(equations) == len(worked.steps) == int(problem.level) + 1
            for left, operation, right, value in equations:
                exact = {"+": "__add__", "-": "__sub__", "*": "__mul__", "/": "__truediv__"}
                assert getattr(float(left), exact[operation])(float(right)) == float(value)
            assert worked.solution(style).endswith(f"The answer is \\boxed{{{problem.answer}}}.")


def test_every_given_number_is_in_the_question_and_every_value_is_used() -> None:
    for _, worked in WordProblems(limit=300, split="test").worked():
        spoken = re.findall(r"\d+", worked.question)
        for step in worked.steps:
            for operand in (step.left, step.right):
                if isinstance(operand, int) and operand != 2:  # Two may be said as half or double.
                    assert str(operand) in spoken
        used = {
            operand.step
            for step in worked.steps
            for operand in step[::2]
            if isinstance(operand, Earlier)
        }
        assert used == set(range(len(worked.steps) - 1))


def test_questions_are_clean_sentences() -> None:
    for problem in WordProblems(limit=300).load():
        assert re.fullmatch(r"([A-Z0-9][A-Za-z0-9, ]*[.] )+[A-Z][A-Za-z0-9 ]*[?]", problem.question)
        assert "  " not in problem.question


def test_problems_come_in_the_same_order_whatever_the_limit() -> None:
    few, many = WordProblems(limit=12, seed=5), WordProblems(limit=40, seed=5)
    assert list(few.load()) == list(many.load())[:12]
    assert list(few.load()) != list(WordProblems(limit=12, seed=6).load())


def test_all_levels_and_families_take_turns() -> None:
    problems = list(WordProblems(limit=20, levels=(2, 4)).load())
    assert {(p.level, p.tags) for p in problems} == {
        (level, (family,)) for level in "24" for family in FAMILIES
    }


def test_count_is_another_word_for_limit() -> None:
    assert WordProblems.model_validate({"kind": "word_problems", "count": 7}).limit == 7


@pytest.mark.parametrize("levels", [[], [0], [6]])
def test_other_levels_are_refused(levels: list[int]) -> None:
    with pytest.raises(ValidationError):
        WordProblems.model_validate({"levels": levels})


def test_structures_of_the_parts_never_overlap() -> None:
    parts: tuple[Part, ...] = ("test", "train", "teacher")
    structures = {part: _structures(part) for part in parts}
    for part in parts:
        assert len(structures[part]) > 100
        assert all(part_of(structure) == part for structure in structures[part])
    assert not structures["test"] & structures["train"]
    assert not structures["teacher"] & (structures["test"] | structures["train"])


def _structures(part: Part) -> set[tuple[str, ...]]:
    draw = Random(0)
    return {
        draw_problem(draw, family, difficulty(family, level), part).structure
        for family in FAMILIES
        for level in LEVELS
        for _ in range(30)
    }


def test_a_structure_holds_neither_names_nor_numbers() -> None:
    draw, one = Random(1), Difficulty(2, largest=50, distractor=0)
    structures = {draw_problem(draw, "comparison", one, "test").structure for _ in range(2000)}
    assert len(structures) < 300


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("largest", [10, 30, 999])
def test_numbers_stay_in_their_range(family: str, largest: int) -> None:
    draw = Random(2)
    for _ in range(100):
        hard = Difficulty(6, largest=largest, shuffled=0.5)
        worked = draw_problem(draw, family, hard, "train")  # type: ignore[arg-type]
        assert 2 <= worked.answer <= 2 * hard.limit
