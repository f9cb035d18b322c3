from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from trainer_rows import validate

from cotgen.emitters.prm import PrmEmitter
from cotgen.export import schema_of
from cotgen.protocols import Refusal, Row
from cotgen.records import Attempt, Finish, Group, Judged, Problem, Rewards, Step
from cotgen.wiring import draws

Rated = tuple[str, float]


def group(*attempts: list[Rated] | None, finish: Finish = "stop", question: str = "Why?") -> Group:
    """Attempts of (step, reward); None: an attempt without rewards. Nothing is judged."""
    judged = []
    for number, rated in enumerate(attempts):
        steps = tuple(Step(text) for text, _ in rated or [("a\n", 0.0)])
        rewards = Rewards(tuple(reward for _, reward in rated), "human") if rated else None
        judged.append(Judged(f"p@t/{number}", Attempt(steps, finish), "t", None, rewards))
    return Group(Problem("p", question, "4", source="openai/gsm8k"), tuple(judged))


def emit(made: Group, **settings: object) -> list[Row | Refusal]:
    return list(PrmEmitter.model_validate(settings).emit(made, draws(0)))


def row(*rated: Rated, **settings: object) -> dict[str, Any]:
    (made,) = emit(group(list(rated)), **settings)
    assert isinstance(made, Row)
    return made.columns


def labels(*rewards: float, **settings: object) -> list[bool]:
    made: list[bool] = row(*((f"step {n}", each) for n, each in enumerate(rewards)), **settings)[
        "labels"
    ]
    return made


def test_a_row_ends_at_its_first_wrong_step() -> None:
    made = row(("a\n", 1), ("b\n\n", 0.2), ("c", 1))
    assert made == {"prompt": "Why?\n", "completions": ["a", "b"], "labels": [True, False]}
    assert validate("prm", "trl", made) == []
    assert labels(1, 0.2, 1, first_error=False) == [True, False, True]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [True, True, True, False]),
        ({"neutral": "negative"}, [True, False]),
        ({"neutral": "drop"}, [True, True, True, False]),
        ({"threshold": 0}, [True, True, True, True]),
        ({"threshold": 0.8}, [True, False]),
    ],
)
def test_the_threshold_and_what_neutral_counts_as_decide_the_labels(
    settings: dict[str, object], expected: list[bool]
) -> None:
    assert labels(1, 0.5, 0.75, 0.25, **settings) == expected


def test_no_success_is_wrong_even_at_a_threshold_of_zero() -> None:
    for neutral in ("positive", "negative", "drop"):
        assert labels(0.125, 0, threshold=0, neutral=neutral) == [True, False]


def test_drop_leaves_neutral_steps_out_at_the_end_only() -> None:
    assert labels(1, 0.5, 1, 0.5, 0.5, neutral="drop") == [True, True, True]
    assert emit(group([("a", 0.5)]), neutral="drop") == [Refusal("no_labelled_step")]


def test_an_attempt_without_rewards_is_no_row() -> None:
    assert emit(group(None)) == [Refusal("no_rewards")]
    torn = Judged("p@t/0", Attempt((Step("a\n"), Step("b"))), "t", None, Rewards((1.0,)))
    assert emit(Group(Problem("p", "?", "4"), (torn,))) == [Refusal("rewards_do_not_fit")]


@pytest.mark.parametrize("finish", ["length", "pruned"])
def test_steps_of_attempts_that_were_given_up_have_labels_too(finish: Finish) -> None:
    (made,) = emit(group([("a", 1.0)], finish=finish))
    assert isinstance(made, Row)


def test_equal_rows_stand_once() -> None:
    same = [("a", 1.0), ("b", 0.0)]
    made = emit(group(same, [*same, ("c", 1.0)], same[:1]))
    assert made[1] == Refusal("duplicate")
    assert [isinstance(each, Row) for each in made] == [True, False, True]


def test_blank_steps_are_left_out_with_their_rewards() -> None:
    made = row(("\n\n", 0.0), ("a\n", 1.0))
    assert (made["completions"], made["labels"]) == (["a"], [True])


def test_soft_labels_are_a_column_of_their_own_for_trl() -> None:
    made = row(("a", 0.75), ("b", 0.25), labels="soft")
    assert made.pop("values") == [0.75, 0.25]
    assert validate("prm", "trl", made) == []
    soft = schema_of(PrmEmitter(labels="soft").columns)
    assert str(soft.field("values").type) == "list<item: double>"


def test_a_row_names_what_gave_its_rewards() -> None:
    (made,) = emit(group([("a", 1.0)]))
    assert isinstance(made, Row)
    assert (made.origin.attempts, made.origin.rewards) == (("p@t/0",), ("human",))
    assert made.origin.made_by == ("prm", "hard")


# The other formats, read back by what formats.md says of them.


def test_math_shepherds_text_reads_back() -> None:
    made = row(("add 2 and 2\n", 1), ("it is 5", 0), format="math-shepherd")
    problem, _, rest = made["input"].partition("Step 1:")
    assert problem == "Why?\n"
    assert [piece.strip() for piece in rest.split("ки")] == [
        "add 2 and 2", "Step 2: it is 5", "",
    ]  # fmt: skip
    assert made["label"] == made["input"].replace("ки", "+", 1).replace("ки", "-", 1)
    assert made["task"] == "GSM8K"


def test_steps_that_are_numbered_already_are_not_numbered_twice() -> None:
    made = row(("Step 1: a\n", 1), ("Step 2: b", 1), format="math-shepherd")
    assert made["input"] == "Why?\nStep 1: a ки\nStep 2: b ки"


@pytest.mark.parametrize("format", ["math-shepherd", "openrlhf-legacy"])
def test_a_text_that_holds_the_tag_is_refused(format: str) -> None:
    made = group([("стоянки", 1.0)])
    assert emit(made, format=format) == [Refusal("tag_collision")]


def test_a_problem_that_looks_like_steps_is_refused_by_math_shepherd() -> None:
    made = group([("a", 1.0)], question="Step 1: what?")
    assert emit(made, format="math-shepherd") == [Refusal("tag_collision")]
    assert isinstance(emit(made)[0], Row)


def test_legacy_openrlhf_has_a_sign_or_a_number_for_each_placeholder() -> None:
    rated = (("a\n", 0.75), ("b", 0.25))
    hard = row(*rated, format="openrlhf-legacy")
    assert hard == {"input": "Why?\na ки\nb ки", "label": ["+", "-"]}
    assert row(*rated, format="openrlhf-legacy", labels="soft")["label"] == [0.75, 0.25]


def test_mathaps_has_each_prefix_with_its_value() -> None:
    made = row(("a\n", 0.75), ("b", 0.25), format="mathaps", labels="soft")
    assert made == {
        "question": "Why?",
        "final_answer": "4",
        "reasoning_steps": [
            {"solution_prefix": "a", "mc_value": 0.75},
            {"solution_prefix": "a\nb", "mc_value": 0.25},
        ],
    }


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"format": "openrlhf"}, "openrlhf-legacy"),
        ({"format": "llama_factory"}, "no format of labelled steps"),
        ({"format": "verl"}, "cannot hold prm rows"),
        ({"format": "axolotl", "labels": "soft"}, "leave labels: soft out"),
        ({"format": "math-shepherd", "labels": "soft"}, "mathaps"),
        ({"format": "mathaps"}, "add labels: soft"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PrmEmitter.model_validate(settings)
