"""Where the answer stands in a text: the last one that the text commits itself to.

Only marked answers count. The last number of a text is a guess, and a guess makes wrong labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

Form = Literal["box", "hashes", "answer_line", "phrase", "tag"]
"""`\\boxed{x}`, `#### x`, a line `A: x`, "the answer is x" or "Answer: x", `<answer>x</answer>`."""
Rule = Form | Literal["bare"]

ALL_FORMS: tuple[Form, ...] = get_args(Form)

TAIL = 200_000
"""Characters of a text that are searched, from its end: an answer stands there or nowhere."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """An answer as it stands in a text, which rule found it, and where."""

    text: str
    rule: Rule
    start: int
    end: int


def extract(text: str, forms: tuple[Form, ...] = ALL_FORMS) -> Extraction | str:
    """The answer that an attempt commits itself to, or why there is none."""
    start = _after_thought(text)
    if start < 0:
        return "the thought is not closed"
    start = max(start, len(text) - TAIL)
    return _last(text[start:], start, forms)


def extract_gold(text: str) -> Extraction | str:
    """The answer in a gold: bare, or at the marked place of a whole solution."""
    found = _last(text[-TAIL:], max(0, len(text) - TAIL), ("box", "hashes", "answer_line", "tag"))
    if isinstance(found, Extraction) or found != _NOTHING:
        return found
    if not text.strip():
        return "the gold is empty"
    return Extraction(text.strip(), "bare", 0, len(text))


_NOTHING = "no marked answer"
_THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<Thought>", "</Thought>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)


def _after_thought(text: str) -> int:
    """Where the solution begins; -1 if a thought was opened and never closed."""
    start = 0
    for opened, closed in _THOUGHTS:
        end = text.rfind(closed)
        if text.rfind(opened) > end:
            return -1
        if end >= 0:
            start = max(start, end + len(closed))
    return start


def _last(text: str, offset: int, forms: tuple[Form, ...]) -> Extraction | str:
    text = _before_next_question(text)
    boxes = _boxes(text) if "box" in forms else []
    if isinstance(boxes, str):
        return boxes
    found = [_joined(text, boxes)] if boxes else []
    for form in forms:
        if form != "box":
            found.extend(_FINDERS[form](text, bool(boxes)))
    found = [each for each in found if not _is_placeholder(each.text)]
    if not found:
        return _NOTHING
    last = max(found, key=lambda each: (each.start, each.end))
    return Extraction(last.text, last.rule, last.start + offset, last.end + offset)


_QUESTION = re.compile(r"\n[ \t]*(?:Q|Question):")


def _before_next_question(text: str) -> str:
    """A model that runs on asks itself the next question; its answer is not this problem's."""
    found = _ANSWER_LINE.search(text)
    if found is None:
        return text
    asked = _QUESTION.search(text, found.end())
    return text if asked is None else text[: asked.start()]


# --- boxes ------------------------------------------------------------------------------------

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])[ \t\n]*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"[^\s$.,;]+(?:[.,][0-9]+)*")


