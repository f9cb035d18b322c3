"""The gold answer inside what a dataset calls an answer, which may be a whole solution."""

from __future__ import annotations

import re
from typing import Literal

Gold = Literal["auto", "whole", "hashes", "boxed"]

_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
"""A brace, or an escape to step over: `\\{` opens nothing."""
_FINAL_LINE = re.compile(r"(?:####|A:)[ \t]*(.+)")


def gold_of(answer: str, gold: Gold) -> str:
    """The gold answer in what the source calls an answer, which may be a whole solution.

    `auto` takes the last `\\boxed{}`, else what follows `####` (or `A:` on a last line), else all.
    """
    boxed = last_boxed(answer) if gold in ("auto", "boxed") else None
    if boxed is not None:
        return boxed
    if gold == "boxed":
        raise ValueError("the answer holds no \\boxed{} with balanced braces")
    if gold in ("auto", "hashes"):
        line = _FINAL_LINE.match(answer.rstrip().rpartition("\n")[2].lstrip())
        hashes = answer.rfind("####")
        if line or hashes >= 0:
            text = line[1] if line else answer[hashes + 4 :].partition("\n")[0]
            return _without_commas(text.strip())
    if gold == "hashes":
        raise ValueError("the answer holds no line that starts with ####")
    return answer.strip()


def last_boxed(text: str) -> str | None:
    """What the last `\\boxed{}` or `\\fbox{}` holds; None if there is none or it never closes."""
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    depth, begin = 0, text.index("{", start)
    for brace in _BRACE.finditer(text, begin):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[begin + 1 : brace.start()].strip()
    return None


def _without_commas(number: str) -> str:
    grouped = re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", number)
    return number.replace(",", "") if grouped else number
