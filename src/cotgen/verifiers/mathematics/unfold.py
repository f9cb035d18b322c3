"""Works out what has one exact meaning before anything is compared: sums of a few terms,
determinants, the larger of two numbers, conjugates, functions defined by others.

What is too big, or not of this kind, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import gcd, lcm, prod

from cotgen.verifiers.mathematics import algebra, effort, numeric
from cotgen.verifiers.mathematics.functions import MAX_FACTORIAL
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Function,
    Matrix,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    Unreadable,
    children,
    contains,
    size,
    symbols,
)
from cotgen.verifiers.mathematics.rebuild import rebuilt, replaced
from cotgen.verifiers.mathematics.scalars import order

MAX_REPEATED = 5_000
"""Terms of a sum or factors of a product of numbers that are worked out."""
MAX_WRITTEN = 100
"""Those that are written out where they hold unknowns."""
MAX_BITS = 20_000
MAX_CANDIDATES = 20
"""Values of which the largest is looked for where they are no plain numbers."""
MAX_ORDER = 4
"""Rows of a determinant that is worked out whatever its entries are."""
MAX_ELIMINATED, MAX_ENTRY_BITS = 20, 64
"""Rows and entries of one of numbers."""

_ONE = Number(Fraction(1))
_MINUS_ONE = Number(Fraction(-1))
_TWO = Number(Fraction(2))
_I = Constant("i")


def unfold(node: Node) -> Node:
    """The node with everything in it worked out that can be."""
    if not _has_something(node):
        return node
    node = rebuilt(node, unfold)
    if isinstance(node, Function) and node.name in _MEANINGS:
        try:
            return _MEANINGS[node.name](*node.args) or node
        except (Unreadable, TypeError):
            return node
    return node


def _has_something(node: Node) -> bool:
    return (isinstance(node, Function) and node.name in _MEANINGS) or any(
        map(_has_something, children(node))
    )


# --- sums, products, limits -----------------------------------------------------------------------


def _sum(body: Node, name: Node, low: Node, high: Node) -> Node | None:
    return _repeated(body, name, low, high, Fraction(0))


def _prod(body: Node, name: Node, low: Node, high: Node) -> Node | None:
    return _repeated(body, name, low, high, Fraction(1))


def _repeated(body: Node, name: Node, low: Node, high: Node, start: Fraction) -> Node | None:
    first, last = _whole(low), _whole(high)
    if first is None or last is None or not isinstance(name, Symbol) or last < first - 1:
        return None
    count = last - first + 1
    if count > (MAX_WRITTEN if symbols(body) else MAX_REPEATED):
        return None
    effort.spend(count * size(body) * STEPS_PER_NODE)
    parts = (replaced(body, name, Number(Fraction(at))) for at in range(first, last + 1))
    if not symbols(body):
        number = _worked_out(parts, start)
        if number is not None:
            return number
    if count > MAX_WRITTEN:
        return None
    parts = (replaced(body, name, Number(Fraction(at))) for at in range(first, last + 1))
    return (Product if start else Sum)((Number(start), *parts))


STEPS_PER_NODE = 4


def _worked_out(parts: Iterable[Node], start: Fraction) -> Node | None:
    """The sum, or the product, of rational numbers."""
    result = start
    for part in parts:
        value = part.value if isinstance(part, Number) else algebra.normal(part).value
        if value is None:
            return None
        result = result * value if start else result + value
        if max(result.numerator.bit_length(), result.denominator.bit_length()) > MAX_BITS:
            return None
    return Number(result)


def _whole(node: Node) -> int | None:
    value = algebra.normal(node).value
    return value.numerator if value is not None and value.denominator == 1 else None


_CONTINUOUS = frozenset(("sin", "cos", "exp", "arctan", "sinh", "cosh"))


def _limit(body: Node, name: Node, point: Node) -> Node | None:
    """The value at the point, where the body is continuous there."""
    if not isinstance(name, Symbol) or not _is_continuous(body):
        return None
    value = replaced(body, name, point)
    algebra.normal(value)
    return value


def _is_continuous(node: Node) -> bool:
    match node:
        case Number() | Symbol() | Sum() | Product():
            pass
        case Constant(name):
            return name != "oo"
        case Power(_, Number(value)) if value.denominator == 1 and value > 0:
            pass
        case Quotient(_, under) if not contains(under, (Function, Root, Power)):
            pass
        case Function(name, _) if name in _CONTINUOUS:
            pass
        case _:
            return False
    return all(map(_is_continuous, children(node)))


# --- determinants ---------------------------------------------------------------------------------


def _det(matrix: Node) -> Node | None:
    if not isinstance(matrix, Matrix):
        return None
    rows = matrix.rows
    if len(rows) != len(rows[0]):
        return None
    if len(rows) > MAX_ORDER:
        return _of_numbers(rows)
    return _expanded(rows)


def _of_numbers(rows: tuple[tuple[Node, ...], ...]) -> Node | None:
    """The determinant of rational numbers, by elimination."""
    size = len(rows)
    if size > MAX_ELIMINATED:
        return None
    effort.spend(size**3)
    values = [[algebra.normal(entry).value for entry in row] for row in rows]
    left = [[value for value in row if value is not None] for row in values]
    if any(len(row) < size or max(map(_bits, row)) > MAX_ENTRY_BITS for row in left):
        return None
    result = Fraction(1)
    for at in range(size):
        pivot = next((row for row in range(at, size) if left[row][at]), None)
        if pivot is None:
            return Number(Fraction(0))
        if pivot != at:
            left[at], left[pivot], result = left[pivot], left[at], -result
        result *= left[at][at]
        for row in left[at + 1 :]:
            factor = row[at] / left[at][at]
            row[at:] = [a - factor * b for a, b in zip(row[at:], left[at][at:], strict=True)]
    return Number(result)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _expanded(rows: tuple[tuple[Node, ...], ...]) -> Node:
    if len(rows) == 1:
        return rows[0][0]
    return Sum(
        tuple(
            Product((Number(Fraction((-1) ** column)), entry, _expanded(_minor(rows, column))))
            for column, entry in enumerate(rows[0])
        )
    )


def _minor(rows: tuple[tuple[Node, ...], ...], column: int) -> tuple[tuple[Node, ...], ...]:
    return tuple(row[:column] + row[column + 1 :] for row in rows[1:])


# --- numbers --------------------------------------------------------------------------------------


def _extreme(sign: int) -> Callable[..., Node | None]:
    def found(*values: Node) -> Node | None:
        if len(values) > MAX_CANDIDATES and not all(isinstance(n, Number) for n in values):
            return None
        best = values[0]
        for value in values[1:]:
            best = value if order(value, best) * sign > 0 else best
        return best

    return found


def _of_whole_numbers(function: Callable[..., int]) -> Callable[..., Node | None]:
    """The greatest common divisor of plain numbers, or their least common multiple."""

    def found(*values: Node) -> Node | None:
        whole = [
            node.value.numerator
            for node in values
            if isinstance(node, Number) and node.value.denominator == 1
        ]
        effort.spend(len(values))
        return Number(Fraction(function(*whole))) if len(whole) == len(values) else None

    return found


def _rounded(name: str) -> Callable[[Node], Node | None]:
    def found(arg: Node) -> Node | None:
        if isinstance(arg, Number) or symbols(arg):
            return None
        value = algebra.normal(arg).value
        low = numeric.floor(arg) if value is None else None
        return None if low is None else Number(Fraction(low + (name == "ceil")))

    return found


def _mod(value: Node, by: Node) -> Node | None:
    left, right = algebra.normal(value).value, algebra.normal(by).value
    if left is not None and right:
        # A negative modulus has two conventions, which agree on what it divides.
        return Number(left % right) if right > 0 or left % right == 0 else None
    if right == 0 or symbols(value) | symbols(by) or numeric.sign(by) != 1:
        return None
    times = numeric.floor(Quotient(value, by))
    if times is None:
        return None
    return Sum((value, Product((Number(Fraction(-times)), by))))


def _double_factorial(value: Node) -> Node | None:
    whole = _whole(value)
    if whole is None or not 0 <= whole <= MAX_FACTORIAL:
        return None
    return Number(Fraction(prod(range(whole, 0, -2))))


# --- complex numbers ------------------------------------------------------------------------------


def _conj(node: Node) -> Node | None:
    return _mirrored(node) if _is_plain(node) else None


def _is_plain(node: Node) -> bool:
    """Whether changing the sign of i gives the conjugate: no unknowns, no roots but real ones."""
    match node:
        case Number() | Constant("pi" | "e" | "i"):
            return True
        case Sum() | Product() | Quotient() | Power(_, Number()):
            whole = not isinstance(node, Power) or _whole(node.exponent) is not None
            return whole and all(map(_is_plain, children(node)))
        case Power(Constant("e"), exponent):
            return _is_plain(exponent)
        case Root(Number(value), _):
            return value >= 0
        case Function("sin" | "cos" | "exp", (arg,)):
            return _is_plain(arg)
        case _:
            return False


def _mirrored(node: Node) -> Node:
    if node == _I:
        return Product((_MINUS_ONE, _I))
    return rebuilt(node, _mirrored)


def _has_i(node: Node) -> bool:
    return node == _I or any(map(_has_i, children(node)))


def _bar(node: Node) -> Node | None:
    """A bar over a complex number; over letters it names a mean or a line.

    Both the conjugate and the mean of a sum are sums; a bar over capitals may deny an event.
    """
    if _has_i(node):
        return _conj(node)
    if not isinstance(node, Sum) or any(name[:1].isupper() for name in symbols(node)):
        return None
    return Sum(tuple(_barred(term) for term in node.terms))


def _barred(term: Node) -> Node:
    match term:
        case Number():
            return term
        case Product((Number() as factor, other)):
            return Product((factor, Function("mark bar", (other,))))
        case _:
            return Function("mark bar", (term,))


def _real_part(node: Node) -> Node | None:
    other = _conj(node)
    return None if other is None else Quotient(Sum((node, other)), _TWO)


def _imaginary_part(node: Node) -> Node | None:
    other = _conj(node)
    if other is None:
        return None
    return Quotient(Sum((node, Product((_MINUS_ONE, other)))), Product((_TWO, _I)))


def _abs(node: Node) -> Node | None:
    if not (isinstance(node, Number) or symbols(node) or _has_i(node)):
        sign = numeric.sign(node)
        return None if sign is None else Product((Number(Fraction(sign)), node))
    other = _conj(node) if _has_i(node) else None
    return None if other is None else Root(Product((node, other)), 2)


def _arg(node: Node) -> Node | None:
    """The angle of a complex number, by the signs of its parts."""
    real, imaginary = _real_part(node), _imaginary_part(node)
    if real is None or imaginary is None:
        return None
    across, up = _sign(real), _sign(imaginary)
    if across is None or up is None or across == up == 0:
        return None
    if across == 0:
        return Product((Number(Fraction(up, 2)), _PI))
    angle = Function("arctan", (Quotient(imaginary, real),))
    return angle if across > 0 else Sum((angle, Product((Number(Fraction(up or 1)), _PI))))


def _sign(node: Node) -> int | None:
    value = algebra.normal(node).value
    return numeric.sign(node) if value is None else (value > 0) - (value < 0)


_PI = Constant("pi")


def _sgn(node: Node) -> Node | None:
    if symbols(node) or _has_i(node):
        return None
    if isinstance(node, Number) and not node.value:
        return node
    sign = numeric.sign(node)
    return None if sign is None else Number(Fraction(sign))


def _cis(angle: Node) -> Node:
    return Sum((Function("cos", (angle,)), Product((_I, Function("sin", (angle,))))))


# --- functions defined by others ------------------------------------------------------------------


def _inverse_of(name: str) -> Callable[[Node], Node]:
    return lambda arg: Function(name, (Quotient(_ONE, arg),))


def _over(name: str) -> Callable[[Node], Node]:
    return lambda arg: Quotient(_ONE, Function(name, (arg,)))


def _arccot(arg: Node) -> Node | None:
    """The angle of a positive cotangent; below 0 there are two conventions."""
    if symbols(arg) or numeric.sign(arg) != 1:
        return None
    return Function("arctan", (Quotient(_ONE, arg),))


def _arcsinh(sign: int) -> Callable[[Node], Node]:
    def meaning(arg: Node) -> Node:
        root = Root(Sum((Power(arg, _TWO), Number(Fraction(sign)))), 2)
        return Function("ln", (Sum((arg, root)),))

    return meaning


def _arctanh(arg: Node) -> Node:
    inner = Quotient(Sum((_ONE, arg)), Sum((_ONE, Product((_MINUS_ONE, arg)))))
    return Quotient(Function("ln", (inner,)), _TWO)


_MEANINGS: dict[str, Callable[..., Node | None]] = {
    "sum": _sum,
    "prod": _prod,
    "limit": _limit,
    "det": _det,
    "max": _extreme(1),
    "min": _extreme(-1),
    "gcd": _of_whole_numbers(gcd),
    "lcm": _of_whole_numbers(lcm),
    "floor": _rounded("floor"),
    "ceil": _rounded("ceil"),
    "mod": _mod,
    "double factorial": _double_factorial,
    "conj": _conj,
    "mark bar": _bar,
    "Re": _real_part,
    "Im": _imaginary_part,
    "abs": _abs,
    "cis": _cis,
    "arg": _arg,
    "sgn": _sgn,
    "sign": _sgn,
    "sech": _over("cosh"),
    "csch": _over("sinh"),
    "coth": _over("tanh"),
    "arcsec": _inverse_of("arccos"),
    "arccsc": _inverse_of("arcsin"),
    "arccot": _arccot,
    "arcsinh": _arcsinh(1),
    "arccosh": _arcsinh(-1),
    "arctanh": _arctanh,
}
