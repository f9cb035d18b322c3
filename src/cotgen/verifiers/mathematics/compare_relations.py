"""Equations, assignments and inequalities."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction

from cotgen.verifiers.mathematics import algebra, curves, forms, sets
from cotgen.verifiers.mathematics.congruences import congruences
from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Function,
    Intersection,
    Matrix,
    Node,
    Number,
    Numbers,
    Power,
    Product,
    Quotient,
    Ratio,
    Reals,
    Relation,
    Sequence,
    Sum,
    Symbol,
    Union,
    Unreadable,
    Where,
    children,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import replaced
from cotgen.verifiers.mathematics.recursions import is_recursion, shifted
from cotgen.verifiers.mathematics.rules import Judge, kind_of


def memberships(one: Node, two: Node, _: Judge) -> Decision | None:
    """Sets of numbers, as intervals, inequalities or unions."""
    if not (sets.is_surely_set(one) or sets.is_surely_set(two)):
        return None
    one, two = (Reals() if node == Symbol("R") else node for node in (one, two))
    try:
        first, second = sets.intervals(one), sets.intervals(two)
        same = sets.same(first, second)
    except Unreadable:
        return None
    if not first and not second and isinstance(one, Sequence) and isinstance(two, Sequence):
        # `(0,0]` holds nothing, and `(0,0)` beside it may be a point.
        return undecided("set", "intervals without members")
    if isinstance(one, Relation) and isinstance(two, Relation) and symbols(one) != symbols(two):
        renamed = len(symbols(one)) == len(symbols(two)) == 1
        if same or not renamed:
            return undecided("set", "other unknowns")
    if same and sets.is_unsolved(two) and not sets.is_unsolved(one):
        return undecided("set", "an inequality that is not solved")
    if same and all(map(sets.is_unsolved, (one, two))) and sets.is_trivial(first):
        return undecided("set", "inequalities that always or never hold")
    return equal("set") if same else different("set", "another set")


def described(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`\\{z \\mid |z| = 1\\}` is described by `|z| = 1`."""
    first, second = _description(one), _description(two)
    if first is None and second is None:
        return None
    pair = first or one, second or two
    if not all(isinstance(node, Relation) for node in pair):
        return None
    if first and second and one.name != two.name:  # type: ignore[union-attr]
        return None
    return judge(*pair)


def _description(node: Node) -> Relation | None:
    """The only condition of a set, where that is an equation."""
    match node:
        case Where(Symbol() | Sequence(), (Relation(_, ("=",)) as condition,)):
            return condition
        case _:
            return None


