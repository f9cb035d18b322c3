"""Zero tests for constants: proofs where intervals alone only suggest that two values are equal.

An expression in roots of rational numbers and roots of unity is an algebraic number of bounded
degree and height. Unless it is 0 it is larger than a bound that its structure gives (the BFMSS
bound: Burnikel, Funke, Mehlhorn, Schirra and Schmitt, "A separation bound for real algebraic
expressions", 2009). An interval around 0 that is smaller than the bound proves that it is 0.

Sums of inverse sines, tangents and the like are angles: they are equal if their difference is less
than a full turn and the unit numbers at these angles are the same, which is algebraic again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm, prod

from cotgen.verifiers.mathematics import algebra, numeric
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Function,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Unreadable,
)

MAX_BITS = 12_000
"""Digits of the largest evaluation that a proof may need."""
MAX_EXPONENT = 1_000
MAX_TURN = 360
"""The largest denominator of a turn, as in the sine of a whole number of degrees."""
MAX_ARCS = 6

_ONE = Number(Fraction(1))
_MINUS_ONE = Number(Fraction(-1))
_I = Constant("i")


def same(one: Node, two: Node) -> bool:
    """Whether two constants are proven equal. False means: not proven."""
    gap = Sum((one, Product((_MINUS_ONE, two))))
    for proof in (is_zero, _same_angle):
        try:
            if proof(gap):
                return True
        except (Unreadable, ArithmeticError, ValueError):
            continue
    return False


def is_zero(node: Node) -> bool:
    """Whether an algebraic constant is proven to be 0. Raises Unreadable if it is of no kind."""
    bound = _Bound()
    size = bound.size(node)
    degree = bound.degree()
    bits = int((degree - 1) * size.over + size.under) + 20
    if bits > MAX_BITS:
        raise Unreadable("a proof too long")
    return numeric.is_below(node, bits)


@dataclass(frozen=True, slots=True)
class _Size:
    """Logarithms of the bounds on a number's conjugates: of its numerator and denominator."""

    over: float
    under: float


class _Bound:
    """Collects what an expression adjoins to the rational numbers."""

    def __init__(self) -> None:
        self.roots: dict[Node, int] = {}
        self.turns = 1

    def degree(self) -> int:
        product = _totient(self.turns)
        for index in self.roots.values():
            product *= index
        return product

    def size(self, node: Node) -> _Size:
        match node:
            case Number(value):
                return _Size(_log(value.numerator), _log(value.denominator))
            case Constant("i"):
                self.turns = lcm(self.turns, 4)
                return _Size(0, 0)
            case Sum(terms):
                return self.folded(terms, _added)
            case Product(factors):
                return self.folded(factors, _multiplied)
            case Quotient(over, under):
                return _multiplied(self.size(over), _inverted(self.size(under)))
            case Root(radicand, index):
                return self.root(node, self.size(radicand), index)
            case Power(base, exponent):
                return self.power(node, base, exponent)
            case Function(name, (arg,)) if name in ("sin", "cos", "tan"):
                return self.trigonometric(name, arg)
            case _:
                raise Unreadable("no algebraic number")

    def folded(self, nodes: tuple[Node, ...], fold: Callable[[_Size, _Size], _Size]) -> _Size:
        result = self.size(nodes[0])
        for node in nodes[1:]:
            result = fold(result, self.size(node))
        return result

    def root(self, node: Node, size: _Size, index: int) -> _Size:
        self.roots[node] = index
        if size.over >= size.under:
            return _Size((size.over + (index - 1) * size.under) / index, size.under)
        return _Size(size.over, ((index - 1) * size.over + size.under) / index)

    def power(self, node: Node, base: Node, exponent: Node) -> _Size:
        if base == Constant("e"):
            turn = _turn(exponent, complex_=True)
            self.turns = lcm(self.turns, turn)
            return _Size(0, 0)
        value = _rational(exponent)
        if abs(value.numerator) > MAX_EXPONENT or value.denominator > 100:
            raise Unreadable("a power too high")
        size = self.size(base)
        if value.numerator < 0:
            size = _inverted(size)
        times = abs(value.numerator)
        size = _Size(size.over * times, size.under * times)
        return size if value.denominator == 1 else self.root(node, size, value.denominator)

    def trigonometric(self, name: str, arg: Node) -> _Size:
        """Half a sum of two roots of unity; i is among them too, which the sine needs."""
        self.turns = lcm(self.turns, _turn(arg, complex_=False), 4)
        return _Size(1, 1) if name != "tan" else _Size(2, 2)


