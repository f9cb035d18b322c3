"""Rounded values: what rounds to a rounded gold, and what is near an approximate answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
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

    Only a rounded gold is met by what rounds to it: the answer ⅓ meets the gold 0.3333333333333333.
    What is near an approximate value is left open.
    """
    if not (gold.approximate or given.approximate):
        return _by_figures(gold, given) or found
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


@dataclass(frozen=True, slots=True)
class _Figures:
    """A decimal as it is written: the digits that count, and the worth of the last place."""

    digits: str
    unit: Fraction


_WRITTEN = re.compile(
    r"-?([0-9]{0,30})\.([0-9]{1,30})"
    r"(?:[eE]([-+]?[0-9]{1,3})|(?:\\times|\\cdot|\*) ?10 ?\^ ?\{?([-+]?[0-9]{1,3})\}?)?"
)


def _written(answer: Answer) -> _Figures | None:
    """The figures of an answer that is nothing but a decimal, perhaps with a power of ten."""
    found = _WRITTEN.fullmatch(answer.key)
    if found is None:
        return None
    whole, places, *exponents = found.groups()
    exponent = int(next(filter(None, exponents), "0"))
    digits = (whole + places).strip("0")
    return _Figures(digits, Fraction(10) ** (exponent - len(places)))


SURELY_ROUNDED, HARDLY_EXACT = 7, 2
"""Digits that nobody would write of a value that was not rounded; those of a gold that may be."""


def _by_figures(gold: Answer, given: Answer) -> Decision | None:
    """A gold in decimals beside an exact value that rounds to it: a long one was rounded and is
    met; a short one may be exact.

    A decimal beside an exact gold is another number, however many digits it has.
    """
    expected = _written(gold)
    single = len(gold.readings) == len(given.readings) == 1
    if expected is None or _written(given) or not single or not _are_values(gold, given):
        return None
    try:
        if len(expected.digits) < HARDLY_EXACT or not _within(gold, given, expected.unit / 2):
            return None
    except Unreadable:
        return None
    sure = len(expected.digits) >= SURELY_ROUNDED and "0000" not in expected.digits
    if sure and "." not in given.key:
        return equal("rounded")
    return undecided("rounded", "the gold may be a rounded value")


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
