"""Mathematical equality with the gold answer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from cotgen.protocols import Component, Deadline
from cotgen.records import Outcome, Problem, Verdict
from cotgen.verifiers.mathematics import effort, symbolic
from cotgen.verifiers.mathematics.compare import compare
from cotgen.verifiers.mathematics.decision import Decision, Finding, undecided
from cotgen.verifiers.mathematics.extract import (
    DEFAULT_FORMS,
    Extraction,
    Form,
    extract,
    extract_gold,
)
from cotgen.verifiers.mathematics.read import Answer, read
from cotgen.verifiers.mathematics.render import cut, render
from cotgen.verifiers.mathematics.rounding import rounds_to

Rounding = Literal["exact", "gold"]


class MathVerifier(Component):
    """Accept what is proven equal to the gold answer, reject what is proven different."""

    kind: Literal["math"] = "math"
    timeout_s: Deadline = 5.0
    """Seconds for one answer; a later verdict is `unverifiable`."""
    forms: tuple[Form, ...] = DEFAULT_FORMS
    """Where an answer may stand: `box`, `hashes` (####), `answer_line` (A:), `phrase`, `tag`,
    `json`, `bold`, `bare` (the whole attempt), `sentence` (the one there is); as guesses also
    `conclusion` (the last sentence), `formula`, `display`, `number`."""
    rounding: Rounding = "exact"
    """`exact`: a decimal is the value that it writes. `gold`: a gold with a decimal point was
    rounded, so that what rounds to it is correct."""

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the answer that `solution` gives to `problem`."""
        try:
            with effort.timed():
                return self._judge(problem.answer, solution)
        except effort.OutOfTime as error:
            return Verdict("unverifiable", method="limit", reason=str(error))
        except (MemoryError, RecursionError) as error:
            name = type(error).__name__
            return Verdict("unverifiable", method="limit", reason=f"too much work: {name}")

    def _judge(self, gold: str, solution: str) -> Verdict:
        found = extract(solution, self.forms)
        if isinstance(found, str):
            return Verdict("unverifiable", method="extraction", reason=f"no answer: {found}")
        given, span = found.text, (found.start, found.end)
        expected = _gold(gold)
        if isinstance(expected, str):
            reason = f"unusable gold: {expected}"
            return Verdict("unverifiable", given, "extraction", reason, span)
        made = _numbers(expected.text, given) or self._decide(expected.text, given)
        return Verdict(made[0], given, made[1], made[2], span, made[3], made[4])

    def _decide(self, gold: str, given: str) -> _Judgement:
        decide = _decide_once if len(gold) + len(given) <= _LONGEST_PAIR else _decided
        try:
            return decide(gold, given, self.rounding, self.timeout_s)
        except _Stopped as stopped:
            return stopped.judgement


class _Judgement(NamedTuple):
    """What a verdict says of an answer, wherever the answer stood."""

    outcome: Outcome
    method: str
    reason: str
    canonical: str
    canonical_gold: str


class _Stopped(Exception):
    """A judgement that ended by a clock, this process's or the symbolic tier's: not to be
    remembered."""

    def __init__(self, judgement: _Judgement) -> None:
        super().__init__()
        self.judgement = judgement


_OUTCOMES: dict[Finding, Outcome] = {
    "equal": "correct",
    "different": "incorrect",
    "undecided": "unverifiable",
}
_WHOLE = re.compile(r"(?:0|-?[1-9][0-9]{0,14})\Z").match


def _numbers(gold: str, given: str) -> _Judgement | None:
    """Most answers are whole numbers: no need to read them."""
    if not (_WHOLE(gold) and _WHOLE(given)):
        return None
    if gold == given:
        return _Judgement("correct", "exact", "", given, gold)
    return _Judgement("incorrect", "exact", "another number", given, gold)


# --- what is remembered ---------------------------------------------------------------------------
# Golds and answers come many times. Texts and entries are few and short enough to stay below some
# 100 MB whatever they hold.

_LONGEST_GOLD, _LONGEST_PAIR = 4_000, 300


def _gold(text: str) -> Extraction | str:
    return _gold_once(text) if len(text) <= _LONGEST_GOLD else extract_gold(text)


def _decided(gold: str, given: str, rounding: Rounding, timeout_s: float) -> _Judgement:
    (expected, canonical_gold), (answer, canonical) = _read(gold), _read(given)
    with symbolic.limited(timeout_s) as budget:
        try:
            decision = _compared(expected, answer, rounding)
        except effort.Exhausted as error:
            decision = undecided("limit", str(error))
        except effort.OutOfTime as error:
            stopped = _Judgement("unverifiable", "limit", str(error), canonical, canonical_gold)
            raise _Stopped(stopped) from None
    outcome, method = _OUTCOMES[decision.finding], decision.method or "none"
    if outcome == "unverifiable" and budget.trouble:
        reason = f"the symbolic comparison ended without a result: {budget.trouble}"
        raise _Stopped(_Judgement(outcome, method, reason, canonical, canonical_gold))
    return _Judgement(outcome, method, decision.reason, canonical, canonical_gold)


def _compared(expected: Answer, answer: Answer, rounding: Rounding) -> Decision:
    with effort.limited(effort.COMPARING):
        decision = compare(expected, answer)
        if rounding == "gold" and decision.finding != "equal":
            decision = rounds_to(expected, answer) or decision
    return decision


def _read(text: str) -> tuple[Answer, str]:
    return _read_once(text) if len(text) <= _LONGEST_PAIR else _spelled(text)


def _spelled(text: str) -> tuple[Answer, str]:
    """An answer and its canonical form."""
    answer = read(text)
    if not answer.readings:
        return answer, cut(answer.key)
    try:
        with effort.limited(effort.READING):
            return answer, render(answer.readings[0])
    except effort.Exhausted:
        return answer, cut(answer.key)


_gold_once = lru_cache(maxsize=2_048)(extract_gold)
_read_once = lru_cache(maxsize=2_048)(_spelled)
_decide_once = lru_cache(maxsize=16_384)(_decided)
