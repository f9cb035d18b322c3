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
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp sqrt abs "
    "floor ceil gcd lcm binom"
)
_WORD_COMMANDS = {
    "pi": "pi",
    "infinity": "infty",
    "inf": "infty",
    "theta": "theta",
    "alpha": "alpha",
    "beta": "beta",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
} | {name: name for name in FUNCTIONS}
_UNIT_WORDS = vocabulary("cm mm km ft in mi yd kg mg lb lbs oz hr hrs min sec mph ml sq deg usd")
_SMALL_WORDS = vocabulary("a an and or is no yes not the of to for per if by at on so all any")

_UNICODE = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys("−–—﹣‐‑", "-")
    | dict.fromkeys("×·⋅∙•", "\\cdot ")
    | dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”", '"')
    | {
        "÷": "/",
        "⁄": "/",
        "∕": "/",
        "√": "\\sqrt ",
        "π": "\\pi ",
        "θ": "\\theta ",
        "α": "\\alpha ",
        "β": "\\beta ",
        "λ": "\\lambda ",
        "φ": "\\phi ",
        "∞": "\\infty ",
        "≤": "\\le ",
        "≥": "\\ge ",
        "≠": "\\ne ",
        "≈": "\\approx ",
        "∪": "\\cup ",
        "∈": "\\in ",
        "∅": "\\emptyset ",
        "±": "\\pm ",
        "°": "^\\circ ",
        "º": "^\\circ ",
        "…": "\\ldots ",
        "ℝ": "\\mathbb{R}",
        "½": "\\frac{1}{2}",
        "⅓": "\\frac{1}{3}",
        "⅔": "\\frac{2}{3}",
        "¼": "\\frac{1}{4}",
        "¾": "\\frac{3}{4}",
        "⅛": "\\frac{1}{8}",
    }
    | {raised: f"^{{{plain}}}" for raised, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)}
    | {low: f"_{{{plain}}}" for low, plain in zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True)}
)


def plain(text: str) -> str:
    """The text with one spelling for each sign."""
    if text.isascii():
        return text
    return text.translate(_UNICODE).replace("}^{", "").replace("}_{", "")


_THOUSANDS = r"(?:\{,\}|,\\!\ *|\\,|\\!|\{\\,\}|,\\,|\\\ )"
_PATTERN = re.compile(
    rf"""
    (?P<blank>\s+|\\[,;:!>\ ]|~|\\(?:quad|qquad|left|right|displaystyle|limits
        |[bB]igg?[lr]?|middle)(?![A-Za-z]))
  | (?P<repeating>[0-9]*\.[0-9]*\\(?:overline|bar|dot)\ *(?:\{{[0-9]+\}}|[0-9]))
  | (?P<grouped>[1-9][0-9]{{0,2}}(?:{_THOUSANDS}[0-9]{{3}})+(?:\.[0-9]+)?(?![0-9]))
  | (?P<spaced>[1-9][0-9]{{0,2}}(?:\ [0-9]{{3}})+(?:\.[0-9]+)?(?![0-9]|\ [0-9/]|/))
  | (?P<commas>[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+(?:\.[0-9]+)?(?![0-9]|,[0-9]))
  | (?P<scientific>(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+(?![0-9.]))
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
        yield from _tokens(kind, piece, spaced)
        spaced = False


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


_UPRIGHT = vocabulary("mathrm mathbf rm operatorname")


def _text(command: str, content: str, spaced: bool) -> Iterator[Token]:
    """An upright `e`, `i` or bold letter is a name; any other letter within a text is a unit."""
    stripped = content.strip()
    bold = command == "mathbf" or stripped in ("e", "i")
    if len(stripped) == 1 and stripped.isalpha() and command in _UPRIGHT and bold:
        yield Token("name", stripped, spaced)
    elif stripped in _WORD_COMMANDS and command in _UPRIGHT:
        yield Token("command", _WORD_COMMANDS[stripped], spaced)
    elif stripped:
        yield Token("text", stripped, spaced)


def _tokens(kind: str, piece: str, spaced: bool) -> Iterator[Token]:
    match kind:
        case "repeating" | "scientific":
            yield Token("number", piece, spaced)
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


def _digits(piece: str) -> str:
    if len(piece) > MAX_DIGITS:
        raise TooBig(f"a number of more than {MAX_DIGITS} digits")
    return _NOT_DIGIT.sub("", piece)


def _letters(piece: str, spaced: bool) -> Iterator[Token]:
    """One letter is a name, a function is itself, two or three letters in a row are a product."""
    if len(piece) == 1:
        yield Token("name", piece, spaced)
    elif piece.lower() in _WORD_COMMANDS:
        yield Token("command", _WORD_COMMANDS[piece.lower()], spaced)
    elif len(piece) > 3 or piece.lower() in _UNIT_WORDS or piece.lower() in _SMALL_WORDS:
        yield Token("word", piece, spaced)
    else:
        yield Token("letters", piece, spaced)


def _names(token: Token, before: Token | None) -> Iterator[Token]:
    """`ab` is a product of names, but in `5 ab` it is a word."""
    if token.kind != "letters":
        yield token
    elif token.spaced and before is not None and before.kind == "number":
        yield Token("word", token.text, True)
    else:
        for index, letter in enumerate(token.text):
            yield Token("name", letter, token.spaced and index == 0)
