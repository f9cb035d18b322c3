"""Functions that are defined piece by piece."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics import algebra, effort, sets
from cotgen.verifiers.mathematics.compare_relations import is_name
from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Function,
    Node,
    Number,
    Relation,
    Symbol,
    Text,
    Unreadable,
    children,
    size,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import replaced
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.scalars import order
from cotgen.verifiers.mathematics.unfold import unfold

MAX_PIECES = 10
_PLACES = tuple(Fraction(place, 2) for place in (-7, -4, -2, -1, 0, 1, 2, 3, 4, 6, 9, 13, 24))
_STEPS_PER_NODE = 4

_Pieces = list[tuple[Node, Node]]
"""Each value with its condition, as they were written."""


def pieces(one: Node, two: Node, judge: Judge) -> Decision | None:
    """Equal if each piece has a partner; different if the values differ at some place."""
    first, second = _pieces(one), _pieces(two)
    if first is None and second is None:
        return None
    if _differ(first or one, second or two):
        return different("piecewise", "another value at some place")
    if first is None or second is None:
        return None
    if len(first) == len(second) and _are_partners(first, second, judge):
        if len(_names(one) | _names(two)) > 1:
            return undecided("piecewise", "the same pieces under another name")
        return equal("piecewise")
    return undecided("piecewise", "pieces that were not shown to be the same")


def _names(node: Node) -> set[str]:
    """What the function is called; y may be any."""
    match node:
        case Relation((Function(name, _), _), _):
            return {name}
        case Relation((Symbol(name), _), _) if name != "y":
            return {name}
        case _:
            return set()


def _pieces(node: Node) -> _Pieces | None:
    if isinstance(node, Relation) and node.signs == ("=",) and is_name(node.sides[0]):
        node = node.sides[1]
    if not isinstance(node, Function) or node.name != "?cases" or len(node.args) > 2 * MAX_PIECES:
        return None
    if len(node.args) % 2:
        return None  # Rows that are no value with its condition.
    return _without_otherwise(list(zip(node.args[::2], node.args[1::2], strict=True)))


_DENIED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "!=", "!=": "="}


def _without_otherwise(found: _Pieces) -> _Pieces:
    """`otherwise` behind one condition is its contrary."""
    match found:
        case [(_, Relation(sides, (sign,))) as first, (value, Text(("otherwise",)))]:
            return [first, (value, Relation(sides, (_DENIED[sign],)))] if sign in _DENIED else found
        case _:
            return found


def _are_partners(one: _Pieces, two: _Pieces, judge: Judge) -> bool:
    rest = list(two)
    for value, condition in one:
        for piece in rest:
            if judge(value, piece[0]).finding == judge(condition, piece[1]).finding == "equal":
                rest.remove(piece)
                break
        else:
            return False
    return True


def _differ(one: _Pieces | Node, two: _Pieces | Node) -> bool:
    names = _unknowns(one) | _unknowns(two)
    if len(names) != 1:
        return False
    (name,) = names
    return any(_differ_at(one, two, Symbol(name), place) for place in _PLACES)


def _unknowns(whole: _Pieces | Node) -> frozenset[str]:
    if isinstance(whole, list):
        return frozenset[str]().union(*(symbols(part) for piece in whole for part in piece))
    return symbols(whole) if isinstance(whole, SCALARS) else frozenset("??")


def _differ_at(one: _Pieces | Node, two: _Pieces | Node, name: Symbol, place: Fraction) -> bool:
    try:
        left, right = _value(one, name, place), _value(two, name, place)
        return left is not None and right is not None and order(left, right) != 0
    except Unreadable:
        return False


def _value(whole: _Pieces | Node, name: Symbol, place: Fraction) -> Node | None:
    """What holds at a place; None where no condition, or more than one, is met."""
    number = Number(place)
    if not isinstance(whole, list):
        return _at(whole, name, number)
    met = [value for value, condition in whole if _holds(condition, name, number)]
    return _at(met[0], name, number) if len(met) == 1 else None


def _holds(condition: Node, name: Symbol, number: Number) -> bool:
    if symbols(condition) != {name.name}:
        raise Unreadable("a condition on something else")
    return any(
        order(part.low, number) < (not part.open_low)
        and order(number, part.high) < (not part.open_high)
        for part in sets.intervals(condition)
    )


def _at(node: Node, name: Symbol, number: Number) -> Node:
    effort.spend(_STEPS_PER_NODE * size(node))
    if any(isinstance(child, Relation) for child in children(node)):
        raise Unreadable("no value")
    value = unfold(replaced(node, name, number))
    algebra.normal(value)
    return value
