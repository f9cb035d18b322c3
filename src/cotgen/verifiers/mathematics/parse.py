"""Read an answer's mathematics: a Pratt parser over tokens that builds nodes and runs nothing.

A spelling with two readings (`1/2x`) is read both ways; whoever compares must not choose.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Based,
    Constant,
    Function,
    Matrix,
    Node,
    Number,
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
    TooBig,
    Union,
    Unreadable,
    Without,
    contains,
)
from cotgen.verifiers.mathematics.tokens import MAX_DIGITS, Token, plain, tokenize, vocabulary

MAX_DEPTH = 40
MAX_EXPONENT_DIGITS = 6


def parse(text: str, *, commas_group: bool = True) -> tuple[Node, ...]:
    """All readings of a text: one, or two where a slash is followed by a product."""
    tokens = tokenize(plain(text), commas_group=commas_group)
    parser = _Parser(tokens, slash_takes_product=False)
    first = parser.whole()
    if not parser.slash_is_ambiguous:
        return (first,)
    return first, _Parser(tokens, slash_takes_product=True).whole()


_RELATIONS = {
    "=": "=",
    "<": "<",
    ">": ">",
    "\\le": "<=",
    "\\leq": "<=",
    "\\leqslant": "<=",
    "\\ge": ">=",
    "\\geq": ">=",
    "\\geqslant": ">=",
    "\\lt": "<",
    "\\gt": ">",
    "\\ne": "!=",
    "\\neq": "!=",
    "\\in": "in",
    "\\approx": "~",
    "\\equiv": "=",
}
_RELATION, _SET, _RATIO, _SUM, _PRODUCT, _SIGN, _IMPLICIT, _POWER, _POSTFIX = range(10, 100, 10)
_SIGNS = {
    "+": _SUM,
    "-": _SUM,
    "\\pm": _SUM,
    "\\mp": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "\\cdot": _PRODUCT,
    "\\times": _PRODUCT,
    "\\div": _PRODUCT,
    "\\cup": _SET,
    "\\setminus": _SET,
    "\\backslash": _SET,
    "\\\\": 0,
    ":": _RATIO,
    "^": _POWER,
    "!": _POSTFIX,
    "\\%": _POSTFIX,
    "%": _POSTFIX,
    "'": _POSTFIX,
} | dict.fromkeys(_RELATIONS, _RELATION)

_GREEK = vocabulary(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell"
)
_UNARY = vocabulary(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln lg exp log"
)
_INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_UNKNOWN_FUNCTIONS = frozenset("fghFGHPQ")
_FRACTIONS = frozenset(("frac", "dfrac", "tfrac", "cfrac"))
_BINOMIALS = frozenset(("binom", "dbinom", "tbinom"))
_MATRICES = frozenset(("matrix", "pmatrix", "bmatrix", "array", "smallmatrix"))
_CLOSING = {"(": ")", "[": "]", "\\{": "\\}", "\\lbrace": "\\rbrace", "\\lparen": "\\rparen"}
_FENCES = {
    "\\lfloor": ("\\rfloor", "floor"),
    "\\lceil": ("\\rceil", "ceil"),
    "\\lvert": ("\\rvert", "abs"),
}
_JOINERS = frozenset(("and", "or"))
_NO_UNIT = vocabulary(
    "and or not than less more minus plus over squared cubed to between about if when where "
    "hundred thousand million billion trillion dozen half halves third thirds quarter quarters "
    "fourths fifths tenths hundredths thousandths is are equals equal the so but because since for "
    "with without at least most remainder r base mod point negative percent factorial no times pi"
)
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}


def _key(token: Token) -> str:
    return "\\" + token.text if token.kind == "command" else token.text


class _Parser:
    """One pass over the tokens of one answer."""

    def __init__(self, tokens: list[Token], *, slash_takes_product: bool) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.slash_takes_product = slash_takes_product
        self.slash_is_ambiguous = False

    # -- moving ------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def key(self) -> str:
        """How the next token is looked up; words, numbers and names are never operators."""
        token = self.token
        return _key(token) if token.kind in ("sign", "command") else ""

    def step(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def take(self, key: str) -> bool:
        if self.key() != key:
            return False
        self.at += 1
        return True

    def expect(self, key: str) -> None:
        if not self.take(key):
            raise Unreadable(f"expected {key!r}, found {self.token.text!r}"[:80])

    # -- lists -------------------------------------------------------------------------------

    def whole(self) -> Node:
        items = self.items()
        if self.token.kind != "end":
            raise Unreadable(f"cannot read {self.token.text!r}"[:80])
        if len(items) == 1:
            return items[0]
        return Sequence("", "", tuple(items))

    def items(self) -> list[Node]:
        """Members separated by commas, semicolons, `and` or `or`."""
        found = [self.expression(0)]
        while self.separator():
            found.append(self.expression(0))
        return found

    def separator(self) -> bool:
        start = self.at
        while self.key() in (",", ";") or self.joiner():
            self.at += 1
        return self.at > start

    def joiner(self) -> bool:
        token = self.token
        return (token.kind in ("word", "text") and token.text.lower().strip(" ,") in _JOINERS) or (
            token.kind == "command" and token.text in ("lor", "vee")
        )

    # -- expressions -------------------------------------------------------------------------

    def expression(self, power: int) -> Node:
        """Pratt's loop: operators that bind tighter than `power` extend what stands left."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooBig(f"nested deeper than {MAX_DEPTH}")
        left = self.prefix()
        while (binding := self.binding()) > power:
            left = self.extend(left, binding)
        self.depth -= 1
        return left

    def binding(self) -> int:
        token, key = self.token, self.key()
        if key in _SIGNS:
            return _SIGNS[key]
        if token.kind in ("word", "text"):
            return 0 if self.joiner() else _RELATION + 1
        if key == "_":
            return _POSTFIX
        if key == "|" and self.bars:
            return 0
        return _IMPLICIT if self.starts_atom() else 0

    def starts_atom(self) -> bool:
        token, key = self.token, self.key()
        if token.kind in ("number", "name"):
            return True
        if token.kind == "command":
            return (
                token.text in _ATOMS
                or token.text in _GREEK
                or token.text in _UNARY
                or key in _FENCES
            )
        return key in ("(", "|")

    def extend(self, left: Node, binding: int) -> Node:
        if binding == _RELATION:
            return self.relation(left)
        if binding == _RELATION + 1:
            return self.unit(left)
        if binding == _IMPLICIT:
            return self.implicit(left)
        key = self.key()
        self.at += 1
        if binding == _POSTFIX:
            return self.postfix(left, key)
        if binding == _POWER:
            return self.power(left)
        return self.infix(left, key, binding)

    def infix(self, left: Node, key: str, binding: int) -> Node:
        if key in ("/", "\\div"):
            return Quotient(_scalar(left), self.divisor())
        right = self.expression(binding)
        match key:
            case "+" | "-":
                sign = right if key == "+" else _negative(right)
                return Sum((*_terms(_scalar(left)), _scalar(sign)))
            case "\\pm" | "\\mp":
                return Sum((*_terms(_scalar(left)), PlusMinus(_scalar(right))))
            case "\\cup":
                parts = left.parts if isinstance(left, Union) else (left,)
                return Union((*parts, right))
            case ":":
                items = left.items if isinstance(left, Ratio) else (_scalar(left),)
                return Ratio((*items, _scalar(right)))
            case "\\setminus" | "\\backslash":
                return Without(left, right)
            case _:
                return _product(_scalar(left), _scalar(right))

    def divisor(self) -> Node:
        """What a slash divides by. `1/2x` is (1/2)x to some and 1/(2x) to others."""
        right = self.expression(_PRODUCT if self.slash_takes_product else _IMPLICIT)
        if self.binding() == _IMPLICIT:
            self.slash_is_ambiguous = True
        return _scalar(right)

    def implicit(self, left: Node) -> Node:
        """Factors side by side; a number before a fraction of numbers is a mixed number."""
        start = self.at
        if self.token.kind == "number":
            return self.mixed(left)
        is_fraction = self.token.kind == "command" and self.token.text in _FRACTIONS
        right = self.expression(_IMPLICIT)
        if is_fraction and isinstance(left, Number) and self.tokens[start - 1].kind == "number":
            return _mixed(left, right)
        if isinstance(left, Function) and left.name in _UNARY and self.tokens[start].text == "(":
            raise Unreadable(f"unclear where the argument of {left.name} ends")
        return _product(_scalar(left), _scalar(right))

    def mixed(self, left: Node) -> Node:
        """`7 1/8`: a whole number, a blank, a fraction of plain numbers."""
        over = self.number(self.step())
        if not (isinstance(left, Number) and self.tokens[self.at - 2].kind == "number"):
            raise Unreadable("a number stands right after a factor")
        self.expect("/")
        if self.token.kind != "number":
            raise Unreadable("two numbers side by side")
        return _mixed(left, Quotient(over, self.number(self.step())))

    def relation(self, left: Node) -> Node:
        sides, signs = [left], []
        while self.key() in _RELATIONS:
            signs.append(_RELATIONS[_key(self.step())])
            sides.append(self.expression(_RELATION))
        return Relation(tuple(sides), tuple(signs))

    def unit(self, left: Node) -> Node:
        """Words after a value are its unit; `million` and its kin multiply."""
        words: list[str] = []
        while self.token.kind in ("word", "text") and not self.joiner():
            words.extend(self.step().text.lower().replace(".", " ").split())
            self.unit_exponent(words)
        return _with_unit(_scalar(left), words)

    def unit_exponent(self, words: list[str]) -> None:
        if self.take("^"):
            words.append("^" + _integer_text(self.group()))
        elif self.key() == "/" and self.tokens[self.at + 1].kind in ("word", "text"):
            self.at += 1
            words.append("/")

    def power(self, left: Node) -> Node:
        if self.take("\\circ") or self.circle():
            return Function("degree", (_scalar(left),))
        exponent = self.group()
        return Power(_scalar(left), _scalar(exponent))

    def circle(self) -> bool:
        """`^{\\circ}`."""
        keys = [_key(token) for token in self.tokens[self.at : self.at + 3]]
        if keys != ["{", "\\circ", "}"]:
            return False
        self.at += 3
        return True

    def postfix(self, left: Node, key: str) -> Node:
        if key == "_":
            return self.subscript(left)
        if key == "!":
            return Function("factorial", (_scalar(left),))
        if key == "'":
            if not isinstance(left, Symbol):
                raise Unreadable("a prime after no name")
            return Symbol(left.name + "'")
        return Function("percent", (_scalar(left),))

    def subscript(self, left: Node) -> Node:
        """`x_1` is a name, `1011_2` a number in base 2."""
        token = self.tokens[self.at - 2]
        index = self.group()
        if isinstance(left, Number) and token.kind == "number" and token.text.isdigit():
            if isinstance(index, Number) and 2 <= index.value <= 36:
                return Based(token.text.lstrip("0") or "0", int(index.value))
            raise Unreadable("a base that is no number")
        if isinstance(left, Symbol) and isinstance(index, Number | Symbol):
            name = index.name if isinstance(index, Symbol) else str(index.value)
            return Symbol(f"{left.name}_{name}")
        raise Unreadable("a subscript after no name")

    # -- what an expression begins with ---------------------------------------------------------

    def prefix(self) -> Node:
        token, key = self.token, self.key()
        if token.kind == "number":
            return self.number(self.step())
        if token.kind == "name":
            return self.name(self.step().text)
        if token.kind in ("word", "text", "end"):
            raise Unreadable(f"words: {token.text!r}" if token.text else "something is missing")
        if key in _SIGNED:
            self.at += 1
            return _SIGNED[key](self.expression(_SIGN))
        if key in _CLOSING or key in ("]",):
            return self.bracketed()
        if key == "{":
            return self.braces()
        if key == "|":
            return self.absolute()
        if key in _FENCES:
            return self.fenced()
        if token.kind == "command":
            return self.command(self.step().text)
        raise Unreadable(f"cannot read {token.text!r}"[:80])

    def number(self, token: Token) -> Node:
        return Number(_value(token.text))

    def name(self, name: str) -> Node:
        if name == "e" or name == "i":
            return Constant(name)  # type: ignore[arg-type]
        if name in _UNKNOWN_FUNCTIONS and self.key() == "(":
            inner = self.bracketed()
            args = inner.items if isinstance(inner, Sequence) else (inner,)
            return Function(f"?{name}", args)
        return Symbol(name)

    def bracketed(self) -> Node:
        """Parentheses around one value group it; all other brackets make a sequence."""
        opened = _key(self.step())
        if opened == "\\{" or opened == "\\lbrace":
            return self.set_braces(_CLOSING[opened])
        bars, self.bars = self.bars, 0
        items = self.items()
        self.bars = bars
        closed = _key(self.step())
        if closed not in (")", "]", "["):
            raise Unreadable(f"{opened!r} is not closed")
        if len(items) == 1:
            if (opened, closed) not in (("(", ")"), ("[", "]")):
                raise Unreadable(f"{opened!r} is closed by {closed!r}")
            return items[0]
        if opened == "]" and closed not in ("[", "]", ")"):
            raise Unreadable("brackets that do not match")
        return Sequence(opened, closed, tuple(items))  # type: ignore[arg-type]

    def set_braces(self, closing: str) -> Node:
        if self.take(closing):
            return Sequence("{", "}", ())
        items = self.items()
        self.expect(closing)
        return Sequence("{", "}", tuple(items))

    def braces(self) -> Node:
        """TeX's own braces group."""
        self.expect("{")
        items = self.items()
        self.expect("}")
        return items[0] if len(items) == 1 else Sequence("", "", tuple(items))

    def absolute(self) -> Node:
        self.expect("|")
        self.bars += 1
        inner = self.expression(0)
        self.bars -= 1
        self.expect("|")
        return Function("abs", (_scalar(inner),))

    def fenced(self) -> Node:
        closing, name = _FENCES[_key(self.step())]
        inner = self.expression(0)
        self.expect(closing)
        return Function(name, (_scalar(inner),))

    # -- commands ----------------------------------------------------------------------------

    def command(self, name: str) -> Node:
        if name in _ATOMS:
            return _ATOMS[name](self)
        if name in _GREEK:
            return Symbol(name)
        if name in _UNARY:
            return self.function(name)
        raise Unreadable(f"unknown command {name[:30]!r}")

    def fraction(self) -> Node:
        over = self.argument(first_digit=True)
        return Quotient(over, self.argument(first_digit=False))

    def argument(self, *, first_digit: bool) -> Node:
        """A braced group or, as TeX has it, one digit or sign."""
        token = self.token
        if token.kind != "number":
            return _scalar(self.group())
        if len(token.text) == 1:
            return self.number(self.step())
        if not first_digit or len(token.text) > 2 or not token.text.isdigit():
            raise Unreadable("unclear where a fraction ends")
        self.tokens = self.tokens.copy()
        self.tokens[self.at] = Token("number", token.text[1:])
        return Number(Fraction(int(token.text[0])))

    def group(self) -> Node:
        """An argument: a braced group, else one atom with its sign."""
        if self.key() == "{":
            return self.braces()
        if self.key() in ("-", "+"):
            return _SIGNED[_key(self.step())](self.expression(_POWER))
        if self.key() == "(":
            return self.bracketed()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooBig(f"nested deeper than {MAX_DEPTH}")
        node = self.prefix()
        self.depth -= 1
        return node

    def root(self) -> Node:
        index = 2
        if self.take("["):
            node = self.expression(0)
            self.expect("]")
            if not isinstance(node, Number) or not 2 <= node.value <= 100:
                raise Unreadable("a root of this kind")
            index = int(node.value)
        return Root(_scalar(self.group()), index)

    def binomial(self) -> Node:
        if self.key() == "(":
            inner = self.bracketed()
            if isinstance(inner, Sequence) and len(inner.items) == 2:
                return Function("binomial", inner.items)
        over = _scalar(self.group())
        return Function("binomial", (over, _scalar(self.group())))

    def listed(self, name: str) -> Node:
        inner = self.bracketed() if self.key() == "(" else self.group()
        args = inner.items if isinstance(inner, Sequence) else (inner,)
        return Function(name, tuple(map(_scalar, args)))

    def function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        if name == "log" and self.take("_"):
            base = _scalar(self.group())
        if self.take("^"):
            power = _scalar(self.group())
        if power == Number(Fraction(-1)) or power == _negative(Number(Fraction(1))):
            if name not in _INVERSES:
                raise Unreadable(f"{name} to the power of -1")
            name, power = _INVERSES[name], None
        args = (self.function_argument(),)
        called = Function(name, args if base is None else (*args, base))
        return called if power is None else Power(called, power)

    def function_argument(self) -> Node:
        """`\\sin 2x` takes the product, `\\sin(2x)y` only what the brackets hold."""
        if self.key() in ("(", "{", "["):
            return _scalar(self.group() if self.key() != "[" else self.bracketed())
        if self.key() in ("-", "+"):
            return _SIGNED[_key(self.step())](self.function_argument())
        node = self.expression(_IMPLICIT)
        while self.binding() == _IMPLICIT and self.continues_argument():
            node = self.implicit(node)
        return _scalar(node)

    def continues_argument(self) -> bool:
        token = self.token
        return token.kind in ("number", "name") or (
            token.kind == "command"
            and (token.text in _GREEK or token.text == "pi" or token.text in _FRACTIONS)
        )

    def environment(self) -> Node:
        name = self.environment_name()
        if name not in _MATRICES:
            raise Unreadable(f"unknown environment {name[:30]!r}")
        if name == "array" and self.key() == "{":
            while _key(self.step()) != "}":
                if self.token.kind == "end":
                    raise Unreadable("an array is not closed")
        rows: list[tuple[Node, ...]] = []
        while not self.take("\\end"):
            rows.append(self.row())
        if self.environment_name() != name or len({len(row) for row in rows}) != 1:
            raise Unreadable("a matrix of uneven rows")
        return Matrix(tuple(rows))

    def row(self) -> tuple[Node, ...]:
        entries = [self.expression(0)]
        while self.take("&"):
            entries.append(self.expression(0))
        if not self.take("\\\\") and self.key() != "\\end":
            raise Unreadable("a matrix is not closed")
        return tuple(entries)

    def environment_name(self) -> str:
        self.expect("{")
        name = ""
        while self.token.kind in ("name", "word", "text"):
            name += self.step().text
        self.expect("}")
        return name

    def blackboard(self) -> Node:
        inner = self.group()
        if inner != Symbol("R"):
            raise Unreadable("a set of numbers other than the real ones")
        return Reals()


