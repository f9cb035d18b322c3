"""Read an answer's mathematics: a Pratt parser over tokens that builds nodes and runs nothing.

A spelling with two readings (`1/2x`) is read both ways; whoever compares must not choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeGuard

from cotgen.verifiers.mathematics import effort
from cotgen.verifiers.mathematics.build import (
    MINUS_ONE,
    mixed,
    negative,
    power,
    product,
    quotient,
    scalar,
    value,
)
from cotgen.verifiers.mathematics.cursor import MAX_DEPTH, Cursor, key_of
from cotgen.verifiers.mathematics.matrix_powers import marked_matrix, matrix_power
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Based,
    Constant,
    Function,
    Intersection,
    Matrix,
    Node,
    Number,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Relation,
    Sequence,
    Symbol,
    TooBig,
    Union,
    Unreadable,
    Verbatim,
)
from cotgen.verifiers.mathematics.operators import (
    IMPLICIT,
    INFIX,
    MODULUS,
    POSTFIX,
    POWER,
    PREFIX,
    PRODUCT,
    RELATION,
    RELATIONS,
    SIGN,
    SIGNS,
    SUM,
    UNIT,
)
from cotgen.verifiers.mathematics.parse_brackets import (
    CLOSING,
    braces,
    bracketed,
    grouped,
    together,
)
from cotgen.verifiers.mathematics.parse_functions import (
    ELLIPSES,
    FRACTIONS,
    UNARY,
    begins_factor,
    command,
    names_function,
    word_function,
)
from cotgen.verifiers.mathematics.parse_indices import (
    begins_modulus,
    combination,
    is_combination,
    modulus,
    subscript,
)
from cotgen.verifiers.mathematics.parse_units import unit
from cotgen.verifiers.mathematics.signs import plain
from cotgen.verifiers.mathematics.tokens import Grouping, Token, tokenize
from cotgen.verifiers.mathematics.unfold import unfold

_PLAIN_LOG = re.compile(r"(?<![A-Za-z\\])log(2|10)(?=\()")
"""`log2(8)`, as programs write it."""


_CHOSEN = re.compile(r"(?<![A-Za-z0-9._^,])([1-9][0-9]{0,2})C([0-9]{1,3})(?![A-Za-z0-9._])")
"""`5C2`, the number of choices."""


def parse(text: str, *, commas_group: Grouping = "outside") -> tuple[Node, ...]:
    """All readings of a text: one, or two where a slash is followed by a product."""
    text = _PLAIN_LOG.sub(r"\\log_{\1}", plain(text)) if "log" in text else plain(text)
    text = _CHOSEN.sub(r"\\binom{\1}{\2}", text) if "C" in text else text
    tokens = tokenize(text, commas_group=commas_group)
    try:
        return tuple(map(_worked_out, _readings(tokens)))
    except TooBig:
        raise
    except Unreadable:
        if not any(token.kind == "command" and token.text in ELLIPSES for token in tokens):
            raise
        return (_verbatim(tokens),)


def _worked_out(node: Node) -> Node:
    """What a reading comes to. `\\sum_{k=1}^{10} k = 55` comes to 55, and is no echo of it."""
    result = unfold(node)
    if isinstance(result, Relation) and isinstance(node, Relation) and set(node.signs) == {"="}:
        first, last = result.sides[0], result.sides[-1]
        if first == last and node.sides[0] != node.sides[-1]:
            return last
    return result


_STEPS_PER_TOKEN = 25


def _readings(tokens: list[Token]) -> tuple[Node, ...]:
    effort.spend(_STEPS_PER_TOKEN * len(tokens))
    parser = _Parser(tokens, slash_takes_product=False)
    first = parser.whole()
    if not parser.slash_is_ambiguous:
        return (first,)
    return first, _Parser(tokens, slash_takes_product=True).whole()


def _verbatim(tokens: list[Token]) -> Node:
    """What an ellipsis within a formula stands for is not guessed."""
    return Verbatim(
        tuple(
            "…" if token.kind == "command" and token.text in ELLIPSES else key_of(token)
            for token in tokens[:-1]
        )
    )


_COMPOSED = "\u2218"


def _is_composed(node: Node) -> TypeGuard[Function]:
    return isinstance(node, Function) and _COMPOSED in node.name


def _apart(sides: list[Node], signs: list[str]) -> Node:
    """A relation; `x < 1 \\cup x > 2` says two, for what stands beside the sign is no set."""
    first = Relation(tuple(sides), tuple(signs))
    for at, side in enumerate(sides[1:-1], 1):
        match side:
            case Union((left, right)) | Intersection((left, right)) if isinstance(
                left, SCALARS
            ) and isinstance(right, SCALARS):
                before = Relation((*sides[:at], left), tuple(signs[:at]))
                return type(side)((before, _apart([right, *sides[at + 1 :]], signs[at:])))
    return first


def _polar_angle(node: Node) -> Node | None:
    """The angle in `50\\angle 60^\\circ`, a complex number by its size and direction."""
    match node:
        case Function("degree", (Function("mark angle", (Number() as angle,)),)):
            return Function("degree", (angle,))
        case _:
            return None


_UNKNOWN_FUNCTIONS = frozenset("fghFGHPQC")
MAX_SIDES = 50
_MARKS = {"*": "*", "\\ast": "*", "\\dagger": "*", "'": "'", "\\prime": "'"}
"""What transposes a matrix, and a star conjugates it too."""
_SIGNED: dict[str, Callable[[Node], Node]] = {
    "-": negative,
    "+": lambda node: node,
    "\\pm": lambda node: PlusMinus(scalar(node)),
    "\\mp": lambda node: PlusMinus(scalar(node)),
    "\\approx": lambda node: node,
}


class _Parser(Cursor):
    """One pass over the tokens of one answer."""

    def whole(self) -> Node:
        """The whole answer: one node, or a list without brackets."""
        items, joined = self.joined_items()
        if self.key() == "}" and self.tokens[self.at + 1].kind == "end":
            self.step()  # One brace too many at the very end says nothing.
        qualified = self.begins_qualifier() and self.is_plain_qualifier()
        if self.token.kind != "end" and not qualified:
            raise Unreadable(f"cannot read {self.token.text!r}"[:80])
        return together(grouped(items, self.group_ends), joined)

    def read(self, tokens: list[Token]) -> Node:
        part = _Parser([*tokens, Token("end", "")], slash_takes_product=self.slash_takes_product)
        part.depth = self.depth + 1
        node = part.whole()
        self.slash_is_ambiguous |= part.slash_is_ambiguous
        return node

    def expression(self, power: int) -> Node:
        """Pratt's loop: operators that bind tighter than `power` extend what stands left."""
        self.deeper()
        left = self.prefix()
        while (binding := self.binding()) > power:
            left = self.extend(left, binding)
        self.depth -= 1
        return left

    def factor(self) -> Node:
        return self.expression(IMPLICIT)

    def term(self) -> Node:
        return self.expression(SUM)

    # -- what extends an expression ----------------------------------------------------------

    def binding(self) -> int:
        token, key = self.token, self.key()
        if key in SIGNS:
            return 0 if key == ">" and self.angles else SIGNS[key]
        if token.kind in ("word", "text"):
            return self.word_binding()
        if key == "_":
            return POSTFIX
        if key == "\\circ":
            return self.circle_binding()
        if key == "|" and self.bars:
            return IMPLICIT if self.bar_opens() else 0
        if key == "(" and begins_modulus(self):
            return MODULUS
        if self.is_times():
            return PRODUCT
        return IMPLICIT if self.starts_atom() else 0

    def circle_binding(self) -> int:
        """The sign between two functions, or of degrees that someone forgot to raise."""
        before, after = self.tokens[self.at - 1], self.tokens[self.at + 1]
        between = before.kind == after.kind == "name"
        alone = before.kind == "number" and after.kind != "name"
        return POSTFIX if between or alone else 0

    def bar_opens(self) -> bool:
        """Whether the fourth bar of `||x||y||` opens: as many are left as must be closed then."""
        after = self.tokens[self.at + 1]
        if key_of(self.tokens[self.at - 1]) != "|" or after.kind not in ("number", "name"):
            return False
        rest = self.tokens[self.at + 1 : self.at + MAX_DEPTH * 2]
        return sum(key_of(token) == "|" for token in rest) > self.bars

    def word_binding(self) -> int:
        if self.joiner() or self.begins_qualifier():
            return 0
        if self.token.text.lower() == "mod":
            return MODULUS
        return IMPLICIT if names_function(self) else UNIT

    def is_times(self) -> bool:
        """The letter in `3 x 10^5`."""
        before, after = self.tokens[self.at - 1], self.tokens[self.at + 1 : self.at + 3]
        return (
            self.token.kind == "name"
            and self.token.text in "xX"
            and before.kind == "number"
            and [token.text for token in after] == ["10", "^"]
        )

    def factor_follows(self) -> bool:
        return self.binding() == IMPLICIT

    def starts_atom(self) -> bool:
        token = self.token
        if token.kind in ("number", "name"):
            return True
        if token.kind == "command" and self.key() not in CLOSING:
            return begins_factor(token)
        if self.key() == "{":
            return self.tokens[self.at + 1].kind != "number"
        return self.key() in ("(", "|", "\\langle") or self.group_follows()

    def group_follows(self) -> bool:
        """`2[x+1]`: brackets around one value, which are not the end of an interval."""
        if self.key() not in ("[", "\\{"):
            return False
        try:
            stop = self.closing(self.key(), CLOSING[self.key()])
        except Unreadable:
            return False
        inner = self.tokens[self.at + 1 : stop]
        signs = [key_of(token) for token in inner if token.kind in ("sign", "command")]
        first = key_of(inner[0]) if inner and inner[0].kind in ("sign", "command") else ""
        separated = any(sign in (",", ";", "\\mid", "|", ":") for sign in signs)
        return bool(inner) and not separated and (first in _SIGNED or first not in SIGNS)

    def extend(self, left: Node, binding: int) -> Node:
        if binding == RELATION:
            return self.relation(left)
        if binding == UNIT:
            return unit(self, left)
        if binding == IMPLICIT:
            return self.implicit(left)
        if binding == MODULUS:
            return modulus(self, left)
        key = self.key()
        self.at += 1
        if binding == POSTFIX:
            return self.postfix(left, key)
        if binding == POWER:
            return self.power(left)
        return self.infix(left, key, binding)

    def infix(self, left: Node, key: str, binding: int) -> Node:
        if key in ("/", "\\div"):
            return quotient(left, self.divisor())
        combine = INFIX.get(key, product)
        return combine(left, self.expression(binding))

    def divisor(self) -> Node:
        """What a slash divides by. `1/2x` is (1/2)x or 1/(2x); a blank as in `1/2 x` tells."""
        start = self.at
        right = self.factor()
        plain = self.at == start + 1 and isinstance(right, Number) and self.token.spaced
        if not self.factor_follows() or plain:
            return scalar(right)
        self.slash_is_ambiguous = True
        while self.slash_takes_product and self.factor_follows():
            right = self.implicit(right)
        return scalar(right)

    def implicit(self, left: Node) -> Node:
        """Factors side by side; a number before a fraction of numbers is a mixed number."""
        start = self.at
        if self.key() == "(" and _is_composed(left):
            return self.applied(left)
        if self.token.kind == "number" and not self.may_precede_number(left):
            return self.mixed(left)
        is_fraction = self.token.kind == "command" and self.token.text in FRACTIONS
        right = self.factor()
        if is_fraction and isinstance(left, Number) and self.tokens[start - 1].kind == "number":
            return mixed(left, right)
        if isinstance(left, Number) and (angle := _polar_angle(right)) is not None:
            return product(left, Function("cis", (angle,)))
        called = isinstance(left, Function) and left.name in UNARY
        if called and self.tokens[start].text == "(" and self.tokens[start - 1].text != ")":
            raise Unreadable("unclear where the argument of a function ends")
        return product(left, right)

    def applied(self, composed: Function) -> Node:
        """`(f \\circ g)(x)` is `f(g(x))`."""
        node = self.bracketed()
        for name in reversed(composed.name[1:].split(_COMPOSED)):
            node = Function(f"?{name}", (node,))
        return node

    def may_precede_number(self, left: Node) -> bool:
        """`5!7!`, `(x+1) 2`, `i 4` and `x^2 3` are products; `x 2` might mean anything."""
        before = self.tokens[self.at - 1]
        last = left.factors[-1] if isinstance(left, Product) else left
        raised = isinstance(last, Power) and self.token.spaced
        grouped = before.kind == "sign" and before.text in ("!", ")")
        named = isinstance(last, Symbol | Constant)  # `(a) 5` is the first of several answers.
        imaginary = last == Constant("i") and before.kind == "name"
        return (grouped and not named) or raised or imaginary

    def mixed(self, left: Node) -> Node:
        """`7 1/8`: a whole number, a blank, a fraction of plain numbers."""
        over = Number(value(self.step().text))
        if not (isinstance(left, Number) and self.tokens[self.at - 2].kind == "number"):
            raise Unreadable("a number stands right after a factor")
        self.expect("/")
        if self.token.kind != "number":
            raise Unreadable("two numbers side by side")
        return mixed(left, Quotient(over, Number(value(self.step().text))))

    def relation(self, left: Node) -> Node:
        sides, signs = [left], []
        while self.key() in RELATIONS:
            signs.append(RELATIONS[key_of(self.step())])
            sides.append(self.expression(RELATION))
            if len(sides) > MAX_SIDES:
                raise TooBig(f"more than {MAX_SIDES} relations in a row")
        return _apart(sides, signs)

    def power(self, left: Node) -> Node:
        if self.take("\\circ") or self.circle():
            return self.degrees(scalar(left))
        if isinstance(left, Matrix) and (marks := self.marks()):
            return marked_matrix(left, marks)
        if key_of(self.token) in ("*", "+") and self.ahead(1) not in ("(", "{"):
            raise Unreadable("a sign in the place of an exponent")
        exponent = self.digit_above() or self.group()
        if self.key() in ("^", "!"):
            raise Unreadable("unclear what an exponent holds")
        if is_combination(left, exponent):
            return combination(left, exponent)
        if exponent == MINUS_ONE and isinstance(left, Symbol) and self.calls(left):
            return self.call(f"{left.name}^-1")
        return matrix_power(left, exponent) if isinstance(left, Matrix) else power(left, exponent)

    def digit_above(self) -> Node | None:
        """`4^26^2` has two exponents: TeX takes one digit, and cannot take 26."""
        digits = self.token.text if self.token.kind == "number" else ""
        if len(digits) < 2 or not digits.isdigit() or self.ahead(1) != "^":
            return None
        self.tokens = self.tokens.copy()
        self.tokens[self.at] = Token("number", digits[1:], spaced=True)
        return Number(value(digits[0]))

    def marks(self) -> str:
        """Step over the primes or stars above a matrix: as many `'` or `*`."""
        braced = self.key() == "{"
        at = self.at + braced
        while key_of(self.tokens[at]) in _MARKS:
            at += 1
        found = "".join(_MARKS[key_of(token)] for token in self.tokens[self.at + braced : at])
        if not found or len(set(found)) > 1 or (braced and key_of(self.tokens[at]) != "}"):
            return ""
        self.at = at + braced
        return found

    def degrees(self, angle: Node) -> Node:
        """An angle, or a temperature where C or F follows."""
        if self.token.kind == "name" and self.token.text in "CF":
            return Quantity(angle, f"degrees {self.step().text.lower()}")
        return Function("degree", (angle,))

    def circle(self) -> bool:
        """`^{\\circ}`."""
        keys = [key_of(token) for token in self.tokens[self.at : self.at + 3]]
        if keys != ["{", "\\circ", "}"]:
            return False
        self.at += 3
        return True

    def postfix(self, left: Node, key: str) -> Node:
        if key == "_":
            return self.subscript(left)
        if key == "!":
            return self.factorial(left)
        if key == "\\circ":
            return (
                self.composed(left) if isinstance(left, Symbol | Function) else self.degrees(left)
            )
        if key == "\\degree":
            return self.degrees(scalar(left))
        if key == "'":
            if isinstance(left, Matrix):
                return marked_matrix(left, "'")
            if isinstance(left, Number):
                return Function("?minutes", (left,))
            if not isinstance(left, Symbol):
                raise Unreadable("a prime after no name")
            primed = Symbol(left.name + "'")
            return self.call(primed.name) if self.calls(primed) else primed
        return Function("percent", (scalar(left),))

    def factorial(self, left: Node) -> Node:
        if not self.take("!"):
            return Function("factorial", (scalar(left),))
        if self.key() == "!":
            raise Unreadable("unclear which factorial this is")
        return Function("double factorial", (scalar(left),))

    def composed(self, left: Node) -> Node:
        """`f \\circ g`: one after the other."""
        right = self.step()
        if not isinstance(left, Symbol | Function) or right.kind != "name":
            raise Unreadable("a sign for functions between something else")
        return Function(f"?{left.name.removeprefix('?')}{_COMPOSED}{right.text}", ())

    def subscript(self, left: Node) -> Node:
        """`x_1` is a name, `1011_2` a number in base 2."""
        token = self.tokens[self.at - 2]
        index = subscript(self)
        if isinstance(left, Number) and token.kind == "number" and token.text.isdigit():
            is_base = isinstance(index, Number) and index.value.denominator == 1
            if isinstance(index, Number) and is_base and 2 <= index.value <= 36:
                return Based(token.text.lstrip("0") or "0", int(index.value))
            raise Unreadable("a base that is no number")
        if isinstance(left, Power) and isinstance(left.base, Symbol):
            base = self.named(left.base, index if isinstance(index, str) else str(index.value))
            return Power(base, left.exponent)
        if isinstance(left, Symbol | Function) and isinstance(index, Number):
            return self.named(left, str(index.value))
        if isinstance(left, Symbol | Function) and isinstance(index, str):
            return self.named(left, index)
        raise Unreadable("a subscript after no name")

    def named(self, left: Symbol | Function, index: str) -> Node:
        if isinstance(left, Function):
            return Function(f"{left.name}_{index}", left.args)
        bare = left.name.rstrip("'")
        name = Symbol(f"{bare}_{index}{left.name[len(bare) :]}")
        return self.call(name.name) if self.calls(name) else name

    def calls(self, name: Symbol) -> bool:
        """Whether a bracket after this name holds arguments."""
        if self.key() == "{":
            return self.ahead(1) == "("
        if self.key() != "(":
            return False
        if name.name[0] in _UNKNOWN_FUNCTIONS:
            return True
        stop = self.closing("(", ")")
        inner = self.tokens[self.at + 1 : stop]
        defines = key_of(self.tokens[stop + 1]) in ("=", ":=") and bool(inner)
        if defines and any(key_of(token) in ("\\cup", "\\cap") for token in inner):
            return True
        point = name.name[0].isupper() and not self.token.spaced and self.lists(inner)
        return (defines and len(inner) == 1 and inner[0].kind == "name") or point

    def lists(self, tokens: list[Token]) -> bool:
        """Whether a comma stands among tokens outside all brackets."""
        depth = 0
        for token in tokens:
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if token.text == "," and depth == 0 and token.kind == "sign":
                return True
        return False

    def call(self, name: str) -> Node:
        if name in ("P", "E") and (bar := self.condition_bar()):
            stop = self.closing("(", ")")
            parts = self.apart(self.at + 1, bar), self.apart(bar + 1, stop)
            self.at = stop + 1
            return Function(f"?{name}|", parts)
        inner = self.group()
        return Function(f"?{name}", inner.items if isinstance(inner, Sequence) else (inner,))

    def condition_bar(self) -> int:
        """Where the bar stands in `P(A|B)`, the only one in its brackets; 0 if nowhere."""
        if self.key() != "(":
            return 0
        places = range(self.at + 1, self.closing("(", ")"))
        bars = [at for at in places if key_of(self.tokens[at]) in ("|", "\\mid", "\\vert")]
        return bars[0] if len(bars) == 1 and self.at + 1 < bars[0] < places[-1] else 0

    # -- what an expression begins with ---------------------------------------------------------

    def prefix(self) -> Node:
        token, key = self.token, self.key()
        if token.kind == "number":
            return Number(value(self.step().text))
        if token.kind == "name":
            return self.name(self.step().text)
        if names_function(self):
            return word_function(self)
        if token.kind in ("word", "text", "end"):
            raise Unreadable(f"words: {token.text!r}" if token.text else "something is missing")
        if key == "+" and self.ahead(1) == "/" and self.ahead(2) == "-":
            self.at += 3
            return PlusMinus(scalar(self.expression(SIGN)))
        if key in _SIGNED:
            self.at += 1
            return _SIGNED[key](self.expression(SIGN))
        if key in PREFIX:
            return PREFIX[key](self)
        if token.kind == "command":
            return command(self, self.step().text)
        raise Unreadable(f"cannot read {token.text!r}"[:80])

    def bracketed(self) -> Node:
        return bracketed(self)

    def name(self, name: str) -> Node:
        if name == "e" or name == "i":
            return Constant(name)  # type: ignore[arg-type]
        symbol = Symbol(name)
        return self.call(name) if self.calls(symbol) else symbol

    def group(self) -> Node:
        if self.key() == "{":
            return braces(self)
        if self.key() in ("-", "+"):
            return _SIGNED[key_of(self.step())](self.expression(POWER))
        if self.key() == "(":
            return self.bracketed()
        self.deeper()
        node = self.prefix()
        self.depth -= 1
        return node
