"""One spelling for what was read: shown to people, and equal for equal readings."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from cotgen.verifiers.mathematics import effort
from cotgen.verifiers.mathematics.nodes import (
    Based,
    Choice,
    Clock,
    Constant,
    Date,
    Function,
    Intersection,
    Matrix,
    Node,
    Number,
    Numbers,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Reals,
    Relation,
    Root,
    Sequence,
    Sum,
    Symbol,
    Text,
    Union,
    Verbatim,
    Where,
    Without,
)

LONGEST = 200
"""Characters; what is longer is cut and ends in an ellipsis."""
_MOST_ITEMS = LONGEST
STEPS_PER_NODE = 3
"""What comes after these would be cut anyway."""
_DECIMAL_BITS = 4 * LONGEST
"""Python refuses to write huge numbers in decimal; they are cut anyway, so hexadecimal will do."""
_ADDED, _MULTIPLIED, _RAISED, _WHOLE = range(4)
"""How strongly a text holds together: what holds less than its place needs gets brackets."""


def render(node: Node) -> str:
    """The node as text: exact fractions, explicit products, items in the order read."""
    return cut(_text(node))


def cut(text: str) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _text(node: Node) -> str:
    return _spelled(node)[0]


def _inside(node: Node, strength: int) -> str:
    text, holds = _spelled(node)
    return text if holds >= strength else f"({text})"


def _spelled(node: Node) -> tuple[str, int]:
    """A node's text, cut where it is long already, and how strongly it holds together."""
    effort.spend(STEPS_PER_NODE)
    text, holds = _scalar(node) or (_structure(node), _WHOLE)
    return text[: LONGEST + 1], holds


def _scalar(node: Node) -> tuple[str, int] | None:
    match node:
        case Number(value):
            return _number(value)
        case Symbol(name) | Constant(name):
            return name, _WHOLE
        case Sum(terms):
            text = _joined(terms, "+", _MULTIPLIED)
            return text.replace("+-", "-").replace("+±", "±"), _ADDED
        case Product((Number(Fraction(numerator=-1, denominator=1)), *factors)) if factors:
            return f"-{_joined(factors, '*', _RAISED)}", _MULTIPLIED
        case Product(factors):
            return _joined(factors, "*", _RAISED), _MULTIPLIED
        case Quotient(Number(over), Number(under)) if under and _is_short(over, under):
            return _number(over / under)
        case Quotient(over, under):
            return f"{_inside(over, _RAISED)}/{_inside(under, _RAISED)}", _MULTIPLIED
        case Power(base, exponent):
            return f"{_inside(base, _WHOLE)}^{_inside(exponent, _WHOLE)}", _RAISED
        case PlusMinus(term):
            return f"±{_inside(term, _RAISED)}", _MULTIPLIED
        case _:
            return None


def _structure(node: Node) -> str:
    match node:
        case Root(radicand, index):
            inside = _text(radicand)
            return f"sqrt({inside})" if index == 2 else f"root({inside},{index})"
        case Function("percent" | "degree" as name, (value,)):
            return _inside(value, _WHOLE) + ("%" if name == "percent" else "°")
        case Function(name, args):
            return f"{name}({_joined(args, ',')})"
        case Sequence(opened, closed, items):
            return f"{opened}{_joined(items, ',')}{closed}"
        case Relation(sides, signs):
            rest = (f"{sign}{_text(side)}" for side, sign in zip(sides[1:], signs, strict=True))
            return _text(sides[0]) + "".join(rest)
        case Matrix(rows):
            return f"[{';'.join(_joined(row, ',') for row in rows[:_MOST_ITEMS])}]"
        case Ratio(items):
            return _joined(items, ":")
        case Quantity(Number(value), "place") if value.denominator == 1:
            return _ordinal(value.numerator)
        case Quantity(value, unit):
            return f"{_text(value)} {unit}"
        case _:
            return _rarer(node)


def _rarer(node: Node) -> str:
    match node:
        case Choice(letter, content):
            return f"({letter})" if content is None else f"({letter}) {_text(content)}"
        case Clock(hour, minute, half):
            return f"{hour}:{minute:02}{half and half + 'm'}"
        case Date(year, month, day):
            written = (year and f"{year:04}", f"{month:02}", day and f"{day:02}")
            return "-".join(part for part in written if part)
        case Based(digits, base):
            return f"{digits}_{base}"
        case Text(words) | Verbatim(words):
            return " ".join(words[:_MOST_ITEMS])
        case _:
            return _set(node)


def _set(node: Node) -> str:
    match node:
        case Union(parts):
            return _joined(parts, "∪")
        case Intersection(parts):
            return _joined(parts, "∩")
        case Without(whole, part):
            return f"{_text(whole)}∖{_text(part)}"
        case Where(name, conditions):
            return f"{{{_text(name)}|{_joined(conditions, ',')}}}"
        case Numbers(letters):
            return _DOUBLED.get(letters[:1], letters[:1]) + letters[1:]
        case _:
            return "ℝ" if node == Reals() else type(node).__name__.lower()


_DOUBLED = {"N": "ℕ", "Z": "ℤ", "Q": "ℚ", "C": "ℂ"}
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def _ordinal(number: int) -> str:
    teens = 10 < number % 100 < 20
    return _digits(number) + ("th" if teens else _ENDINGS.get(number % 10, "th"))


def _joined(nodes: Iterable[Node], sign: str, strength: int = _ADDED) -> str:
    return sign.join(_inside(node, strength) for node in tuple(nodes)[:_MOST_ITEMS])


def _number(value: Fraction) -> tuple[str, int]:
    over, under = value.numerator, value.denominator
    holds = _WHOLE if under == 1 and over >= 0 else _MULTIPLIED
    return (_digits(over) if under == 1 else f"{_digits(over)}/{_digits(under)}"), holds


def _is_short(*values: Fraction) -> bool:
    return all(
        max(value.numerator.bit_length(), value.denominator.bit_length()) <= _DECIMAL_BITS
        for value in values
    )


def _digits(number: int) -> str:
    return hex(number) if number.bit_length() > _DECIMAL_BITS else str(number)
