"""Sampling whose randomness belongs to the sample: its seed and the token's number decide.

No generator is shared, so neither the batch nor the order of its rows can change what is drawn.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
_BITS = 52
"""One less than a float64 holds, so that a draw times a sum stays below the sum."""
_NUCLEUS = 64
"""Most nuclei hold fewer tokens; finding them among so many is far cheaper than sorting."""


class Draws(NamedTuple):
    """What a batch of rows needs for its next tokens, one number for each row."""

    keys: Tensor
    """The start of the row's random stream."""
    numbers: Tensor
    """How many tokens the row has."""
    temperature: Tensor
    top_p: Tensor

    def next(self, logits: Tensor) -> Tensor:
        """One token for each row, by the inverse of its cumulative distribution."""
        chosen = _sampled(logits, self)
        greedy = self.temperature == 0
        return torch.where(greedy, logits.argmax(-1), chosen) if greedy.any() else chosen


def key(seed: int) -> int:
    """Where the random stream of a seed starts: seeds that are neighbours start far apart."""
    digest = blake2b(str(seed).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def uniforms(keys: Tensor, numbers: Tensor) -> Tensor:
    """One draw from [0, 1) for each row: token `number` of stream `key` (SplitMix64)."""
    mixed = keys + numbers * _GOLDEN
    mixed = (mixed ^ _shifted(mixed, 30)) * _MULTIPLIERS[0]
    mixed = (mixed ^ _shifted(mixed, 27)) * _MULTIPLIERS[1]
    mixed = mixed ^ _shifted(mixed, 31)
    return _shifted(mixed, 64 - _BITS).to(torch.float64) * 2.0**-_BITS


def log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """The model's own log-probability of each row's token, at temperature 1."""
    chosen = logits.gather(-1, tokens[:, None])[:, 0]
    return chosen - logits.logsumexp(-1)


def _sampled(logits: Tensor, draws: Draws) -> Tensor:
    warmth = draws.temperature.clamp(min=1e-4)[:, None]
    shares = (logits / warmth).softmax(-1)
    narrow = draws.top_p < 1
    if narrow.any():
        shares = torch.where(narrow[:, None], _nucleus(shares, draws.top_p[:, None]), shares)
    sums = shares.cumsum(-1, dtype=torch.float64)
    points = uniforms(draws.keys, draws.numbers)[:, None] * sums[:, -1:]
    return torch.searchsorted(sums, points, right=True)[:, 0]


def _nucleus(shares: Tensor, top_p: Tensor) -> Tensor:
    """Only the likeliest tokens that together reach `top_p`; the likeliest always stays."""
    best, places = shares.topk(min(_NUCLEUS, shares.shape[-1]), dim=-1)
    kept = torch.zeros_like(shares).scatter_(-1, places, _until(best, top_p))
    # Row by row: what becomes of a row must not depend on its neighbours.
    wide = (best.sum(-1) < top_p[:, 0]).nonzero()[:, 0]
    if len(wide):
        best, places = shares[wide].sort(stable=True, dim=-1, descending=True)
        kept[wide] = torch.zeros_like(best).scatter_(-1, places, _until(best, top_p[wide]))
    return kept


def _until(best: Tensor, top_p: Tensor) -> Tensor:
    before = best.cumsum(-1, dtype=torch.float64) - best
    return torch.where(before < top_p, best, 0.0)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Shifted right with zeros coming in: int64 is all that torch computes with everywhere."""
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)
