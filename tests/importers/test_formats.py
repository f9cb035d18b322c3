"""Every format: a hand-written row, and the way back from the tables to its documented fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from importing import groups, import_rows, lines, one_group, rewards, texts, write_rows

from cotgen.bringing import Asked, bring, importer_named
from cotgen.errors import RecipeError
from cotgen.menus import MENUS
from cotgen.records import Group

Row = dict[str, Any]


class Sample(NamedTuple):
    """A row and how the columns that the tables hold are had back from a group."""

    row: Row
    back: Callable[[Group], Row]


def _shepherd_back(group: Group) -> Row:
    (judged,) = group.judged
    steps = [step.text.removesuffix("\n") for step in judged.attempt.steps]
    signs = ["+" if value == 1 else "-" for value in rewards(judged) or ()]

    def tagged(tags: list[str]) -> str:
        pieces = "\n".join(step + tag for step, tag in zip(steps, tags, strict=True))
        return f"{group.problem.question} {pieces}"

    return {
        "input": tagged(["ки"] * len(steps)),
        "label": tagged(signs),
        "task": group.problem.tags[0],
    }


def _thought(group: Group, number: int = 0) -> str:
    """What stands between the tags."""
    thought = group.judged[number].attempt.thought.strip()
    return thought.removeprefix("<think>").removesuffix("</think>").strip("\n")


SAMPLES: dict[str, Sample] = {
    "math-shepherd": Sample(
        {
            "input": "Ann has 2 nuts and finds 3. How many? Step 1: She has 2. ки\n"
            "Step 2: 2 + 3 = 6. The answer is: 6 ки",
            "label": "Ann has 2 nuts and finds 3. How many? Step 1: She has 2. +\n"
            "Step 2: 2 + 3 = 6. The answer is: 6 -",
            "task": "GSM8K",
        },
        _shepherd_back,
    ),
    "trl-prm": Sample(
        {"prompt": "2 + 3?", "completions": ["Two.", "Five."], "labels": [True, False]},
        lambda group: {
            "prompt": group.problem.question,
            "completions": [step.text.rstrip("\n") for step in group.judged[0].attempt.steps],
            "labels": [value == 1 for value in rewards(group.judged[0]) or ()],
        },
    ),
    "processbench": Sample(
        {
            "id": "math-0",
            "generator": "some-model",
            "problem": "2 + 3 + 4?",
            "steps": ["2 + 3 = 5.", "5 + 4 = 8.", "\\boxed{8}"],
            "label": 1,
            "final_answer_correct": False,
        },
        lambda group: {
            "generator": group.judged[0].attempt.origin.model,
            "problem": group.problem.question,
            "steps": texts(group)[0].split("\n\n"),
        },
    ),
    "mathaps": Sample(
        {"question": "2 + 3?", "process": "Two.\n\n\n\n\nFive.\n\n\n\n\n", "label": ["+", "-"]},
        lambda group: {
            "question": group.problem.question,
            "process": "".join(
                step.text.rstrip("\n") + "\n" * 5 for step in group.judged[0].attempt.steps
            ),
            "label": ["+" if value else "-" for value in rewards(group.judged[0]) or ()],
        },
    ),
    "openr1": Sample(
        {
            "problem": "What is 2 + 3?",
            "solution": "Add them.",
            "answer": "5",
            "problem_type": "Algebra",
            "question_type": "math-word-problem",
            "source": "olympiads",
            "uuid": "u-1",
            "generations": ["<think>\nTwo.\n\nThree.\n</think>\n\n\\boxed{5}", "<think>\nHm"],
            "is_reasoning_complete": [True, False],
            "correctness_math_verify": [True, False],
            "correctness_llama": None,
            "finish_reasons": ["stop", "length"],
            "correctness_count": 1,
            "messages": [{"role": "user", "content": "What is 2 + 3?"}],
        },
        lambda group: {
            "problem": group.problem.question,
            "answer": group.problem.answer,
            "problem_type": group.problem.tags[0],
            "question_type": group.problem.tags[1],
            "generations": texts(group),
        },
    ),
    "openo1": Sample(
        {
            "instruction": "What is 2 + 3?",
            "output": "<Thought>\nTwo and three.\n</Thought>\n<Output>\nIt is 5.\n</Output>",
        },
        lambda group: {"instruction": group.problem.question, "output": texts(group)[0]},
    ),
    "still": Sample(
        {
            "question": "What is 2 + 3?",
            "combined_text": "<|begin_of_thought|>\n\nTwo.\n\n<|end_of_thought|>\n\n"
            "<|begin_of_solution|>\n\n\\boxed{5}\n\n<|end_of_solution|>",
            "domain": "math",
        },
        lambda group: {
            "question": group.problem.question,
            "combined_text": texts(group)[0],
            "domain": group.problem.tags[0],
        },
    ),
    "o1-journey": Sample(
        {"question": "2 + 3?", "answer": "Five, so 5.\n#### 5", "longCOT": "Hm.\nWait.\n#### 5"},
        lambda group: {"question": group.problem.question, "longCOT": texts(group)[0]},
    ),
    "openthoughts": Sample(
        {
            "problem": "What is 2 + 3?",
            "deepseek_reasoning": "Two.\nThree.",
            "deepseek_solution": "It is \\boxed{5}.",
            "ground_truth_solution": "We add: \\boxed{5}.",
            "domain": "math",
            "source": "numina_math",
            "test_cases": "",
            "starter_code": "",
        },
        lambda group: {
            "problem": group.problem.question,
            "deepseek_reasoning": _thought(group),
            "deepseek_solution": group.judged[0].attempt.solution,
            "domain": group.problem.tags[0],
        },
    ),
    "s1k": Sample(
        {
            "question": "What is 2 + 3?",
            "solution": "5",
            "cot_type": "math",
            "source_type": "teasers",
            "metadata": "{}",
            "cot": None,
            "thinking_trajectories": ["Two.\nThree."],
            "attempt": "\\boxed{5}",
        },
        lambda group: {
            "question": group.problem.question,
            "cot_type": group.problem.tags[0],
            "source_type": group.problem.tags[1],
            "thinking_trajectories": [_thought(group)],
            "attempt": group.judged[0].attempt.solution,
        },
    ),
    "ultrainteract": Sample(
        {
            "task": "Math_CoT",
            "dataset": "gsm8k",
            "trajectory": [{"from": "user", "value": "What is 2 + 3?"}],
            "chosen": "Five.",
            "rejected": "Six.",
            "id": "a_0_1",
            "parent_id": "root",
        },
        lambda group: {
            "task": group.problem.tags[0],
            "dataset": group.problem.tags[1],
            "trajectory": [{"from": "user", "value": group.problem.question}],
            "chosen": texts(group)[0],
            "rejected": texts(group)[1],
        },
    ),
    "numina15": Sample(
        {
            "problem": "What is 2 + 3?",
            "solution": "We add.",
            "answer": "5",
            "problem_type": "Algebra",
            "question_type": "math-word-problem",
            "problem_is_valid": "Yes",
            "solution_is_valid": "Yes",
            "source": "olympiads",
            "synthetic": False,
        },
        lambda group: {
            "problem": group.problem.question,
            "problem_type": group.problem.tags[0],
            "question_type": group.problem.tags[1],
            "source": group.problem.tags[2],
        },
    ),
    "numina-cot": Sample(
        {"source": "cn_k12", "problem": "2 + 3?", "solution": "So \\boxed{5}.", "messages": []},
        lambda group: {
            "source": group.problem.tags[0],
            "problem": group.problem.question,
            "solution": texts(group)[0],
        },
    ),
    "gsm8k-attempts": Sample(
        {
            "question": "Ann has 2 nuts and finds 3. How many?",
            "ground_truth": "2 + 3 = <<2+3=5>>5\nA: 5",
            "6b_finetuning": {"is_correct": False, "solution": "2 + 3 = 6\nA: 6"},
            "6b_verification": {"is_correct": True, "solution": "2 + 3 = 5\nA: 5"},
            "175b_finetuning": {"is_correct": True, "solution": "3 + 2 = 5\nA: 5"},
            "175b_verification": {"is_correct": True, "solution": "5\nA: 5"},
        },
        lambda group: {
            "question": group.problem.question,
            **{
                judged.attempt.origin.model: {
                    "is_correct": judged.is_("correct"),
                    "solution": judged.attempt.text,
                }
                for judged in group.judged
            },
        },
    ),
    "qwen-eval": Sample(
        {
            "idx": 0,
            "question": "What is 2 + 3?",
            "gt": "5",
            "level": "Level 1",
            "code": ["\\boxed{5}", "\\boxed{6}"],
            "pred": ["5", "6"],
            "score": [True, False],
            "pred_score": [[3.5], [-1.0]],
        },
        lambda group: {
            "question": group.problem.question,
            "gt": group.problem.answer,
            "level": group.problem.level,
            "code": texts(group),
            "score": [judged.is_("correct") for judged in group.judged],
        },
    ),
    "chat": Sample(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is 2 + 3?"},
                {"role": "assistant", "content": "5"},
            ]
        },
        lambda group: {},
    ),
    "prm800k": Sample(
        {
            "labeler": "l",
            "question": {"problem": "What is 2 + 3?", "ground_truth_answer": "5"},
            "label": {
                "steps": [
                    {
                        "completions": [{"text": "Two.", "rating": 1, "flagged": None}],
                        "human_completion": None,
                        "chosen_completion": 0,
                    },
                    {
                        "completions": [{"text": "# Answer\n\n5", "rating": 0, "flagged": None}],
                        "human_completion": None,
                        "chosen_completion": 0,
                    },
                ],
                "total_time": 1,
                "finish_reason": "solution",
            },
        },
        lambda group: {},
    ),
}


def test_every_format_has_a_sample() -> None:
    assert SAMPLES.keys() == MENUS["importers"].keys()


@pytest.mark.parametrize("kind", SAMPLES)
def test_what_was_in_the_file_can_be_found_in_the_run(kind: str, tmp_path: Path) -> None:
    sample = SAMPLES[kind]
    run = import_rows(kind, [sample.row], tmp_path, verdicts="keep")
    (group,) = groups(run)
    kept = lines(run / "source_rows.jsonl")
    rest = kept[0]["row"] if kept else {}
    assert {**rest, **sample.back(group)} == sample.row


@pytest.mark.parametrize("kind", SAMPLES)
def test_source_and_split_are_always_set(kind: str, tmp_path: Path) -> None:
    problem = one_group(kind, SAMPLES[kind].row, tmp_path).problem
    assert problem.source
    assert problem.split == SPLITS.get(kind, "train")


SPLITS = {
    "chat": "unknown",
    "processbench": "test",
    "gsm8k-attempts": "test",
    "qwen-eval": "test",
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_row_of_something_else_is_refused_with_its_place(kind: str, tmp_path: Path) -> None:
    rows: list[Any] = [{}, [], "text", 7, None]
    for row in [*rows, {"question": 3, "problem": [], "messages": "x"}]:
        with pytest.raises(RecipeError, match=r"rows\.jsonl:1: "):
            import_rows(kind, [row], tmp_path)


def test_shepherd_signs_are_rewards(tmp_path: Path) -> None:
    group = one_group("math-shepherd", SAMPLES["math-shepherd"].row, tmp_path)
    assert group.problem.question == "Ann has 2 nuts and finds 3. How many?"
    assert [step.text for step in group.judged[0].attempt.steps] == [
        "Step 1: She has 2. \n",
        "Step 2: 2 + 3 = 6. The answer is: 6 ",
    ]
    assert rewards(group.judged[0]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("input", "label", "what"),
    [
        ("Why? First. ки", "Why? First. +", "no `Step 1:`"),
        ("Why? Step 1: a ки\nStep 2: b", "Why? Step 1: a +\nStep 2: b", "no tag"),
        ("Why? Step 1: a ки", "Why? Step 1: b +", "step 1 is not that of input"),
        ("Why? Step 1: a ки", "Why? Step 1: a ки", "step 1 is not that of input"),
        ("Why? Step 1: a ки", "Why? Step 1: a + and more", "ends otherwise"),
        ("Wки? Step 1: a ки", "W+? Step 1: a +", "before `Step 1:`"),
    ],
)
def test_a_shepherd_row_that_does_not_fit_is_an_error(
    input: str, label: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=what):
        import_rows("math-shepherd", [{"input": input, "label": label}], tmp_path)


def test_processbench_cuts_a_second_attempt_at_the_first_wrong_step(tmp_path: Path) -> None:
    whole, cut = one_group("processbench", SAMPLES["processbench"].row, tmp_path).judged
    assert (whole.attempt.finish, rewards(whole)) == ("stop", None)
    assert (cut.attempt.finish, rewards(cut)) == ("pruned", (1.0, 0.0))
    assert whole.attempt.text.startswith(cut.attempt.text)


def test_an_unfinished_generation_was_cut_off(tmp_path: Path) -> None:
    first, second = one_group("openr1", SAMPLES["openr1"].row, tmp_path).judged
    assert (first.attempt.finish, second.attempt.finish) == ("stop", "length")
    assert first.attempt.thought == "<think>\nTwo.\n\nThree.\n</think>\n\n"
    assert first.attempt.solution == "\\boxed{5}"


@pytest.mark.parametrize(
    ("rule", "llama", "recorded"),
    [
        ([True, False], None, ["correct", "incorrect"]),
        ([False, False], [True, None], ["correct", "incorrect"]),
        ([None, None], [None, None], []),
        (None, None, []),
    ],
)
def test_recorded_verdicts_of_openr1(
    rule: list[bool | None] | None,
    llama: list[bool | None] | None,
    recorded: list[str],
    tmp_path: Path,
) -> None:
    row = {
        "problem": "2 + 3?",
        "answer": "5",
        "generations": ["\\boxed{5}", "\\boxed{6}"],
        "correctness_math_verify": rule,
        "correctness_llama": llama,
    }
    run = import_rows("openr1", [row], tmp_path, verdicts="keep")
    made = lines(run / "verdicts.jsonl")
    assert [line["outcome"] for line in made] == recorded
    assert {line["method"] for line in made} <= {"recorded"}


@pytest.mark.parametrize(
    ("change", "gold"),
    [
        ({}, "5"),
        ({"answer": "Proof"}, ""),
        ({"answer": "notfound"}, ""),
        ({"answer": None}, ""),
        ({"problem_is_valid": "Incomplete"}, ""),
        ({"solution_is_valid": "No"}, ""),
    ],
)
def test_a_doubtful_answer_of_numina_is_no_gold(change: Row, gold: str, tmp_path: Path) -> None:
    group = one_group("numina15", SAMPLES["numina15"].row | change, tmp_path)
    assert (group.problem.answer, group.judged) == (gold, ())


def test_the_answer_of_a_worked_solution_is_the_gold(tmp_path: Path) -> None:
    group = one_group("o1-journey", SAMPLES["o1-journey"].row, tmp_path)
    assert group.problem.answer == "5"


def test_a_worked_solution_without_an_answer_is_no_gold(tmp_path: Path) -> None:
    row = SAMPLES["o1-journey"].row | {"answer": "First this.\nThen that."}
    assert one_group("o1-journey", row, tmp_path).problem.answer == ""


def test_both_models_of_s1k_11_have_their_attempts(tmp_path: Path) -> None:
    row = {
        "question": "2 + 3?",
        "solution": "5",
        "gemini_thinking_trajectory": "Hm.",
        "gemini_attempt": "6",
        "gemini_grade": "No",
        "deepseek_thinking_trajectory": "Ha.",
        "deepseek_attempt": "5",
        "deepseek_grade": "Yes",
    }
    run = import_rows("s1k", [row], tmp_path, verdicts="keep")
    (group,) = groups(run)
    assert [judged.attempt.origin.model for judged in group.judged] == ["gemini", "deepseek"]
    assert [judged.is_("correct") for judged in group.judged] == [False, True]


def test_openthoughts_conversations_are_read_too(tmp_path: Path) -> None:
    row = {
        "system": "Think long.",
        "conversations": [
            {"from": "user", "value": "2 + 3?"},
            {
                "from": "assistant",
                "value": "<|begin_of_thought|>\n\nTwo.\n\n<|end_of_thought|>\n\n"
                "<|begin_of_solution|>\n\n5\n\n<|end_of_solution|>",
            },
        ],
    }
    run = import_rows("openthoughts", [row], tmp_path)
    (group,) = groups(run)
    assert group.problem.question == "2 + 3?"
    assert group.judged[0].attempt.solution.startswith("<|begin_of_solution|>")
    assert lines(run / "source_rows.jsonl")[0]["row"] == row


def test_tool_output_of_ultrainteract_is_never_in_an_attempt(tmp_path: Path) -> None:
    row = SAMPLES["ultrainteract"].row | {
        "trajectory": [
            {"from": "user", "value": "2 + 3?"},
            {"from": "assistant", "value": "print(2+3)"},
            {"from": "user", "value": "Observation: 5"},
        ]
    }
    group = one_group("ultrainteract", row, tmp_path)
    assert "Observation: 5" in group.problem.question
    assert texts(group) == ["Five.", "Six."]


def test_marco_o1_calls_its_output_response(tmp_path: Path) -> None:
    text = "<Thought>\nTwo.\n</Thought>\n<Output>\n5\n</Output>"
    group = one_group("openo1", {"instruction": "2 + 3?", "response": text}, tmp_path)
    assert group.judged[0].attempt.thought == "<Thought>\nTwo.\n</Thought>\n"


CHATS: list[tuple[Row, str, str]] = [
    ({"prompt": "2 + 3?", "completion": "5"}, "2 + 3?", "5"),
    (
        {
            "conversations": [
                {"from": "human", "value": "2 + 3?"},
                {"from": "gpt", "value": "5"},
            ]
        },
        "2 + 3?",
        "5",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": "2 + 3?"},
                {"role": "assistant", "content": "5", "reasoning_content": "Two."},
            ]
        },
        "2 + 3?",
        "<think>\nTwo.\n</think>\n\n5",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": "2 + 3?"},
                {"role": "assistant", "content": "6"},
                {"role": "user", "content": "Try again."},
                {"role": "assistant", "content": "5"},
            ]
        },
        "User:\n2 + 3?\n\nAssistant:\n6\n\nUser:\nTry again.",
        "5",
    ),
]


@pytest.mark.parametrize(("row", "question", "text"), CHATS)
def test_the_last_turn_of_a_chat_is_the_attempt(
    row: Row, question: str, text: str, tmp_path: Path
) -> None:
    group = one_group("chat", row, tmp_path)
    assert (group.problem.question, texts(group)) == (question, [text])


def test_a_chat_that_does_not_end_with_the_assistant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="one of assistant"):
        import_rows("chat", [{"messages": [{"role": "user", "content": "Hi"}]}], tmp_path)


JUNK: list[Any] = [
    None,
    True,
    -1,
    3.5,
    "",
    " ",
    "x\0",
    "ки",
    "<think>",
    [],
    [None],
    {},
    {"a": 1},
    [[]],
]


def _spoiled(value: Any, draw: Random) -> Any:
    """The value with one random place of it turned into junk, dropped or doubled."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(sorted(value))
        if draw.random() < 0.1:
            return {name: each for name, each in value.items() if name != key}
        return value | {key: _spoiled(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        if draw.random() < 0.2:
            return [*value, value[at]]
        return [*value[:at], _spoiled(value[at], draw), *value[at + 1 :]]
    return draw.choice(JUNK)


@pytest.mark.parametrize("kind", SAMPLES)
def test_spoiled_rows_are_bad_lines_and_never_a_traceback(kind: str, tmp_path: Path) -> None:
    draw, row = Random(kind), SAMPLES[kind].row
    rows = [row, *(_spoiled(row, draw) for _ in range(200))]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    asked = Asked(importer_named(kind), (file,), "keep", on_bad_line="skip")
    counts = bring(asked, tmp_path, "run").counts
    assert counts.rows == 201
    assert 0 < counts.bad_lines < 201
    assert len(lines(tmp_path / "run" / "bad_lines.jsonl")) == counts.bad_lines
    for group in groups(tmp_path / "run"):
        assert group.problem.question.strip()
        for judged in group.judged:
            assert len(judged.attempt.steps) == len(rewards(judged) or judged.attempt.steps)
