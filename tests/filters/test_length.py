from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from listed import decisions, dropped, problem_with
from pydantic import ValidationError
from tokenizers import Tokenizer

from cotgen.errors import RecipeError
from cotgen.filters import LengthFilter
from cotgen.records import Attempt, Group, Step

TINY = Path(__file__).parents[2] / "src/cotgen/teachers/tiny"


def with_steps(group: Group, *steps: str, thought: int = 0) -> Group:
    attempt = Attempt(tuple(map(Step, steps)), thought_steps=thought)
    judged = tuple(msgspec.structs.replace(each, attempt=attempt) for each in group.judged)
    return msgspec.structs.replace(group, judged=judged)


def test_the_bounds_themselves_stay() -> None:
    group = problem_with("p", "a" * 4, "a" * 5, "a" * 9, "a" * 10)
    found = decisions(LengthFilter(min=5, max=9), group)
    assert [(each.id, each.reason, each.evidence) for each in found] == [
        ("p@t/0", "too_short", "4 characters"),
        ("p@t/3", "too_long", "10 characters"),
    ]


@pytest.mark.parametrize(
    ("unit", "part", "length"),
    [
        ("characters", "all", 27),
        ("characters", "thought", 13),
        ("characters", "solution", 14),
        ("words", "all", 7),
        ("words", "solution", 5),
        ("steps", "all", 3),
        ("steps", "thought", 1),
        ("steps", "solution", 2),
    ],
)
def test_each_unit_of_each_part(unit: str, part: str, length: int) -> None:
    group = with_steps(problem_with("p", "x"), "Let me think.", "It is 4.\n", "So: 4", thought=1)
    settings = {"unit": unit, "part": part}
    assert (
        dropped(LengthFilter.model_validate(settings | {"min": length, "max": length}), group) == []
    )
    assert dropped(LengthFilter.model_validate(settings | {"min": length + 1}), group) == ["p@t/0"]


def test_tokens_are_a_named_tokenizers() -> None:
    text = "Ann has 3 apples. She buys 4."
    filter = LengthFilter(unit="tokens", max=0, tokenizer=str(TINY))
    tokens = len(Tokenizer.from_file(str(TINY / "tokenizer.json")).encode(text).ids)
    assert decisions(filter, problem_with("p", text))[0].evidence == f"{tokens} tokens"


def test_a_tokenizer_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(RecipeError, match="no/such/folder"):
        dropped(
            LengthFilter(unit="tokens", max=9, tokenizer="no/such/folder"), problem_with("p", "a")
        )


@pytest.mark.parametrize(
    "settings",
    [{}, {"min": 5, "max": 4}, {"max": 5, "unit": "tokens"}, {"max": 5, "tokenizer": "x"}],
)
def test_settings_that_mean_nothing_are_mistakes(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LengthFilter.model_validate(settings)
