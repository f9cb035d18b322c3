"""The rule verifier applies named predicates and functions of the user's."""

from __future__ import annotations

import itertools
import json
import pickle
import time
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from cotgen.errors import RecipeError
from cotgen.records import Problem, Verdict
from cotgen.verifiers.rule import RuleVerifier
from cotgen.verifiers.rules.game24 import evaluate


def judged(rule: str, gold: str, solution: str, question: str = "", **parameters: Any) -> Verdict:
    problem = Problem(id="p", question=question, answer=gold)
    return RuleVerifier(rule=rule, parameters=parameters).verify(problem, solution)


def outcome(rule: str, gold: str, answer: str, **parameters: Any) -> str:
    return judged(rule, gold, f"\\boxed{{{answer}}}", **parameters).outcome


def whole(rule: str, gold: str, solution: str, **parameters: Any) -> Verdict:
    problem = Problem(id="p", question="", answer=gold)
    return RuleVerifier(rule=rule, parameters=parameters, reads="solution").verify(
        problem, solution
    )


# --- game24 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "answer", "expected"),
    [
        ("4 5 6 10", "4 \\times 5 + 10 - 6", "correct"),
        ("4 5 6 10", "4*5+10-6 = 24", "correct"),
        ("3 3 8 8", "8/(3-8/3)", "correct"),
        ("3 3 8 8", "\\frac{8}{3-\\frac{8}{3}}", "correct"),
        ("1, 1, 2, 12", "(1+1)·12 ÷ (2−1)", "incorrect"),
        ("1, 1, 2, 12", "1·1·2×12", "correct"),
        ("4 5 6 10", "4*6", "incorrect"),
        ("4 5 6 10", "4*6*(10-5)/5", "incorrect"),
        ("4 5 6 10", "4+5+6+10", "incorrect"),
        ("4 5 6 10", "45-6-10", "incorrect"),
        ("4 5 6 10", "4*5+10-6 = 25", "unverifiable"),
        ("4 4 4 4", "4/(4-4)+4", "incorrect"),
        ("4 5 6 10", "__import__('os')", "unverifiable"),
        ("4 5 6 10", "4**5**6**10", "unverifiable"),
        ("4 5 6 10", "4 5 6 10", "unverifiable"),
        ("2 2 6", "2^{2}*6", "unverifiable"),
        ("", "4*6", "unverifiable"),
    ],
)
def test_game24(numbers: str, answer: str, expected: str) -> None:
    verdict = judged("game24", numbers, f"\\boxed{{{answer}}}")
    assert (verdict.outcome, verdict.predicted) == (expected, answer), verdict
    assert verdict.reason or expected == "correct"


def test_the_numbers_of_game24_may_stand_in_the_question() -> None:
    question = "Use 4, 5, 6 and 10 to make 24."
    assert judged("game24", "24", "\\boxed{4*5+10-6}", question).outcome == "correct"
    assert judged("game24", "4*5+10-6 = 24", "\\boxed{10-6+5*4}", question).outcome == "correct"
    assert judged("game24", "24", "\\boxed{4*6}", question).outcome == "incorrect"


def test_the_target_may_be_another() -> None:
    assert outcome("game24", "2 3 5", "2+3+5", target=10) == "correct"
    assert outcome("game24", "2 3 5", "2+3+5", target=11) == "incorrect"


def solved(numbers: tuple[int, ...]) -> list[str]:
    """Every value of the numbers in this order, and the expressions for 24 among them."""
    found: list[str] = []

    def combine(parts: list[tuple[Fraction, str]]) -> None:
        if len(parts) == 1 and parts[0][0] == 24:
            found.append(parts[0][1])
        for one, two in itertools.permutations(range(len(parts)), 2):
            (left, a), (right, b) = parts[one], parts[two]
            rest = [part for place, part in enumerate(parts) if place not in (one, two)]
            combine([*rest, (left - right, f"({a}-{b})")])
            if right:
                combine([*rest, (left / right, f"({a}/{b})")])
            if one < two:
                combine([*rest, (left + right, f"({a}+{b})")])
                combine([*rest, (left * right, f"({a}*{b})")])

    combine([(Fraction(number), str(number)) for number in numbers])
    return found


