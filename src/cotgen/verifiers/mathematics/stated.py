"""Answers in a sentence: "the answer is x", "Final answer: x", "The correct option is (C)"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from cotgen.verifiers.mathematics.extraction import (
    MATHEMATICAL,
    Extraction,
    is_denied,
    stripped,
)

_WORDS = ("answer", "Answer", "ANSWER", "option", "choice")
_MOST_PHRASES, _STATEMENT = 20, 5_000
"""The last so many phrases are looked at, each so many characters far: the work stays linear."""
_BEFORE = 48
"""Characters before the word that tell whether somebody commits themselves to it."""


class Statement(NamedTuple):
    """What a sentence states as the answer, and what another one stated more firmly before it."""

    found: Extraction
    firm: bool
    """It has a heading or says "final" or "correct": it replaces what was said before."""
    rival: Extraction | None = None


def last_phrase(text: str, start: int, end: int, *, boxed: bool) -> Statement | None:
    """The last sentence that states an answer.

    After a box only mathematics counts: "the answer is in simplest form" is a comment.
    """
    last: Statement | None = None
    hedged = False
    for found, firm, before in _phrases(text, start, end, boxed=boxed):
        if last is None:
            last, hedged = Statement(found, firm), _HEDGED.search(before) is not None
            if firm:
                break
        elif firm or hedged:
            return last._replace(rival=found)
    return last


def _phrases(
    text: str, start: int, end: int, *, boxed: bool
) -> Iterator[tuple[Extraction, bool, str]]:
    """The statements, the last first: whether each is firm, and what stands before it."""
    for place, word in _places(text, start, end):
        before = text[max(start, place - _BEFORE) : place]
        opening = _opening(text, before, place + len(word), end)
        if opening is None:
            continue
        said, firm = opening
        found = _stated(text, said, min(end, said + _STATEMENT))
        if found and (MATHEMATICAL.match(found.text) or not (boxed or _COMMENT.match(found.text))):
            yield found, firm, before


def _places(text: str, start: int, end: int) -> list[tuple[int, str]]:
    """The last places of the words, the last first."""
    places: list[tuple[int, str]] = []
    for word in _WORDS:
        place = text.rfind(word, start, end)
        while place >= 0 and len(places) < _MOST_PHRASES * len(_WORDS):
            places.append((place, word))
            place = text.rfind(word, start, place)
    return sorted(places, reverse=True)[:_MOST_PHRASES]


_DETERMINED = re.compile(
    r"(?:\b(?:the|our|my|your|final|correct|right|best|answer|so|thus|hence|therefore|and|that|new"
    r"|updated|revised|corrected)"
    r"|[,:;.])[ \t]+[*_]{0,3}\Z",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"(?:\b(?:final|correct|right|best|so|thus|hence|therefore|new|updated|revised|corrected)"
    r"|[,:;.])[ \t]+[*_]{0,3}\Z",
    re.IGNORECASE,
)
_FIRM = re.compile(
    r"\b(?:final|correct|right|new|updated|revised|corrected)[ \t]+[*_]{0,3}\Z", re.IGNORECASE
)
_HEDGED = re.compile(
    r"\b(?:if|when|then|choosing|instead|had|mistake|would|some|might)\b[^.\n]{0,40}\Z",
    re.IGNORECASE,
)
_CORRECT = re.compile(r"\b(?:correct|right|best|answer)[ \t]+[*_]{0,3}\Z", re.IGNORECASE)
_LINE_START = re.compile(
    r"(?:\A|\n|<br ?/?>)[ \t>*#_•-]{0,12}(?:(?:so|thus|hence|therefore),? )?"
    r"(?:(?:the|my|our) )?(?:(?:final|correct|new|updated|revised|corrected) )?\Z",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?:\A|\n)[ \t]{0,3}(?:#{1,6} ?|\*\*)[*_]{0,2}(?:(?:the )?(?:final|new|revised) )?\Z",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"(?:\A|\n)[ \t]{0,3}(?:#{1,6} ?|\*\*)?[*_]{0,2}(?:(?:The )?Final )?\Z", re.IGNORECASE
)
_SUPPOSED = re.compile(
    r"\b(?:if|suppos(?:e|ing)|assum(?:e|ing)|whether|unless|were|does|did|say)\b[^.\n]{0,25}\Z"
    r"|\b(?:says|claims?|show|prove|guess|(?:cannot|can't) be|no way|(?<!I )(?<!we )think"
    r"|(?:might|could|would|may|people|some) (?:say|think|argue|believe|expect))\b"
    r"[^.,:;\n]{0,20}\Z",
    re.IGNORECASE,
)
_COLON = re.compile(r"s?[*_]{0,3}[ \t]{0,9}[:：=][ \t]{0,9}")
_IS = re.compile(
    r"s?[*_]{0,3}(?:[ \t]{1,3}(?:to|for|of|in|from)\b(?! (?:the |our )?(?:part\b|\(?[a-h]\)|first"
    r"|second|third|previous|next|other|earlier|sub|simpler|wrong))[^\n.:$]{1,60}?)?"
    r"[ \t]{1,3}(?:is|are|will be|would be|must be|should be|equals)\b[ \t]{0,3}:?",
    re.IGNORECASE,
)
_LINE_END = re.compile(r"s?[*_]{0,3}[ \t]{0,9}\n")


_IRREAL_FAR = 150
_IRREAL = re.compile(r"\b(?:if|had|when|were|instead)\b[^.\n]{0,120}\Z", re.IGNORECASE)


def _opening(text: str, before: str, after: int, end: int) -> tuple[int, bool] | None:
    """Where the answer begins and if it is firm, if the word before `after` opens a statement."""
    if _SUPPOSED.search(before) or is_denied(before):
        return None
    choosing = text[after - 1] in "ne"
    line_start = not choosing and _LINE_START.search(before)
    for mark, determined in ((_COLON, _FINAL), (_IS, _DETERMINED)):
        found = mark.match(text, after, end)
        if found and (line_start or (_CORRECT if choosing else determined).search(before)):
            if "would" in found[0] and _IRREAL.search(text, max(0, after - _IRREAL_FAR), after):
                return None
            return found.end(), mark is _COLON or _FIRM.search(before) is not None
    headed = _TITLE if text[after - 6] == "A" else _HEADING
    if not choosing and headed.search(before) and (found := _LINE_END.match(text, after, end)):
        return found.end(), True
    return None


_LEADING = re.compile(
    r"(?:(?:simply|just|exactly|indeed|therefore|thus|clearly|then|hence|equal to|given by|for sure"
    r"|certainly|definitely|of course)[, ] ?"
    r"|(?:option|choice) (?=\**\(?[A-Za-z]\b))",
    re.IGNORECASE,
)
_RATHER = re.compile(
    r"(?:not|no longer|never)\b(?! (?:only|just|merely|simply|necessarily|known|clear)\b)"
    r"(?:[^.\n]|\.(?=[0-9])){1,60}?(?: but (?:rather |instead |actually )?|[,;] (?:it is|it's) )"
    r"(?=\**(?:[-−0-9.$(\[\\√]|[A-J]\b))",
    re.IGNORECASE,
)
""""The answer is not 18 but 20" says 20."""
_NEGATION = re.compile(
    r"(?:[a-z]{1,12}ly )?(?:not|never|no longer|incorrect|wrong|unknown|unclear|neither)\b",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    r"(?:correct|right|in|as|given|obtained|found|reasonable|consistent|valid|verified|also|clear"
    r"|clearly|obvious|confirmed|only|that|what|when|where|which|this|now|between|supposed|expected"
    r"|required|to)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r" (?:is|was|would be) (?:not (?:correct|right)|incorrect|wrong|false|impossible)\b"
)


def _stated(text: str, start: int, end: int) -> Extraction | None:
    while start < end and text[start] in " \t\r\n*_>":
        start += 1
    if found := _RATHER.match(text, start, end) or _LEADING.match(text, start, end):
        start = found.end()
    if bullets := _bullets(text, start, end):
        return bullets
    begin, close = _statement(text, start, end)
    said = text[begin:close]
    if not said or _NEGATION.match(text, begin) or text.startswith("?", close):
        return None
    if close == len(text) and _is_cut_off(said):
        return None
    if "\\boxed" in said or "\\fbox" in said or _DENIED.search(said):
        return None
    if not MATHEMATICAL.match(said) and (told := _TOLD.match(text, begin, close)):
        begin = told.end()
    if text.startswith('\\"', begin) and text.startswith('\\"', close - 2):
        begin, close = begin + 2, close - 2
    answer = stripped(text, "phrase", begin, close)
    if answer and answer.text.count("**") == 1 and _is_half_bold(answer.text):
        # The other half of the stars stood around it: **5** apples.
        return Extraction(answer.text.replace("**", ""), "phrase", answer.start, answer.end)
    return answer


def _is_half_bold(said: str) -> bool:
    """Whether the stars are not those of a power, as in `2**10` or `$x**2$`."""
    return "$" not in said.partition("**")[0] and not _POWER.search(said)


_POWER = re.compile(r"[0-9A-Za-z)]\*\*[-(]?(?:[0-9]|[A-Za-z](?![A-Za-z]))")


def _is_cut_off(said: str) -> bool:
    """Whether a text ends inside a formula: `$1` may be the start of `$1.5$` or of $18."""
    dollars = said.count("$") - said.count("\\$")
    if dollars % 2 == 0 or _PRICE.fullmatch(said):
        return said.count("\\(") > said.count("\\)")
    words = said[said.rfind("$") + 1 :].split(maxsplit=1)
    return len(words) < 2 or "\\" in words[0]


_PRICE = re.compile(r"\$(?:[0-9]{2,9}|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]{2})?|\$[0-9]\.[0-9]{2}")
"""A price at the end of a text, no more cut off than a number there would be."""
_TOLD = re.compile(
    r"(?:(?!\b(?:not|if|whether|or|but|when)\b)[^.:;$\\\n*0-9]|\$[^$\n]{1,80}\$){3,160}"
    r"\b(?:is|are|equals)\b:? \**(?=[-−]?[0-9$]|\\[a-z(])"
)
"""\"Answer: the sum is 5\": a sentence that tells one thing, in words up to it."""
_BULLET = re.compile(r"[ \t]{0,4}[-*•][ \t]+([^\n]+)(?:\n|\Z)")
_MOST_BULLETS = 20


