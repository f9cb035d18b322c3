"""Quotients of polynomials in generators, and what their normal forms prove.

The generators are variables (`v:x`), the constants i, pi and e (`c:pi`), primes to a broken power
(`p:2`; `q:` marks a number that was not factored), logarithms (`l:p:2`), powers with unknowns or i
in the exponent (`x:…`) and, as a last resort, whole subexpressions taken as opaque (`f:…`).
Products of broken powers of primes are linearly independent over the rationals (Besicovitch 1940),
and pi and e are transcendental: with variables, primes, i and at most one of pi and e, unequal
normal forms mean unequal values. Equal normal forms always mean equal values.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt

from cotgen.verifiers.mathematics import effort
from cotgen.verifiers.mathematics.nodes import TooBig

Monomial = tuple[tuple[str, Fraction], ...]


Polynomial = dict[Monomial, Fraction]


MAX_BITS = 100_000


MAX_TERMS = 400


MAX_OPAQUE = 4_000


ONE: Monomial = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A quotient of two polynomials, brought to normal form; the lower one is not zero."""

    over: Polynomial
    under: Polynomial

    @property
    def value(self) -> Fraction | None:
        """The number it is, if it is rational."""
        if not self.over:
            return Fraction(0)
        if len(self.over) == 1 and ONE in self.over and self.under == {ONE: Fraction(1)}:
            return self.over[ONE]
        return None

    def key(self) -> str:
        """Equal for equal normal forms."""
        return f"{serial(self.over)}/{serial(self.under)}"


def proportional(one: Form, two: Form) -> Fraction | None:
    """The factor by which the first is the second, if it is one number other than 0."""
    if not one.over or not two.over or one.over.keys() != two.over.keys() or one.under != two.under:
        return None
    factors = {one.over[key] / two.over[key] for key in one.over}
    return factors.pop() if len(factors) == 1 else None


def cleared(form: Form) -> Form:
    """An expression whose zeros these are where no unknown is 0: no unknowns below the line."""
    lowest: dict[str, Fraction] = {}
    for monomial in form.over:
        for key, exponent in monomial:
            if key[0] == "v":
                lowest[key] = min(lowest.get(key, Fraction(0)), exponent)
    shift = tuple((key, -exponent) for key, exponent in sorted(lowest.items()) if exponent < 0)
    over = {}
    for monomial, factor in form.over.items():
        raised, extra = merge(monomial, shift)
        over[raised] = factor * extra
    return Form(over, {ONE: Fraction(1)})


def decides(form: Form) -> bool:
    """Whether this form, if it is not zero, is a value that is not zero."""
    keys = {key for monomial in (*form.over, *form.under) for key, _ in monomial}
    return all(key[0] in "vpc" for key in keys) and not {"c:pi", "c:e"} <= keys


def is_polynomial(form: Form) -> bool:
    """Whether only whole positive powers of variables occur, and nothing below the line."""
    return form.under == {ONE: Fraction(1)} and all(
        key[0] != "v" or (exponent.denominator == 1 and exponent > 0)
        for monomial in form.over
        for key, exponent in monomial
    )


def is_linear(form: Form) -> bool:
    """Whether it is a polynomial of degree 1 in its variables."""
    return (
        decides(form)
        and is_polynomial(form)
        and max(_degree(monomial) for monomial in form.over) == 1
    )


def line(form: Form) -> tuple[str, Fraction, Fraction] | None:
    """The name, slope and constant of a polynomial of degree 1 with rational coefficients."""
    rest = form.over.get(ONE, Fraction(0))
    others = [(monomial, factor) for monomial, factor in form.over.items() if monomial != ONE]
    if form.under != {ONE: Fraction(1)} or len(others) != 1:
        return None
    [(monomial, slope)] = others
    if len(monomial) != 1 or monomial[0][0][0] != "v" or monomial[0][1] != 1:
        return None
    return monomial[0][0][2:], slope, rest


def _degree(monomial: Monomial) -> Fraction:
    return sum((exponent for key, exponent in monomial if key[0] == "v"), Fraction(0))


def constant(value: Fraction) -> Form:
    return Form({ONE: value} if value else {}, {ONE: Fraction(1)})


def generator(key: str, exponent: Fraction = Fraction(1)) -> Form:
    if len(key) > MAX_OPAQUE:
        raise TooBig("an expression too long to compare")
    return Form({((key, exponent),): Fraction(1)}, {ONE: Fraction(1)})


def opaque(name: str, *args: Form) -> Form:
    key = f"f:{name}({','.join(arg.key() for arg in args)})"
    return generator(key)


def single(monomial: Monomial, factor: Fraction = Fraction(1)) -> Polynomial:
    kept, extra = merge(monomial, ONE)
    return {kept: factor * extra}


def plus(one: Polynomial, two: Polynomial) -> Polynomial:
    effort.spend(2 * (len(one) + len(two)))
    total = dict(one)
    for monomial, factor in two.items():
        total[monomial] = total.get(monomial, Fraction(0)) + factor
    return clean(total)


