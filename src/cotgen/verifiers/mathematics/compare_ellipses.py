"""Lists with an ellipsis: what they leave out, where what they show tells."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import Node, Number, Sequence, Text, symbols
from cotgen.verifiers.mathematics.rules import Judge

ELLIPSIS = Text(("…",))
MAX_WRITTEN = 500
"""Members of a list that is compared with one that shows them all."""
_SHOWN = 3
"""Members that tell how a list without an end goes on."""


@dataclass(frozen=True, slots=True)
class _Progression:
    """Where a list begins, what each member is made the next one by, and the last one, if any."""

    kind: Literal["+", "*"]
    first: Fraction
    step: Fraction
    last: Node | None


def open_lists(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    """Equal as they are written or as progressions; different from the first member on."""
    if {one.open, two.open} == {"", "{"}:
        # A set may stand beside a list of its members.
        one, two = (Sequence("{", "}", each.items) for each in (one, two))
    if len(one.items) == len(two.items) and one.open == two.open:
        pairs = zip(one.items, two.items, strict=True)
        if all(judge(*pair).finding == "equal" for pair in pairs):
            return equal("list")
    for left, right in zip(one.items, two.items, strict=False):
        if ELLIPSIS in (left, right):
            break
        if not symbols(left) | symbols(right) and judge(left, right).finding == "different":
            return different("list", "members that differ before the ellipsis")
    return _as_progressions(one, two, judge)


def _as_progressions(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    unknown = undecided("list", "an ellipsis may stand for anything")
    if (one.open, one.close) != (two.open, two.close):
        return unknown
    first, second = _progression(one), _progression(two)
    if first is not None and second is not None:
        same = (first.kind, first.first, first.step) == (second.kind, second.first, second.step)
        if same and _same_end(first.last, second.last, judge):
            return equal("list")
        ends = isinstance(first.last, Number) and isinstance(second.last, Number)
        return different("list", "another list") if ends and first.last != second.last else unknown
    for found, other in ((first, two), (second, one)):
        if found is not None and ELLIPSIS not in other.items:
            written = _written(found)
            if written is not None:
                return judge(Sequence(one.open, one.close, written), other)
    return unknown


def _same_end(one: Node | None, two: Node | None, judge: Judge) -> bool:
    if one is None or two is None:
        return one is two
    return judge(one, two).finding == "equal"


def _progression(node: Sequence) -> _Progression | None:
    """The only progression that a list shows; steps of one are counted, not multiplied."""
    if node.items.count(ELLIPSIS) != 1:
        return None
    at = node.items.index(ELLIPSIS)
    shown, rest = _values(node.items[:at]), node.items[at + 1 :]
    if len(shown) != at or len(shown) < 2 or len(rest) > 1:
        return None
    last = rest[0] if rest else None
    if len(shown) < _SHOWN and (last is None or not isinstance(last, Number)):
        named = last is not None and shown[1] - shown[0] == 1
        return _Progression("+", shown[0], Fraction(1), last) if named else None
    found = [each for each in (_added(shown, last), _multiplied(shown, last)) if each is not None]
    if len(found) == 2 and found[0].step == 1:
        return found[0]
    return found[0] if len(found) == 1 else None


def _values(nodes: tuple[Node, ...]) -> list[Fraction]:
    return [node.value for node in nodes if isinstance(node, Number)]


def _added(shown: list[Fraction], last: Node | None) -> _Progression | None:
    steps = {after - before for before, after in pairwise(shown)}
    step = steps.pop()
    if steps or not step:
        return None
    if isinstance(last, Number):
        count = (last.value - shown[-1]) / step
        if count.denominator > 1 or count < 1:
            return None
    return _Progression("+", shown[0], step, last)


def _multiplied(shown: list[Fraction], last: Node | None) -> _Progression | None:
    if 0 in shown:
        return None
    steps = {after / before for before, after in pairwise(shown)}
    step = steps.pop()
    if steps or abs(step) == 1:
        return None
    if isinstance(last, Number) and not _reaches(shown[-1], step, last.value):
        return None
    return _Progression("*", shown[0], step, last)


def _reaches(start: Fraction, step: Fraction, goal: Fraction) -> bool:
    value = start
    for _ in range(MAX_WRITTEN):
        value *= step
        if value == goal:
            return True
        if (abs(value) > abs(goal)) == (abs(step) > 1):
            return False
    return False


def _written(found: _Progression) -> tuple[Node, ...] | None:
    """All members of a list that has an end."""
    if not isinstance(found.last, Number):
        return None
    values = [found.first]
    while values[-1] != found.last.value:
        if len(values) > MAX_WRITTEN:
            return None
        value = values[-1]
        values.append(value + found.step if found.kind == "+" else value * found.step)
    return tuple(map(Number, values))