def _bullets(text: str, start: int, end: int) -> Extraction | None:
    """A list below "The answers are:", as one answer with several parts."""
    line = text.rfind("\n", max(0, start - 9), start) + 1
    if line <= 0 or text[line:start].strip(" \t*-•"):
        return None
    parts: list[str] = []
    place = line
    while len(parts) < _MOST_BULLETS and (found := _BULLET.match(text, place, end)):
        parts.append(found[1].strip().rstrip(".,;").strip("*"))
        place = found.end()
    if not parts or any("\\boxed" in part for part in parts):
        return None
    return Extraction(", ".join(parts), "phrase", line, place)


_DISPLAYED = (("\\[", "\\]"), ("$$", "$$"))
_INLINE = (("\\(", "\\)"), ("$", "$"))
_ENVIRONMENT = re.compile(r"\\begin\{([A-Za-z]{1,20}\*?)\}")


def _statement(text: str, start: int, end: int) -> tuple[int, int]:
    """From where the answer begins to the end of its sentence or display."""
    for opened, closed in _DISPLAYED:
        if text.startswith(opened, start):
            close = text.find(closed, start + 2, end)
            return (start + 2, close) if close >= 0 else (start, start)
    if environment := _ENVIRONMENT.match(text, start, end):
        closed = f"\\end{{{environment[1]}}}"
        close = text.find(closed, start, end)
        return (start, close + len(closed)) if close >= 0 else (start, start)
    return start, _sentence_end(text, start, end)


