"""From an extracted answer to nodes: the fast path for numbers, phrases, mathematics, words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from cotgen.verifiers.mathematics import effort
from cotgen.verifiers.mathematics.labels import labelled
from cotgen.verifiers.mathematics.nodes import (
    Choice,
    Clock,
    Function,
    Node,
    Number,
    PlusMinus,
    Product,
    Quantity,
    Quotient,
    Relation,
    Sequence,
    Symbol,
    Unreadable,
    Verbatim,
)
from cotgen.verifiers.mathematics.parse import parse
from cotgen.verifiers.mathematics.phrases import (
    flat_words,
    in_figures,
    option,
    options,
    phrase,
    words,
)
from cotgen.verifiers.mathematics.signs import is_damaged, plain
from cotgen.verifiers.mathematics.spelling import Hit, in_millions, respelled, tidy, with_product
from cotgen.verifiers.mathematics.tokens import MAX_LENGTH, Grouping, tokenize, vocabulary
from cotgen.verifiers.mathematics.units import unit
from cotgen.verifiers.mathematics.wrappers import key_of, unwrap, without_lead


@dataclass(frozen=True, slots=True)
class Second:
    """A second reading, and what it proves if it equals the other side: `equal` or `undecided`.

    It proves as much as `in_gold` says where the gold has it, else as much as `in_answer` says.
    """

    node: Node
    in_gold: Hit
    in_answer: Hit


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its readings: none if it cannot be read, and `problem` says why.

    `listed` is the reading of `1,234` as two numbers, `grouped` that of `(1,234)` as one; `seconds`
    are readings such as that of `0,5` as one half. `approximate`: the text itself says that the
    value is rounded, so a difference proves little.
    """

    key: str
    readings: tuple[Node, ...] = ()
    listed: Node | None = None
    grouped: Node | None = None
    seconds: tuple[Second, ...] = ()
    approximate: bool = False
    problem: str = ""


_PLAIN_NUMBER = re.compile(r"\s*(-?)([0-9]{1,30})(?:\.([0-9]{1,30}))?\.?\s*")
_PLAIN_FRACTION = re.compile(r"(-?)\\[dt]?frac\{([0-9]{1,9})\}\{([0-9]{1,9})\}")


_DELIMITED = ("$", "\\")
"""How what may hide the ends of a text from `tidy` begins."""


def read(text: str) -> Answer:
    """Read an answer. Never raises: what cannot be read keeps its key, which can still be equal."""
    if (plainly := _read_plainly(text)) is not None:
        return plainly
    if len(text) > MAX_LENGTH:
        return Answer(" ".join(text.split()), problem=f"longer than {MAX_LENGTH} characters")
    if is_damaged(text):
        return Answer(text, problem="a control character is in it")
    spelled = plain(text)
    if spelled[:1] in _DELIMITED:
        spelled = unwrap(spelled)
    cleaned = without_lead(unwrap(tidy(spelled)))
    key = key_of(cleaned)
    if not cleaned:
        return Answer("", problem="nothing is there")
    try:
        with effort.limited(effort.READING):
            return _meant(cleaned, key)
    except effort.Exhausted as error:
        return Answer(key, problem=str(error))
    except RecursionError:
        return Answer(key, problem="nested too deeply")


def _meant(cleaned: str, key: str) -> Answer:
    flat = flat_words(cleaned)
    said = _said(flat, key)
    if said is not None:
        return said
    parts = labelled(cleaned)
    if parts and (several := _in_parts(parts, key)) is not None:
        return several
    twice = _said_twice(flat) if flat.endswith(")") else None
    try:
        return _mathematics(twice or cleaned, key)
    except Unreadable as error:
        return _in_words(cleaned, flat, key, str(error))


def _read_plainly(text: str) -> Answer | None:
    """What most answers are needs no parser."""
    found = _PLAIN_NUMBER.fullmatch(text)
    if found is not None:
        return _number(*found.groups())
    found = _PLAIN_FRACTION.fullmatch(text) if text.endswith("}") else None
    return found and _fraction(*found.groups())


def _number(sign: str, whole: str, places: str | None) -> Answer:
    """What most answers are: an integer or a short decimal, which needs no parser."""
    if places is None:
        value = Fraction(int(sign + whole))
        return Answer(f"{sign}{whole}", (Number(value),))
    value = Fraction(int(f"{sign}{whole}{places}"), 10 ** len(places))
    seconds: tuple[Second, ...] = ()
    if len(places) == 3 and 0 < len(whole) < 4 and whole[0] != "0":
        seconds = (Second(Number(value * 1000), "", "undecided"),)
    return Answer(f"{sign}{whole}.{places}", (Number(value),), seconds=seconds)


