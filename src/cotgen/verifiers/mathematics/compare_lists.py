"""Lists, tuples, intervals, sets of members, and what plus-minus stands for."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeGuard

from cotgen.verifiers.mathematics import sets
from cotgen.verifiers.mathematics.compare_ellipses import ELLIPSIS, open_lists
from cotgen.verifiers.mathematics.compare_relations import assigned, named_tuple
from cotgen.verifiers.mathematics.compare_signs import spread
from cotgen.verifiers.mathematics.decision import Decision, all_of, different, equal, undecided
from cotgen.verifiers.mathematics.lines import may_be_one_line
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Node,
    Number,
    Numbers,
    Quotient,
    Relation,
    Sequence,
    Symbol,
    Unreadable,
    Where,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import replaced
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.scalars import order

MAX_BESIDE_ONE = 30
"""Members of a list that are compared with a value that is no list."""
MAX_PAIRS = 400
"""Pairs of members that are compared one by one, once equal spellings have been paired."""


def sequences(one: Node, two: Node, judge: Judge) -> Decision | None:
    one, two = (_by_solutions(_by_components(_listed(node))) for node in (one, two))
    one, two = _only_point(one, two), _only_point(two, one)
    first, second = _any_integer(one), _any_integer(two)
    if first and second:
        return judge(_renamed(one, first), _renamed(two, second))
    if first or second:
        return _one_says_integer(one, two, first or second, judge)
    if not (isinstance(one, Sequence) and isinstance(two, Sequence)):
        formulas = _without_holes(one), _without_holes(two)
        return judge(*formulas) if formulas != (one, two) else _one_sequence(one, two, judge)
    if any(item == ELLIPSIS for item in (*one.items, *two.items)):
        return open_lists(one, two, judge)
    names, others = _names(one, judge), _names(two, judge)
    if names and others:
        return _by_name(one, two, judge)
    if _have_other_names(one, two, judge):
        return _under_other_names(one, two, judge)
    if names or others:
        return _named_beside(one, two, judge)
    one, two = spread(_values_of(one, judge)), spread(_values_of(two, judge))
    ordered = [node.open in ("(", "[", "]") for node in (one, two)]
    if all(ordered):
        return _tuples(one, two, judge)
    if not any(ordered):
        method = "set" if "{" in (one.open, two.open) else "list"
        return _members(one.items, two.items, method, judge)
    return _list_beside_tuple(one, two, judge)


MAX_LISTED = 200


def _listed(node: Node) -> Node:
    """The members of `\\{x \\in \\mathbb{Z} : 1 \\le x \\le 4\\}`."""
    if not isinstance(node, Where):
        return node
    whole = Relation((node.name, Numbers("Z")), ("in",))
    rest = tuple(each for each in node.conditions if each != whole)
    if not rest or len(rest) == len(node.conditions):
        return node
    try:
        numbers = sets.whole_numbers(Where(node.name, rest), MAX_LISTED)
    except Unreadable:
        return node
    return Sequence("{", "}", tuple(Number(Fraction(number)) for number in numbers))


def _only_point(node: Node, other: Node) -> Node:
    """The point in `\\{(0,0)\\}` beside one that stands alone."""
    match node, other:
        case Sequence("{", _, (Sequence() as point,)), Sequence("("):
            return point
        case _:
            return node


def _any_integer(node: Node) -> Relation | None:
    """The part that makes a name free in `x = 2k, k \\in \\mathbb{Z}`."""
    if not isinstance(node, Sequence) or node.open:
        return None
    found = [item for item in node.items if _is_any_integer(item)]
    return found[0] if len(found) == 1 and len(node.items) > 1 else None


def _without(node: Node, part: Relation) -> Node:
    if not isinstance(node, Sequence):
        return node
    items = tuple(item for item in node.items if item != part)
    return items[0] if len(items) == 1 else Sequence("", "", items)


def _renamed(node: Node, part: Relation) -> Node:
    name, numbers = part.sides
    assert isinstance(name, Symbol)
    kind = numbers.name if isinstance(numbers, Numbers) else ""
    return replaced(_without(node, part), name, Symbol(f"any {kind}"))


def _one_says_integer(one: Node, two: Node, part: Relation | None, judge: Judge) -> Decision | None:
    """The other may mean the same without saying so, perhaps with another letter."""
    assert part is not None
    decision = judge(_without(one, part), _without(two, part))
    if decision.finding == "equal":
        return decision
    return undecided("list", "only one says which letter is any whole number")


def _is_any_integer(node: Node) -> TypeGuard[Relation]:
    match node:
        case Relation((Symbol(), Numbers()), ("in",)):
            return True
        case _:
            return False


def _by_components(node: Node) -> Node:
    """`(x,y) = (2,3)` is `x = 2, y = 3`."""
    match node:
        case Relation((Sequence() as names, Sequence() as values), ("=",)) if named_tuple(
            names, values
        ):
            pairs = zip(names.items, values.items, strict=True)
            return Sequence("", "", tuple(Relation(pair, ("=",)) for pair in pairs))
        case _:
            return node


_MOST_NAMES = 6


def _by_solutions(node: Node) -> Node:
    """`x = 2, y = 3, x = 3, y = 2` as the pairs (2,3) and (3,2)."""
    if not isinstance(node, Sequence) or node.open not in ("", "{"):
        return node
    names = [_assigned_name(item) for item in node.items]
    width = len(set(names))
    repeated = names[:width] * (len(names) // width if width else 0)
    if not 1 < width <= _MOST_NAMES or names != repeated or None in names or width == len(names):
        return node
    places = sorted(range(width), key=lambda place: str(names[place]))
    values = [item.sides[1] for item in node.items if isinstance(item, Relation)]
    rows = (values[start : start + width] for start in range(0, len(values), width))
    points = tuple(Sequence("(", ")", tuple(row[place] for place in places)) for row in rows)
    return Sequence(node.open, node.close, points)


def _assigned_name(node: Node) -> str | None:
    match node:
        case Relation((Symbol(name), _), ("=",)) if "_" not in name:
            return name
        case _:
            return None


def is_half_open(node: Node) -> bool:
    """`[1,2)`: an interval, or a slip."""
    return isinstance(node, Sequence) and (node.open, node.close) in (("(", "]"), ("[", ")"))


def _named_beside(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    """`x = 2, y = 3` beside values without names: these are in the order of the names.

    `x_1 = 2, x_2 = 3` are two values of one name, in any order.
    """
    if is_half_open(one) or is_half_open(two):
        return undecided("tuple", "a half-open interval beside values")
    names = _names(one, judge) or _names(two, judge)
    first, second = (spread(_values_of(node, judge)).items for node in (one, two))
    letters = [name.name.partition("_")[0] for name in names if isinstance(name, Symbol)]
    anyhow = _members(first, second, "list", judge)
    if anyhow.finding != "equal":
        return anyhow
    if len(letters) == len(names) and len(set(letters)) == 1:
        return anyhow
    if "{" in (one.open, two.open):
        return undecided("list", "values of several names beside a set")
    if "(" not in (one.open, two.open) and _in_order(first, second, judge).finding == "equal":
        return equal("tuple")
    places = sorted(range(len(names)), key=lambda place: repr(names[place]))
    named_first = bool(_names(one, judge))
    by_name = [tuple((first if named_first else second)[place] for place in places)]
    pair = (by_name[0], second) if named_first else (first, by_name[0])
    if _in_order(*pair, judge).finding == "equal":
        return equal("tuple")
    sorted_already = places == list(range(len(names)))
    ordered = (two if named_first else one).open == "("
    if sorted_already and ordered:
        return different("tuple", "the same values in another order")
    return undecided("tuple", "the same values in another order")


def _in_order(one: tuple[Node, ...], two: tuple[Node, ...], judge: Judge) -> Decision:
    if len(one) != len(two):
        return different("tuple", "another number of members")
    return all_of((judge(*pair) for pair in zip(one, two, strict=True)), "tuple")


def _names(sequence: Sequence, judge: Judge) -> tuple[Node, ...]:
    """The names in `x = 2, y = 3`, if every member has one of its own."""
    relations = [item for item in sequence.items if isinstance(item, Relation)]
    names = tuple(item.sides[0] for item in relations if assigned(item, judge) is not None)
    distinct = len(set(names)) == len(names) == len(sequence.items)
    return names if distinct and len(names) > 1 else ()


def _by_name(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    values = dict(zip(_names(two, judge), _assigned_values(two, judge), strict=True))
    if set(values) != set(_names(one, judge)):
        return _under_other_names(one, two, judge)
    pairs = [
        (value, values[name])
        for name, value in zip(_names(one, judge), _assigned_values(one, judge), strict=True)
    ]
    return _unless_one_line(all_of((judge(*pair) for pair in pairs), "tuple"), pairs)


def _unless_one_line(found: Decision, pairs: list[tuple[Node, Node]]) -> Decision:
    if found.finding == "different" and may_be_one_line(*zip(*pairs, strict=True)):
        return undecided("tuple", "one line by two parameters")
    return found


def _under_other_names(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    """The same values prove nothing where other names have them."""
    first, second = (spread(_values_of(node, judge)).items for node in (one, two))
    found = _members(first, second, "list", judge)
    return undecided("list", "values of other names") if found.finding == "equal" else found


def _have_other_names(one: Sequence, two: Sequence, judge: Judge) -> bool:
    """Whether both name values, and not the same. `x_1` and `x_2` are names for values of x."""
    first, second = (_all_names(node, judge) for node in (one, two))
    if not first or not second or first == second:
        return False
    return first != _without_feet(second) and _without_feet(first) != second


def _all_names(node: Sequence, judge: Judge) -> frozenset[Node]:
    relations = [item for item in node.items if isinstance(item, Relation)]
    return frozenset(item.sides[0] for item in relations if assigned(item, judge) is not None)


def _without_feet(names: frozenset[Node]) -> frozenset[Node]:
    return frozenset(
        Symbol(name.name.partition("_")[0]) if isinstance(name, Symbol) else name for name in names
    )


def _assigned_values(sequence: Sequence, judge: Judge) -> tuple[Node, ...]:
    return tuple(
        (assigned(item, judge) if isinstance(item, Relation) else None) or item
        for item in sequence.items
    )


def _values_of(sequence: Sequence, judge: Judge) -> Sequence:
    """`x = 2, x = 3` are the values 2 and 3; `x = 2, y = 3` the pair (2, 3) in this order."""
    if _names(sequence, judge):
        return Sequence("(", ")", _assigned_values(sequence, judge))
    return Sequence(sequence.open, sequence.close, _assigned_values(sequence, judge))


def _without_holes(node: Node) -> Node:
    """The formula in `\\frac{1}{x-1}, x \\ne 1`, which only says where it has a value."""
    match node:
        case Sequence("", "", (Quotient() as formula, *others)) if others and all(
            isinstance(each, Relation)
            and set(each.signs) == {"!="}
            and symbols(each) <= symbols(formula)
            for each in others
        ):
            return formula
        case _:
            return node


def _one_sequence(one: Node, two: Node, judge: Judge) -> Decision | None:
    """Several values beside one. An attempt may say more than was asked, so a hit is undecided."""
    for several, single in ((one, two), (two, one)):
        if not isinstance(several, Sequence) or not isinstance(single, SCALARS):
            continue
        of_gold, several = several is one, spread(_values_of(several, judge))
        cheap = isinstance(single, Number) and all(isinstance(n, Number) for n in several.items)
        if len(several.items) > MAX_BESIDE_ONE and not cheap:
            return undecided("list", "many values beside one")
        if len(several.items) == 1 and several.open == "{":
            return judge(several.items[0], single)
        found = [judge(item, single).finding for item in several.items]
        if several.open == "" and found and all(each == "equal" for each in found):
            return equal("list")
        if all(each == "different" for each in found):
            return different("list", "several values instead of one, or one instead of several")
        if len(several.items) > 1 and "equal" in found and "different" in found:
            if of_gold:
                return different("list", "not all the values")
            if several.open == "{" and several.close == "}":
                return different("list", "a set of several values beside one")
        return undecided("list", "several values beside one")
    return None


_ROUND = {"(": "(", "]": "(", "[": "["}


_CLOSED_ROUND = {")": ")", "[": ")", "]": "]"}


def _tuples(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    decision = _in_order(one.items, two.items, judge)
    if len(one.items) == len(two.items):
        decision = _unless_one_line(decision, list(zip(one.items, two.items, strict=True)))
    if _brackets(one) == _brackets(two) or decision.finding == "different":
        return decision
    if len(one.items) == 2:
        return different("tuple", "other brackets")
    return decision


def _brackets(node: Sequence) -> tuple[str, str]:
    return _ROUND.get(node.open, ""), _CLOSED_ROUND.get(node.close, "")


def _list_beside_tuple(one: Sequence, two: Sequence, judge: Judge) -> Decision:
    members = _members(one.items, two.items, "tuple", judge)
    if members.finding != "equal":
        return members
    if (one.open, one.close, two.open) == ("[", "]", "{") and _may_be_interval(one):
        # An attempt may list a set as programs do, but a gold in brackets is an interval.
        return different("tuple", "the ends of an interval alone")
    in_order = _in_order(one.items, two.items, judge).finding == "equal"
    if in_order and "" in (one.open, two.open) and not _may_be_interval(one):
        return equal("tuple")
    return undecided("tuple", "the same members in other brackets")


def _may_be_interval(node: Sequence) -> bool:
    if len(node.items) != 2:
        return False
    try:
        return order(*node.items) < 0
    except Unreadable:
        return True


def _members(one: tuple[Node, ...], two: tuple[Node, ...], method: str, judge: Judge) -> Decision:
    """The same members, each as often, in any order."""
    one, two = tuple(map(_exact, one)), tuple(map(_exact, two))
    left, right = _unpaired(one, two)
    if len(left) * len(right) > MAX_PAIRS:
        return undecided(method, "too many members to compare")
    solutions = method == "set" or all(map(_is_solution, (*one, *two)))
    if solutions and _repeated_only(left, two) and _repeated_only(right, one):
        return equal(method)
    open_question = False
    for item in tuple(left):
        findings = [judge(item, each).finding for each in right]
        if "equal" in findings:
            left.remove(item)
            del right[findings.index("equal")]
        elif findings and "undecided" in findings:
            open_question = True
    if not left and not right:
        return equal(method)
    return _leftover(left, right, one, two, method, open_question, judge)


def _exact(node: Node) -> Node:
    """A plain fraction as the number it is, so that numbers are paired without comparing each."""
    match node:
        case Quotient(Number(over), Number(under)) if under:
            return Number(over / under)
        case _:
            return node


def _is_solution(node: Node) -> bool:
    """Points and solutions of systems are listed once, unlike the roots of a polynomial."""
    return isinstance(node, Sequence) and node.open == "(" and len(node.items) > 2


def _repeated_only(rest: list[Node], others: tuple[Node, ...]) -> bool:
    """A set has each member once, however often it is written."""
    members = set(others)
    return all(item in members for item in rest)


def _leftover(  # noqa: PLR0913
    left: list[Node],
    right: list[Node],
    one: tuple[Node, ...],
    two: tuple[Node, ...],
    method: str,
    open_question: bool,
    judge: Judge,
) -> Decision:
    for rest, others in ((left, two), (right, one)):
        if rest and all(isinstance(each, Number) for each in (rest[0], *others)):
            if rest[0] not in others:
                return different(method, "other members")
            continue
        cheap = len(others) <= MAX_PAIRS or all(isinstance(each, Number) for each in others)
        for item in rest[:20] if cheap else ():
            if all(judge(item, each).finding == "different" for each in others):
                return different(method, "other members")
    reason = "members that were not compared" if open_question else "a member more than once"
    return undecided(method, reason)


def _unpaired(one: tuple[Node, ...], two: tuple[Node, ...]) -> tuple[list[Node], list[Node]]:
    """Pairs of equal spelling are taken away first, so that long equal lists cost little."""
    counts: dict[Node, int] = {}
    for item in two:
        counts[item] = counts.get(item, 0) + 1
    left: list[Node] = []
    for item in one:
        if counts.get(item, 0):
            counts[item] -= 1
        else:
            left.append(item)
    return left, [item for item, count in counts.items() for _ in range(count)]
