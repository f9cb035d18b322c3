"""Arithmetic that a text claims: `a op b = c`, also inside `<<…>>`, recomputed exactly.

Only plain numbers are read. Whatever might be part of something longer (a variable, a power,
another operator, a base, a remainder) is no claim: a true text must never be called false.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.\d{1,12})?|\.\d{1,12})"
_GAP = r"[^\S\r\n\v\f\x85\u2028\u2029]?"
"""A line's end parts claims: what stands above `-7 * 8 = -56` is not reduced by 7."""
_MONEY = rf"(?:\\?[$£€]{_GAP})?"
_OPERATOR = r"(?:[-+*/×÷·−–]|\\times|\\cdot|\\div)"
_TERM = rf"{_MONEY}{_NUMBER}"
_LEFT = re.compile(rf"(?P<sum>-?{_TERM}(?:{_GAP}{_OPERATOR}{_GAP}{_TERM}){{1,8}}){_GAP}$")
_RIGHT = re.compile(rf"{_GAP}{_MONEY}(?P<number>[-−]?{_MONEY}{_NUMBER})")
_TOKEN = re.compile(rf"{_NUMBER}|{_OPERATOR}")
_SENTENCE = re.compile(r"(?:[.,;:?!)\]}>]|\*\*)$|(?<![\\\w^_])[^\W\d_]{2,}$")
"""What may stand before a claim, apart by white space: the end of a sentence, a word."""
_OPENED = re.compile(r"(?:<<|\(|\[|=|\$|(?:^|\*\*|[^-+*/×÷·−–\s])\s*\n)$")
"""What may stand right before it; a line that ends in an operator goes on in the next."""
_GOES_ON = re.compile(r"\s?(?:[-+*/×÷·^_(\[{%°!:|−–'’~≈]|\\(?![)\]\\])|\.{2,}|…)|[.,]?\w")
_NO_EQUATION = re.compile(
    r"[\s,]+(?:with\s+)?(?:an?\s+)?(?:r\b|rem|mod\b|times\b|plus\b|minus\b|over\b|divided\b|percent\b)",
    re.IGNORECASE,
)
_WINDOW = 160


def false_claims(text: str) -> list[str]:
    """The claims of a text that are false, as they stand in it."""
    return [claim for claim, holds in claims(text) if not holds]


def claims(text: str) -> Iterator[tuple[str, bool]]:
    """Every claim of a text, and whether it holds."""
    at = text.find("=")
    while at >= 0:
        if text[max(0, at - 2) : at].rstrip()[-1:].isdecimal():
            found = _claim(text[max(0, at - _WINDOW) : at], text[at + 1 : at + _WINDOW])
            if found:
                yield found
        at = text.find("=", at + 1)


def _claim(before: str, after: str) -> tuple[str, bool] | None:
    left, right = _LEFT.search(before), _RIGHT.match(after)
    if left is None or right is None or _is_longer(before[: left.start()], after[right.end() :]):
        return None
    value = _computed(left["sum"])
    if value is None:
        return None
    return f"{left['sum']} = {right['number']}", _is_written(right["number"], value)


def _is_longer(before: str, after: str) -> bool:
    """Whether the claim may be a part of something else."""
    head = before.rstrip(" \t")
    if head and not _OPENED.search(head) and (head == before or not _SENTENCE.search(head)):
        return True
    return bool(_GOES_ON.match(after) or _NO_EQUATION.match(after))


def _computed(sum: str) -> Fraction | None:
    """The value, products first, from left to right; None for a division by zero."""
    negative = sum.startswith("-")
    terms: list[Fraction] = []
    operator = "+"
    for token in _TOKEN.findall(sum[1:] if negative else sum):
        if not (token[0].isdigit() or token[0] == "."):
            operator = token
            continue
        number = Fraction(token.replace(",", ""))
        if operator in "*×·" or operator in ("\\times", "\\cdot"):
            terms[-1] *= number
        elif operator in "/÷" or operator == "\\div":
            if not number:
                return None
            terms[-1] /= number
        else:
            terms.append(number if operator == "+" else -number)
        if negative:
            terms[-1], negative = -terms[-1], False
    total = Fraction(0)
    for term in terms:
        total += term
    return total


def _is_written(number: str, value: Fraction) -> bool:
    """Whether a number states a value: exactly, or rounded or cut where it has decimals."""
    digits = re.sub(r"[^\d.−-]", "", number).replace("−", "-")
    stated = Fraction(digits)
    decimals = len(digits.partition(".")[2])
    return stated == value or (decimals > 0 and abs(stated - value) < Fraction(1, 10**decimals))
