"""Several verifiers as one."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from cotgen.records import Problem, Verdict
from cotgen.verifiers import AllOfVerifier, AnyOfVerifier, AnyVerifier, RuleVerifier

CORRECT, INCORRECT, UNVERIFIABLE = (f"{__name__}:says_{word}" for word in ("yes", "no", "nothing"))


def says_yes(problem: Problem, answer: str) -> bool:
    """Accept everything."""
    return True


def says_no(problem: Problem, answer: str) -> Verdict:
    """Reject everything."""
    return Verdict("incorrect", method="no", reason="I say no")


def says_nothing(problem: Problem, answer: str) -> Verdict:
    """Decide nothing."""
    return Verdict("unverifiable", reason="I cannot say")


def parsed(settings: dict[str, Any]) -> AnyVerifier:
    return TypeAdapter(AnyVerifier).validate_python(settings)


def combined(kind: str, *rules: str) -> Verdict:
    parts = tuple(RuleVerifier(rule=rule) for rule in rules)
    verifier = AnyOfVerifier(of=parts) if kind == "any_of" else AllOfVerifier(of=parts)
    return verifier.verify(Problem(id="p", question="", answer="5"), "\\boxed{5}")


@pytest.mark.parametrize(
    ("rules", "any_of", "all_of"),
    [
        ((CORRECT,), "correct", "correct"),
        ((INCORRECT,), "incorrect", "incorrect"),
        ((UNVERIFIABLE,), "unverifiable", "unverifiable"),
        ((CORRECT, CORRECT), "correct", "correct"),
        ((CORRECT, INCORRECT), "correct", "incorrect"),
        ((INCORRECT, CORRECT), "correct", "incorrect"),
        ((INCORRECT, INCORRECT), "incorrect", "incorrect"),
        ((UNVERIFIABLE, CORRECT), "correct", "unverifiable"),
        ((CORRECT, UNVERIFIABLE), "correct", "unverifiable"),
        ((UNVERIFIABLE, INCORRECT), "unverifiable", "incorrect"),
        ((INCORRECT, UNVERIFIABLE), "unverifiable", "incorrect"),
        ((UNVERIFIABLE, UNVERIFIABLE), "unverifiable", "unverifiable"),
        ((INCORRECT, UNVERIFIABLE, CORRECT), "correct", "incorrect"),
    ],
)
def test_outcomes_combine(rules: tuple[str, ...], any_of: str, all_of: str) -> None:
    assert combined("any_of", *rules).outcome == any_of
    assert combined("all_of", *rules).outcome == all_of


def test_reasons_name_the_part() -> None:
    assert combined("all_of", CORRECT, INCORRECT).reason == "rule (part 2): I say no"
    assert combined("any_of", INCORRECT, UNVERIFIABLE).reason == "rule (part 2): I cannot say"
    both = combined("any_of", INCORRECT, INCORRECT).reason
    assert both == "rule (part 1): I say no; rule (part 2): I say no"
    assert combined("all_of", CORRECT, CORRECT).reason == ""


def test_the_verdict_tells_the_answer_and_its_place() -> None:
    verdict = combined("all_of", CORRECT, CORRECT)
    assert (verdict.predicted, verdict.span) == ("5", (0, 9))


def test_verifiers_nest() -> None:
    verifier = parsed(
        {
            "kind": "any_of",
            "of": [
                {"kind": "exact"},
                {
                    "kind": "all_of",
                    "of": [{"kind": "rule", "rule": "length", "parameters": {"most": 2}},
                           {"kind": "choice"}],
                },
            ],
        }
    )  # fmt: skip
    problem = Problem(id="p", question="(A) red (B) blue", answer="B")
    assert verifier.verify(problem, "\\boxed{B}").outcome == "correct"
    assert verifier.verify(problem, "The answer is (B) blue.").outcome == "correct"
    assert verifier.verify(problem, "The answer is (A) red.").outcome == "incorrect"
    assert pickle.loads(pickle.dumps(verifier)) == verifier


def test_every_kind_can_be_a_part() -> None:
    for component in get_args(get_args(AnyVerifier)[0]):
        kind = component.model_fields["kind"].default
        settings: dict[str, Any] = {"kind": kind}
        if "of" in component.model_fields:
            settings["of"] = [{"kind": "exact"}]
        if kind == "rule":
            settings["rule"] = "game24"
        assert parsed({"kind": "any_of", "of": [settings]})


@pytest.mark.parametrize("of", [[], [{"kind": "no"}], [{"kind": "exact", "typo": 1}], "exact"])
def test_mistakes_in_parts_are_told(of: object) -> None:
    with pytest.raises(ValidationError):
        parsed({"kind": "all_of", "of": of})
