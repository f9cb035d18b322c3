"""Sums, products, integrals, limits and derivatives.

The name that one of them binds is renamed to the depth at which it is bound, so that formulas that
differ in such a name only are the same node.
"""

from __future__ import annotations

from itertools import pairwise

from cotgen.verifiers.mathematics.build import ONE, product, scalar
from cotgen.verifiers.mathematics.cursor import Cursor, key_of
from cotgen.verifiers.mathematics.nodes import (
    BOUND,
    Constant,
    Function,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Symbol,
    TooBig,
    Unreadable,
    children,
)
from cotgen.verifiers.mathematics.rebuild import replaced
from cotgen.verifiers.mathematics.tokens import Token

MAX_INTEGRALS = 10
_ARROWS = frozenset(("to", "rightarrow", "longrightarrow", "Rightarrow", "Longrightarrow"))


def bound(body: Node, name: Symbol | Constant) -> tuple[Node, Symbol]:
    """The body with its bound name renamed, and the new name."""
    renamed = Symbol(f"{BOUND}{_height(body) + 1}")
    return replaced(body, name, renamed), renamed


def _height(node: Node) -> int:
    own = int(node.name[1:]) if isinstance(node, Symbol) and node.name.startswith(BOUND) else 0
    return max([own, *map(_height, children(node))])


def repeated(parser: Cursor, kind: str) -> Node:
    """`\\sum_{k=1}^{n} f(k)`, and the same with a product sign."""
    low, high = _limits(parser)
    if low is None:
        raise Unreadable(f"a {kind} without limits")
    name, start, end = _range(low, high)
    body, name = bound(scalar(parser.term()), name)
    return Function(kind, (body, name, scalar(start), scalar(end)))


def _limits(parser: Cursor) -> tuple[Node | None, Node | None]:
    found: dict[str, Node] = {}
    while parser.key() in ("_", "^") and parser.key() not in found:
        key = key_of(parser.step())
        found[key] = parser.group()
    return found.get("_"), found.get("^")


def _range(low: Node, high: Node | None) -> tuple[Symbol | Constant, Node, Node]:
    match low:
        case Relation((Symbol() | Constant("i" | "e") as name, start), ("=",)) if high is not None:
            return name, start, high
        case Relation((start, Symbol() as name, end), ("<=", "<=")) if high is None:
            return name, start, end
        case _:
            raise Unreadable("limits of another kind")


def integral(parser: Cursor) -> Node:
    """`\\int_a^b f(x) dx`; where `dx` stands in a numerator, it is taken out."""
    low, high = _limits(parser)
    if sum(token.text == "int" for token in parser.tokens) > MAX_INTEGRALS:
        raise TooBig(f"more than {MAX_INTEGRALS} integrals")
    _split_differentials(parser)
    if (low is None) != (high is None):
        raise Unreadable("an integral with one limit")
    stop = _differential(parser)
    if stop >= 0:
        body = ONE if stop == parser.at else parser.apart(parser.at, stop)
        parser.at = stop + 2
        name = Symbol(parser.tokens[stop + 1].text)
    else:
        body, name = _taken_out(parser.term())
    body = scalar(body)
    if low is None or high is None:
        return Function("integral", (body, name))
    body, name = bound(body, name)
    return Function("integral", (body, name, scalar(low), scalar(high)))


def _split_differentials(parser: Cursor) -> None:
    """`5 dx` may hold a word, which is two names here; so is what limits are followed by."""
    tokens: list[Token] = []
    for place, token in enumerate(parser.tokens[parser.at :]):
        is_names = token.kind == "word" and len(token.text) == 2
        if is_names and (place == 0 or token.text[0] == "d"):
            tokens += (Token("name", token.text[0], token.spaced), Token("name", token.text[1]))
        else:
            tokens.append(token)
    parser.tokens = [*parser.tokens[: parser.at], *tokens]


