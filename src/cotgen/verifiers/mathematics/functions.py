"""Functions of forms: logarithms, factorials, absolute values, sines and their kin.

Sines and cosines of unknowns become powers of e with i in the exponent, so that every identity
between them is one between quotients of polynomials.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial, gcd, lcm
from typing import TYPE_CHECKING

from cotgen.verifiers.mathematics.forms import (
    MAX_BITS,
    ONE,
    Form,
    bounded,
    constant,
    generator,
    opaque,
    primes,
)
from cotgen.verifiers.mathematics.nodes import TooBig, Undefined

if TYPE_CHECKING:
    from cotgen.verifiers.mathematics.algebra import Calculator

Meaning = Callable[["Calculator", Form], Form | None]


def function(at: Calculator, name: str, args: list[Form]) -> Form:
    """A function of forms; opaque where nothing more is known of it."""
    if name in _MEANINGS and (len(args) == 1 or name == "log"):
        found = _MEANINGS[name](at, *args)
        if found is not None:
            return found
    values = [arg.value for arg in args]
    if name in _SYMMETRIC and None in values:
        return opaque(name, *sorted(args, key=Form.key))
    if name == "binomial" and values[1] is None:
        return binomial(at, *args)
    if name == "binomial" and values[0] is None and values[1] in _SMALL:
        return short_binomial(at, args[0], int(values[1] or 0))
    if all(value is not None for value in values):
        number = _calculated(name, [value for value in values if value is not None])
        if number is not None:
            return constant(bounded(number))
    return opaque(name, *args)


_SYMMETRIC = frozenset(("max", "min", "gcd", "lcm"))
_HALF = Fraction(1, 2)


def _degree(at: Calculator, arg: Form) -> Form:
    return at.scale(at.multiply(arg, generator("c:pi")), Fraction(1, 180))


def _exp(at: Calculator, arg: Form) -> Form:
    return at.power(generator("c:e"), arg)


def _log(at: Calculator, arg: Form, base: Form | None = None) -> Form | None:
    return None if base is None else at.multiply(ln(at, arg), at.inverse(ln(at, base)))


def _lg(at: Calculator, arg: Form) -> Form:
    return at.multiply(ln(at, arg), at.inverse(ln(at, constant(Fraction(10)))))


# --- sines and cosines ----------------------------------------------------------------------------


def _turned(at: Calculator, arg: Form) -> tuple[Form, Form] | None:
    """`e^{i arg}` and its inverse; None where the argument is no sum of products."""
    if len(arg.under) != 1 or len(arg.over) > MAX_ANGLES:
        return None
    angle = at.multiply(generator("c:i"), arg)
    return _exp(at, angle), _exp(at, at.scale(angle, Fraction(-1)))


MAX_ANGLES = 6


def _sin(at: Calculator, arg: Form) -> Form | None:
    turned = _turned(at, arg)
    if turned is None:
        return None
    gap = at.add(turned[0], at.scale(turned[1], Fraction(-1)))
    return at.scale(at.multiply(generator("c:i"), gap), -_HALF)


def _cos(at: Calculator, arg: Form) -> Form | None:
    turned = _turned(at, arg)
    return None if turned is None else at.scale(at.add(*turned), _HALF)


def _quotient(over: Meaning | None, under: Meaning) -> Meaning:
    def meaning(at: Calculator, arg: Form) -> Form | None:
        numerator = constant(Fraction(1)) if over is None else over(at, arg)
        denominator = under(at, arg)
        if numerator is None or denominator is None:
            return None
        return at.multiply(numerator, at.inverse(denominator))

    return meaning


def _sinh(at: Calculator, arg: Form) -> Form | None:
    other = at.scale(arg, Fraction(-1))
    gap = at.add(_exp(at, arg), at.scale(_exp(at, other), Fraction(-1)))
    return at.scale(gap, _HALF)


def _cosh(at: Calculator, arg: Form) -> Form | None:
    return at.scale(at.add(_exp(at, arg), _exp(at, at.scale(arg, Fraction(-1)))), _HALF)


def _arc(name: str) -> Meaning:
    def meaning(at: Calculator, arg: Form) -> Form | None:
        part = _ARCS.get((name, arg.value)) if arg.value is not None else None
        return None if part is None else at.scale(generator("c:pi"), part)

    return meaning


# --- logarithms -----------------------------------------------------------------------------------


def ln(at: Calculator, arg: Form) -> Form:
    value = arg.value
    if arg == generator("c:e"):
        return constant(Fraction(1))
    if value is None:
        return ln_of_product(at, arg)
    if value < 0:
        return opaque("ln", arg)  # Not real: the numeric tier knows its principal value.
    if value == 0:
        raise Undefined("the logarithm of zero")
    parts = [(key, power) for key, power in primes(value.numerator)]
    parts += [(key, -power) for key, power in primes(value.denominator)]
    return at.total(at.scale(generator(f"l:{key}"), Fraction(power)) for key, power in parts)


def ln_of_product(at: Calculator, arg: Form) -> Form:
    """ln(xy) is ln x + ln y wherever the latter has a value, and ln(x²) is 2 ln|x|."""
    if len(arg.over) != 1 or len(arg.under) != 1 or ONE not in arg.under:
        return opaque("ln", arg)
    [(monomial, factor)] = arg.over.items()
    if factor <= 0 or not all(_has_ln(*each) for each in monomial):
        return opaque("ln", arg)
    parts = [ln(at, constant(factor))] if factor != 1 else []
    for key, power in monomial:
        part = _ln_of_size(key) if _is_even(key, power) else ln_of_generator(at, key)
        parts.append(at.scale(part, power))
    return at.total(parts)


def _has_ln(key: str, power: Fraction) -> bool:
    known = key[0] in "px" or key in _POSITIVE
    return known or (key[0] == "v" and not (key[2:] in _COMPLEX and power != 1))


def _is_even(key: str, power: Fraction) -> bool:
    """ln(x²) has a value where 2 ln x has none."""
    return key[0] == "v" and power.denominator == 1 and power.numerator % 2 == 0


def _ln_of_size(key: str) -> Form:
    return opaque("ln", opaque("abs", generator(key)))


def ln_of_generator(at: Calculator, key: str) -> Form:
    if key == "c:e":
        return constant(Fraction(1))
    return opaque("ln", generator(key)) if key[0] == "x" else generator(f"l:{key}")


# --- absolute values and factorials ---------------------------------------------------------------


def absolute(at: Calculator, arg: Form) -> Form | None:
    """|a - b| is |b - a|, and a factor that is a number comes out."""
    if arg.value is not None:
        return None
    if len(arg.over) == 1 and arg.under == {ONE: Fraction(1)}:
        [(monomial, factor)] = arg.over.items()
        parts = [_magnitude(key, power) for key, power in monomial]
        return at.scale(at.product(parts), abs(factor))
    lead = arg.over[min(arg.over)]
    inner = at.scale(arg, 1 / lead)
    return at.scale(opaque("abs", inner), abs(lead))


def shifted_factorial(at: Calculator, arg: Form) -> Form | None:
    """(n + 1)! is (n + 1) n!, so that quotients of near factorials come out."""
    if arg.value is not None:
        return _half_factorial(at, arg.value)
    shift = arg.over.get(ONE, Fraction(0))
    if arg.under != {ONE: Fraction(1)} or shift.denominator != 1 or abs(shift) > MAX_SHIFT:
        return opaque("factorial", arg)
    base = at.add(arg, constant(-shift))
    result = opaque("factorial", base)
    for step in range(1, abs(int(shift)) + 1):
        factor = at.add(base, constant(Fraction(step if shift > 0 else 1 - step)))
        result = at.multiply(result, factor if shift > 0 else at.inverse(factor))
    return result


def _half_factorial(at: Calculator, value: Fraction) -> Form | None:
    """`(n + 1/2)!`, which is Γ(n + 3/2), as a multiple of √π."""
    if value.denominator != 2 or abs(value) > MAX_HALF:
        return None
    result, step = Fraction(1), Fraction(-1, 2)
    while step < value:
        step += 1
        result *= step
    while step > value:
        result /= step
        step -= 1
    return at.scale(at.power(generator("c:pi"), constant(_HALF)), result)


def _gamma(at: Calculator, arg: Form) -> Form | None:
    """Γ(x + 1) is x!; at zero and below it is no number."""
    value = arg.value
    if value is not None and (value.denominator > 2 or (value.denominator == 1 and value < 1)):
        return None
    return _factorial(at, at.add(arg, constant(Fraction(-1))))


def _zeta(at: Calculator, arg: Form) -> Form | None:
    """Euler's values at even numbers, and those at zero and below."""
    value = arg.value
    if value is None or value.denominator > 1 or abs(value) > MAX_ZETA or value == 1:
        return None
    number = int(value)
    if number <= 0:
        return constant(-_bernoulli(1 - number) / (1 - number))
    if number % 2:
        return None
    size = abs(_bernoulli(number)) * 2 ** (number - 1) / factorial(number)
    return at.scale(at.power(generator("c:pi"), constant(value)), size)


