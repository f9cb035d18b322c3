"""Formulas between delimiters at the end of a text."""

from __future__ import annotations

import re
from collections import deque

TAIL = 3_000
"""Characters at the end of a text in which an unmarked answer is looked for."""
FORMULA = re.compile(
    r"\$\$(?:[^$\\]|\\.)+\$\$|\$(?:[^$\\\n]|\\.)+\$|\\\((?:[^\\\n]|\\[^()])+\\\)"
    r"|\\\[(?:[^\\]|\\[^\[\]])+\\\]",
    re.DOTALL,
)


def last_match(pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    found = deque(pattern.finditer(text, max(start, end - TAIL), end), maxlen=1)
    return found[0] if found else None
