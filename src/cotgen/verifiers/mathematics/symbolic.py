"""The symbolic tier: sympy, built from nodes and never from text.

Confirms only: a difference that simplifies to zero. Slow, hence last, and only for small answers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

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
    contains,
    size,
)

MAX_SIZE = 50
MAX_BITS = 400
MAX_EXPONENT = 40
MAX_SUM_EXPONENT = 6

Expression = Any
"""A sympy expression: the library carries no types."""

_FUNCTIONS = frozenset(
    (
        *("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "exp"),
        *("floor", "factorial", "binomial"),
    )
)
_RENAMED = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ceil": "ceiling", "abs": "Abs"}


def equal(one: Node, two: Node) -> bool:
    """Whether sympy shows two expressions to be equal. False means: not shown."""
    if size(one) + size(two) > MAX_SIZE:
        return False
    import sympy

    try:
        gap = _build(one) - _build(two)
    except Unreadable:
        return False
    if gap.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    return any(simpler(gap) == 0 for simpler in (sympy.expand, sympy.simplify, _expanded))


def _expanded(expression: Expression) -> Expression:
    import sympy

    return sympy.simplify(sympy.expand(expression, func=True, trig=True, complex=False))


def _build(node: Node) -> Expression:
    import sympy

    match node:
        case Number(value):
            return _rational(value)
        case Symbol(name):
            return sympy.Symbol(name)
        case Constant(name):
            return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}[name]
        case Sum(terms):
            return sympy.Add(*map(_build, terms))
        case Product(factors):
            return sympy.Mul(*map(_build, factors))
        case Quotient(over, under):
            return _build(over) / _build(under)
        case Power(base, exponent):
            return _power(base, exponent)
        case Root(radicand, index):
            return _root(_build(radicand), index)
        case Function(name, args):
            return _function(name, [_build(arg) for arg in args])
        case _:
            raise Unreadable("no expression")


def _rational(value: Fraction) -> Expression:
    import sympy

    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise Unreadable("a number too big for sympy")
    return sympy.Rational(value.numerator, value.denominator)


def _power(base: Node, exponent: Node) -> Expression:
    """What sympy works out or expands at once is checked for its size here."""
    raised, power = _build(base), _build(exponent)
    limit = MAX_SUM_EXPONENT if contains(base, Sum) else MAX_EXPONENT
    small = power.is_Rational and abs(power) <= limit
    if power.is_Rational and not small:
        raise Unreadable("a power too big for sympy")
    if power.is_number and raised.is_number and contains(exponent, (Power, Function)):
        raise Unreadable("a tower of powers")
    return raised**power


def _root(radicand: Expression, index: int) -> Expression:
    import sympy

    if index % 2 and radicand.is_number and radicand.is_negative:
        return -sympy.root(-radicand, index)
    return sympy.root(radicand, index)


def _function(name: str, args: list[Expression]) -> Expression:
    import sympy

    match name, args:
        case "percent", [arg]:
            return arg / 100
        case "degree", [arg]:
            return arg * sympy.pi / 180
        case "ln", [arg]:
            return sympy.log(arg)
        case "lg", [arg]:
            return sympy.log(arg, 10)
        case "log", [arg, base]:
            return sympy.log(arg, base)
        case (("factorial" | "binomial"), _) if any(
            arg.is_number and not (arg.is_Integer and 0 <= arg <= 200) for arg in args
        ):
            raise Unreadable("a factorial too big for sympy")
    if name not in _FUNCTIONS and name not in _RENAMED:
        raise Unreadable(f"{name} is unknown to sympy")
    return getattr(sympy, _RENAMED.get(name, name))(*args)
