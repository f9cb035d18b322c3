"""Names with marks, letters for anything, and notations for the same thing."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Constant,
    Function,
    Node,
    Number,
    Numbers,
    Power,
    Product,
    Reals,
    Sequence,
    Sum,
    Symbol,
    Text,
    Verbatim,
    children,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import rebuilt, replaced
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.unfold import unfold

_STANDARD = frozenset("ZQC")


def verbatim(one: Node, two: Node, _: Judge) -> Decision | None:
    """What is only compared as it is written."""
    if isinstance(one, Verbatim) and isinstance(two, Verbatim):
        rows = [_leading(node) for node in (one, two)]
        if all(rows) and any(a != b for a, b in zip(*rows, strict=False)):
            return different("list", "members that differ before the ellipsis")
    if isinstance(one, Verbatim) or isinstance(two, Verbatim):
        return undecided("text", "a formula that is only compared as it is written")
    return None


def _leading(node: Verbatim) -> list[Fraction]:
    """The numbers in `1:2:3:…` before the ellipsis, where the first is 1; else none."""
    tokens = node.tokens[: node.tokens.index("…")] if "…" in node.tokens else ()
    numbers, signs = tokens[::2], tokens[1::2]
    plain = all(number.isdigit() for number in numbers) and set(signs) == {":"}
    return [Fraction(number) for number in numbers] if plain and numbers[0] == "1" else []


def marks(one: Node, two: Node, judge: Judge) -> Decision | None:
    """An arrow or a bar may be left out; two that differ may mean the same or not."""
    for marked, other in ((one, two), (two, one)):
        inner = _inner(marked)
        if inner is None:
            continue
        if _inner(other) is not None:
            return _two_marked(marked, other)
        if (
            _letters(inner)
            and _may_lack_mark(marked, inner)
            and _same_letters(marked, inner, other)
        ):
            return equal("name")
        if isinstance(other, SCALARS):
            return undecided("name", "a name beside something else")
    return None


_CORNERS = 3


def _two_marked(one: Node, two: Node) -> Decision:
    """Other points make another vector, line or triangle; an angle has many names, but one vertex.

    The points of a line or a triangle are in order, for `AB` is `BA`.
    """
    assert isinstance(one, Function)
    assert isinstance(two, Function)
    first, second = _letters(one.args[0]), _letters(two.args[0])
    if one.name == two.name and first != second and len(first) == len(second) > 0:
        capitals = (first + second).isupper() and len(first) > 1
        if one.name in ("mark vec", "mark triangle") or (one.name == "mark bar" and capitals):
            return different("name", "another name")
        if one.name == "mark angle" and len(first) == _CORNERS and first[1] != second[1]:
            return different("name", "an angle at another vertex")
    return undecided("name", "names with other marks")


def vectors(one: Node, two: Node, judge: Judge) -> Decision | None:
    """Sums of multiples of vectors, as expressions in their names.

    Some write the arrow (or bold letters) and some do not.
    """
    names = [_arrows(node) for node in (one, two)]
    if not any(names) or not (isinstance(one, SCALARS) and isinstance(two, SCALARS)):
        return None
    if all(names):
        return judge(_without_arrows(one, "vec "), _without_arrows(two, "vec "))
    if (names[0] or symbols(one)) != (names[1] or symbols(two)):
        return None
    found = judge(_without_arrows(one, ""), _without_arrows(two, ""))
    return found if found.finding == "equal" else undecided("name", "arrows on one side only")


def _arrows(node: Node) -> frozenset[str]:
    """The letters with an arrow."""
    match node:
        case Function("mark vec", (Symbol(name),)) if len(name) == 1:
            return frozenset({name})
        case _:
            return frozenset[str]().union(*map(_arrows, children(node)))


def _without_arrows(node: Node, prefix: str) -> Node:
    match node:
        case Function("mark vec", (Symbol(name),)) if len(name) == 1:
            return Symbol(prefix + name)
        case _:
            return rebuilt(node, lambda child: _without_arrows(child, prefix))


def _inner(node: Node) -> Node | None:
    marked = isinstance(node, Function) and node.name.startswith("mark ")
    return children(node)[0] if marked else None


def _may_lack_mark(marked: Node, inner: Node) -> bool:
    """What stands over two points is often left out; over one letter it makes another name."""
    name = marked.name if isinstance(marked, Function) else ""
    return name == "mark angle" or (name in _DROPPED and len(_letters(inner)) > 1)


_DROPPED = frozenset(("mark vec", "mark bar", "mark triangle", "mark line", "mark arc"))


def _same_letters(marked: Node, inner: Node, other: Node) -> bool:
    """The vector AB is not the vector BA, but the line AB is the line BA."""
    first, second = _letters(inner), _letters(other)
    directed = isinstance(marked, Function) and marked.name == "mark vec"
    return first == second if directed else sorted(first) == sorted(second)


def _letters(node: Node) -> str:
    match node:
        case Symbol(name):
            return name
        case Text((word,)):
            return word
        case Product(factors) if all(isinstance(each, Symbol) for each in factors):
            return "".join(each.name for each in factors if isinstance(each, Symbol))
        case _:
            return ""


def number_sets(one: Node, two: Node, _: Judge) -> Decision | None:
    """Sets of numbers by name: the whole numbers are not the rational ones."""
    names = [_set_name(node) for node in (one, two)]
    for plain, name in ((one, names[1]), (two, names[0])):
        if name in _STANDARD and plain == Symbol(name):
            return equal("set")
    if None in names or not any(isinstance(node, Numbers | Reals) for node in (one, two)):
        return None
    if names[0] == names[1]:
        return equal("set")
    if all(name in _STANDARD or name == "R" for name in names) or _is_positive(*names):
        return different("set", "another set of numbers")
    if all(name and _SPACE.fullmatch(name) for name in names):
        return different("set", "another set of numbers")
    return undecided("set", "sets of numbers that may be the same")


_SPACE = re.compile(r"[RCQZ][2-9]?")


def _is_positive(*names: str | None) -> bool:
    """Whether one of two sets leaves out negative numbers, and the other has them."""
    return any(name in _POSITIVE for name in names) and any(
        name in _STANDARD or name == "R" for name in names
    )


_POSITIVE = frozenset(("N", "N+", "N*", "N0", "Z+", "Q+"))


def _set_name(node: Node) -> str | None:
    match node:
        case Numbers(name):
            return name
        case Reals() | Symbol("R"):
            return "R"
        case _:
            return None


def combinations(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`C(5,2)` is a binomial beside a number and a point named C beside a pair."""
    one, two = _orders_beside(one, two), _orders_beside(two, one)
    for call, other in ((one, two), (two, one)):
        if not (isinstance(call, Function) and call.name[:1] == "?" and len(call.args) > 1):
            continue
        if isinstance(other, Sequence) and call.name[1:2].isupper():
            point = Sequence("(", ")", call.args)
            return judge(point, other) if call is one else judge(other, point)
        if call.name not in ("?C", "?P") or len(call.args) != 2:
            continue
        if isinstance(other, SCALARS) and not _is_unknown_call(other):
            counted = _counted(call.name, *call.args)
            same = judge(counted, other) if call is one else judge(other, counted)
            # P may be any function, a probability first of all.
            return same if call.name == "?C" or same.finding == "equal" else None
    return None