def test_game24_agrees_with_a_solver() -> None:
    draw = Random(4)
    for _ in range(12):
        numbers = tuple(draw.randint(1, 13) for _ in range(4))
        gold = " ".join(map(str, numbers))
        for expression in solved(numbers)[:20]:
            assert outcome("game24", gold, expression) == "correct", expression
            assert outcome("game24", gold, expression[:-1]) == "unverifiable"
            assert outcome("game24", f"{gold} 2", expression) == "incorrect"
            assert outcome("game24", gold, f"{expression}+1-1") == "incorrect"


def test_arithmetic_is_exact_and_bounded() -> None:
    assert evaluate("1/3*3")[0] == 1
    assert evaluate("-(2)(3)")[0] == -6
    for hostile in ("(" * 10_000, "1+" * 10_000, "9" * 500, "-" * 500 + "1", "1" + "*9" * 290):
        with pytest.raises(ValueError, match=r"longer|deeply|many"):
            evaluate(hostile)


# --- texts --------------------------------------------------------------------------------------


def test_regex_matches_the_whole_answer() -> None:
    assert outcome("regex", "[a-c]+[0-9]", "abc1") == "correct"
    assert outcome("regex", "[a-c]+[0-9]", "abc12") == "incorrect"
    assert outcome("regex", "ignored", "ABC", pattern="abc", ignore_case=True) == "correct"
    assert outcome("regex", "(unclosed", "x") == "unverifiable"
    assert outcome("regex", "", "x") == "unverifiable"


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "((a*)*)*b", "(a|aa)+b", "(x*a)*b"])
def test_catastrophic_patterns_are_refused(pattern: str) -> None:
    start = time.process_time()
    assert outcome("regex", pattern, "a" * 5_000) == "unverifiable"
    assert outcome("regex", pattern, "aab") == "correct"
    assert time.process_time() - start < 0.5


def test_contains_looks_for_whole_words() -> None:
    assert whole("contains", "42", "It is 42.").outcome == "correct"
    assert whole("contains", "42", "It is 142.").outcome == "incorrect"
    assert whole("contains", "42", "It is 142.", whole_words=False).outcome == "correct"
    assert whole("contains", "", "a B", texts=["A", "b"], ignore_case=True).outcome == "correct"
    assert whole("contains", "", "a", texts=["a", "b"]).outcome == "incorrect"
    assert whole("contains", "", "a").outcome == "unverifiable"


def test_length_counts() -> None:
    assert whole("length", "", "one two", least=2, most=2).outcome == "correct"
    assert whole("length", "", "one two", least=3).reason == "2 words, at least 3 are asked for"
    assert whole("length", "", "a\n\nb", unit="lines", most=2).outcome == "correct"
    assert whole("length", "", "abc", unit="characters", most=2).outcome == "incorrect"


def test_the_thought_is_not_part_of_the_solution() -> None:
    verdict = whole("length", "", "<think>a b c</think>\n d", most=1)
    assert (verdict.outcome, verdict.predicted, verdict.span) == ("correct", "d", (22, 23))
    assert whole("length", "", "<think>a").outcome == "unverifiable"


# --- lists and documents ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("3, 1, 2", "1, 2, 3", "correct"),
        ("[3, 1, 2]", "[1, 2, 3.0]", "correct"),
        ("3 1 10", "1 3 10", "correct"),
        ("3 1 2", "3 1 2", "incorrect"),
        ("3 1 2", "1 2", "incorrect"),
        ("3 1 2", "1 2 3 3", "incorrect"),
        ("pear, apple", "apple, pear", "correct"),
        ('["pear", "apple"]', "pear, apple", "incorrect"),
        ("3 1 2", "a, b, c", "unverifiable"),
        ("3 1 2", "1, x, 2", "unverifiable"),
        ("", "1", "unverifiable"),
    ],
)
def test_sorted_list(gold: str, answer: str, expected: str) -> None:
    assert outcome("sorted_list", gold, answer) == expected


