"""What a command begins: fractions, roots, functions, binomials, named numbers and sets."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from cotgen.verifiers.mathematics.build import MINUS_ONE, ONE, negative, quotient, scalar, value
from cotgen.verifiers.mathematics.cursor import Cursor
from cotgen.verifiers.mathematics.matrix_powers import adjugate, conjugated, trace
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Function,
    Matrix,
    Node,
    Number,
    Numbers,
    Power,
    Product,
    Reals,
    Root,
    Sequence,
    Symbol,
    Text,
    Unreadable,
)
from cotgen.verifiers.mathematics.parse_brackets import FENCES, environment
from cotgen.verifiers.mathematics.parse_operators import derivative, integral, limit, repeated
from cotgen.verifiers.mathematics.tokens import Token, vocabulary

GREEK = vocabulary(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell"
)
UNARY = vocabulary(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech "
    "csch arcsinh arccosh arctanh ln lg exp log cis Re Im arg sgn"
)
ELLIPSES = vocabulary("ldots dots cdots dotsc dotsb vdots ddots")
FRACTIONS = frozenset(("frac", "dfrac", "tfrac", "cfrac"))
_SHAPES = {f"var{name}": name for name in ("epsilon", "theta", "phi", "rho", "sigma", "pi")} | {
    "ell": "l"
}
"""Two shapes of one letter."""
_INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc")} | {
    name: f"arc{name}" for name in ("sinh", "cosh", "tanh")
}
_MARKS = {
    "vec": "vec",
    "overrightarrow": "vec",
    "hat": "hat",
    "widehat": "hat",
    "bar": "bar",
    "overline": "bar",
    "tilde": "tilde",
    "widetilde": "tilde",
    "dot": "dot",
    "ddot": "ddot",
    "overleftrightarrow": "line",
    "overarc": "arc",
    "wideparen": "arc",
    "underline": "underline",
    "boldsymbol": "vec",
    "bm": "vec",
}
_FIGURES = {"angle": "angle", "measuredangle": "angle", "triangle": "triangle", "odot": "circle"}
_WORDS = {
    "re": "Re",
    "im": "Im",
    "cbrt": "cbrt",
    "factorial": "factorial",
    "binomial": "binom",
    "comb": "binom",
    "max": "max",
    "min": "min",
    "matrix": "Matrix",
    "rational": "rational",
    "fraction": "rational",
    "cis": "cis",
    "arg": "arg",
    "conjugate": "conj",
    "conj": "conj",
    "det": "det",
    "sgn": "sgn",
    "sign": "sgn",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "arsinh": "arcsinh",
    "arcosh": "arccosh",
    "artanh": "arctanh",
    "adjugate": "adjugate",
    "adj": "adj",
    "gcd": "gcd",
    "lcm": "lcm",
    "tr": "tr",
    "trace": "tr",
} | {name: name for name in UNARY}
"""Functions whose name is written as a word."""
_NO_OTHER_WORDS = {"cis"} | {word for word in _WORDS if word.endswith("h")}
"""Those that need no bracket to be known as functions."""


def begins_factor(token: Token) -> bool:
    """Whether a factor without a sign before it can begin with this command."""
    return (
        token.text in _ATOMS
        or token.text in GREEK
        or token.text in UNARY
        or "\\" + token.text in FENCES
    )


def names_function(parser: Cursor) -> bool:
    """Whether a word comes next that is a function's name and has its argument."""
    token, after = parser.token, parser.ahead(1)
    if token.kind not in ("word", "text") or token.text.lower() not in _WORDS:
        return False
    return after in ("(", "{", "\\{", "\\begin") or token.text.lower() in _NO_OTHER_WORDS


def word_function(parser: Cursor) -> Node:
    """A function whose name is written as a word."""
    return command(parser, _WORDS[parser.step().text.lower()])


