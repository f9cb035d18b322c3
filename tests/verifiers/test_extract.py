"""Where the answer stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgen.verifiers.mathematics.extract import Extraction, extract, extract_gold


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("so \\boxed{5}", "5", "box"),
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", "box"),
        ("so \\boxed{\\{1\\}}", "\\{1\\}", "box"),
        ("so \\boxed 5 apples", "5", "box"),
        ("so \\fbox{x}", "x", "box"),
        ("\\boxed{1} or \\boxed{2}", "1, 2", "box"),
        ("$x=\\boxed{1}$, $y=\\boxed{2}$", "1, 2", "box"),
        ("\\boxed{1}. Now \\boxed{2}", "2", "box"),
        ("\\boxed{5} and \\boxed{5}", "5", "box"),
        ("\\boxed{5}\n\\boxed{}", "5", "box"),
        ("\\boxed{4}\nThe answer is 5.", "5", "phrase"),
        ("#### 5", "5", "hashes"),
        ("A: 5", "5", "answer_line"),
        ("**A:** 5", "5", "answer_line"),
        ("The answer is 5.", "5", "phrase"),
        ("The final answer is: $x = 5$. I hope it is correct.", "$x = 5$", "phrase"),
        ("Answer: east", "east", "phrase"),
        ("**Final Answer:** $5$", "$5$", "phrase"),
        ("The answer to the question is 0.5.", "0.5", "phrase"),
        ("<answer> 5 </answer>", "5", "tag"),
        ("<think>A: 4</think>A: 5", "5", "answer_line"),
        ("A: 5\nQ: and now?\nA: 6", "5", "answer_line"),
    ],
)
def test_the_last_committed_answer_is_found(text: str, answer: str, rule: str) -> None:
    found = extract(text)
    assert isinstance(found, Extraction), found
    assert (found.text, found.rule) == (answer, rule)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I get 5",
        "so \\boxed{5",
        "\\boxed{4} so \\boxed{5",
        "<think>\\boxed{5}",
        "<think>\\boxed{5}</think>",
        "\\boxed{}",
        "\\boxed{\\text{your answer}}",
        "The answer is not 5",
        "#### Step 5: now add\nmore",
        "We check the answer: it fits.\nnothing",
    ],
)
def test_without_a_marked_answer_there_is_none(text: str) -> None:
    assert isinstance(extract(text), str)


@pytest.mark.parametrize(
    ("gold", "answer", "rule"),
    [
        (" 5 ", "5", "bare"),
        ("x = 5, y = 6", "x = 5, y = 6", "bare"),
        ("\\boxed{5}", "5", "box"),
        ("2+3=5\n#### 5", "5", "hashes"),
        ("2+3=5\nA: 5", "5", "answer_line"),
    ],
)
def test_a_gold_is_bare_or_marked(gold: str, answer: str, rule: str) -> None:
    found = extract_gold(gold)
    assert isinstance(found, Extraction)
    assert (found.text, found.rule) == (answer, rule)


def test_the_place_of_the_answer_is_told() -> None:
    text = "<think>no</think> so \\boxed{5}."
    found = extract(text)
    assert isinstance(found, Extraction)
    assert text[found.start : found.end] == "\\boxed{5}"


@given(st.text(), st.text(alphabet="0123456789xyz+-", min_size=1))
def test_the_last_box_wins_whatever_stands_before(before: str, answer: str) -> None:
    before = before.replace("<", "").replace("\\", "").replace("Q", "")
    found = extract(f"{before} \\boxed{{0}}.\n\nHence \\boxed{{{answer}}}")
    assert isinstance(found, Extraction)
    assert found.text == answer
