"""What every named rule is: its parameters, and one verb."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pydantic import BaseModel, ConfigDict

from cotgen.records import Problem, Verdict


class Predicate(BaseModel, ABC):
    """The parameters of one rule. A rule is pure, and reads golds and answers as hostile text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @abstractmethod
    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether the rule holds for an answer to a problem."""


def holds() -> Verdict:
    """The rule holds."""
    return Verdict("correct", method="rule")


def broken(reason: str) -> Verdict:
    """The rule does not hold."""
    return Verdict("incorrect", method="rule", reason=reason)


def unclear(reason: str) -> Verdict:
    """The rule cannot be applied."""
    return Verdict("unverifiable", method="rule", reason=reason)
