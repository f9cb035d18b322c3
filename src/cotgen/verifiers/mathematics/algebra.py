"""The exact tier: expressions as quotients of polynomials, worked out within a budget."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from cotgen.verifiers.mathematics import effort
from cotgen.verifiers.mathematics.forms import (
    ONE,
    Form,
    Monomial,
    Polynomial,
    bounded,
    check_power,
    clean,
    constant,
    cost,
    generator,
    is_lone,
    merge,
    opaque,
    plus,
    primes,
    serial,
    single,
    takes_root,
)
from cotgen.verifiers.mathematics.functions import function
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
    size,
)

MAX_WORK = 40_000
STEPS_OF_WORK = 3
"""To multiply two terms."""
MAX_REMEMBERED = 40
"""Nodes of an expression whose form is kept: members of lists are compared again and again."""
MAX_WHOLE_PART, MAX_INDEX = 4, 12
_I_PI: Monomial = (("c:i", Fraction(1)), ("c:pi", Fraction(1)))


def normal(node: Node) -> Form:
    """The normal form of an expression. Raises Unreadable where there is none."""
    if size(node) > MAX_REMEMBERED:
        return Calculator().form(node)
    before = effort.spent()
    form, steps = _remembered(node)
    if effort.is_new(node):
        effort.spend(max(0, before + steps - effort.spent()))
    return form


@lru_cache(maxsize=256)
def _remembered(node: Node) -> tuple[Form, int]:
    """The form, and the steps that it took."""
    before = effort.spent()
    return Calculator().form(node), effort.spent() - before


def difference(one: Form, two: Form) -> Form:
    """One minus the other: its upper polynomial is empty if and only if they are the same form."""
    calculator = Calculator()
    return calculator.add(one, calculator.scale(two, Fraction(-1)))


class Calculator:
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
                return function(self, name, [self.form(arg) for arg in args])
            case _:
                raise Unreadable(f"cannot calculate with a {type(node).__name__.lower()}")

    # -- the four operations --------------------------------------------------------------------

    def total(self, forms: Iterable[Form]) -> Form:
        sum_ = constant(Fraction(0))
        for form in forms:
            sum_ = self.add(sum_, form)
        return sum_

    def product(self, forms: Iterable[Form]) -> Form:
        product = constant(Fraction(1))
        for form in forms:
            product = self.multiply(product, form)
        return product

    def add(self, one: Form, two: Form) -> Form:
        if one.under == two.under:
            return self.reduced(plus(one.over, two.over), one.under)
        self.spend(1)
        over = plus(self.times(one.over, two.under), self.times(two.over, one.under))
        return self.reduced(over, self.times(one.under, two.under))

    def multiply(self, one: Form, two: Form) -> Form:
        return self.reduced(self.times(one.over, two.over), self.times(one.under, two.under))

    def scale(self, form: Form, factor: Fraction) -> Form:
        return self.multiply(form, constant(factor))

    def inverse(self, form: Form) -> Form:
        if not form.over:
            raise DivisionByZero("division by zero")
        return self.reduced(form.under, form.over)

    def reduced(self, over: Polynomial, under: Polynomial) -> Form:
        """A single term below is divided out; otherwise the lower leading coefficient is 1."""
        if not under:
            raise DivisionByZero("division by zero")
        if not over:
            return constant(Fraction(0))
        if len(under) == 1:
            [(monomial, factor)] = under.items()
            if monomial == ONE and factor == 1:
                return Form(over, under)
            inverse = tuple((key, -exponent) for key, exponent in monomial)
            return Form(self.times(over, single(inverse, 1 / factor)), {ONE: Fraction(1)})
        lead = under[min(under)]
        if lead == 1:
            return Form(over, under)
        return Form(*({key: part / lead for key, part in each.items()} for each in (over, under)))

    def times(self, one: Polynomial, two: Polynomial) -> Polynomial:
        if one == {ONE: 1}:
            return two
        if two == {ONE: 1}:
            return one
        self.spend(len(one) * len(two) * cost(one, two))
        product: Polynomial = {}
        for left, first in one.items():
            for right, second in two.items():
                monomial, factor = merge(left, right)
                product[monomial] = product.get(monomial, Fraction(0)) + factor * first * second
        return clean(product)

    def spend(self, work: int) -> None:
        self.work += work
        effort.spend(STEPS_OF_WORK * work)
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
            return opaque("pow", base, exponent)
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
            return constant(Fraction(1))
        try:
            check_power(base, exponent)
        except TooBig:
            if len(base.over) < 2:
                raise
            return opaque("pow", base, constant(Fraction(exponent)))
        result, square = constant(Fraction(1)), base
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
        if len(base.over) != 1 or base.under != {ONE: Fraction(1)}:
            return self.opaque_power(base, exponent)
        [(monomial, factor)] = base.over.items()
        others = [(key, power) for key, power in monomial if key[0] not in "pq"]
        if factor < 0 or not all(takes_root(*each, exponent.denominator) for each in others):
            return opaque("pow", base, constant(exponent))
        roots = [single(((key, power * exponent),)) for key, power in monomial]
        numbers = [
            single(((key, power * exponent * sign),))
            for part, sign in ((factor.numerator, 1), (factor.denominator, -1))
            for key, power in primes(part)
        ]
        return self.product(Form(each, {ONE: Fraction(1)}) for each in (*roots, *numbers))

    def opaque_power(self, base: Form, exponent: Fraction) -> Form:
        """`(x + 1)^{5/3}` as x + 1 times the square of one generator, its third root."""
        if exponent < 0:
            return self.inverse(self.opaque_power(base, -exponent))
        if len(base.over) == 1 and len(base.under) > 1:
            # A quotient has many forms, what is below this one only one.
            return self.inverse(self.opaque_power(self.inverse(base), exponent))
        whole = exponent.numerator // exponent.denominator
        if not 0 <= whole <= MAX_WHOLE_PART or exponent.denominator > MAX_INDEX:
            return opaque("pow", base, constant(exponent))
        root = opaque("pow", base, constant(Fraction(1, exponent.denominator)))
        rest = exponent.numerator % exponent.denominator
        return self.multiply(self.whole_power(base, whole), self.whole_power(root, rest))

    def symbolic_power(self, base: Form, monomial: Monomial, factor: Fraction) -> Form:
        """`base ** (factor * monomial)`: numbers by their primes, so that 4^n is 2^(2n)."""
        if monomial == ONE:
            return self.power(base, constant(factor))
        if base == generator("c:e") and len(monomial) == 1 and monomial[0][1] == 1:
            [(key, _)] = monomial
            if key.startswith("l:"):
                return Form(single(((key[2:], factor),)), {ONE: Fraction(1)})
        if base == generator("c:e") and monomial == _I_PI:
            return self.unit(factor)
        number = base.value
        if number is None and not is_lone(base):
            return opaque("pow", base, Form({monomial: factor}, {ONE: Fraction(1)}))
        if number is not None and number <= 0:
            return opaque("pow", base, Form({monomial: factor}, {ONE: Fraction(1)}))
        exponent = serial({monomial: Fraction(1)})
        if number is None:
            return generator(f"x:{base.key()}^{exponent}", factor)
        powers = [(key, power) for key, power in primes(number.numerator)]
        powers += [(key, -power) for key, power in primes(number.denominator)]
        return self.product(
            generator(f"x:{key}^{exponent}", factor * power) for key, power in powers
        )

    def unit(self, turns: Fraction) -> Form:
        """`e^{i pi turns}`: exact at multiples of a twelfth of π, elsewhere a generator."""
        turns %= 2
        if (turns * 12).denominator > 1:
            return generator(f"x:c:e^{serial({_I_PI: Fraction(1)})}", turns)
        steps = int(turns * 12)
        # A twelfth is a third less a quarter, so that roots of 2 and 3 suffice.
        thirds, quarters = steps % 6, -steps % 24
        return self.multiply(
            self.whole_power(self.eighth(), quarters), self.whole_power(self.sixth(), thirds)
        )

    def sixth(self) -> Form:
        """`e^{i pi / 3}`."""
        root = self.broken_power(constant(Fraction(3)), Fraction(1, 2))
        both = self.add(constant(Fraction(1)), self.multiply(generator("c:i"), root))
        return self.scale(both, Fraction(1, 2))

    def eighth(self) -> Form:
        """`e^{i pi / 4}`."""
        root = self.broken_power(constant(Fraction(2)), Fraction(1, 2))
        both = self.add(constant(Fraction(1)), generator("c:i"))
        return self.scale(self.multiply(both, root), Fraction(1, 2))

    def root(self, radicand: Form, index: int) -> Form:
        value = radicand.value
        if value is not None and value < 0:
            positive = self.broken_power(constant(-value), Fraction(1, index))
            if index % 2:
                return self.scale(positive, Fraction(-1))
            if index == 2:
                return self.multiply(generator("c:i"), positive)
        return self.broken_power(radicand, Fraction(1, index))

    # -- functions -------------------------------------------------------------------------------


def _leaf(node: Number | Symbol | Constant) -> Form:
    match node:
        case Number(value):
            return constant(bounded(value))
        case Symbol(name):
            return generator(f"v:{name}")
        case Constant("oo"):
            raise Unreadable("infinity is no number")
        case Constant(name):
            return generator(f"c:{name}")
