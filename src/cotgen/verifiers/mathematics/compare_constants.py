"""Letters for arbitrary constants: another name, another sign or a shift says the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations

from cotgen.verifiers.mathematics import algebra
from cotgen.verifiers.mathematics.decision import Decision, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Constant,
    Function,
    Node,
    Number,
    Product,
    Quantity,
    Quotient,
    Relation,
    Sequence,
    Sum,
    Symbol,
    Unreadable,
    Verbatim,
    children,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import replaced
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.unfold import unfold

_CONSTANT = re.compile(r"[CcKkABDnm]|[CcKkA]_[0-9]")
_ARBITRARY = re.compile(r"C|[CcK]_[0-9]")
_INTEGERS = frozenset("knm")
_OF_FIGURES = frozenset(("parallel", "perp", "cong", "sim"))
_UNKNOWNS = frozenset(("x", "y", "z", "t", "u", "s", "r", "theta"))
_MAX_LETTERS = 3


def constants(one: Node, two: Node, judge: Judge) -> Decision | None:
    """Two letters that may be constants: equal under one name if they surely are arbitrary.

    Such a letter can also be a number that the question gives, so the rest is left open.
    """
    if _are_tied(one, two) or _are_tied(two, one):
        return undecided("constant", "one letter for two values, or a letter for each")
    if _is_no_formula(one) or _is_no_formula(two):
        return None
    here, there = symbols(one), symbols(two)
    first, second = here - there, there - here
    if not first and not second:
        return _several(one, two, here, judge)
    if not (first and second and all(map(_CONSTANT.fullmatch, first | second))):
        return None
    if len(first) == len(second) <= _MAX_LETTERS and _may_be_renamed(one, two, first, second):
        for renamed in _renamings(two, sorted(second), sorted(first)):
            if judge(one, renamed).finding == "equal":
                return equal("constant")
    return undecided("constant", "letters that may be the same constant")


def _are_tied(one: Node, two: Node) -> bool:
    """`x = k\\pi, y = k\\pi` says more than `x = k\\pi, y = n\\pi`, though no member differs."""
    if not (isinstance(one, Sequence) and isinstance(two, Sequence)) or one.open:
        return False
    named = {item.sides[0] for item in one.items if isinstance(item, Relation)}
    if len(named) < 2:
        return False
    counts = [len(_constants_in(node)) for node in (one, two)]
    return 0 not in counts and counts[0] != counts[1]


def _constants_in(node: Sequence) -> frozenset[str]:
    """The letters for constants in the values of a list."""
    values = (item.sides[-1] if isinstance(item, Relation) else item for item in node.items)
    found = frozenset[str]().union(*map(symbols, values))
    return frozenset(filter(_CONSTANT.fullmatch, found))


def _is_no_formula(node: Node) -> bool:
    """Letters alone name something; the members of a list are looked at one by one."""
    is_list = isinstance(node, Sequence) and node.open in ("", "{")
    is_figure = isinstance(node, Relation) and not _OF_FIGURES.isdisjoint(node.signs)
    return is_list or is_figure or isinstance(node, Symbol | Verbatim | Quantity)


def _several(one: Node, two: Node, names: frozenset[str], judge: Judge) -> Decision | None:
    """`C_1` and `C_2` may change places, signs and sizes, and a C in an exponent may be another
    before it: `e^{2x+C}` is `Ce^{2x}`. With them nothing is different."""
    found = frozenset(filter(_ARBITRARY.fullmatch, names))
    bent = not all(_is_linear(_value(node), found) for node in (one, two))
    if not (len(found) > 1 or (found and bent)):
        return None
    for name in sorted(found):
        marked = Symbol(f"constant {name}")
        one, two = (replaced(node, Symbol(name), marked) for node in (one, two))
    decision = judge(one, two)
    if decision.finding != "different":
        return decision
    return undecided("constant", "constants of which another choice may say the same")


def _renamings(node: Node, old: list[str], new: list[str]) -> Iterator[Node]:
    for names in permutations(new):
        renamed = node
        for before, after in zip(old, names, strict=True):
            renamed = replaced(renamed, Symbol(before), Symbol(after))
        yield renamed


def _may_be_renamed(one: Node, two: Node, first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether the letters can be nothing but parameters: of a solution, or whole numbers."""
    value, other = _value(one), _value(two)
    rest = symbols(value) - first
    if not (first <= symbols(value) and second <= symbols(other)) or _are_numbered(first, second):
        return False
    if first | second <= _INTEGERS:
        pair = ((value, first), (other, second))
        return not rest and all(_counts_turns(node, names) for node, names in pair)
    arbitrary = any(all(map(_ARBITRARY.fullmatch, names)) for names in (first, second))
    small = {"n", "m", "k"} & (first | second)
    linear = _is_linear(value, first) and _is_linear(other, second)
    return arbitrary and not small and linear and bool(rest & _UNKNOWNS) and rest <= _UNKNOWNS