def unions(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`A \\cup B` is `B \\cup A`; of sets that are only named nothing more is known."""
    match one, two:
        case (Union(first), Union(second)) | (Intersection(first), Intersection(second)):
            pass
        case (Union(first), Intersection(second)) | (Intersection(first), Union(second)):
            named = all(isinstance(part, Symbol) for part in first)
            if named and len(set(first)) > 1 and set(first) == set(second):
                return different("set", "what is in one of them beside what is in all")
            return None
        case _:
            return None
    if len(first) != len(second) or len(first) > MAX_PARTS:
        return None
    rest = list(second)
    for part in first:
        found = next((other for other in rest if judge(part, other).finding == "equal"), None)
        if found is None:
            return None
        rest.remove(found)
    return equal("set")


MAX_PARTS = 8


def relations(one: Node, two: Node, judge: Judge) -> Decision | None:
    if isinstance(one, Relation) and isinstance(two, Relation):
        found = congruences(one, two, judge)
        if found is not None:
            return found
    if isinstance(one, Relation) and _is_class(one) != _is_class(two):
        return None if _says_whole(two) else _class_beside(one, two, judge)
    if isinstance(two, Relation) and _says_nothing(two) and _says_something(one):
        if judge(one, two.sides[0]).finding == "equal":
            return undecided("equation", "the value, as an equation that always holds")
        return different("equation", "both sides are written alike, which says nothing")
    if isinstance(one, Relation) and isinstance(two, Relation):
        return _two_relations(one, two, judge)
    if isinstance(one, Relation):
        value = assigned(one, judge) or _several(one, two)
        return _unsolved(one, two) if value is None else judge(value, two)
    if isinstance(two, Relation):
        if _is_class(two) and _says_whole(one):
            return None
        value = assigned(two, judge) or _found(two) or _several(two, one)
        return _unsolved(two, one) if value is None else judge(one, value)
    return None


def _says_whole(node: Node) -> bool:
    """`x = 5k + 2, k \\in \\mathbb{Z}`, which lists judge."""
    return isinstance(node, Sequence) and any(
        isinstance(item, Relation) and item.sides[-1] == Numbers("Z") for item in node.items
    )


def _class_beside(one: Relation, two: Node, judge: Judge) -> Decision:
    if isinstance(two, SCALARS):
        found = judge(one.sides[-1], two)
        if found.finding == "different":
            return found
    return undecided("residue", "the class of a number beside that number")


def _unsolved(relation: Relation, other: Node) -> Decision:
    if _leaves_out(relation, other):
        return different("inequality", "a range of values beside one that is not in it")
    return undecided("equation", f"a relation beside a {kind_of(other)}")


def _says_nothing(relation: Relation) -> bool:
    """`x = x` repeats a name, `0 = 0` is all that is left of an equation."""
    return set(relation.signs) == {"="} and len(set(relation.sides)) == 1


def _says_something(node: Node) -> bool:
    if not isinstance(node, Relation):
        return isinstance(node, SCALARS)
    try:
        return set(node.signs) == {"="} and bool(algebra.normal(_gap(node)).over)
    except Unreadable:
        return False


def _leaves_out(relation: Relation, other: Node) -> bool:
    """Whether the number is no value of `x > 5`, nor its bound, which may be asked for."""
    if not isinstance(other, Number) or not _ORDERED.issuperset(relation.signs):
        return False
    if other in relation.sides:
        return False
    unknowns = [side for side in relation.sides if not isinstance(side, Number)]
    if len(unknowns) != 1 or not isinstance(unknowns[0], Symbol):
        return False
    values = [side.value if isinstance(side, Number) else other.value for side in relation.sides]
    pairs = zip(relation.signs, values, values[1:], strict=False)
    return not all(_HOLDS[sign](left, right) for sign, left, right in pairs)


_HOLDS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "!=": operator.ne,
}


def _several(relation: Relation, other: Node) -> Sequence | None:
    """`x = y = 2` as `x = 2, y = 2`, beside a list."""
    if not isinstance(other, Sequence):
        return None
    *names, value = relation.sides
    distinct = len(set(names)) == len(names) > 1 and all(isinstance(n, Symbol) for n in names)
    if set(relation.signs) != {"="} or not distinct or symbols(value) & symbols(Sum(tuple(names))):
        return None
    return Sequence("", "", tuple(Relation((name, value), ("=",)) for name in names))


def _is_class(node: Node) -> bool:
    """`n = 1 mod 3` says no single number."""
    last = node.sides[-1] if isinstance(node, Relation) else node
    return isinstance(last, Function) and last.name == "residue"


def _found(relation: Relation) -> Node | None:
    """The value in an attempt's `a + b = 7`. A gold of this form is a line, and 7 is none."""
    if set(relation.signs) != {"="}:
        return None
    asked, *_, value = relation.sides
    if symbols(value):
        return None
    is_chain = len(relation.sides) > 2 and is_name(asked) and any(map(symbols, relation.sides[1:]))
    return value if is_chain or _is_asked_for(asked) else None


def _two_relations(one: Relation, two: Relation, judge: Judge) -> Decision:
    if symbols(one) != symbols(two) and (recursions := _recursions(one, two)):
        return judge(*recursions)
    first, second = assigned(one, judge), assigned(two, judge)
    if first is not None and second is not None:
        same = judge(*(_in_place(value, _name_of(one)) for value in (first, second)))
        if _same_name(_name_of(one), _name_of(two)):
            return same
        renamed = _with_argument_of(one, two)
        if renamed is not None:
            return _two_relations(one, renamed, judge)
        if same.finding == "equal":
            if _is_graph(one, first) and _is_graph(two, second) and _one_name(one, two):
                return equal("equation")
            return undecided("equation", "the same value under another name")
    if one.signs == two.signs == ("=",):
        return _equations(one, two)
    if _contradict(one, two):
        return different("relation", "one denies what the other says")
    if not _ORDERED.issuperset(one.signs + two.signs):
        return _of_other_kinds(one, two, judge)
    return _inequalities(one, two, judge)


_PLACES = ("k", "n", "m")


def _in_place(value: Node, name: Node) -> Node:
    """The value of `a_n` or `f(n)`: n is a place in it, and no letter for any number."""
    match name:
        case Symbol(text):
            letters = text.partition("_")[2]
        case Function(_, args):
            letters = "".join(arg.name for arg in args if isinstance(arg, Symbol))
        case _:
            return value
    for letter in _PLACES:
        if letter in letters:
            value = replaced(value, Symbol(letter), Symbol(f"place {letter}"))
    return value


def _same_name(one: Node, two: Node) -> bool:
    """`dy/dx` is also written y'."""
    names = {_derivative_name(one), _derivative_name(two)}
    return one == two or (len(names) == 1 and None not in names)


def _derivative_name(node: Node) -> str | None:
    match node:
        case Function("derivative", (Symbol(name), _, Number(order))) if order in (1, 2):
            return name + "'" * int(order)
        case Symbol(name) if name.endswith("'"):
            return name
        case _:
            return None


def _with_argument_of(one: Relation, two: Relation) -> Relation | None:
    """`f(t) = 2t` beside `f(x) = 2x`: the second with the first one's argument."""
    match _name_of(one), _name_of(two):
        case (Function(name, (Symbol() as first,)), Function(other, (Symbol() as second,))) if (
            name == other and first != second and first.name not in symbols(two)
        ):
            renamed = replaced(two, second, first)
            return renamed if isinstance(renamed, Relation) else None
        case Symbol(name), Symbol(other):
            moved = shifted(two)
            is_moved = moved is not None and moved != two and moved.sides[0] == Symbol(name)
            return moved if is_moved else _with_index_of(name, other, two)
    return None


def _with_index_of(name: str, other: str, relation: Relation) -> Relation | None:
    """`a_k = 2k` beside `a_n = 2n`: with n for k. Other letters at the foot are no places."""
    stem, _, index = name.partition("_")
    its_stem, _, place = other.partition("_")
    places = {index, place}
    if stem != its_stem or len(places) < 2 or not places <= _INDICES:
        return None
    if index in symbols(relation):
        return None
    named = replaced(relation, Symbol(other), Symbol(name))
    renamed = replaced(named, Symbol(place), Symbol(index))
    return renamed if isinstance(renamed, Relation) else None


_INDICES = frozenset("nkmj")


def _name_of(relation: Relation) -> Node:
    first, last = relation.sides[0], relation.sides[-1]
    return last if is_name(last) and not is_name(first) else first


def _one_name(one: Relation, two: Relation) -> bool:
    """y may be any function, but `f` is not `g`."""
    names = [_name_of(relation) for relation in (one, two)]
    called = {name.name for name in names if isinstance(name, Function)}
    return len(called) < len(names)


def _is_graph(relation: Relation, value: Node) -> bool:
    """`y = x^2` and `f(x) = x^2` are the same function."""
    name = _name_of(relation)
    if not isinstance(name, Function):
        return name == Symbol("y") and bool(symbols(value))
    return bool(symbols(value)) and symbols(name) <= symbols(value)


def assigned(relation: Relation, judge: Judge) -> Node | None:
    """`x = 5` says 5, and so does `AB = 2 + 3 = 5`; None for an equation that is not solved."""
    if set(relation.signs) not in ({"="}, {"in"}):
        return None
    name, *others, last = relation.sides
    if relation.signs == ("in",) and _is_point(name):
        return last if isinstance(last, Sequence) and last.open == "{" else None
    if not others and is_name(last) and not is_name(name) and relation.signs == ("=",):
        name, last = last, name
    if name == last:
        return None
    if _names_value(name, last):
        return last if all(judge(each, last).finding == "equal" for each in others) else None
    if not symbols(relation) and all(
        judge(each, last).finding == "equal" for each in (name, *others)
    ):
        return last
    return None


def _is_point(node: Node) -> bool:
    """`(x,y)`, before the set of its values."""
    return isinstance(node, Sequence) and node.open == "(" and named_tuple(node, node)


def _names_value(name: Node, value: Node) -> bool:
    if isinstance(name, Sequence):
        return named_tuple(name, value)
    if is_name(name):
        return isinstance(name, Function) or not symbols(name) & symbols(value)
    match name, value:
        case Power(Symbol(letter), Number()), Matrix():
            # `A^{-1}` has been asked for.
            return letter.isupper() and letter not in symbols(value)
    return False


def named_tuple(names: Node, values: Node) -> bool:
    """`(x,y) = (2,3)`."""
    return (
        isinstance(names, Sequence)
        and isinstance(values, Sequence)
        and names.open == values.open == "("
        and len(names.items) == len(values.items)
        and all(isinstance(name, Symbol) for name in names.items)
        and len(set(names.items)) == len(names.items)
    )


def is_name(node: Node) -> bool:
    """Whether a node can name a value: `x`, `f(2)`, `AB`, `\\vec{v}`, `dy/dx`."""
    match node:
        case Symbol():
            return True
        case Function(name, (Symbol(angle),)) if name in _TRIGONOMETRIC:
            # `\\sin A` has been asked for; `\\sin x = 1/2` is an equation.
            return angle.isupper() and len(angle) == 1
        case Function(name, args):
            marked = name.startswith("mark ") or name in ("derivative", "?norm")
            if name == "abs":
                return isinstance(args[0], Product) and is_name(args[0])
            leaves = not any(
                children(n) for n in args if not isinstance(n, Union | Intersection | Relation)
            )
            return marked or (name.startswith("?") and leaves)
        case Product((Symbol("m"), Function(name, _))):
            return name == "mark angle"
        case Product(factors):
            return all(isinstance(each, Symbol) and each.name.isupper() for each in factors)
        case Quotient(Product() as over, Product() as under):
            return is_name(over) and is_name(under)
        case Ratio(items) | Union(items) | Intersection(items):
            return all(map(is_name, items))
        case _:
            return False


def _is_asked_for(node: Node) -> bool:
    """Whether a node is an expression whose value was asked for, as in `a + b = 7`.

    One in a single unknown is an equation to solve: `2x = 4` does not say 4.
    """
    match node:
        case Function(name, (arg,)) if name in _MEASURED:
            return bool(symbols(arg))
        case Function(name, _) if name in _WORKED_OUT:
            return True
        case Sum(parts) | Product(parts):
            plain = all(_is_plain(part) for part in parts)
        case Quotient(over, under):
            plain = _is_plain(over) and _is_plain(under)
        case Function(name, _):
            return name.startswith("?")
        case _:
            return False
    return plain and len(symbols(node)) > 1


_TRIGONOMETRIC = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))
_MEASURED = frozenset(("abs", "sin", "cos", "tan", "cot", "sec", "csc", "?norm", "ln", "lg"))
_WORKED_OUT = frozenset(("sum", "prod", "integral", "limit", "limit+", "limit-", "det"))


