"""Answers in boxes: `\\boxed{x}`, `\\fbox{x}`, `\\boxed x`."""

from __future__ import annotations

import re

from cotgen.verifiers.mathematics.extraction import (
    UNTRUE_BEFORE,
    Extraction,
    Refusal,
    has_one,
    is_denied,
    is_placeholder,
)

_MOST_BOXES = 40
"""The last so many boxes are looked at: the scan stays linear."""
_FAR = 1_000
"""Boxes this far apart are not parts of one answer."""
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE = re.compile(
    r"\\[A-Za-z]+[^\s$.,;]*|[-+]?[0-9][^\s$.,;]*(?:[.,][0-9]+)*|[A-Za-z](?![A-Za-z])"
)


def last_box(text: str, start: int, end: int) -> Extraction | Refusal | None:
    """The last box, with those that the same sentence lists with it."""
    limit = end
    for _ in range(_MOST_BOXES):
        heads = _cluster(text, start, limit)
        if not heads:
            return None
        boxes = _outermost(text, heads, limit)
        if isinstance(boxes, Refusal):
            return boxes
        if boxes:
            return _alone(text, _joined(text, boxes), start, end)
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
    place = text.rfind("\\boxed", start, end)
    return max(place, text.rfind("\\fbox", max(start, place), end))


def _outermost(text: str, heads: list[int], end: int) -> list[Extraction] | Refusal:
    """The boxes that start at these places."""
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
                return Refusal("the last box is not closed", head)
        elif not nested and (bare := _BARE.match(text, begin, end)):
            boxes.append(Extraction(bare[0], "box", head, bare.end()))
    return [box for box in boxes if not is_placeholder(box.text) and _is_meant(text, box)]


_DENIED = re.compile(
    r"\b(?:not|never|no longer|instead of|rather than|(?:cannot|can't) be)[\s$\\(\[]{0,6}\Z",
    re.IGNORECASE,
)
_PROMPTED = re.compile(
    r"(?:(?:\A|\n)[ \t*#]{0,6}(?:output |answer )?(?:format|example)[*]{0,2}:"
    r"|\b(?:write|put|give|enclose|present|express|provide|box) your\b)[^\n]{0,60}\Z",
    re.IGNORECASE,
)
_DOUBTFUL = (
    *("not", "n't", "never", "longer", "tead of", "than", "that"),
    *("format", "example", " your"),
)
"""In lower case, one of these is in all that the patterns find, and in every denial."""
_ASKED = re.compile(r"[\s$)\\\]*.]{0,5}\?|[$)\\]{0,3},? for (?:example|instance)\b")


def _is_meant(text: str, box: Extraction) -> bool:
    """`not \\boxed{6}`, `\\boxed{6}?` and an echo of the prompt commit to nothing."""
    before = text[max(0, box.start - UNTRUE_BEFORE) : box.start]
    if has_one(before.lower(), _DOUBTFUL) and (
        _DENIED.search(before) or is_denied(before) or _PROMPTED.search(before)
    ):
        return False
    return _ASKED.match(text, box.end) is None


def _closing_braces(text: str, start: int, last: int, end: int) -> dict[int, int]:
    """Each opening brace's closing one, in a single pass that ends when the last box is closed."""
    if start == last:
        close = text.find("}", start, end)
        inner = text[start + 1 : close]
        if close >= 0 and "\\" not in inner and inner.count("{") == 1:
            return {start + 1 + inner.index("{"): close}
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
    if between.strip("$ \n\\[]()*") in ("or", "and"):
        return True
    if len(between) > _LONGEST_BETWEEN or _SENTENCE_ENDS.search(between):
        return False
    if not between.strip("$ ") or " and " in between:
        return True
    return _JOINT.search(between) is not None and not _BETWEEN.sub("", between)


# --- what stands beside a box -------------------------------------------------------------------

