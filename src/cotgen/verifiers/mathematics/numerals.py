"""Numbers in words: `twenty-five`, `two thirds`, `three and a half`, `half a dozen`, `21st`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

_ONES = {
    word: value
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
            *("seventeen", "eighteen", "nineteen"),
        )
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2
    )
} | {"fourty": 40}
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "thirteenth": 13,
    "fourteenth": 14,
    "fifteenth": 15,
    "sixteenth": 16,
    "seventeenth": 17,
    "eighteenth": 18,
    "nineteenth": 19,
    "twentieth": 20,
    "thirtieth": 30,
    "fortieth": 40,
    "fiftieth": 50,
    "sixtieth": 60,
    "seventieth": 70,
    "eightieth": 80,
    "ninetieth": 90,
    "hundredth": 100,
    "thousandth": 1000,
}
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    word + plural: value for word, value in _ORDINALS.items() if value > 2 for plural in ("", "s")
}
_DIGITS = {"oh": 0} | {word: value for word, value in _ONES.items() if value < 10}
_MAX_WORDS = 24
_WORD = re.compile(r"[A-Za-z]+")
_BETWEEN = re.compile(r"[ -]?")
_FIRST = frozenset(_ONES) | frozenset(_TENS) | frozenset(("a", "an", "half", "minus", "negative"))


class Numeral(NamedTuple):
    """A value in words, and where in the text its words end."""

    value: Fraction
    end: int


def numeral(text: str) -> Numeral | None:
    """The longest number in words that a text begins with; no ordinal."""
    words, ends = _words_of(text)
    if not words or words[0] not in _FIRST:
        return None
    sign = -1 if words[0] in ("minus", "negative") else 1
    reader = _Reader(words[sign < 0 :])
    value = reader.value()
    if value is None:
        return None
    return Numeral(sign * value, ends[reader.at - 1 + (sign < 0)])


def ordinal(text: str) -> int | None:
    """The number of `twenty-first`, `21st` or `the 21st`; a lone `third` is no fraction."""
    text = text.lower().removeprefix("the ")
    found = re.fullmatch(r"([0-9]{1,6}) ?(?:\^? ?\{? ?)(st|nd|rd|th) ?\}?", text)
    if found:
        return int(found[1])
    *before, last = re.split(r"[ -]", text, maxsplit=4)
    if last not in _ORDINALS or len(before) > 3:
        return None
    if not before:
        return _ORDINALS[last]
    leading = numeral(" ".join(before))
    if leading is None or leading.end != len(" ".join(before)) or leading.value.denominator > 1:
        return None
    tens = int(leading.value)
    units = _ORDINALS[last]
    if tens % 10 == 0 and tens % 100 >= 20 and units < 10:
        return tens + units
    return tens * units if units in (100, 1000) else None


def _words_of(text: str) -> tuple[list[str], list[int]]:
    """The words that a text begins with, and where each ends."""
    words: list[str] = []
    ends: list[int] = []
    at = 0
    while len(words) < _MAX_WORDS and (found := _WORD.match(text, at)):
        words.append(found[0].lower())
        ends.append(found.end())
        between = _BETWEEN.match(text, found.end())
        at = between.end() if between else found.end()
    return words, ends


class _Reader:
    """Reads words from left to right; `at` stands behind what belongs to the number."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0

    def next(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def take(self, *words: str) -> bool:
        found = tuple(self.words[self.at : self.at + len(words)]) == words
        self.at += len(words) * found
        return found

    def value(self) -> Fraction | None:
        if self.take("half", "a", "dozen") or self.take("a", "half", "dozen"):
            return Fraction(6)
        part = self.single_part()
        if part is not None:
            return part
        if self.next() in ("a", "an") and self.next(1) in (*_SCALES, "dozen"):
            self.words[self.at] = "one"
        whole = self.whole()
        return None if whole is None else self.after_whole(whole)

    def single_part(self) -> Fraction | None:
        """`half`, `a half`, `a third`, `half a`, `half an`: one part of something."""
        article = self.next() in ("a", "an")
        if self.next(article) in _PARTS and (article or self.next() == "half"):
            under = _PARTS[self.next(article)]
            self.at += 1 + article
            if self.next() in ("a", "an") and self.next(1) not in _PARTS:
                self.at += 1
            return Fraction(1, under)
        return None

    def after_whole(self, whole: int) -> Fraction:
        """A fraction may follow: `two thirds`, `three and a half`, `one point five`."""
        if self.take("dozen"):
            return Fraction(12 * whole)
        if self.next() in _PARTS and (whole != 1 or not self.next().endswith("s")):
            self.at += 1
            return Fraction(whole, _PARTS[self.words[self.at - 1]])
        if self.next() == "point" and self.next(1) in _DIGITS:
            self.at += 1
            return whole + self.places()
        return whole + self.added_part()

    def places(self) -> Fraction:
        digits = ""
        while self.next() in _DIGITS:
            digits += str(_DIGITS[self.next()])
            self.at += 1
        return Fraction(int(digits), 10 ** len(digits))

    def added_part(self) -> Fraction:
        """The fraction in `three and a half` or `seven and one eighth`."""
        start = self.at
        if self.take("and"):
            over = 1 if self.take("a") else self.below_hundred()
            if over is not None and self.next() in _PARTS:
                part = Fraction(over, _PARTS[self.next()])
                if part < 1:
                    self.at += 1
                    return part
        self.at = start
        return Fraction(0)

    def whole(self) -> int | None:
        """`two million three hundred thousand and five`: scales in falling order."""
        total, group = 0, self.below_hundred()
        if group is None:
            return None
        bound = 10**15
        while self.next() in _SCALES:
            scale = _SCALES[self.next()]
            if scale == 100 and group < 100:
                self.at += 1
                group *= 100
            elif 100 < scale < bound and group:
                self.at += 1
                total, group, bound = total + group * scale, 0, scale
            else:
                break
            group += self.more_below_hundred()
        return total + group

    def more_below_hundred(self) -> int:
        """What follows a hundred or a thousand, with or without `and`; no part such as a half."""
        start = self.at
        self.take("and")
        more = self.below_hundred()
        if more is None or self.next() in _PARTS:
            self.at = start
            return 0
        return more

    def below_hundred(self) -> int | None:
        word = self.next()
        if word in _ONES:
            self.at += 1
            return _ONES[word]
        if word not in _TENS:
            return None
        self.at += 1
        ones = _DIGITS.get(self.next(), 0)
        if ones and self.next() != "oh":
            self.at += 1
            return _TENS[word] + ones
        return _TENS[word]
