"""Answers at fixed marks: `#### x`, a line `A: x`, `<answer>x</answer>`, JSON.

Each finder gives the last answer of its form between two places, and looks at no more than the last
few marks, so that the work stays linear.
"""

from __future__ import annotations

import json
import re

from cotgen.verifiers.mathematics.extraction import (
    MATHEMATICAL,
    Extraction,
    is_placeholder,
    stripped,
)

_MOST_MARKS = 20


def last_hashes(text: str, start: int, end: int) -> Extraction | None:
    """`#### x`, which also opens a markdown heading: words count only on the last line."""
    limit = end
    for _ in range(_MOST_MARKS):
        place = text.rfind("####", start, limit)
        if place < 0:
            return None
        limit = place
        if text.startswith("#", place - 1) and place > 0:
            continue
        close = _line_end(text, place, end)
        found = stripped(text, "hashes", place + 4, close)
        if found and "\\boxed" not in found.text and not _is_heading(text, found, end):
            return found
    return None


_NUMBERED = re.compile(r"[0-9]{1,2}(?:\.|\)|:) +[A-Za-z]|(?:Step|Part|Case)\b")


def _is_heading(text: str, found: Extraction, end: int) -> bool:
    is_last_line = not text[found.end : end].strip()
    if _NUMBERED.match(found.text) or found.text.endswith(":"):
        return True
    return not is_last_line and not MATHEMATICAL.match(found.text)


_LABELS = ("A:", "Ans:", "Ans.")
_SECOND_OPTION = re.compile(r"\n[ \t]*\**B[:.)]")


def last_answer_line(text: str, start: int, end: int) -> Extraction | None:
    """`A: x` on a line of its own, unless the next line is option B."""
    if text.find(":", start, end) < 0 and text.find("Ans.", start, end) < 0:
        return None
    limit = end
    for _ in range(_MOST_MARKS):
        place, label = max((text.rfind(label, start, limit), label) for label in _LABELS)
        if place < 0:
            return None
        limit = place
        opened = max(text.rfind("\n", max(0, place - 12), place) + 1, place - 12, start)
        if opened > start and text[opened - 1] != "\n":
            continue
        if text[opened:place].strip(" \t*>"):
            continue
        close = _line_end(text, place, end)
        found = stripped(text, "answer_line", place + len(label), close)
        if found and "\\boxed" not in found.text and not _SECOND_OPTION.match(text, close):
            return found
    return None


def _line_end(text: str, start: int, end: int) -> int:
    close = text.find("\n", start, end)
    return end if close < 0 else close


_TAG_END = re.compile(r"</(?:final_)?answer>", re.IGNORECASE)
_TAG = re.compile(r"<(?:final_)?answer>", re.IGNORECASE)
_LONGEST_TAGGED = 100_000


def last_tag(text: str, start: int, end: int) -> Extraction | None:
    """`<answer>x</answer>`."""
    if text.find(">", start, end) < 0:
        return None
    if text.find("nswer>", start, end) < 0 and text.find("NSWER>", start, end) < 0:
        return None
    last: Extraction | None = None
    place = start
    while opened := _TAG.search(text, place, end):
        closed = _TAG_END.search(text, opened.end(), min(end, opened.end() + _LONGEST_TAGGED))
        if closed is None:
            break
        # An answer that is opened twice starts at the second.
        begin = max(
            text.rfind(tag, place, closed.start()) for tag in (opened[0], opened[0].lower())
        )
        last = stripped(text, "tag", begin + len(opened[0]), closed.start()) or last
        place = closed.end()
    return last


_KEY = re.compile(r'"(final[ _]?answer|answer)"\s{0,9}:\s{0,9}', re.IGNORECASE)
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true\b|false\b', re.DOTALL)
_LONGEST_VALUE = 20_000


def last_json(text: str, start: int, end: int) -> Extraction | None:
    """The value of `answer` or `final_answer` in JSON: a text, a number or a list of them."""
    if text.find('"', start, end) < 0:
        return None
    if text.find('nswer"', start, end) < 0 and text.find('NSWER"', start, end) < 0:
        return None
    keys = list(_KEY.finditer(text, start, end))[-_MOST_MARKS:]
    final = [key for key in keys if key[1].lower() != "answer"]
    for key in reversed(final or keys):
        found = _value(text, key.end(), min(end, key.end() + _LONGEST_VALUE))
        if found is not None:
            return found
    return None


def _value(text: str, start: int, end: int) -> Extraction | None:
    """Texts and numbers as they are written: a float would change what was said."""
    literals = []
    close = start
    if text.startswith("{", start):
        return _object(text, start + 1, end)
    if text.startswith("[", start):
        close = start + 1
        while literal := _LITERAL.match(text, _skip(text, close, end), end):
            literals.append(literal[0])
            close = _skip(text, literal.end(), end)
            if not text.startswith(",", close):
                break
            close += 1
        if not text.startswith("]", close) or close >= end:
            return None
        close += 1
    elif literal := _LITERAL.match(text, start, end):
        literals.append(literal[0])
        close = literal.end()
    texts = [_plain(literal) for literal in literals]
    answer = ", ".join(texts)
    if any(is_placeholder(each) for each in texts) or not texts:
        return None
    return Extraction(answer, "json", start, close)


_NAME = re.compile(r'"([^"\\]{1,30})"\s{0,9}:\s{0,9}')
_MOST_NAMES = 8


def _object(text: str, start: int, end: int) -> Extraction | None:
    """`{"x": 1, "y": 2}` as `x = 1, y = 2`; words name nothing that could be compared."""
    parts: list[str] = []
    place = _skip(text, start, end)
    while len(parts) < _MOST_NAMES and (name := _NAME.match(text, place, end)):
        literal = _LITERAL.match(text, name.end(), end)
        if literal is None:
            return None
        value = _plain(literal[0])
        parts.append(f"{name[1]} = {value}" if len(name[1]) == 1 else value)
        place = _skip(text, literal.end(), end)
        if not text.startswith(",", place):
            break
        place = _skip(text, place + 1, end)
    if not parts or not text.startswith("}", place) or any(map(is_placeholder, parts)):
        return None
    return Extraction(", ".join(parts), "json", start - 1, place + 1)


def _skip(text: str, place: int, end: int) -> int:
    while place < end and text[place] in " \t\r\n":
        place += 1
    return place


_LATEX_ESCAPE = re.compile(r"(?<!\\)\\(?!u[0-9A-Fa-f]{4})(?:[A-Za-z]{2}|[()\[\]{}%$,;! ])")


def _plain(literal: str) -> str:
    """What a literal says; models often forget to double the backslashes of LaTeX."""
    if not literal.startswith('"'):
        return literal
    inner = literal[1:-1]
    if "\\" not in inner:
        return inner.strip()
    if _LATEX_ESCAPE.search(inner.replace("\\\\", "")):
        return inner.replace('\\"', '"').strip()
    try:
        return str(json.loads(literal, strict=False)).strip()
    except ValueError:
        return inner.strip()