def _orders_beside(node: Node, other: Node) -> Node:
    """`A_5^2` and `P_5^2` beside a number, as the number of orders `P(5,2)`."""
    match node:
        case Power(Symbol(name), Number(part)) if (
            name[:2] in ("A_", "P_")
            and name[2:].isascii()
            and name[2:].isdigit()
            and len(name) < _LONG_FOOT
            and isinstance(other, SCALARS)
        ):
            return Function("?P", (Number(Fraction(name[2:])), Number(part)))
        case _:
            return node


_LONG_FOOT = 6


def _is_unknown_call(node: Node) -> bool:
    return isinstance(node, Function) and node.name.startswith("?")


def _counted(name: str, whole: Node, part: Node) -> Node:
    """How many choices there are, or how many orders of them."""
    chosen = Function("binomial", (whole, part))
    return chosen if name == "?C" else Product((chosen, Function("factorial", (part,))))


def calls(one: Node, two: Node, _: Judge) -> Decision | None:
    """`f(x)` beside `x^2 + 1` only repeats what was asked for."""
    for call, other in ((one, two), (two, one)):
        match call:
            case Function(("?f" | "?g" | "?h"), (Symbol("x"),)) if isinstance(other, SCALARS):
                if not _calls_something(other) and symbols(other) <= {"x"}:
                    return different("name", "a function's name instead of its value")
    return None


def _calls_something(node: Node) -> bool:
    own = isinstance(node, Function) and node.name.startswith("?")
    return own or any(map(_calls_something, children(node)))