def _are_numbered(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether `c_1` stands beside `c_2`: numbers of one kind, which are told apart."""
    stems = [{name[0] for name in names if len(name) > 1} for names in (first, second)]
    return bool(stems[0] & stems[1])


def _value(node: Node) -> Node:
    """What stands behind the name in `y = C e^x`."""
    match node:
        case Relation((Symbol() | Function(), value), ("=",)):
            return value
        case _:
            return node


def _is_linear(node: Node, names: frozenset[str]) -> bool:
    """Whether each of the letters is only added, or a factor of what is added."""
    if isinstance(node, Symbol):
        return True
    if isinstance(node, Sum):
        return all(_is_linear(term, names) for term in node.terms)
    if isinstance(node, Product):
        having = [factor for factor in node.factors if symbols(factor) & names]
        return len(having) <= 1 and all(_is_linear(factor, names) for factor in having)
    if isinstance(node, Quotient) and not symbols(node.under) & names:
        return _is_linear(node.over, names)
    return not symbols(node) & names


def _counts_turns(node: Node, names: frozenset[str]) -> bool:
    """`\\frac{\\pi}{4} + k\\pi`: a letter that counts multiples of pi, or of degrees."""
    return _is_angle(node) and _is_linear(node, names)


def _is_angle(node: Node) -> bool:
    in_degrees = isinstance(node, Function) and node.name == "degree"
    return in_degrees or node == Constant("pi") or any(map(_is_angle, children(node)))


# --- a constant that is only added ----------------------------------------------------------------

_POINTS = ((1, 2), (5, 7))


def shifted(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`x^2 + C` and `x^2 + 1 + C` are the same antiderivatives; `Ce^x` may be `2Ce^x`."""
    if isinstance(one, Product) and isinstance(two, Product):
        return _scaled(one, two, judge)
    first, second = (_without_constant(node) or _without_share(node) for node in (one, two))
    if first is None or second is None or symbols(first) != symbols(second):
        return None
    names = symbols(first)
    if len(names) != 1 or not names <= _UNKNOWNS:
        return None
    if judge(first, second).finding == "equal":
        return equal("constant")
    gap = Sum((first, Product((Number(Fraction(-1)), second))))
    (name,) = names
    values = [[_at(gap, name, point) for point in points] for points in _POINTS]
    if any(judge(*pair).finding == "different" for pair in values):
        return None
    if judge(gap, values[0][0]).finding == "equal":
        return equal("constant")
    return undecided("constant", "antiderivatives that may differ by a constant")


def _scaled(one: Product, two: Product, judge: Judge) -> Decision | None:
    """Whether two multiples of C may be in one ratio wherever they are taken."""
    names = symbols(one) - {"C"}
    if _C not in one.factors or _C not in two.factors or symbols(one) != symbols(two):
        return None
    if len(names) != 1 or not names <= _UNKNOWNS:
        return None
    (name,) = names
    first, second = (replaced(node, _C, Number(Fraction(1))) for node in (one, two))
    for here, there in _POINTS:
        pair = [
            Product((_at(left, name, here), _at(right, name, there)))
            for left, right in ((first, second), (second, first))
        ]
        if judge(*pair).finding == "different":
            return None
    return undecided("constant", "multiples of a constant that may be the same")


_C = Symbol("C")


def _without_constant(node: Node) -> Node | None:
    if not isinstance(node, Sum) or not all(isinstance(term, SCALARS) for term in node.terms):
        return None
    rest = tuple(term for term in node.terms if term != _C)
    alone = len(rest) == len(node.terms) - 1 and "C" not in symbols(Sum(rest))
    return Sum(rest) if alone and rest else None


def _without_share(node: Node) -> Node | None:
    """The rest of `\\frac{x^3 + C}{3}`: a number of constants is a constant again."""
    if not isinstance(node, SCALARS) or "C" not in symbols(node):
        return None
    rest, more = (replaced(node, _C, Number(Fraction(value))) for value in (0, 1))
    try:
        share = algebra.normal(Sum((more, Product((Number(Fraction(-1)), rest))))).value
    except Unreadable:
        return None
    return rest if share and _is_linear(node, frozenset("C")) else None


def _at(node: Node, name: str, point: int) -> Node:
    return unfold(replaced(node, Symbol(name), Number(Fraction(point))))