def _is_plain(node: Node) -> bool:
    match node:
        case Symbol():
            return True
        case Function(name, (Symbol(),)):
            return name.startswith("mark ")
        case Product(factors):
            names = [each for each in factors if not isinstance(each, Number)]
            return all(map(_is_plain, names)) and bool(names)
        case Sum(parts):
            return all(map(_is_plain, parts))
        case _:
            return False


def _equations(one: Relation, two: Relation) -> Decision:
    """The same equation is the same polynomial up to a factor that is not zero."""
    try:
        left, right = (algebra.normal(_gap(relation)) for relation in (one, two))
    except Unreadable as error:
        return undecided("equation", str(error))
    if not (symbols(one) and symbols(two)):
        return undecided("equation", "a statement without unknowns")
    if not right.over and left.over and forms.decides(left):
        return different("equation", "an equation that always holds")
    if not left.over or not right.over:
        return undecided("equation", "an equation that always holds")
    if (_is_polar(one) and _is_cartesian(two)) or (_is_polar(two) and _is_cartesian(one)):
        return undecided("equation", "other coordinates")
    left, right = forms.cleared(left), forms.cleared(right)
    if forms.proportional(left, right) is not None:
        return equal("equation")
    if symbols(one) != symbols(two) and is_recursion(one) and is_recursion(two):
        return undecided("equation", "a recursion may count from another place")
    if forms.is_linear(left) and forms.is_linear(right):
        return different("equation", "another equation")
    if forms.decides(left) and forms.decides(right) and _is_curve(left) and _is_curve(right):
        return _curves(left, right)
    return undecided("equation", "two equations that were not shown to have other solutions")


