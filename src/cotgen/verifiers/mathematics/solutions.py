"""Where a quotient of polynomials in one unknown is positive, negative or zero, exactly.

The zeros that are found have a closed form: rational ones, those of a quadratic, and those of a
polynomial in a power of the unknown that comes down to these. Where others are left, nothing is
said. Between two neighbouring zeros a sign is kept, and it changes at those of odd multiplicity.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise
from math import gcd, lcm

from cotgen.verifiers.mathematics import algebra, effort
from cotgen.verifiers.mathematics.forms import ONE, Polynomial
from cotgen.verifiers.mathematics.nodes import (
    Function,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Unreadable,
    children,
    symbols,
)
from cotgen.verifiers.mathematics.scalars import order

MAX_DEGREE = 12
MAX_BITS = 200
MAX_CANDIDATES = 2_000
"""Quotients of divisors that are tried as rational zeros."""

Coefficients = tuple[Fraction, ...]
"""From the constant upwards; the last one is not zero."""


@dataclass(frozen=True, slots=True)
class Zero:
    """A place where a quotient changes its sign, where it is zero, or where it has no value."""

    value: Node
    odd: bool
    defined: bool


@dataclass(frozen=True, slots=True)
class Signs:
    """The zeros in order, and the sign before the first of them."""

    zeros: tuple[Zero, ...]
    first: int


def signs(gap: Node) -> Signs:
    """Where an expression in one unknown has which sign. Raises Unreadable where it is not told."""
    form = algebra.normal(gap)
    over, under = _coefficients(form.over), _coefficients(form.under)
    shift = min(_lowest(form.over), _lowest(form.under), 0)
    if shift:
        over, under = (_coefficients(each, -shift) for each in (form.over, form.under))
    if not over:
        raise Unreadable("a relation that always or never holds")
    found = [(value, times % 2 == 1, True) for value, times in _zeros(over)]
    found += [(value, times % 2 == 1, False) for value, times in _zeros(under)]
    found += [(value, False, False) for value in _holes(gap)]
    zeros = _merged(found)
    leading = over[-1] * under[-1] > 0
    flips = len(over) - len(under)
    return Signs(zeros, 1 if leading == (flips % 2 == 0) else -1)


def _lowest(polynomial: Polynomial) -> int:
    powers = [exponent for monomial in polynomial for key, exponent in monomial if key[0] == "v"]
    return int(min(powers, default=0))


def _coefficients(polynomial: Polynomial, shift: int = 0) -> Coefficients:
    """The coefficients of a polynomial in one unknown, each power raised by `shift`."""
    found: dict[int, Fraction] = {}
    for monomial, factor in polynomial.items():
        if monomial != ONE and (len(monomial) > 1 or monomial[0][0][0] != "v"):
            raise Unreadable("a relation that is not rational")
        exponent = monomial[0][1] if monomial else Fraction(0)
        if exponent.denominator != 1 or abs(exponent) > MAX_DEGREE:
            raise Unreadable("a relation of too high a degree")
        found[int(exponent) + shift] = factor
    if max(found, default=0) > MAX_DEGREE:
        raise Unreadable("a relation of too high a degree")
    if any(_bits(factor) > MAX_BITS for factor in found.values()):
        raise Unreadable("a relation with too long numbers")
    return tuple(found.get(power, Fraction(0)) for power in range(max(found, default=-1) + 1))


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _holes(node: Node) -> list[Node]:
    """Where something in an expression has no value: `x^2/x` has none at 0."""
    below: list[Node] = []
    match node:
        case Quotient(_, under):
            below.append(under)
        case Power(base, Number(value)) if value < 0:
            below.append(base)
        case Root() | Function():
            raise Unreadable("a relation that is not rational")
        case Power(base, exponent) if symbols(exponent) or not _is_whole(exponent):
            raise Unreadable("a relation that is not rational")
    found = [hole for child in children(node) for hole in _holes(child)]
    for each in below:
        if symbols(each):
            found += [zero.value for zero in signs(each).zeros]
    return found


def _is_whole(node: Node) -> bool:
    return isinstance(node, Number) and node.value.denominator == 1


def _merged(found: list[tuple[Node, bool, bool]]) -> tuple[Zero, ...]:
    """The places in order, each once."""
    zeros: list[Zero] = []
    for value, odd, defined in sorted(found, key=cmp_to_key(_in_order)):
        if zeros and order(zeros[-1].value, value) == 0:
            last = zeros.pop()
            zeros.append(Zero(value, last.odd != odd, last.defined and defined))
        else:
            zeros.append(Zero(value, odd, defined))
    return tuple(zeros)


def _in_order(one: tuple[Node, bool, bool], two: tuple[Node, bool, bool]) -> int:
    return order(one[0], two[0])


# --- zeros of one polynomial ----------------------------------------------------------------------


def _zeros(polynomial: Coefficients) -> list[tuple[Node, int]]:
    """All real zeros, each with its multiplicity. Raises Unreadable where some are not found."""
    effort.spend(20 * len(polynomial) ** 2)
    found: list[tuple[Node, int]] = []
    rest = polynomial
    while len(rest) > 1 and rest[0] == 0:
        rest = rest[1:]
    if len(rest) < len(polynomial):
        found.append((Number(Fraction(0)), len(polynomial) - len(rest)))
    for candidate in _candidates(rest):
        times = 0
        while len(rest) > 1 and _at(rest, candidate) == 0:
            rest, times = _divided(rest, (-candidate, Fraction(1)))[0], times + 1
        if times:
            found.append((Number(candidate), times))
    for part, times in _square_free(rest):
        found += [(value, times) for value in _irrational(part)]
    return found


def _candidates(polynomial: Coefficients) -> list[Fraction]:
    """Rational numbers among which all rational zeros are, if the coefficients are small."""
    if len(polynomial) < 3:
        return [-polynomial[0] / polynomial[1]] if len(polynomial) == 2 else []
    scale = lcm(*(factor.denominator for factor in polynomial))
    whole = [int(factor * scale) for factor in polynomial]
    whole = [factor // gcd(*whole) for factor in whole]
    over, under = (_divisors(abs(each)) for each in (whole[0], whole[-1]))
    if len(over) * len(under) > MAX_CANDIDATES:
        raise Unreadable("a relation with too long numbers")
    effort.spend(len(over) * len(under))
    sizes = {Fraction(a, b) for a in over for b in under}
    return sorted(sign * size for size in sizes for sign in (1, -1))


def _divisors(number: int) -> list[int]:
    if number > 10**6:
        raise Unreadable("a relation with too long numbers")
    effort.spend(int(number**0.5) // 10)
    small = [each for each in range(1, int(number**0.5) + 1) if number % each == 0]
    return sorted({*small, *(number // each for each in small)})


def _square_free(polynomial: Coefficients) -> list[tuple[Coefficients, int]]:
    """Yun's decomposition: factors without repeated zeros, and how often each divides."""
    parts: list[tuple[Coefficients, int]] = []
    common = _common(polynomial, _derivative(polynomial))
    rest, times = _divided(polynomial, common)[0], 1
    while len(rest) > 1:
        shared = _common(rest, common)
        part = _divided(rest, shared)[0]
        if len(part) > 1:
            parts.append((part, times))
        rest, common, times = shared, _divided(common, shared)[0], times + 1
    return parts


