"""Compare answers in words. Other words may mean the same: only words of one closed kind differ."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from fractions import Fraction

from cotgen.verifiers.mathematics.dates import MONTHS, WEEKDAYS, calendar_word
from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Matrix,
    Node,
    Number,
    Quantity,
    Reals,
    Relation,
    Sequence,
    Symbol,
    Text,
)
from cotgen.verifiers.mathematics.tokens import vocabulary


def compare_texts(one: Text, two: Text) -> Decision:
    """The same words are equal; words of one closed kind, and a word and its negation, differ."""
    first, second = _canonical(one), _canonical(two)
    if first == second or _same_letters(first, second) or _same_members(first, second):
        return equal("text")
    if {first, second} <= {("none",), ("nothing",)}:
        return equal("text")
    if _negated(first, second) or _negated(second, first):
        return different("text", "one denies what the other says")
    for short, long in ((first, second), (second, first)):
        decision = _one_word_beside(short, long)
        if decision is not None:
            return decision
    if len(first) != len(second):
        return _other_length(first, second)
    differing = [at for at, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    if len(differing) > 1 or not _ABOUT.isdisjoint(first):
        return undecided("text", "other words may mean the same")
    at = differing[0]
    return _compare_words(
        one.words[at], two.words[at], first[at], second[at], alone=len(first) == 1
    )


_ABOUT = frozenset(("about", "approximately", "approx", "around", "roughly", "nearly", "almost"))


def _canonical(text: Text) -> tuple[str, ...]:
    folded = (word if word.isascii() else _without_accents(word) for word in text.words)
    words = tuple(_SPELLINGS.get(word, word) for word in map(calendar_word, folded))
    if len(words) == 2 and words[1] == "quadrant" and words[0] in _QUADRANTS:
        return ("quadrant", _QUADRANTS[words[0]])
    on_a_day = len(words) == 2 and words[0] in ("on", "in") and words[1] in _CALENDAR
    return words[1:] if on_a_day else words


_QUADRANTS = {"first": "i", "second": "ii", "third": "iii", "fourth": "iv"}


def _without_accents(word: str) -> str:
    """Letters of the Latin alphabet without what stands above or below them."""
    parts = unicodedata.normalize("NFKD", word)
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    return plain if plain.isascii() else word


_CALENDAR = frozenset((*WEEKDAYS, *MONTHS))


_SPELLINGS = {
    "centre": "center",
    "colour": "color",
    "grey": "gray",
    "metre": "meter",
    "litre": "liter",
    "&": "and",
    "counterclockwise": "anticlockwise",
    "rhombi": "rhombuses",
}


def _same_letters(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """`right-angled` and `rightangled`; short words may run together into another one."""
    joined = "".join(one)
    return len(one) != len(two) and joined == "".join(two) and joined.isalpha() and len(joined) > 5


def _same_members(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """`Alice and Bob` in either order."""
    if "respectively" in one + two:
        return False
    known = [sorted(word for word in words if word != "and") for words in (one, two)]
    if len(known[0]) > 1 and {*known[0], *known[1]} <= _LISTABLE:
        return known[0] == known[1]
    if len(one) != len(two):
        return False
    pairs = _pairs(one), _pairs(two)
    if all(pairs):
        return pairs[0] == pairs[1]
    return "and" in one and Counter(_members(one)) == Counter(_members(two))


def _pairs(words: tuple[str, ...]) -> set[tuple[str, str]]:
    """Who has what in `Anna: 5, Ben: 7`, where each is named once."""
    rest = [word for word in words if word != "and"]
    names, numbers = rest[::2], rest[1::2]
    known = len(names) == len(numbers) == len(set(names)) > 1 and all(map(str.isalpha, names))
    if not known or not all(map(_FIGURES.fullmatch, numbers)):
        return set()
    return set(zip(names, numbers, strict=True))


def _members(words: tuple[str, ...]) -> list[str]:
    return " ".join(words).split(" and ")


_PREFIXES = ("non", "un", "in", "im", "ir", "il", "dis", "semi", "anti", "counter")


def _negated(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """`not prime` or `non-positive` beside the word itself."""
    if one[0] in ("not", "non", "never") and one[1:] == two:
        return True
    if len(one) != 1 or len(two) != 1 or len(two[0]) < 4:
        return False
    return any(one[0] == prefix + two[0] for prefix in _PREFIXES)


_ANSWERS = frozenset(("yes", "no"))
_HEDGES = frozenset(("maybe", "perhaps", "possibly", "unknown", "unsure", "uncertain", "depends"))
_DENIALS = frozenset(("not", "never", "cannot", "can't", "isn't", "doesn't", "don't", "aren't"))
_NO_DENIAL = frozenset(("doubt", "problem", "matter"))
_EXISTS = frozenset(("exists", "exist", "defined"))


def _one_word_beside(short: tuple[str, ...], long: tuple[str, ...]) -> Decision | None:
    """One word beside an answer that hedges, that denies it, or that says it with a reason."""
    if len(short) != 1:
        return None
    word = short[0]
    if word == "undefined" and len(long) == 1 and long[0] in _EXISTS:
        return different("text", "one denies what the other says")
    if long[0] == "neither" and len(long) > 1:
        if word == "neither":
            return equal("text") if "nor" in long else None
        return different("text", "one denies what the other says") if word in long else None
    return _beside_yes_or_no(word, long) if word in _ANSWERS else None


def _beside_yes_or_no(word: str, long: tuple[str, ...]) -> Decision | None:
    """`yes` beside `Yes, it is`; beside `no` with words behind; beside what commits to neither."""
    if {*long} & _HEDGES or ({*long} >= _ANSWERS and len(long) == len(["yes", "or", "no"])):
        return different("text", "no commitment to yes or no")
    if long[0] not in _ANSWERS or len(long) == 1 or long[1] in _NO_DENIAL:
        return None
    if long[0] != word:
        return different("text", "another answer")
    rest = {*long[1:]}
    denied = bool(rest & _DENIALS)
    doubtful = rest & {"yes", "no", "but", "if", "or", "unless", "except"}
    return equal("text") if not doubtful and denied == (word == "no") else None


def _other_length(one: tuple[str, ...], two: tuple[str, ...]) -> Decision:
    if {one, two} <= _SOLUTIONS:
        return different("text", "another number of solutions")
    for short, long in ((one, two), (two, one)):
        if len(short) == 1 and len(long) == 2 and long[0] in _HEADED and _is_roman(short[0]):
            same = long[1] == short[0]
            return equal("text") if same else different("text", "another number or letter")
    if _is_one_of(one, two) or _is_one_of(two, one):
        return different("text", "one name instead of several")
    for short, long in ((one, two), (two, one)):
        if long[:-1] == short and long[-1] in _HEADS and short[-1] in _ADJECTIVES:
            return equal("text")
    return undecided("text", "other words may mean the same")


_HEADED = vocabulary("quadrant statement graph case figure plan team")


def _is_roman(word: str) -> bool:
    """The number in `quadrant II`, which may stand alone."""
    return re.fullmatch(r"[ivx]{1,4}", word) is not None


def _is_one_of(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """`Alice` of `Alice and Bob`, where both are known as names."""
    return one[0] in _NAMES and len(one) == 1 and set(_members(two)) <= _NAMES and one[0] in two


_HEADS = vocabulary("function number integer triangle angle series sequence variables events")
_ADJECTIVES = vocabulary(
    "odd even prime composite rational irrational positive negative linear quadratic cubic "
    "exponential logarithmic scalene isosceles equilateral acute right obtuse convergent divergent "
    "increasing decreasing dependent independent continuous discontinuous"
)
"""`odd` and `odd function` say the same."""
_SOLUTIONS = {("nothing",), ("infinitely", "many")}


def _compare_words(one: str, two: str, first: str, second: str, *, alone: bool) -> Decision:
    """Two single words as they were written, and as they are compared."""
    if alone and one.isupper() and two.isupper() and min(len(one), len(two)) > 2:
        return different("text", "other letters")
    if _are_labels(one, two):
        return different("text", "another number or letter")
    if any(first in kind and second in kind for kind in _KINDS):
        return different("text", "another word of its kind")
    if one[0].isupper() and two[0].isupper() and (first in _NAMES) + (second in _NAMES):
        if first[:3] != second[:3] or (_is_full(first) and _is_full(second)):
            return different("text", "another name")
        return undecided("text", "a name that begins like the other")
    if Counter(first) == Counter(second):
        return undecided("text", "the same letters may be a product")
    return undecided("text", "another word may mean the same")


def _is_full(name: str) -> bool:
    """Whether a name is known and is short for no other."""
    return name in _NAMES and name not in _SHORT


_FIGURES = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_LABELS = (re.compile(r"[A-Z]"), re.compile(r"[IVX]{1,5}"), re.compile(r"[xyz]"))


def _are_labels(one: str, two: str) -> bool:
    """`Room 15` and `Room 1.5`, `Plan A` and `Plan B`, `quadrant II` and `III`, x- and y-axis."""
    if _FIGURES.fullmatch(one) and _FIGURES.fullmatch(two):
        return Fraction(one) != Fraction(two)
    return any(label.fullmatch(one) and label.fullmatch(two) for label in _LABELS)


def _kinds(lines: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(line.split()) for line in lines.strip().splitlines())


_KINDS = (
    frozenset(WEEKDAYS),
    frozenset(MONTHS),
    *_kinds("""