def _differential(parser: Cursor) -> int:
    """Where the `d x` stands that ends this integral, outside all braces; -1 if nowhere."""
    depth = within = 0
    for index in range(parser.at, len(parser.tokens) - 1):
        token, after = parser.tokens[index : index + 2]
        within += token.kind == "command" and token.text == "int"
        if token.kind in ("sign", "command"):
            key = key_of(token)
            depth += (key in ("{", "(", "[")) - (key in ("}", ")", "]"))
        if depth < 0:
            break
        is_d = token.text == "d" and token.kind in ("name", "text", "word")
        if depth == 0 and is_d and after.kind in ("name", "command"):
            if not within:
                return index
            within -= 1
    if within:
        raise Unreadable("an integral within an integral")
    return -1


def _taken_out(node: Node) -> tuple[Node, Symbol]:
    match node:
        case Quotient(over, under):
            rest, name = _taken_out(over)
            return Quotient(rest, under), name
        case Product(nested):
            factors = tuple(
                part
                for each in nested
                for part in (each.factors if isinstance(each, Product) else (each,))
            )
            for index, (first, second) in enumerate(pairwise(factors)):
                if first == Symbol("d") and isinstance(second, Symbol):
                    others = (*factors[:index], *factors[index + 2 :])
                    return (Product(others) if others else ONE), second
    raise Unreadable("an integral whose variable is not named")


def limit(parser: Cursor) -> Node:
    """`\\lim_{x \\to a} f(x)`; from one side where the point carries a sign."""
    parser.expect("_")
    if parser.key() != "{":
        raise Unreadable("a limit whose variable is not named")
    start, stop = parser.at + 1, parser.closing("{", "}")
    inner = parser.tokens[start:stop]
    arrow = next((at for at, token in enumerate(inner) if token.text in _ARROWS), -1)
    if arrow != 1:
        raise Unreadable("a limit of another kind")
    name = parser.apart(start, start + 1)
    end, side = _side(parser, stop)
    point = scalar(parser.apart(start + 2, end))
    parser.at = stop + 1
    if not isinstance(name, Symbol):
        raise Unreadable("a limit whose variable is no name")
    body, name = bound(scalar(parser.term()), name)
    return Function(f"limit{side}", (body, name, point))


def _side(parser: Cursor, stop: int) -> tuple[int, str]:
    """Where the point of a limit ends, and from which side it is approached."""
    keys = [token.text for token in parser.tokens[stop - 4 : stop]]
    for length, signs in ((2, keys[-2:]), (4, keys)):
        if signs[:1] == ["^"] and (sign := "".join(signs).strip("^{}")) in ("+", "-"):
            return stop - length, sign
    return stop, ""


def derivative(parser: Cursor, over: Node, under: Node) -> Node | None:
    """`\\frac{d}{dx} f`, `\\frac{dy}{dx}`, `\\frac{d^2y}{dx^2}`; None for any other fraction."""
    order, body = _of_numerator(over)
    names = _of_denominator(under)
    if not order or not names or sum(times.value for _, times in names) != order.value:
        return None
    if body is None:
        body = parser.factor()
        while parser.factor_follows():
            body = product(body, parser.factor())
    for name, times in reversed(names):
        body = Function("derivative", (scalar(body), name, times))
    return body


def _of_numerator(node: Node) -> tuple[Number | None, Node | None]:
    first, rest = (node.factors[0], node.factors[1:]) if isinstance(node, Product) else (node, ())
    body = None if not rest else rest[0] if len(rest) == 1 else Product(rest)
    match first:
        case Symbol("d" | "partial"):
            return ONE, body
        case Power(Symbol("d" | "partial"), Number() as order):
            return order, body
        case _:
            return None, None


def _of_denominator(node: Node) -> list[tuple[Symbol, Number]]:
    """By which names, and how often each: `\\partial x^2 \\partial y`; empty for anything else."""
    factors = node.factors if isinstance(node, Product) else ()
    found: list[tuple[Symbol, Number]] = []
    for sign, factor in zip(factors[::2], factors[1::2], strict=False):
        match sign, factor:
            case Symbol("d" | "partial"), Symbol() as name:
                found.append((name, ONE))
            case Symbol("d" | "partial"), Power(Symbol() as name, Number() as order):
                found.append((name, order))
            case _:
                return []
    return found if len(factors) == 2 * len(found) else []