def test_a_list_may_descend() -> None:
    assert outcome("sorted_list", "1 3 2", "3, 2, 1", descending=True) == "correct"
    assert outcome("sorted_list", "1 3 2", "1, 2, 3", descending=True) == "incorrect"


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b": [1.0, 2], "a": 1}', "correct"),
        ('{"a": 1}', '```json\n{"a": 1}\n```', "correct"),
        ("1", "true", "incorrect"),
        ("[1, 2]", "[2, 1]", "incorrect"),
        ('{"a": null}', "{}", "incorrect"),
        ("12345678901234567890", "12345678901234567891", "incorrect"),
        ("0.1", "0.10", "correct"),
        ("[1]", "[1", "unverifiable"),
        ("[1", "[1]", "unverifiable"),
        ("[1]", '{"a": 1, "a": 2}', "unverifiable"),
        ("[1]", "NaN", "unverifiable"),
        ("[1]", "[" * 100_000, "unverifiable"),
        ("[1]", "1e999999999", "unverifiable"),
        ("[1]", "9" * 100_000, "unverifiable"),
    ],
)
def test_json_equal(gold: str, answer: str, expected: str) -> None:
    assert whole("json_equal", gold, answer).outcome == expected


PERSON = {
    "type": "object",
    "required": ["name", "age"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
    },
}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"name": "Ann", "age": 7}', "correct"),
        ('{"name": "Ann", "age": 7.0, "tags": ["a", "b"]}', "correct"),
        ('{"name": "Ann"}', "incorrect"),
        ('{"name": "ann", "age": 7}', "incorrect"),
        ('{"name": "Ann", "age": 7.5}', "incorrect"),
        ('{"name": "Ann", "age": true}', "incorrect"),
        ('{"name": "Ann", "age": -1}', "incorrect"),
        ('{"name": "Ann", "age": 7, "x": 1}', "incorrect"),
        ('{"name": "Ann", "age": 7, "tags": ["a", "a"]}', "incorrect"),
        ('{"name": "Ann", "age": 7, "tags": ["c"]}', "incorrect"),
        ("[]", "incorrect"),
        ("name: Ann", "incorrect"),
        ("[" * 2_000, "unverifiable"),
    ],
)
def test_json_schema(answer: str, expected: str) -> None:
    assert whole("json_schema", "", answer, schema=PERSON).outcome == expected
    assert whole("json_schema", json.dumps(PERSON), answer).outcome == expected


@pytest.mark.parametrize(
    ("schema", "fits", "fails"),
    [
        ({"anyOf": [{"type": "null"}, {"const": 1}]}, "1.0", "2"),
        ({"oneOf": [{"minimum": 1}, {"minimum": 5}]}, "3", "6"),
        ({"allOf": [{"minimum": 1}, {"exclusiveMaximum": 5}]}, "3", "5"),
        ({"not": {"type": "string"}}, "3", '"3"'),
        ({"multipleOf": 0.1}, "0.3", "0.35"),
        ({"prefixItems": [{"type": "number"}], "items": {"type": "string"}}, '[1, "a"]', "[1, 2]"),
        ({"contains": {"const": 2}, "minItems": 2}, "[1, 2]", "[1, 3]"),
        ({"patternProperties": {"^x": {"type": "number"}}}, '{"x1": 1}', '{"x1": "1"}'),
        ({"propertyNames": {"maxLength": 2}}, '{"ab": 1}', '{"abc": 1}'),
        ({"type": ["integer", "null"], "exclusiveMinimum": 0}, "null", "0"),
        ({"maxProperties": 1, "title": "a note"}, "{}", '{"a": 1, "b": 2}'),
        ({"enum": [[1, {"a": 2}]]}, '[1.0, {"a": 2}]', "[1]"),
        (True, "1", None),
        (False, None, "1"),
    ],
)
def test_keywords_of_json_schema(schema: object, fits: str | None, fails: str | None) -> None:
    gold = json.dumps(schema)
    assert fits is None or whole("json_schema", gold, fits).outcome == "correct"
    assert fails is None or whole("json_schema", gold, fails).outcome == "incorrect"


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#"}, {"type": "text"}, {"minLength": -1}, {"pattern": "("}, {"required": "a"},
     {"properties": []}, {"if": {}}, {"anyOf": []}, {"multipleOf": 0}, [], 1, {"enum": "a"}],
)  # fmt: skip
def test_a_schema_that_is_not_understood_decides_nothing(schema: object) -> None:
    assert whole("json_schema", json.dumps(schema), "1").outcome == "unverifiable"


