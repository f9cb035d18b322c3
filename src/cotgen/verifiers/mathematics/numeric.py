"""The numeric tier: interval arithmetic, so that a difference it finds is proven.

Every operation rounds outwards; two values differ if their intervals do not meet. Intervals that
meet prove nothing, however narrow, so this tier never confirms.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle
from typing import Any

from mpmath import MPContext
from mpmath.ctx_iv import MPIntervalContext

from cotgen.verifiers.mathematics import effort
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
    Symbol,
    Unreadable,
    symbols,
)

PRECISIONS = (120, 480, 1_600)
"""Bits. The last two resolve 1e-100 beside 1."""
_STEPS_PER_CONTEXT = 1_000
MAX_MAGNITUDE = 20_000
"""Bits before or after the point; beyond it exponentials of exponentials lie."""
POINTS = ((7, 11, 13, 17, 19, 23, 29, 31), (3, 2, 5, 29, 31, 37, 41, 43), tuple(range(1, 9)))
"""Positive whole numbers: unknowns may mean lengths or counts, where √(x²) is x and cos(2πn) 1."""


def differ(one: Node, two: Node) -> bool:
    """Whether two expressions are proven to differ, at some point if they hold variables."""
    names = sorted(symbols(one) | symbols(two))
    if len(names) > len(POINTS[0]):
        return False
    for values in POINTS if names else ((),):
        point = {name: Fraction(value) for name, value in zip(names, values, strict=False)}
        if _differ_at(one, two, point):
            return True
    return False


def differ_below_zero(one: Node, two: Node) -> bool:
    """Whether two real expressions are proven to differ at a point with negative coordinates.

    x√(y/x) is √(xy) for positive numbers, and its opposite where both are negative.
    """
    names = sorted(symbols(one) | symbols(two))
    if not names or len(names) > len(POINTS[0]):
        return False
    for signs in ((-1,), (-1, 1), (1, -1)):
        values = (
            Fraction(value * sign) for value, sign in zip(POINTS[0], cycle(signs), strict=False)
        )
        point = dict(zip(names, values, strict=False))
        if _differ_at(one, two, point, PRECISIONS[:1], real=True):
            return True
    return False


def _differ_at(
    one: Node,
    two: Node,
    point: Mapping[str, Fraction],
    precisions: tuple[int, ...] = PRECISIONS,
    *,
    real: bool = False,
) -> bool:
    for precision in precisions:
        evaluator = _Evaluator(precision, point, real=real)
        try:
            left, right = evaluator.value(one), evaluator.value(two)
        except (Unreadable, ArithmeticError, ValueError):
            continue
        gap = evaluator.add(left, evaluator.negative(right))
        if _excludes_zero(gap.real) or (
            gap.imaginary is not None and _excludes_zero(gap.imaginary)
        ):
            return True
    return False


def sign(node: Node) -> int | None:
    """-1 or 1 for a constant that is proven negative or positive, else None."""
    for precision in PRECISIONS:
        try:
            value = _Evaluator(precision, {}).value(node)
        except (Unreadable, ArithmeticError, ValueError):
            return None
        if value.imaginary is None and _excludes_zero(value.real):
            return 1 if value.real.a > 0 else -1
    return None


def is_below(node: Node, bits: int) -> bool:
    """Whether the absolute value of a constant is proven to be below 2 to the power of -bits."""
    effort.spend(_STEPS_PER_CONTEXT)
    evaluator = _Evaluator(bits + 60, {})
    value = evaluator.value(node)
    limit = evaluator.mp.ldexp(1, -bits)
    parts = [value.real] if value.imaginary is None else [value.real, value.imaginary]
    ends = [evaluator.mp.make_mpf(end._mpi_[0]) for part in parts for end in (part.a, part.b)]
    return all(-limit < end < limit for end in ends)


def floor(node: Node) -> int | None:
    """The next lower whole number of a constant, where an interval lies between two of them."""
    for precision in PRECISIONS:
        evaluator = _Evaluator(precision, {})
        try:
            value = evaluator.value(node)
        except (Unreadable, ArithmeticError, ValueError):
            return None
        if value.imaginary is None:
            ends = [evaluator.mp.make_mpf(end._mpi_[0]) for end in (value.real.a, value.real.b)]
            low, high = (int(evaluator.mp.floor(end)) for end in ends)
            if low == high and ends[0] != low:
                return low
    return None


Interval = Any
"""An mpmath interval: the library carries no types."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle of complex numbers; `imaginary` is None where the value is real."""

    real: Interval
    imaginary: Interval | None = None


