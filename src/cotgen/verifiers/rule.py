"""A rule that an answer must keep: one of ours by name, or a function of the user's."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cached_property, partial
from typing import Literal

import msgspec
from pydantic import JsonValue, ValidationError, ValidationInfo, field_validator

from cotgen.errors import RecipeError
from cotgen.protocols import Component, Deadline
from cotgen.records import Problem, Verdict
from cotgen.verifiers.mathematics.extract import Extraction, after_thought, extract
from cotgen.verifiers.rules import RULES

_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")

Judge = Callable[[Problem, str], object]


class RuleVerifier(Component):
    """Accept what keeps a rule, by a predicate in Python."""

    kind: Literal["rule"] = "rule"
    timeout_s: Deadline = 5.0
    """Seconds for one answer; a later verdict is `unverifiable`."""
    rule: str
    """`game24`, `json_schema`, `json_equal`, `sorted_list`, `regex`, `contains`, `length`, or a
    function of your own as `package.module:function`: it takes the problem and the answer, and
    returns a bool or a Verdict."""
    parameters: dict[str, JsonValue] = {}
    """The rule's own settings; keyword arguments of a function of your own."""
    reads: Literal["answer", "solution"] = "answer"
    """Judge the answer that the solution marks, or all of the solution (without its thought)."""

    @field_validator("rule")
    @classmethod
    def _is_known(cls, rule: str) -> str:
        if rule not in RULES and not _FUNCTION.fullmatch(rule):
            raise ValueError(f"choose one of {', '.join(RULES)}, or package.module:function")
        return rule

    @field_validator("parameters")
    @classmethod
    def _fit_the_rule(
        cls, parameters: dict[str, JsonValue], settings: ValidationInfo
    ) -> dict[str, JsonValue]:
        rule = settings.data.get("rule")
        if rule in RULES:
            try:
                RULES[rule].model_validate(parameters)
            except ValidationError as error:
                raise ValueError(_mistakes(error)) from error
        return parameters

    def ready(self) -> None:
        """Raise RecipeError if the function is not there: asked before anything is paid."""
        if self.rule not in RULES:
            _function(self.rule)

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge whether the answer that `solution` gives keeps the rule."""
        found = self._read(solution)
        if isinstance(found, str):
            return Verdict("unverifiable", method="extraction", reason=f"no answer: {found}")
        verdict = _verdict(self._judge(problem, found.text))
        return msgspec.structs.replace(
            verdict,
            predicted=verdict.predicted or found.text,
            method=verdict.method or "rule",
            span=found.span,
        )

    def _read(self, solution: str) -> Extraction | str:
        if self.reads == "answer":
            return extract(solution)
        start = after_thought(solution)
        text = solution[max(0, start) :].strip()
        if start < 0:
            return "the thought is not closed"
        if not text:
            return "nothing is there"
        start = solution.index(text, start)
        return Extraction(text, "bare", start, start + len(text))

    @cached_property
    def _judge(self) -> Judge:
        if self.rule in RULES:
            return RULES[self.rule].model_validate(self.parameters).judge
        return partial(_function(self.rule), **self.parameters)


def _mistakes(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}".lstrip(
            ": "
        )
        for each in error.errors()
    )


def _function(name: str) -> Callable[..., object]:
    """The user's function; imported where it judges, and before a run pays for anything."""
    module, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"verifier.rule: {name} cannot be imported ({error})") from error
    if not callable(found):
        raise RecipeError(f"verifier.rule: {name} is no function")
    return found


def _verdict(returned: object) -> Verdict:
    if isinstance(returned, Verdict):
        return returned
    if returned is True:
        return Verdict("correct", method="rule")
    if returned is False:
        return Verdict("incorrect", method="rule", reason="the rule does not hold")
    what = type(returned).__name__
    return Verdict("unverifiable", method="rule", reason=f"the rule returned no bool but {what}")
