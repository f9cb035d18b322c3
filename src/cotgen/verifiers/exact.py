"""Exact match with the gold answer."""

from __future__ import annotations

import re
from typing import Literal

from cotgen.protocols import Component, Deadline
from cotgen.records import Problem, Verdict
from cotgen.verifiers.mathematics.extract import extract, extract_gold

_SHOWN = 80
_GROUPED = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


class ExactVerifier(Component):
    """Accept the gold answer only, character for character."""

    kind: Literal["exact"] = "exact"
    timeout_s: Deadline = 5.0
    """Seconds for one answer; a later verdict is `unverifiable`."""
    ignore_case: bool = False
    """Compare without regard to case."""

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the answer that `solution` gives to `problem`."""
        found = extract(solution)
        if isinstance(found, str):
            return Verdict("unverifiable", method="extraction", reason=f"no answer: {found}")
        gold = extract_gold(problem.answer)
        if isinstance(gold, str):
            reason = f"unusable gold: {gold}"
            return Verdict("unverifiable", found.text, "extraction", reason, span=found.span)
        expected, given = self._plain(gold.text), self._plain(found.text)
        same = expected == given
        return Verdict(
            outcome="correct" if same else "incorrect",
            predicted=found.text,
            method="exact",
            reason="" if same else f"not {expected[:_SHOWN]!r}",
            span=found.span,
            canonical=given[:_SHOWN],
            canonical_gold=expected[:_SHOWN],
        )

    def _plain(self, text: str) -> str:
        """GSM8K writes `1,450,000` and `1450000` for the same answer."""
        plain = text.strip().strip("$").strip()
        if _GROUPED.fullmatch(plain):
            plain = plain.replace(",", "")
        return plain.casefold() if self.ignore_case else plain