def _negative(node: Node) -> Node:
    if isinstance(node, Number):
        return Number(-node.value)
    if isinstance(node, PlusMinus):
        return node
    return _product(Number(Fraction(-1)), _scalar(node))


_SIGNED: dict[str, Callable[[Node], Node]] = {
    "-": _negative,
    "+": lambda node: node,
    "\\pm": lambda node: PlusMinus(_scalar(node)),
    "\\mp": lambda node: PlusMinus(_scalar(node)),
    "\\approx": lambda node: node,
}

_ATOMS: dict[str, Callable[[_Parser], Node]] = {
    "sqrt": _Parser.root,
    "pi": lambda _: Constant("pi"),
    "infty": lambda _: Constant("oo"),
    "emptyset": lambda _: Sequence("{", "}", ()),
    "varnothing": lambda _: Sequence("{", "}", ()),
    "begin": _Parser.environment,
    "mathbb": _Parser.blackboard,
    "gcd": lambda parser: parser.listed("gcd"),
    "lcm": lambda parser: parser.listed("lcm"),
    "abs": lambda parser: parser.listed("abs"),
    "floor": lambda parser: parser.listed("floor"),
    "ceil": lambda parser: parser.listed("ceil"),
}
_ATOMS |= dict.fromkeys(_FRACTIONS, _Parser.fraction)
_ATOMS |= dict.fromkeys(_BINOMIALS, _Parser.binomial)