def _is_polar(relation: Relation) -> bool:
    return bool(symbols(relation) & {"r", "rho", "theta", "phi"})


def _is_cartesian(relation: Relation) -> bool:
    return bool(symbols(relation) & {"x", "y"}) and not _is_polar(relation)


def _recursions(one: Relation, two: Relation) -> tuple[Relation, Relation] | None:
    """Both counted so that the last member stands at the letter, if they are recursions."""
    if not (is_recursion(one) and is_recursion(two)):
        return None
    first, second = shifted(one), shifted(two)
    if first is None or second is None or symbols(first) != symbols(second):
        return None
    return first, second


def _is_curve(form: forms.Form) -> bool:
    return forms.is_polynomial(form) and len(form.over) > 1


def _curves(one: forms.Form, two: forms.Form) -> Decision:
    if curves.vanish_apart(one, two):
        return different("equation", "another equation")
    return undecided("equation", "two equations that were not shown to have other solutions")


def _gap(relation: Relation) -> Node:
    if len(relation.sides) != 2:
        raise Unreadable("an equation of several parts")
    left, right = relation.sides
    return Sum((left, Product((Number(Fraction(-1)), right))))


def _of_other_kinds(one: Relation, two: Relation, judge: Judge) -> Decision:
    """Membership, parallels, implications: the same sides, in the same order where it matters."""
    if one.signs == two.signs and len(one.sides) == len(two.sides):
        orders = [two.sides]
        if _SYMMETRIC.issuperset(one.signs):
            orders.append(two.sides[::-1])
        for sides in orders:
            pairs = zip(one.sides, sides, strict=True)
            if all(judge(*pair).finding == "equal" for pair in pairs):
                return equal("relation")
    return undecided("relation", "relations that were not shown to be the same")


