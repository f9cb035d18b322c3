"""Nodes from what was read: checked operands, and the exact values of spelled numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeGuard

from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Matrix,
    Node,
    Number,
    Numbers,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Reals,
    Sequence,
    Sum,
    Symbol,
    TooBig,
    Union,
    Unreadable,
    Without,
    size,
)
from cotgen.verifiers.mathematics.tokens import MAX_DIGITS

ONE = Number(Fraction(1))
MINUS_ONE = Number(Fraction(-1))


def scalar(node: Node) -> Node:
    """Only numbers and expressions can be calculated with; some group them with curly brackets."""
    if isinstance(node, Sequence) and node.open == "{" and len(node.items) == 1:
        node = node.items[0]
    if not isinstance(node, (*SCALARS, PlusMinus)):
        raise Unreadable(f"cannot calculate with a {type(node).__name__.lower()}")
    return node


def negative(node: Node) -> Node:
    """A node with the other sign."""
    if isinstance(node, Number):
        return Number(-node.value)
    if isinstance(node, PlusMinus):
        return node
    if isinstance(node, Quantity):
        return Quantity(negative(node.value), node.unit)
    return product(MINUS_ONE, node)


def terms(node: Node) -> tuple[Node, ...]:
    """What a node adds up."""
    return node.terms if isinstance(node, Sum) else (node,)


def total(left: Node, right: Node) -> Node:
    """A sum with one more term; matrices are added entry by entry."""
    if isinstance(left, Matrix) and isinstance(right, Matrix):
        if (len(left.rows), len(left.rows[0])) != (len(right.rows), len(right.rows[0])):
            raise Unreadable("matrices of other sizes cannot be added")
        rows = zip(left.rows, right.rows, strict=True)
        return Matrix(tuple(tuple(map(total, *pair)) for pair in rows))
    if _is_vector(left) and _is_vector(right) and len(left.items) == len(right.items):
        pairs = zip(left.items, right.items, strict=True)
        return Sequence("(", ")", tuple(total(*pair) for pair in pairs))
    return Sum((*terms(scalar(left)), scalar(right)))


_PARAMETERS = frozenset(map(Symbol, ("t", "s", "u", "k", "lambda", "mu")))
"""Letters that may stand before a vector; others name a point."""


def _is_vector(node: Node) -> TypeGuard[Sequence]:
    """A point or a vector in round brackets, which `(1,2) + t(3,4)` calculates with."""
    return isinstance(node, Sequence) and (node.open, node.close) == ("(", ")")


def minus(left: Node, right: Node) -> Node:
    """A difference, of numbers or of sets."""
    if isinstance(right, Sequence) and isinstance(
        left, Reals | Numbers | Union | Sequence | Without
    ):
        return Without(left, right)
    return total(left, negative(right))


def product(left: Node, right: Node) -> Node:
    """A product with one more factor."""
    if isinstance(left, Matrix) and isinstance(right, Matrix):
        return _matrix_product(left, right)
    if isinstance(right, Matrix):
        return _scaled(right, left)
    if isinstance(left, Matrix):
        return _scaled(left, right)
    if _is_vector(right) and (left in _PARAMETERS or isinstance(left, Number)):
        return Sequence("(", ")", tuple(product(left, item) for item in right.items))
    factors = left.factors if isinstance(left, Product) else (scalar(left),)
    return Product((*factors, scalar(right)))


def quotient(over: Node, under: Node) -> Node:
    """One over the other, which may be a matrix over a number."""
    if isinstance(over, Matrix):
        return _scaled(over, Quotient(ONE, scalar(under)))
    return Quotient(scalar(over), scalar(under))


def power(base: Node, exponent: Node) -> Node:
    """A power of a value; what stands in a row is only transposed."""
    if isinstance(base, Sequence) and base.open in ("(", "[") and exponent in _TRANSPOSED:
        return Matrix(tuple((item,) for item in base.items))
    return Power(scalar(base), scalar(exponent))


_TRANSPOSED = (Symbol("T"), Symbol("top"))
MAX_ENTRIES, MAX_NODES = 400, 10_000
"""Entries of a matrix that is calculated with, and all that stands in them."""


def _scaled(matrix: Matrix, factor: Node) -> Node:
    return Matrix(tuple(tuple(product(factor, entry) for entry in row) for row in matrix.rows))


def _matrix_product(left: Matrix, right: Matrix) -> Node:
    if len(left.rows) == len(right.rows) > 1 == len(left.rows[0]) == len(right.rows[0]):
        # Two columns have no other product than the one that is a number.
        return Sum(tuple(product(a, b) for (a,), (b,) in zip(left.rows, right.rows, strict=True)))
    columns = tuple(zip(*right.rows, strict=True))
    if len(left.rows[0]) != len(right.rows) or len(left.rows) * len(columns) > MAX_ENTRIES:
        raise Unreadable("matrices that cannot be multiplied")
    if size(left) * len(columns) + size(right) * len(left.rows) > MAX_NODES:
        raise TooBig(f"a product of matrices of more than {MAX_NODES} parts")
    return Matrix(
        tuple(
            tuple(Sum(tuple(map(product, row, column))) for column in columns) for row in left.rows
        )
    )


def mixed(whole: Node, part: Node) -> Node:
    """`3\\frac{1}{2}`; a fraction that is not below 1 makes it no mixed number."""
    match whole, part:
        case Number(value), Quotient(Number(over), Number(under)) if (
            value.denominator == 1 and 0 <= over < under and over.denominator == 1
        ):
            return Number(value + over / under)
        case _, Quotient(Number(), Number()):
            raise Unreadable("a number before a fraction that is no mixed number")
        case _:
            return product(whole, part)


def value(text: str) -> Fraction:
    """The exact value of a number's spelling."""
    if len(text) > MAX_DIGITS:
        raise TooBig(f"a number of more than {MAX_DIGITS} digits")
    if "\\" in text:
        return _repeating(text)
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return Fraction(text)
    if len(exponent.lstrip("+-")) > 4 or abs(int(exponent)) > MAX_DIGITS:
        raise TooBig(f"an exponent beyond {MAX_DIGITS}")
    if exponent[0] in "+-" and "e" in text and "." not in mantissa and mantissa != "1":
        raise Unreadable(f"{text[:30]!r} may be a product with e or a power of ten")
    return Fraction(mantissa) * Fraction(10) ** int(exponent)


def _repeating(text: str) -> Fraction:
    """`0.1\\overline{6}`."""
    fixed, _, rest = text.partition("\\")
    digits = "".join(letter for letter in rest if letter.isdigit())
    whole, _, places = fixed.partition(".")
    scale = 10 ** len(places)
    repeated = Fraction(int(digits), (10 ** len(digits) - 1) * scale)
    return Fraction(int((whole + places) or "0"), scale) + repeated
