"""Digits with a base: `1011_2`, `(1011)_{\\text{two}}`, `2A_{16}`, `1011 base 2`."""

from __future__ import annotations

import re
from fractions import Fraction

from cotgen.verifiers.mathematics.nodes import Based, Number
from cotgen.verifiers.mathematics.numerals import numeral

_BASED = re.compile(
    r"(-?)\(? ?(?:\\text ?\{)?([0-9A-Za-z ]{1,80}?)\}? ?\)? ?"
    r"(?:_ ?(?:\{[ (]{0,2}(?:\\(?:text|mathrm) ?\{)? ?(?:base )?([0-9]{1,2}|[a-z]{3,12})[ )}]{1,4}"
    r"|([0-9]))|,? ?\(?(?:in )?base[- ]([0-9]{1,2}|[a-z]{3,12})\)?)"
)
_WORDS = {"binary": 2, "octal": 8, "decimal": 10, "hexadecimal": 16, "hex": 16}


_PREFIXED = re.compile(r"(-?)0([xob])([0-9A-Fa-f]{1,40})")
_PREFIXES = {"x": 16, "o": 8, "b": 2}


def prefixed(text: str) -> Number | None:
    """`0x1F`, as programs write a number: 31."""
    found = _PREFIXED.fullmatch(text)
    if found is None or not _are_digits(found[3], _PREFIXES[found[2]]):
        return None
    value = int(found[3], _PREFIXES[found[2]])
    return Number(Fraction(-value if found[1] else value))


def based(text: str) -> Based | None:
    """Digits and their base."""
    if "_" not in text and "base" not in text.lower():
        return None
    found = _BASED.fullmatch(text) if len(text) < 120 else None
    if found is None:
        return None
    base = _base(found[3] or found[4] or found[5])
    digits = found[2].replace(" ", "").upper()
    if not 2 <= base <= 36 or not _are_digits(digits, base) or found[1]:
        return None
    # `x_1` and `a_{16}` are names; letters are digits beside figures, or as capitals.
    capitals = found[2].isupper() or base == _HEXADECIMAL
    if not any(digit.isdigit() for digit in digits) and (len(digits) < 2 or not capitals):
        return None
    return Based(digits.lstrip("0") or "0", base)


_HEXADECIMAL = 16


def _base(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text in _WORDS:
        return _WORDS[text]
    named = numeral(text)
    return int(named.value) if named and named.end == len(text) else 0


def _are_digits(digits: str, base: int) -> bool:
    return all(digit.isascii() and digit.isalnum() and int(digit, 36) < base for digit in digits)
