"""Mathematical equality with the gold answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import PositiveFloat

from cotgen.protocols import Component
from cotgen.records import Outcome, Problem, Verdict
from cotgen.verifiers.mathematics.compare import compare
from cotgen.verifiers.mathematics.decision import Finding
from cotgen.verifiers.mathematics.extract import ALL_FORMS, Extraction, Form, extract, extract_gold
from cotgen.verifiers.mathematics.read import Answer, read


class MathVerifier(Component):
    """Accept what is proven equal to the gold answer, reject what is proven different."""

    kind: Literal["math"] = "math"
    timeout_s: PositiveFloat = 5.0
    """Seconds for one answer; a later verdict is `unverifiable`."""
    forms: tuple[Form, ...] = ALL_FORMS
    """Where an answer may stand: `box`, `hashes` (####), `answer_line` (A:), `phrase`, `tag`."""

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the answer that `solution` gives to `problem`."""
        try:
            return self._judge(problem, solution)
        except (MemoryError, RecursionError) as error:
            name = type(error).__name__
            return Verdict("unverifiable", method="limit", reason=f"too much work: {name}")

    def _judge(self, problem: Problem, solution: str) -> Verdict:
        found = extract(solution, self.forms)
        if isinstance(found, str):
            return Verdict("unverifiable", method="extraction", reason=f"no answer: {found}")
        gold = _gold(problem.answer)
        if isinstance(gold, str):
            return Verdict("unverifiable", found.text, "extraction", f"unusable gold: {gold}")
        decision = compare(gold, read(found.text))
        outcome = _OUTCOMES[decision.finding]
        return Verdict(outcome, found.text, decision.method or "none", decision.reason)


_OUTCOMES: dict[Finding, Outcome] = {
    "equal": "correct",
    "different": "incorrect",
    "undecided": "unverifiable",
}
_LONGEST_CACHED = 4_000


def _gold(text: str) -> Answer | str:
    """Many attempts share a gold, which is therefore read once."""
    return _read_gold_once(text) if len(text) <= _LONGEST_CACHED else _read_gold(text)


def _read_gold(text: str) -> Answer | str:
    found = extract_gold(text)
    return read(found.text) if isinstance(found, Extraction) else found


_read_gold_once = lru_cache(maxsize=4_096)(_read_gold)
