"""Small Llama models, decoded many rows at a time at a fraction of what `generate` costs.

At 10⁶ parameters the arithmetic is cheap and everything around it is not: weights are fused,
norms folded into them, keys and values kept in plain tensors, and attention is two `bmm`.

What is computed for a row depends on that row alone. Linear layers run on blocks of BLOCK rows,
so that each product has one shape, however many rows there are; attention runs over lengths that
follow from the row's prompt and the number of its tokens. (Matrix kernels choose by shape, and
another kernel rounds otherwise.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cotgen.teachers.engine.network import STRIDE, threads

BLOCK = 64
"""Rows of one matrix product."""
MOST_PARAMETERS = 200_000_000
"""Larger models gain nothing here: their time goes into the arithmetic."""


class Heads(NamedTuple):
    """What attention works on, each [rows, heads, D]."""

    queries: Tensor
    keys: Tensor
    values: Tensor

    def of(self, rows: slice) -> Heads:
        """Those of some rows."""
        return Heads(*(each[rows] for each in self))


Attend = Callable[[int, Heads], Tensor]
"""The attention of one layer, by its number."""


class Layer(NamedTuple):
    """The fused weights of one layer, each [inputs, outputs]."""

    qkv: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor


class Prompt(NamedTuple):
    """The keys and values of a prompt, for each layer: [key heads, length, D]."""

    keys: list[Tensor]
    values: list[Tensor]

    @property
    def length(self) -> int:
        """In tokens."""
        length: int = self.keys[0].shape[1]
        return length


@dataclass
class Rows:
    """Rows that advance together; each holds its prompt, moved to the right, and its tokens."""

    keys: list[Tensor]
    """For each layer: [rows × key heads, room, D]."""
    values: list[Tensor]
    mask: Tensor
    """Added to scores: 0 where there is a token, −∞ elsewhere; [rows × key heads, 1, room]."""
    positions: Tensor
    """The position of each row's next token."""
    filled: int
    """Where the next token goes, padding included."""

    def __len__(self) -> int:
        return len(self.positions)