yes no
all none
even odd neither
either neither both
north south east west
northeast northwest southeast southwest
left right
up down
top bottom
above below
clockwise anticlockwise
horizontal vertical
positive negative zero
increasing decreasing constant
increase decrease
maximum minimum
rational irrational
prime composite
convergent divergent
converges diverges
converge diverge
always sometimes never
possible impossible
linear quadratic cubic quartic quintic exponential logarithmic
circle ellipse parabola hyperbola line point
square rectangle rhombus parallelogram trapezoid kite
triangle square pentagon hexagon heptagon octagon nonagon decagon circle
triangle rectangle circle pentagon hexagon
scalene isosceles
scalene equilateral
acute right obtuse
cube sphere cone cylinder pyramid
sphere cone cylinder tetrahedron
sphere cone cylinder prism
red orange yellow green blue purple black white brown pink gray
spring summer autumn winter
heads tails
win lose draw
mercury venus earth mars jupiter saturn uranus neptune
hearts spades diamonds clubs
penny nickel dime quarter
greater less equal
more less
before after
same different
inside outside
parallel perpendicular
sine cosine tangent
mean median mode range
dependent independent
open closed
concave convex
continuous discontinuous
true false
pass fail
boy girl
mother father sister brother
dog cat bird fish horse cow pig sheep
apple banana cherry grape lemon pear
"""),
)
_NAMES = vocabulary(
    "aaron adam aisha alan alex alexander alice amanda amy andrea andrew angela anita ann anna "
    "anne anthony barbara ben benjamin beth betty bill billy bob bobby brandon brenda brian "
    "briana bruce carl carla carlos carol caroline cathy charles charlie charlotte chloe "
    "chris christina christine christopher cindy claire clara dana daniel danny dave david "
    "debbie debra dennis derek diana diane donald donna dora doris dylan edward eleanor elena "
    "elizabeth ella ellen emily emma eric erica erin ethan eva evan eve evelyn fiona frank "
    "fred gary george gina grace greg hannah harry heather helen henry holly ian irene isaac "
    "isabel isabella jack jackie jacob james jamie jane janet jason jean jeff jennifer jenny "
    "jeremy jerry jesse jessica jill jim jimmy joan joe joel john johnny jonathan jordan jose "
    "joseph josh joshua joyce juan judy julia julian julie justin karen kate katherine kathy "
    "katie keith kelly ken kenneth kevin kim kyle larry laura lauren leah leo leon lily linda "
    "lisa liz louis lucas lucy luis luke lynn mandy marcus margaret maria marie mark martha "
    "martin mary matt matthew max megan melissa mia michael michelle mike mohammed molly "
    "nancy naomi natalie nathan navin neil nick nicole noah nora olivia oscar pamela patricia "
    "patrick paul paula pedro peggy peter phil philip rachel ralph raymond rebecca richard "
    "rick rita robert robin roger ron ronald rosa rose roy ruth ryan sally sam samantha "
    "samuel sandra sara sarah scott sean sharon sheila simon sofia sophia sophie stacy stella "
    "stephanie stephen steve steven sue susan suzanne sylvia tara ted teresa terry theresa "
    "thomas tiffany tim timothy tina todd tom tommy tony tracy tyler vanessa veronica victor "
    "victoria vincent violet virginia walter wendy will william zach zoe "
)


_SHORT = vocabulary(
    "alex anne barb ben bill bob brad chris chrissy cindy dan danny dave deb debbie don ed eddie "
    "fran fred greg hank jack jan jen jenny jess jim jimmy joe joey johnny jon josh kat kate "
    "kathy katie ken kim larry liz maggie matt max meg mel mike mick nate nick pam pat pete phil "
    "rich rick rob ron sally sam sara sandy steph steve stu sue ted theo tim timmy tom tommy tony "
    "tori val vic vicky vince will zach"
)
"""Names that may be short for others, as Dan is for Daniel."""


_LISTABLE = _NAMES | frozenset((*WEEKDAYS, *MONTHS))
"""Words that need no comma between them to be several."""


_UNDETERMINED = {
    ("cannot", "be", "determined"),
    ("can", "not", "be", "determined"),
    ("can't", "be", "determined"),
    ("it", "cannot", "be", "determined"),
    ("impossible", "to", "determine"),
    ("not", "enough", "information"),
    ("insufficient", "information"),
}


def _is_value(relation: Relation) -> bool:
    """`x = 0`."""
    match relation:
        case Relation((Symbol(), Number()), ("=",)):
            return True
        case _:
            return False


def word_beside(text: Text, other: Node, *, in_gold: bool) -> Decision:
    """Words beside a value: only words that deny every value are proven to differ from one."""
    words = tuple(word.casefold() for word in text.words)
    if words in _UNDETERMINED and isinstance(other, Number | Sequence | Matrix | Quantity):
        return different("text", "one of them says that there is no telling")
    if words == ("infinitely", "many"):
        finite = isinstance(other, Number) or (isinstance(other, Sequence) and bool(other.items))
        if finite:
            return different("text", "one of them says: infinitely many")
    if words not in (("nothing",), ("none",), ("undefined",)):
        return undecided("text", "words beside a formula")
    return _denial_beside(words, other, in_gold=in_gold)


def _denial_beside(words: tuple[str, ...], other: Node, *, in_gold: bool) -> Decision:
    """That there is no value, beside one."""
    empty = isinstance(other, Sequence) and other.open == "{" and not other.items
    if empty:
        return equal("text") if words != ("undefined",) else undecided("text", "no value or no set")
    # Whoever asks for a number of solutions has 0 as the gold.
    counted = not (in_gold and words == ("nothing",)) and words != ("undefined",)
    if counted and isinstance(other, Number) and other.value == 0:
        return undecided("text", "none may be counted as zero")
    if isinstance(other, Relation) and _is_value(other):
        return different("text", "one of them has no value")
    if isinstance(other, Number | Sequence | Matrix | Reals | Quantity):
        said = "undefined" if words == ("undefined",) else "none"
        return different("text", f"one of them says: {said}")
    if isinstance(other, Constant) and other.name != "oo":
        return different("text", "one of them has no value")
    return undecided("text", "words beside a formula")