def _irrational(polynomial: Coefficients) -> list[Node]:
    """The real zeros of a polynomial that has no rational and no repeated one."""
    if len(polynomial) == 2:
        return [Number(-polynomial[0] / polynomial[1])]
    if _count(polynomial) == 0:
        return []
    step = gcd(*(power for power, factor in enumerate(polynomial) if factor))
    if step > 1:
        inner = _zeros(polynomial[::step])
        return [root for value, _ in inner for root in _roots(value, step)]
    if len(polynomial) == 3:
        c, b, a = polynomial
        root = Root(Number(b * b - 4 * a * c), 2)
        return [
            Quotient(Sum((Number(-b), Product((Number(Fraction(s)), root)))), Number(2 * a))
            for s in (1, -1)
        ]
    raise Unreadable("a relation whose zeros have no short form")


def _roots(value: Node, index: int) -> list[Node]:
    """The real numbers whose power is this value."""
    negative = order(value, Number(Fraction(0))) < 0
    if index % 2 == 0:
        root = Root(value, index)
        return [] if negative else [root, Product((Number(Fraction(-1)), root))]
    size = Product((Number(Fraction(-1)), value)) if negative else value
    root = Root(size, index)
    return [Product((Number(Fraction(-1)), root)) if negative else root]


def _count(polynomial: Coefficients) -> int:
    """How many real zeros there are, by Sturm's theorem."""
    chain = [polynomial, _derivative(polynomial)]
    while len(chain[-1]) > 1:
        effort.spend(50)
        rest = _divided(chain[-2], chain[-1])[1]
        if not rest:
            break
        if any(_bits(factor) > 20 * MAX_BITS for factor in rest):
            raise Unreadable("a relation with too long numbers")
        chain.append(tuple(-factor for factor in rest))
    high = [each[-1] > 0 for each in chain]
    low = [(each[-1] > 0) == (len(each) % 2 == 1) for each in chain]
    changes = [sum(a != b for a, b in pairwise(each)) for each in (low, high)]
    return changes[0] - changes[1]


def _at(polynomial: Coefficients, place: Fraction) -> Fraction:
    value = Fraction(0)
    for factor in reversed(polynomial):
        value = value * place + factor
    return value


def _derivative(polynomial: Coefficients) -> Coefficients:
    return tuple(power * factor for power, factor in enumerate(polynomial) if power)


def _divided(over: Coefficients, under: Coefficients) -> tuple[Coefficients, Coefficients]:
    """The quotient and the remainder."""
    rest, quotient = list(over), [Fraction(0)] * max(len(over) - len(under) + 1, 1)
    while len(rest) >= len(under):
        factor, shift = rest[-1] / under[-1], len(rest) - len(under)
        quotient[shift] = factor
        for power, each in enumerate(under):
            rest[shift + power] -= factor * each
        rest.pop()
        while rest and not rest[-1]:
            rest.pop()
    return tuple(quotient), tuple(rest)


def _common(one: Coefficients, two: Coefficients) -> Coefficients:
    """The greatest common divisor, with 1 as its leading coefficient."""
    while two:
        effort.spend(50)
        one, two = two, _divided(one, two)[1]
        if any(_bits(factor) > 20 * MAX_BITS for factor in two):
            raise Unreadable("a relation with too long numbers")
    return tuple(factor / one[-1] for factor in one)
