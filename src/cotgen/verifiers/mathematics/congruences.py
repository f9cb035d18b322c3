"""Congruences: `a \\equiv b \\pmod{n}` with any of its sides, and as a family of whole numbers."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics import algebra
from cotgen.verifiers.mathematics.decision import Decision, different, equal
from cotgen.verifiers.mathematics.forms import ONE, Form, proportional
from cotgen.verifiers.mathematics.nodes import (
    Function,
    Node,
    Number,
    Product,
    Relation,
    Sum,
    Symbol,
    Unreadable,
    symbols,
)
from cotgen.verifiers.mathematics.rules import Judge

_COUNTERS = frozenset("kmntqj")


def congruences(one: Relation, two: Relation, judge: Judge) -> Decision | None:
    """Equal where the sides are the same or change places under one modulus."""
    first, second = _congruence(one), _congruence(two)
    if first is not None and second is not None:
        if judge(first[1], second[1]).finding != "equal":
            return None
        left, right = _form(first[0]), _form(second[0])
        if left is None or right is None:
            return None
        return equal("residue") if proportional(left, right) in (1, -1) else None
    for relation, other in ((one, two), (two, one)):
        found = _class(relation)
        if found is not None:
            return _beside_family(found, other)
    return None


def _congruence(relation: Relation) -> tuple[Node, Node] | None:
    """The difference of the two sides, and the modulus."""
    match relation:
        case Relation((left, Function("residue", (right, by))), ("=",)):
            return Sum((left, Product((Number(Fraction(-1)), right)))), by
        case _:
            return None


def _form(node: Node) -> Form | None:
    try:
        return algebra.normal(node)
    except Unreadable:
        return None


def _class(relation: Relation) -> tuple[Symbol, Fraction, Fraction] | None:
    """The name, the remainder and the modulus in `x \\equiv 3 \\pmod 7`."""
    match relation:
        case Relation((Symbol() as name, Function("residue", (Number(value), Number(by)))), ("=",)):
            whole = value.denominator == by.denominator == 1
            return (name, value % by, by) if whole and by > 1 else None
        case _:
            return None


def _beside_family(found: tuple[Symbol, Fraction, Fraction], other: Relation) -> Decision | None:
    """`x = 7k + 3`: the letter is any whole number."""
    name, remainder, by = found
    if other.signs != ("=",) or other.sides[0] != name:
        return None
    value = other.sides[1]
    names = symbols(value)
    if len(names) != 1 or not names <= _COUNTERS or name.name in names:
        return None
    form = _form(value)
    (letter,) = names
    counter = (("v:" + letter, Fraction(1)),)
    if form is None or form.under != {ONE: Fraction(1)} or not {*form.over} <= {ONE, counter}:
        return None
    step, start = form.over.get(counter, Fraction(0)), form.over.get(ONE, Fraction(0))
    same = abs(step) == by and start % by == remainder
    return equal("residue") if same else different("residue", "another class of numbers")