def _bernoulli(index: int) -> Fraction:
    """The number of this index, with 1/2 as the one of index 1."""
    row: list[Fraction] = []
    for outer in range(index + 1):
        row.append(Fraction(1, outer + 1))
        for inner in range(outer, 0, -1):
            row[inner - 1] = inner * (row[inner - 1] - row[inner])
    return row[0]


MAX_HALF, MAX_ZETA = 100, 20


def binomial(at: Calculator, whole: Form, part: Form) -> Form:
    rest = at.add(whole, at.scale(part, Fraction(-1)))
    under = at.multiply(_factorial(at, part), _factorial(at, rest))
    return at.multiply(_factorial(at, whole), at.inverse(under))


_SMALL = range(8)


def short_binomial(at: Calculator, whole: Form, part: int) -> Form:
    """`\\binom{n}{2}` as n(n - 1)/2."""
    result = constant(Fraction(1, factorial(part)))
    for step in range(part):
        result = at.multiply(result, at.add(whole, constant(Fraction(-step))))
    return result


def _factorial(at: Calculator, arg: Form) -> Form:
    return function(at, "factorial", [arg])


_COMPLEX = frozenset("zw")
"""Names that usually stand for complex numbers, whose square is not that of their length."""
_POSITIVE = frozenset(("c:pi", "c:e"))


