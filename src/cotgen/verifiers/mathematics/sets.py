"""Sets of real numbers as intervals in order, so that every spelling of a set is the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise

from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Node,
    Number,
    Product,
    Reals,
    Relation,
    Sequence,
    Symbol,
    Union,
    Unreadable,
    Without,
    symbols,
)
from cotgen.verifiers.mathematics.scalars import order

_INFINITY: Node = Constant("oo")
_MINUS_INFINITY: Node = Product((Number(Fraction(-1)), _INFINITY))
MAX_PARTS = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """From low to high; an end that is not `open` belongs to it."""

    low: Node
    high: Node
    open_low: bool
    open_high: bool


def is_surely_set(node: Node) -> bool:
    """Whether a node can be nothing but a set of numbers: `(1,2)` may also be a point."""
    match node:
        case Union() | Without() | Reals():
            return True
        case Relation(_, signs):
            return all(sign in ("<", "<=", ">", ">=", "in", "!=") for sign in signs)
        case Sequence("(" | "[" | "]", close, (low, high)):
            mixed = (node.open, close) not in (("(", ")"), ("[", "]"))
            return mixed or low == _MINUS_INFINITY or high == _INFINITY
        case _:
            return False


def intervals(node: Node) -> tuple[Interval, ...]:
    """The set that a node is, merged and in order. Raises Unreadable if it is none."""
    return _merged(_parts(node))


def same(one: tuple[Interval, ...], two: tuple[Interval, ...]) -> bool:
    """Whether two sets are the same."""
    return len(one) == len(two) and all(
        (left.open_low, left.open_high) == (right.open_low, right.open_high)
        and order(left.low, right.low) == 0
        and order(left.high, right.high) == 0
        for left, right in zip(one, two, strict=True)
    )


def _parts(node: Node) -> list[Interval]:
    match node:
        case Reals():
            return [Interval(_MINUS_INFINITY, _INFINITY, True, True)]
        case Union(parts):
            return [interval for part in parts for interval in _parts(part)]
        case Without(whole, part):
            return _without(_parts(whole), part)
        case Sequence("{", "}", items):
            return [Interval(item, item, False, False) for item in items]
        case Sequence("(" | "[" | "]" as opened, ")" | "]" | "[" as closed, (low, high)):
            return [Interval(low, high, opened != "[", closed != "]")]
        case Relation():
            return _from_relation(node)
        case _:
            raise Unreadable("no set of numbers")


def _from_relation(relation: Relation) -> list[Interval]:
    """`1 < x <= 3`, `x > 5`, `x \\in [1,2]`, `x \\ne 2`: one unknown, alone in its place."""
    match relation:
        case Relation((Symbol(), inner), ("in",)):
            return _parts(inner)
        case Relation((Symbol(), value), ("!=",)) if not symbols(value):
            return _without(_parts(Reals()), Sequence("{", "}", (value,)))
        case Relation((Symbol(), value), (sign,)) if not symbols(value):
            return [_half(sign, value)]
        case Relation((value, Symbol()), (sign,)) if not symbols(value):
            return [_half(_FLIPPED.get(sign, sign), value)]
        case Relation((low, Symbol(), high), (first, second)) if not symbols(low) | symbols(high):
            if first in ("<", "<=") and second in ("<", "<="):
                return [Interval(low, high, first == "<", second == "<")]
            if first in (">", ">=") and second in (">", ">="):
                return [Interval(high, low, second == ">", first == ">")]
    raise Unreadable("a relation that is no interval")


_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def flipped(sign: str) -> str:
    """The sign of a relation whose sides change places."""
    return _FLIPPED.get(sign, sign)


def _half(sign: str, value: Node) -> Interval:
    if sign in ("<", "<="):
        return Interval(_MINUS_INFINITY, value, True, sign == "<")
    if sign in (">", ">="):
        return Interval(value, _INFINITY, sign == ">", True)
    raise Unreadable("a relation that is no interval")


def _without(whole: list[Interval], part: Node) -> list[Interval]:
    if not isinstance(part, Sequence) or part.open != "{":
        raise Unreadable("a difference of two sets of this kind")
    if len(part.items) > MAX_PARTS:
        raise Unreadable(f"a set of more than {MAX_PARTS} parts")
    for point in part.items:
        whole = [piece for interval in whole for piece in _cut(interval, point)]
    return whole


def _cut(interval: Interval, point: Node) -> list[Interval]:
    low, high = order(point, interval.low), order(point, interval.high)
    if low < 0 or high > 0:
        return [interval]
    if low == 0 or high == 0:
        return [
            replace(
                interval,
                open_low=interval.open_low or low == 0,
                open_high=interval.open_high or high == 0,
            )
        ]
    return [
        replace(interval, high=point, open_high=True),
        replace(interval, low=point, open_low=True),
    ]


def _merged(parts: list[Interval]) -> tuple[Interval, ...]:
    if len(parts) > MAX_PARTS:
        raise Unreadable(f"a set of more than {MAX_PARTS} parts")
    kept = [part for part in parts if not _is_empty(part)]
    kept.sort(key=cmp_to_key(_by_start))
    merged: list[Interval] = kept[:1]
    for _, part in pairwise(kept):
        last = merged[-1]
        gap = order(part.low, last.high)
        if gap > 0 or (gap == 0 and part.open_low and last.open_high):
            merged.append(part)
        else:
            merged[-1] = _joined(last, part)
    return tuple(merged)


def _is_empty(part: Interval) -> bool:
    found = order(part.low, part.high)
    if found > 0:
        raise Unreadable("an interval that ends before it begins")
    return found == 0 and (part.open_low or part.open_high)


def _by_start(one: Interval, two: Interval) -> int:
    return order(one.low, two.low) or one.open_low - two.open_low


def _joined(one: Interval, two: Interval) -> Interval:
    ends = order(one.high, two.high)
    if ends > 0:
        return one
    both_open = two.open_high and (ends < 0 or one.open_high)
    return replace(one, high=two.high, open_high=both_open)
