"""Percents, degrees and ratios."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.decision import (
    Decision,
    all_of,
    any_of,
    different,
    equal,
    undecided,
)
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Constant,
    Function,
    Node,
    Number,
    Product,
    Quotient,
    Ratio,
    Sum,
    children,
)
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.scalars import compare_scalars


def percents(one: Node, two: Node, judge: Judge) -> Decision | None:
    """28 % is 28 and 0.28, but 28 is not 0.28."""
    for percent, other, swapped in ((one, two, False), (two, one, True)):
        if not (isinstance(percent, Function) and percent.name == "percent"):
            continue
        if isinstance(other, Function) and other.name == "percent":
            return judge(one_arg(one), one_arg(two))
        if not isinstance(other, SCALARS):
            return None
        return any_of(_ordered(reading, other, swapped) for reading in (one_arg(percent), percent))
    return None


def _ordered(one: Node, two: Node, swapped: bool) -> Decision:
    return compare_scalars(two, one) if swapped else compare_scalars(one, two)


def one_arg(node: Node) -> Node:
    """The argument of a function of one."""
    return children(node)[0]


def degrees(one: Node, two: Node, _: Judge) -> Decision | None:
    found = _beside_minutes(one, two)
    if found is not None:
        return found
    degrees = [isinstance(node, Function) and node.name == "degree" for node in (one, two)]
    if not any(degrees):
        return _within_sums(one, two)
    first, second = (
        one_arg(node) if flag else node for node, flag in zip((one, two), degrees, strict=True)
    )
    if not (isinstance(first, SCALARS) and isinstance(second, SCALARS)):
        return None
    decision = compare_scalars(first, second)
    if all(degrees) or decision.finding != "different":
        return decision
    if compare_scalars(one, two).finding == "equal":
        if _has_pi(one) or _has_pi(two):
            return equal("unit")
        return undecided("unit", "degrees beside a number that may be in radians")
    return decision


def _beside_minutes(one: Node, two: Node) -> Decision | None:
    """`30'` may be feet or minutes, of an arc or of time, but is no angle of 30 degrees."""
    for minutes, other in ((one, two), (two, one)):
        if not (isinstance(minutes, Function) and minutes.name == "?minutes"):
            continue
        if other == Function("degree", minutes.args):
            return different("unit", "minutes beside degrees")
        if isinstance(other, SCALARS):
            return undecided("unit", "a prime may stand for minutes or feet")
    return None


def _has_pi(node: Node) -> bool:
    """Whether an angle is written with π or an arc: then it is in radians, and 60° is π/3."""
    inverse = isinstance(node, Function) and node.name.startswith("arc")
    return node == Constant("pi") or inverse or any(map(_has_pi, children(node)))


def _within_sums(one: Node, two: Node) -> Decision | None:
    """The signs in `180° - 2α` may be left out like that of a single angle."""
    first, second = _without_signs(one), _without_signs(two)
    if (
        (first, second) == (one, two)
        or not isinstance(one, SCALARS)
        or not isinstance(two, SCALARS)
    ):
        return None
    decision = compare_scalars(first, second)
    return decision if decision.finding == "equal" else None


def _without_signs(node: Node) -> Node:
    """Degree signs within sums; those within a sine say which sine is meant."""
    match node:
        case Function("degree", (angle,)):
            return angle
        case Sum(terms):
            return Sum(tuple(map(_without_signs, terms)))
        case Product(factors):
            return Product(tuple(map(_without_signs, factors)))
        case _:
            return node


_ZERO = Number(Fraction(0))
_MOST_PARTS = 20


def ratios(one: Node, two: Node, _: Judge) -> Decision | None:
    match one, two:
        case Ratio(first), Ratio(second):
            if len(first) != len(second):
                return different("ratio", "another number of parts")
            if len(first) > _MOST_PARTS:
                return undecided("ratio", f"ratios of more than {_MOST_PARTS} parts")
            # Whatever is multiplied by such a zero would be equal.
            if any(compare_scalars(part, _ZERO).finding == "equal" for part in (*first, *second)):
                return undecided("ratio", "a ratio with a zero")
            pairs = (
                compare_scalars(Product((a, second[0])), Product((b, first[0])))
                for a, b in zip(first[1:], second[1:], strict=True)
            )
            return all_of(pairs, "ratio")
        case (Ratio((over, under)), other) | (other, Ratio((over, under))) if isinstance(
            other, SCALARS
        ):
            same = compare_scalars(Quotient(over, under), other)
            if same.finding == "different":
                return different("ratio", "another ratio")
            return same
    return None