def clean(polynomial: Polynomial) -> Polynomial:
    kept = {monomial: bounded(factor) for monomial, factor in polynomial.items() if factor}
    if len(kept) > MAX_TERMS:
        raise TooBig(f"more than {MAX_TERMS} terms")
    return kept


def bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise TooBig(f"a number of more than {MAX_BITS} bits")
    return value


def cost(one: Polynomial, two: Polynomial) -> int:
    """How many steps the product of a term of one and a term of the other is worth: what fractions
    are reduced by grows with the square of their length."""
    bits = _widest(one) + _widest(two)
    return 1 + (bits * bits >> 20)


def _widest(polynomial: Polynomial) -> int:
    return max(
        (
            max(part.numerator.bit_length(), part.denominator.bit_length())
            for part in polynomial.values()
        ),
        default=0,
    )


_STEPS_PER_GENERATOR = 5


def merge(one: Monomial, two: Monomial) -> tuple[Monomial, Fraction]:
    """The product of two monomials, and the number that comes out of i² = -1 and √p² = p."""
    if not one and not two:
        return ONE, Fraction(1)
    effort.spend(_STEPS_PER_GENERATOR * (len(one) + len(two)))
    exponents = dict(one)
    for key, exponent in two:
        exponents[key] = exponents.get(key, Fraction(0)) + exponent
    factor = Fraction(1)
    for key in [key for key in exponents if key[0] in "pq" or key == "c:i"]:
        exponents[key], part = _out(key, exponents[key])
        factor *= part
    return tuple(sorted(item for item in exponents.items() if item[1])), factor


def _out(key: str, exponent: Fraction) -> tuple[Fraction, Fraction]:
    """What stays of a generator's exponent, and the number that leaves it."""
    if key == "c:i":
        turn = exponent % 4
        return (turn, Fraction(1)) if turn < 2 else (turn - 2, Fraction(-1))
    prime = int(key[2:])
    whole = exponent.numerator // exponent.denominator
    if abs(whole) * prime.bit_length() > MAX_BITS:
        raise TooBig(f"a number of more than {MAX_BITS} bits")
    return exponent - whole, Fraction(prime) ** whole


def serial(polynomial: Polynomial) -> str:
    return "+".join(
        f"{factor.numerator:x}|{factor.denominator:x}*{'*'.join(f'{k}^{e}' for k, e in monomial)}"
        for monomial, factor in sorted(polynomial.items())
    )


def is_lone(form: Form) -> bool:
    """Whether a form is one variable, or e, and nothing else."""
    if form.under != {ONE: Fraction(1)} or len(form.over) != 1:
        return False
    [(monomial, factor)] = form.over.items()
    return (
        factor == 1
        and len(monomial) == 1
        and monomial[0][1] == 1
        and (monomial[0][0][0] == "v" or monomial[0][0] == "c:e")
    )


def takes_root(key: str, exponent: Fraction, index: int) -> bool:
    """√x is x to the power 1/2, but √(x²) is not x for negative x.

    √(xy) is √x √y wherever the latter has a value.
    """
    odd = exponent.denominator == 1 and exponent.numerator % 2 == 1
    return (key[0] == "v" and (odd or index % 2 == 1)) or key in ("c:pi", "c:e")


def check_power(base: Form, exponent: int) -> None:
    """Refuse a power by what its result would need, before it is worked out."""
    bits = max(_widest(base.over), _widest(base.under))
    if bits > 1 and bits * exponent > MAX_BITS:
        raise TooBig(f"a power of more than {MAX_BITS} bits")
    terms = max(len(base.over), len(base.under))
    if exponent > (10**9 if terms == 1 else 60) or exponent.bit_length() * terms > 10_000:
        raise TooBig("a power too big to work out")


_TRIAL = 10_000


def primes(number: int) -> tuple[tuple[str, int], ...]:
    """Prime factors by trial division; what is left beyond it stays one factor, marked `q`."""
    if number.bit_length() > 400:
        if number.bit_length() >= 10_000:
            raise TooBig("a number too big to take roots of")
        effort.spend(_STEPS_OF_LONG)
        return ((f"q:{number}", 1),)
    effort.spend(1 + min(_TRIAL, isqrt(number)) // _DIVISIONS_PER_STEP)
    return _factors(number)


_DIVISIONS_PER_STEP = 20
_STEPS_OF_LONG = 300
"""To write thousands of digits."""


@lru_cache(maxsize=1_024)
def _factors(number: int) -> tuple[tuple[str, int], ...]:
    factors: list[tuple[str, int]] = []
    prime = 2
    while prime < _TRIAL and prime * prime <= number:
        power = 0
        while number % prime == 0:
            number //= prime
            power += 1
        if power:
            factors.append((f"p:{prime}", power))
        prime += 1 if prime == 2 else 2
    if number > 1:
        factors.append((f"{'p' if number < _TRIAL * _TRIAL else 'q'}:{number}", 1))
    return tuple(factors)
