"""What plus-minus stands for: two values, or more where there are several signs."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.compare_relations import is_name
from cotgen.verifiers.mathematics.decision import Decision, undecided
from cotgen.verifiers.mathematics.nodes import (
    Node,
    Number,
    PlusMinus,
    Product,
    Quantity,
    Quotient,
    Relation,
    Sequence,
    Sum,
    Symbol,
    children,
    contains,
)
from cotgen.verifiers.mathematics.rules import Judge

MAX_SIGNS = 3
"""Signs of one value that are written out."""


def plus_minus(one: Node, two: Node, judge: Judge) -> Decision | None:
    """One value with both signs is a list of two; several signs may or may not go together."""
    found = [_is_one(node) and contains(node, PlusMinus) for node in (one, two)]
    if not any(found):
        return None
    if _have_other_names(one, two):
        return undecided("list", "values of another name")
    if any(map(_is_unsolved, (one, two))):
        return undecided("list", "a plus-minus sign beside an equation")
    several = any(_signs(node) > 1 for node in (one, two))
    lists = [
        Sequence("", "", _all_signs(node)) if flag else _spread(node)
        for node, flag in zip((one, two), found, strict=True)
    ]
    if any(contains(item, PlusMinus) for each in lists for item in children(each)):
        return undecided("list", "a plus-minus sign inside an expression")
    decision = judge(*lists)
    if several and decision.finding != "equal":
        return undecided("list", "several plus-minus signs")
    return decision


def _have_other_names(one: Node, two: Node) -> bool:
    match one, two:
        case Relation((Symbol() as first, _), ("=",)), Relation((Symbol() as second, _), ("=",)):
            return first != second
        case _:
            return False


def _is_unsolved(node: Node) -> bool:
    """`y^2 = x` may say the same as `y = \\pm\\sqrt{x}`."""
    is_equation = isinstance(node, Relation) and node.signs == ("=",)
    return is_equation and not contains(node, PlusMinus) and not is_name(children(node)[0])


def _spread(node: Node) -> Node:
    return spread(node) if isinstance(node, Sequence) else node


def spread(sequence: Sequence) -> Sequence:
    """Members with a plus-minus sign are two members, where order means nothing."""
    if sequence.open in ("(", "[", "]") or not contains(sequence, PlusMinus):
        return sequence
    items = tuple(each for item in sequence.items for each in _all_signs(item))
    return Sequence(sequence.open, sequence.close, items)


def _is_one(node: Node) -> bool:
    return not isinstance(node, Sequence) or node.open in ("(", "[", "]")


def _all_signs(node: Node) -> tuple[Node, ...]:
    if not 0 < _signs(node) <= MAX_SIGNS:
        return (node,)
    values = _both_signs(node)
    return values if len(values) == 1 else tuple(n for each in values for n in _all_signs(each))


def _both_signs(node: Node) -> tuple[Node, ...]:
    """The two values of a node by its first plus-minus sign."""
    match node:
        case PlusMinus(term):
            return (term, Product((Number(Fraction(-1)), term)))
        case Sum(terms):
            return tuple(Sum(each) for each in _in_one(terms))
        case Product(factors):
            return tuple(Product(each) for each in _in_one(factors))
        case Sequence("(" | "[" | "]" as opened, closed, items) if any(
            contains(item, PlusMinus) for item in items
        ):
            return tuple(Sequence(opened, closed, each) for each in _in_one(items))
        case Quotient(over, under) if contains(over, PlusMinus):
            return tuple(Quotient(value, under) for value in _both_signs(over))
        case Relation((name, value), ("=",)) if is_name(name):
            return _both_signs(value)
        case Quantity(value, name):
            return tuple(Quantity(each, name) for each in _both_signs(value))
        case _:
            return (node,)


def _in_one(nodes: tuple[Node, ...]) -> tuple[tuple[Node, ...], ...]:
    at = [contains(node, PlusMinus) for node in nodes].index(True)
    return tuple((*nodes[:at], value, *nodes[at + 1 :]) for value in _both_signs(nodes[at]))


def _signs(node: Node) -> int:
    """How many plus-minus signs one member has."""
    if isinstance(node, Sequence) and not _is_one(node):
        return max((_signs(item) for item in node.items), default=0)
    return isinstance(node, PlusMinus) + sum(map(_signs, children(node)))
