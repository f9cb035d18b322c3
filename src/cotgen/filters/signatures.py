"""Candidates for duplicates among many texts, without the texts in memory.

A text is a row of MinHash values (Broder 1997; rensa computes them), of which its band keys, one
byte of each value and a digest are kept: about 240 bytes. Texts that share a band (Indyk & Motwani
1998) are candidates. The bands are sorted here, for rensa's own index takes 1.7 kB a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from cotgen.ngrams import gram_hashes, spaced_words

if TYPE_CHECKING:
    from cotgen.ngrams import Hashes

PERMUTATIONS = 126
"""It has many divisors: bands of every height are whole."""
SEED = 1
RECALL = 0.995
"""The chance that two texts just at the threshold share a band."""
_AT_ONCE = 256
_KEPT_IN_A_BAND = 1024
"""Where more texts than these share a band, later ones are compared with these only: a run of
texts made of one template must not take time that grows with its square."""
_SURE = 4
"""Standard deviations: a candidate whose estimate lies further below the threshold is no pair."""
_BASE = 0x9E3779B97F4A7C15

D = TypeVar("D")
DuplicateOf = Callable[[int, list[int]], D | None]
"""What to say of a text that repeats one of the earlier ones (by number); None if it does not."""


class Signatures:
    """Collects texts, numbered as they come. `near`: the Jaccard similarity of duplicates, or None
    if only equal texts are."""

    def __init__(self, near: float | None, words: int) -> None:
        self._near = near
        self._words = words
        self._rows = rows_of_a_band(near) if near is not None else 0
        self._waiting: list[Hashes] = []
        self._equal: list[int] = []
        self._strata: list[int] = []
        self._done: list[tuple[Any, ...]] = []

    def add(self, text: str, stratum: str) -> None:
        """The next text, in normal form. Texts of different strata are no candidates."""
        self._equal.append(_digest(f"{stratum}\0{text}"))
        self._strata.append(_digest(stratum))
        if self._near is not None:
            self._waiting.append(gram_hashes(spaced_words(text), self._words))
        if len(self._equal) == _AT_ONCE:
            self._flush()

    def firsts(self, duplicate_of: DuplicateOf[D]) -> Iterator[D]:
        """What `duplicate_of` says of each text that it finds to repeat one that stays."""
        import numpy as np

        self._flush()
        parts = [np.concatenate(part) for part in zip(*self._done, strict=True)]
        self._done.clear()
        if parts:
            yield from _Buckets(parts, self._near).firsts(duplicate_of)

    def _flush(self) -> None:
        import numpy as np

        if not self._equal:
            return
        equal, strata = np.array(self._equal, np.uint64), np.array(self._strata, np.uint64)
        bands, low = np.empty((len(equal), 0), np.uint32), np.empty((len(equal), 0), np.uint8)
        if self._near is not None:
            values = _minhashes(self._waiting)
            bands, low = _band_keys(values, strata, self._rows), values.astype(np.uint8)
        self._done.append((equal, strata, bands, low))
        self._waiting, self._equal, self._strata = [], [], []


class _Buckets:
    """Texts by band. In each bucket only texts that stay are held."""

    def __init__(self, parts: list[Any], near: float | None) -> None:
        import numpy as np

        self._equal, self._strata, bands, self._low = parts
        self._least = _least(near) if near is not None else 2.0
        # A number for each bucket of two texts or more; 0 for a text alone in its bucket.
        self._buckets = np.zeros((len(self._equal), bands.shape[1] + 1), np.uint32)
        used = 1
        for column in range(self._buckets.shape[1]):
            keys = bands[:, column - 1] if column else self._equal
            used = _number(keys, self._buckets[:, column], used)
        self._first = np.full(used, -1, np.int32)
        self._more: dict[int, list[int]] = {}

    def firsts(self, duplicate_of: DuplicateOf[D]) -> Iterator[D]:
        import numpy as np

        for number in np.flatnonzero(self._buckets.any(axis=1)).tolist():
            buckets = self._buckets[number]
            buckets = buckets[buckets > 0].tolist()
            earlier = self._likely(number, self._held(buckets))
            found = duplicate_of(number, earlier) if earlier else None
            if found is None:
                self._hold(number, buckets)
            else:
                yield found

    def _held(self, buckets: list[int]) -> list[int]:
        held: set[int] = set()
        for bucket in buckets:
            if self._first[bucket] >= 0:
                held.add(int(self._first[bucket]))
                held.update(self._more.get(bucket, ()))
        return sorted(held)

    def _hold(self, number: int, buckets: list[int]) -> None:
        for bucket in buckets:
            if self._first[bucket] < 0:
                self._first[bucket] = number
            else:
                more = self._more.setdefault(bucket, [])
                if len(more) < _KEPT_IN_A_BAND:
                    more.append(number)

    def _likely(self, number: int, held: list[int]) -> list[int]:
        """Those that equal the text, or whose signatures are about as alike as asked for."""
        import numpy as np

        if not held:
            return []
        others = np.array(held)
        alike = self._equal[others] == self._equal[number]
        if self._low.shape[1]:
            shared = (self._low[others] == self._low[number]).mean(axis=1)
            alike |= shared >= self._least
        alike &= self._strata[others] == self._strata[number]
        found: list[int] = others[alike].tolist()
        return found


def rows_of_a_band(near: float) -> int:
    """The tallest bands (fewest candidates) in which a pair at the threshold is found."""
    divisors = [rows for rows in range(PERMUTATIONS, 1, -1) if PERMUTATIONS % rows == 0]
    found = (rows for rows in divisors if 1 - (1 - near**rows) ** (PERMUTATIONS // rows) >= RECALL)
    return next(found, 1)


def _minhashes(sets: list[Hashes]) -> Any:
    """A row of MinHash values for each set of hashes."""
    import numpy as np
    from rensa import RMinHash

    ends = np.cumsum([0, *map(len, sets)], dtype=np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(sets), ends, PERMUTATIONS, SEED
    )
    return np.array(matrix.to_rows(), np.uint32)


def _band_keys(values: Any, strata: Hashes, rows: int) -> Any:
    import numpy as np

    bands = values.reshape(len(values), -1, rows).astype(np.uint64)
    keys = np.repeat(strata[:, None], bands.shape[1], axis=1)
    for row in range(rows):
        keys = keys * np.uint64(_BASE) + bands[:, :, row]
    return (keys * np.uint64(_BASE) >> np.uint64(32)).astype(np.uint32)


def _number(keys: Any, buckets: Any, used: int) -> int:
    """Number the keys that occur twice or more from `used` on; return the next free number."""
    import numpy as np

    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts > 1
    numbers = np.zeros(len(counts), np.uint32)
    numbers[shared] = np.arange(used, used + shared.sum(), dtype=np.uint32)
    buckets[:] = numbers[inverse]
    return used + int(shared.sum())


def _least(near: float) -> float:
    """The share of equal values below which two texts are surely no duplicates."""
    return near - _SURE * math.sqrt(near * (1 - near) / PERMUTATIONS)


def _digest(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
