"""Amounts with a unit: several parts of one amount, converting, and comparing."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from cotgen.verifiers.mathematics.decision import Decision, different, undecided
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Function,
    Node,
    Number,
    Power,
    Product,
    Quantity,
    Quotient,
    Sum,
    Symbol,
    symbols,
)
from cotgen.verifiers.mathematics.rules import Judge, kind_of
from cotgen.verifiers.mathematics.scalars import compare_scalars
from cotgen.verifiers.mathematics.units import Unit, scales, unit

# --- amounts of several parts ---------------------------------------------------------------------

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,12}|(?: [0-9]{1,4})?/[1-9][0-9]{0,3})?)"
_PART = re.compile(
    rf"(?:and |, ?and |, ?)?(?:\\?\${_NUMBER}|{_NUMBER} ?([A-Za-z]{{1,12}}\.?|''|'|\")) ?"
)
_MARKS = {"'": "feet", "''": "inches", '"': "inches"}
_MAX_PARTS = 5
_ANGLE = re.compile(
    r"([0-9]{1,6}) ?\^ ?(?:\\circ|\{ ?\\circ ?\}) ?([0-9]{1,2}(?:\.[0-9]{1,9})?) ?'"
    r"(?: ?([0-9]{1,2}(?:\.[0-9]{1,9})?) ?(?:''|\"))?"
)


def compound(flat: str) -> Quantity | Function | None:
    """The amount in `2 hours 30 minutes`, `5 ft 6 in`, `5 dollars and 25 cents`, `30° 15'`."""
    angle = _ANGLE.fullmatch(flat)
    if angle is not None:
        degrees = sum(Fraction(part or 0) / 60**power for power, part in enumerate(angle.groups()))
        return Function("degree", (Number(Fraction(degrees)),))
    parts = _parts(flat)
    if len(parts) < 2:
        return None
    found = [unit(name) for _, name in parts]
    falling = all(a.scale > b.scale for a, b in pairwise(found))
    alike = all(each.known and each.dimension == found[0].dimension for each in found)
    if not (falling and alike):
        return None
    total = sum(value * each.scale for (value, _), each in zip(parts, found, strict=True))
    return Quantity(Number(Fraction(total) / found[-1].scale), parts[-1][1])


def _parts(flat: str) -> list[tuple[Fraction, str]]:
    """Values and their units from left to right; empty if there is anything else."""
    parts: list[tuple[Fraction, str]] = []
    at = 0
    while at < len(flat):
        found = _PART.match(flat, at)
        if found is None or len(parts) == _MAX_PARTS:
            return []
        name = (found[3] or "dollars").rstrip(".")
        parts.append((_value(found[1] or found[2]), _MARKS.get(name, name)))
        at = found.end()
    return parts


def _value(text: str) -> Fraction:
    whole, _, part = text.rpartition(" ")
    return Fraction(whole or 0) + Fraction(part)


# --- comparing ----------------------------------------------------------------------------------

_NO_AMOUNT = ("percent", "degree")


def quantities(one: Node, two: Node, _: Judge) -> Decision | None:
    """A unit may be missing on one side; two units are converted or cannot be compared."""
    match one, two:
        case Quantity(first, here), Quantity(second, there):
            return _two(first, here, second, there)
        case (Quantity(value, name), other) | (other, Quantity(value, name)):
            return _one(value, name, other)
    return None


def _one(value: Node, name: str, other: Node) -> Decision:
    if isinstance(other, Function) and other.name == "degree" and _is_radians(name):
        return compare_scalars(value, other)
    if isinstance(other, Function) and other.name == "degree" and name.startswith("degrees "):
        # A temperature, and degrees that do not say of what.
        return compare_scalars(value, other.args[0])
    if not isinstance(other, SCALARS) or (isinstance(other, Function) and other.name in _NO_AMOUNT):
        return undecided("unit", f"a quantity beside a {kind_of(other)}")
    lettered = _lettered(other)
    if lettered is not None and unit(lettered.unit).dimension == unit(name).dimension:
        same = _two(value, name, lettered.value, lettered.unit)
        alike = compare_scalars(value, lettered.value).finding
        if same.finding == "equal" or same.finding == alike == "different":
            return same
        return undecided("unit", "letters that may be units")
    decision = compare_scalars(value, other)
    if decision.finding != "different":
        return decision
    if symbols(value) != symbols(other):
        return undecided("unit", "letters that may be units")
    named = unit(name)
    for scale in scales(named.dimension):
        factor = Number(named.scale / scale)
        if compare_scalars(Product((value, factor)), other).finding == "equal":
            return undecided("unit", "the same in another unit of its kind")
    return decision


def _two(first: Node, one: str, second: Node, two: str) -> Decision:
    if one.startswith("degrees ") and two.startswith("degrees "):
        return _temperatures(first, one, second, two)
    here, there = _pounds(unit(one), unit(two)), _pounds(unit(two), unit(one))
    if here == there:
        return compare_scalars(first, second)
    if here.dimension == there.dimension:
        return _converted(first, here, second, there)
    if _says_more(one, two) or _says_more(two, one):
        return compare_scalars(first, second)
    if here.known and there.known and not _calendar(here, there):
        return different("unit", f"{two} instead of {one}"[:80])
    return undecided("unit", "units that are not known to be the same")


def _converted(first: Node, here: Unit, second: Node, there: Unit) -> Decision:
    """Miles and kilometres are seldom converted exactly: what is near is left open."""
    left, right = Product((first, Number(here.scale))), Product((second, Number(there.scale)))
    decision = compare_scalars(left, right)
    if decision.finding == "different" and isinstance(first, Number) and isinstance(second, Number):
        one, two = first.value * here.scale, second.value * there.scale
        ratio = here.scale / there.scale
        decimal = _is_power_of_ten(ratio) or ratio.denominator == 1 or ratio.numerator == 1
        if not decimal and abs(one - two) * 50 < abs(one):
            return undecided("unit", "nearly the same in another system of units")
    return decision


def _is_power_of_ten(ratio: Fraction) -> bool:
    digits = str(max(ratio.numerator, ratio.denominator))
    return 1 in (ratio.numerator, ratio.denominator) and digits.strip("0") == "1"


_PER = re.compile(r" (?:per|each|/)(?= |\Z)")
_CURRENCIES = frozenset(("dollar", "euro", "sterling", "rupee", "yen", "yuan"))


def _says_more(one: str, two: str) -> bool:
    """`12 dollars per hour` beside `12 dollars`; a speed beside a length is another matter."""
    above, *per = _PER.split(two, maxsplit=1)
    named = unit(one)
    counted = not named.known or any(base in _CURRENCIES for base, _ in named.dimension)
    return bool(per) and counted and unit(above) == named


def _calendar(one: Unit, two: Unit) -> bool:
    """A month has no fixed number of days."""
    return {base for unit_ in (one, two) for base, _ in unit_.dimension} == {"month", "time"}


def _pounds(named: Unit, other: Unit) -> Unit:
    """`£5` is 5 pounds, whatever a pound weighs."""
    sterling = unit("sterling")
    is_money = other.dimension == sterling.dimension and named == unit("pound")
    return sterling if is_money else named


def _is_radians(name: str) -> bool:
    return name in ("radians", "radian", "rad", "rads")


_SCALES_OF_HEAT = {"c": "c", "celsius": "c", "centigrade": "c", "f": "f", "fahrenheit": "f"}


def _temperatures(first: Node, one: str, second: Node, two: str) -> Decision:
    here, there = (_SCALES_OF_HEAT.get(name.split()[-1]) for name in (one, two))
    if here is None or there is None:
        if one == two:
            return compare_scalars(first, second)
        return undecided("unit", "units that are not known to be the same")
    if here == there:
        return compare_scalars(first, second)
    if here == "c":
        return compare_scalars(_fahrenheit(first), second)
    return compare_scalars(first, _fahrenheit(second))


def _fahrenheit(celsius: Node) -> Node:
    return Sum((Product((celsius, Number(Fraction(9, 5)))), Number(Fraction(32))))


# --- units that are written as letters ------------------------------------------------------------


def _lettered(node: Node) -> Quantity | None:
    """`10 m/s` as a quantity, though its letters were read as unknowns."""
    value, words = _split(node)
    if not words or value is None:
        return None
    return Quantity(value, " ".join(words))


def _split(node: Node) -> tuple[Node | None, list[str]]:
    """A value and the letters behind it as the words of a unit; neither where there is more."""
    if not symbols(node):
        return node, []
    match node:
        case Symbol(name):
            return None, [name]
        case Power(Symbol(name), Number(exponent)) if exponent.denominator == 1:
            return None, [name, f"^{exponent}"]
        case Product(factors):
            value: Node | None = None
            words: list[str] = []
            for factor in factors:
                more, letters = _split(factor)
                if more is None and not letters:
                    return None, []
                value = more if value is None else Product((value, more)) if more else value
                words = words + letters
            return value, words
        case Quotient(over, under):
            value, words = _split(over)
            below, letters = _split(under)
            if below is None and letters and len(letters) <= 2:
                return value, [*words, "/", *letters]
            return (node, []) if not words and not letters else (None, [])
    return None, []
