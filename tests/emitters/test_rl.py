from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from trainer_rows import validate

from cotgen.emitters.rl import RlEmitter
from cotgen.protocols import Refusal, Row
from cotgen.records import Group, Problem
from cotgen.wiring import draws

GSM8K: dict[str, Any] = {"format": "verl", "data_source": "openai/gsm8k"}


def emit(answer: str, **settings: object) -> Row | Refusal:
    group = Group(Problem("p", "Why?", answer, split="train", source="s"), ())
    (made,) = RlEmitter.model_validate(settings).emit(group, draws(0))
    return made


@pytest.mark.parametrize(
    ("settings", "column"),
    [({}, "answer"), ({"format": "openrlhf"}, "label"), (GSM8K, "reward_model")],
)
def test_a_problem_without_attempts_is_a_prompt_with_its_gold(
    settings: dict[str, Any], column: str
) -> None:
    row = emit(" 4 ", **settings)
    assert isinstance(row, Row)
    assert validate("rl", settings.get("format", "trl"), row.columns) == []
    truth = row.columns[column]
    assert (truth["ground_truth"] if isinstance(truth, dict) else truth) == "4"
    assert (row.origin.problem, row.origin.attempts) == ("p", ())


@pytest.mark.parametrize("settings", [{}, {"format": "openrlhf"}, GSM8K])
def test_a_problem_without_a_gold_is_refused(settings: dict[str, Any]) -> None:
    assert emit(" ", **settings) == Refusal("no_ground_truth")


@pytest.mark.parametrize(
    ("gold", "truth"),
    [("1,234", "1234"), ("-3.5", "-3.5"), ("\\frac12", None), ("4 apples", None), ("$4", None)],
)
def test_gsm8k_golds_are_written_as_its_reward_function_compares_them_or_refused(
    gold: str, truth: str | None
) -> None:
    row = emit(gold, **GSM8K)
    if truth is None:
        assert row == Refusal("no_ground_truth")
    else:
        assert isinstance(row, Row)
        assert row.columns["reward_model"]["ground_truth"] == truth


def test_golds_that_no_number_is_are_fine_for_a_reward_function_that_reads_them() -> None:
    row = emit("\\frac12", format="verl", data_source="math_dapo")
    assert isinstance(row, Row)
    assert row.columns["reward_model"]["ground_truth"] == "\\frac12"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"format": "verl"}, "name one"),
        ({"format": "verl", "data_source": "mine"}, "own_reward"),
        ({"data_source": "math"}, "format: verl"),
    ],
)
def test_a_verl_reward_function_that_cannot_be_found_is_a_mistake_of_the_recipe(
    settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        RlEmitter.model_validate(settings)


def test_an_own_reward_function_takes_any_name() -> None:
    assert isinstance(emit("4", format="verl", data_source="mine", own_reward=True), Row)
