"""Dates and times of day: `July 4, 2020`, `4 July`, `2020-07-04`, `half past four`, `noon`."""

from __future__ import annotations

import re
from calendar import weekday
from datetime import date

from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import Clock, Date, Node
from cotgen.verifiers.mathematics.numerals import numeral, ordinal
from cotgen.verifiers.mathematics.rules import Judge

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_SHORT_MONTHS = {month[:3]: number for number, month in enumerate(MONTHS, 1)} | {"sept": 9}
_WEEKDAY = re.compile(rf"(?:({'|'.join(WEEKDAYS)})|({'|'.join(d[:3] for d in WEEKDAYS)})\b\.?),? ")
_LONGEST = 60
_DAY = r"([0-9]{1,2})(?:st|nd|rd|th)?"
_MONTH = r"([a-z]{3,9})\.?"
_YEAR = r"([0-9]{4})"
_WRITTEN = (
    (re.compile(rf"{_MONTH} {_DAY}(?:,? {_YEAR})?"), "mdy"),
    (re.compile(rf"(?:the )?{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?"), "dmy"),
    (re.compile(rf"{_YEAR}[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}})"), "ymd"),
    (re.compile(rf"{_YEAR},? {_MONTH} {_DAY}"), "ymd"),
    (re.compile(rf"{_MONTH},? (?:of )?{_YEAR}"), "my"),
    (re.compile(rf"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2{_YEAR}"), "m/d/y"),
)


def read_date(flat: str) -> tuple[Date, ...]:
    """The day that a text names. `3/4/2020` has two readings, the American first; else none."""
    if len(flat) > _LONGEST or not any(letter.isdigit() for letter in flat):
        return ()
    text = flat.lower()
    named = _WEEKDAY.match(text)
    text = text[named.end() :] if named else text
    for pattern, order in _WRITTEN:
        found = pattern.fullmatch(text)
        if found is not None:
            dates = _dates(found, order)
            return tuple(day for day in dates if named is None or _falls_on(day, named))
    return ()


def _dates(found: re.Match[str], order: str) -> tuple[Date, ...]:
    if order == "m/d/y":
        one, _, two, year = found.groups()
        days = (_valid(year, int(one), two), _valid(year, int(two), one))
        return tuple(dict.fromkeys(day for day in days if day is not None))
    parts = dict(zip(order, found.groups(), strict=True))
    month = parts["m"]
    number = int(month) if month.isdigit() else _month(month)
    day = _valid(parts["y"], number, parts.get("d"))
    return () if day is None else (day,)


def _month(word: str) -> int:
    number = _SHORT_MONTHS.get(word[:3], 0) if word != "sept" else 9
    return number if number and (len(word) <= 4 or word == MONTHS[number - 1]) else 0


def _valid(year: str | None, month: int, day: str | None) -> Date | None:
    """No 30th of February; without a year there may be a 29th."""
    try:
        date(int(year or 2000), month, int(day or 1))
    except ValueError:
        return None
    return Date(int(year) if year else None, month, int(day) if day else None)


def _falls_on(day: Date, named: re.Match[str]) -> bool:
    """A weekday in front must be the right one, as far as the year is known."""
    if day.year is None or day.day is None:
        return True
    return WEEKDAYS[weekday(day.year, day.month, day.day)][:3] == named[0][:3]


def dates(one: Node, two: Node, _: Judge) -> Decision | None:
    """Two days. A year that only one of them names is left open."""
    if not (isinstance(one, Date) or isinstance(two, Date)):
        return None
    if not (isinstance(one, Date) and isinstance(two, Date)):
        return undecided("time", "a date beside something else")
    if one.month != two.month:
        return different("time", "another month")
    if one.day != two.day:
        if one.day is None or two.day is None:
            return undecided("time", "only one of them names the day")
        return different("time", "another day")
    if one.year == two.year:
        return equal("time")
    if one.year is None or two.year is None:
        return undecided("time", "only one of them names the year")
    return different("time", "another year")


# --- times of day -------------------------------------------------------------------------------