MAX_SHIFT = 12


_ARCS = {
    ("arcsin", Fraction(0)): Fraction(0),
    ("arcsin", Fraction(1)): Fraction(1, 2),
    ("arcsin", Fraction(-1)): Fraction(-1, 2),
    ("arccos", Fraction(1)): Fraction(0),
    ("arccos", Fraction(0)): Fraction(1, 2),
    ("arccos", Fraction(-1)): Fraction(1),
    ("arctan", Fraction(0)): Fraction(0),
    ("arctan", Fraction(1)): Fraction(1, 4),
    ("arctan", Fraction(-1)): Fraction(-1, 4),
}


def _magnitude(key: str, power: Fraction) -> Form:
    """The absolute value of a power of a generator."""
    factor = generator(key, power)
    if key == "c:i":
        return constant(Fraction(1))
    whole = power.denominator == 1 and power.numerator % 2 == 0
    even = whole and key[0] == "v" and key[2:] not in _COMPLEX
    if even or key[0] in "p" or key in _POSITIVE or power.denominator % 2 == 0:
        return factor
    return opaque("abs", factor)


MAX_FACTORIAL = 5_000


def _calculated(name: str, values: list[Fraction]) -> Fraction | None:
    """Functions of rational numbers whose value is rational."""
    whole = [value.numerator for value in values if value.denominator == 1]
    match name, values:
        case "abs", [value]:
            return abs(value)
        case "floor", [value]:
            return Fraction(value.numerator // value.denominator)
        case "ceil", [value]:
            return Fraction(-(-value.numerator // value.denominator))
    if len(whole) != len(values):
        return None
    if name == "factorial" and 0 <= whole[0] <= MAX_FACTORIAL:
        return Fraction(factorial(whole[0]))
    if name == "binomial" and min(whole) >= 0 and _fits(*whole):
        return Fraction(comb(*whole))
    if name in ("gcd", "lcm"):
        return Fraction(gcd(*whole) if name == "gcd" else lcm(*whole))
    if name == "factorial" and whole[0] > MAX_FACTORIAL:
        raise TooBig(f"the factorial of a number above {MAX_FACTORIAL}")
    return None


def _fits(over: int, under: int) -> bool:
    smaller = max(0, min(under, over - under))
    if smaller * over.bit_length() > MAX_BITS:
        raise TooBig("a binomial coefficient too big to work out")
    return True


_MEANINGS: dict[str, Callable[..., Form | None]] = {
    "percent": lambda at, arg: at.scale(arg, Fraction(1, 100)),
    "degree": _degree,
    "exp": _exp,
    "log": _log,
    "lg": _lg,
    "ln": ln,
    "abs": absolute,
    "factorial": shifted_factorial,
    "Gamma": _gamma,
    "zeta": _zeta,
    "sin": _sin,
    "cos": _cos,
    "tan": _quotient(_sin, _cos),
    "cot": _quotient(_cos, _sin),
    "sec": _quotient(None, _cos),
    "csc": _quotient(None, _sin),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _quotient(_sinh, _cosh),
    "arcsin": _arc("arcsin"),
    "arccos": _arc("arccos"),
    "arctan": _arc("arctan"),
}
