"""Compare two expressions: exactly, then by intervals, then with sympy. Cheapest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from cotgen.verifiers.mathematics import algebra, exact, forms, numeric, symbolic
from cotgen.verifiers.mathematics.decision import (
    Decision,
    different,
    equal,
    unanimous,
    undecided,
)
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    DivisionByZero,
    Function,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    TooBig,
    Undefined,
    Unreadable,
    children,
    contains,
    symbols,
)

_SPECIAL = frozenset(("phi", "varphi", "zeta", "gamma", "Gamma"))
_FUNCTIONS = frozenset(("zeta", "Gamma"))
_UNIT_LETTERS = frozenset("mgshlLNJWVAKCFcd")


def compare_scalars(one: Node, two: Node) -> Decision:
    """Whether two expressions have the same value for all values of their variables."""
    if isinstance(one, Number) and isinstance(two, Number):
        return equal("exact") if one.value == two.value else different("exact", "another number")
    if contains(one, Constant) or contains(two, Constant):
        infinite = _infinite(one, two)
        if infinite is not None:
            return infinite
    if _has_bare_log(one) or _has_bare_log(two):
        return unanimous(
            _compare(_with_base(one, base), _with_base(two, base)) for base in ("lg", "ln")
        )
    return _compare(one, two)


def _compare(one: Node, two: Node) -> Decision:
    gap: forms.Form | None = None
    problem, too_big = "", False
    try:
        left, right = algebra.normal(one), algebra.normal(two)
        gap = algebra.difference(left, right)
        if not gap.over:
            if (_has_root(one) or _has_root(two)) and numeric.differ_below_zero(one, two):
                return undecided("algebra", "equal for positive values only")
            rational = left.value is not None
            return equal("exact" if rational else "algebra")
        if forms.decides(gap):
            return _differ(one, two, "exact" if right.value is not None else "algebra")
    except Undefined as error:
        return _without_value(one, error)
    except Unreadable as error:
        problem = str(error)
        too_big = isinstance(error, TooBig)
    if numeric.differ(one, two):
        return _differ(one, two, "numeric")
    if not symbols(one) | symbols(two) and exact.same(one, two):
        return equal("algebra")
    if (_has_root(one) or _has_root(two)) and numeric.differ_below_zero(one, two):
        return undecided("numeric", "equal for positive values at most")
    return _by_sympy(one, two, problem, too_big=too_big)


def _by_sympy(one: Node, two: Node, problem: str, *, too_big: bool) -> Decision:
    found = "undecided" if too_big else symbolic.finding(one, two)
    if found == "equal":
        return equal("symbolic")
    if found == "different":
        return _differ(one, two, "symbolic")
    return undecided("symbolic", problem or "equality was neither shown nor refuted")


def _without_value(gold: Node, error: Undefined) -> Decision:
    if isinstance(error, DivisionByZero) and _is_number(gold):
        return different("exact", f"{error}, which has no value")
    return undecided("exact", str(error))


def _is_number(node: Node) -> bool:
    try:
        return algebra.normal(node).value is not None
    except Unreadable:
        return False


def _has_root(node: Node) -> bool:
    match node:
        case Root():
            return True
        case Power(_, Number(value)) if value.denominator == 1:
            return _has_root(node.base)
        case Power():
            return True
        case _:
            return any(map(_has_root, children(node)))


def _differ(one: Node, two: Node, method: str) -> Decision:
    """`5m` beside `5` may be five metres, `10 m/s` beside `10` a speed, phi the golden ratio."""
    named = symbols(one), symbols(two)
    # A function of that name obeys laws that letters do not: Gamma(x + 1) is x Gamma(x).
    if _SPECIAL & (named[0] ^ named[1]) or _FUNCTIONS & (named[0] | named[1]):
        return undecided(method, "a letter that may be a known constant or function")
    for left, right in ((one, two), (two, one)):
        extra = symbols(left) - symbols(right)
        if extra and extra <= _UNIT_LETTERS and _same_without(left, right, extra):
            return undecided(method, f"{', '.join(sorted(extra))} may be a unit")
    return different(method, "another value")


def _same_without(node: Node, other: Node, names: frozenset[str]) -> bool:
    bare = _changed(node, lambda each: _ONE if _is_one_of(each, names) else each)
    try:
        return not algebra.difference(algebra.normal(bare), algebra.normal(other)).over
    except Unreadable:
        return False


_ONE = Number(Fraction(1))


def _is_one_of(node: Node, names: frozenset[str]) -> bool:
    return isinstance(node, Symbol) and node.name in names


def _infinite(one: Node, two: Node) -> Decision | None:
    found = [_infinity(node) for node in (one, two)]
    if found == [None, None]:
        if any(contains(node, Constant) and _mentions_infinity(node) for node in (one, two)):
            return undecided("exact", "infinity within an expression")
        return None
    if found[0] == found[1]:
        return equal("exact")
    if _has_limits(one) or _has_limits(two):
        # A limit may be infinite, and so may a sum or an integral.
        if symbolic.equal(one, two):
            return equal("symbolic")
        return undecided("symbolic", "a limit that may be infinite")
    if any(
        value is None and (_has_limits(node) or _is_undefined(node))
        for node, value in zip((one, two), found, strict=True)
    ):
        return undecided("exact", "an expression without a value")
    return different("exact", "one of them is infinite, or both are with other signs")


def _has_limits(node: Node) -> bool:
    """Whether a sum, an integral or a limit is in it, which may have no end."""
    own = isinstance(node, Function) and node.name in _WITH_LIMITS
    return own or any(map(_has_limits, children(node)))


def _is_undefined(node: Node) -> bool:
    if _infinity(node) is not None:
        return False
    try:
        algebra.normal(node)
    except Unreadable as error:
        return isinstance(error, Undefined) or _mentions_infinity(node)
    return False


_WITH_LIMITS = frozenset(("sum", "prod", "integral", "limit", "limit+", "limit-"))


def _mentions_infinity(node: Node) -> bool:
    """Whether infinity is calculated with; as the limit of a sum it is not."""
    if isinstance(node, Function) and node.name in _WITH_LIMITS:
        return False
    return node == Constant("oo") or any(map(_mentions_infinity, children(node)))


def _infinity(node: Node) -> int | None:
    match node:
        case Constant("oo"):
            return 1
        case Product((Number(value), Constant("oo"))) if value:
            return 1 if value > 0 else -1
        case _:
            return None


def order(one: Node, two: Node) -> int:
    """-1, 0 or 1 as one real value is below, equal to or above the other. Raises Unreadable."""
    if isinstance(one, Number) and isinstance(two, Number):
        return (one.value > two.value) - (one.value < two.value)
    infinities = [_infinity(node) for node in (one, two)]
    if infinities != [None, None]:
        left, right = (value or 0 for value in infinities)
        return (left > right) - (left < right)
    gap = Sum((one, Product((Number(Fraction(-1)), two))))
    form = algebra.normal(gap)
    if form.value is not None:
        return (form.value > 0) - (form.value < 0)
    if symbols(gap):
        raise Unreadable("the order of unknowns")
    found = numeric.sign(gap)
    if found is None:
        raise Unreadable("two numbers whose order was not found")
    return found


def _has_bare_log(node: Node) -> bool:
    bare = isinstance(node, Function) and node.name == "log" and len(node.args) == 1
    return bare or any(map(_has_bare_log, children(node)))


def _with_base(node: Node, base: str) -> Node:
    """`log` without a base is to base 10 to some and natural to others."""

    def change(each: Node) -> Node:
        bare = isinstance(each, Function) and each.name == "log" and len(each.args) == 1
        return Function(base, children(each)) if bare else each

    return _changed(node, change)


def _changed(node: Node, change: Callable[[Node], Node]) -> Node:
    """An expression with every part of it changed, from within."""

    def each(nodes: Iterable[Node]) -> tuple[Node, ...]:
        return tuple(_changed(child, change) for child in nodes)

    match node:
        case Function(name, args):
            node = Function(name, each(args))
        case Sum(terms):
            node = Sum(each(terms))
        case Product(factors):
            node = Product(each(factors))
        case Quotient(over, under):
            node = Quotient(*each((over, under)))
        case Power(raised, exponent):
            node = Power(*each((raised, exponent)))
        case Root(radicand, index):
            node = Root(_changed(radicand, change), index)
    return change(node)
