"""The exact tier: expressions as quotients of polynomials with rational coefficients.

The generators of a polynomial are variables, i, pi, e, primes to a broken power (√2 is the prime 2
to the power 1/2) and, as a last resort, whole subexpressions taken as opaque. Products of broken
powers of primes are linearly independent over the rationals (Besicovitch 1940), and pi and e are
transcendental: without opaque generators, and with at most one of pi and e, unequal normal forms
mean unequal values. Equal normal forms always mean equal values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import comb, factorial, gcd, lcm

from cotgen.verifiers.mathematics.nodes import (
    Constant,
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
)

Monomial = tuple[tuple[str, Fraction], ...]
Polynomial = dict[Monomial, Fraction]

MAX_BITS = 100_000
MAX_TERMS = 400
MAX_WORK = 60_000
MAX_FACTORIAL = 5_000
MAX_OPAQUE = 4_000

_ONE: Monomial = ()


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
        if len(self.over) == 1 and _ONE in self.over and self.under == {_ONE: Fraction(1)}:
            return self.over[_ONE]
        return None

    def key(self) -> str:
        """Equal for equal normal forms."""
        return f"{_serial(self.over)}/{_serial(self.under)}"


def normal(node: Node) -> Form:
    """The normal form of an expression. Raises Unreadable where there is none."""
    return _Calculator().form(node)


def difference(one: Form, two: Form) -> Form:
    """One minus the other: its upper polynomial is empty if and only if they are the same form."""
    calculator = _Calculator()
    return calculator.add(one, calculator.scale(two, Fraction(-1)))


def proportional(one: Form, two: Form) -> Fraction | None:
    """The factor by which the first is the second, if it is one number other than 0."""
    if not one.over or not two.over or one.over.keys() != two.over.keys() or one.under != two.under:
        return None
    factors = {one.over[key] / two.over[key] for key in one.over}
    return factors.pop() if len(factors) == 1 else None


def decides(form: Form) -> bool:
    """Whether this form, if it is not zero, is a value that is not zero."""
    keys = {key for monomial in (*form.over, *form.under) for key, _ in monomial}
    return all(key[0] in "vpc" for key in keys) and not {"c:pi", "c:e"} <= keys


class _Calculator:
    """Arithmetic with a budget, which is checked before the work is done."""

    def __init__(self) -> None:
        self.work = 0

    def form(self, node: Node) -> Form:
        match node:
            case Number() | Symbol() | Constant():
                return _leaf(node)
            case Sum(terms):
                return self.total(map(self.form, terms))
            case Product(factors):
                return self.product(map(self.form, factors))
            case Quotient(over, under):
                return self.multiply(self.form(over), self.inverse(self.form(under)))
            case Power(base, exponent):
                return self.power(self.form(base), self.form(exponent))
            case Root(radicand, index):
                return self.root(self.form(radicand), index)
            case Function(name, args):
                return self.function(name, [self.form(arg) for arg in args])
            case _:
                raise Unreadable(f"cannot calculate with a {type(node).__name__.lower()}")

    # -- the four operations --------------------------------------------------------------------

    def total(self, forms: Iterable[Form]) -> Form:
        sum_ = _constant(Fraction(0))
        for form in forms:
            sum_ = self.add(sum_, form)
        return sum_

    def product(self, forms: Iterable[Form]) -> Form:
        product = _constant(Fraction(1))
        for form in forms:
            product = self.multiply(product, form)
        return product

    def add(self, one: Form, two: Form) -> Form:
        if one.under == two.under:
            return self.reduced(_plus(one.over, two.over), one.under)
        over = _plus(self.times(one.over, two.under), self.times(two.over, one.under))
        return self.reduced(over, self.times(one.under, two.under))

    def multiply(self, one: Form, two: Form) -> Form:
        return self.reduced(self.times(one.over, two.over), self.times(one.under, two.under))

    def scale(self, form: Form, factor: Fraction) -> Form:
        return self.multiply(form, _constant(factor))

    def inverse(self, form: Form) -> Form:
        if not form.over:
            raise Undefined("division by zero")
        return self.reduced(form.under, form.over)

    def reduced(self, over: Polynomial, under: Polynomial) -> Form:
        """A single term below is divided out; otherwise the lower leading coefficient is 1."""
        if not under:
            raise Undefined("division by zero")
        if not over:
            return _constant(Fraction(0))
        if len(under) == 1:
            [(monomial, factor)] = under.items()
            if monomial == _ONE and factor == 1:
                return Form(over, under)
            inverse = tuple((key, -exponent) for key, exponent in monomial)
            return Form(self.times(over, _single(inverse, 1 / factor)), {_ONE: Fraction(1)})
        lead = under[min(under)]
        if lead == 1:
            return Form(over, under)
        return Form(*({key: part / lead for key, part in each.items()} for each in (over, under)))

    def times(self, one: Polynomial, two: Polynomial) -> Polynomial:
        if one == {_ONE: 1}:
            return two
        if two == {_ONE: 1}:
            return one
        self.spend(len(one) * len(two))
        product: Polynomial = {}
        for left, first in one.items():
            for right, second in two.items():
                monomial, factor = _merge(left, right)
                product[monomial] = product.get(monomial, Fraction(0)) + factor * first * second
        return _clean(product)

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise TooBig("too much algebra")

    # -- powers ----------------------------------------------------------------------------------

    def power(self, base: Form, exponent: Form) -> Form:
        value = exponent.value
        if value is not None and value.denominator == 1:
            return self.whole_power(base, value.numerator)
        if value is not None:
            return self.broken_power(base, value)
        if len(exponent.under) != 1:
            return _opaque("pow", base, exponent)
        return self.product(
            self.symbolic_power(base, monomial, factor)
            for monomial, factor in exponent.over.items()
        )

    def whole_power(self, base: Form, exponent: int) -> Form:
        if exponent < 0:
            return self.whole_power(self.inverse(base), -exponent)
        if exponent == 0:
            if not base.over:
                raise Undefined("zero to the power of zero")
            return _constant(Fraction(1))
        _check_power(base, exponent)
        result, square = _constant(Fraction(1)), base
        while exponent:
            if exponent & 1:
                result = self.multiply(result, square)
            exponent >>= 1
            if exponent:
                square = self.multiply(square, square)
        return result

    def broken_power(self, base: Form, exponent: Fraction) -> Form:
        """A root: of a positive number by its primes, of a lone generator by its exponent."""
        if not base.over and exponent > 0:
            return base
        if len(base.over) != 1 or base.under != {_ONE: Fraction(1)}:
            return _opaque("pow", base, _constant(exponent))
        [(monomial, factor)] = base.over.items()
        others = [(key, power) for key, power in monomial if key[0] not in "pq"]
        if factor < 0 or len(others) > 1 or (others and not _takes_root(*others[0])):
            return _opaque("pow", base, _constant(exponent))
        roots = [_single(((key, power * exponent),)) for key, power in monomial]
        numbers = [
            _single(((key, power * exponent * sign),))
            for part, sign in ((factor.numerator, 1), (factor.denominator, -1))
            for key, power in _primes(part)
        ]
        return self.product(Form(each, {_ONE: Fraction(1)}) for each in (*roots, *numbers))

    def symbolic_power(self, base: Form, monomial: Monomial, factor: Fraction) -> Form:
        """`base ** (factor * monomial)`: numbers by their primes, so that 4^n is 2^(2n)."""
        if monomial == _ONE:
            return self.power(base, _constant(factor))
        number = base.value
        if number is None and not _is_lone(base):
            return _opaque("pow", base, Form({monomial: factor}, {_ONE: Fraction(1)}))
        if number is not None and number <= 0:
            return _opaque("pow", base, Form({monomial: factor}, {_ONE: Fraction(1)}))
        exponent = _serial({monomial: Fraction(1)})
        if number is None:
            return _generator(f"x:{base.key()}^{exponent}", factor)
        powers = [(key, power) for key, power in _primes(number.numerator)]
        powers += [(key, -power) for key, power in _primes(number.denominator)]
        return self.product(
            _generator(f"x:{key}^{exponent}", factor * power) for key, power in powers
        )

    def root(self, radicand: Form, index: int) -> Form:
        value = radicand.value
        if value is not None and value < 0:
            positive = self.broken_power(_constant(-value), Fraction(1, index))
            if index % 2:
                return self.scale(positive, Fraction(-1))
            if index == 2:
                return self.multiply(_generator("c:i"), positive)
        return self.broken_power(radicand, Fraction(1, index))

    # -- functions -------------------------------------------------------------------------------

    def function(self, name: str, args: list[Form]) -> Form:
        values = [arg.value for arg in args]
        match name, values:
            case "percent", _:
                return self.scale(args[0], Fraction(1, 100))
            case "degree", _:
                return self.scale(self.multiply(args[0], _generator("c:pi")), Fraction(1, 180))
            case "exp", _:
                return self.power(_generator("c:e"), args[0])
            case "log", [_, _]:
                return self.multiply(self.ln(args[0]), self.inverse(self.ln(args[1])))
            case "ln", _:
                return self.ln(args[0])
            case "lg", _:
                return self.multiply(
                    self.ln(args[0]), self.inverse(self.ln(_constant(Fraction(10))))
                )
            case _ if all(value is not None for value in values):
                number = _calculated(name, [value for value in values if value is not None])
                if number is not None:
                    return _constant(_bounded(number))
        return _opaque(name, *args)

    def ln(self, arg: Form) -> Form:
        value = arg.value
        if arg == _generator("c:e"):
            return _constant(Fraction(1))
        if value is None:
            return _opaque("ln", arg)
        if value <= 0:
            raise Undefined("the logarithm of a number that is not positive")
        parts = [(key, power) for key, power in _primes(value.numerator)]
        parts += [(key, -power) for key, power in _primes(value.denominator)]
        return self.total(
            self.scale(_generator(f"l:{key}"), Fraction(power)) for key, power in parts
        )


# --- pieces -----------------------------------------------------------------------------------


def _leaf(node: Number | Symbol | Constant) -> Form:
    match node:
        case Number(value):
            return _constant(_bounded(value))
        case Symbol(name):
            return _generator(f"v:{name}")
        case Constant("oo"):
            raise Unreadable("infinity is no number")
        case Constant(name):
            return _generator(f"c:{name}")


def _constant(value: Fraction) -> Form:
    return Form({_ONE: value} if value else {}, {_ONE: Fraction(1)})


def _generator(key: str, exponent: Fraction = Fraction(1)) -> Form:
    return Form({((key, exponent),): Fraction(1)}, {_ONE: Fraction(1)})


def _opaque(name: str, *args: Form) -> Form:
    key = f"f:{name}({','.join(arg.key() for arg in args)})"
    if len(key) > MAX_OPAQUE:
        raise TooBig("an expression too long to compare")
    return _generator(key)


def _single(monomial: Monomial, factor: Fraction = Fraction(1)) -> Polynomial:
    kept, extra = _merge(monomial, _ONE)
    return {kept: factor * extra}


def _plus(one: Polynomial, two: Polynomial) -> Polynomial:
    total = dict(one)
    for monomial, factor in two.items():
        total[monomial] = total.get(monomial, Fraction(0)) + factor
    return _clean(total)


def _clean(polynomial: Polynomial) -> Polynomial:
    kept = {monomial: _bounded(factor) for monomial, factor in polynomial.items() if factor}
    if len(kept) > MAX_TERMS:
        raise TooBig(f"more than {MAX_TERMS} terms")
    return kept


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise TooBig(f"a number of more than {MAX_BITS} bits")
    return value


def _merge(one: Monomial, two: Monomial) -> tuple[Monomial, Fraction]:
    """The product of two monomials, and the number that comes out of i² = -1 and √p² = p."""
    if not one and not two:
        return _ONE, Fraction(1)
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


def _serial(polynomial: Polynomial) -> str:
    return "+".join(
        f"{factor.numerator:x}|{factor.denominator:x}*{'*'.join(f'{k}^{e}' for k, e in monomial)}"
        for monomial, factor in sorted(polynomial.items())
    )


def _is_lone(form: Form) -> bool:
    """Whether a form is one variable, or e, and nothing else."""
    if form.under != {_ONE: Fraction(1)} or len(form.over) != 1:
        return False
    [(monomial, factor)] = form.over.items()
    return (
        factor == 1
        and len(monomial) == 1
        and monomial[0][1] == 1
        and (monomial[0][0][0] == "v" or monomial[0][0] == "c:e")
    )


def _takes_root(key: str, exponent: Fraction) -> bool:
    """√x is x to the power 1/2, but √(x²) is not x for negative x."""
    return (key[0] == "v" and exponent == 1) or key in ("c:pi", "c:e")


def _check_power(base: Form, exponent: int) -> None:
    """Refuse a power by what its result would need, before it is worked out."""
    bits = max(
        max(part.numerator.bit_length(), part.denominator.bit_length())
        for part in (*base.over.values(), *base.under.values())
    )
    if bits > 1 and bits * exponent > MAX_BITS:
        raise TooBig(f"a power of more than {MAX_BITS} bits")
    terms = max(len(base.over), len(base.under))
    if exponent > (10**9 if terms == 1 else 60) or exponent.bit_length() * terms > 10_000:
        raise TooBig("a power too big to work out")


_TRIAL = 10_000


def _primes(number: int) -> list[tuple[str, int]]:
    """Prime factors by trial division; what is left beyond it stays one factor, marked `q`."""
    factors: list[tuple[str, int]] = []
    if number.bit_length() > 400:
        return [(f"q:{number}", 1)] if number.bit_length() < 10_000 else _refuse()
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
    return factors


def _refuse() -> list[tuple[str, int]]:
    raise TooBig("a number too big to take roots of")


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
    if name == "binomial" and 0 <= whole[1] <= whole[0] and _fits(*whole):
        return Fraction(comb(*whole))
    if name in ("gcd", "lcm"):
        return Fraction(gcd(*whole) if name == "gcd" else lcm(*whole))
    if name == "factorial" and whole[0] > MAX_FACTORIAL:
        raise TooBig(f"the factorial of a number above {MAX_FACTORIAL}")
    return None


def _fits(over: int, under: int) -> bool:
    smaller = min(under, over - under)
    if smaller * over.bit_length() > MAX_BITS:
        raise TooBig("a binomial coefficient too big to work out")
    return True


def is_polynomial(form: Form) -> bool:
    """Whether only whole positive powers of variables occur, and nothing below the line."""
    return form.under == {_ONE: Fraction(1)} and all(
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


def _degree(monomial: Monomial) -> Fraction:
    return sum((exponent for key, exponent in monomial if key[0] == "v"), Fraction(0))


def vanish_apart(one: Form, two: Form) -> bool:
    """Whether two rational polynomials have different zeros, shown by their square-free parts."""
    polynomials = []
    for form in (one, two):
        found = _square_free(form)
        if found is None:
            return False
        polynomials.append(found)
    return proportional(*polynomials) is None


def _square_free(form: Form) -> Form | None:
    """The product of the different irreducible factors; None beyond small rational polynomials."""
    names = sorted({key for monomial in form.over for key, _ in monomial})
    if len(form.over) > 30 or not names or any(key[0] != "v" for key in names):
        return None
    if max(_degree(monomial) for monomial in form.over) > 12:
        return None
    import sympy

    generators = sympy.symbols(f"x:{len(names)}")
    terms = {
        tuple(int(dict(monomial).get(name, 0)) for name in names): sympy.Rational(
            factor.numerator, factor.denominator
        )
        for monomial, factor in form.over.items()
    }
    part = sympy.Poly(terms, *generators).sqf_part()
    over = {
        tuple(
            (name, Fraction(power)) for name, power in zip(names, powers, strict=True) if power
        ): Fraction(int(factor.p), int(factor.q))
        for powers, factor in part.terms()
    }
    return Form(over, {_ONE: Fraction(1)})