_OPPOSITE = ({"=", "!="}, {"=", "<"}, {"=", ">"}, {"parallel", "perp"})


def _contradict(one: Relation, two: Relation) -> bool:
    """`x = 1` and `x \\ne 1`, or parallel and perpendicular, of the same two sides."""
    if not (len(one.signs) == len(two.signs) == 1) or {*one.signs, *two.signs} not in _OPPOSITE:
        return False
    if "perp" in (*one.signs, *two.signs):
        return set(one.sides) == set(two.sides)
    try:
        left, right = (algebra.normal(_gap(relation)) for relation in (one, two))
    except Unreadable:
        return False
    return forms.proportional(left, right) is not None


_ORDERED = frozenset(("<", "<=", ">", ">=", "!="))
_SYMMETRIC = frozenset(("parallel", "perp", "cong", "sim", "iff", "leftrightarrow"))


def _chains(one: Relation, two: Relation, judge: Judge) -> Decision:
    """`a < b < c` is `c > b > a`."""
    turned = Relation(two.sides[::-1], tuple(map(sets.flipped, two.signs[::-1])))
    for other in (two, turned):
        pairs = zip(one.sides, other.sides, strict=True)
        if one.signs == other.signs and all(judge(*pair).finding == "equal" for pair in pairs):
            return equal("inequality")
    return undecided("inequality", "relations of another form")


def _inequalities(one: Relation, two: Relation, judge: Judge) -> Decision:
    """Two-sided inequalities between expressions: the same up to a positive factor."""
    if len(one.signs) == len(two.signs) > 1:
        return _chains(one, two, judge)
    if not (len(one.signs) == len(two.signs) == 1):
        return undecided("inequality", "relations of another form")
    try:
        left, right = (algebra.normal(_gap(relation)) for relation in (one, two))
    except Unreadable as error:
        return undecided("inequality", str(error))
    factor = forms.proportional(left, right)
    if factor is None or not _ORDERED.issuperset(one.signs + two.signs):
        return undecided("inequality", "relations that were not shown to be the same")
    sign = two.signs[0] if factor > 0 else sets.flipped(two.signs[0])
    if sign == one.signs[0]:
        return equal("inequality")
    return different("inequality", "another relation between the same sides")