def command(parser: Cursor, name: str) -> Node:
    """What a command stands for, which has just been stepped over."""
    if name in _ATOMS:
        return _ATOMS[name](parser)
    if name in ("Gamma", "zeta") and parser.key() == "(":
        return Function(name, (scalar(parser.bracketed()),))
    if name in GREEK:
        return Symbol(_SHAPES.get(name, name))
    if name in UNARY:
        return _function(parser, name)
    raise Unreadable(f"unknown command {name[:30]!r}")


def _fraction(parser: Cursor) -> Node:
    digits = parser.token.text if parser.token.kind == "number" else ""
    if len(digits) > 2 and digits.isdigit() and parser.tokens[parser.at + 1].kind == "end":
        # TeX takes one digit for each of the two, and the others follow as a factor.
        parser.step()
        first, second, rest = (Number(value(part)) for part in (*digits[:2], digits[2:]))
        return Product((quotient(first, second), rest))
    over = _argument(parser, first_digit=True)
    under = _argument(parser, first_digit=False)
    return derivative(parser, over, under) or quotient(over, under)


def _argument(parser: Cursor, *, first_digit: bool) -> Node:
    """A braced group or, as TeX has it, one digit or sign."""
    token = parser.token
    if token.kind != "number":
        return parser.group()
    if len(token.text) == 1:
        return Number(value(parser.step().text))
    if not first_digit or len(token.text) > 2 or not token.text.isdigit():
        raise Unreadable("unclear where a fraction ends")
    parser.tokens = parser.tokens.copy()
    parser.tokens[parser.at] = Token("number", token.text[1:])
    return Number(Fraction(int(token.text[0])))


def _root(parser: Cursor) -> Node:
    index = 2
    if parser.take("["):
        node = parser.expression(0)
        parser.expect("]")
        if not isinstance(node, Number):
            return Power(scalar(parser.group()), quotient(ONE, node))
        if not 2 <= node.value <= 100 or node.value.denominator > 1:
            raise Unreadable("a root of this kind")
        index = int(node.value)
    return Root(scalar(parser.group()), index)


def _binomial(parser: Cursor) -> Node:
    if parser.key() == "(":
        inner = parser.bracketed()
        if isinstance(inner, Sequence) and len(inner.items) == 2:
            return Function("binomial", inner.items)
    over = scalar(_argument(parser, first_digit=True))
    return Function("binomial", (over, scalar(_argument(parser, first_digit=False))))


def _of_list(name: str) -> Callable[[Cursor], Node]:
    """A function of several arguments, such as the greatest common divisor."""

    def read(parser: Cursor) -> Node:
        power = scalar(parser.group()) if parser.take("^") else ONE
        brackets = parser.key() in ("(", "[", "\\{")
        inner = parser.bracketed() if brackets else parser.group()
        args = inner.items if isinstance(inner, Sequence) else (inner,)
        called = Function(name, tuple(map(scalar, args)))
        return called if power == ONE else Power(called, power)

    return read


def _function(parser: Cursor, name: str) -> Node:
    base: Node | None = None
    power: Node | None = None
    if name == "log" and parser.take("_"):
        base = scalar(_base(parser))
    if parser.take("^"):
        power = scalar(parser.group())
    if power == MINUS_ONE:
        if name not in _INVERSES:
            raise Unreadable(f"{name} to the power of -1")
        name, power = _INVERSES[name], None
    args = (_function_argument(parser),)
    called = Function(name, args if base is None else (*args, base))
    return called if power is None else Power(called, power)


def _base(parser: Cursor) -> Node:
    """The base of a logarithm. `\\log_23` is that of 3 to base 2: TeX takes one digit."""
    token, after = parser.token, parser.tokens[min(parser.at + 1, len(parser.tokens) - 1)]
    if token.kind == "number" and token.text.isdigit() and len(token.text) > 1:
        ends = after.kind == "end" or (after.kind == "sign" and after.text not in ("(", "{", "|"))
        if ends:
            parser.tokens = parser.tokens.copy()
            parser.tokens[parser.at] = Token("number", token.text[1:])
            return Number(Fraction(int(token.text[0])))
    return parser.group()


