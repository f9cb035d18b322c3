"""Answers that nothing marks: an attempt that is nothing but an answer, and guesses on request."""

from __future__ import annotations

import re

from cotgen.verifiers.mathematics.extraction import MATHEMATICAL, Extraction, stripped
from cotgen.verifiers.mathematics.formulas import FORMULA, TAIL, last_match

# --- nothing but an answer ----------------------------------------------------------------------


def bare(text: str, start: int, end: int) -> Extraction | None:
    """The whole text, where it is nothing but an answer: there is one thing in it to be judged."""
    found = stripped(text, "bare", start, end)
    if found is None:
        return None
    return found if _is_answer(found.text) else None


_MOST_WORDS, _LONGEST_LINE = 8, 200
_WORD = re.compile(r"\\[A-Za-z]+|[^\W\d_]{2,}(?:['’][a-z]+)?")
_SENTENCE = re.compile(r"(?<!\\)[.!?]\s+\S|\?|[A-Za-z]{3,}\s?:")
_LABEL = re.compile(r"\(?[A-Za-z][.)]\s+")
_ABBREVIATED = re.compile(r"\b[ap]\. ?m\.?|\b(?:St|Mr|Mrs|Dr|vs|ft|sq)\.", re.IGNORECASE)
_PROSE = frozenset(
    re.findall(
        r"\w+",
        "answer are assume be because been calculate calculating can cannot check compute "
        "find first get gets given gives got guess had has have he hence her his hmm how "
        "if is it its know known let lets make makes me must my need next note now ok "
        "okay our please problem question she should since so solve solving sorry step "
        "steps suppose sure that their then there therefore these they think this those "
        "thus try unable us use using wait was we were what when where which who why will "
        "would you your ",
    )
)
"""Words that make a sentence: what holds one is more than an answer."""


def _is_answer(text: str) -> bool:
    """One line of mathematics with at most a few words, none of which makes a sentence."""
    if text.startswith("\\begin{") and text.endswith("}") and text.count("\\begin{") == 1:
        return True
    if "\\boxed" in text or "\\fbox" in text:
        return False
    if not any(character.isalnum() or character in "∞∅" for character in text):
        return False
    if _is_formula(text):
        return True
    if "\n" in text or "\r" in text:
        return False
    return not _is_prose(text)


def _is_prose(text: str) -> bool:
    plain = text[:_LONGEST_LINE]
    label = _LABEL.match(plain)
    plain = _ABBREVIATED.sub("", plain[label.end() :] if label else plain)
    if _SENTENCE.search(plain):
        return True
    words = 0
    for found in _WORD.finditer(text):
        if found[0].startswith("\\"):
            continue
        words += 1
        if words > _MOST_WORDS or found[0].lower() in _PROSE:
            return True
    return False


_DELIMITED = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))


def _is_formula(text: str) -> bool:
    """Whether one pair of delimiters holds everything."""
    text = text.rstrip(" .")
    for opened, closed in _DELIMITED:
        if text.startswith(opened):
            inner = text[len(opened) : -len(closed)]
            inner = inner.replace("\\$", "")
            displayed = opened in ("$$", "\\[")
            return (
                len(text) > len(opened) + len(closed)
                and text.endswith(closed)
                and opened not in inner
                and closed not in inner
                and (displayed or "\n" not in inner)
            )
    return False


# --- the only bold words of the last line -------------------------------------------------------

_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_NO_ANSWER = re.compile(
    r"(?:done|conclusion|end|note|notes|answer|solution|final answer|summary|verification|check"
    r"|q\.?e\.?d\.?|step\b.*)[.:!]*\Z",
    re.IGNORECASE,
)
_DIGIT_ORFORMULA = re.compile(r"[0-9]|\A(?:\$|\\\(|\([A-J]\)\Z|[A-J]\Z)")
_IN_TOTAL = re.compile(
    r"\b(?:so|thus|hence|therefore|altogether|in total)\b[^.*]{0,60}\b(?:is|are|equals) \Z",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"\b(?:not|never|isn't|no longer)\b", re.IGNORECASE)


def bold(text: str, start: int, end: int) -> Extraction | None:
    """`**5**` as the last line, or the only bold words of the last line, if mathematics."""
    found = stripped(text, "bold", start, end)
    if found is None:
        return None
    opened = max(text.rfind("\n", start, found.end) + 1, start, end - TAIL)
    line = text[opened:end]
    parts = list(_BOLD.finditer(text, opened, end))
    if not parts or (len(parts) > 1 and not _IN_TOTAL.search(text[opened : parts[-1].start()])):
        return None
    part = parts[-1]
    rest = line.replace(part[0], "", 1)
    answer = stripped(text, "bold", *part.span(1))
    if answer is None or _NO_ANSWER.match(answer.text) or answer.text.endswith(":"):
        return None
    if not rest.strip(" \t\n>*-•.$"):
        return answer if len(answer.text.split()) <= 4 or _is_answer(answer.text) else None
    mathematical = MATHEMATICAL.match(answer.text) and _DIGIT_ORFORMULA.search(answer.text)
    if not mathematical or _DENIAL.search(rest) or "?" in rest or part.start() == opened:
        return None
    return answer


# --- guesses ------------------------------------------------------------------------------------

_NEW_SENTENCE = re.compile(r"[.!?]\s+\S|\n\s*\n")


def last_formula(text: str, start: int, end: int) -> Extraction | None:
    """The last formula of the last sentence."""
    formula = last_match(FORMULA, text, start, end)
    if formula is None or _NEW_SENTENCE.search(text, formula.end(), end):
        return None
    return stripped(text, "formula", *formula.span())


_DISPLAY = re.compile(r"\$\$((?:[^$\\]|\\.)+)\$\$|\\\[((?:[^\\]|\\[^\[\]])+)\\\]", re.DOTALL)


def last_display(text: str, start: int, end: int) -> Extraction | None:
    """The last formula on lines of its own."""
    display = last_match(_DISPLAY, text, start, end)
    return display and stripped(text, "display", *display.span(1 if display[1] else 2))


_NUMBER = re.compile(
    r"(?<![A-Za-z0-9.])[-−]?\$?[0-9]{1,400}(?:,[0-9]{3}){0,99}(?:\.[0-9]{1,400})?"
    r"(?:/[0-9]{1,400})?%?"
)


def last_number(text: str, start: int, end: int) -> Extraction | None:
    """The last number."""
    number = last_match(_NUMBER, text, start, end)
    return number and stripped(text, "number", *number.span())
