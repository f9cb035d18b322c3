"""Choices, times of day, words and digits with a base: what is compared as it is written."""

from __future__ import annotations

import re
from fractions import Fraction

from cotgen.verifiers.mathematics.compare_quantities import ratios
from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import (
    Based,
    Choice,
    Clock,
    Constant,
    Node,
    Number,
    Quotient,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Text,
)
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.wording import compare_texts, word_beside


def choices(one: Node, two: Node, judge: Judge) -> Decision | None:
    match one, two:
        case Choice(letter, first), Choice(other, second):
            if letter != other:
                return different("choice", f"option {other} instead of {letter}")
            if first is None or second is None or judge(first, second).finding == "equal":
                return equal("choice")
            return undecided("choice", "the same letter with another text")
        case (Choice(letter, None), other) | (other, Choice(letter, None)):
            if other in _spellings(letter, in_gold=other is two):
                return equal("choice")
            if _is_more_or_denied(letter, other):
                return different("choice", "several options, or the denial of one")
            return undecided("choice", "a letter alone does not tell what it stands for")
        case (Choice(), Sequence(_, _, items)) | (Sequence(_, _, items), Choice()) if len(
            items
        ) > 1 and all(isinstance(item, Choice) for item in items):
            return different("choice", "several options beside one")
        case (Choice(_, content), other) if content is not None:
            return judge(content, other)
        case (other, Choice(_, content)) if content is not None:
            return judge(other, content)
    return None


def _spellings(letter: str, *, in_gold: bool) -> tuple[Node, ...]:
    """A small e is the letter of an option if the gold is one, else it may be a number."""
    small = Symbol(letter.lower() if letter in "ABCDE" else letter)
    named: tuple[Node, ...] = (Symbol(letter), small)
    return (*named, Constant("e")) if in_gold and letter == "E" else named


def letters(one: Node, two: Node, _: Judge) -> Decision | None:
    """`AC` as the options A and C, beside a list of options."""
    for several, other in ((one, two), (two, one)):
        match several, other:
            case Text((word,)), Sequence("" | "{", _, items) if _OPTIONS.fullmatch(word):
                found = sorted(_letter(item) for item in items)
                if "" not in found and len(set(word)) == len(word):
                    same = found == sorted(word)
                    return equal("choice") if same else different("choice", "other options")
    return None


def _letter(node: Node) -> str:
    match node:
        case Choice(letter, None) | Symbol(letter) if len(letter) == 1:
            return letter
        case _:
            return ""


_OPTIONS = re.compile(r"[A-E]{2,5}")


def _is_more_or_denied(letter: str, other: Node) -> bool:
    """`CD` and `not D` beside an option."""
    match other:
        case Text(("not", denied)):
            return denied.upper() == letter
        case Text((several,)):
            distinct = len(set(several)) == len(several)
            return _OPTIONS.fullmatch(several) is not None and distinct
        case _:
            return False


def clocks(one: Node, two: Node, judge: Judge) -> Decision | None:
    if not (isinstance(one, Clock) and isinstance(two, Clock)):
        return _clock_beside(one, two, judge)
    same_face = (one.hour % 12, one.minute) == (two.hour % 12, two.minute)
    if not same_face:
        return _not_a_ratio(one, two)
    halves = {half for half in map(_half, (one, two)) if half}
    if len(halves) == 2:
        return different("time", "the other half of the day")
    exact = one.hour == two.hour or all(map(_half, (one, two)))
    return equal("time") if exact else undecided("time", "12 hours or 24 hours")


def _half(clock: Clock) -> str:
    if clock.half:
        return clock.half
    return "a" if clock.hour in (0, 24) else "p" if clock.hour > 12 else ""


def _not_a_ratio(one: Clock, two: Clock) -> Decision:
    """`4:30` is a time, but might be a ratio too, and then equals `2:15`."""
    proportional = one.hour * two.minute == two.hour * one.minute
    if proportional and one.minute and one.hour and not one.half + two.half:
        return undecided("time", "equal as ratios, not as times")
    return different("time", "another time")


_ZERO = Number(Fraction(0))


def _clock_beside(one: Node, two: Node, judge: Judge) -> Decision | None:
    for clock, other in ((one, two), (two, one)):
        if isinstance(clock, Clock) and isinstance(other, Ratio) and not clock.half:
            if _ZERO in other.items:
                return different("time", "no such time")
            items = tuple(Number(Fraction(part)) for part in (clock.hour, clock.minute))
            return ratios(Ratio(items), other, judge)
        if isinstance(clock, Clock) and (value := _value(other)) is not None:
            return _clock_beside_number(clock, value)
        if isinstance(clock, Clock) and not isinstance(other, Relation):
            return undecided("time", "a time beside something else")
    return None


def _value(node: Node) -> Fraction | None:
    match node:
        case Number(value):
            return value
        case Quotient(Number(over), Number(under)) if under:
            return over / under
        case _:
            return None


def _clock_beside_number(clock: Clock, value: Fraction) -> Decision:
    """`1:30` may be a ratio, 1.5 hours or 90 minutes, and `3 PM` or `3:00` simply 3."""
    hour, minute = clock.hour, clock.minute
    meanings = {hour + Fraction(minute, 60), Fraction(60 * hour + minute)}
    meanings |= {hour % 12 + Fraction(minute, 60)} if clock.half else set()
    meanings |= {Fraction(hour, minute)} if minute and not clock.half else set()
    if value in meanings:
        return undecided("time", "a time beside a number that may mean it")
    return different("time", "a number that is not this time")


def texts(one: Node, two: Node, _: Judge) -> Decision | None:
    if isinstance(one, Text) and isinstance(two, Text):
        return compare_texts(one, two)
    for text, other in ((one, two), (two, one)):
        if not isinstance(text, Text):
            continue
        return word_beside(text, other, in_gold=text is one)
    return None


def bases(one: Node, two: Node, judge: Judge) -> Decision | None:
    match one, two:
        case (Based(digits, 10), Number() as other) | (Number() as other, Based(digits, 10)):
            return judge(Number(Fraction(int(digits))), other)
        case Based(digits, base), Based(others, other):
            if base == other:
                same = digits.lower() == others.lower()
                return equal("exact") if same else different("exact", "other digits")
            try:
                same = int(digits, base) == int(others, other)
            except ValueError:
                return undecided("exact", "digits that the base does not have")
            if same:
                return undecided("exact", "the same number in another base")
            return different("exact", "another number in another base")
        case (Based(digits, base), Number(value)) | (Number(value), Based(digits, base)):
            try:
                same = value == int(digits, base) or str(value) == digits
            except ValueError:
                same = True
            if same:
                return undecided("exact", "only one of them names its base")
            return different("exact", "another number")
    return None
