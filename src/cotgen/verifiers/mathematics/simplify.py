"""The symbolic tier's own process: sympy, built from checked trees and never from text.

Loaded by itself (`cotgen.workers.forker`), hence without imports of ours. A request is two
expressions as `symbolic` packs them. The reply says whether their difference was shown to be zero;
nothing else comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

Expression = Any
"""A sympy expression: the library carries no types."""
Tree = list[Any]
"""A tag and what it needs, which may be trees."""

MAX_BITS = 400
MAX_EXPONENT = 40
MAX_SUM_EXPONENT = 6
MAX_FACTORIAL = 200

_FUNCTIONS = frozenset(
    (
        *("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "exp"),
        *("floor", "factorial", "binomial"),
    )
)
_RENAMED = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ceil": "ceiling", "abs": "Abs"}
_COMPLEX_NAMES = frozenset("zw")
_FIRST, _STEP = 1.1875, 0.3125
_FAR = 1e-6


class _Refused(Exception):
    """A tree that is not built: unknown, or too big for what sympy would make of it."""


def load() -> None:
    """Load what every request needs: forks inherit it."""
    import sympy

    del sympy


def warm() -> Iterator[None]:
    """Load what sympy itself loads late, and fill its tables, a little at a time."""
    import sympy

    x = sympy.Symbol("x", real=True)
    root = sympy.sqrt(3 + 2 * sympy.sqrt(2)) - 1
    for gap in (sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1, sympy.log(x**2 + 1) - x / (x + 1), root):
        for simpler in _simpler(gap):
            simpler()
            yield
    k, infinity = sympy.Symbol("k", integer=True), sympy.oo
    loading: tuple[Callable[[], object], ...] = (
        lambda: sympy.diff(x**3 * sympy.sin(x) / (x + 1), x),
        lambda: sympy.limit((sympy.exp(x) - 1) / x, x, 0),
        lambda: sympy.limit((x**2 - 1) / (x - 1), x, infinity),
        lambda: sympy.Sum(1 / sympy.Integer(3) ** k, (k, 0, infinity)).doit(),
        lambda: sympy.Sum(1 / (k * (k + 1)), (k, 1, infinity)).doit(),
        lambda: sympy.Sum(1 / sympy.factorial(k), (k, 0, infinity)).doit(),
        lambda: sympy.integrate(x * sympy.sin(x), (x, 0, sympy.pi)),
        lambda: sympy.integrate(1 / x**2, (x, 1, 2)),
        lambda: sympy.integrate(sympy.exp(-(x**2)), (x, -infinity, infinity)),
        lambda: sympy.integrate(1 / (1 + x**2), (x, 0, 1)),
        lambda: sympy.limit((sympy.sqrt(x) - 2) / (x - 4), x, 4),
        lambda: sympy.simplify(sympy.Abs(x - 1) - sympy.sqrt(x**2 - 2 * x + 1)),
        lambda: sympy.simplify(sympy.diff(sympy.tan(x), x) - sympy.sec(x) ** 2),
        lambda: sympy.simplify(sympy.log(x + 1) - sympy.log(x) - sympy.log((x + 1) / x)),
    )
    for late in loading:
        late()
        yield


def answer(request: bytes) -> bytes:
    """`1` if the two expressions are shown to be equal, `-` if to differ, else `0`."""
    one, two = msgspec.msgpack.decode(request)
    kinds = (False, True) if _may_need_reals(one) or _may_need_reals(two) else (False,)
    try:
        if any(_is_zero(one, two, real) for real in kinds):
            return b"1"
        return b"-" if _is_worked_out(one, two) and _differ(one, two) else b"0"
    except _Refused:
        return b"0"
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - sympy raises whatever it meets: nothing is shown
        return b"0"


def _is_worked_out(one: Tree, two: Tree) -> bool:
    """Whether sympy finds a value that other tiers cannot: that of a sum, a limit, a derivative.

    An antiderivative has no one value, nor has d(xy)/dx, where y may depend on x.
    """
    return _binds(one) != _binds(two) and not (_is_open(one) or _is_open(two))


def _is_open(tree: Tree) -> bool:
    match tree:
        case ["function", "integral", *parts]:
            own = len(parts) < _DEFINITE
        case ["function", "derivative", body, ["symbol", name], _]:
            own = not _letters(body) <= {name}
        case _:
            own = False
    return own or any(_is_open(part) for part in tree[1:] if isinstance(part, list))


def _letters(tree: Tree) -> set[str]:
    if tree[0] == "symbol":
        return {tree[1]}
    parts = (_letters(part) for part in tree[1:] if isinstance(part, list))
    return set[str]().union(*parts)


_DEFINITE = 4
"""What is integrated, the letter, and the two limits."""


def _differ(one: Tree, two: Tree) -> bool:
    """Whether two values in closed form are far apart at whole numbers, which limits may be."""
    import sympy

    builder = _Builder(real=True)
    gap = builder.build(one) - builder.build(two)
    if gap.has(sympy.nan, sympy.zoo, sympy.oo, *_open_forms()):
        return False
    unknowns = sorted(gap.free_symbols, key=str)
    return any(
        _is_far(gap, dict(zip(unknowns, point, strict=False)))
        for point in (_POINTS if len(unknowns) <= len(_POINTS[0]) else ())
    )


_POINTS = ((7, 11, 13, 17), (3, 5, 2, 4))


def _open_forms() -> tuple[Expression, ...]:
    import sympy

    return (
        *(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative),
        *(sympy.Piecewise, sympy.AccumBounds, sympy.Subs),
    )


def _is_far(gap: Expression, point: dict[Expression, int]) -> bool:
    try:
        value = complex(gap.subs(point).evalf(15))
    except (TypeError, ValueError, ArithmeticError):
        return False
    return _FAR < abs(value) < _FARTHEST


_FARTHEST = 1e12


def _may_need_reals(tree: Tree) -> bool:
    return _holds(tree, "symbol") and _holds(tree, "root", "power", "function")


def _is_zero(one: Tree, two: Tree, real: bool) -> bool:
    """Unknowns are complex numbers first, then real ones: √(x²) is |x| for these alone."""
    import sympy

    builder = _Builder(real)
    left, right = builder.build(one), builder.build(two)
    if sympy.oo in (abs(left), abs(right)):
        return bool(left == right)
    gap = left - right
    if gap.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    if _seems_to_differ(gap):
        return False
    return any(_gives_zero(simpler) for simpler in _simpler(gap))


def _seems_to_differ(gap: Expression) -> bool:
    """Where the two are far apart at one point, looking for a proof would be in vain."""
    import sympy

    unknowns = sorted(gap.free_symbols, key=str)
    # As sympy's own numbers: floor and ceiling of others raise.
    point = {name: sympy.Float(_FIRST + _STEP * n) for n, name in enumerate(unknowns)}
    try:
        value = complex(gap.evalf(15, subs=point))
    except (TypeError, ValueError, ArithmeticError):
        return False
    return abs(value) > _FAR


def _gives_zero(simpler: Callable[[], Expression]) -> bool:
    try:
        return bool(simpler() == 0)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - sympy raises whatever it meets; the next way may succeed
        return False


def _simpler(gap: Expression) -> Iterator[Callable[[], Expression]]:
    """Ways to a simpler expression, the cheapest first.

    A number is 0 if its minimal polynomial is x: exact, and slow where roots are nested deeply. It
    is 0 as well if its sine is and it lies between -1 and 1, which tells of sums of angles.
    """
    import sympy

    yield lambda: sympy.expand(gap)
    if gap.free_symbols and gap.has(sympy.Abs):
        yield lambda: sympy.factor(gap, deep=True)
    yield lambda: sympy.simplify(gap)
    yield lambda: sympy.simplify(sympy.expand(gap, func=True, trig=True, complex=False))
    if not gap.free_symbols:
        x = sympy.Symbol("x")
        if gap.has(sympy.atan, sympy.asin, sympy.acos) and _lies_near_zero(gap):
            yield lambda: sympy.simplify(sympy.expand_trig(sympy.sin(gap)))
        if gap.has(sympy.log) and _lies_near_zero(gap):
            yield lambda: sympy.simplify(sympy.expand(sympy.exp(sympy.expand(gap)))) - 1
        yield lambda: sympy.minimal_polynomial(sympy.expand_complex(gap), x) - x


def _lies_near_zero(gap: Expression) -> bool:
    try:
        value = complex(gap.evalf(15))
    except (TypeError, ValueError, ArithmeticError):
        return False
    return abs(value.real) < 1 and gap.is_real is True


class _Builder:
    """Makes sympy expressions, and checks the size of what sympy works out at once."""

    def __init__(self, real: bool) -> None:
        self.real = real

    def build(self, tree: Tree) -> Expression:
        import sympy

        match tree:
            case ["sum", *terms]:
                return sympy.Add(*map(self.build, terms))
            case ["product", *factors]:
                return sympy.Mul(*map(self.build, factors))
            case ["quotient", over, under]:
                return self.build(over) / self.build(under)
            case ["power", base, exponent]:
                return self.power(base, exponent)
            case ["root", radicand, int(index)]:
                return _root(self.build(radicand), index)
            case ["function", str(name), *args] if name in _BINDING:
                return _BINDING[name](*map(self.build, args))
            case ["function", str(name), *args]:
                return _function(name, [self.build(arg) for arg in args])
            case _:
                return self.leaf(tree)

    def leaf(self, tree: Tree) -> Expression:
        import sympy

        match tree:
            case ["number", str(over), str(under)]:
                return _rational(int(over, 16), int(under, 16))
            case ["symbol", str(name)]:
                return self.symbol(name)
            case ["constant", str(name)]:
                return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}[name]
            case _:
                raise _Refused

    def symbol(self, name: str) -> Expression:
        import sympy

        if self.real and name in _COMPLEX_NAMES:
            raise _Refused
        return sympy.Symbol(name, real=True) if self.real else sympy.Symbol(name)

    def power(self, base: Tree, exponent: Tree) -> Expression:
        raised, power = self.build(base), self.build(exponent)
        limit = MAX_SUM_EXPONENT if _holds(base, "sum") else MAX_EXPONENT
        if power.is_Rational and abs(power) > limit:
            raise _Refused
        if power.is_number and raised.is_number and _holds(exponent, "power", "function"):
            _check_exponent(power)
        return raised**power


def _check_exponent(power: Expression) -> None:
    """A tower of powers is built only where it is none: e^(3 ln 2)."""
    try:
        size = abs(complex(power.evalf(15)))
    except (TypeError, ValueError, ArithmeticError):
        raise _Refused from None
    if not size <= MAX_EXPONENT:
        raise _Refused


def _summed(body: Expression, name: Expression, low: Expression, high: Expression) -> Expression:
    import sympy

    _check_range(low, high)
    return sympy.Sum(body, (name, low, high)).doit()


def _multiplied(
    body: Expression, name: Expression, low: Expression, high: Expression
) -> Expression:
    import sympy

    _check_range(low, high)
    return sympy.Product(body, (name, low, high)).doit()


def _check_range(low: Expression, high: Expression) -> None:
    if low.is_Integer and high.is_Integer and high - low > MAX_RANGE:
        raise _Refused


def _integral(body: Expression, name: Expression, *limits: Expression) -> Expression:
    import sympy

    return sympy.integrate(body, (name, *limits) if limits else name)


def _limit(side: str) -> Callable[..., Expression]:
    def build(body: Expression, name: Expression, point: Expression) -> Expression:
        import sympy

        return sympy.limit(body, name, point, side)

    return build


def _derivative(body: Expression, name: Expression, order: Expression) -> Expression:
    import sympy

    if not (order.is_Integer and 0 < order <= MAX_ORDER):
        raise _Refused
    return sympy.diff(body, name, int(order))


MAX_ORDER = 6
MAX_RANGE = 200
_BINDING: dict[str, Callable[..., Expression]] = {
    "sum": _summed,
    "prod": _multiplied,
    "integral": _integral,
    "limit": _limit("+-"),
    "limit+": _limit("+"),
    "limit-": _limit("-"),
    "derivative": _derivative,
}


def _holds(tree: Tree, *tags: str) -> bool:
    parts = (part for part in tree[1:] if isinstance(part, list))
    return tree[0] in tags or any(_holds(part, *tags) for part in parts)


def _binds(tree: Tree) -> bool:
    """Whether a sum, a limit or one of their kin is in a tree."""
    own = tree[0] == "function" and tree[1] in _BINDING
    return own or any(_binds(part) for part in tree[1:] if isinstance(part, list))


def _rational(over: int, under: int) -> Expression:
    import sympy

    if max(over.bit_length(), under.bit_length()) > MAX_BITS:
        raise _Refused
    return sympy.Rational(over, under)


def _root(radicand: Expression, index: int) -> Expression:
    import sympy

    if index % 2 and radicand.is_number and radicand.is_negative:
        return -sympy.root(-radicand, index)
    return sympy.root(radicand, index)


def _function(name: str, args: list[Expression]) -> Expression:
    import sympy

    match name, args:
        case "percent", [arg]:
            return arg / 100
        case "degree", [arg]:
            return arg * sympy.pi / 180
        case "ln", [arg]:
            return sympy.log(arg)
        case "lg", [arg]:
            return sympy.log(arg, 10)
        case "log", [arg, base]:
            return sympy.log(arg, base)
        case (("factorial" | "binomial"), _) if any(
            arg.is_number and not (arg.is_Integer and 0 <= arg <= MAX_FACTORIAL) for arg in args
        ):
            raise _Refused
    if name not in _FUNCTIONS and name not in _RENAMED:
        raise _Refused
    return getattr(sympy, _RENAMED.get(name, name))(*args)
