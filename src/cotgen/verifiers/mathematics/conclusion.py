"""What the last sentence of an attempt tells, where no answer is marked."""

from __future__ import annotations

import re

from msgspec.structs import replace

from cotgen.verifiers.mathematics.extraction import Extraction, stripped
from cotgen.verifiers.mathematics.formulas import FORMULA, last_match

_LONGEST_SENTENCE = 400
_BREAK = re.compile(
    r"(?<!\\)[.!?][\"')$]?\s+|\n\s*\n|\n(?=[A-Z*])| (?=(?:Therefore|Thus|Hence|So),? )"
)
_POLITE = re.compile(r"\s*I hope (?:it|this|that)(?: is correct| helps)[.!]*\s*\Z")
_CONCLUDES = re.compile(
    r"[\s*_>-]*(?:so|thus|hence|therefore|in total|finally|in conclusion|we conclude|answer)\b",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"(?:\b(?:is|are|equals|get|gives|obtain|have|be|to|of|therefore|thus|hence|so|that|answer)|,)"
    r"(?: (?:just|simply|exactly))?\s*:?[\s*]*\Z",
    re.IGNORECASE,
)
_THERE_ARE = re.compile(r"\bthere (?:is|are)(?: exactly| a total of)? \Z", re.IGNORECASE)
_LAST_TOLD = re.compile(
    r"(?:(?:\bis|\bare|\bequals):?|\bthere (?:is|are)(?: exactly| a total of)?) \Z", re.IGNORECASE
)
_OPEN_ENDED = re.compile(
    r"\b(?:if|suppose|assume|let|where|for|given|not|whether|when|with|need|check|find(?! that)"
    r"|false|untrue|wrong|incorrect|doubt|nobody|never|longer)\b|n't\b"
    r"|\?",
    re.IGNORECASE,
)
_MIDWAY = re.compile(
    r"\b(?:than|bounds?|least|most|base|cases?|first|next|previous|initial|guess|estimate|far"
    r"|remaining|rule|complement|cannot|between|examine|compute|steps?|either|or|still|left|instead"
    r"|might|may|could|would|should|maybe|perhaps)\b",
    re.IGNORECASE,
)
"""Words of a sentence that tells something on the way to the answer."""
_TOLD_BEFORE = re.compile(r"\b(?:is|are|equals):? (?=[-−0-9$(\[\\])(?!\Z)", re.IGNORECASE)
"""The mean is 12 and the median is 13: two things are told."""
_MEANS = re.compile(
    r"\s*(?:\w+ )?(?:cases?|steps?|types?|kinds?|conditions?|parts?|scenarios?)\b"
    r"|.*\bto (?:consider|check)\b"
)
_OTHERS = re.compile(r"[0-9$\\]")
_VALUE = re.compile(
    rf"(?P<formula>{FORMULA.pattern})|(?P<number>\\?\$?[-−]?[0-9][0-9,]{{0,20}}(?:\.[0-9]{{1,20}})?"
    r"(?:/[0-9]{1,20})?(?![0-9/^*+]|\.[0-9]))",
    re.DOTALL,
)
_UNITS = re.compile(
    r"(?:\s*(?:%|°|\b(?:square|cubic|units?|cm|m|km|mm|inch(?:es)?|feet|foot|ft|miles?|degrees?"
    r"|dollars?|cents?|met(?:er|re)s?|percent|hours?|minutes?|seconds?|days?)\b)){0,3}[\s.*]*\Z",
    re.IGNORECASE,
)
_IS_THE_ANSWER = re.compile(
    r" is (?:the|our) (?:only |final |correct |desired )?(?:answer|solution)[\s.*]*\Z"
)


def sentence(text: str, start: int, end: int) -> Extraction | None:
    """What an attempt of one sentence tells, or `$x$ is our answer` at the end of any attempt.

    Without a line of reasoning a sentence cannot be about something on the way, nor is it if
    "I hope it is correct" follows.
    """
    found = conclusion(text, start, end)
    if found is None:
        return None
    before = text[max(start, found.start - _LONGEST_SENTENCE) : found.start]
    whole = not _BREAK.search(before.strip()) and not _CONCLUDES.match(before)
    answer = before.strip().lower() == "answer"
    last = _IS_THE_ANSWER.match(text, found.end, end) or _POLITE.search(text, found.end, end)
    if whole or answer or last:
        return replace(found, rule="sentence")
    return None


def conclusion(text: str, start: int, end: int) -> Extraction | None:
    """What the last sentence tells, if it holds nothing else to judge.

    A short text may be this one sentence; at the end of a longer one it must draw a conclusion.
    """
    if polite := _POLITE.search(text, max(start, end - 60), end):
        end = polite.start()
    begin = _sentence_start(text, start, end)
    value = None if begin is None else last_match(_VALUE, text, begin, end)
    if begin is None or value is None:
        return None
    before, after = text[begin : value.start()], text[value.end() : end]
    whole = not text[start:begin].strip()
    headed = whole and before.rstrip().endswith(":")
    if _MIDWAY.search(before) or _TOLD_BEFORE.search(before):
        return None
    if _OPEN_ENDED.search(before) and not headed:
        return None
    if _UNITS.match(after):
        close = end - _trailing(text, value.end(), end)
        told = _tells(before, whole=whole, formula=value["formula"] is not None)
    else:
        close = value.end()
        told = _IS_THE_ANSWER.match(after) is not None or _counts(before, after)
    return stripped(text, "conclusion", value.start(), close) if told else None


def _tells(before: str, *, whole: bool, formula: bool) -> bool:
    """`Hence the area is 5`; a formula with nothing beside it needs less of a sentence."""
    concludes = _CONCLUDES.match(before) is not None
    if concludes and _LAST_TOLD.search(before):
        return True
    alone = formula and not _OTHERS.search(before)
    return alone and (whole or (concludes and _TELLS.search(before) is not None))


def _counts(before: str, after: str) -> bool:
    """`Therefore, there are 12 such numbers`, but not 3 cases to consider."""
    return (
        _CONCLUDES.match(before) is not None
        and _THERE_ARE.search(before) is not None
        and _OTHERS.search(before + after) is None
        and _MEANS.match(after) is None
    )


def _sentence_start(text: str, start: int, end: int) -> int | None:
    """Where the last sentence begins; None if it is a long one."""
    near = max(start, end - _LONGEST_SENTENCE)
    formulas = [found.span() for found in FORMULA.finditer(text, near, end)]
    body = end - _trailing(text, near, end)
    begin = near if near == start else None
    for found in _BREAK.finditer(text, near, body):
        inside = any(first < found.start() < last - 1 for first, last in formulas)
        # A display on lines of its own belongs to the sentence that it ends.
        displayed = text.startswith(("\\[", "$$"), found.end())
        if not inside and not displayed:
            begin = found.end()
    return begin


def _trailing(text: str, start: int, end: int) -> int:
    """How many stops and blanks end a text."""
    return end - start - len(text[start:end].rstrip(" \t\r\n.*"))
