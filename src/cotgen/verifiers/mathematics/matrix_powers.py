"""What may stand above a matrix: powers, the inverse, and the signs of its transposes."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.build import MINUS_ONE, ONE, negative, product
from cotgen.verifiers.mathematics.nodes import (
    Function,
    Matrix,
    Node,
    Number,
    Quotient,
    Sum,
    Symbol,
    TooBig,
    Unreadable,
)

TRANSPOSED = frozenset((Symbol("T"), Symbol("top")))
ADJOINT = Symbol("H")
MAX_INVERTED = 4
"""Rows of a matrix that is inverted by its minors."""
MAX_EXPONENT, MAX_ROWS, MAX_BITS = 100, 20, 1_000

_Numbers = tuple[tuple[Fraction, ...], ...]


def matrix_power(base: Matrix, exponent: Node) -> Node:
    """A matrix to a power of letters or numbers."""
    if exponent in TRANSPOSED:
        return transposed(base)
    if exponent == ADJOINT:
        return adjoint(base)
    if exponent == MINUS_ONE:
        return _inverse(base)
    if not isinstance(exponent, Number) or exponent.value.denominator != 1:
        raise Unreadable("a power of a matrix")
    return _whole_power(base, int(exponent.value))


def transposed(matrix: Matrix) -> Matrix:
    """Rows for columns."""
    return Matrix(tuple(zip(*matrix.rows, strict=True)))


def conjugated(matrix: Matrix) -> Matrix:
    """The conjugate of each entry."""
    return Matrix(tuple(tuple(Function("conj", (n,)) for n in row) for row in matrix.rows))


def adjoint(matrix: Matrix) -> Matrix:
    """Transposed and conjugated."""
    return conjugated(transposed(matrix))


def marked_matrix(matrix: Matrix, marks: str) -> Matrix:
    """A matrix with primes, which transpose it, or with stars, which conjugate it as well."""
    if len(marks) % 2 == 0:
        return matrix
    return transposed(matrix) if marks[0] == "'" else adjoint(matrix)


def adjugate(matrix: Matrix) -> Matrix:
    """The signed determinants of the minors, transposed."""
    size = len(matrix.rows)
    if size != len(matrix.rows[0]) or not 2 <= size <= MAX_INVERTED:
        raise Unreadable("the adjugate of a matrix of this size")
    return Matrix(
        tuple(tuple(_cofactor(matrix, at, place) for at in range(size)) for place in range(size))
    )


def _cofactor(matrix: Matrix, row: int, column: int) -> Node:
    rest = tuple(
        each[:column] + each[column + 1 :] for at, each in enumerate(matrix.rows) if at != row
    )
    minor = rest[0][0] if len(rest) == 1 else Function("det", (Matrix(rest),))
    return minor if (row + column) % 2 == 0 else negative(minor)


def trace(matrix: Matrix) -> Node:
    """The sum of the diagonal."""
    if len(matrix.rows) != len(matrix.rows[0]):
        raise Unreadable("the trace of a matrix that is not square")
    return Sum(tuple(row[at] for at, row in enumerate(matrix.rows)))


def _inverse(matrix: Matrix) -> Node:
    size = len(matrix.rows)
    if size == 1:
        return Matrix(((Quotient(ONE, matrix.rows[0][0]),),))
    return product(Quotient(ONE, Function("det", (matrix,))), adjugate(matrix))


def _whole_power(base: Matrix, exponent: int) -> Node:
    """Of numbers within limits; of expressions the second and the third power only."""
    numbers = _numbers(base)
    if numbers is not None and 0 < exponent <= MAX_EXPONENT and len(base.rows) <= MAX_ROWS:
        return _written(_power(numbers, exponent))
    if exponent not in (2, 3):
        raise Unreadable("a power of a matrix")
    result: Node = base
    for _ in range(exponent - 1):
        result = product(result, base)
    return result


def _numbers(matrix: Matrix) -> _Numbers | None:
    square = len(matrix.rows) == len(matrix.rows[0])
    rows = tuple(
        tuple(entry.value for entry in row if isinstance(entry, Number)) for row in matrix.rows
    )
    return rows if square and all(len(row) == len(rows) for row in rows) else None


def _written(rows: _Numbers) -> Matrix:
    return Matrix(tuple(tuple(map(Number, row)) for row in rows))


def _power(base: _Numbers, exponent: int) -> _Numbers:
    if exponent == 1:
        return base
    half = _power(base, exponent // 2)
    square = _times(half, half)
    return _times(square, base) if exponent % 2 else square


def _times(one: _Numbers, two: _Numbers) -> _Numbers:
    longest = max(
        max(n.numerator.bit_length(), n.denominator.bit_length()) for row in one + two for n in row
    )
    if longest > MAX_BITS:
        raise TooBig(f"a number of more than {MAX_BITS} bits")
    columns = tuple(zip(*two, strict=True))
    return tuple(
        tuple(
            sum((a * b for a, b in zip(row, column, strict=True)), Fraction(0))
            for column in columns
        )
        for row in one
    )