_BESIDE = 80
"""So many characters beside a box tell whether it is the whole answer."""
_HARMLESS = re.compile(
    r"(?:\s|\\[,;:! ]|\\q?quad\b|\\(?:displaystyle|large|Large|LARGE|huge|Huge|bf|left)\b"
    r"|</?[A-Za-z_]{1,20}>)+\Z"
)
_WRAPPER = re.compile(
    r"(?:\\(?:text|textbf|mathbf|boldsymbol|bm|mathrm|mbox|underline|ensuremath|displaystyle)"
    r"|\\(?:color|textcolor|colorbox)\{[a-zA-Z]{1,20}\}|(?<![A-Za-z}\])^_\\]))\{\Z"
)
_MOST_WRAPPERS = 4
_HARMLESS_NEVER_ENDS_IN = "$=.)}(["
_TAKEN_BEFORE = re.compile(
    # an operator or a relation, but no list item, quotation mark or dash between words
    r"(?:[+/^≤≥≠<×·÷±√|⌊⌈]|(?<=[^\s*])_|(?<=[^\n>])>|(?<=[0-9A-Za-z)}])\*"
    r"|(?:[0-9)}^=+({\[$<>/]|(?<![A-Za-z])[A-Za-z])\s?[-−]"
    r"|\\(?:cdot|times|div|pm|mp|neq?|leq?|leqslant|geq?|geqslant|lt|gt|ll|gg|sqrt|pi|sin|cos|tan"
    r"|log|ln|lfloor|lceil|lvert|vert|notin|not|mid|circ|frac|dfrac|tfrac)"
    # a factor
    r"|[}_^]\{[^{}]{0,40}\}|\\sqrt\{[^{}]{0,40}\}|[0-9]"
    r"|[$=0-9+*/(^][ ]?[A-Za-z]|\bor|\\text\{ ?or ?\}"
    # the start of an argument, a set or a pair
    r"|\{|\\\||(?:(?<![A-Za-z])[A-Za-z]|\\(?!left\()[a-z]{2,6})\("
    r")\Z|\b(?:less|more|greater|smaller|larger|fewer|bigger|higher|lower|other) than"
    r"[\s$\\(\[]{0,6}\Z"
    r"|\bbetween [^\n.]{1,30} and[\s$\\(]{0,6}\Z|\bexcept[\s$\\(]{0,6}\Z"
)
_TAKES_NOTHING = (*"$:.,=[)", "\\(")
_TAKING, _TAKEN_NEAR = ("than", " and", "except"), 12
"""Behind these signs only phrases that end in one of these words take a box."""
_WORD_NUMBER = re.compile(r"(?:[A-Za-z]{2}|\n|\A)[ \t]*[0-9]{1,3}\s+\Z")
_SIGN_BEFORE = re.compile(r"(?<![-−A-Za-z])[-−]\Z")
_TAKEN_AFTER = re.compile(
    r"\^(?!\\circ|\{ ?\\circ ?\})|_(?=[0-9A-Za-z{\\])|\*(?!\*)\s?[0-9A-Za-z\\(]|[+×·÷±√≤≥≠]"
    r"|/\s?(?:[0-9(]|\\(?!text)|[A-Za-z](?![A-Za-z]))"
    r"|[-−]\s?(?:[0-9(]|\\(?!text)|[A-Za-z](?![A-Za-z]))"
    r"|<\s?(?:[0-9\\]|[A-Za-z](?![A-Za-z>]))|>\s?[0-9A-Za-z\\]|!\s?(?:\$|\\[)\]]|[-+*/=])"
    r"|\\(?:cdot|times|div|pm|mp|neq?|leq?|leqslant|geq?|geqslant|lt|gt|ll|gg|sqrt|pi|sin|cos|tan"
    r"|log|ln|d?frac|tfrac|binom|left\(|cap|cup|mid)(?![A-Za-z])"
    r"|\\text\{ ?or ?\}"
    r"|[A-Za-z](?:[\^_$+=*/]|\s?\\[)\]])"
    r"|,\s{0,2}[-−]?[0-9.]{1,20}\s?(?:\$|\\[)\]]|\\right\b|\))"
    r"|\((?![A-J]\))(?:[^()=A-Za-z]|[A-Za-z](?![A-Za-z]{2})){1,30}\)|\|"
)
_NOTHING_AFTER = frozenset(
    ("", ".", "$", "$.", ".$", "$$", "\\)", "\\).", "\\]", "\\].", ".\\]", ".\\)", "**", "**.")
)
"""What stands behind most boxes, which the patterns for what takes one do not match."""
_OR = re.compile(r"[\s$*}]{0,4}(?:\\[)\]]\s{0,2})?or (?:[-−$0-9(]|\\[a-z(\[])")
_DIGITS_AFTER = re.compile(r"[.,:]?[0-9]")
_PART = "the last box is a part of something else"
_SPACE = re.compile(r"(?:\s|\\[,;:! ]|\\q?quad\b)*")


def _alone(text: str, box: Extraction, start: int, end: int) -> Extraction | Refusal:
    """The box, unless what stands beside it makes it a part of another value."""
    before = text[max(start, box.start - _BESIDE) : box.start]
    after = text[box.end : min(end, box.end + _BESIDE)]
    last = after.strip() in _NOTHING_AFTER
    signed = before.endswith(("-", "−")) and _SIGN_BEFORE.search(before)
    if signed or (not last and _OR.match(after)):
        return Refusal(_PART, box.end)
    for _ in range(_MOST_WRAPPERS):
        before = _without_harmless(before)
        wrapper = _WRAPPER.search(before) if before.endswith("{") else None
        if not wrapper or not after.lstrip().startswith("}"):
            break
        before, after = before[: wrapper.start()], after.lstrip()[1:]
    if not box.text.startswith("=") and _is_taken(before):
        return Refusal(_PART, box.end)
    if last:
        return box
    line = after.partition("\n")[0]
    if _DIGITS_AFTER.match(line) or _TAKEN_AFTER.match(_SPACE.sub("", line, count=1)):
        return Refusal(_PART, box.end)
    return box


def _without_harmless(before: str) -> str:
    """Without what is no part of a value at the end. Most ends tell without a pattern."""
    bare = before.rstrip()
    between = before[len(bare) :]
    if "\n" in between and _is_line_end(bare[-1:], between):
        return ""
    if between and _WORD_NUMBER.search(before):
        return ""
    if bare[-1:] in _HARMLESS_NEVER_ENDS_IN or ("\\" not in bare and bare[-1] != ">"):
        return bare
    return _HARMLESS.sub("", before)


def _is_line_end(last: str, between: str) -> bool:
    """Whether a value ends with its line: a factor stands on the same line as the next one."""
    return last.isdigit() or (last in "})]" and between.count("\n") > 1)


def _is_taken(before: str) -> bool:
    """Whether what stands before a box takes it as an operand or an argument."""
    if not before:
        return False
    if before.endswith(_TAKES_NOTHING) and not has_one(before[-_TAKEN_NEAR:], _TAKING):
        return False
    return _TAKEN_BEFORE.search(before) is not None
