"""Decide whether two answers are the same: a list of rules, the first that applies decides.

A wrong label is the worst outcome. "Equal" and "different" are therefore proven; where neither is,
the answer is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import product

from cotgen.verifiers.mathematics import algebra, sets
from cotgen.verifiers.mathematics.decision import (
    Decision,
    all_of,
    any_of,
    different,
    equal,
    unanimous,
    undecided,
)
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Based,
    Choice,
    Clock,
    Function,
    Matrix,
    Node,
    Number,
    PlusMinus,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Relation,
    Sequence,
    Sum,
    Symbol,
    Text,
    Unreadable,
    children,
    contains,
    symbols,
)
from cotgen.verifiers.mathematics.read import Answer
from cotgen.verifiers.mathematics.scalars import compare_scalars, order
from cotgen.verifiers.mathematics.units import Unit, scales, unit
from cotgen.verifiers.mathematics.wording import compare_texts

MAX_PAIRS = 400
"""Pairs of members that are compared one by one, once equal spellings have been paired."""


def compare(gold: Answer, given: Answer) -> Decision:
    """Whether an answer is the gold one."""
    if not gold.key or not given.key:
        return undecided("", gold.problem or given.problem)
    if gold.key == given.key:
        return equal("exact")
    decision = _by_digits(gold.key, given.key)
    if decision is not None:
        return decision
    if not gold.readings:
        return undecided("", f"the gold cannot be read: {gold.problem}")
    if not given.readings:
        return undecided("", f"the answer cannot be read: {given.problem}")
    decision = unanimous(judge(*pair) for pair in product(gold.readings, given.readings))
    if decision.finding == "different":
        decision = _as_lists(gold, given) or decision
    if decision.finding == "different" and (gold.approximate or given.approximate):
        return undecided(decision.method, "one of them is only approximate")
    return decision


def _by_digits(one: str, two: str) -> Decision | None:
    """Whole numbers of any length, without working with them."""
    if not (_is_whole(one) and _is_whole(two)):
        return None
    same = _canonical(one) == _canonical(two)
    return equal("exact") if same else different("exact", "another number")


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _canonical(text: str) -> str:
    digits = text.removeprefix("-").lstrip("0")
    return f"-{digits}" if digits and text.startswith("-") else digits


def _as_lists(gold: Answer, given: Answer) -> Decision | None:
    """`100,200` is one number first, but beside the list `100, 200` it is that list."""
    if (gold.listed is None) == (given.listed is None):
        return None
    one, two = gold.listed or gold.readings[0], given.listed or given.readings[0]
    if not (isinstance(one, Sequence) and isinstance(two, Sequence)):
        return None
    if len(one.items) != len(two.items):
        return undecided("list", "a comma may group digits or separate members")
    pairs = zip(one.items, two.items, strict=True)
    if all(judge(*pair).finding == "equal" for pair in pairs):
        return equal("list")
    return None


Rule = Callable[[Node, Node], Decision | None]


def judge(one: Node, two: Node) -> Decision:
    """Compare two readings."""
    if one == two:
        return equal("exact")
    for rule in _RULES:
        decision = rule(one, two)
        if decision is not None:
            return decision
    return undecided("", f"a {_kind(one)} beside a {_kind(two)}")


def _kind(node: Node) -> str:
    return "value" if isinstance(node, SCALARS) else type(node).__name__.lower()


# --- choices, times, words ------------------------------------------------------------------------


def _choices(one: Node, two: Node) -> Decision | None:
    match one, two:
        case Choice(letter, first), Choice(other, second):
            if letter != other:
                return different("choice", f"option {other} instead of {letter}")
            if first is None or second is None or judge(first, second).finding == "equal":
                return equal("choice")
            return undecided("choice", "the same letter with another text")
        case (Choice(letter, None), other) | (other, Choice(letter, None)):
            if other == Symbol(letter):
                return equal("choice")
            return undecided("choice", "a letter alone does not tell what it stands for")
        case (Choice(_, content), other) if content is not None:
            return judge(content, other)
        case (other, Choice(_, content)) if content is not None:
            return judge(other, content)
    return None


def _clocks(one: Node, two: Node) -> Decision | None:
    if not (isinstance(one, Clock) and isinstance(two, Clock)):
        return _clock_beside(one, two)
    same_face = (one.hour % 12, one.minute) == (two.hour % 12, two.minute)
    if not same_face:
        return _not_a_ratio(one, two)
    halves = {half for half in map(_half, (one, two)) if half}
    if len(halves) == 2:
        return different("time", "the other half of the day")
    exact = one.hour == two.hour or all(map(_half, (one, two)))
    return equal("time") if exact else undecided("time", "12 hours or 24 hours")


def _half(clock: Clock) -> str:
    if clock.half:
        return clock.half
    return "p" if clock.hour > 12 else "a" if clock.hour in (0, 24) else ""


def _not_a_ratio(one: Clock, two: Clock) -> Decision:
    """`4:30` is a time, but might be a ratio too, and then equals `2:15`."""
    ratio = one.hour * two.minute == two.hour * one.minute and not one.half + two.half
    if ratio:
        return undecided("time", "equal as ratios, not as times")
    return different("time", "another time")


def _clock_beside(one: Node, two: Node) -> Decision | None:
    for clock, other in ((one, two), (two, one)):
        if isinstance(clock, Clock) and isinstance(other, Ratio) and not clock.half:
            items = tuple(Number(Fraction(part)) for part in (clock.hour, clock.minute))
            return _ratios(Ratio(items), other)
        if isinstance(clock, Clock):
            return undecided("time", "a time beside something else")
    return None


def _texts(one: Node, two: Node) -> Decision | None:
    if isinstance(one, Text) and isinstance(two, Text):
        return compare_texts(one, two)
    for text, other in ((one, two), (two, one)):
        if not isinstance(text, Text):
            continue
        if text.words == ("nothing",):
            empty = isinstance(other, Sequence) and other.open == "{" and not other.items
            surely = isinstance(other, Number | Sequence | Matrix)
            if empty or surely:
                return equal("text") if empty else different("text", "one of them says: none")
        return undecided("text", "words beside a formula")
    return None


def _bases(one: Node, two: Node) -> Decision | None:
    match one, two:
        case Based(digits, base), Based(others, other):
            if base == other:
                same = digits.lower() == others.lower()
                return equal("exact") if same else different("exact", "other digits")
            try:
                same = int(digits, base) == int(others, other)
            except ValueError:
                return undecided("exact", "digits that the base does not have")
            if same:
                return undecided("exact", "the same number in another base")
            return different("exact", "another number in another base")
        case (Based(digits, base), Number(value)) | (Number(value), Based(digits, base)):
            try:
                same = value == int(digits, base) or str(value) == digits
            except ValueError:
                same = True
            if same:
                return undecided("exact", "only one of them names its base")
            return different("exact", "another number")
    return None


# --- relations ------------------------------------------------------------------------------------


def _memberships(one: Node, two: Node) -> Decision | None:
    """Sets of numbers, as intervals, inequalities or unions."""
    if not (sets.is_surely_set(one) or sets.is_surely_set(two)):
        return None
    try:
        same = sets.same(sets.intervals(one), sets.intervals(two))
    except Unreadable:
        return None
    if isinstance(one, Relation) and isinstance(two, Relation) and symbols(one) != symbols(two):
        return undecided("set", "other unknowns")
    return equal("set") if same else different("set", "another set")


def _relations(one: Node, two: Node) -> Decision | None:
    if isinstance(one, Relation) and isinstance(two, Relation):
        return _two_relations(one, two)
    for relation, other in ((one, two), (two, one)):
        if isinstance(relation, Relation):
            value = _assigned(relation)
            if value is None:
                return undecided("equation", f"a relation beside a {_kind(other)}")
            return judge(value, other) if relation is one else judge(other, value)
    return None


def _two_relations(one: Relation, two: Relation) -> Decision:
    first, second = _assigned(one), _assigned(two)
    if first is not None and second is not None:
        same = judge(first, second)
        if one.sides[0] == two.sides[0]:
            return same
        if same.finding == "equal":
            return undecided("equation", "the same value under another name")
    if one.signs == two.signs == ("=",):
        return _equations(one, two)
    return _inequalities(one, two)


def _assigned(relation: Relation) -> Node | None:
    """`x = 5` says 5, and so does `AB = 2 + 3 = 5`; None for an equation that is not solved."""
    if set(relation.signs) not in ({"="}, {"in"}):
        return None
    name, *others, last = relation.sides
    if _is_name(name) and (isinstance(name, Function) or not symbols(name) & symbols(last)):
        return last if all(judge(each, last).finding == "equal" for each in others) else None
    if not symbols(relation) and all(
        judge(each, last).finding == "equal" for each in (name, *others)
    ):
        return last if name != last else None
    return None


def _is_name(node: Node) -> bool:
    match node:
        case Symbol():
            return True
        case Function(name, args):
            return name.startswith("?") and not any(map(children, args))
        case Product(factors):
            return all(isinstance(each, Symbol) and each.name.isupper() for each in factors)
        case _:
            return False


def _equations(one: Relation, two: Relation) -> Decision:
    """The same equation is the same polynomial up to a factor that is not zero."""
    try:
        left, right = (algebra.normal(_gap(relation)) for relation in (one, two))
    except Unreadable as error:
        return undecided("equation", str(error))
    if not left.over or not right.over:
        return undecided("equation", "an equation that always holds")
    if algebra.proportional(left, right) is not None:
        return equal("equation")
    if algebra.is_linear(left) and algebra.is_linear(right):
        return different("equation", "another equation")
    if algebra.decides(left) and algebra.decides(right) and _is_curve(left) and _is_curve(right):
        return _curves(left, right)
    return undecided("equation", "two equations that were not shown to have other solutions")


def _is_curve(form: algebra.Form) -> bool:
    return algebra.is_polynomial(form) and len(form.over) > 1


def _curves(one: algebra.Form, two: algebra.Form) -> Decision:
    if algebra.vanish_apart(one, two):
        return different("equation", "another equation")
    return undecided("equation", "two equations that were not shown to have other solutions")


def _gap(relation: Relation) -> Node:
    left, right = relation.sides
    return Sum((left, Product((Number(Fraction(-1)), right))))


def _inequalities(one: Relation, two: Relation) -> Decision:
    """Two-sided inequalities between expressions: the same up to a positive factor."""
    if not (len(one.signs) == len(two.signs) == 1):
        return undecided("inequality", "relations of another form")
    try:
        left, right = (algebra.normal(_gap(relation)) for relation in (one, two))
    except Unreadable as error:
        return undecided("inequality", str(error))
    factor = algebra.proportional(left, right)
    if factor is None or "in" in one.signs + two.signs:
        return undecided("inequality", "relations that were not shown to be the same")
    sign = two.signs[0] if factor > 0 else sets.flipped(two.signs[0])
    if sign == one.signs[0]:
        return equal("inequality")
    return different("inequality", "another relation between the same sides")


# --- quantities -----------------------------------------------------------------------------------


def _percents(one: Node, two: Node) -> Decision | None:
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


def _degrees(one: Node, two: Node) -> Decision | None:
    degrees = [isinstance(node, Function) and node.name == "degree" for node in (one, two)]
    if not any(degrees):
        return None
    first, second = (
        one_arg(node) if flag else node for node, flag in zip((one, two), degrees, strict=True)
    )
    if not (isinstance(first, SCALARS) and isinstance(second, SCALARS)):
        return None
    decision = compare_scalars(first, second)
    if all(degrees) or decision.finding != "different":
        return decision
    if compare_scalars(one, two).finding == "equal":
        return undecided("numeric", "degrees beside radians")
    return decision


def _quantities(one: Node, two: Node) -> Decision | None:
    match one, two:
        case Quantity(first, here), Quantity(second, there):
            return _two_units(first, unit(here), second, unit(there))
        case (Quantity(value, name), other) | (other, Quantity(value, name)):
            if (
                not isinstance(other, SCALARS)
                or (isinstance(other, Function)
                and other.name
                in (
                    "percent",
                    "degree",
                ))
            ):
                return undecided("unit", f"a quantity beside a {_kind(other)}")
            return _one_unit(value, unit(name), other)
    return None


def _one_unit(value: Node, named: Unit, other: Node) -> Decision:
    """A unit may be left out; it may then be another one of its kind."""
    decision = compare_scalars(value, other)
    if decision.finding != "different":
        return decision
    if symbols(value) != symbols(other):
        return undecided("unit", "letters that may be units")
    for scale in scales(named.dimension):
        factor = Number(named.scale / scale)
        if compare_scalars(Product((value, factor)), other).finding == "equal":
            return undecided("unit", "the same in another unit of its kind")
    return decision


def _two_units(first: Node, here: Unit, second: Node, there: Unit) -> Decision:
    if here == there:
        return compare_scalars(first, second)
    if here.dimension == there.dimension:
        return compare_scalars(
            Product((first, Number(here.scale))), Product((second, Number(there.scale)))
        )
    if here.known and there.known:
        return different("unit", f"{there.dimension} instead of {here.dimension}")
    return undecided("unit", "units that are not known to be the same")


def _ratios(one: Node, two: Node) -> Decision | None:
    match one, two:
        case Ratio(first), Ratio(second):
            if len(first) != len(second):
                return different("ratio", "another number of parts")
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
            return undecided("ratio", "a ratio beside a number")
    return None


# --- structures -----------------------------------------------------------------------------------


def _matrices(one: Node, two: Node) -> Decision | None:
    match one, two:
        case Matrix(rows), Matrix(others):
            flat, other = children(one), children(two)
            if len(flat) != len(other):
                return different("matrix", "another size")
            decision = all_of((judge(a, b) for a, b in zip(flat, other, strict=True)), "matrix")
            if len(rows) == len(others) or decision.finding == "different":
                return decision
            return undecided("matrix", "the same entries in another shape")
        case (Matrix(rows), Sequence(_, _, items)) | (Sequence(_, _, items), Matrix(rows)):
            flat = tuple(entry for row in rows for entry in row)
            if min(len(rows), len(rows[0])) > 1 or len(flat) != len(items):
                return different("matrix", "another size")
            decision = all_of((judge(a, b) for a, b in zip(flat, items, strict=True)), "matrix")
            if decision.finding == "equal":
                return undecided("matrix", "a vector in another notation")
            return decision
    return None


def _sequences(one: Node, two: Node) -> Decision | None:
    if not (isinstance(one, Sequence) and isinstance(two, Sequence)):
        return _one_sequence(one, two)
    if _names(one) and sorted(map(repr, _names(one))) == sorted(map(repr, _names(two))):
        return _by_name(one, two)
    if _names(one) and _names(two):
        return undecided("list", "other names")
    one, two, named = _spread(_values_of(one)), _spread(_values_of(two)), _names(one) or _names(two)
    if named and {one.open, two.open} == {"("}:
        return _tuples(one, two)
    ordered = [node.open in ("(", "[", "]") for node in (one, two)]
    if all(ordered):
        return _tuples(one, two)
    if not any(ordered):
        return _members(one.items, two.items, "set" if "{" in (one.open, two.open) else "list")
    return _list_beside_tuple(one, two)


def _spread(sequence: Sequence) -> Sequence:
    """Members with a plus-minus sign are two members, where order means nothing."""
    if sequence.open in ("(", "[", "]") or not contains(sequence, PlusMinus):
        return sequence
    items = tuple(each for item in sequence.items for each in both_signs(item))
    return Sequence(sequence.open, sequence.close, items)


def both_signs(node: Node) -> tuple[Node, ...]:
    """The two values of a node with one plus-minus sign; itself without one."""
    if not contains(node, PlusMinus):
        return (node,)
    match node:
        case PlusMinus(term):
            return (term, Product((Number(Fraction(-1)), term)))
        case Sum(terms):
            index = [contains(term, PlusMinus) for term in terms].index(True)
            rest = terms[:index], terms[index + 1 :]
            values = both_signs(terms[index])
            return tuple(Sum((*rest[0], value, *rest[1])) for value in values)
        case Product(factors):
            index = [contains(each, PlusMinus) for each in factors].index(True)
            values = both_signs(factors[index])
            return tuple(
                Product((*factors[:index], value, *factors[index + 1 :])) for value in values
            )
        case Quotient(over, under):
            return tuple(Quotient(value, under) for value in both_signs(over))
        case Relation((name, value), ("=",)) if _is_name(name):
            return both_signs(value)
        case Quantity(value, name):
            return tuple(Quantity(each, name) for each in both_signs(value))
        case _:
            return (node,)


def _plus_minus(one: Node, two: Node) -> Decision | None:
    """One value with both signs is a list of two."""
    found = [not isinstance(node, Sequence) and contains(node, PlusMinus) for node in (one, two)]
    if not any(found):
        return None
    if any(_signs(node) > 1 for node in (one, two)):
        return undecided("list", "several plus-minus signs")
    lists = [
        Sequence("", "", both_signs(node)) if flag else node
        for node, flag in zip((one, two), found, strict=True)
    ]
    if any(contains(item, PlusMinus) for each in lists for item in children(each)):
        return undecided("list", "a plus-minus sign inside an expression")
    return judge(*lists)


def _signs(node: Node) -> int:
    """How many plus-minus signs one member has."""
    own = isinstance(node, PlusMinus)
    if isinstance(node, Sequence):
        return max((_signs(item) for item in node.items), default=0)
    return own + sum(map(_signs, children(node)))


def _names(sequence: Sequence) -> tuple[Node, ...]:
    """The names in `x = 2, y = 3`, if every member has one of its own."""
    relations = [item for item in sequence.items if isinstance(item, Relation)]
    names = tuple(item.sides[0] for item in relations if _assigned(item) is not None)
    distinct = len(set(names)) == len(names) == len(sequence.items)
    return names if distinct and len(names) > 1 else ()


def _by_name(one: Sequence, two: Sequence) -> Decision:
    values = dict(zip(_names(two), _assigned_values(two), strict=True))
    pairs = zip(_names(one), _assigned_values(one), strict=True)
    return all_of((judge(value, values[name]) for name, value in pairs), "tuple")


def _assigned_values(sequence: Sequence) -> tuple[Node, ...]:
    return tuple(
        (_assigned(item) if isinstance(item, Relation) else None) or item for item in sequence.items
    )


def _values_of(sequence: Sequence) -> Sequence:
    """`x = 2, x = 3` are the values 2 and 3; `x = 2, y = 3` the pair (2, 3) in this order."""
    if _names(sequence):
        return Sequence("(", ")", _assigned_values(sequence))
    return Sequence(sequence.open, sequence.close, _assigned_values(sequence))


def _one_sequence(one: Node, two: Node) -> Decision | None:
    """Several values beside one. An attempt may say more than was asked, so a hit is undecided."""
    for several, single in ((one, two), (two, one)):
        if not isinstance(several, Sequence) or not isinstance(single, SCALARS):
            continue
        of_gold, several = several is one, _spread(_values_of(several))
        found = [judge(item, single).finding for item in several.items[:MAX_PAIRS]]
        if len(found) == 1 and several.open == "{":
            return judge(several.items[0], single)
        if several.open == "" and found and all(each == "equal" for each in found):
            return equal("list")
        if all(each == "different" for each in found):
            return different("list", "several values instead of one, or one instead of several")
        if of_gold and len(several.items) > 1 and "equal" in found and "different" in found:
            return different("list", "not all the values")
        return undecided("list", "several values beside one")
    return None


_ROUND = {"(": "(", "]": "(", "[": "["}
_CLOSED_ROUND = {")": ")", "[": ")", "]": "]"}


def _tuples(one: Sequence, two: Sequence) -> Decision:
    if len(one.items) != len(two.items):
        return different("tuple", "another number of members")
    decision = all_of((judge(a, b) for a, b in zip(one.items, two.items, strict=True)), "tuple")
    same = _brackets(one) == _brackets(two)
    if same or decision.finding == "different":
        return decision
    if len(one.items) == 2:
        return different("tuple", "other brackets")
    return undecided("tuple", "the same members in other brackets")


def _brackets(node: Sequence) -> tuple[str, str]:
    return _ROUND.get(node.open, ""), _CLOSED_ROUND.get(node.close, "")


def _list_beside_tuple(one: Sequence, two: Sequence) -> Decision:
    members = _members(one.items, two.items, "tuple")
    if members.finding != "equal":
        return members
    in_order = len(one.items) == len(two.items) and all(
        judge(a, b).finding == "equal" for a, b in zip(one.items, two.items, strict=True)
    )
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


def _members(one: tuple[Node, ...], two: tuple[Node, ...], method: str) -> Decision:
    """The same members, each as often, in any order."""
    left, right = _unpaired(one, two)
    if len(left) * len(right) > MAX_PAIRS:
        return undecided(method, "too many members to compare")
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
    return _leftover(left, right, one, two, method, open_question)


def _leftover(  # noqa: PLR0913
    left: list[Node],
    right: list[Node],
    one: Iterable[Node],
    two: Iterable[Node],
    method: str,
    open_question: bool,
) -> Decision:
    for rest, others in ((left, two), (right, one)):
        for item in rest[:20]:
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


def _values(one: Node, two: Node) -> Decision | None:
    if isinstance(one, SCALARS) and isinstance(two, SCALARS):
        return compare_scalars(one, two)
    return None


def _kinds(one: Node, two: Node) -> Decision | None:
    """A number is no vector and no set of numbers."""
    for node, other in ((one, two), (two, one)):
        many = isinstance(node, Matrix) and len(children(node)) > 1
        if not many and not sets.is_surely_set(node):
            continue
        if isinstance(other, SCALARS) and not symbols(other):
            return different("kind", f"a {_kind(one)} beside a {_kind(two)}")
    return None


_RULES: tuple[Rule, ...] = (
    _choices,
    _clocks,
    _texts,
    _bases,
    _memberships,
    _plus_minus,
    _relations,
    _matrices,
    _sequences,
    _quantities,
    _percents,
    _degrees,
    _ratios,
    _values,
    _kinds,
)