def _excludes_zero(interval: Interval) -> bool:
    return bool(interval.a > 0 or interval.b < 0)


class _Contexts(threading.local):
    """mpmath's contexts by precision. One takes a millisecond to make, and no two threads may work
    in the same."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[MPIntervalContext, MPContext]] = {}

    def of(self, precision: int) -> tuple[MPIntervalContext, MPContext]:
        found = self.made.get(precision)
        if found is None:
            found = MPIntervalContext(), MPContext()
            for context in found:
                context.prec = precision
            if precision in PRECISIONS:
                self.made[precision] = found
        return found


_contexts = _Contexts()


class _Evaluator:
    """Interval arithmetic at one precision and one point."""

    def __init__(
        self, precision: int, point: Mapping[str, Fraction], *, real: bool = False
    ) -> None:
        self.real = real
        self.iv, self.mp = _contexts.of(precision)
        self.point = point
        self.plain_steps = 8 + precision * precision // 500_000
        self.steps = 10 + precision * precision // 16_000

    def spend(self, times: int) -> None:
        """For so many exponentials, logarithms or sines, before they are worked out."""
        effort.spend(times * self.steps)

    def value(self, node: Node) -> _Box:
        effort.spend(self.plain_steps)
        box = self.raw(node)
        for part in (box.real, box.imaginary):
            if part is not None:
                self.check(part)
        return box

    def check(self, interval: Interval) -> None:
        for bound in (interval.a, interval.b):
            _, mantissa, exponent, bits = bound._mpi_[0]
            if (not mantissa and exponent) or abs(exponent + bits) > MAX_MAGNITUDE:
                raise Unreadable("a number too big to evaluate")

    def raw(self, node: Node) -> _Box:
        match node:
            case Number(value):
                return self.rational(value)
            case Symbol(name) if name in self.point:
                return self.rational(self.point[name])
            case Constant(name):
                return self.constant(name)
            case Sum(terms):
                return self.fold(self.add, terms)
            case Product(factors):
                return self.fold(self.multiply, factors)
            case Quotient(over, under):
                return self.multiply(self.value(over), self.inverse(self.value(under)))
            case Power(base, exponent):
                return self.power(self.value(base), exponent)
            case Root(radicand, index):
                return self.root(self.value(radicand), index)
            case Function(name, args):
                return self.function(name, [self.value(arg) for arg in args])
            case _:
                raise Unreadable("no number")

    def constant(self, name: str) -> _Box:
        match name:
            case "i":
                return _Box(self.iv.mpf(0), self.iv.mpf(1))
            case "pi":
                return _Box(+self.iv.pi)
            case "e":
                return _Box(+self.iv.e)
        raise Unreadable("infinity is no number")

    def rational(self, value: Fraction) -> _Box:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_MAGNITUDE:
            raise Unreadable("a number too big to evaluate")
        return _Box(self.iv.mpf(value.numerator) / self.iv.mpf(value.denominator))

    def fold(self, operation: Callable[[_Box, _Box], _Box], nodes: tuple[Node, ...]) -> _Box:
        result = self.value(nodes[0])
        for node in nodes[1:]:
            result = operation(result, self.value(node))
        return result

    def add(self, one: _Box, two: _Box) -> _Box:
        if one.imaginary is None and two.imaginary is None:
            return _Box(one.real + two.real)
        return _Box(one.real + two.real, self.part(one) + self.part(two))

    def part(self, box: _Box) -> Interval:
        return self.iv.mpf(0) if box.imaginary is None else box.imaginary

    def negative(self, box: _Box) -> _Box:
        return _Box(-box.real, None if box.imaginary is None else -box.imaginary)

    def multiply(self, one: _Box, two: _Box) -> _Box:
        if one.imaginary is None and two.imaginary is None:
            return _Box(one.real * two.real)
        a, b, c, d = one.real, self.part(one), two.real, self.part(two)
        return _Box(a * c - b * d, a * d + b * c)

    def inverse(self, box: _Box) -> _Box:
        if box.imaginary is None:
            if not _excludes_zero(box.real):
                raise Unreadable("division by what may be zero")
            return _Box(1 / box.real)
        norm = box.real * box.real + box.imaginary * box.imaginary
        if not _excludes_zero(norm):
            raise Unreadable("division by what may be zero")
        return _Box(box.real / norm, -box.imaginary / norm)

    # -- powers and roots --------------------------------------------------------------------

    def power(self, base: _Box, exponent: Node) -> _Box:
        whole = _whole(exponent)
        if whole is None:
            power = self.value(exponent)
            whole = self.exact_whole(power)
        if whole is not None:
            return self.whole_power(base, whole)
        if base.imaginary is not None or not base.real.a > 0:
            raise Unreadable("a power of what may not be positive")
        self.spend(1)
        return self.exp(self.multiply(power, _Box(self.iv.log(base.real))))

    def exact_whole(self, box: _Box) -> int | None:
        """The whole number that an interval of width zero is."""
        if box.imaginary is None and box.real.a == box.real.b:
            bound = self.mp.mpf(box.real.a._mpi_[0])
            if self.mp.isint(bound):
                return int(bound)
        return None

    def whole_power(self, base: _Box, exponent: int) -> _Box:
        if abs(exponent) > MAX_MAGNITUDE:
            raise Unreadable("a power too big to evaluate")
        if exponent < 0:
            return self.whole_power(self.inverse(base), -exponent)
        effort.spend(4 * exponent.bit_length() * self.plain_steps)
        if base.imaginary is None:
            return _Box(base.real**exponent)
        result = self.rational(Fraction(1))
        for bit in bin(exponent)[2:]:
            result = self.multiply(result, result)
            if bit == "1":
                result = self.multiply(result, base)
        return result

    def root(self, box: _Box, index: int) -> _Box:
        if box.imaginary is not None:
            return self.complex_root(box.real, box.imaginary, index)
        real = box.real
        if real.b < 0:
            positive = self.root(_Box(-real), index)
            if index % 2:
                return self.negative(positive)
            if index == 2 and not self.real:
                return _Box(self.iv.mpf(0), positive.real)
        if not real.a > 0:
            raise Unreadable("a root of what may not be positive")
        self.spend(2)
        return _Box(self.iv.exp(self.iv.log(real) / index))

    def complex_root(self, real: Interval, imaginary: Interval, index: int) -> _Box:
        """The principal square root; of others little is asked."""
        if index != 2 or self.real or not _excludes_zero(imaginary):
            raise Unreadable("a root of a complex number")
        length = self.root(_Box(real * real + imaginary * imaginary), 2).real
        if real.a >= 0:
            part = self.root(_Box((length + real) / 2), 2).real
            return _Box(part, imaginary / (2 * part))
        if real.b > 0:
            raise Unreadable("a root of what may lie left or right")
        part = self.root(_Box((length - real) / 2), 2).real
        part = part if imaginary.a > 0 else -part
        return _Box(imaginary / (2 * part), part)

    def exp(self, box: _Box) -> _Box:
        self.check_exponent(box.real)
        self.spend(1 if box.imaginary is None else 3)
        size = self.iv.exp(box.real)
        if box.imaginary is None:
            return _Box(size)
        return _Box(size * self.iv.cos(box.imaginary), size * self.iv.sin(box.imaginary))

    def check_exponent(self, interval: Interval) -> None:
        if not -MAX_MAGNITUDE < interval.a <= interval.b < MAX_MAGNITUDE:
            raise Unreadable("an exponential too big to evaluate")

    # -- functions ---------------------------------------------------------------------------

    def function(self, name: str, args: list[_Box]) -> _Box:
        if name == "exp":
            return self.exp(args[0])
        reals = [arg.real for arg in args if arg.imaginary is None]
        if len(reals) != len(args):
            raise Unreadable(f"{name} of a complex number")
        if name in _LOGARITHMS:
            return self.logarithm(name, reals)
        self.check_exponent(reals[0])
        return _Box(self.real_function(name, reals))

    def real_function(self, name: str, args: list[Interval]) -> Interval:
        x = args[0]
        self.spend(2)
        if name in ("arctan", "arcsin", "arccos"):
            return self.inverse_trigonometric(name, x)
        if name == "abs" and _excludes_zero(x):
            return x if x.a > 0 else -x
        if name not in _ELEMENTARY:
            raise Unreadable(f"{name} is not evaluated")
        return _ELEMENTARY[name](self, x)

    def reciprocal(self, x: Interval) -> Interval:
        return self.inverse(_Box(x)).real

    def logarithm(self, name: str, args: list[Interval]) -> _Box:
        if name == "log" and len(args) == 1:
            raise Unreadable("a logarithm without a base")
        value = self.ln(args[0])
        if name == "ln":
            return value
        base = self.iv.mpf(10) if name == "lg" else args[1]
        return self.multiply(value, self.inverse(self.ln(base)))

    def ln(self, x: Interval) -> _Box:
        """The principal value, where it is plain on which side of 0 the argument lies."""
        self.spend(1)
        if x.a > 0:
            return _Box(self.iv.log(x))
        if x.b < 0 and not self.real:
            return _Box(self.iv.log(-x), +self.iv.pi)
        raise Unreadable("the logarithm of what may not be positive")

    def inverse_trigonometric(self, name: str, x: Interval) -> Interval:
        """Monotone functions: the values at both ends, widened by far more than their error."""
        if name != "arctan" and not -1 < x.a <= x.b < 1:
            raise Unreadable(f"{name} of what may be beyond 1")
        function = {"arctan": self.mp.atan, "arcsin": self.mp.asin, "arccos": self.mp.acos}[name]
        ends = [function(self.mp.make_mpf(end._mpi_[0])) for end in (x.a, x.b)]
        slack = self.mp.ldexp(1, 8 - self.mp.prec)
        return self.iv.mpf([min(ends) - slack, max(ends) + slack])


_LOGARITHMS = frozenset(("ln", "lg", "log"))
_ELEMENTARY: dict[str, Callable[[_Evaluator, Interval], Interval]] = {
    "percent": lambda _, x: x / 100,
    "degree": lambda at, x: x * at.iv.pi / 180,
    "sin": lambda at, x: at.iv.sin(x),
    "cos": lambda at, x: at.iv.cos(x),
    "tan": lambda at, x: at.iv.sin(x) * at.reciprocal(at.iv.cos(x)),
    "cot": lambda at, x: at.iv.cos(x) * at.reciprocal(at.iv.sin(x)),
    "sec": lambda at, x: at.reciprocal(at.iv.cos(x)),
    "csc": lambda at, x: at.reciprocal(at.iv.sin(x)),
    "sinh": lambda at, x: (at.iv.exp(x) - at.iv.exp(-x)) / 2,
    "cosh": lambda at, x: (at.iv.exp(x) + at.iv.exp(-x)) / 2,
    "tanh": lambda at, x: 1 - 2 / (at.iv.exp(2 * x) + 1),
}


def _whole(node: Node) -> int | None:
    if isinstance(node, Number) and node.value.denominator == 1:
        return node.value.numerator
    return None