def _fraction(sign: str, over: str, under: str) -> Answer:
    """What most other answers are, as the parser reads it."""
    node: Node = Quotient(Number(Fraction(int(over))), Number(Fraction(int(under))))
    if sign:
        node = Product((Number(Fraction(-1)), node))
    return Answer(f"{sign}\\frac{{{over}}}{{{under}}}", (node,))


# --- phrases and words ----------------------------------------------------------------------------


def _said(flat: str, key: str) -> Answer | None:
    """The answer where the whole of it is a phrase, or an option with its text."""
    if not any(letter.isalpha() or letter in ":-/'_" for letter in flat):
        return None
    meaning = phrase(flat)
    if meaning is not None:
        second = meaning.perhaps
        return Answer(
            key,
            (meaning.node,) if meaning.other is None else (meaning.node, meaning.other),
            seconds=() if second is None else (Second(second, "undecided", "undecided"),),
        )
    several = options(flat)
    if several:
        items = tuple(Choice(letter, None) for letter in several)
        return Answer(key, (Sequence("", "", items),))
    chosen = option(flat)
    if chosen is None:
        return None
    if not chosen.content:
        return Answer(key, (Choice(chosen.letter, None),))
    content = read(chosen.content)
    if len(content.readings) == 1 and not isinstance(content.readings[0], Choice | Clock):
        return Answer(key, (Choice(chosen.letter, content.readings[0]),))
    return None


def _in_words(cleaned: str, flat: str, key: str, problem: str) -> Answer:
    """What is no formula may begin with a number in words, or say one value twice."""
    row = _row(flat, key)
    if row is not None:
        return row
    for other in (in_figures(flat), _with_unit_in_brackets(flat)):
        if other is not None:
            try:
                return _mathematics(other, key)
            except Unreadable:
                continue
    text = words(cleaned)
    return Answer(key, () if text is None else (text,), problem=problem)


def _in_parts(parts: list[str], key: str) -> Answer | None:
    """Labelled parts as values under names; `x = 3` behind a label says 3."""
    items: list[Node] = []
    for number, part in enumerate(parts, 1):
        node = _single(part)
        if node is None:
            return None
        items.append(Relation((Symbol(f"part {number}"), node), ("=",)))
    return Answer(key, (Sequence("", "", tuple(items)),))


def _single(part: str) -> Node | None:
    readings = read(part).readings
    if len(readings) != 1:
        return None
    match readings[0]:
        case Relation((Symbol(), value), ("=",)):
            return value
        case node:
            return node


_ROW = re.compile(r"[0-9]{1,9}(?: [0-9]{1,9}){1,30}")
_LISTED = 3
"""So many numbers side by side are listed, not multiplied."""


def _row(flat: str, key: str) -> Answer | None:
    """`1 2 3`: the number 123, a product or, where it meets a list, that list."""
    if not _ROW.fullmatch(flat):
        return None
    numbers = tuple(Number(Fraction(part)) for part in flat.split())
    readings = (Number(Fraction(flat.replace(" ", ""))), Product(numbers))
    listed: Hit = "equal" if len(numbers) >= _LISTED else "undecided"
    return Answer(key, readings, seconds=(Second(Sequence("", "", numbers), listed, listed),))


_TWICE = re.compile(r"([^()]{1,80}) \(([^()]{1,80})\)")


def _said_twice(flat: str) -> str | None:
    """`twelve (12)` and `12 (twelve)` say 12 where both parts are the same number."""
    found = _TWICE.fullmatch(flat)
    if found is None:
        return None
    one, two = read(found[1]), read(found[2])
    if not (one.readings and one.readings == two.readings and isinstance(one.readings[0], Number)):
        return None
    return found[1] if found[1][:1].isdigit() else found[2]


_IN_BRACKETS = re.compile(r"([^()]{1,80}?) ?\( ?([A-Za-z ]{1,30}?)((?: ?\^ ?\{?[23]\}?)?) ?\)")
_ONLY_UNITS = ("unit", "units", "square units", "cubic units", "sq units")


def _with_unit_in_brackets(flat: str) -> str | None:
    """`42 (cm)` as `42 cm`; other words in brackets may take back what stands before them."""
    found = _IN_BRACKETS.fullmatch(flat)
    if found is None or not (unit(found[2]).known or found[2] in _ONLY_UNITS):
        return None
    return f"{found[1]} \\text{{{found[2]}}}{found[3]}"


