"""What second readings and rounded values add to a comparison that found a difference."""

from __future__ import annotations

import re
from fractions import Fraction

from cotgen.verifiers.mathematics.build import negative
from cotgen.verifiers.mathematics.decision import Decision, equal, undecided
from cotgen.verifiers.mathematics.nodes import SCALARS, Node, Number, Sum, Unreadable, symbols
from cotgen.verifiers.mathematics.read import Answer, Second
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.scalars import order


def by_second_readings(gold: Answer, given: Answer, judge: Judge) -> Decision | None:
    """Equal or undecided if a second reading equals the other side; None if none does."""
    found = {
        *_hits(gold.seconds, given.readings, judge, in_gold=True),
        *_hits(given.seconds, gold.readings, judge, in_gold=False),
    }
    if gold.seconds and given.seconds:
        found |= {
            one.in_gold
            for one in gold.seconds
            for two in given.seconds
            if one.in_gold == two.in_answer and judge(one.node, two.node).finding == "equal"
        }
    if "equal" in found:
        return equal("normalized")
    if "undecided" in found:
        return undecided("normalized", "equal only in another reading of the same spelling")
    return None


def _hits(
    seconds: tuple[Second, ...], others: tuple[Node, ...], judge: Judge, *, in_gold: bool
) -> set[str]:
    return {
        second.in_gold if in_gold else second.in_answer
        for second in seconds
        for other in others
        if judge(second.node, other).finding == "equal"
    }


_FLOAT = re.compile(r"-?0?\.?0*([0-9]{0,17}\.?[0-9]{1,17})")


def is_float(gold: Answer) -> bool:
    """Whether a gold has the 15 to 17 digits that programs print: nobody rounds so by hand."""
    found = _FLOAT.fullmatch(gold.key) if "." in gold.key[:20] else None
    return found is not None and 15 <= len(found[1].replace(".", "")) <= 17


_LAST_PLACES = re.compile(r"[0-9]+(?:\.([0-9]+))?")


def by_rounding(gold: Answer, given: Answer, found: Decision) -> Decision:
    """A gold that is only approximate is met by what rounds to it; near values are left open."""
    one, two = gold.readings[0], given.readings[0]
    near = undecided(found.method, "one of them is only approximate")
    if not all(isinstance(node, SCALARS) and not symbols(node) for node in (one, two)):
        return near
    if not (gold.approximate or given.approximate):
        # The gold is a float, and nothing is known of how it was calculated.
        try:
            return equal("rounded") if _within(one, two, _unit(gold.key) / 2) else found
        except Unreadable:
            return found
    units = [_unit(answer.key) for answer in (gold, given) if answer.approximate]
    try:
        if not given.approximate and _within(one, two, _unit(gold.key) / 2):
            return equal("rounded")
        return near if _within(one, two, max(units)) else found
    except Unreadable:
        return near


def _unit(key: str) -> Fraction:
    """What one in the last written place is worth: 1/100 in 3.14, 1000 in 45000."""
    numbers = list(_LAST_PLACES.finditer(key[:200]))
    if not numbers:
        return Fraction(1)
    last = numbers[-1]
    if last[1]:
        return Fraction(1, 10 ** min(len(last[1]), 60))
    return Fraction(10) ** min(len(last[0]) - len(last[0].rstrip("0")), 60)


def _within(one: Node, two: Node, distance: Fraction) -> bool:
    gap = Sum((one, negative(two)))
    return order(gap, Number(distance)) < 0 < order(gap, Number(-distance))
