"""Expressions that are worked out at whole numbers: sums up to n, factorials, floors.

The numeric tier has no intervals for these; at a point they are exact, and a difference is proven.
"""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics import algebra, effort, numeric
from cotgen.verifiers.mathematics.nodes import (
    Function,
    Node,
    Number,
    Symbol,
    Unreadable,
    children,
    size,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import replaced
from cotgen.verifiers.mathematics.unfold import unfold

_OF_WHOLE = frozenset(
    ("sum", "prod", "factorial", "binomial", "floor", "ceil", "mod", "gcd", "lcm")
)
_STEPS_PER_NODE = 10
_MOST_NAMES = 4


def differ(one: Node, two: Node) -> bool:
    """Whether two expressions with such functions are proven to differ at some whole numbers."""
    names = sorted(symbols(one) | symbols(two))
    if not 0 < len(names) <= _MOST_NAMES or _has_unknown(one) or _has_unknown(two):
        return False
    if not (_has_whole(one) or _has_whole(two)):
        return False
    return any(_differ_at(one, two, names, values) for values in numeric.POINTS)


def _differ_at(one: Node, two: Node, names: list[str], values: tuple[int, ...]) -> bool:
    try:
        effort.spend(_STEPS_PER_NODE * (size(one) + size(two)))
        for name, value in zip(names, values, strict=False):
            one, two = (replaced(n, Symbol(name), Number(Fraction(value))) for n in (one, two))
        left, right = (algebra.normal(unfold(node)).value for node in (one, two))
    except Unreadable:
        return False
    return left is not None and right is not None and left != right


def _has_whole(node: Node) -> bool:
    own = isinstance(node, Function) and node.name in _OF_WHOLE
    return own or any(map(_has_whole, children(node)))


def _has_unknown(node: Node) -> bool:
    own = isinstance(node, Function) and node.name.startswith("?")
    return own or any(map(_has_unknown, children(node)))
