"""From an extracted answer to nodes: takes off wrappers, knows times, choices and words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from cotgen.verifiers.mathematics.nodes import (
    Choice,
    Clock,
    Function,
    Node,
    Number,
    PlusMinus,
    Quantity,
    Reals,
    Relation,
    Sequence,
    Symbol,
    Text,
    Unreadable,
)
from cotgen.verifiers.mathematics.parse import parse
from cotgen.verifiers.mathematics.tokens import MAX_LENGTH, Grouping, plain


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its readings: none if it cannot be read, and `problem` says why.

    `listed` is the reading of `1,234` as two numbers, `grouped` that of `(1,234)` as one, `decimal`
    that of `0,5` as one half. `approximate`: the text itself says that the
    value is rounded, so a difference proves nothing.
    """

    key: str
    readings: tuple[Node, ...] = ()
    listed: Node | None = None
    grouped: Node | None = None
    decimal: Node | None = None
    approximate: bool = False
    problem: str = ""


def read(text: str) -> Answer:
    """Read an answer. Never raises: what cannot be read keeps its key, which can still be equal."""
    if len(text) > MAX_LENGTH:
        return Answer(" ".join(text.split()), problem=f"longer than {MAX_LENGTH} characters")
    cleaned = unwrap(plain(text))
    key = _key(cleaned)
    if not cleaned:
        return Answer("", problem="nothing is there")
    special = _special(cleaned)
    if special is not None:
        return Answer(key, (special,))
    try:
        return _mathematics(cleaned, key)
    except Unreadable as error:
        text_node = words(cleaned)
        readings = () if text_node is None else (text_node,)
        return Answer(key, readings, problem=str(error))


# --- wrappers -----------------------------------------------------------------------------------

_WRAPPERS = (
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("**", "**"),
    ("`", "`"),
    ('"', '"'),
)
_COMMANDS = (
    *("\\boxed", "\\fbox", "\\textbf", "\\text", "\\mbox", "\\mathbf", "\\mathrm"),
    "\\displaystyle",
)
_END = re.compile(r"(?:[\s.,;:]|\\[\\,;:! ])+\Z")
_SPACES = re.compile(r"\A(?:\s|\\[ ,;!]|~)+")


def unwrap(text: str) -> str:
    """The text without delimiters, boxes and a full stop around the whole of it."""
    for _ in range(8):
        before = text
        text = _trim(text)
        for opened, closed in _WRAPPERS:
            inner = text[len(opened) : -len(closed)]
            if text.startswith(opened) and text.endswith(closed) and inner and opened not in inner:
                text = inner.strip()
        text = _without_braces(text)
        if text == before:
            break
    return text


def _trim(text: str) -> str:
    text = text.strip()
    tail = len(text) - len(text.rstrip(" \t\r\n.,;:!\\"))
    if tail and not text.endswith("..."):
        found = _END.search(text, len(text) - tail)
        text = text[: found.start()] if found else text
    return _SPACES.sub("", text)


def _without_braces(text: str) -> str:
    """`\\text{x}`, `\\boxed{x}` and `{x}` are x where the braces hold everything."""
    head = next((command for command in _COMMANDS if text.startswith(command)), "")
    rest = text[len(head) :].strip()
    if head == "\\displaystyle":
        return rest
    if not (rest.startswith("{") and rest.endswith("}") and _spans(rest)):
        return text
    return rest[1:-1].strip()


def _spans(text: str) -> bool:
    """Whether the first brace is closed by the last character."""
    depth, at = 0, 0
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        depth += (letter == "{") - (letter == "}")
        if depth == 0 and letter == "}":
            return at == len(text) - 1
        at += 1
    return False


_SAME = re.compile(r"\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z])|\\!")
_BLANK = re.compile(r"(?:\s|\\[ ,;:]|~)+")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_NEEDED = re.compile(r"(?<=[A-Za-z0-9.]) (?=[A-Za-z0-9.])")