def _function_argument(parser: Cursor) -> Node:
    """`\\sin 2x` takes the product, `\\sin(2x)y` only what the brackets hold."""
    if parser.key() in ("(", "{", "["):
        return scalar(parser.group() if parser.key() != "[" else parser.bracketed())
    if parser.key() in ("-", "+"):
        minus = parser.step().text == "-"
        argument = _function_argument(parser)
        return negative(argument) if minus else argument
    node = parser.factor()
    while parser.factor_follows() and _continues_argument(parser.token):
        node = parser.implicit(node)
    return scalar(node)


def _continues_argument(token: Token) -> bool:
    return token.kind in ("number", "name") or (
        token.kind == "command"
        and (token.text in GREEK or token.text == "pi" or token.text in FRACTIONS)
    )


def _blackboard(parser: Cursor) -> Node:
    """`\\mathbb{R}`, and sets such as the positive whole numbers."""
    name = parser.group()
    if not isinstance(name, Symbol) or name.name not in "RZNQCP":
        raise Unreadable("a set of numbers without a known name")
    if parser.key() not in ("^", "_"):
        return Reals() if name.name == "R" else Numbers(name.name)
    mark = ""
    while parser.key() in ("^", "_"):
        parser.step()
        mark += _mark(parser)
    if name.name == "R" and mark in ("+", ">0"):
        return Sequence("(", ")", (Number(Fraction(0)), Constant("oo")))
    return Numbers(name.name + mark)


def _mark(parser: Cursor) -> str:
    """What stands above or below a set's name, in one spelling."""
    if parser.key() != "{":
        return parser.step().text
    stop = parser.closing("{", "}")
    text = "".join(token.text for token in parser.tokens[parser.at + 1 : stop])
    parser.at = stop + 1
    return {"*+": "+", "+*": "+", "ge0": ">=0", "geq0": ">=0"}.get(text, text)


def _marked(name: str) -> Callable[[Cursor], Node]:
    """A name with an arrow, a bar or the like above it."""

    def read(parser: Cursor) -> Node:
        if name == "hat" and _unit_vector(parser):
            return Symbol(f"hat {_unit_vector(parser, step=True)}")
        inner = parser.group()
        if isinstance(inner, Matrix) and name == "bar":
            return conjugated(inner)
        return marked(name, scalar(inner))

    return read


def marked(name: str, inner: Node) -> Node:
    """Capital letters together are one name: the line AB is the line BA, the vector is not."""
    if name == "bar" and isinstance(inner, Function) and inner.name == "mark bar":
        return inner.args[0]  # The conjugate of a conjugate, what is not outside of a set.
    letters = inner.factors if isinstance(inner, Product) else ()
    if not letters or not all(isinstance(each, Symbol) and each.name.isupper() for each in letters):
        return Function(f"mark {name}", (inner,))
    word = "".join(each.name for each in letters if isinstance(each, Symbol))
    if name in ("bar", "line", "triangle"):
        word = "".join(sorted(word))
    elif name in ("angle", "arc"):
        word = min(word, word[::-1])
    return Function(f"mark {name}", (Symbol(word),))


def _unit_vector(parser: Cursor, *, step: bool = False) -> str:
    """`i`, `j` or `k` under a hat."""
    braced = parser.key() == "{"
    token = parser.tokens[parser.at + braced]
    letter = {"imath": "i", "jmath": "j"}.get(token.text, token.text)
    if letter not in ("i", "j", "k") or (braced and parser.ahead(2) != "}"):
        return ""
    if step:
        parser.at += 3 if braced else 1
    return letter


def _figure(name: str) -> Callable[[Cursor], Node]:
    """An angle or a triangle, named by its corners."""

    def read(parser: Cursor) -> Node:
        letters: list[Node] = []
        while parser.token.kind == "name" and not (letters and parser.token.spaced):
            letters.append(Symbol(parser.step().text))
        if not letters:
            letters.append(scalar(parser.group()))
        return marked(name, Product(tuple(letters)) if len(letters) > 1 else letters[0])

    return read


