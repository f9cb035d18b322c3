"""Whether two equations have other real solutions: a point of one that is none of the other.

Numbers are put in for all unknowns but one. Between two places where a polynomial has other signs
it has a zero; halving the way between them again and again leaves a short interval, and where the
other polynomial keeps away from 0 on all of it, that zero is none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise, product

from cotgen.verifiers.mathematics.forms import Form

MAX_TERMS = 60
MAX_DEGREE = 12
MAX_UNKNOWNS = 3
_HALVINGS = 40
_PLACES = tuple(Fraction(place, 3) for place in (-29, -11, -5, -2, 1, 2, 4, 7, 13, 31))
_VALUES = (Fraction(1, 7), Fraction(-6, 5), Fraction(11, 4))

Coefficients = list[Fraction]
"""From the constant upwards."""


def vanish_apart(one: Form, two: Form) -> bool:
    """Whether one of two rational polynomials is proven to have a zero the other has not."""
    names = sorted({key for form in (one, two) for monomial in form.over for key, _ in monomial})
    if not names or len(names) > MAX_UNKNOWNS or any(key[0] != "v" for key in names):
        return False
    if not all(_is_small(form) for form in (one, two)):
        return False
    for unknown in names:
        others = [name for name in names if name != unknown]
        for values in product(_VALUES, repeat=len(others)):
            point = dict(zip(others, values, strict=True))
            left, right = (_restricted(form, unknown, point) for form in (one, two))
            if _has_own_zero(left, right) or _has_own_zero(right, left):
                return True
    return False


def _is_small(form: Form) -> bool:
    if len(form.over) > MAX_TERMS:
        return False
    bits = max(factor.numerator.bit_length() for factor in form.over.values())
    degrees = (sum(exponent for _, exponent in monomial) for monomial in form.over)
    return bits < 300 and max(degrees) <= MAX_DEGREE


def _restricted(form: Form, unknown: str, point: dict[str, Fraction]) -> Coefficients:
    found: dict[int, Fraction] = {}
    for monomial, factor in form.over.items():
        degree, value = 0, factor
        for key, exponent in monomial:
            if key == unknown:
                degree = int(exponent)
            else:
                value *= point[key] ** int(exponent)
        found[degree] = found.get(degree, Fraction(0)) + value
    return [found.get(degree, Fraction(0)) for degree in range(max(found) + 1)]


def _has_own_zero(one: Coefficients, two: Coefficients) -> bool:
    return any(_keeps_away(two, low, high) for low, high in _zeros(one))


def _zeros(polynomial: Coefficients) -> Iterator[tuple[Fraction, Fraction]]:
    """Short intervals that hold a zero each."""
    signs = [(place, _at(polynomial, place)) for place in _PLACES]
    for (low, first), (high, last) in pairwise(signs):
        if first * last < 0:
            yield _halved(polynomial, low, high)


def _halved(polynomial: Coefficients, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    below = _at(polynomial, low) < 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        value = _at(polynomial, middle)
        if value == 0:
            return middle, middle
        low, high = (middle, high) if (value < 0) == below else (low, middle)
    return low, high


def _at(polynomial: Coefficients, place: Fraction) -> Fraction:
    value = Fraction(0)
    for coefficient in reversed(polynomial):
        value = value * place + coefficient
    return value


def _keeps_away(polynomial: Coefficients, low: Fraction, high: Fraction) -> bool:
    """Whether a polynomial has no zero from low to high: its value in the middle outweighs all
    that it can change on the way."""
    middle, reach = (low + high) / 2, (high - low) / 2
    farthest = max(abs(low), abs(high))
    slope = Fraction(0)
    for degree in range(len(polynomial) - 1, 0, -1):
        slope = slope * farthest + degree * abs(polynomial[degree])
    return abs(_at(polynomial, middle)) > slope * reach