def _boxes(text: str) -> list[Extraction] | str:
    """All outermost boxes in order, or why the last one does not count."""
    heads = list(_BOX.finditer(text))
    if not heads:
        return []
    closing = _closing_braces(text, heads[0].start())
    boxes: list[Extraction] = []
    for head in heads:
        if boxes and head.start() < boxes[-1].end:
            continue
        start = head.end()
        if text[start : start + 1] == "{":
            end = closing.get(start)
            if end is None:
                return "the last box is not closed"
            boxes.append(Extraction(text[start + 1 : end].strip(), "box", head.start(), end + 1))
        elif bare := _BARE_BOX.match(text, start):
            boxes.append(Extraction(bare[0], "box", head.start(), bare.end()))
    return [box for box in boxes if not _is_placeholder(box.text)]


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """Each opening brace's closing one, found in a single pass."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for found in _BRACE.finditer(text, start):
        if found[0] == "{":
            opened.append(found.start())
        elif found[0] == "}" and opened:
            closing[opened.pop()] = found.start()
    return closing


_BETWEEN = re.compile(
    r"\\(?:text|mbox|textrm)\{ *(?:and|or|,) *\}|\\(?:quad|qquad)|\\[()\[\], ;]|\band\b|\bor\b"
    r"|[A-Za-z](?:_[0-9]|_\{[0-9]\})? *=|[\s$,;&]"
)
_JOINT = re.compile(r"\band\b|\bor\b|,|;")
_LONGEST_BETWEEN = 60


def _joined(text: str, boxes: list[Extraction]) -> Extraction:
    """The last box, with those before it that the same sentence lists with it."""
    first = len(boxes) - 1
    while first > 0 and _one_list(text[boxes[first - 1].end : boxes[first].start]):
        first -= 1
    listed = boxes[first:]
    texts = [box.text for box in listed]
    joined = texts[0] if len(set(texts)) == 1 else ", ".join(texts)
    return Extraction(joined, "box", listed[0].start, listed[-1].end)


def _one_list(between: str) -> bool:
    return (
        len(between) <= _LONGEST_BETWEEN
        and "\n\n" not in between
        and _JOINT.search(between) is not None
        and not _BETWEEN.sub("", between)
    )


_EMPTY = frozenset(
    {"", "...", "answer", "youranswer", "finalanswer", "youranswerhere", "ans", "x..."}
)
_NO_CONTENT = re.compile(
    r"\\(?:text|mathrm|textbf|mbox|ldots|dots|cdots|square)(?![a-z])|[\s{}$.*_\\]"
)


def _is_placeholder(text: str) -> bool:
    return "\\{" not in text and len(text) <= 60 and _NO_CONTENT.sub("", text).lower() in _EMPTY


# --- other marks ------------------------------------------------------------------------------

_ANSWER_LINE = re.compile(r"^[ \t]*\**A:\**[ \t]*(\S[^\n]*)", re.MULTILINE)
_HASHES = re.compile(r"^[ \t]*####[ \t]*([^\s#][^\n]*)", re.MULTILINE)
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_TAG_END = re.compile(r"</answer>", re.IGNORECASE)
_PHRASE = re.compile(
    r"(?:^[ \t>*#_]{0,8}(?:so |therefore,? |thus,? )?(?:the |my |our )?(?:final |correct )?answer"
    r"(?:[*_]{1,3})?[ \t]*[:=]"
    r"|\b(?:the|our|my|final|correct) answer(?:[ \t]+(?:to|for|of|in)[ \t][^\n.:$]{1,60}?)?"
    r"[ \t]+(?:is|are|will be|would be|must be)\b[ \t]*:?)[ \t]*(?:\*\*)?",
    re.IGNORECASE | re.MULTILINE,
)
_PHRASES, _STATEMENT = 20, 5_000
"""The last so many phrases are looked at, each so many characters far: the scan stays linear."""
_MATH_START = re.compile(r"[-+−±0-9.($\[\\{|√]|[A-Za-zπ](?![A-Za-z'])")
_NEGATION = re.compile(r"(?:not|never|no longer|incorrect|wrong|unknown|unclear)\b", re.IGNORECASE)


def _answer_lines(text: str, _boxed: bool) -> Iterator[Extraction]:
    for found in _ANSWER_LINE.finditer(text):
        yield _tidy(found[1], "answer_line", found.start(1), found.end(1))


def _hashes(text: str, _boxed: bool) -> Iterator[Extraction]:
    """`####` also opens a markdown heading: words count only on the last line."""
    end = len(text.rstrip())
    for found in _HASHES.finditer(text):
        if _MATH_START.match(found[1].lstrip("*")) or found.end() >= end:
            yield _tidy(found[1], "hashes", found.start(1), found.end(1))


def _tags(text: str, _boxed: bool) -> Iterator[Extraction]:
    for found in _TAG.finditer(text):
        closed = _TAG_END.search(text, found.end())
        if closed is None:
            return
        yield _tidy(text[found.end() : closed.start()], "tag", found.end(), closed.start())


def _phrases(text: str, boxed: bool) -> Iterator[Extraction]:
    """A phrase in words counts only where nothing is boxed: "the answer is correct" is none."""
    for found in list(_PHRASE.finditer(text))[-_PHRASES:]:
        start, end = _statement(text[: found.end() + _STATEMENT], found.end())
        stated = text[start:end]
        if _NEGATION.match(stated) or "\\boxed" in stated or "\\fbox" in stated:
            continue
        if stated and (not boxed or _MATH_START.match(stated)):
            yield _tidy(stated, "phrase", start, end)


_FINDERS = {
    "hashes": _hashes,
    "answer_line": _answer_lines,
    "phrase": _phrases,
    "tag": _tags,
}

_DISPLAY = {"\\[": "\\]", "$$": "$$"}
_SENTENCE_END = re.compile(
    r"\n|[.!?](?=\s|$|\*\*)|,? (?:because|since|so that|so we|as required|which|where|when)\b"
    r"|, (?:so|as|and we)\b"
)
_ABBREVIATION = re.compile(
    r"\b(?:[ap]\.m|[ap]\. m|ft|in|cm|sq|hrs|min|vs|St|Mr|Mrs|Dr)$", re.IGNORECASE
)


def _statement(text: str, start: int) -> tuple[int, int]:
    """From where the answer begins to the end of its sentence or display."""
    while start < len(text) and text[start] in " \t\n*":
        start += 1
    for opened, closed in _DISPLAY.items():
        if text.startswith(opened, start):
            end = text.find(closed, start + 2)
            return (start + 2, end) if end >= 0 else (start, start)
    for found in _SENTENCE_END.finditer(text, start):
        inside_math = text.count("$", start, found.start()) % 2 == 1
        abbreviated = found[0] == "." and _ABBREVIATION.search(text[start : found.start()][-8:])
        if found[0] == "\n" or not (inside_math or abbreviated):
            return start, found.start()
    return start, len(text)


def _tidy(text: str, rule: Form, start: int, end: int) -> Extraction:
    return Extraction(text.strip().strip("*").strip(), rule, start, end)
