"""Lines by a parameter: `x = 1 + t, y = 2 + t` and `x = 1 - t, y = 2 - t` are one line."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics import algebra
from cotgen.verifiers.mathematics.forms import ONE
from cotgen.verifiers.mathematics.nodes import Node, Unreadable, symbols

_PARAMETERS = frozenset(("t", "s", "u", "lambda", "mu", "r", "k", "n", "m"))
_DIMENSIONS = (2, 3)

Line = list[tuple[Fraction, Fraction]]
"""For each coordinate where it starts and how it grows."""


def may_be_one_line(one: tuple[Node, ...], two: tuple[Node, ...]) -> bool:
    """Whether two points that run with a parameter run along the same line."""
    first, second = _line(one), _line(two)
    if first is None or second is None or len(first) != len(second):
        return False
    slopes = [slope for _, slope in first]
    gaps = [there - here for (here, _), (there, _) in zip(first, second, strict=True)]
    return _parallel(slopes, [slope for _, slope in second]) and _parallel(slopes, gaps)


def _line(values: tuple[Node, ...]) -> Line | None:
    names = frozenset[str]().union(*map(symbols, values))
    if len(values) not in _DIMENSIONS or len(names) != 1 or not names <= _PARAMETERS:
        return None
    (name,) = names
    counter = (("v:" + name, Fraction(1)),)
    found: Line = []
    for value in values:
        try:
            form = algebra.normal(value)
        except Unreadable:
            return None
        if form.under != {ONE: Fraction(1)} or not {*form.over} <= {ONE, counter}:
            return None
        found.append((form.over.get(ONE, Fraction(0)), form.over.get(counter, Fraction(0))))
    return found


def _parallel(one: list[Fraction], two: list[Fraction]) -> bool:
    return all(
        a * d == b * c for a, b in zip(one, two, strict=True) for c, d in zip(one, two, strict=True)
    )
