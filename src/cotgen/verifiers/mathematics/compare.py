"""Decide whether two answers are the same: a list of rules, the first that applies decides.

A wrong label is the worst outcome. "Equal" and "different" are therefore proven; where neither is,
the answer is undecided.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from cotgen.verifiers.mathematics import effort, sets, whole_numbers
from cotgen.verifiers.mathematics.amounts import quantities
from cotgen.verifiers.mathematics.compare_constants import constants, shifted
from cotgen.verifiers.mathematics.compare_lists import sequences
from cotgen.verifiers.mathematics.compare_matrices import matrices
from cotgen.verifiers.mathematics.compare_names import (
    calls,
    capital_constants,
    combinations,
    constants_of_integration,
    marks,
    number_sets,
    residues,
    several_letters,
    unit_exponentials,
    vectors,
    verbatim,
)
from cotgen.verifiers.mathematics.compare_pieces import pieces
from cotgen.verifiers.mathematics.compare_quantities import degrees, percents, ratios
from cotgen.verifiers.mathematics.compare_relations import described, memberships, relations, unions
from cotgen.verifiers.mathematics.compare_signs import plus_minus
from cotgen.verifiers.mathematics.compare_words import bases, choices, clocks, letters, texts
from cotgen.verifiers.mathematics.dates import dates
from cotgen.verifiers.mathematics.decision import Decision, different, equal, unanimous, undecided
from cotgen.verifiers.mathematics.families import families
from cotgen.verifiers.mathematics.guesses import guesses
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Matrix,
    Node,
    Number,
    Product,
    Quotient,
    Sequence,
    children,
    symbols,
)
from cotgen.verifiers.mathematics.read import Answer
from cotgen.verifiers.mathematics.rounding import by_rounding
from cotgen.verifiers.mathematics.rules import Judge, Rule, kind_of
from cotgen.verifiers.mathematics.scalars import compare_scalars
from cotgen.verifiers.mathematics.seconds import by_second_readings
from cotgen.verifiers.mathematics.spelled_alike import alike


def compare(gold: Answer, given: Answer) -> Decision:
    """Whether an answer is the gold one."""
    try:
        with effort.limited(effort.COMPARING):
            return _compare(gold, given)
    except effort.Exhausted as error:
        return undecided("limit", str(error))


def _compare(gold: Answer, given: Answer) -> Decision:
    if not gold.key or not given.key:
        return undecided("", gold.problem or given.problem)
    if gold.key == given.key:
        return equal("exact")
    decision = _by_digits(gold.key, given.key)
    if decision is not None:
        return decision
    if not (gold.readings and given.readings):
        return _unread(gold, given)
    decision = unanimous(judge(*pair) for pair in product(gold.readings, given.readings))
    if decision.finding == "different":
        decision = _as_lists(gold, given) or _as_numbers(gold, given) or decision
    if decision.finding != "equal" and (gold.seconds or given.seconds):
        decision = by_second_readings(gold, given, judge) or decision
    if decision.finding == "different":
        return by_rounding(gold, given, decision)
    if decision.finding == "undecided":
        return guesses(gold, given, judge) or decision
    return decision


def _unread(gold: Answer, given: Answer) -> Decision:
    """What cannot be worked with may still be written alike."""
    if alike(gold.key, given.key):
        return equal("normalized")
    if not gold.readings:
        return undecided("", f"the gold cannot be read: {gold.problem}")
    return undecided("", f"the answer cannot be read: {given.problem}")


def _by_digits(one: str, two: str) -> Decision | None:
    """Whole numbers of any length, without working with them."""
    if not (_is_whole(one) and _is_whole(two)):
        return None
    same = _canonical(one) == _canonical(two)
    return equal("exact") if same else different("exact", "another number")


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _canonical(text: str) -> str:
    digits = text.removeprefix("-").lstrip("0")
    return f"-{digits}" if digits and text.startswith("-") else digits


def _as_lists(gold: Answer, given: Answer) -> Decision | None:
    """`100,200` is one number first, but beside the list `100, 200` it is that list."""
    if (gold.listed is None) == (given.listed is None):
        return None
    one, two = gold.listed or gold.readings[0], given.listed or given.readings[0]
    if not (isinstance(one, Sequence) and isinstance(two, Sequence)):
        return None
    if len(one.items) != len(two.items):
        return undecided("list", "a comma may group digits or separate members")
    pairs = zip(one.items, two.items, strict=True)
    if all(judge(*pair).finding == "equal" for pair in pairs):
        return equal("list")
    return None


def _as_numbers(gold: Answer, given: Answer) -> Decision | None:
    """A comma in `(1,000)` may group digits."""
    one, two = gold.readings[0], given.readings[0]
    pairs = ((gold.grouped, two), (one, given.grouped))
    for left, right in pairs:
        if left is not None and right is not None and judge(left, right).finding != "different":
            return undecided("list", "a comma may separate or belong to a number")
    return None


STEPS_PER_PAIR = 20
"""Rules ask for parts of a pair more than once, which adds up where lists hold lists."""


def judge(one: Node, two: Node) -> Decision:
    """Compare two readings."""
    if one == two:
        return equal("exact")
    if isinstance(one, Number) and isinstance(two, Number):
        return different("exact", "another number")
    left, right = _rational(one), _rational(two)
    if left is not None and right is not None:
        return equal("exact") if left == right else different("exact", "another value")
    effort.spend(STEPS_PER_PAIR)
    for rule in _RULES:
        decision = rule(one, two, judge)
        if decision is not None:
            return decision
    return undecided("", f"a {kind_of(one)} beside a {kind_of(two)}")


_MOST_BITS = 256


def _rational(node: Node) -> Fraction | None:
    """The value of a number or a plain fraction: none of the rules says more about two of these."""
    match node:
        case Number(value) if _is_short(value):
            return value
        case Quotient(Number(over), Number(under)) if under and _is_short(over, under):
            return over / under
        case Product((Number(factor), Quotient(Number(over), Number(under)))) if (
            under and _is_short(factor, over, under)
        ):
            return factor * over / under
    return None


def _is_short(*values: Fraction) -> bool:
    return all(
        value.numerator.bit_length() + value.denominator.bit_length() < _MOST_BITS
        for value in values
    )


def _values(one: Node, two: Node, _: Judge) -> Decision | None:
    if not (isinstance(one, SCALARS) and isinstance(two, SCALARS)):
        return None
    if whole_numbers.differ(one, two):
        return different("algebra", "another value")
    return compare_scalars(one, two)


def _kinds(one: Node, two: Node, _: Judge) -> Decision | None:
    """A number is no vector and no set of numbers."""
    for node, other in ((one, two), (two, one)):
        many = isinstance(node, Matrix) and len(children(node)) > 1
        if not many and not sets.is_surely_set(node):
            continue
        if isinstance(other, SCALARS) and not symbols(other):
            return different("kind", f"a {kind_of(one)} beside a {kind_of(two)}")
    return None


_RULES: tuple[Rule, ...] = (
    choices,
    clocks,
    dates,
    marks,
    letters,
    texts,
    bases,
    verbatim,
    number_sets,
    combinations,
    pieces,
    calls,
    vectors,
    memberships,
    described,
    families,
    constants,
    several_letters,
    plus_minus,
    unions,
    relations,
    matrices,
    sequences,
    quantities,
    percents,
    degrees,
    ratios,
    residues,
    constants_of_integration,
    shifted,
    capital_constants,
    unit_exponentials,
    _values,
    _kinds,
)