def _key(text: str) -> str:
    """Equal keys are the same answer, differently spaced."""
    text = _FRACTION.sub(r"\\frac", _SAME.sub("", text))
    text = _NEEDED.sub("\0", _BLANK.sub(" ", text)).replace(" ", "").replace("\0", " ")
    return text.replace("\\mbox{", "\\text{")


# --- times, choices, words ------------------------------------------------------------------------

_WRAPPED_WORDS = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|textnormal|rm)\s?\{([^{}]*)\}"
)
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?\s?(?:([ap])[. ]{0,2}(?:m)?[. ]{0,2})?")
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer)\s)?(?:\(([A-Za-z])\)|([A-Z])\)|([A-Z])(?:[.:](?=\s|\Z))?(?=\s|\Z))(.*)",
    re.DOTALL,
)
_ANOTHER_OPTION = re.compile(r"\A(?:and|or|,|&)|\([A-J]\)", re.IGNORECASE)
_LETTERS_OF_OPTIONS = "ABCDEFGHIJ"
_NUMBER_WORDS: tuple[str, ...] = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen", "twenty"),
)
_NO_VALUE = frozenset(("does not exist", "dne", "undefined"))
_NO_SOLUTION = frozenset(
    (
        *("no solution", "no solutions", "no real solution", "no real solutions", "none"),
        *("empty set", "the empty set", "there is no solution", "there are no solutions"),
    )
)
_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_ALL = frozenset(("all real numbers", "all reals", "real numbers", "all real x", "all real values"))


def _special(text: str) -> Node | None:
    flat = " ".join(_BLANK.sub(" ", _WRAPPED_WORDS.sub(r" \1 ", text)).split())
    if len(flat) > 200:
        return None
    if flat.lower() in _YES_NO:
        return Text((_YES_NO[flat.lower()],))
    return _clock(flat) or _choice(flat) or _phrase(flat)


def _clock(flat: str) -> Node | None:
    found = _CLOCK.fullmatch(flat.lower())
    if found is None or (found[2] is None and "m" not in flat.lower()):
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    return Clock(hour, minute, found[3] or "") if hour < 25 and minute < 60 else None


def _choice(flat: str) -> Node | None:
    """`(C)`, `C)`, `C.`, `C`, `(C) 12`; a bare letter takes nothing after it."""
    found = _CHOICE.fullmatch(flat)
    if found is None:
        return None
    letter = (found[1] or found[2] or found[3]).upper()
    content = found[4].strip()
    if _ANOTHER_OPTION.search(content):
        return None
    bare = found[3] is not None and not content and found.end(3) == len(flat)
    if letter not in _LETTERS_OF_OPTIONS or (found[3] and content and flat[found.end(3)] == " "):
        return None
    if (content and (found[1] or "A").islower()) or (bare and letter in "IJ"):
        return None
    if not content:
        return Choice(letter, None)
    node = read(content)
    single = len(node.readings) == 1 and not isinstance(node.readings[0], Choice | Clock)
    if found[1] and not flat[found.end(1) + 1 : found.end(1) + 2].isspace():
        return None
    return Choice(letter, node.readings[0]) if single else None


def _phrase(flat: str) -> Node | None:
    lowered = flat.lower().strip(".!\"' ")
    if lowered in _NO_VALUE:
        return Text(("undefined",))
    if lowered in _NO_SOLUTION:
        return Text(("nothing",))
    if lowered in _ALL:
        return Reals()
    if lowered in _NUMBER_WORDS:
        return Number(Fraction(_NUMBER_WORDS.index(lowered)))
    is_word = len(flat) >= 3 or (len(flat) == 2 and flat.isupper())
    if is_word and flat.isalpha() and flat.isascii() and not _reads_as_function(lowered):
        return Text((flat,))
    return None


def _reads_as_function(word: str) -> bool:
    return word in ("infinity", "inf", "theta", "alpha", "beta")


