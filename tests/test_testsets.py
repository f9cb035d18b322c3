from __future__ import annotations

import json
from pathlib import Path

import pytest

from cotgen.rows import read_rows
from cotgen.testsets import test_set_of as set_of

SETS = {
    "gsm8k-test": ("gsm8k/test.jsonl", "question"),
    "math-500": ("math/test500.jsonl", "problem"),
    "humaneval": ("humaneval/HumanEval.jsonl.gz", "prompt"),
}


@pytest.mark.parametrize("name", SETS)
def test_every_question_of_a_test_set_is_known_however_it_is_spaced(
    shared_data: Path, name: str
) -> None:
    path, column = SETS[name]
    for _, row in read_rows(shared_data / path):
        assert set_of(row[column]) == name
        assert set_of(" " + row[column].upper().replace(" ", "  ")) == name


def test_training_questions_are_not_known(shared_data: Path) -> None:
    rows = read_rows(shared_data / "gsm8k/train.jsonl")
    assert [row["question"] for _, row in rows if set_of(row["question"])] == []


def test_an_unknown_question_belongs_to_no_test_set() -> None:
    assert set_of("Start with 5. Add 2. What is the result?") == ""
    assert set_of("") == ""


def test_a_test_question_is_refused_though_its_file_says_train(
    shared_data: Path, in_tmp: Path
) -> None:
    from cotgen import parse_recipe, run
    from cotgen.errors import RecipeError

    _, row = next(iter(read_rows(shared_data / "math/test500.jsonl")))
    (in_tmp / "p.jsonl").write_text(json.dumps(row), encoding="utf-8")
    recipe = parse_recipe(
        {
            "name": "leak",
            "problems": {"kind": "jsonl", "path": "p.jsonl", "split": "train"},
            "teachers": {"t": {"kind": "scripted"}},
            "search": {"kind": "sample"},
            "verifier": {"kind": "math"},
            "datasets": [{"kind": "sft"}],
        }
    )
    with pytest.raises(RecipeError, match=r"is of a test split \(math-500\)"):
        run(recipe)
