"""Matrices and vectors, in brackets, in lists and by unit vectors."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.compare_lists import is_half_open
from cotgen.verifiers.mathematics.decision import Decision, all_of, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Constant,
    Function,
    Matrix,
    Node,
    Number,
    Product,
    Quotient,
    Relation,
    Sequence,
    Sum,
    Symbol,
    children,
)
from cotgen.verifiers.mathematics.rules import Judge


def matrices(one: Node, two: Node, judge: Judge) -> Decision | None:
    one, two = _as_matrix(one, two), _as_matrix(two, one)
    match one, two:
        case (Matrix(((entry,),)), value) if isinstance(value, SCALARS):
            return judge(entry, value)
        case (value, Matrix(((entry,),))) if isinstance(value, SCALARS):
            return judge(value, entry)
        case Matrix(rows), Matrix(others):
            flat, other = children(one), children(two)
            if len(flat) != len(other):
                return different("matrix", "another size")
            decision = all_of((judge(a, b) for a, b in zip(flat, other, strict=True)), "matrix")
            if len(rows) == len(others) or decision.finding == "different":
                return decision
            return undecided("matrix", "the same entries in another shape")
        case (Matrix(rows), Sequence(_, _, items)) | (Sequence(_, _, items), Matrix(rows)):
            return _beside_list(one, two, rows, items, judge)
    return None


def _beside_list(
    one: Node, two: Node, rows: tuple[tuple[Node, ...], ...], items: tuple[Node, ...], judge: Judge
) -> Decision:
    """A row or a column beside its entries."""
    if min(len(rows), len(rows[0])) > 1 or len(rows) * len(rows[0]) != len(items):
        return different("matrix", "another size")
    if is_half_open(one) or is_half_open(two):
        return undecided("matrix", "a half-open interval beside a vector")
    if any(isinstance(item, Relation) for item in items):
        return judge(_as_point(one), _as_point(two))
    pairs = zip(_members(one), _members(two), strict=True)
    decision = all_of((judge(*pair) for pair in pairs), "matrix")
    bracketed = any(isinstance(n, Sequence) and n.open in ("(", "[") for n in (one, two))
    if decision.finding == "equal" and not bracketed:
        return undecided("matrix", "a vector beside a list")
    return equal("matrix") if decision.finding == "equal" else decision


def _as_point(node: Node) -> Node:
    return Sequence("(", ")", children(node)) if isinstance(node, Matrix) else node


def _members(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else children(node)


def _as_matrix(node: Node, other: Node) -> Node:
    """Nested lists beside a matrix are its rows; sums of unit vectors are a column."""
    if isinstance(node, Sequence) and node.open == "[" and isinstance(other, Matrix):
        rows = tuple(item.items for item in node.items if isinstance(item, Sequence))
        if len(rows) == len(node.items) and len({len(row) for row in rows}) == 1:
            return Matrix(rows)
    if isinstance(node, Function) and node.name == "binomial" and isinstance(other, Matrix):
        return Matrix(tuple((arg,) for arg in node.args))
    if isinstance(node, SCALARS):
        vector = _by_unit_vectors(node)
        count = len(children(other)) if isinstance(other, Matrix | Sequence) else 0
        if vector is not None and (count in (2, 3) or _by_unit_vectors(other) is not None):
            return _column(vector, 2 if count == 2 and "k" not in vector else 3)
    return node


_LETTERS = ("i", "j", "k")


def _column(vector: dict[str, Node], length: int) -> Matrix:
    zero = Number(Fraction(0))
    return Matrix(tuple((vector.get(letter, zero),) for letter in _LETTERS[:length]))


def _by_unit_vectors(node: Node) -> dict[str, Node] | None:
    """`2i - 3j`: the factors of the unit vectors. `2i` alone is a complex number."""
    found: dict[str, Node] = {}
    for term in node.terms if isinstance(node, Sum) else (node,):
        letter, factor = _split(term)
        if not letter or letter in found:
            return None
        found[letter] = factor
    return found if len(found) > 1 else None


def _split(term: Node) -> tuple[str, Node]:
    factors = _factors(term)
    places = [place for place, factor in enumerate(factors) if _letter(factor)]
    if len(places) != 1:
        return "", term
    rest = factors[: places[0]] + factors[places[0] + 1 :]
    return _letter(factors[places[0]]), Product((Number(Fraction(1)), *rest))


def _factors(term: Node) -> tuple[Node, ...]:
    """The factors of a term, also of the products in it."""
    if not isinstance(term, Product):
        return (term,)
    return tuple(each for factor in term.factors for each in _factors(factor))


def _letter(node: Node) -> str:
    match node:
        case Constant("i") | Function("mark vec" | "mark hat", (Constant("i"),)):
            return "i"
        case Symbol(name) | Function("mark vec" | "mark hat", (Symbol(name),)):
            bare = name.removeprefix("hat ")
            return bare if bare in _LETTERS else ""
        case Quotient():
            return ""
        case _:
            return ""