_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|[0-9]+(?:\.[0-9]+)?")
_ARTICLES = frozenset(("a", "an", "the"))
_PUNCTUATION = frozenset(" .,;:!?'\"()-\n\t")


def words(text: str) -> Text | None:
    """A text as its words; None if there is more in it than words."""
    flat = _BLANK.sub(" ", _WRAPPED_WORDS.sub(r" \1 ", text))
    if not all(letter.isalnum() or letter in _PUNCTUATION for letter in flat):
        return None
    found = [word for word in _WORD.findall(flat) if word.lower() not in _ARTICLES]
    if not any(word[0].isalpha() and len(word) > 1 for word in found):
        return None
    return Text(tuple(found))


# --- mathematics ----------------------------------------------------------------------------------

_MONEY = re.compile(r"\\\$|[£€]")
_UNITS = {"\\$": "dollars", "£": "pounds", "€": "euros"}
_ABOUT = re.compile(
    r"\A(?:approximately|approx\.?|about|roughly|\\approx|\\sim|~)\s*", re.IGNORECASE
)
_NAMED = re.compile(r"\A(?:[A-Za-z' ]|\\(?:text|mathrm|mbox|textbf)\{[^{}]*\}){1,80}=\s*")


def _mathematics(cleaned: str, key: str) -> Answer:
    text = _dollars(cleaned)
    about = _ABOUT.match(text)
    text = text[about.end() :] if about else text
    named = _NAMED.match(text)
    if named and re.search(r"[A-Za-z]{4}", named[0].replace("text", "")):
        text = text[named.end() :]
    money = _MONEY.search(text)
    readings = parse(_MONEY.sub(" ", text))
    if money:
        readings = tuple(_paid(node, _UNITS[money[0]]) for node in readings)
    exact, approximate = zip(*map(_before_approximation, readings), strict=True)
    return Answer(
        key,
        exact,
        listed=_regrouped(text, "never"),
        grouped=_regrouped(text, "everywhere"),
        decimal=_decimal(text),
        approximate=about is not None or any(approximate),
    )


def _dollars(text: str) -> str:
    """A dollar sign before a digit is money unless it opens a formula."""
    if "$" not in text.replace("\\$", ""):
        return text
    bare = re.sub(r"(?<!\\)\$(?=[0-9.])", r"\\$", text)
    if "$" not in bare.replace("\\$", ""):
        return bare
    return re.sub(r"(?<!\\)\$", " ", text)


def _paid(node: Node, unit: str) -> Node:
    if isinstance(node, Sequence):
        return Sequence(node.open, node.close, tuple(_paid(item, unit) for item in node.items))
    if isinstance(node, Quantity | Relation | PlusMinus) or (
        isinstance(node, Function) and node.name in ("percent", "degree")
    ):
        return node
    return Quantity(node, unit)


def _before_approximation(node: Node) -> tuple[Node, bool]:
    """`5\\pi \\approx 15.7` says 5π; what follows only rounds it."""
    if not isinstance(node, Relation) or "~" not in node.signs:
        return node, False
    cut = node.signs.index("~")
    if cut == 0:
        return node.sides[isinstance(node.sides[0], Symbol)], True
    return Relation(node.sides[: cut + 1], node.signs[:cut]), True


def _regrouped(text: str, grouping: Grouping) -> Node | None:
    """The reading with other thousands, where there may be any."""
    if not re.search(r"[0-9],[0-9]{3}", text):
        return None
    try:
        readings = parse(_MONEY.sub(" ", text), commas_group=grouping)
    except Unreadable:
        return None
    return readings[0] if len(readings) == 1 else None


def _decimal(text: str) -> Node | None:
    found = re.fullmatch(r"(-?[0-9]{1,20}),([0-9]{1,20})", text)
    return Number(Fraction(f"{found[1]}.{found[2]}")) if found else None
