"""Rounded values: what rounds to a rounded gold, and what is near an approximate answer."""

from __future__ import annotations

import re
from fractions import Fraction

from cotgen.verifiers.mathematics.build import negative
from cotgen.verifiers.mathematics.decision import Decision, equal, undecided
from cotgen.verifiers.mathematics.nodes import SCALARS, Node, Number, Sum, Unreadable, symbols
from cotgen.verifiers.mathematics.read import Answer
from cotgen.verifiers.mathematics.scalars import order

_DECIMAL = re.compile(r"-?[0-9]{0,30}\.[0-9]{1,30}\Z")


def rounds_to(gold: Answer, given: Answer) -> Decision | None:
    """Equal if the gold is a decimal that the answer rounds to, for who says that golds are."""
    readable = len(gold.readings) == 1 == len(given.readings)
    if not readable or _DECIMAL.match(gold.key) is None:
        return None
    try:
        return equal("rounded") if _meets(gold, given) else None
    except Unreadable:
        return None


def by_rounding(gold: Answer, given: Answer, found: Decision) -> Decision:
    """What a difference is worth where a value is rounded by its own words or digits.

    Only a rounded gold is met by what rounds to it: the answer ⅓ meets the gold 0.3333333333333333,
    the answer 0.3333333333333333 is not ⅓. What is near an approximate value is left open.
    """
    if not (gold.approximate or given.approximate):
        return (rounds_to(gold, given) or found) if _is_float(gold.key) else found
    near = undecided(found.method, "one of them is only approximate")
    if not _are_values(gold, given):
        return near
    units = [_unit(answer.key) for answer in (gold, given) if answer.approximate]
    try:
        if not given.approximate and _meets(gold, given):
            return equal("rounded")
        return near if _within(gold, given, max(units)) else found
    except Unreadable:
        return near


_FLOAT = re.compile(r"-?0?\.?0*([0-9]{0,17}\.?[0-9]{1,17})")


def _is_float(key: str) -> bool:
    """Whether it has the 15 to 17 digits that programs print: nobody rounds so by hand."""
    found = _FLOAT.fullmatch(key) if "." in key[:20] else None
    return found is not None and 15 <= len(found[1].replace(".", "")) <= 17


def _meets(gold: Answer, given: Answer) -> bool:
    """At most half a unit of the gold's last place away, whichever way a half is rounded.

    Only figures are rounded to a place: `about 2\\sqrt3` is not rounded to ones.
    """
    if not (_are_values(gold, given) and _is_in_figures(gold)):
        return False
    return _within(gold, given, _unit(gold.key) / 2)


def _is_in_figures(answer: Answer) -> bool:
    value, written = answer.readings[0], Fraction(_last_number(answer.key) or 0)
    return isinstance(value, Number) and abs(value.value) == written


def _are_values(*answers: Answer) -> bool:
    return all(_is_value(answer.readings[0]) for answer in answers)


def _is_value(node: Node) -> bool:
    return isinstance(node, SCALARS) and not symbols(node)


def _within(gold: Answer, given: Answer, distance: Fraction) -> bool:
    gap = Sum((gold.readings[0], negative(given.readings[0])))
    return order(gap, Number(distance)) <= 0 <= order(gap, Number(-distance))


_FIGURES = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")


def _last_number(key: str) -> str | None:
    found = _FIGURES.findall(key[:200].replace(",", ""))
    return found[-1] if found else None


def _unit(key: str) -> Fraction:
    """What one in the last written place is worth: 1/100 in 3.14, 1000 in 45000."""
    whole, point, places = (_last_number(key) or "1").partition(".")
    if point:
        return Fraction(1, 10 ** min(len(places), 60))
    return Fraction(10) ** min(len(whole) - len(whole.rstrip("0")), 60)
