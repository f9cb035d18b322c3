"""Cut an answer into tokens. Linear, and the only place that knows how numbers are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from cotgen.verifiers.mathematics.nodes import TooBig, Unreadable

MAX_LENGTH = 20_000
MAX_TOKENS = 6_000
MAX_DIGITS = 2_000

Kind = Literal["number", "name", "letters", "word", "text", "command", "sign", "end"]


Grouping = Literal["never", "outside", "everywhere"]


class Token(NamedTuple):
    """`text` is what it says; `spaced` tells whether a blank stands before it."""

    kind: Kind
    text: str
    spaced: bool = False


def vocabulary(words: str) -> frozenset[str]:
    """The words of a text, for looking up."""
    return frozenset(words.split())


FUNCTIONS = vocabulary(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh ln log lg "
    "exp sqrt abs "
    "floor ceil gcd lcm binom"
)
_WORD_COMMANDS = {
    "pi": "pi",
    "infinity": "infty",
    "inf": "infty",
    "oo": "infty",
    "theta": "theta",
    "alpha": "alpha",
    "beta": "beta",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
} | {name: name for name in FUNCTIONS}
_UNIT_WORDS = vocabulary(
    "cm mm km ft in mi yd kg mg lb lbs oz hr hrs min sec mph kph ml sq deg usd cup day gal tsp "
    "pie egg pen car boy man max men dog cat bag box hen cow pig bus kid toy way bar ton"
)
_SMALL_WORDS = vocabulary("a an and or is no yes not the of to for per if by at on so all any")

_THOUSANDS = r"(?:\{,\}|,\\!\ *|\\[,;:]|\\!|\{\\[,;:]\}|\{\ \}|,\\,|\\\ |~|')"
_PATTERN = re.compile(
    rf"""
    (?P<blank>\s+|\\[,;:!>\ ]|~|\\(?:quad|qquad|left|right|displaystyle|limits
        |[bB]igg?[lr]?|middle|large|Large|LARGE|huge|Huge|small|normalsize|textstyle
        |scriptstyle|bf|it|nolimits|strut|mathstrut|(?:neg)?(?:thin|med|thick)space|enspace)(?![A-Za-z]))
  | (?P<repeating>[0-9]*\.[0-9]*(?:
        \\dot\ *(?:\{{[0-9]\}}|[0-9])[0-9]*\\dot\ *(?:\{{[0-9]\}}|[0-9])
        |\\(?:overline|bar|dot)\ *(?:\{{[0-9]+\}}|[0-9])))
  | (?P<bracketed>[0-9]*\.\([0-9]+\)(?:\ ?(?:\.\.\.|\\[lc]?dots(?![A-Za-z])))?)
  | (?P<endless>[0-9]*\.[0-9]+\ ?(?:\.\.\.|\\[lc]?dots(?![A-Za-z])))
  | (?P<grouped>[1-9][0-9]{{0,2}}(?:{_THOUSANDS}[0-9]{{3}}){{1,700}}(?:\.[0-9]+)?(?![0-9]))
  | (?P<points>[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}}){{2,}}+(?:,[0-9]+)?(?![0-9.,]))
  | (?P<decimal>[0-9]+\{{,\}}[0-9]+)
  | (?P<spaced>[1-9][0-9]{{0,2}}(?:\ [0-9]{{3}}){{1,700}}+(?:\.[0-9]+)?(?![0-9]|\ [0-9/]|/))
  | (?P<commas>[1-9][0-9]{{0,2}}(?:,[0-9]{{3}}){{1,700}}+(?:\.[0-9]+)?(?![0-9]|,[0-9]))
  | (?P<scientific>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+(?![0-9.]))
  | (?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
  | \\(?P<command>[A-Za-z]+)\*?
  | \\(?P<escaped>.)
  | (?P<letters>[A-Za-z]+)
  | (?P<pair><=|>=|!=|==|\*\*|\.\.\.)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_TEXT_COMMANDS = vocabulary(
    "text mbox textbf textit textrm textnormal mathrm mathbf rm operatorname"
)
_PAIRS = {"<=": "le", ">=": "ge", "!=": "ne", "**": "^", "==": "=", "...": "ldots"}
_DEPTHS = {
    ("sign", "("): 1,
    ("sign", "["): 1,
    ("escaped", "{"): 1,
    ("sign", ")"): -1,
    ("sign", "]"): -1,
    ("escaped", "}"): -1,
}
"""Inside these a comma separates; TeX's own braces group nothing that commas could list."""
_NOT_DIGIT = re.compile(r"[^0-9.]+")


def tokenize(text: str, *, commas_group: Grouping) -> list[Token]:
    """The tokens of a text in its plain spelling, with an end token.

    `commas_group`: where `1,234` is one number and not two: never, outside brackets, or everywhere.
    """
    if len(text) > MAX_LENGTH:
        raise TooBig(f"longer than {MAX_LENGTH} characters")
    tokens: list[Token] = []
    for token in _scan(text, commas_group):
        tokens.extend(_names(token, tokens[-1] if tokens else None))
        if len(tokens) > MAX_TOKENS:
            raise TooBig(f"more than {MAX_TOKENS} parts")
    return [*tokens, Token("end", "")]


def _scan(text: str, commas_group: Grouping) -> Iterator[Token]:
    at, spaced, depth = 0, False, 0
    while at < len(text):
        found = _PATTERN.match(text, at)
        assert found is not None, "the last alternative takes any character"
        kind, piece = found.lastgroup or "", found[found.lastgroup or 0]
        if kind == "commas" and (commas_group == "never" or (depth and commas_group == "outside")):
            piece = piece[: piece.index(",")]
            kind, at = "number", at + len(piece)
        elif kind == "command" and piece in _TEXT_COMMANDS:
            content, at = _braced(text, found.end())
            yield from _text(piece, content, spaced)
            spaced = False
            continue
        else:
            at = found.end()
        if kind == "blank":
            spaced = True
            continue
        depth += _DEPTHS.get((kind, piece), 0)
        if piece in _PRODUCTS and _is_product(text, found, spaced):
            yield Token("letters", piece, spaced)
        else:
            yield from _tokens(kind, piece, spaced)
        spaced = False


_PRODUCTS = vocabulary("at an by no on so is if")


def _is_product(text: str, found: re.Match[str], spaced: bool) -> bool:
    """Whether two letters are no word: `at^2`, and what follows a value without a blank."""
    glued = not spaced and found.start() > 0 and text[found.start() - 1] in "}0123456789"
    return glued or text[found.end() : found.end() + 1] == "^"


def _braced(text: str, start: int) -> tuple[str, int]:
    """The content of the braces that follow, and where they end."""
    while text[start : start + 1] == " ":
        start += 1
    if text[start : start + 1] != "{":
        return "", start
    end = text.find("}", start)
    inner = text[start + 1 : end]
    if end < 0 or "{" in inner:
        raise Unreadable("braces within a text")
    return inner, end + 1


_NO_TEXT = re.compile(r"\\[,;:! ]|[~$]")
"""Blanks and dollar signs within a text, as in `\\text{ cm$^2$}`."""
_UPRIGHT = vocabulary("mathrm mathbf rm operatorname")


def _text(command: str, content: str, spaced: bool) -> Iterator[Token]:
    """An upright `e`, `i` or bold letter is a name; any other letter within a text is a unit."""
    stripped = _NO_TEXT.sub(" ", content).strip()
    bold = command == "mathbf" or stripped in ("e", "i")
    if len(stripped) == 1 and stripped.isalpha() and command in _UPRIGHT and bold:
        yield Token("name", stripped, spaced)
    elif stripped in _WORD_COMMANDS and (command in _UPRIGHT or stripped in ("gcd", "lcm")):
        yield Token("command", _WORD_COMMANDS[stripped], spaced)
    elif stripped.endswith((" and", " or")) and stripped.count(" ") == 1:
        unit, joiner = stripped.split()
        yield from (Token("text", unit, spaced), Token("word", joiner, True))
    elif stripped:
        yield Token("text", stripped, spaced)


def _tokens(kind: str, piece: str, spaced: bool) -> Iterator[Token]:
    match kind:
        case "repeating" | "scientific":
            yield Token("number", piece, spaced)
        case "bracketed" | "endless" | "points" | "decimal":
            yield Token("number", _spelled(kind, piece), spaced)
        case "number" | "grouped" | "spaced" | "commas":
            yield Token("number", _digits(piece), spaced)
        case "command":
            yield Token("command", piece, spaced)
        case "letters":
            yield from _letters(piece, spaced)
        case "pair":
            text = _PAIRS[piece]
            yield Token("command" if text.isalpha() else "sign", text, spaced)
        case "escaped":
            yield Token("sign", "\\" + piece, spaced)
        case _:
            yield Token("sign", piece, spaced)


def _spelled(kind: str, piece: str) -> str:
    """A number in the one spelling that is worked with."""
    _check_length(piece)
    match kind:
        case "bracketed":
            fixed, _, digits = piece.partition("(")
            return f"{fixed}\\overline{{{digits.partition(')')[0]}}}"
        case "endless":
            return _repeating(piece)
        case "points":
            return piece.replace(".", "").replace(",", ".")
        case _:
            return piece.replace("{,}", ".")


def _repeating(piece: str) -> str:
    """`0.1666...` with a block that is clearly repeated; other dots hide what follows."""
    whole, _, places = _NOT_DIGIT.sub(" ", piece).rstrip(" .").partition(".")
    for length in range(1, min(len(places) // 2, 30) + 1):
        block, fixed = places[-length:], places[:-length]
        while fixed.endswith(block):
            fixed = fixed[:-length]
        times = (len(places) - len(fixed)) // length
        if times >= 3 or (times == 2 and length > 1 and not fixed):
            return f"{whole}.{fixed}\\overline{{{block}}}"
    raise Unreadable("dots that do not tell what follows")


def _check_length(piece: str) -> None:
    if len(piece) > MAX_DIGITS:
        raise TooBig(f"a number of more than {MAX_DIGITS} digits")


def _digits(piece: str) -> str:
    _check_length(piece)
    return _NOT_DIGIT.sub("", piece)


def _letters(piece: str, spaced: bool) -> Iterator[Token]:
    """One letter is a name, a function is itself, two or three letters in a row are a product."""
    if len(piece) == 1:
        yield Token("name", piece, spaced)
    elif piece.lower() in _WORD_COMMANDS:
        yield Token("command", _WORD_COMMANDS[piece.lower()], spaced)
    elif len(piece) > 3 or piece.lower() in _UNIT_WORDS or _is_small_word(piece, spaced):
        yield Token("word", piece, spaced)
    elif len(piece) == 3 and piece.endswith("pi"):
        yield from (Token("name", piece[0], spaced), Token("command", "pi"))
    else:
        yield Token("letters", piece, spaced)


def _is_small_word(piece: str, spaced: bool) -> bool:
    """`no`; two capitals with no blank before them, as in `\\frac{NO}{BO}`, are points."""
    points = len(piece) == 2 and piece.isupper() and not spaced and piece != "OR"
    return piece.lower() in _SMALL_WORDS and not points


def _names(token: Token, before: Token | None) -> Iterator[Token]:
    """`ab` is a product of names, but in `5 ab` it is a word."""
    if token.kind == "text" and len(token.text) == 1 and _begins_value(before):
        yield Token("name", token.text, token.spaced)
    elif token.kind != "letters" and not (token.text == "mg" and _begins_value(before)):
        yield token
    elif token.spaced and before is not None and _counts(before):
        yield Token("word", token.text, True)
    else:
        for index, letter in enumerate(token.text):
            yield Token("name", letter, token.spaced and index == 0)


def _counts(token: Token) -> bool:
    """A number, or a word behind one, as in `5 hours ago`; behind `and` stands another value."""
    return token.kind == "number" or (
        token.kind == "word" and token.text.lower() not in ("and", "or")
    )


def _begins_value(before: Token | None) -> bool:
    """Whether a letter set as text is a name here, and not the unit of a value before it."""
    return before is None or (
        before.kind == "sign" and before.text in ("(", "[", "{", ",", "=", "+", "-")
    )