# --- functions of the user's, and mistakes ------------------------------------------------------


def is_even(problem: Problem, answer: str) -> bool:
    """A rule of a user's own."""
    return int(answer) % 2 == 0


def is_near(problem: Problem, answer: str, within: int = 0) -> Verdict:
    """A rule that says more than yes or no."""
    near = abs(int(answer) - int(problem.answer)) <= within
    return Verdict("correct", method="near") if near else Verdict("incorrect", reason="too far")


def is_vague(problem: Problem, answer: str) -> str:
    """A rule that returns neither."""
    return "yes"


def test_a_function_of_the_users_own_is_a_rule() -> None:
    assert outcome(f"{__name__}:is_even", "", "4") == "correct"
    assert outcome(f"{__name__}:is_even", "", "5") == "incorrect"
    near = judged(f"{__name__}:is_near", "5", "\\boxed{7}", within=2)
    assert (near.outcome, near.method, near.predicted, near.span) == (
        "correct",
        "near",
        "7",
        (0, 9),
    )
    assert judged(f"{__name__}:is_near", "5", "\\boxed{8}", within=2).reason == "too far"
    assert outcome(f"{__name__}:is_vague", "", "4") == "unverifiable"


def test_a_function_that_cannot_be_imported_is_the_recipes_fault() -> None:
    for name in ("no_such_package:f", f"{__name__}:no_such_function", f"{__name__}:PERSON"):
        with pytest.raises(RecipeError, match=r"verifier\.rule"):
            outcome(name, "", "4")
        with pytest.raises(RecipeError, match=r"verifier\.rule"):
            RuleVerifier(rule=name).ready()
    RuleVerifier(rule=f"{__name__}:is_even").ready()
    RuleVerifier(rule="length").ready()


@pytest.mark.parametrize(
    ("rule", "parameters", "message"),
    [
        ("game42", {}, "choose one of game24"),
        ("os.system", {}, "choose one of game24"),
        ("game24", {"goal": 3}, "goal"),
        ("length", {"most": -1}, "most"),
        ("regex", {"pattern": "("}, "pattern"),
        ("json_schema", {"schema": {"$ref": "x"}}, "schema"),
    ],
)
def test_mistakes_in_a_rule_are_told_at_once(
    rule: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        RuleVerifier(rule=rule, parameters=parameters)


def test_settings_stay_picklable_after_use() -> None:
    for rule in ("game24", f"{__name__}:is_even"):
        verifier = RuleVerifier(rule=rule)
        verifier.verify(Problem(id="p", question="", answer="1 2"), "\\boxed{4}")
        assert pickle.loads(pickle.dumps(verifier)).rule == rule


def test_without_an_answer_nothing_is_judged() -> None:
    verdict = judged("game24", "4 5 6 10", "I do not know")
    assert (verdict.outcome, verdict.method) == ("unverifiable", "extraction")
