"""Words of a text and their n-grams, as hashes: what finds texts that repeat one another.

All of it takes time linear in the text, however hostile that is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from numpy import uint64
    from numpy.typing import NDArray

    Hashes = NDArray[uint64]

CJK = "\u2e80-\u2fdf\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # noqa: E501
"""Characters that are written without spaces between words: each counts as a word."""

_CJK_CHARACTER = re.compile(f"[{CJK}]")
_PLAIN_WORD = re.compile(f"[{CJK}]|[^\\W_{CJK}]+")
_PIECE = 256
_SHORT = 64
_BASE = 0x9E3779B97F4A7C15
"""Odd, so that multiplying by it loses nothing modulo 2^64."""


def normal(text: str) -> str:
    """The text in NFKC and lower case, with single spaces."""
    if not text.isascii():
        text = " ".join(map(_composed, text.split()))
    return " ".join(text.lower().split())


def spaced_words(text: str) -> list[str]:
    """The words of a normal text as spaces part them, punctuation and symbols included."""
    return text.split() if text.isascii() else _CJK_CHARACTER.sub(r" \g<0> ", text).split()


def plain_words(text: str) -> list[str]:
    """The words of a normal text without punctuation and symbols."""
    return _PLAIN_WORD.findall(text)


def gram_hashes(words: Sequence[str], n: int) -> Hashes:
    """A hash of each n words in a row, in text order; of all words, if they are fewer than n."""
    import numpy as np

    short = max(map(len, words), default=0) <= _SHORT
    hashes = np.fromiter(map(_short_hash if short else _hash, words), np.uint64, len(words))
    n = min(n, len(words))
    grams = np.zeros(len(words) - n + 1 if words else 0, np.uint64)
    for start in range(n):
        grams = grams * np.uint64(_BASE) + hashes[start : start + len(grams)]
    return grams


def gram_set(text: str, n: int) -> Hashes:
    """The distinct word n-grams of a normal text, in order of their hashes."""
    import numpy as np

    return np.unique(gram_hashes(spaced_words(text), n))


def jaccard(one: Hashes, other: Hashes) -> float:
    """The share of what both sets have in all that they have; two empty sets are equal."""
    import numpy as np

    both = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - both
    return both / union if union else 1.0


def _composed(word: str) -> str:
    # In pieces: sorting a long run of combining marks takes time that grows with its square.
    if word.isascii():
        return word
    pieces = (word[start : start + _PIECE] for start in range(0, len(word), _PIECE))
    return "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)


def _hash(word: str) -> int:
    # Long words are not kept: a text can be one word of a megabyte.
    return _short_hash(word) if len(word) <= _SHORT else _hashed(word)


@lru_cache(maxsize=1 << 17)
def _short_hash(word: str) -> int:
    return _hashed(word)


def _hashed(word: str) -> int:
    return xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