def residues(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`3 mod 7` is every number congruent to 3; beside a number it may be that number."""
    first, second = _residue(one), _residue(two)
    if first is None and second is None:
        return None
    if first is not None and second is not None:
        modulus = judge(first[1], second[1])
        if modulus.finding != "equal":
            return modulus
        return _congruent(first[0], second[0], first[1], judge)
    residue, other = (first, two) if first is not None else (second, one)
    assert residue is not None
    if not isinstance(other, SCALARS):
        return undecided("residue", "a remainder beside something else")
    same = judge(residue[0], other)
    remainder = judge(unfold(Function("mod", residue)), other)
    if remainder.finding == "equal":
        return equal("residue")
    if same.finding == "equal":
        return undecided("residue", "the class of a number beside that number")
    congruent = _congruent(residue[0], other, residue[1], judge)
    return congruent if congruent.finding == "different" else undecided("residue", "congruent")


def _residue(node: Node) -> tuple[Node, Node] | None:
    match node:
        case Function("residue", (value, by)):
            return value, by
        case _:
            return None


def _congruent(one: Node, two: Node, by: Node, judge: Judge) -> Decision:
    left, right = (unfold(Function("mod", (node, by))) for node in (one, two))
    return judge(left, right)


_ZERO, _ONCE = Number(Fraction(0)), Number(Fraction(1))
_ANY_CONSTANT = ("C", "c", "K", "k", "C_1", "C_0", "c_1", "constant", "const")


def constants_of_integration(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`x^2 + C` is `x^2 + c`: the letter of a constant that is only added means nothing."""
    for node, other in ((one, two), (two, one)):
        match node:
            case Function("integral", (body, Symbol() as of)) if of.name in symbols(other):
                derived = _of_derivatives(body, of, other, judge)
                if derived is not None:
                    return derived
        if _is_indefinite(node) and isinstance(other, Sum) and (name := _added(other)):
            rest = Sum(tuple(term for term in other.terms if term != Symbol(name)))
            found = judge(node, rest)
            return found if found.finding == "equal" else None
    if not (isinstance(one, Sum) and isinstance(two, Sum)):
        return None
    first, second = _added(one), _added(two)
    if first is None or second is None or first == second or "C" not in (first[:1], second[:1]):
        return None
    if {first, second} & (symbols(one) & symbols(two)):
        return None
    return judge(one, replaced(two, Symbol(second), Symbol(first)))


def _is_indefinite(node: Node) -> bool:
    """`\\int 2x dx`, which has its constant in it."""
    return isinstance(node, Function) and node.name == "integral" and len(node.args) == 2


def _of_derivatives(body: Node, name: Symbol, other: Node, judge: Judge) -> Decision | None:
    """An integral beside an antiderivative: what counts is what this is the derivative of."""
    if not isinstance(other, SCALARS) or _is_integral(other):
        return None
    constant = _added(other) if isinstance(other, Sum) else None
    bare = other if constant is None else replaced(other, Symbol(constant), _ZERO)
    derived = Function("derivative", (_without_bars(bare), name, _ONCE))
    found = judge(body, unfold(derived))
    # Without a constant only the one antiderivative that is meant is equal.
    return found if constant is not None or found.finding == "different" else None


def _is_integral(node: Node) -> bool:
    own = isinstance(node, Function) and node.name == "integral"
    return own or any(map(_is_integral, children(node)))


def _without_bars(node: Node) -> Node:
    """ln|u| has the derivative of ln u."""
    match node:
        case Function("ln" | "log" as name, (Function("abs", args),)):
            return Function(name, args)
        case _:
            return rebuilt(node, _without_bars)


def _added(node: Sum) -> str | None:
    found = [term.name for term in node.terms if isinstance(term, Symbol)]
    names = [name for name in found if name in _ANY_CONSTANT]
    rest = Sum(tuple(term for term in node.terms if term != Symbol(names[0]))) if names else node
    alone = len(names) == 1 and names[0] not in symbols(rest) and symbols(rest)
    return names[0] if alone else None


_PROGRAMS: tuple[tuple[str, Literal["i", "e"]], ...] = (
    *(("I", "i"), ("j", "i"), ("imath", "i"), ("jmath", "i")),
    ("E", "e"),
)


def several_letters(one: Node, two: Node, _: Judge) -> Decision | None:
    """A list with both i and j means one of them only: `2i, -2j` is not `2i, -2i`."""
    for node, other in ((one, two), (two, one)):
        if not isinstance(node, Sequence):
            continue
        for name, letter in _PROGRAMS:
            mixed = name in symbols(node) and _has(node, Constant(letter))
            if mixed and name not in symbols(other) and _has(other, Constant(letter)):
                return undecided("algebra", f"both {name} and {letter} are in it")
    return None


def capital_constants(one: Node, two: Node, judge: Judge) -> Decision | None:
    """Programs write I or j for i and E for e: read so beside an answer that has these."""
    for node, other in ((one, two), (two, one)):
        for name, letter in _PROGRAMS:
            constant = Constant(letter)
            missing = _has(other, constant) and not _has(node, constant)
            if missing and name in symbols(node) - symbols(other):
                other_reading = replaced(node, Symbol(name), constant)
                pair = (unfold(other_reading), two) if node is one else (one, unfold(other_reading))
                if judge(*pair).finding == "equal":
                    return equal("algebra")
                return undecided("algebra", f"{name} may be the constant {letter}")
    return None


def _has(node: Node, constant: Constant) -> bool:
    return node == constant or any(_has(child, constant) for child in children(node))


def unit_exponentials(one: Node, two: Node, judge: Judge) -> Decision | None:
    """`exp(I*pi)` with a capital I, beside a number: the letter stands for i."""
    for node, other in ((one, two), (two, one)):
        exponential = isinstance(node, Function | Power)
        if exponential and symbols(node) == {"I"} and isinstance(other, Number):
            return judge(replaced(node, Symbol("I"), Constant("i")), other)
    return None