def _log(number: int) -> float:
    return max(abs(number).bit_length(), 1) if abs(number) > 1 else 0


def _added(one: _Size, two: _Size) -> _Size:
    crossed = max(one.over + two.under, two.over + one.under) + 1
    return _Size(crossed, one.under + two.under)


def _multiplied(one: _Size, two: _Size) -> _Size:
    return _Size(one.over + two.over, one.under + two.under)


def _inverted(size: _Size) -> _Size:
    return _Size(size.under, size.over)


def _turn(angle: Node, *, complex_: bool) -> int:
    """The order of the root of unity at an angle that is a rational part of a turn."""
    key = (("c:i", Fraction(1)), ("c:pi", Fraction(1))) if complex_ else (("c:pi", Fraction(1)),)
    over = algebra.normal(angle).over
    if not over:
        return 1
    if list(over) != [key]:
        raise Unreadable("no rational part of a turn")
    part = over[key] / 2
    if part.denominator > MAX_TURN:
        raise Unreadable("too small a part of a turn")
    return part.denominator


def _totient(number: int) -> int:
    return sum(gcd(number, each) == 1 for each in range(1, number + 1))


def _rational(node: Node) -> Fraction:
    value = algebra.normal(node).value
    if value is None:
        raise Unreadable("an exponent that is not rational")
    return value


# --- angles ---------------------------------------------------------------------------------------

_ARCS = frozenset(("arcsin", "arccos", "arctan"))


def _same_angle(gap: Node) -> bool:
    """Whether a sum of angles is 0: a multiple of it, without fractions, is less than a turn."""
    parts: dict[Node, Fraction] = {}
    _collect(gap, Fraction(1), parts)
    if not any(isinstance(part, Function) for part in parts) or len(parts) > MAX_ARCS:
        return False
    scale = lcm(*(factor.denominator for factor in parts.values()))
    factors: list[Node] = []
    for part, factor in parts.items():
        times = factor * scale
        if abs(times) > 20:
            return False
        factors.append(Power(_unit(part), Number(times)))
    turned = Sum((Product(tuple(factors)), _MINUS_ONE))
    within = Sum((Number(Fraction(3)), Product((Number(Fraction(-scale)), gap))))
    beyond = Sum((Number(Fraction(3)), Product((Number(Fraction(scale)), gap))))
    small = numeric.sign(within) == numeric.sign(beyond) == 1
    return small and is_zero(turned)


def _collect(node: Node, factor: Fraction, parts: dict[Node, Fraction]) -> None:
    """The angles that a sum consists of, each with its factor; π is one of them."""
    match node:
        case Sum(terms):
            for term in terms:
                _collect(term, factor, parts)
        case Quotient(over, Number(value)) if value:
            _collect(over, factor / value, parts)
        case Product(factors):
            rest = [each for each in factors if not isinstance(each, Number)]
            if len(rest) != 1:
                raise Unreadable("no sum of angles")
            scale = prod((n.value for n in factors if isinstance(n, Number)), start=Fraction(1))
            _collect(rest[0], factor * scale, parts)
        case Function("degree", (Number(value),)):
            _collect(Constant("pi"), factor * value / 180, parts)
        case Number(value) if not value:
            pass
        case _:
            if node != Constant("pi") and not (isinstance(node, Function) and node.name in _ARCS):
                raise Unreadable("no sum of angles")
            parts[node] = parts.get(node, Fraction(0)) + factor


def _unit(angle: Node) -> Node:
    """The unit number at an angle."""
    if angle == Constant("pi"):
        return _MINUS_ONE
    assert isinstance(angle, Function)
    arg = angle.args[0]
    square = Power(arg, Number(Fraction(2)))
    if angle.name == "arctan":
        slant = Sum((_ONE, Product((_I, arg))))
        return Quotient(slant, Root(Sum((_ONE, square)), 2))
    other = Root(Sum((_ONE, Product((_MINUS_ONE, square)))), 2)
    if angle.name == "arcsin":
        return Sum((other, Product((_I, arg))))
    return Sum((arg, Product((_I, other))))
