"""The exact verifier compares characters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cotgen.records import Problem
from cotgen.verifiers import ExactVerifier

ATTEMPTS = Path(__file__).resolve().parents[3] / "shared/data/gsm8k/example_model_solutions.jsonl"


def outcome(gold: str, solution: str, *, ignore_case: bool = False) -> str:
    problem = Problem(id="p", question="", answer=gold)
    return ExactVerifier(ignore_case=ignore_case).verify(problem, solution).outcome


def test_the_same_characters_are_correct() -> None:
    assert outcome("\\frac{1}{2}", "so $\\boxed{\\frac{1}{2}}$") == "correct"
    assert outcome("18", "A: 18") == "correct"
    assert outcome("18", "The answer is $18$.") == "correct"


def test_another_spelling_is_incorrect() -> None:
    assert outcome("\\frac{1}{2}", "\\boxed{0.5}") == "incorrect"
    assert outcome("east", "\\boxed{East}") == "incorrect"


def test_case_may_be_ignored() -> None:
    assert outcome("east", "\\boxed{East}", ignore_case=True) == "correct"


def test_commas_in_whole_numbers_do_not_count() -> None:
    assert outcome("1,450,000", "A: 1450000") == "correct"
    assert outcome("so 2,125.\n#### 2125", "A: 2,125") == "correct"
    assert outcome("1,2", "A: 12") == "incorrect"


def test_no_answer_and_no_gold_are_unverifiable() -> None:
    assert outcome("18", "It is 18") == "unverifiable"
    assert outcome("", "A: 18") == "unverifiable"


def test_gsm8k_attempts_are_judged_as_recorded() -> None:
    if not ATTEMPTS.exists():
        pytest.skip("no recorded attempts on this machine")
    for line in ATTEMPTS.read_text("utf-8").splitlines():
        row = json.loads(line)
        for attempt in row.values():
            if isinstance(attempt, dict):
                found = outcome(row["ground_truth"], attempt["solution"])
                assert (found == "correct") == attempt["is_correct"]
