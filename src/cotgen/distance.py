"""The nearest of many texts by character-level Levenshtein distance: exact, without all pairs.

A comparison that may stop at a cutoff pays for a band as wide as the cutoff, and ends once every
path through it costs more (Ukkonen 1985; Hyyrö 2003; rapidfuzz has both). So all is gained by
meeting the nearest first: the rest need only be asked whether they are nearer still. Where all are
about equally far, all bands are wide: that is the worst case, and costs no more than all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

_GRAM = 4

_RATE = 32
"""A sketch keeps one in so many grams: two sketches compare about 1000 times faster than texts."""

_MARGIN = 1.3
"""A guess slightly too low costs a band in vain, one too high only a wider band."""

_SKETCHED_CHARS = 1500
"""Shorter texts compare faster than their sketches are made."""

_UNKNOWN = 2**31 - 1
"""As a guess: keeps the order, and has the first comparison made at full width."""


class Nearest(NamedTuple):
    """The other text at the smallest distance, and that distance."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which a pair has no use for
    distance: int


def similarity(text: str, other: str) -> float:
    """1 for equal texts, 0 for texts without a character in common at its place."""
    return float(Levenshtein.normalized_similarity(text, other))


def nearest_of(texts: Sequence[str], others: Sequence[str]) -> list[Nearest]:
    """For each text the other at the least Levenshtein distance (ties: first in order). Exact."""
    if not others:
        raise ValueError("no other texts to find the nearest in")
    places: dict[str, int] = {}
    for index, other in enumerate(others):
        places.setdefault(other, index)
    # Equal texts are one text; the order of the places stays, so ties still go to the first.
    mine, theirs, indices = list(dict.fromkeys(texts)), list(places), list(places.values())
    found: dict[str, Nearest] = {}
    for text, guesses in zip(mine, _guesses(mine, theirs), strict=True):
        place, distance = _nearest(text, theirs, guesses)
        found[text] = Nearest(indices[place], distance)
    return [found[text] for text in texts]


def _nearest(text: str, others: Sequence[str], guesses: Sequence[int]) -> tuple[int, int]:
    best, *rest = sorted(range(len(others)), key=guesses.__getitem__)
    least = Levenshtein.distance(text, others[best], score_hint=guesses[best])
    for place in rest:
        if not least:
            break  # only one of distinct texts can be equal
        # At the same distance the first in order wins: a later one has to be strictly nearer.
        cutoff = least - (place > best)
        distance = Levenshtein.distance(text, others[place], score_cutoff=cutoff)
        if distance <= cutoff:
            best, least = place, distance
    return best, least


def _guesses(texts: Sequence[str], others: Sequence[str]) -> list[list[int]]:
    """About how far each text is from each other one: it sets the order, never the result."""
    if min(max(map(len, texts), default=0), max(map(len, others))) < _SKETCHED_CHARS:
        return [[_UNKNOWN] * len(others)] * len(texts)
    apart = cdist(
        [_sketch(text) for text in texts],
        [_sketch(other) for other in others],
        scorer=Levenshtein.distance,
    )
    guesses: list[list[int]] = (apart * (_RATE * _MARGIN)).astype(int).tolist()
    return guesses


def _sketch(text: str) -> str:
    """The grams of the text that hash to a multiple of the rate, in order, a character each.

    The content chooses them: equal passages leave equal sketches wherever they stand, and the
    order stays, so sketches are about as far apart as their texts, in proportion.
    """
    import numpy  # slow to import, and short texts need none

    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    grams = codes
    for end in range(1, _GRAM):
        grams = grams[:-1] * 0x01000193 + codes[end:]  # polynomial hash, modulo 2**32
    hashes = grams * 0x9E3779B9 >> 12  # Fibonacci hashing: the high bits depend on all of a gram
    kept = hashes[hashes % _RATE == 0] // _RATE  # 15 bits: characters below the surrogates
    return str(kept.astype("<u2").tobytes(), "utf-16-le")
