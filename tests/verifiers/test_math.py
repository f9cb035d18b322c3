"""The math verifier: its cases, real attempts, and texts that mean harm."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgen.errors import WorkerError
from cotgen.records import Problem, Verdict
from cotgen.verifiers import MathVerifier
from cotgen.verifiers.mathematics import symbolic
from cotgen.verifiers.mathematics.decision import Decision, equal, undecided
from cotgen.verifiers.mathematics.nodes import Symbol

CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("cases.jsonl").read_text("utf-8").splitlines()
]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def verify(gold: str, solution: str) -> Verdict:
    return MathVerifier().verify(Problem(id="p", question="", answer=gold), solution)


def boxed(gold: str, answer: str) -> str:
    return verify(gold, f"\\boxed{{{answer}}}").outcome


def lines(path: str) -> list[dict[str, object]]:
    file = DATA / path
    if not file.exists():
        pytest.skip(f"no {path} on this machine")
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["why"])[:50])
def test_case_is_judged_as_written(case: dict[str, object]) -> None:
    """A case that is open may be left undecided, never judged the other way."""
    verdict = verify(str(case["gold"]), str(case["solution"]))
    accepted = {case["outcome"], "unverifiable"} if "open" in case else {case["outcome"]}
    assert verdict.outcome in accepted, (case["why"], verdict)
    assert verdict.method not in ("", "error")
    assert verdict.reason or verdict.outcome == "correct"


def test_there_are_enough_cases_of_each_outcome_and_few_are_open() -> None:
    outcomes = Counter(case["outcome"] for case in CASES)
    assert min(outcomes[each] for each in ("correct", "incorrect", "unverifiable")) >= 50
    assert len(CASES) >= 3_500
    assert sum("open" in case for case in CASES) <= 0.01 * len(CASES)


def test_cases_are_written_once_and_say_what_they_are() -> None:
    keys = ["gold", "solution", "outcome", "kind", "why"]
    assert all([key for key in case if key != "open"] == keys for case in CASES)
    assert all(case.get("open", True) is True for case in CASES)
    assert len({(case["gold"], case["solution"]) for case in CASES}) == len(CASES)


def test_only_the_chosen_forms_count() -> None:
    problem = Problem(id="p", question="", answer="5")
    only_boxes = MathVerifier(forms=("box",))
    assert only_boxes.verify(problem, "#### 5").outcome == "unverifiable"
    assert only_boxes.verify(problem, "\\boxed{5}").outcome == "correct"


def gsm8k() -> Iterator[tuple[str, str, bool]]:
    for row in lines("gsm8k/example_model_solutions.jsonl"):
        for attempt in row.values():
            if isinstance(attempt, dict):
                yield str(row["ground_truth"]), attempt["solution"], attempt["is_correct"]


def test_gsm8k_attempts_are_judged_as_recorded() -> None:
    attempts = list(gsm8k())
    verdicts = [verify(gold, solution) for gold, solution, _ in attempts]
    wrong = [
        (attempt, verdict)
        for attempt, verdict in zip(attempts, verdicts, strict=True)
        if (verdict.outcome == "correct") != attempt[2]
    ]
    assert (len(attempts), wrong) == (5276, [])
    assert sum(verdict.outcome == "unverifiable" for verdict in verdicts) == 11


def test_math_golds_are_correct_against_themselves_and_their_solutions() -> None:
    for row in lines("math/test500.jsonl"):
        gold, solution = str(row["answer"]), str(row["solution"])
        assert boxed(gold, gold) == "correct", gold
        assert verify(gold, solution).outcome == "correct", gold


def bare(gold: str) -> str:
    """A gold without what may be left out: all that the equal golds of MATH-500 differ in."""
    plain = gold.removeprefix("x=").removesuffix("^\\circ")
    return plain.replace("\\frac14", "\\frac{1}{4}").replace(" ", "")


def test_golds_of_other_problems_are_only_correct_where_equal() -> None:
    golds = [str(row["answer"]) for row in lines("math/test500.jsonl")]
    draw = Random(1)
    for _ in range(5_000):
        one, two = draw.sample(golds, 2)
        if one != two and boxed(one, two) == "correct":
            assert bare(one) == bare(two)


def test_math_attempts_differ_from_the_recorded_verdicts_only_where_those_are_wrong() -> None:
    """The recorded grader refuses a damaged `4:30p..` and the comma of `10{,}000`."""
    differing: Counter[str] = Counter()
    for row in lines("math/math_cot_100.jsonl"):
        codes, scores = row["code"], row["score"]
        assert isinstance(codes, list)
        assert isinstance(scores, list)
        for solution, score in zip(codes, scores, strict=True):
            if (verify(str(row["gt"]), solution).outcome == "correct") != score:
                differing[str(row["gt"])] += 1
    assert differing == {"4:30p..": 8, "10{,}000": 1}


HOSTILE = (
    "9^{9^{9^9}}",
    "(10^9)!",
    "5!!!!!!!",
    "\\binom{10^9}{5\\cdot10^8}",
    "(x+1)^{1000000}",
    "(a+b+c+d+f+g)^{30}",
    "e^{e^{e^{e^{e}}}}",
    "\\sin(10^{100000})",
    "(" * 10_000 + "1" + ")" * 10_000,
    "\\sqrt{" * 10_000 + "2" + "}" * 10_000,
    "\\frac{" * 5_000 + "1" + "}{2}" * 5_000,
    "{" * 100_000,
    "$ " * 20_000,
    "1" * 100_000,
    "-" * 100_000 + "5",
    "+".join(["x"] * 20_001),
    ",".join(map(str, range(2_000))),
    "1/" * 3_000 + "1",
    "\\pm" * 300 + "1",
    "x'" + "'" * 9_999,
    "\\text{" * 1_000 + "a" + "}" * 1_000,
    "\ud800\udfff",
    "\x00" * 1_000,
    "1e999999999",
    "__import__('os').system('true')",
    "\\mathbb{R}\\setminus\\{" + ",".join(map(str, range(300))) + "\\}",
    "+".join(f"\\sqrt{{{number}}}" for number in range(2, 200)),
    "\\{x|" + "+".join(f"{7**power}x^{{{power}}}" for power in range(13)) + ">0\\}",
    "\\{x|" + "\\frac{1}{x+" * 35 + "1" + "}" * 35 + ">0\\}",
    "\\{x\\in\\mathbb{Z}|x^{12}<10^{60}\\}",
    "\\begin{pmatrix}" + "\\\\".join(["9" + "&9" * 18] * 19) + "\\end{pmatrix}^{100}",
    "||x||y" * 800 + "||",
    "(a) 1 " * 2_000,
    "1,2,\\ldots,1000000",
    "4^" + "9" * 1_900 + "^2",
)


# The bound is in CPU seconds, so that a busy machine does not fail it; one that waits would.
@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].encode("unicode_escape"))
@pytest.mark.parametrize("other", ["5", "\\sqrt{2}", "x+1", "\\sin x", "(1,2)", "1,2,3", "east"])
def test_hostile_text_ends_soon_and_is_never_correct(text: str, other: str) -> None:
    started = time.process_time()
    assert boxed(other, text) != "correct"
    assert boxed(text, other) != "correct"
    assert boxed(text, text) in ("correct", "unverifiable")
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "piece", ["\\boxed{", "the answer is ", "answer: ", "<answer>", "<think>", "#### 5\n", "A: 5\n"]
)
def test_a_text_of_five_megabytes_ends_soon(piece: str) -> None:
    started = time.process_time()
    verify("6", piece * (5_000_000 // len(piece)))
    assert time.process_time() - started < 3


def test_equal_texts_are_equal_however_long() -> None:
    assert boxed("7" * 50_000, "7" * 50_000) == "correct"
    assert boxed("7" * 50_000, "7" * 49_999 + "8") == "incorrect"
    members = [str(number) for number in range(2_000)]
    assert boxed(",".join(members), ", ".join(reversed(members))) == "correct"


def test_a_verdict_says_what_was_read_of_both_sides_and_where_the_answer_stands() -> None:
    solution = "It is \\boxed{\\frac{2}{4}}."
    verdict = verify("0.5", solution)
    assert (verdict.canonical, verdict.canonical_gold) == ("1/2", "1/2")
    assert solution[slice(*verdict.span)] == "\\boxed{\\frac{2}{4}}"
    unread = verify("0.5", "\\boxed{\\foo[}")
    assert (unread.canonical, unread.canonical_gold) == ("\\foo[", "1/2")
    assert verify("0.5", "I do not know.").span == (-1, -1)


@pytest.mark.parametrize(
    ("gold", "answer", "outcome"),
    [
        ("0.33", "\\frac13", "correct"),
        ("0.3", "\\frac13", "correct"),
        ("0.34", "\\frac13", "incorrect"),
        ("3.1416", "\\pi", "correct"),
        ("-1.41", "-\\sqrt2", "correct"),
        ("1", "\\frac{9}{10}", "incorrect"),
        ("\\frac13", "0.33", "incorrect"),
        ("0.33", "x", "incorrect"),
    ],
)
def test_a_gold_with_a_decimal_point_may_be_taken_as_rounded(
    gold: str, answer: str, outcome: str
) -> None:
    problem, solution = Problem(id="p", question="", answer=gold), f"\\boxed{{{answer}}}"
    assert MathVerifier(rounding="gold").verify(problem, solution).outcome == outcome
    assert MathVerifier().verify(problem, solution).outcome != "correct"


def test_what_was_stopped_is_unverifiable_with_its_cause_and_judged_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late:
        def ask(self, *_: object, **__: object) -> None:
            raise WorkerError("out of time")

    def asking(*_: object) -> Decision:
        shown = symbolic.equal(Symbol("x"), Symbol("x"))
        return equal("symbolic") if shown else undecided("symbolic", "not shown")

    monkeypatch.setattr("cotgen.verifiers.math.compare", asking)
    with monkeypatch.context() as late:
        late.setattr(symbolic, "_helper", Late)
        stopped = verify("p+q", "\\boxed{r+s}")
    assert stopped.outcome == "unverifiable"
    assert stopped.reason.endswith("ended without a result: out of time")
    assert verify("p+q", "\\boxed{r+s}").method == "symbolic"


NUMBERS = st.fractions(max_denominator=10_000)


def spellings(value: Fraction) -> list[str]:
    over, under = value.numerator, value.denominator
    found = [f"{over}/{under}", f"\\frac{{{over}}}{{{under}}}", f"{2 * over}/{2 * under}"]
    found.append(f"{'-' * (over < 0)}\\dfrac{{{abs(over)}}}{{{under}}}")
    return found + ([f"{over:,}", f"{over}.0", f"x = {over}"] if under == 1 else [])


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_numbers_are_equal_exactly_if_their_values_are(one: Fraction, two: Fraction) -> None:
    expected = "correct" if one == two else "incorrect"
    for gold in spellings(one):
        for answer in spellings(two):
            assert boxed(gold, answer) == expected, (gold, answer)


POLYNOMIALS = st.lists(st.integers(-9, 9), min_size=1, max_size=4)


@settings(deadline=None)
@given(POLYNOMIALS, POLYNOMIALS)
def test_polynomials_are_equal_exactly_if_their_coefficients_are(
    one: list[int], two: list[int]
) -> None:
    def written(coefficients: list[int]) -> str:
        return "+".join(f"({part})x^{power}" for power, part in enumerate(coefficients, 1))

    def horner(coefficients: list[int]) -> str:
        text = "0"
        for part in reversed(coefficients):
            text = f"({text}+({part}))x"
        return text

    padded = [part + [0] * (4 - len(part)) for part in (one, two)]
    expected = "correct" if padded[0] == padded[1] else "incorrect"
    assert boxed(written(one), horner(two)) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text(alphabet="0123456789xyπ+-*/^_{}()[]|,.\\$%! ", max_size=40))
def test_any_text_is_judged_without_an_exception(one: str, two: str) -> None:
    for gold, answer in ((one, two), (two, one), (two, two)):
        verdict = verify(gold, f"\\boxed{{{answer}}}")
        assert verdict.outcome in ("correct", "incorrect", "unverifiable")
        assert verdict.reason or verdict.outcome == "correct"


PIECES = st.sampled_from(
    (
        *("1", "2", "x", "\\pi", "\\sqrt{2}", "(", ")", "+", "-", ",", "=", "^2", "\\frac12", "!"),
        *(
            "<",
            "\\%",
            "^\\circ",
            "\\text{ cm}",
            "|",
            "\\pm",
            ":",
            "0.5",
            "\\sin",
            "\\cup",
            "[",
            "]",
        ),
    )
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=7), st.lists(PIECES, max_size=7))
def test_a_difference_is_never_judged_equal_the_other_way_round(
    one: list[str], two: list[str]
) -> None:
    gold, answer = " ".join(one), " ".join(two)
    assert {boxed(gold, answer), boxed(answer, gold)} != {"correct", "incorrect"}


def test_rows_of_three_in_cases_are_no_pieces() -> None:
    verdict = verify("\\begin{cases}x\\end{cases}", "\\boxed{\\begin{cases}5&x&0\\end{cases}}")
    assert verdict.outcome != "correct"
    assert verdict.method != "error"


def test_the_symbolic_tier_can_try_a_floor_at_a_point() -> None:
    verdict = verify("\\lfloor 2x\\rfloor", "\\boxed{2\\lfloor x\\rfloor}")
    assert (verdict.outcome, verdict.method) == ("unverifiable", "symbolic")
    assert "failed" not in verdict.reason


def test_what_sympy_raises_on_is_not_shown() -> None:
    verdict = verify("xx", "\\boxed{\\lim_{x\\to0}\\frac{y}{x}}")
    assert verdict.outcome != "correct"
    assert "failed" not in verdict.reason
