"""Several verifiers as one: `any_of` and `all_of`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import msgspec
from pydantic import field_validator

from cotgen.protocols import Component, Deadline
from cotgen.records import Problem, Verdict

if TYPE_CHECKING:
    from cotgen.verifiers import AnyVerifier


class AnyOfVerifier(Component):
    """Accept what one of several verifiers accepts; reject only what all of them reject."""

    kind: Literal["any_of"] = "any_of"
    timeout_s: Deadline = 10.0
    """Seconds for all parts together; a later verdict is `unverifiable`."""
    of: tuple[AnyVerifier, ...]
    """The verifiers, asked in this order until one accepts."""

    @field_validator("of")
    @classmethod
    def _not_empty(cls, of: tuple[AnyVerifier, ...]) -> tuple[AnyVerifier, ...]:
        return _at_least_one(of)

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the answer that `solution` gives to `problem`."""
        verdicts: list[Verdict] = []
        for verdict in _verdicts(self.of, problem, solution):
            if verdict.outcome == "correct":
                return verdict
            verdicts.append(verdict)
        undecided = [each for each in verdicts if each.outcome != "incorrect"]
        return undecided[0] if undecided else _with_all_reasons(verdicts)


class AllOfVerifier(Component):
    """Accept what all of several verifiers accept; reject what one of them rejects."""

    kind: Literal["all_of"] = "all_of"
    timeout_s: Deadline = 10.0
    """Seconds for all parts together; a later verdict is `unverifiable`."""
    of: tuple[AnyVerifier, ...]
    """The verifiers, asked in this order until one rejects."""

    @field_validator("of")
    @classmethod
    def _not_empty(cls, of: tuple[AnyVerifier, ...]) -> tuple[AnyVerifier, ...]:
        return _at_least_one(of)

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the answer that `solution` gives to `problem`."""
        verdicts: list[Verdict] = []
        for verdict in _verdicts(self.of, problem, solution):
            if verdict.outcome == "incorrect":
                return verdict
            verdicts.append(verdict)
        return next((each for each in verdicts if each.outcome != "correct"), verdicts[0])


def _at_least_one(of: tuple[AnyVerifier, ...]) -> tuple[AnyVerifier, ...]:
    if not of:
        raise ValueError("name at least one verifier")
    return of


def _with_all_reasons(verdicts: list[Verdict]) -> Verdict:
    return msgspec.structs.replace(
        verdicts[0], reason="; ".join(verdict.reason for verdict in verdicts)
    )


def _verdicts(parts: Iterable[AnyVerifier], problem: Problem, solution: str) -> Iterator[Verdict]:
    """Each part's verdict, with the part's name in its reason."""
    for number, part in enumerate(parts, 1):
        verdict = part.verify(problem, solution)
        reason = f"{part.kind} (part {number}): {verdict.reason}" if verdict.reason else ""
        yield msgspec.structs.replace(verdict, reason=reason)
