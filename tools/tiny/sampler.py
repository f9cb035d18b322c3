"""Sampling from the tiny teacher, many attempts at once, with a cache of keys and values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from tiny.batches import CONTEXT
from tiny.model import HEADS, HIDDEN, TinyLlama, angles
from tiny.tokens import END, PAD

_PROBLEMS_AT_ONCE = 16
_LONGEST = 256


@torch.inference_mode()
def sample(
    teacher: tuple[Tokenizer, TinyLlama],
    prompts: Sequence[str],
    n: int,
    temperature: float,
    seed: int = 0,
) -> list[list[str]]:
    """`n` texts for each prompt (special tokens spelled out); temperature 0 is greedy."""
    tokenizer, model = teacher
    generator = torch.Generator().manual_seed(seed)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts))]
    # Prompts of like length go together, so that little is padded.
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    texts: list[list[str]] = [[] for _ in ids]
    for start in range(0, len(order), _PROBLEMS_AT_ONCE):
        some = order[start : start + _PROBLEMS_AT_ONCE]
        rows = _generate(model, [ids[at] for at in some], (n, temperature), generator)
        decoded = tokenizer.decode_batch(rows)
        for number, at in enumerate(some):
            texts[at] = decoded[number * n : (number + 1) * n]
    return texts


def _generate(
    model: TinyLlama,
    prompts: list[list[int]],
    how: tuple[int, float],
    generator: torch.Generator,
) -> list[list[int]]:
    n, temperature = how
    width = max(map(len, prompts))
    longest = min(_LONGEST, CONTEXT - width)
    ids = torch.tensor([[PAD] * (width - len(p)) + p for p in prompts])
    # Only distances matter to rotary positions, so padding on the left needs no more than a mask.
    mask = torch.where(ids == PAD, -torch.inf, 0.0)[:, None, None, :]
    cache = _Cache(len(prompts), width + longest)
    hidden = cache.read(model, ids, mask)
    cache.repeat(n)
    mask = F.pad(mask.repeat_interleave(n, 0), (0, longest))
    scores = model.logits(hidden[:, -1]).repeat_interleave(n, 0)
    rows = torch.arange(len(prompts) * n)
    written: list[list[int]] = [[] for _ in range(len(rows))]
    going = torch.ones(len(rows), dtype=torch.bool)
    for _ in range(longest):
        chosen = _choose(scores, temperature, generator)
        going &= chosen != END
        for row, token, goes in zip(rows.tolist(), chosen.tolist(), going.tolist(), strict=True):
            if goes:
                written[row].append(token)
        if not going.any():
            break
        if going.float().mean() < 0.6:  # Copying the cache has its price.
            cache.keep(going)
            rows, mask, chosen = rows[going], mask[going], chosen[going]
            going = torch.ones(len(rows), dtype=torch.bool)
        hidden = cache.read(model, chosen[:, None], mask)
        scores = model.logits(hidden[:, -1])
    return written


def _choose(scores: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return scores.argmax(-1)
    weights = torch.softmax(scores / temperature, -1)
    return torch.multinomial(weights, 1, generator=generator)[:, 0]


class _Cache:
    """Keys and values of what was read so far."""

    def __init__(self, rows: int, length: int) -> None:
        shape = (rows, HEADS, length, HIDDEN // HEADS)
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._shape = shape
        self._length = 0

    def read(self, model: TinyLlama, ids: Tensor, mask: Tensor) -> Tensor:
        """The hidden states of the next ids, which follow what was read before."""
        new = ids.shape[1]
        start, end = self._length, self._length + new
        turn = angles(torch.arange(start, end))
        turns = turn.cos(), turn.sin()
        seen = mask[..., :end]
        if new > 1:
            seen = seen + torch.full((new, new), -torch.inf).triu(1)
            seen = seen.clamp(min=-1e9)  # A row of padding may see nothing; it must not be NaN.
        x = model.model.embed_tokens(ids)
        for number, layer in enumerate(model.model.layers):
            q, k, v = layer.project(layer.input_layernorm(x), turns)
            keys, values = self._extended(number, k, v, (start, end))
            weights = (q @ keys.mT / math.sqrt(q.shape[-1]) + seen).softmax(-1)
            mixed = (weights @ values).transpose(1, 2).reshape(len(ids), new, HIDDEN)
            x = x + layer.self_attn["o_proj"](mixed)
            x = x + layer.feed(layer.post_attention_layernorm(x))
        self._length = end
        out: Tensor = model.model.norm(x)
        return out

    def repeat(self, n: int) -> None:
        """Go on with n copies of every row."""
        self._kept = {
            at: (k.repeat_interleave(n, 0), v.repeat_interleave(n, 0))
            for at, (k, v) in self._kept.items()
        }

    def keep(self, rows: Tensor) -> None:
        """Forget the rows that are finished."""
        self._kept = {at: (k[rows], v[rows]) for at, (k, v) in self._kept.items()}

    def _extended(
        self, number: int, k: Tensor, v: Tensor, span: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        start, end = span
        if number not in self._kept:
            self._kept[number] = torch.zeros(self._shape), torch.zeros(self._shape)
        keys, values = self._kept[number]
        keys[:, :, start:end], values[:, :, start:end] = k, v
        return keys[:, :, :end], values[:, :, :end]
