"""What stands at the foot of a name, binomials written with a C, and remainders."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.build import minus, scalar
from cotgen.verifiers.mathematics.cursor import Cursor, key_of
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Function,
    Node,
    Number,
    Product,
    Quotient,
    Sequence,
    Sum,
    Symbol,
    Unreadable,
)
from cotgen.verifiers.mathematics.tokens import Token

_MODULI = ("\\pmod", "\\mod", "\\bmod")


def subscript(parser: Cursor) -> Number | str:
    """A number, or one spelling of anything else: `n+1` and `1+n` are the same index."""
    if parser.key() == "{":
        stop = parser.closing("{", "}")
        tokens = parser.tokens[parser.at + 1 : stop]
        if tokens and all(token.kind in ("word", "text") or _is_name(token) for token in tokens):
            parser.at = stop + 1
            return " ".join(token.text.strip() for token in tokens)
    elif parser.token.kind in ("word", "text"):
        return parser.step().text.strip()
    node = parser.group()
    return node if isinstance(node, Number) else _spelled(node)


def _is_name(token: Token) -> bool:
    return token.kind == "command" and token.text in ("max", "min", "text", "infty")


def _spelled(node: Node) -> str:
    match node:
        case Number(value):
            return str(value)
        case Symbol(name) | Constant(name):
            return name
        case Sum(terms):
            return "+".join(sorted(map(_spelled, terms)))
        case Product(factors):
            return "*".join(sorted(map(_spelled, factors)))
        case Sequence("", "", items):
            # The entry of a matrix: 1,2 and 12 are the same place.
            return "".join(map(_spelled, items))
        case Quotient(over, under):
            return f"{_spelled(over)}/{_spelled(under)}"
        case Function(name, args):
            return f"{name}({','.join(map(_spelled, args))})"
        case _:
            raise Unreadable("a subscript of another kind")


def is_combination(left: Node, exponent: Node) -> bool:
    """`C_5^2`: some write the larger number above, some below."""
    return isinstance(left, Symbol) and left.name.startswith("C_") and exponent != Symbol("T")


def combination(left: Node, exponent: Node) -> Node:
    """A binomial where both numbers are known, else something that equals only itself."""
    assert isinstance(left, Symbol)
    foot = left.name.removeprefix("C_")
    if isinstance(exponent, Number) and foot.isascii() and foot.isdigit():
        numbers = sorted((Fraction(foot), exponent.value))
        return Function("binomial", (Number(numbers[1]), Number(numbers[0])))
    return Function("?C^", (Symbol(foot), exponent))


def combinations(parser: Cursor) -> Node:
    """`_5C_2`, `^5C_2` and, of permutations, `_5P_2`."""
    parser.step()
    whole = scalar(parser.group())
    kind = parser.step()
    if kind.kind != "name" or kind.text not in "CP" or not parser.take("_"):
        raise Unreadable("an index before no name")
    part = scalar(parser.group())
    if kind.text == "C":
        return Function("binomial", (whole, part))
    return Quotient(Function("factorial", (whole,)), Function("factorial", (minus(whole, part),)))


def begins_modulus(parser: Cursor) -> bool:
    """`(mod 7)` behind a number."""
    after = parser.tokens[parser.at + 1 : parser.at + 4]
    return (bool(after) and (key_of(after[0]) in _MODULI or after[0].text.lower() == "mod")) or [
        token.text for token in after
    ] == ["m", "o", "d"]


def modulus(parser: Cursor, left: Node) -> Node:
    """`3 \\pmod 7`: what is congruent to 3."""
    bracketed = parser.take("(")
    if parser.token.kind == "name":
        parser.at += 2
    word = parser.step()
    by = parser.group() if word.kind == "command" else parser.factor()
    if bracketed:
        parser.expect(")")
    return Function("residue", (scalar(left), scalar(by)))