# --- mathematics ----------------------------------------------------------------------------------

_MONEY = re.compile(r"(?:US|U\.S\.|A|C)? ?\\\$|[£€¥₹]|\b(?:USD|EUR|GBP|INR|Rs\.?)(?= ?[0-9.])")
_UNITS = {
    "£": "sterling",
    "€": "euros",
    "¥": "yen",
    "₹": "rupees",
    "EUR": "euros",
    "GBP": "sterling",
    "INR": "rupees",
    "Rs": "rupees",
    "Rs.": "rupees",
}
_ABOUT = re.compile(
    r"\A(?:(?:\\text ?\{ ?)?(?:approximately|approx\.?|about|roughly|around|nearly)"
    r"(?: equal to)?(?: ?\})?|\\approx|\\sim|~)(?![A-Za-z])\s*",
    re.IGNORECASE,
)
_ABOUT_BEHIND = re.compile(
    r"(?<=[0-9}]) ?(?:\\text ?\{ ?)?\(?(?:approximately|approx\.?|rounded|roughly)\)? ?\}?\Z",
    re.IGNORECASE,
)
_ENDS_OF_ABOUT = (")", "}", "y", "x", "x.", "d")
_NAMED = re.compile(
    r"\A(?:[A-Za-z' ]|\\(?:text|mathrm|mbox|textbf)\{[^{}]*\}){1,80}(?:=|\\approx(?![A-Za-z]))\s*"
)
_CALLED = re.compile(
    r"\A(?:\\text ?\{ ?)?(?:the )?(?:(?:total )?number of [a-z]{1,20}"
    r"|domain|range|solutions?|solution set|area|perimeter"
    r"|volume|slope|cent(?:er|re)|radius|vertex|minimum|maximum|roots?|zeros?|total|probability|sum"
    r"|product|length|distance|interval|vertices|foci|intercepts?)"
    r"(?: ?:(?: ?\})?| ?\} ?:| is(?: ?\})? ?(?=[-$\\(0-9]))\s*",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"\A(?:\\text ?\{ ?)?(?:there (?:are|is|were|will be)(?: exactly| only| a total of)?|ans[.:])"
    r" ?(?:\} ?)?(?=[-$\\(0-9])",
    re.IGNORECASE,
)
_ANGLE = re.compile(r"\Am? ?\\angle ?\{?[A-Z]{1,3}\}? ?= ?")
_CHANCE = re.compile(
    r"\A(?:\\Pr|P(?= ?(?:\\left)? ?\([^=]{0,60}\\text)) ?(?:(?:\\left)? ?\([^()=]{1,80}\))? ?= ?"
)
"""`\\Pr =`, or P of an event that is told in words."""
_LAST_SIGN = re.compile(r"(?:\\?%|\^ ?(?:\\circ|\{ ?\\circ ?\}) ?)\Z")


_PER = re.compile(r"(?<=[0-9]) ?/ ?([A-Za-z]{3,10})(?![A-Za-z])")


def _per(found: re.Match[str]) -> str:
    """`5/hour` is a rate, unlike `5/sin x`."""
    return f" per {found[1]}" if unit(found[1]).known else found[0]


def _mathematics(cleaned: str, key: str) -> Answer:
    text = in_millions(_dollars(cleaned))
    if "/" in text:
        text = _PER.sub(_per, text)
    text, about = _without_about(text)
    text, approximate = _without_name(text)
    readings = _parsed(with_product(text))
    exact, seconds = zip(*map(_before_approximation, readings), strict=True)
    return Answer(
        key,
        tuple(node for node, _ in exact),
        listed=_regrouped(text, "never"),
        grouped=_regrouped(text, "everywhere"),
        seconds=(*_seconds(text), *(each for each in seconds if each is not None)),
        approximate=about or approximate or any(rounded for _, rounded in exact),
    )


def _without_about(text: str) -> tuple[str, bool]:
    """The value in `about 5` or `5 (approximately)`; true if it is only approximate."""
    about = _ABOUT.match(text)
    text = text[about.end() :] if about else text
    behind = _ABOUT_BEHIND.search(text) if text.endswith(_ENDS_OF_ABOUT) else None
    return text[: behind.start()] if behind else text, about is not None or behind is not None


