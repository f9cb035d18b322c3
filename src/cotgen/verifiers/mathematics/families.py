"""Families of values that a letter for any whole number runs through: general solutions.

`\\frac{\\pi}{4} + k\\pi` is `\\frac{5\\pi}{4} + n\\pi`, and `k\\pi` with `\\frac{\\pi}{2} + k\\pi`
is `\\frac{k\\pi}{2}`: all members are brought to one step, and their places compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from cotgen.verifiers.mathematics import algebra
from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.forms import ONE
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Node,
    Number,
    Power,
    Product,
    Relation,
    Sequence,
    Sum,
    Symbol,
    Unreadable,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import rebuilt, replaced
from cotgen.verifiers.mathematics.rules import Judge

MAX_MEMBERS = 20
MAX_PLACES = 400
_COUNTERS = frozenset("knm")
_DECLARED = "any Z"
"""The name that a letter gets of which an answer says that it is any whole number."""
_PI = (("c:pi", Fraction(1)),)


@dataclass(frozen=True, slots=True)
class _Family:
    """Every `step` from `start` on, both ways, in parts of π or in ones."""

    start: Fraction
    step: Fraction
    turns: bool
    declared: bool


def families(one: Node, two: Node, _: Judge) -> Decision | None:
    """Equal or different where both sides are nothing but families of one kind."""
    first, second = _families(one), _families(two)
    if not first or not second or len({each.turns for each in (*first, *second)}) > 1:
        return None
    same = _same(first, second)
    if same is None:
        return None
    if same and first[0].turns and symbols(one) == symbols(two) and _may_count(first, second):
        return undecided("constant", "the letter may be a number that the question gives")
    if first[0].turns or all(each.declared for each in (*first, *second)):
        return equal("constant") if same else different("constant", "another family of values")
    named = isinstance(one, Relation) and isinstance(two, Relation)
    if same and named and first != second:
        return undecided("constant", "the same values if the letter is any whole number")
    return None


def _may_count(one: list[_Family], two: list[_Family]) -> bool:
    """`(n - 2)\\pi` beside `n\\pi`: n may be a number of corners, for nothing says it is any."""
    if len(one) > 1 or len(two) > 1 or one == two or one[0].declared:
        return False
    return one[0].start % one[0].step == 0


def _families(node: Node) -> list[_Family]:
    items = node.items if isinstance(node, Sequence) and node.open in ("", "{") else (node,)
    named = {item.sides[0] for item in items if isinstance(item, Relation)}
    if len(items) > MAX_MEMBERS or len(named) > 1:
        return []
    values = [_value(item) for item in items]
    if not all(isinstance(value, SCALARS) and len(symbols(value)) == 1 for value in values):
        return []
    found = [_family(part) for value in values for part in _by_parity(value)]
    return [each for each in found if each is not None] if None not in found else []


def _value(node: Node) -> Node:
    match node:
        case Relation((Symbol(name), value), ("=",)) if not _PLACED.search(name):
            return value
        case _:
            return node


_PLACED = re.compile(r"_.*[a-z]")
"""The name of the member of a sequence, in which the letter is its place."""


def _by_parity(node: Node) -> list[Node]:
    """`(-1)^k \\frac{\\pi}{6} + k\\pi` for even and for odd k; any other node as it is."""
    (name,) = symbols(node)
    if _power_of_sign(node, name) is None:
        return [node]
    parts: list[Node] = []
    for odd in (0, 1):
        counted = Sum((Product((Number(Fraction(2)), Symbol(name))), Number(Fraction(odd))))
        parts.append(replaced(_signed(node, name, odd), Symbol(name), counted))
    return parts


def _power_of_sign(node: Node, name: str) -> int | None:
    """What is added to the letter in `(-1)^{k+1}`, anywhere in a node."""
    match node:
        case Power(Number(value), exponent) if value == -1 and symbols(exponent) == {name}:
            return _shift(exponent, name)
        case Sum(parts) | Product(parts):
            found = (_power_of_sign(part, name) for part in parts)
            return next((each for each in found if each is not None), None)
        case _:
            return None


def _shift(exponent: Node, name: str) -> int | None:
    if exponent == Symbol(name):
        return 0
    match exponent:
        case Sum((Symbol(other), Number(value))) if other == name and value.denominator == 1:
            return int(value)
        case _:
            return None


def _signed(node: Node, name: str, odd: int) -> Node:
    match node:
        case Power(Number(value), exponent) if value == -1 and symbols(exponent) == {name}:
            shift = _shift(exponent, name)
            return node if shift is None else Number(Fraction((-1) ** ((shift + odd) % 2)))
        case _:
            return rebuilt(node, lambda child: _signed(child, name, odd))


def _family(node: Node) -> _Family | None:
    name = next(iter(symbols(node)), "")
    declared = name == _DECLARED
    if not declared and name not in _COUNTERS:
        return None
    try:
        form = algebra.normal(node)
    except Unreadable:
        return None
    if form.under != {ONE: Fraction(1)}:
        return None
    counter = ("v:" + name, Fraction(1))
    for turns, unit in ((True, _PI), (False, ONE)):
        counted = tuple(sorted((counter, *unit)))
        if counted in form.over and {*form.over} <= {counted, unit}:
            start = form.over.get(unit, Fraction(0))
            return _Family(start, abs(form.over[counted]), turns, declared)
    return None


def _same(one: list[_Family], two: list[_Family]) -> bool | None:
    """Whether both have the same places within one common step; None where there are too many."""
    steps = [each.step for each in (*one, *two)]
    scale = lcm(*(step.denominator for step in steps))
    common = Fraction(lcm(*(int(step * scale) for step in steps)), scale)
    if sum(common / step for step in steps) > MAX_PLACES:
        return None
    return _places(one, common) == _places(two, common)


def _places(found: list[_Family], common: Fraction) -> set[Fraction]:
    return {
        (each.start + turn * each.step) % common
        for each in found
        for turn in range(int(common / each.step))
    }