_MONEY = re.compile(r"\$[0-9][0-9,]*(?:\.[0-9]+)?(?=[.,!?]?(?:\s+[A-Za-z]{2}|\s*\Z|\n|[.!?]\s))")
_SENTENCE_END = re.compile(
    r"\n|[.!?](?=[\s\"”]|$|\*\*|</)|</?[a-z_]{1,20}>"
    r"|,? (?:because|since|so that|so we|as required|which|where)\b"
    r"|,? \((?:because|since|we|as|from|see|by|using|after)\b"
    r"|, it (?:can|could|does|can't|couldn't|doesn't|makes)\b"
    r"|, (?:so|as|and we|not|no longer|rather than|but|i\.e)\b| and not\b| rather than\b"
    r"| not (?=[0-9$\\-])"
)
_ABBREVIATION = re.compile(
    r"\b(?:[ap]\.m|[ap]\. m|ft|in|cm|sq|hrs|min|vs|St|Mr|Mrs|Dr)$", re.IGNORECASE
)
_MOST_ENDS = 40


def _sentence_end(text: str, start: int, end: int) -> int:
    """A full stop inside a formula ends nothing, and a price is no formula."""
    place = start
    if money := _MONEY.match(text, start, end):
        place = money.end()
    else:
        place = _formula_end(text, start, end)
        inner = text[max(start, place - 6) : place].rstrip("$\\) ")
        if place > start and inner.endswith(".") and not inner.endswith(".."):
            return place
    for count, found in enumerate(_SENTENCE_END.finditer(text, place, end)):
        at = found.start()
        if found[0] == "\n" or count > _MOST_ENDS:
            return at
        dollars = text.count("$", place, at) - text.count("\\$", place, at)
        if dollars % 2 == 1 and text.find("$", at, at + 200) >= 0:
            continue
        if found[0] == "." and _ABBREVIATION.search(text[max(start, at - 8) : at]):
            continue
        return at
    return end


def _formula_end(text: str, start: int, end: int) -> int:
    """Behind the formula that starts here; here if none does."""
    for opened, closed in _INLINE:
        if text.startswith(opened, start):
            close = text.find(closed, start + len(opened), end)
            return close + len(closed) if close >= 0 else start
    return start
