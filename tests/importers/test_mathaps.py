"""MathAPS: prefixes and trees become attempts with a value for each step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from importing import one_group, rewards

from cotgen.bringing import Asked, bring, importer_named
from cotgen.errors import RecipeError

QUESTION = "What is 2 + 3?"


def attempts(row: dict[str, Any], folder: Path) -> list[tuple[list[str], tuple[float, ...] | None]]:
    group = one_group("mathaps", {"question": QUESTION, "final_answer": "5", **row}, folder)
    assert group.problem.answer == "5"
    assert {judged.attempt.finish for judged in group.judged} <= {"pruned"}
    return [
        ([step.text for step in judged.attempt.steps], rewards(judged)) for judged in group.judged
    ]


def test_the_longest_prefixes_are_attempts(tmp_path: Path) -> None:
    prefixes = [
        (QUESTION, 0.5),
        (f"{QUESTION}\n\nTwo.", 0.75),
        (f"{QUESTION}\n\nTwo.\n\nThree.\n\nSo 5.", 1.0),
        (f"{QUESTION}\n\nTwo.\n\nFour.", 0.0),
        (f"{QUESTION}\n\nSix", 0.25),
    ]
    steps = [{"solution_prefix": text, "mc_value": value} for text, value in prefixes]
    assert attempts({"reasoning_steps": steps}, tmp_path) == [
        (["Two.\n\n", "Three.\n\nSo 5."], (0.75, 1.0)),
        (["Two.\n\n", "Four."], (0.75, 0.0)),
        (["Six"], (0.25,)),
    ]


def test_twelve_does_not_go_on_from_one(tmp_path: Path) -> None:
    steps = [{"solution_prefix": text, "mc_value": 0.5} for text in ("It is 1", "It is 12")]
    assert attempts({"reasoning_steps": steps}, tmp_path) == [
        (["It is 1"], (0.5,)),
        (["It is 12"], (0.5,)),
    ]


def test_every_leaf_of_a_tree_is_an_attempt(tmp_path: Path) -> None:
    def node(text: str, value: float | None, *children: Any) -> dict[str, Any]:
        return {"text": text, "mc_value": value, "children": list(children)}

    tree = node(
        QUESTION,
        0.5,
        node("Two.", 0.75, node("So 5.", 1.0), node("So 6.", 0.0)),
        node("Hm.", None),
    )
    assert attempts({"reasoning_steps": tree}, tmp_path) == [
        (["Two.\n\n", "So 5."], (0.75, 1.0)),
        (["Two.\n\n", "So 6."], (0.75, 0.0)),
        (["Hm."], None),
    ]


@pytest.mark.parametrize("depth", [600, 100_000])
def test_a_deep_tree_is_an_error_and_no_traceback(depth: int, tmp_path: Path) -> None:
    node = '{"text": "x", "mc_value": 1.0, "children": ['
    tree = node * depth + "]}" * depth
    file = tmp_path / "rows.jsonl"
    file.write_text(f'{{"question": "Why?", "reasoning_steps": {tree}}}')
    with pytest.raises(RecipeError, match=r"rows\.jsonl:1: .*(512 steps|too deeply)"):
        bring(Asked(importer_named("mathaps"), (file,)), tmp_path, "run")