def _scalar(node: Node) -> Node:
    """Only numbers and expressions can be calculated with."""
    if not isinstance(node, (*SCALARS, PlusMinus)):
        raise Unreadable(f"cannot calculate with a {type(node).__name__.lower()}")
    return node


def _terms(node: Node) -> tuple[Node, ...]:
    return node.terms if isinstance(node, Sum) else (node,)


def _product(left: Node, right: Node) -> Node:
    factors = left.factors if isinstance(left, Product) else (left,)
    return Product((*factors, right))


def _mixed(whole: Node, part: Node) -> Node:
    """`3\\frac{1}{2}`; a fraction that is not below 1 makes it no mixed number."""
    match whole, part:
        case Number(value), Quotient(Number(over), Number(under)) if (
            value.denominator == 1 and 0 < over < under and over.denominator == 1
        ):
            return Number(value + over / under)
        case _, Quotient(Number(), Number()):
            raise Unreadable("a number before a fraction that is no mixed number")
        case _:
            return _product(whole, part)


def _with_unit(value: Node, words: list[str]) -> Node:
    scale = 1
    while words and words[0] in _SCALES:
        scale *= _SCALES[words.pop(0)]
    if scale > 1:
        value = _product(value, Number(Fraction(scale)))
    if words[:1] == ["of"] or not words:
        words = words[1:]
    if words in (["percent"], ["per", "cent"]):
        return Function("percent", (value,))
    unit = " ".join(words)
    if not words:
        return value
    if not contains(value, (Number, Constant)):
        raise Unreadable("words after what is no number")
    if len(words) > 6 or _NO_UNIT & frozenset(words) or not _spelled(unit):
        raise Unreadable(f"words that are no unit: {unit[:60]!r}")
    if words in (["degrees"], ["degree"]):
        return Function("degree", (value,))
    return Quantity(value, unit)