def _italic(parser: Cursor) -> Node:
    """A name of several letters."""
    if parser.key() != "{":
        return parser.group()
    stop = parser.closing("{", "}")
    text = "".join(token.text for token in parser.tokens[parser.at + 1 : stop])
    parser.at = stop + 1
    if not text.replace(" ", "").isalpha():
        raise Unreadable("a name of other signs than letters")
    return Symbol(text)


def _coloured(parser: Cursor) -> Node:
    """`\\color{red}{5}`."""
    if parser.key() != "{":
        raise Unreadable("a colour without a name")
    parser.at = parser.closing("{", "}") + 1
    return parser.factor()


def _determinant(parser: Cursor) -> Node:
    inner = parser.bracketed() if parser.key() == "(" else parser.group()
    return Function("det", (inner if isinstance(inner, Matrix) else scalar(inner),))


def _of_matrix(name: str, meaning: Callable[[Matrix], Node]) -> Callable[[Cursor], Node]:
    """A function of a matrix; of a matrix that is only named it is a value with a name."""

    def read(parser: Cursor) -> Node:
        inner = parser.bracketed() if parser.key() == "(" else parser.group()
        return meaning(inner) if isinstance(inner, Matrix) else Function(name, (scalar(inner),))

    return read


def _nested_lists(parser: Cursor) -> Node:
    """`Matrix([[1,2],[3,4]])`."""
    inner = parser.bracketed()
    if isinstance(inner, Sequence):
        return inner
    raise Unreadable("a matrix of one entry")


def _two(name: str) -> Callable[[Cursor], Node]:
    """`Rational(1, 2)`."""

    def read(parser: Cursor) -> Node:
        inner = parser.bracketed()
        if not isinstance(inner, Sequence) or len(inner.items) != 2:
            raise Unreadable(f"{name} needs two values")
        return quotient(*inner.items)

    return read


_ATOMS: dict[str, Callable[[Cursor], Node]] = {
    "sqrt": _root,
    "pi": lambda _: Constant("pi"),
    "infty": lambda _: Constant("oo"),
    "emptyset": lambda _: Sequence("{", "}", ()),
    "varnothing": lambda _: Sequence("{", "}", ()),
    "begin": environment,
    "mathbb": _blackboard,
    "Bbb": _blackboard,
    "sum": lambda parser: repeated(parser, "sum"),
    "prod": lambda parser: repeated(parser, "prod"),
    "int": integral,
    "lim": limit,
    "partial": lambda _: Symbol("partial"),
    "mathit": _italic,
    "color": lambda parser: _coloured(parser),
    "textcolor": lambda parser: _coloured(parser),
    "imaginaryunit": lambda _: Constant("i"),
    "imaginaryI": lambda _: Constant("i"),
    "imath": lambda _: Symbol("imath"),
    "jmath": lambda _: Symbol("jmath"),
    "top": lambda _: Symbol("top"),
    "det": _determinant,
    "tr": _of_matrix("?tr", trace),
    "trace": _of_matrix("?tr", trace),
    "adj": _of_matrix("?adj", adjugate),
    "adjugate": _of_matrix("?adj", adjugate),
    "Matrix": _nested_lists,
    "rational": _two("a fraction"),
    "cbrt": lambda parser: Root(scalar(parser.group()), 3),
}
_ATOMS |= {
    name: _of_list(name)
    for name in ("gcd", "lcm", "abs", "floor", "ceil", "max", "min", "factorial", "conj")
}
_ATOMS |= {name: _of_list(f"?{name}") for name in ("Pr", "deg", "dim", "ker")}
_ATOMS |= dict.fromkeys(FRACTIONS, _fraction)
_ATOMS |= dict.fromkeys(("binom", "dbinom", "tbinom"), _binomial)
_ATOMS |= {name: _marked(mark) for name, mark in _MARKS.items()}
_ATOMS |= {name: _figure(figure) for name, figure in _FIGURES.items()}
_ATOMS |= dict.fromkeys(ELLIPSES, lambda _: Text(("…",)))
