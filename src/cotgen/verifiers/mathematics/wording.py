"""Compare answers in words. Other words may mean the same, so only short clear ones differ."""

from __future__ import annotations

from collections import Counter

from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import Text


def compare_texts(one: Text, two: Text) -> Decision:
    """The same words are equal; single words that are not near each other differ."""
    if one.words == two.words:
        return equal("text")
    if len(one.words) == len(two.words) == 1:
        return _compare_words(one.words[0], two.words[0])
    return undecided("text", "other words may mean the same")


def _compare_words(one: str, two: str) -> Decision:
    """A shortened or misspelt word may still be meant; a product of letters has no order."""
    if one.startswith(two) or two.startswith(one):
        return undecided("text", "one word begins like the other")
    if Counter(one) == Counter(two) and max(len(one), len(two)) < 3:
        return undecided("text", "the same letters")
    if len(one) == len(two) and sum(a != b for a, b in zip(one, two, strict=True)) < 2:
        return undecided("text", "words that differ by one letter")
    if abs(len(one) - len(two)) == 1 and _one_letter_more(*sorted((one, two), key=len)):
        return undecided("text", "words that differ by one letter")
    return different("text", "another word")


def _one_letter_more(short: str, long: str) -> bool:
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