def _spelled(unit: str) -> bool:
    return all(letter.isalpha() or letter in " ^/-0123456789'" for letter in unit)


def _integer_text(node: Node) -> str:
    if isinstance(node, Number) and node.value.denominator == 1:
        return str(node.value)
    raise Unreadable("a unit to a power that is no whole number")


def _value(text: str) -> Fraction:
    """The exact value of a number's spelling."""
    if len(text) > MAX_DIGITS:
        raise TooBig(f"a number of more than {MAX_DIGITS} digits")
    if "\\" in text:
        return _repeating(text)
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return Fraction(text)
    if len(exponent.lstrip("+-")) > 4 or abs(int(exponent)) > MAX_DIGITS:
        raise TooBig(f"an exponent beyond {MAX_DIGITS}")
    if exponent[0] in "+-" and "e" in text and "." not in mantissa and mantissa != "1":
        raise Unreadable(f"{text[:30]!r} may be a product with e or a power of ten")
    return Fraction(mantissa) * Fraction(10) ** int(exponent)


def _repeating(text: str) -> Fraction:
    """`0.1\\overline{6}`."""
    fixed, _, rest = text.partition("\\")
    digits = "".join(letter for letter in rest if letter.isdigit())
    whole, _, places = fixed.partition(".")
    scale = 10 ** len(places)
    repeated = Fraction(int(digits), (10 ** len(digits) - 1) * scale)
    return Fraction(int((whole + places) or "0"), scale) + repeated
