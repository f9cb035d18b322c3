"""Sets of real numbers as intervals in order, so that every spelling of a set is the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise
from typing import TypeGuard

from cotgen.verifiers.mathematics import algebra, forms, numeric, solutions
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Constant,
    Function,
    Intersection,
    Node,
    Number,
    Numbers,
    PlusMinus,
    Product,
    Quotient,
    Reals,
    Relation,
    Sequence,
    Sum,
    Symbol,
    Union,
    Unreadable,
    Where,
    Without,
    children,
    contains,
    symbols,
)
from cotgen.verifiers.mathematics.scalars import order

_SIGNS = frozenset(("<", "<=", ">", ">=", "in", "!="))
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
        case Union() | Intersection() | Without() | Reals() | Where():
            return True
        case Relation(_, signs):
            return all(sign in _SIGNS for sign in signs)
        case Sequence("", "", items) if items:
            if all(isinstance(item, Sequence) for item in items):
                return len(items) > 1 and all(map(is_surely_set, items))
            first = isinstance(items[0], Relation) and is_surely_set(items[0])
            return first and all(isinstance(item, Relation | Number) for item in items)
        case Sequence("(" | "[" | "]", close, (low, high)):
            mixed = (node.open, close) not in (("(", ")"), ("[", "]"))
            return mixed or low == _MINUS_INFINITY or high == _INFINITY
        case _:
            return False


def intervals(node: Node) -> tuple[Interval, ...]:
    """The set that a node is, merged and in order. Raises Unreadable if it is none."""
    return _merged(_parts(node))


def is_trivial(parts: tuple[Interval, ...]) -> bool:
    """Whether these are all real numbers, or none."""
    return not parts or (parts[0].low == _MINUS_INFINITY and parts[0].high == _INFINITY)


def is_unsolved(node: Node) -> bool:
    """Whether a node is an inequality that is no line in its unknown: `x^2 < 4`."""
    if isinstance(node, Union | Intersection) or (isinstance(node, Sequence) and not node.open):
        return any(map(is_unsolved, children(node)))
    if not isinstance(node, Relation) or node.signs == ("in",):
        return False
    return not all(_is_line(side) for side in node.sides if symbols(side))


def _is_line(side: Node) -> bool:
    if isinstance(side, Function) and side.name == "abs":
        return all(map(_is_line, side.args))
    try:
        return _is_unknown(side) or forms.line(algebra.normal(side)) is not None
    except Unreadable:
        return False


def whole_numbers(node: Node, most: int) -> tuple[int, ...]:
    """The whole numbers in a set between numbers. Raises Unreadable if it has more than `most`."""
    found: list[int] = []
    for each in intervals(node):
        if not (isinstance(each.low, Number) and isinstance(each.high, Number)):
            raise Unreadable("a set without numbers for ends")
        low, high = math.ceil(each.low.value), math.floor(each.high.value)
        low += each.open_low and low == each.low.value
        high -= each.open_high and high == each.high.value
        if high - low >= most - len(found):
            raise Unreadable(f"a set of more than {most} numbers")
        found.extend(range(low, high + 1))
    return tuple(found)


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
            if len({symbols(part) for part in parts if isinstance(part, Relation)}) > 1:
                raise Unreadable("inequalities of several unknowns")
            return [interval for part in parts for interval in _parts(part)]
        case Intersection(parts):
            return _common(parts)
        case Where(Symbol() as name, conditions):
            return _described(name, conditions)
        case Without(whole, part):
            return _without(_parts(whole), part)
        case Sequence():
            return _from_sequence(node)
        case Relation():
            return _from_relation(node)
        case _:
            raise Unreadable("no set of numbers")


def _from_sequence(node: Sequence) -> list[Interval]:
    match node:
        case Sequence("{", "}", items):
            return [Interval(item, item, False, False) for item in items]
        case Sequence("(" | "[" | "]" as opened, ")" | "]" | "[" as closed, (low, high)):
            return [Interval(low, high, opened != "[", closed != "]")]
        case Sequence("", "", (Relation(), *_) as items):
            return _listed(items)
        case Sequence("", "", items) if is_surely_set(node):
            return [interval for item in items for interval in _parts(item)]
        case Sequence("", "", items) if all(isinstance(item, SCALARS) for item in items):
            return [Interval(item, item, False, False) for item in items]
        case _:
            raise Unreadable("no set of numbers")


_WHOLE = frozenset(("Z", "Z+", "N", "N+", "N*", "N0"))


def _described(name: Symbol, conditions: tuple[Node, ...]) -> list[Interval]:
    """What meets all conditions, which may be equations here; perhaps whole numbers only."""
    if any(symbols(each) - {name.name} for each in conditions):
        raise Unreadable("a set with other unknowns")
    kinds = {
        each.sides[1].name
        for each in conditions
        if isinstance(each, Relation) and each.signs == ("in",) and _names_whole(each.sides[1])
    }
    others = [each for each in conditions if not _is_whole_condition(each)]
    if not others:
        raise Unreadable("no set of real numbers")
    found = _merged(_common(tuple(map(_solved_set, others))))
    return list(found) if not kinds else _whole_members(found, kinds)


def _names_whole(node: Node) -> TypeGuard[Numbers]:
    return isinstance(node, Numbers) and node.name in _WHOLE


def _is_whole_condition(node: Node) -> bool:
    return isinstance(node, Relation) and node.signs == ("in",) and _names_whole(node.sides[1])


def _solved_set(condition: Node) -> Node:
    """An equation as the set of its solutions."""
    match condition:
        case Relation((left, right), ("=",)):
            gap = Sum((left, Product((Number(Fraction(-1)), right))))
            zeros = solutions.signs(gap).zeros
            return Sequence("{", "}", tuple(zero.value for zero in zeros if zero.defined))
        case _:
            return condition


def _whole_members(parts: tuple[Interval, ...], kinds: set[str]) -> list[Interval]:
    """The whole numbers in intervals; whether 0 is a natural number is not known."""
    if kinds & {"Z+", "N+", "N*"}:
        parts = tuple(_overlap_all(parts, Interval(Number(Fraction(1)), _INFINITY, False, True)))
    elif kinds & {"N", "N0"}:
        parts = tuple(_overlap_all(parts, Interval(Number(Fraction(0)), _INFINITY, False, True)))
    members: list[Interval] = []
    for part in parts:
        if part.low == _MINUS_INFINITY or part.high == _INFINITY:
            raise Unreadable("a set of whole numbers without end")
        low, high = _floor(part.low), _floor(part.high)
        if high - low > MAX_PARTS:
            raise Unreadable(f"a set of more than {MAX_PARTS} parts")
        for value in range(low, high + 1):
            members += _overlap(part, _point(value))
    if "N" in kinds and any(order(each.low, Number(Fraction(0))) == 0 for each in members):
        raise Unreadable("zero may be a natural number or not")
    return members


def _overlap_all(parts: tuple[Interval, ...], other: Interval) -> list[Interval]:
    return [each for part in parts for each in _overlap(part, other)]


def _point(value: int) -> Interval:
    return Interval(Number(Fraction(value)), Number(Fraction(value)), False, False)


def _floor(node: Node) -> int:
    value = algebra.normal(node).value
    found = numeric.floor(node) if value is None else value.numerator // value.denominator
    if found is None:
        raise Unreadable("two numbers whose order was not found")
    return found


def _common(parts: tuple[Node, ...]) -> list[Interval]:
    found = [*_merged(_parts(parts[0]))]
    for part in parts[1:]:
        others = _merged(_parts(part))
        if len(found) * len(others) > MAX_PARTS:
            raise Unreadable(f"a set of more than {MAX_PARTS} parts")
        found = [each for one in found for two in others for each in _overlap(one, two)]
    return found


def _overlap(one: Interval, two: Interval) -> list[Interval]:
    low, high = order(one.low, two.low), order(one.high, two.high)
    common = Interval(
        one.low if low >= 0 else two.low,
        one.high if high <= 0 else two.high,
        (low >= 0 and one.open_low) or (low <= 0 and two.open_low),
        (high <= 0 and one.open_high) or (high >= 0 and two.open_high),
    )
    gap = order(common.low, common.high)
    empty = gap > 0 or (gap == 0 and (common.open_low or common.open_high))
    return [] if empty else [common]


def _listed(items: tuple[Node, ...]) -> list[Interval]:
    """Inequalities with commas between: all of them, or any where no number meets all.

    `x \\ne 2, 3` leaves out both.
    """
    if len(frozenset[str]().union(*map(symbols, items))) != 1:
        raise Unreadable("inequalities of several unknowns")
    first = items[0]
    if isinstance(first, Relation) and first.signs == ("!=",):
        items = tuple(
            item if isinstance(item, Relation) else Relation((first.sides[0], item), ("!=",))
            for item in items
        )
        return _common(items)
    both, any_ = _merged(_common(items)), _merged(_parts(Union(items)))
    if not both:
        return list(any_)
    if same(any_, _merged(_parts(Reals()))):
        return list(both)
    raise Unreadable("inequalities of which all or any may be meant")


def _from_relation(relation: Relation) -> list[Interval]:
    """`1 < x <= 3`, `2x > 5`, `|x - 1| < 2`, `x \\in [1,2]`, `x \\ne 2`: one unknown."""
    if len(symbols(relation)) != 1:
        raise Unreadable("a relation that is no interval")
    match relation:
        case Relation((Symbol(), inner), ("in",)):
            return _parts(inner)
        case Relation((left, right), (sign,)):
            return _from_pair(left, right, sign)
        case Relation(sides, signs):
            directions = {sign[0] for sign in signs}
            if len(sides) > 4 or directions not in ({"<"}, {">"}):
                raise Unreadable("a relation that is no interval")
            pairs = [
                Relation(pair, (sign,)) for pair, sign in zip(pairwise(sides), signs, strict=True)
            ]
            if not all(symbols(pair) or _holds(pair) for pair in pairs):
                raise Unreadable("a chain with a false part")
            return _common(tuple(pair for pair in pairs if symbols(pair)))
    raise Unreadable("a relation that is no interval")


def _holds(pair: Relation) -> bool:
    """Whether `6 <= 9`."""
    (left, right), (sign,) = pair.sides, pair.signs
    found = order(left, right) * (1 if sign[0] == "<" else -1)
    return found < 0 or (found == 0 and sign.endswith("="))


def _from_pair(left: Node, right: Node, sign: str) -> list[Interval]:
    if not symbols(left):
        left, right, sign = right, left, flipped(sign)
    if isinstance(left, Function) and left.name == "abs" and not symbols(right):
        return _from_absolute(left.args[0], right, sign)
    if not _is_unknown(left) or symbols(right):
        gap = Sum((left, Product((Number(Fraction(-1)), right))))
        line = forms.line(algebra.normal(gap))
        if line is None or contains(gap, Quotient):
            return _where_signed(gap, sign)
        left, right, sign = _solved(line, sign)
    if sign == "!=":
        return _without(_parts(Reals()), Sequence("{", "}", _both(right)))
    return [_half(sign, right)]


def _is_unknown(node: Node) -> bool:
    """`x`, and `f(x)` in `0 < f(x) < 1`."""
    called = isinstance(node, Function) and node.name.startswith("?")
    return isinstance(node, Symbol) or (
        called and all(isinstance(n, Symbol) for n in children(node))
    )


def _both(node: Node) -> tuple[Node, ...]:
    if isinstance(node, PlusMinus):
        return node.term, Product((Number(Fraction(-1)), node.term))
    return (node,)


def _solved(line: tuple[str, Fraction, Fraction], sign: str) -> tuple[Node, Node, str]:
    """A linear inequality with the unknown alone on the left."""
    name, slope, rest = line
    value = Number(-rest / slope)
    return Symbol(name), value, sign if slope > 0 else flipped(sign)


def _where_signed(gap: Node, sign: str) -> list[Interval]:
    """Where a quotient of polynomials is below, at or above zero."""
    found = solutions.signs(gap)
    ends = [_MINUS_INFINITY, *(zero.value for zero in found.zeros), _INFINITY]
    parts: list[Interval] = []
    current = found.first
    for place, (low, high) in enumerate(pairwise(ends)):
        if place and found.zeros[place - 1].odd:
            current = -current
        if sign == "!=" or (sign[0] == ">") == (current > 0):
            parts.append(Interval(low, high, True, True))
    if sign in ("<=", ">="):
        defined = (zero.value for zero in found.zeros if zero.defined)
        parts += [Interval(value, value, False, False) for value in defined]
    return parts


def _from_absolute(inner: Node, bound: Node, sign: str) -> list[Interval]:
    negative = Product((Number(Fraction(-1)), bound))
    if order(bound, Number(Fraction(0))) <= 0:
        raise Unreadable("an absolute value beside what is not positive")
    if sign in ("<", "<="):
        return _common((Relation((inner, bound), (sign,)), Relation((negative, inner), (sign,))))
    if sign in (">", ">="):
        pair = (Relation((inner, bound), (sign,)), Relation((inner, negative), (flipped(sign),)))
        return _parts(Union(pair))
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
    if isinstance(part, Sequence) and part.open == "{":
        if len(part.items) > MAX_PARTS:
            raise Unreadable(f"a set of more than {MAX_PARTS} parts")
        for point in part.items:
            whole = [piece for interval in whole for piece in _cut(interval, point)]
        return whole
    outside = _outside(_merged(_parts(part)))
    return [each for one in whole for two in outside for each in _overlap(one, two)]


def _outside(parts: tuple[Interval, ...]) -> list[Interval]:
    """What lies between, before and behind intervals in order."""
    found: list[Interval] = []
    low, open_low = _MINUS_INFINITY, True
    for part in parts:
        if part.low != _MINUS_INFINITY:
            found.append(Interval(low, part.low, open_low, not part.open_low))
        low, open_low = part.high, not part.open_high
    if low != _INFINITY:
        found.append(Interval(low, _INFINITY, open_low, True))
    return [part for part in found if order(part.low, part.high) < 0 or not part.open_low]


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