_HALF = r"(?: ?([ap])\.? ?m?\b\.{0,2})?"
_CLOCK = re.compile(
    rf"([0-9]{{1,2}})(?:[:.]([0-9]{{2}})(?::([0-9]{{2}}))?)?{_HALF}(?: (?:hours|hrs|h))?"
)
_IN_TWO_CASES = re.compile(r"(?<=[0-9]) ?(?:[AP]\.?m|[ap]\.?M)(?![A-Za-z])")
"""`5 Pm` is a length: only `pm` and `PM` are parts of a day, unless a colon makes it sure."""
_WITH_H = re.compile(r"([0-9]{1,2}) ?h ?([0-9]{2})")
_O_CLOCK = re.compile(r"([0-9]{1,2}|[a-z]{3,6}) o'?clock")
_PAST = re.compile(r"(.{1,24}) (past|after|to|before|till) ([0-9]{1,2}|[a-z]{3,6})(?: o'?clock)?")
_PART_OF_DAY = re.compile(r" (?:in the (morning|afternoon|evening)|at (night))\Z")
_HALF_BEHIND = re.compile(r" ([ap])\.?m\.?\Z")
_PARTS = {"morning": "a", "afternoon": "p", "evening": "p"}
_NOONS = {
    **dict.fromkeys(("noon", "12 noon", "12:00 noon", "midday", "twelve noon"), "p"),
    **dict.fromkeys(("midnight", "12 midnight", "12:00 midnight", "twelve midnight"), "a"),
}


def read_clock(flat: str) -> Clock | None:
    """The time of day that a text names."""
    text = flat.lower().removeprefix("at ")
    if len(text) > _LONGEST or (_IN_TWO_CASES.search(flat) and ":" not in text):
        return None
    if text in _NOONS:
        return Clock(12, 0, _NOONS[text])
    part = _PART_OF_DAY.search(text)
    text = text[: part.start()] if part else text
    clock = _in_figures(text) or _in_words(text)
    if clock is None or part is None:
        return clock
    if clock.half or clock.hour > 12:
        return None
    half = _PARTS.get(part[1]) or ("p" if 6 <= clock.hour < 12 else "a")
    return Clock(clock.hour, clock.minute, half)


def _in_figures(text: str) -> Clock | None:
    found = _WITH_H.fullmatch(text)
    if found is not None:
        return _clock(int(found[1]), int(found[2]), "")
    found = _CLOCK.fullmatch(text)
    if found is None or not (found[4] or ":" in text):
        return None
    if (found[4] and not found[2] and "m" not in text) or found[3] not in (None, "00"):
        return None
    return _clock(int(found[1]), int(found[2] or 0), found[4] or "")


def _in_words(text: str) -> Clock | None:
    part = _HALF_BEHIND.search(text)
    half = part[1] if part else ""
    text = text[: part.start()] if part else text
    found = _O_CLOCK.fullmatch(text)
    if found is not None:
        hour = _count(found[1])
        return None if hour is None else _clock(hour, 0, half)
    found = _PAST.fullmatch(text)
    if found is None:
        return None
    minutes, hour = _minutes(found[1]), _count(found[3])
    if minutes is None or hour is None or not 1 <= hour <= 12:
        return None
    if found[2] in ("past", "after"):
        return _clock(hour, minutes, half)
    # "Ten to twelve" is before noon at p.m., so a half that the words name does not stay.
    return _clock((hour - 2) % 12 + 1, 60 - minutes, half if hour != 12 else "")


def _minutes(text: str) -> int | None:
    text = text.removesuffix(" minutes")
    if text in ("half", "a half"):
        return 30
    if text in ("quarter", "a quarter"):
        return 15
    found = _count(text)
    return found if found is not None and 0 < found < 60 else None


def _count(text: str) -> int | None:
    if text.isdigit():
        return int(text)
    found = numeral(text)
    whole = found is not None and found.end == len(text) and found.value.denominator == 1
    return int(found.value) if found is not None and whole else None


def _clock(hour: int, minute: int, half: str) -> Clock | None:
    if hour > 24 or minute > 59 or (half and hour == 0) or (hour == 24 and minute):
        return None
    if half and hour > 12:
        return Clock(hour, minute, "") if half == "p" else None
    return Clock(hour, minute, half)


# --- names of days and months -------------------------------------------------------------------

_FULL_NAMES = (
    {name[:3]: name for name in WEEKDAYS}
    | {"tues": "tuesday", "thur": "thursday", "thurs": "thursday"}
    | {word: MONTHS[number - 1] for word, number in _SHORT_MONTHS.items()}
)


def calendar_word(word: str) -> str:
    """A word in small letters; weekdays and months that are shortened with a capital in full."""
    small = word.casefold()
    return _FULL_NAMES.get(small, small) if word[:1].isupper() else small


def ordinal_number(flat: str) -> int | None:
    """The number in `21st`, `the third` or `5th place`."""
    if len(flat) > _LONGEST:
        return None
    return ordinal(flat.lower().removesuffix(" place"))
