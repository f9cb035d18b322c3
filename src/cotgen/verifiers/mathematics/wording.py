"""Compare answers in words. Other words may mean the same, so only short clear ones differ."""

from __future__ import annotations

from collections import Counter

from cotgen.verifiers.mathematics.decision import Decision, different, equal, undecided
from cotgen.verifiers.mathematics.nodes import Text


def compare_texts(one: Text, two: Text) -> Decision:
    """The same words are equal; single words that are not near each other differ."""
    first, second = (tuple(word.casefold() for word in text.words) for text in (one, two))
    if first == second:
        return equal("text")
    if len(first) == len(second) == 1:
        if Counter(first[0]) == Counter(second[0]) and _may_be_product(*one.words, *two.words):
            return undecided("text", "the same letters may be a product")
        return _compare_words(first[0], second[0])
    return undecided("text", "other words may mean the same")


def _may_be_product(*words: str) -> bool:
    """`xyz` is `zyx`, and the line AB is the line BA; `CAB` in capitals is a word or an order."""
    return any(len(word) < 3 or word.islower() for word in words)


def _compare_words(one: str, two: str) -> Decision:
    """A shortened, inflected or misspelt word may still be meant."""
    if one.startswith(two) or two.startswith(one) or one[:4] == two[:4]:
        return undecided("text", "one word begins like the other")
    if len(one) == len(two) and sum(a != b for a, b in zip(one, two, strict=True)) < 2:
        return undecided("text", "words that differ by one letter")
    if abs(len(one) - len(two)) == 1 and _one_letter_more(*sorted((one, two), key=len)):
        return undecided("text", "words that differ by one letter")
    return different("text", "another word")


def _one_letter_more(short: str, long: str) -> bool:
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
