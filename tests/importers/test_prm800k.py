"""PRM800K's paths: what was chosen, what was offered, what nobody rated (formats.md §2.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from importing import groups, import_rows, lines, one_group, rewards

from cotgen import load_recipe
from cotgen.errors import RecipeError
from cotgen.pipeline import run as run_recipe


def step(text: str, rating: int | None = 1) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": None}


def place(
    *completions: dict[str, Any], chosen: int | None = 0, human: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "completions": list(completions) or None,
        "human_completion": human,
        "chosen_completion": chosen,
    }


def row(*places: dict[str, Any], finish: str = "solution", **more: Any) -> dict[str, Any]:
    return {
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {"problem": "What is 2 + 3?", "ground_truth_answer": "5"},
        "label": {"steps": list(places), "finish_reason": finish},
        **more,
    }


def shown(folder: Path, *places: dict[str, Any], finish: str = "solution") -> list[Any]:
    """(text, finish, rewards) of each attempt."""
    group = one_group("prm800k", row(*places, finish=finish), folder)
    return [(each.attempt.text, each.attempt.finish, rewards(each)) for each in group.judged]


ANSWER = step("So 5.\n\n# Answer\n\n5", 0)


def test_ratings_become_rewards(tmp_path: Path) -> None:
    assert shown(tmp_path, place(step("a", 1)), place(step("b", -1)), place(ANSWER)) == [
        ("a\nb\nSo 5.\n\n# Answer\n\n5", "stop", (1.0, 0.0, 0.5))
    ]


def test_alternatives_are_pruned_attempts_and_never_combined(tmp_path: Path) -> None:
    places = (
        place(step("a"), step("x", -1)),
        place(step("y", 0), step("b"), chosen=1),
        place(ANSWER),
    )
    assert shown(tmp_path, *places)[1:] == [
        ("x", "pruned", (0.0,)),
        ("a\ny", "pruned", (1.0, 0.5)),
    ]


def test_a_step_that_a_person_wrote_is_right(tmp_path: Path) -> None:
    places = (
        place(step("x", -1), chosen=None, human=step("a", None)),
        place(chosen=None, human=step("b", None)),
        place(ANSWER),
    )
    attempts = shown(tmp_path, *places)
    assert attempts[0] == ("a\nb\n" + ANSWER["text"], "stop", (1.0, 1.0, 0.5))
    assert attempts[1] == ("x", "pruned", (0.0,))


def test_an_attempt_with_an_unrated_step_has_no_rewards(tmp_path: Path) -> None:
    ((_, _, none),) = shown(tmp_path, place(step("a", None)), place(ANSWER))
    assert none is None


def test_found_error_ends_in_each_alternative(tmp_path: Path) -> None:
    places = (place(step("a")), place(step("b", -1), step("c", 1), chosen=None))
    assert shown(tmp_path, *places, finish="found_error") == [
        ("a\nb", "pruned", (1.0, 0.0)),
        ("a\nc", "pruned", (1.0, 1.0)),
    ]


def test_a_wrong_last_step_that_answers_is_a_whole_attempt(tmp_path: Path) -> None:
    wrong = step("# Answer\n\n6", -1)
    attempts = shown(tmp_path, place(step("a")), place(wrong, chosen=None), finish="found_error")
    assert attempts == [("a\n# Answer\n\n6", "stop", (1.0, 0.0))]


def test_the_whole_solution_is_an_attempt_though_its_labels_end_early(tmp_path: Path) -> None:
    steps = ["a", "b", "So it is 320,000.\n\n# Answer\n\n320,000"]
    made = row(place(step("a")), place(step("b", -1), chosen=None), finish="found_error")
    made["question"] |= {"ground_truth_answer": "40,\\!000", "pre_generated_steps": steps}
    run = import_rows("prm800k", [made], tmp_path)
    run_recipe(load_recipe(run / "recipe.yaml", name="run"), outputs=tmp_path)
    whole, labelled = groups(run)[0].judged
    assert ([each.text.rstrip("\n") for each in whole.attempt.steps], rewards(whole)) == (
        steps,
        None,
    )
    assert whole.is_("incorrect")
    assert (rewards(labelled), labelled.is_("unfinished")) == ((1.0, 0.0), True)


def test_a_solution_that_was_labelled_whole_is_one_attempt(tmp_path: Path) -> None:
    made = row(place(step("a")), place(ANSWER))
    made["question"]["pre_generated_steps"] = ["a", ANSWER["text"]]
    (judged,) = one_group("prm800k", made, tmp_path).judged
    assert rewards(judged) == (1.0, 0.5)


def test_what_was_given_up_is_no_finished_attempt(tmp_path: Path) -> None:
    assert shown(tmp_path, place(step("a")), finish="give_up") == [("a", "pruned", (1.0,))]


def test_rows_that_label_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        row(place(ANSWER)),
        row(place(ANSWER), is_quality_control_question=True),
        row(place(ANSWER), is_initial_screening_question=True),
        row(place(ANSWER), finish="bad_problem"),
    ]
    run = import_rows("prm800k", rows, tmp_path)
    assert lines(run / "attempts.jsonl")[0]["attempts"][1:] == []
    counts = json.loads((run / "imported.json").read_text())["counts"]
    assert counts["skipped"] == {"bad problem": 1, "quality control": 1, "screening": 1}


def test_they_are_taken_if_wanted(tmp_path: Path) -> None:
    rows = [row(place(ANSWER), is_quality_control_question=True)]
    (group,) = groups(import_rows("prm800k", rows, tmp_path, "quality_control=true"))
    assert len(group.judged) == 1


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (row(place(step("a"), chosen=1)), "chosen_completion: there is no 1"),
        (row(place(step("a", 2))), r"rating.*2|2.*rating"),
        (row() | {"label": None}, "label: Expected `object`, got `null`"),
        (row() | {"question": {"problem": " "}}, "the question is empty"),
    ],
)
def test_a_bad_row_is_told_with_its_field(bad: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=what):
        import_rows("prm800k", [bad], tmp_path)