class Llama:
    """A `LlamaForCausalLM` taken apart."""

    def __init__(self, model: Any) -> None:
        config = model.config
        self.context: int = config.max_position_embeddings
        self.device: torch.device = model.device
        self._heads: int = config.num_attention_heads
        self._key_heads: int = config.num_key_value_heads
        self._size: int = model.model.layers[0].self_attn.head_dim
        self._epsilon: float = config.rms_norm_eps
        self.threads = threads(model.num_parameters())
        self._embedding: Tensor = model.model.embed_tokens.weight
        self._layers = [self._fused(layer) for layer in model.model.layers]
        self._head = _folded(model.lm_head.weight, model.model.norm.weight)
        self._turns = self._rotations(model.model.rotary_emb)

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether this loop computes what the model says; others go through transformers."""
        config = model.config
        return (
            config.model_type == "llama"
            and not (config.attention_bias or config.mlp_bias)
            and config.hidden_act == "silu"
            and model.model.rotary_emb.rope_type in ("default", "linear", "llama3")
            and model.model.rotary_emb.attention_scaling == 1.0
            and model.num_parameters() <= MOST_PARAMETERS
        )

    def kin(self, length: int) -> int:
        """Prompts are padded to whole blocks; those of as many blocks go together."""
        return _rounded(length, BLOCK)

    def read(self, tokens: Sequence[int]) -> tuple[Tensor, Prompt]:
        """Read a prompt by itself, padded on the right to whole blocks."""
        length = len(tokens)
        padded = torch.zeros(_rounded(length, BLOCK), dtype=torch.long, device=self.device)
        padded[:length] = torch.tensor(tokens)
        prompt = Prompt([], [])

        def attend(layer: int, heads: Heads) -> Tensor:
            queries, keys, values = (each.transpose(0, 1) for each in heads)
            prompt.keys.append(keys[:, :length].contiguous())
            prompt.values.append(values[:, :length].contiguous())
            seen = functional.scaled_dot_product_attention(
                queries[None], keys[None], values[None],
                is_causal=True, scale=1.0, enable_gqa=self._heads != self._key_heads,
            )  # fmt: skip
            return seen[0].transpose(0, 1).reshape(len(padded), -1)

        hidden = self._forward(padded, self._turns[: len(padded)], attend)
        last = hidden[length - 1].expand(BLOCK, -1).contiguous()
        return _product(last, self._head)[0].float(), prompt

    def open(self, prompts: Sequence[Prompt], counts: Sequence[int]) -> Rows:
        """Copy each prompt to the right end of its rows."""
        width = self.kin(prompts[0].length)
        lengths = torch.tensor([prompt.length for prompt in prompts])
        lengths = lengths.repeat_interleave(torch.tensor(counts)).to(self.device)
        layers = range(len(self._layers))
        keys = [self._spread([prompt.keys[at] for prompt in prompts], counts) for at in layers]
        values = [self._spread([prompt.values[at] for prompt in prompts], counts) for at in layers]
        places = torch.arange(width + STRIDE, device=self.device)
        absent = (places < width - lengths[:, None]) | (places >= width)
        mask = torch.zeros(absent.shape, dtype=keys[0].dtype, device=self.device)
        mask = mask.masked_fill(absent, -torch.inf).repeat_interleave(self._key_heads, 0)
        return Rows(keys, values, mask[:, None], lengths, width)

    def step(self, parts: Sequence[Rows], tokens: Tensor) -> Tensor:
        """One token further for all rows of all parts, padded to whole blocks of rows."""
        count = len(tokens)
        missing = -count % BLOCK
        positions = torch.cat([part.positions for part in parts])
        turns = self._turns[functional.pad(positions, (0, missing))]
        for part in parts:
            part.mask[:, :, part.filled] = 0

        def attend(layer: int, heads: Heads) -> Tensor:
            seen = heads.queries.new_zeros(count + missing, self._heads * self._size)
            start = 0
            for part in parts:
                rows = slice(start, start + len(part))
                self._look(part, layer, heads.of(rows), seen[rows])
                start = rows.stop
            return seen

        hidden = self._forward(functional.pad(tokens, (0, missing)), turns, attend)
        logits = _product(hidden, self._head)[:count].float()
        for part in parts:
            part.filled += 1
            part.positions = part.positions + 1
        return logits

    def keep(self, part: Rows, rows: Tensor) -> Rows:
        """Copy what stays into tensors with room; their length follows from the row alone."""
        room = _rounded(part.filled + 1, STRIDE)
        rows = rows.to(self.device)
        heads = torch.arange(self._key_heads, device=self.device)
        entries = (rows[:, None] * self._key_heads + heads).flatten()
        keys = [_moved(each, entries, part.filled, room) for each in part.keys]
        values = [_moved(each, entries, part.filled, room) for each in part.values]
        mask = part.mask.new_full((len(entries), 1, room), -torch.inf)
        mask[:, :, : part.filled] = part.mask[entries, :, : part.filled]
        return Rows(keys, values, mask, part.positions[rows], part.filled)

    def _forward(self, tokens: Tensor, turns: Tensor, attend: Attend) -> Tensor:
        """The last layer's output for each row, normed; `turns` are the rows' rotations."""
        heads, key_heads, size = self._heads, self._key_heads, self._size
        turned = (heads + key_heads) * size
        hidden = self._embedding[tokens]
        for number, layer in enumerate(self._layers):
            qkv = _product(self._normed(hidden), layer.qkv)
            pairs = qkv[:, :turned].float().view(-1, heads + key_heads, size // 2, 2)
            rotated = torch.view_as_real(torch.view_as_complex(pairs) * turns[:, None])
            rotated = rotated.flatten(2).to(qkv.dtype)
            values = qkv[:, turned:].view(-1, key_heads, size)
            seen = attend(number, Heads(rotated[:, :heads], rotated[:, heads:], values))
            hidden = hidden + _product(seen, layer.out)
            gate, up = _product(self._normed(hidden), layer.gate_up).chunk(2, dim=-1)
            hidden = hidden + _product(functional.silu(gate).mul_(up), layer.down)
        return self._normed(hidden)

    def _look(self, part: Rows, layer: int, heads: Heads, seen: Tensor) -> None:
        """Attention of some rows over all that each of them has read; fills `seen`."""
        count, at = len(part), part.filled
        shape = (count * self._key_heads, self._heads // self._key_heads, self._size)
        all_keys, all_values = part.keys[layer], part.values[layer]
        all_keys.view(count, self._key_heads, -1, self._size)[:, :, at] = heads.keys
        all_values.view(count, self._key_heads, -1, self._size)[:, :, at] = heads.values
        scores = torch.baddbmm(part.mask, heads.queries.reshape(shape), all_keys.transpose(1, 2))
        shares = scores.softmax(-1, dtype=torch.float32).to(scores.dtype)
        torch.bmm(shares, all_values, out=seen.view(shape))

    def _normed(self, hidden: Tensor) -> Tensor:
        """RMSNorm without its weights, which stand in the matrix that follows."""
        wide = hidden.float()
        scale = wide.square().mean(-1, keepdim=True).add_(self._epsilon).rsqrt_()
        return (wide * scale).to(hidden.dtype)

    def _spread(self, parts: list[Tensor], counts: Sequence[int]) -> Tensor:
        """Keys or values of prompts, copied to the right end of so many rows each."""
        width = self.kin(parts[0].shape[1])
        whole = parts[0].new_zeros(sum(counts), self._key_heads, width + STRIDE, self._size)
        start = 0
        for part, count in zip(parts, counts, strict=True):
            whole[start : start + count, :, width - part.shape[1] : width] = part
            start += count
        return whole.flatten(0, 1)

    def _fused(self, layer: Any) -> Layer:
        attention, mlp = layer.self_attn, layer.mlp
        queries = _interleaved(attention.q_proj.weight, self._size) * self._size**-0.5
        keys = _interleaved(attention.k_proj.weight, self._size)
        qkv = torch.cat([queries, keys, attention.v_proj.weight])
        gate_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
        return Layer(
            _folded(qkv, layer.input_layernorm.weight),
            attention.o_proj.weight.t().contiguous(),
            _folded(gate_up, layer.post_attention_layernorm.weight),
            mlp.down_proj.weight.t().contiguous(),
        )

    def _rotations(self, rotary: Any) -> Tensor:
        """RoPE as one complex number for each position and pair; a little past the context."""
        positions = torch.arange(_rounded(self.context, BLOCK) + STRIDE, device=self.device)
        angles = positions[:, None] * rotary.inv_freq.float().to(self.device)
        return torch.polar(torch.ones_like(angles), angles)


def _product(rows: Tensor, weight: Tensor) -> Tensor:
    """rows @ weight in blocks of BLOCK rows: always products of one shape."""
    blocks = rows.view(-1, BLOCK, rows.shape[1])
    return torch.bmm(blocks, weight.expand(len(blocks), -1, -1)).view(len(rows), -1)


def _folded(weight: Tensor, norm: Tensor) -> Tensor:
    """A weight that takes what the norm in front of it would have scaled; [inputs, outputs]."""
    return (weight.float() * norm.float()).to(weight.dtype).t().contiguous()


def _interleaved(weight: Tensor, size: int) -> Tensor:
    """The rows of each head in another order: the two of a RoPE pair side by side."""
    return weight.view(-1, 2, size // 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _moved(old: Tensor, entries: Tensor, filled: int, room: int) -> Tensor:
    """Some entries in a tensor with more room. What is empty must be 0: 0 × NaN is NaN."""
    new = old.new_empty(len(entries), room, old.shape[2])
    torch.index_select(old[:, :filled], 0, entries, out=new[:, :filled])
    new[:, filled:] = 0
    return new


def _rounded(number: int, unit: int) -> int:
    return -(-number // unit) * unit
