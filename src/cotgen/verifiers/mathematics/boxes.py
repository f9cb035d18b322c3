"""Answers in boxes: `\\boxed{x}`, `\\fbox{x}`, `\\boxed x`."""

from __future__ import annotations

import re

from cotgen.verifiers.mathematics.extraction import Extraction, is_placeholder

_MOST_BOXES = 40
"""The last so many boxes are looked at: the scan stays linear."""
_FAR = 1_000
"""Boxes this far apart are not parts of one answer."""
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE = re.compile(
    r"\\[A-Za-z]+[^\s$.,;]*|[-+]?[0-9][^\s$.,;]*(?:[.,][0-9]+)*|[A-Za-z](?![A-Za-z])"
)


def last_box(text: str, start: int, end: int) -> Extraction | int | None:
    """The last box, with those that the same sentence lists with it.

    A number is the place of a box that is never closed: what stands before it is no answer.
    """
    limit = end
    for _ in range(_MOST_BOXES):
        heads = _cluster(text, start, limit)
        if not heads:
            return None
        boxes = _outermost(text, heads, limit)
        if isinstance(boxes, int):
            return boxes
        if boxes:
            return _joined(text, boxes)
        limit = heads[0]
    return None


def _cluster(text: str, start: int, end: int) -> list[int]:
    """The places of the last boxes, in order, back to where they are too far apart."""
    places: list[int] = []
    limit = end
    while len(places) < _MOST_BOXES:
        near = limit - _FAR if places else start
        place = _last_head(text, max(start, near), limit)
        if place < 0:
            break
        places.append(place)
        limit = place
    places.reverse()
    return places


def _last_head(text: str, start: int, end: int) -> int:
    return max(text.rfind("\\boxed", start, end), text.rfind("\\fbox", start, end))


def _outermost(text: str, heads: list[int], end: int) -> list[Extraction] | int:
    """The boxes that start at these places, or the place of the last one if it never closes."""
    boxes: list[Extraction] = []
    closing = _closing_braces(text, heads[0], heads[-1], end)
    for head in heads:
        nested = bool(boxes) and head < boxes[-1].end
        begin = head + (6 if text[head + 1] == "b" else 5)
        if text[begin : begin + 1].isalpha():
            continue
        while begin < end and text[begin] in " \t\n":
            begin += 1
        if text.startswith("{", begin) and begin < end:
            close = closing.get(begin)
            if close is not None:
                inner = text[begin + 1 : close].strip()
                if not nested:
                    boxes.append(Extraction(inner, "box", head, close + 1))
                elif boxes[-1].text == text[head : close + 1]:
                    boxes[-1] = Extraction(inner, "box", boxes[-1].start, boxes[-1].end)
            elif head == heads[-1]:
                return head
        elif not nested and (bare := _BARE.match(text, begin, end)):
            boxes.append(Extraction(bare[0], "box", head, bare.end()))
    return [box for box in boxes if not is_placeholder(box.text) and _is_meant(text, box)]


_DENIED = re.compile(r"\b(?:not|never|instead of|rather than)[\s$\\(\[]{0,6}\Z", re.IGNORECASE)
_ASKED = re.compile(r"[\s$)\\\]*.]{0,5}\?")


def _is_meant(text: str, box: Extraction) -> bool:
    """`not \\boxed{6}` and `\\boxed{6}?` commit to nothing."""
    before = text[max(0, box.start - 20) : box.start]
    return not _DENIED.search(before) and not _ASKED.match(text, box.end)


def _closing_braces(text: str, start: int, last: int, end: int) -> dict[int, int]:
    """Each opening brace's closing one, in a single pass that ends when the last box is closed."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for found in _BRACE.finditer(text, start, end):
        brace = found[0]
        if brace == "{":
            opened.append(found.start())
        elif brace == "}" and opened:
            closing[opened.pop()] = found.start()
            if not opened and found.start() > last:
                break
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
    if len(listed) == 1:
        return listed[0]
    texts = [box.text for box in listed]
    joined = texts[0] if len(set(texts)) == 1 else ", ".join(texts)
    return Extraction(joined, "box", listed[0].start, listed[-1].end)


_SENTENCE_ENDS = re.compile(r"[.!?](?:\s|\$)|\n\s*\n|\bnot\b|\\\\")


def _one_list(between: str) -> bool:
    """Only a separator stands between them, or a few words with "and" in one sentence."""
    if len(between) > _LONGEST_BETWEEN or _SENTENCE_ENDS.search(between):
        return False
    if not between.strip("$ ") or " and " in between:
        return True
    return _JOINT.search(between) is not None and not _BETWEEN.sub("", between)
