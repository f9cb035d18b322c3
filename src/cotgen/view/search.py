"""Finding problems by their text: every word of the query stands somewhere in it."""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_WORDS = re.compile(r'"([^"]*)"?|(\S+)')
_DOCUMENTS_AT_ONCE = 2_000
LONGEST = 200
"""Characters of a query that are looked at."""


def folded(text: str) -> bytes:
    """Text as it is compared: in lower case, with single blanks, and without the mark between."""
    return " ".join(text.lower().replace("\0", " ").split()).encode("utf-8", "replace")


def words(query: str) -> tuple[bytes, ...]:
    """What has to be found: words, and phrases in double quotes; the longest, rarest, first."""
    found = (folded(phrase or word) for phrase, word in _WORDS.findall(query[:LONGEST]))
    return tuple(sorted({word for word in found if word}, key=lambda word: (-len(word), word)))


class Texts:
    """The texts of all problems in one piece of memory: any part of one can be looked for, a piece
    of LaTeX too, which an index of words would have torn apart."""

    def __init__(self) -> None:
        self.blob = bytearray()
        self.starts = [0]
        """Where each document starts, and the end; a list, for they are asked for one by one."""

    def add(self, documents: Iterable[bytes]) -> None:
        """Take more documents in, in order."""
        for document in documents:
            self.blob += document
            self.blob += b"\0"
            self.starts.append(len(self.blob))

    def __len__(self) -> int:
        return len(self.starts) - 1


class Search:
    """A query on its way through the texts: it advances for so long at a time, so that no request
    waits for the whole, however many problems there are."""

    def __init__(self, texts: Texts, query: str) -> None:
        self._texts = texts
        self._words = words(query)
        self._at = 0
        self.hits: npt.NDArray[np.bool_] = np.zeros(len(texts), np.bool_)
        if not self._words:
            self.hits[:] = True
            self._at = len(texts)

    @property
    def done(self) -> float:
        """The share of the texts that was looked through."""
        return self._at / len(self._texts) if len(self._texts) else 1.0

    def advance(self, seconds: float) -> None:
        """Look on for about so long."""
        until = time.perf_counter() + seconds
        while self._at < len(self._texts) and time.perf_counter() < until:
            end = min(self._at + _DOCUMENTS_AT_ONCE, len(self._texts))
            self._look(end)
            self._at = end

    def _look(self, end: int) -> None:
        blob, starts, (first, *others) = self._texts.blob, self._texts.starts, self._words
        document, stop = self._at, starts[end]
        at = blob.find(first, starts[document], stop)
        while at >= 0:
            document = bisect_right(starts, at, document) - 1
            start, after = starts[document], starts[document + 1]
            if all(blob.find(word, start, after) >= 0 for word in others):
                self.hits[document] = True
            at = blob.find(first, after, stop)
            document += 1
