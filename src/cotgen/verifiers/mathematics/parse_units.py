"""Words behind a value: its unit, or a word for a large number."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.build import product, scalar
from cotgen.verifiers.mathematics.cursor import Cursor
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Function,
    Node,
    Number,
    Quantity,
    Unreadable,
    contains,
)
from cotgen.verifiers.mathematics.tokens import vocabulary
from cotgen.verifiers.mathematics.units import cased

_NO_UNIT = vocabulary(
    "and or not than less more minus plus over squared cubed to between about if when where "
    "hundred thousand million billion trillion dozen half halves third thirds quarter quarters "
    "fourths fifths tenths hundredths thousandths is are equals equal the so but because since for "
    "with without at least most remainder r base mod point negative percent factorial no times pi "
    "even odd wrong incorrect true false yes none below above fewer before after tens hundreds "
    "thousands millions billions doubled tripled halved short score gross infinity infinite"
)
_PERCENT = frozenset(("percent", "per cent", "percents", "pct", "percentage", "percentage points"))
_GENERIC = frozenset(
    spelled
    for name in ("unit", "units")
    for spelled in (
        *(name, f"square {name}", f"cubic {name}", f"sq {name}", f"cu {name}"),
        *(f"{name} ^2", f"{name} ^3", f"{name} squared", f"{name} cubed"),
    )
)
"""Units that say of no unit how long it is."""
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}


def unit(parser: Cursor, left: Node) -> Node:
    """Words after a value are its unit; `million` and its kin multiply."""
    words: list[str] = []
    while parser.token.kind in ("word", "text") and not parser.joiner():
        words.extend(map(cased, parser.step().text.replace(".", " ").split()))
        _exponent(parser, words)
    return _with_unit(scalar(left), words)


def _exponent(parser: Cursor, words: list[str]) -> None:
    if parser.take("^"):
        words.append("^" + _integer_text(parser.group()))
    elif parser.key() == "/" and parser.tokens[parser.at + 1].kind in ("word", "text", "name"):
        parser.at += 1
        words.append("/")
        if parser.token.kind == "name":
            words.append(parser.step().text)
            _exponent(parser, words)


def _counted(words: list[str]) -> list[str]:
    """What is counted in `3 of the books`, `4 more days` and `10 years old`."""
    if words[:1] == ["of"]:
        words = words[2:] if words[1:2] == ["the"] and len(words) > 2 else words[1:]
    if words[:1] == ["more"] and len(words) <= 2:
        words = words[1:]
    return words[:1] if words[1:] == ["old"] else words


_TAILS = vocabulary("for on at from during every while because in")
_SHAPES = vocabulary("square sq cubic cu")
"""Behind these `in` is an inch."""


def _without_tail(words: list[str]) -> list[str]:
    """`dollars every day at the market` without what only says when and where."""
    cuts = (
        at
        for at, word in enumerate(words)
        if at and word in _TAILS and not (word == "in" and words[at - 1] in _SHAPES)
    )
    cut = next(cuts, len(words))
    return words if words[cut : cut + 2] in (["at", "least"], ["at", "most"]) else words[:cut]


def _with_unit(value: Node, words: list[str]) -> Node:
    if not contains(value, (Number, Constant)):
        raise Unreadable("words after what is no number")
    scale = 1
    while words and words[0] in _SCALES:
        scale *= _SCALES[words.pop(0)]
    if scale > 1:
        value = product(value, Number(Fraction(scale)))
    words = _counted(words)
    if " ".join(words) in _PERCENT:
        return Function("percent", (value,))
    words = _without_tail(words)
    unit = " ".join(words)
    if not words or unit in _GENERIC:
        return value
    if len(words) > 6 or _NO_UNIT & frozenset(_plain(words)) or not _spelled(unit):
        raise Unreadable(f"words that are no unit: {unit[:60]!r}")
    if words in (["degrees"], ["degree"], ["deg"]):
        return Function("degree", (value,))
    if isinstance(value, Function) and value.name == "degree":
        return Quantity(value.args[0], f"degrees {unit}")
    return Quantity(value, unit)


def _plain(words: list[str]) -> list[str]:
    """`cm squared` is a unit, though `squared` alone is none, and `times` counts alone."""
    if words == ["times"]:
        return []
    return [word for at, word in enumerate(words) if not at or word not in ("squared", "cubed")]


_LONGEST_UNIT = 80


def _spelled(unit: str) -> bool:
    return len(unit) <= _LONGEST_UNIT and all(
        letter.isalpha() or letter in " ^/-0123456789'" for letter in unit
    )


def _integer_text(node: Node) -> str:
    if isinstance(node, Number) and node.value.denominator == 1:
        return str(node.value)
    raise Unreadable("a unit to a power that is no whole number")