def _without_name(text: str) -> tuple[str, bool]:
    """The value in `Total cost = 5` or `\\angle A = 45`; true if it is only approximate."""
    called = _CALLED.match(text) if ":" in text[:40] or " is" in text[:40] else None
    if called and ":" not in text[called.end() :]:
        return text[called.end() :], False
    lead = _LEAD.match(text)
    if lead:
        return text[lead.end() :], False
    named = _NAMED.match(text)
    if named and re.search(r"[A-Za-z]{4}", named[0].replace("text", "").replace("approx", "")):
        return text[named.end() :], "\\approx" in named[0]
    angle = _ANGLE.match(text) if "\\angle" in text else _CHANCE.match(text)
    return (text[angle.end() :] if angle else text), False


_NUMBER_STARTS = frozenset("+-.0123456789")


def _parsed(text: str, grouping: Grouping = "outside") -> tuple[Node, ...]:
    """All readings of a text, with its currency and its percent sign around what they hold."""
    last = _LAST_SIGN.search(text) if text[:1] in _NUMBER_STARTS else None
    if last is not None:
        # A sign at the end holds for the whole of a mixed or negative number.
        nodes = parse(text[: last.start()], commas_group=grouping)
        if all(isinstance(node, Number) for node in nodes):
            name = "percent" if "%" in last[0] else "degree"
            return tuple(Function(name, (node,)) for node in nodes)
    money = _MONEY.search(text)
    if money is None:
        return parse(text, commas_group=grouping)
    currency = _UNITS.get(money[0].strip(), "dollars")
    nodes = parse(_MONEY.sub(" ", text), commas_group=grouping)
    return tuple(_paid(node, currency) for node in nodes)


def _dollars(text: str) -> str:
    """A dollar sign before a digit is money unless it opens a formula."""
    if "$" not in text.replace("\\$", ""):
        return text
    bare = re.sub(r"(?<!\\)\$(?=-?[0-9.])", r"\\$", text)
    if "$" not in bare.replace("\\$", ""):
        return bare
    return re.sub(r"(?<!\\)\$", " ", text)


_CURRENCY_WORDS = vocabulary("dollar dollars usd euro euros pounds rupees yen bucks")


def _paid(node: Node, currency: str) -> Node:
    if isinstance(node, Sequence):
        return Sequence(node.open, node.close, tuple(_paid(item, currency) for item in node.items))
    if isinstance(node, Quantity):
        said_twice = node.unit in _CURRENCY_WORDS
        return Quantity(node.value, currency if said_twice else f"{currency} {node.unit}")
    if isinstance(node, Relation | PlusMinus) or (
        isinstance(node, Function) and node.name in ("percent", "degree")
    ):
        return node
    return Quantity(node, currency)


def _before_approximation(node: Node) -> tuple[tuple[Node, bool], Second | None]:
    """`5\\pi \\approx 15.7` says 5π, and 15.7 only rounds it; `x \\approx 5` is a rounded 5."""
    if not isinstance(node, Relation) or "~" not in node.signs:
        return (node, False), None
    cut = node.signs.index("~")
    last = Second(node.sides[-1], "", "undecided")
    if cut == 0:
        named = isinstance(node.sides[0], Symbol)
        return (node.sides[named], named), None if named else last
    return (Relation(node.sides[: cut + 1], node.signs[:cut]), False), last


_GROUPED = re.compile(r"[^0-9]{0,9}[0-9]{1,3}(?:,[0-9]{3})+[^0-9]{0,40}")
_ENDS_GROUPED = re.compile(r"[0-9],[0-9]{3}(?![0-9]|,[0-9])")
"""How every number ends whose commas may be read in two ways; in most long lists there is none."""
_MAX_REGROUPED = 1_000
"""Parts of a text that is parsed once more; of a longer one it is only known that it differs."""


def _regrouped(text: str, grouping: Grouping) -> Node | None:
    """The reading with other thousands, where there may be any."""
    if not _ENDS_GROUPED.search(text):
        return None
    if grouping == "never" and ",0" in text and _GROUPED.fullmatch(text):
        # Nobody lists 4 as 004.
        return None
    try:
        usual, other = (tokenize(text, commas_group=each) for each in ("outside", grouping))
        if usual == other:
            return None
        if len(other) > _MAX_REGROUPED:
            return Verbatim((text,))
        readings = _parsed(text, grouping)
    except Unreadable:
        return None
    return readings[0] if len(readings) == 1 else None


def _seconds(text: str) -> tuple[Second, ...]:
    """Second readings of numbers that are spelled in one way for two values."""
    found: list[Second] = []
    for other in respelled(text):
        try:
            nodes = _parsed(other.text)
        except Unreadable:
            continue
        found.extend(Second(node, other.in_gold, other.in_answer) for node in nodes)
    return tuple(found)
