"""Markdown in which no text, however hostile, can be anything but text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_KEPT = {"\n", "\t"}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
# What Markdown, HTML, tables, formulas, links that need no brackets, and mentions begin with.
_SPECIAL = re.compile(r"[&<>`|\\*~\[\]#$@]|\b_|_\b|(?<=\W)_|:(?=//)|(?<=www)\.", re.IGNORECASE)


def visible(text: str) -> str:
    """The text with control, format and bidirectional characters written out as escapes."""
    return "".join(
        letter
        if letter in _KEPT or unicodedata.category(letter) not in _HIDDEN_CATEGORIES
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def inline(text: object) -> str:
    """A text inside a line or a table's cell: one line, nothing in it is markup."""
    line = " ".join(visible(str(text)).split())
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)


def fenced(text: str, language: str = "text") -> str:
    """A block that shows the text as it is. The fence is longer than any inside it."""
    shown = visible(text.replace("\r\n", "\n"))
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every cell is escaped. Columns of numbers are aligned to the right."""
    rows = list(rows)
    cells = [
        [inline(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row] for row in rows
    ]
    right = [rows and all(isinstance(row[at], int) for row in rows) for at in range(len(head))]
    lines = [head, ["---:" if each else "---" for each in right], *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
