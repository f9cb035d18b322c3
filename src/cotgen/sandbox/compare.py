"""Comparing a value or an output with the expected one: alike, near (nobody can say), different."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import Enum
from itertools import zip_longest
from typing import Any

_NEAR = 1e-6
_HUGE = 1 << 1000
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNBOUNDED = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)


class Likeness(Enum):
    """What a comparison found. `near`: equal but for the form, which a test may or may not mean."""

    alike = "alike"
    near = "near"
    different = "different"


def alike(expected: Any, value: Any, tolerance: float) -> Likeness:
    """Compare a returned value with one that JSON states.

    JSON has no tuples, so a list stands for both. 2 equals 2.0; `true` and 1, and floats that
    differ in the last digits, are near. `tolerance` (absolute or relative) makes these alike.
    """
    if isinstance(expected, bool) or isinstance(value, bool) or expected is None or value is None:
        if type(expected) is type(value):
            return _when(expected == value)
        equal = isinstance(value, int | float) and isinstance(expected, int | float)
        return Likeness.near if equal and expected == value else Likeness.different
    if isinstance(expected, int | float) and isinstance(value, int | float):
        return _numbers(expected, value, tolerance)
    if isinstance(expected, str) and isinstance(value, str):
        return _when(expected == value)
    if isinstance(expected, list) and isinstance(value, list | tuple):
        if len(expected) != len(value):
            return Likeness.different
        return _worst(alike(*pair, tolerance) for pair in zip(expected, value, strict=True))
    if isinstance(expected, Mapping) and isinstance(value, Mapping):
        return _mappings(expected, value, tolerance)
    if isinstance(value, str | list | tuple | Mapping | int | float):
        return Likeness.different
    # Sets, decimals, objects, …: JSON cannot state them, so nobody knows what was meant.
    return Likeness.near


def _numbers(expected: float, value: float, tolerance: float) -> Likeness:
    if expected == value or (expected != expected and value != value):
        return Likeness.alike
    if isinstance(expected, int) and isinstance(value, int):
        return Likeness.different
    if isinstance(expected, int) and tolerance:
        # A whole number is exact: nobody can say whether the tolerance was meant for it.
        close = _numbers(float(expected), value, tolerance) if abs(expected) < _HUGE else None
        return Likeness.different if close in (None, Likeness.different) else Likeness.near
    try:
        if tolerance and math.isclose(expected, value, rel_tol=tolerance, abs_tol=tolerance):
            return Likeness.alike
        near = not tolerance and math.isclose(expected, value, rel_tol=_NEAR, abs_tol=1e-9)
    except OverflowError:
        near = False
    return Likeness.near if near else Likeness.different


def _mappings(expected: Mapping[str, Any], value: Mapping[Any, Any], tolerance: float) -> Likeness:
    """JSON's keys are texts; a program's may be numbers."""
    if all(isinstance(key, str) for key in value):
        named, as_stated = dict(value), True
    else:
        named, as_stated = {str(key): item for key, item in value.items()}, False
    if named.keys() != expected.keys() or len(named) != len(value):
        return Likeness.different
    found = _worst(alike(expected[key], named[key], tolerance) for key in expected)
    return _worst([found, Likeness.alike if as_stated else Likeness.near])


def _worst(found: Any) -> Likeness:
    worst = Likeness.alike
    for likeness in found:
        if likeness is Likeness.different:
            return likeness
        if likeness is Likeness.near:
            worst = likeness
    return worst


def _when(equal: bool) -> Likeness:
    return Likeness.alike if equal else Likeness.different


def same_output(expected: str, output: str, tolerance: float) -> Likeness:
    """Compare what a program printed with the expected output.

    White space at the ends of lines and of the output does not count. Other white space, letter
    case and the spelling of numbers make outputs near; `tolerance` makes numbers alike.
    """
    if _lines(expected) == _lines(output):
        return Likeness.alike
    words, printed = expected.split(), output.split()
    if len(words) != len(printed):
        return Likeness.different
    found = [_words(*pair, tolerance) for pair in zip_longest(words, printed)]
    worst = _worst(found)
    if worst is Likeness.alike and not (tolerance and _layout(expected) == _layout(output)):
        return Likeness.near
    return worst


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _layout(text: str) -> list[int]:
    return [len(line.split()) for line in _lines(text)]


def _words(expected: str, printed: str, tolerance: float) -> Likeness:
    if expected == printed:
        return Likeness.alike
    if expected.casefold() == printed.casefold():
        return Likeness.near
    if len(expected) > 50 or len(printed) > 50:
        return Likeness.different
    try:
        likeness = _numbers(_number(expected), _number(printed), tolerance)
    except ValueError:
        return Likeness.different
    # Two spellings of one number are alike only where the tests give a tolerance.
    return Likeness.near if likeness is Likeness.alike and not tolerance else likeness


def _number(word: str) -> float:
    """A number as programs print it: no underscores, no digits of other scripts."""
    if _INTEGER.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word) or _UNBOUNDED.fullmatch(word):
        return float(word)
    raise ValueError(word)
