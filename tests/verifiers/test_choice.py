"""The choice verifier knows an option by its letter and by its text."""

from __future__ import annotations

import time

import pytest

from cotgen.records import Problem, Verdict
from cotgen.verifiers.choice import ChoiceVerifier, options_of

INLINE = "What is 3 * 4? (A) 12 (B) 13 (C) $\\frac{25}{2}$ (D) none of these"
AMC = (
    "How many?\n$\\textbf{(A)}\\ 7\\qquad\\textbf{(B)}\\ 8\\qquad\\textbf{(C)}\\ 9"
    "\\qquad\\textbf{(D)}\\ 10\\qquad\\textbf{(E)}\\ 11$"
)
LINES = "Who flies?\nA. The plane\nB. A sphere\nC. The cone\nD. Mount St. Helens"
COLONS = "Which gas?\nA: oxygen\nB: nitrogen\nC: neon\n"
LETTERS = "Which one?\n\nA) red\nB) blue\n\nAnswer with the letter."


def judged(gold: str, solution: str, question: str = INLINE) -> Verdict:
    problem = Problem(id="p", question=question, answer=gold)
    return ChoiceVerifier().verify(problem, solution)


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (INLINE, {"A": "12", "B": "13", "C": "$\\frac{25}{2}$", "D": "none of these"}),
        (LINES, {"A": "The plane", "B": "A sphere", "C": "The cone", "D": "Mount St. Helens"}),
        (COLONS, {"A": "oxygen", "B": "nitrogen", "C": "neon"}),
        (LETTERS, {"A": "red", "B": "blue"}),
        ("Point (A) lies on a line. What is x?", {}),
        ("(a) 1 (b) 2", {"A": "1", "B": "2"}),
        ("", {}),
    ],
)
def test_options_are_read_from_the_question(question: str, options: dict[str, str]) -> None:
    assert options_of(question) == options


def test_the_options_of_a_contest_are_read() -> None:
    assert list(options_of(AMC)) == list("ABCDE")
    assert judged("C", "\\boxed{9}", AMC).outcome == "correct"
    assert judged("E", "\\boxed{\\textbf{(E)}\\ 11}", AMC).outcome == "correct"
    assert judged("E", "\\boxed{\\textbf{(E) } 11}", AMC).outcome == "correct"
    assert judged("D", "\\boxed{11}", AMC).outcome == "incorrect"


@pytest.mark.parametrize("gold", ["C", "(C)", "\\text{(C)}", "$\\frac{25}{2}$", "12.5", "(C) 12.5"])
@pytest.mark.parametrize(
    "answer",
    [
        "C", "(C)", "C.", "C)", "\\text{C}", "\\text{(C)}", "(c)", "\\textbf{(C)}", "option C",
        "12.5", "25/2", "\\frac{25}{2}", "(C) 12.5", "C) $\\frac{25}{2}$", "C: 25/2",
        "\\text{(C) } \\frac{25}{2}", "**C**", "\\mathrm{C}",
    ],
)  # fmt: skip
def test_letter_text_or_both_are_correct(gold: str, answer: str) -> None:
    verdict = judged(gold, f"\\boxed{{{answer}}}")
    assert (verdict.outcome, verdict.method) == ("correct", "choice"), verdict


@pytest.mark.parametrize("answer", ["B", "(A)", "13", "A) 12", "A, B", "7", "D", "none of these"])
def test_another_option_is_incorrect(answer: str) -> None:
    verdict = judged("C", f"\\boxed{{{answer}}}")
    assert verdict.outcome == "incorrect", verdict
    assert verdict.reason


@pytest.mark.parametrize(
    "solution",
    [
        "\\boxed{(C) 13}",
        "The answer is (C) 12.",
        "\\boxed{C) 99}",
        "I think it is C",
        "\\boxed{something else}",
        "(A) is too small, (B) is too big.",
        "",
    ],
)
def test_contradictions_and_the_unknown_are_unverifiable(solution: str) -> None:
    verdict = judged("C", solution)
    assert verdict.outcome == "unverifiable", verdict
    assert verdict.reason


@pytest.mark.parametrize(
    "solution",
    ["The answer is (C).", "The correct option is C", "Option C is correct.", "(C)", "C",
     "#### C", "**C**", "So (C) is the correct answer."],
)  # fmt: skip
def test_an_option_is_picked_in_every_usual_way(solution: str) -> None:
    assert judged("C", solution).outcome == "correct"


@pytest.mark.parametrize(
    "solution",
    ["Option C is correct, no wait, B is correct", "Option C is correct. Actually, it is B.",
     "Option C is correct, but so is option B.", "C is correct only in winter.",
     "Option C is correct?", "Suppose\nC is true. Then nothing holds.", "C is right-handed.",
     "It is not true that\noption C is correct", "<think>So.\nOption C is correct.",
     "Claim: B is true. Another claim: C is true."],
)  # fmt: skip
def test_what_is_said_of_an_option_on_the_way_is_no_pick(solution: str) -> None:
    assert judged("C", solution).outcome == "unverifiable"


def test_what_was_thought_of_another_option_does_not_count() -> None:
    solution = "<think>\nOption B is correct.\n</think>\nSo option C is correct."
    assert judged("C", solution).outcome == "correct"


def test_texts_are_known_by_their_words() -> None:
    assert judged("A", "The answer is a plane.", LINES).outcome == "correct"
    assert judged("the Plane", "\\boxed{\\text{(A) Plane}}", LINES).outcome == "correct"
    assert judged("D", "\\boxed{Mount St. Helens}", LINES).outcome == "correct"
    assert judged("A", "The answer is the cone.", LINES).outcome == "incorrect"


def test_several_letters_are_a_set() -> None:
    assert judged("A, C", "\\boxed{C, A}").outcome == "correct"
    assert judged("A, C", "\\boxed{A and C}").outcome == "correct"
    assert judged("A, C", "\\boxed{A}").outcome == "incorrect"


def test_without_options_letters_are_compared() -> None:
    assert judged("C", "\\boxed{(C) 12}", "").outcome == "correct"
    assert judged("C", "\\boxed{B}", "").outcome == "incorrect"
    assert judged("C", "\\boxed{12}", "").outcome == "unverifiable"
    assert judged("(C) 12", "\\boxed{12}", "").outcome == "correct"
    assert judged("(C) 12", "\\boxed{(C) 13}", "").outcome == "unverifiable"


def test_a_letter_that_is_no_option_is_no_pick() -> None:
    assert judged("A", "\\boxed{E}").outcome != "correct"


def test_an_empty_gold_is_unverifiable() -> None:
    assert judged("", "\\boxed{A}").outcome == "unverifiable"


@pytest.mark.parametrize("text", ["(A) ", "A) ", "$", "{", "\\text", "A, ", "option ", "\n", "("])
def test_hostile_questions_and_answers_end_at_once(text: str) -> None:
    start = time.process_time()
    judged("C", f"\\boxed{{{text * 500_000}}}", text * 500_000)
    judged(text * 500, f"The answer is {text * 500}", text * 500)
    assert time.process_time() - start < 0.5
