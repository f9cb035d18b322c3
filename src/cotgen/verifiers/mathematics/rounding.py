"""A gold that was rounded: a decimal, which every value that rounds to it is accepted for."""

from __future__ import annotations

import re
from fractions import Fraction

from cotgen.verifiers.mathematics.decision import Decision, equal
from cotgen.verifiers.mathematics.nodes import SCALARS, Number, Unreadable, symbols
from cotgen.verifiers.mathematics.read import Answer
from cotgen.verifiers.mathematics.scalars import order

_DECIMAL = re.compile(r"-?[0-9]{0,30}\.([0-9]{1,30})\Z")


def rounds_to(gold: Answer, given: Answer) -> Decision | None:
    """Equal if the answer's value lies within half a unit of the gold's last place."""
    decimal = _DECIMAL.match(gold.key)
    if decimal is None or len(given.readings) != 1:
        return None
    value, expected = given.readings[0], Fraction(gold.key)
    if not isinstance(value, SCALARS) or symbols(value):
        return None
    half = Fraction(1, 2 * 10 ** len(decimal[1]))
    try:
        within = order(Number(expected - half), value) <= 0 <= order(Number(expected + half), value)
    except Unreadable:
        return None
    return equal("rounded") if within else None
