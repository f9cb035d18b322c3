"""Answers in words that have a meaning of their own: times, options, yes and no, no solution."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from cotgen.verifiers.mathematics.amounts import compound
from cotgen.verifiers.mathematics.based import based, prefixed
from cotgen.verifiers.mathematics.dates import ordinal_number, read_clock, read_date
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Node,
    Number,
    Numbers,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Reals,
    Sequence,
    Text,
    Without,
)
from cotgen.verifiers.mathematics.numerals import numeral

WRAPPED_WORDS = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|emph|mathrm|mathbf|mathit|mathsf|mbox|hbox"
    r"|textnormal|operatorname|bf|rm)\s?\{([^{}]*)\}"
)
BLANK = re.compile(r"(?:\s|\\[ ,;:]|~)+")
_SIZED = re.compile(r"\\(?:left|right)(?![A-Za-z])")
_LONGEST = 200


class Meaning(NamedTuple):
    """What a phrase says, in one or two readings, and a reading that a hit does not prove."""

    node: Node
    other: Node | None = None
    perhaps: Node | None = None


def flat_words(text: str) -> str:
    """A text without commands around words, with single blanks."""
    if "\\left" in text:
        text = _SIZED.sub("", text)
    if "{" in text:
        text = WRAPPED_WORDS.sub(r" \1 ", text)
    return " ".join(BLANK.sub(" ", text).split())


def phrase(flat: str) -> Meaning | None:
    """The meaning of a whole phrase, if it is one of those that have their own."""
    if len(flat) > _LONGEST:
        return None
    answered = _yes_or_no(flat.lower())
    if answered is not None:
        return Meaning(answered)
    if any(letter.isdigit() for letter in flat):
        return _with_figures(flat)
    return _in_words(flat)


_NO_VALUES = re.compile(
    r"(?:there (?:are|is) )?no (?:real |possible |valid |such |integer |positive )?"
    r"(?:values?|solutions?|numbers?|roots?|integers?|answers?)(?: (?:of|for) [a-z])?(?: exists?)?"
)
_RATIO = re.compile(r"([0-9]{1,12}) to ([0-9]{1,12})(?: to ([0-9]{1,12}))?")

_OUT_OF = re.compile(r"([0-9]{1,12}) (?:out of|in|over) ([0-9]{1,12})")


def _with_figures(flat: str) -> Meaning | None:
    ratio = _RATIO.fullmatch(flat)
    if ratio is not None:
        return Meaning(Ratio(tuple(Number(Fraction(part)) for part in ratio.groups() if part)))
    part = _OUT_OF.fullmatch(flat)
    if part is not None:
        return Meaning(Quotient(*(Number(Fraction(each)) for each in part.groups())))
    clock = read_clock(flat)
    if clock is not None:
        return Meaning(clock)
    dates = read_date(flat)
    if dates:
        return Meaning(dates[0], dates[1] if len(dates) > 1 else None)
    number = ordinal_number(flat)
    if number is not None:
        return Meaning(_place(number))
    node = prefixed(flat) or based(flat) or compound(flat) or _set_of_numbers(flat.lower())
    return Meaning(node) if node is not None else None


def _in_words(flat: str) -> Meaning | None:
    lowered = flat.lower().replace("$", "").strip(".!\"' ")
    node = _FIXED.get(lowered) or read_clock(flat) or based(flat)
    if node is None and _NO_VALUES.fullmatch(lowered):
        node = Text(("nothing",))
    node = node or _set_of_numbers(lowered)
    if node is not None:
        return Meaning(node)
    number = ordinal_number(lowered)
    if number is not None:
        return Meaning(_place(number), perhaps=Number(Fraction(1, number)) if number else None)
    counted = numeral(lowered)
    if counted is not None and counted.end == len(lowered):
        return Meaning(Number(counted.value))
    parts = _parts_in_words(lowered)
    if parts is not None:
        return Meaning(parts)
    word = _word(flat)
    return None if word is None else Meaning(word)


_WHOLE_AND = re.compile(r"([0-9]{1,12}) and (?=[a-z])")
_OF = re.compile(r"\A of(?: an?| the)? ")


def in_figures(flat: str) -> str | None:
    """`twenty-five dollars` as `25 dollars`: the text with figures for its first words."""
    if len(flat) > _LONGEST or not flat[:1].isalnum():
        return None
    leading = _WHOLE_AND.match(flat)
    start = leading.end() if leading else 0
    found = numeral(flat[start:])
    if found is None or (leading and not 0 < found.value < 1):
        return None
    rest = _OF.sub(" ", flat[start + found.end :])
    if not all(letter.isalpha() or letter in " .-/^23" for letter in rest):
        return None
    value = found.value + (int(leading[1]) if leading else 0)
    over, under = value.numerator, value.denominator
    return f"{over}{rest}" if under == 1 else f"\\frac{{{over}}}{{{under}}}{rest}"


def _parts_in_words(lowered: str) -> Node | None:
    """`eighteen dollars and fifty cents`, each part with its number in words."""
    if " " not in lowered:
        return None
    parts = re.split(r",? and |, ", lowered)
    return compound(" ".join(in_figures(part) or part for part in parts))


def _place(number: int) -> Quantity:
    """An ordinal counts places, and the number alone says the same."""
    return Quantity(Number(Fraction(number)), "place")


# --- yes, no, none, all ---------------------------------------------------------------------------

_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "not true": "no"}
_AFFIRMED = re.compile(
    r"(yes|no|true|false)[,.;:!]* (?:it|they|he|she|this|that|there|we)"
    r" (?:is|are|does|do|can|will|has|have|was|were|should|would|must|could)( not|n't)?[.! ]*"
)


def _yes_or_no(lowered: str) -> Text | None:
    plain = _YES_NO.get(lowered.strip(".! "))
    if plain is None and (found := _AFFIRMED.fullmatch(lowered)):
        plain = _YES_NO[found[1]]
        if (plain == "no") != bool(found[2]):
            return None
    return None if plain is None else Text((plain,))


_NO_VALUE = (
    *("does not exist", "doesn't exist", "dne", "undefined", "not defined", "nan"),
    *("is undefined", "is not defined", "no limit", "limit does not exist"),
    *("the limit does not exist", "no value exists"),
)
_NO_SOLUTION = (
    *("no solution", "no solutions", "no real solution", "no real solutions", "none"),
    *("empty set", "the empty set", "there is no solution", "there are no solutions"),
    *("no such x", "no real roots", "no roots", "no real root", "no root", "no answer"),
    *("null set", "the null set", "there are no real solutions", "there is no real solution"),
    *("has no solution", "has no solutions", "no values", "no real numbers", "no real number"),
    *("no integer solutions", "no integer solution", "nothing", "it has no solution"),
    *("the equation has no solution", "the system has no solution", "no real values"),
    *("the equation has no solutions", "the equation has no real solutions", "none exist"),
    *("solution does not exist", "no solution exists", "no solutions exist", "inconsistent"),
)
_ALL = (
    *("all real numbers", "all reals", "real numbers", "all real x", "all real values"),
    *("any real number", "every real number", "all real values of x", "the real numbers"),
    *("the set of all real numbers", "set of all real numbers", "the set of real numbers"),
    *("all the real numbers", "any real x", "x is any real number", "reals"),
    *("x can be any real number", "all values of x", "all real numbers x", "x is all real numbers"),
)
_INFINITELY_MANY = (
    *("infinitely many", "infinitely many solutions", "infinite solutions", "infinite number"),
    *("an infinite number", "infinite number of solutions", "there are infinitely many solutions"),
    *("an infinite number of solutions", "infinite many solutions"),
)
_MINUS_INFINITY = ("negative infinity", "minus infinity", "-infinity", "- infinity")
_FIXED: dict[str, Node] = {
    **dict.fromkeys(_NO_VALUE, Text(("undefined",))),
    **dict.fromkeys(_NO_SOLUTION, Text(("nothing",))),
    **dict.fromkeys(("none", "nothing"), Text(("none",))),
    **dict.fromkeys(_ALL, Reals()),
    **dict.fromkeys(_INFINITELY_MANY, Text(("infinitely", "many"))),
    **dict.fromkeys(("infinity", "positive infinity", "+infinity"), Constant("oo")),
    **dict.fromkeys(_MINUS_INFINITY, Product((Number(Fraction(-1)), Constant("oo")))),
}


_SET = re.compile(
    r"(all |any |every |the set of (?:all )?|set of (?:all )?)?(?:the )?"
    r"(?:(positive|negative|non-?negative|non-?positive|non-?zero) )?"
    r"(?:(real|rational|complex|natural|whole) (?:numbers?|values)|(reals|integers?|rationals))"
    r"(?: (?:of )?[a-z])?(?: except(?: for)?(?: [a-z] ?=)? ?(zero|-?[0-9]{1,9})"
    r"((?:(?:,? and|,) (?:[a-z] ?= ?)?-?[0-9]{1,9}){0,5}))?"
)
_NAMED_SETS = {
    "rational": "Q",
    "rationals": "Q",
    "complex": "C",
    "natural": "N",
    "whole": "N0",
    "integer": "Z",
    "integers": "Z",
}
_POSITIVE_SETS = {"Z": "Z+", "Q": "Q+"}
_ZERO = Number(Fraction(0))


def _set_of_numbers(lowered: str) -> Node | None:
    """`all positive real numbers`, `integers`; a single `integer` is a kind of number."""
    found = _SET.fullmatch(lowered)
    if found is None or not (found[1] or lowered.endswith("s")):
        return None
    every, sign, kind, plural, zero, more = found.groups()
    name = _NAMED_SETS.get(kind or plural)
    if name is None:
        left_out = [] if zero is None else ["0" if zero == "zero" else zero]
        left_out += re.findall(r"-?[0-9]+", more or "")
        return _reals(sign, tuple(Number(Fraction(each)) for each in left_out))
    if not every and name != "Z":
        return None
    if sign is None and zero is None:
        return Numbers(name)
    other = _POSITIVE_SETS.get(name)
    return Numbers(other) if other and sign == "positive" and zero is None else None


def _reals(sign: str | None, left_out: tuple[Number, ...]) -> Node | None:
    below, above = Product((Number(Fraction(-1)), Constant("oo"))), Constant("oo")
    if left_out:
        others = Without(Reals(), Sequence("{", "}", left_out))
        return others if sign is None else None
    match (sign or "").replace("-", ""):
        case "":
            return Reals()
        case "positive":
            return Sequence("(", ")", (_ZERO, above))
        case "negative":
            return Sequence("(", ")", (below, _ZERO))
        case "nonnegative":
            return Sequence("[", ")", (_ZERO, above))
        case "nonpositive":
            return Sequence("(", "]", (below, _ZERO))
        case _:
            return Without(Reals(), Sequence("{", "}", (_ZERO,)))


# --- options --------------------------------------------------------------------------------------

_OPTION_WORD = re.compile(
    r"\A(?:the )?(?:correct )?(?:option|choice|answer)\s*(?:is\s)?:?\s*", re.I
)
_OPTION = re.compile(
    r"(?:\(([A-Za-z])\)|([A-Z])\)|([A-Z])(?:[.:](?=\s|\Z))?(?=\s|\Z))(.*)", re.DOTALL
)
_ANOTHER_OPTION = re.compile(r"\A(?:and|or|,|&)|\([A-J]\)", re.IGNORECASE)
_LETTERS_OF_OPTIONS = "ABCDEFGHIJ"


class Option(NamedTuple):
    """The letter of an option and the text that follows it."""

    letter: str
    content: str


_NAME = re.compile(r"[A-Z][a-z]{2,20}(?: [A-Z][a-z]{2,20})?")
"""What may follow the bare letter of an option: `C Cecile`."""
_LETTERED = re.compile(r"\(([A-J])\)(?=\s)")


def options(flat: str) -> list[str]:
    """The letters of `(C) 5, (D) 6`; none where there are fewer than two options."""
    if flat[:1] != "(" or len(flat) > _LONGEST:
        return []
    found: list[str] = _LETTERED.findall(flat)
    return found if len(found) > 1 and _LETTERED.match(flat) else []


def option(flat: str) -> Option | None:
    """`(C)`, `C)`, `C.`, `C`, `(C) 12`, `option C`; a bare letter takes nothing after it."""
    if len(flat) > _LONGEST:
        return None
    named = _OPTION_WORD.match(flat)
    flat = flat[named.end() :] if named else flat
    found = _OPTION.fullmatch(flat)
    if found is None:
        return None
    letter = (found[1] or found[2] or found[3]).upper()
    content = found[4].strip()
    if letter not in _LETTERS_OF_OPTIONS or _ANOTHER_OPTION.search(content):
        return None
    bare = found[3] is not None
    if bare and content and letter in _LETTERS_OF_OPTIONS[1:8] and _NAME.fullmatch(content):
        return Option(letter, content)
    if bare and (flat[found.end(3) : found.end(3) + 1] == " " if content else letter in "IJ"):
        return None
    if content and ((found[1] or "A").islower() or not _apart(flat, found)):
        return None
    return Option(letter, content)


def _apart(flat: str, found: re.Match[str]) -> bool:
    """`(C) 12` names an option, `(C)12` may be a product."""
    return not found[1] or flat[found.end(1) + 1 : found.end(1) + 2].isspace()


# --- single words ---------------------------------------------------------------------------------

_NAMES = frozenset(("infinity", "inf", "theta", "alpha", "beta", "pi", "gamma", "lambda", "omega"))


def _word(flat: str) -> Text | None:
    """One word; two small letters may be a product, and names of numbers are mathematics."""
    long_enough = len(flat) >= 3 or (len(flat) == 2 and flat.isupper())
    if long_enough and flat.isalpha() and flat.lower() not in _NAMES:
        return Text((flat,))
    return None


_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|(?:(?<![A-Za-z0-9)])-)?[0-9]+(?:[.,:-]-?[0-9]+)*")
"""What joins figures is part of them: the points (1,2) and (12) are two."""
_LISTED = re.compile(r"(?<=[0-9]), (?=-?[0-9])")
_CALCULATED = re.compile(r"[0-9] ?[!:'\"]|[:'\"(] ?-?[0-9]+ ?[^0-9 ,.)]|- [0-9]")
"""Signs that are no punctuation beside a digit: a factorial, a ratio, feet."""
_NEGATED = re.compile(r"- ?[A-Za-z][^0-9]*[0-9]")
"""A sign before a name and a number, such as a function of it; before words alone it is a dash."""
_PUNCTUATION = frozenset(" .,;:!?'\"()-\n\t")


def words(text: str) -> Text | None:
    """A text as its words; None if there is more in it than words."""
    flat = flat_words(text)
    if (
        _CALCULATED.search(flat)
        or _NEGATED.match(flat)
        or not all(letter.isalnum() or letter in _PUNCTUATION for letter in flat)
    ):
        return None
    found = _without_articles(_WORD.findall(_LISTED.sub(",", flat)))
    if not any(word[0].isalpha() and len(word) > 1 for word in found):
        return None
    return Text(tuple(found))


def _without_articles(found: list[str]) -> list[str]:
    """A capital A at the end is a name, as in `Plan A`."""
    last = len(found) - 1
    return [
        word
        for at, word in enumerate(found)
        if word.lower() not in ("a", "an", "the") or (word == "A" and at == last)
    ]
