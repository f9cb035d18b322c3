"""The tiny teacher's network: a Llama of 1 M parameters, by the names that transformers uses."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN, LAYERS, HEADS, INNER = 128, 4, 4, 384
EPSILON, THETA = 1e-5, 10_000.0
_HEAD = HIDDEN // HEADS


class TinyLlama(nn.Module):
    """Pre-norm Llama with tied embeddings and no biases; computes in `dtype`, adds up in fp32."""

    def __init__(self, vocabulary: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(vocabulary, HIDDEN)
        self.model.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.model.norm = nn.RMSNorm(HIDDEN, EPSILON)

    def init(self, seed: int) -> None:
        """Draw the weights; what writes to the residual stream starts smaller."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in sorted(self.named_parameters()):
            if weight.dim() == 2:
                std = 0.02 if "embed" in name else 0.5 / math.sqrt(weight.shape[1])
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= math.sqrt(2 * LAYERS)
                nn.init.normal_(weight, 0, std, generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        """The hidden state at each position."""
        x = self.model.embed_tokens(ids)
        length = ids.shape[1]
        turned = angles(torch.arange(length))
        turn = turned.cos().to(self.dtype), turned.sin().to(self.dtype)
        mask = torch.full((length, length), -torch.inf, dtype=self.dtype).triu(1)
        for layer in self.model.layers:
            x = layer(x, turn, mask, self.dtype)
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token."""
        return F.linear(hidden.to(self.dtype), self.model.embed_tokens.weight.to(self.dtype))

    def loss(self, ids: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over the labelled positions; only those are scored."""
        wanted = labels >= 0
        return F.cross_entropy(self.logits(self(ids)[wanted]).float(), labels[wanted])


class Layer(nn.Module):
    """Attention, then a gated feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(HIDDEN, EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(HIDDEN, EPSILON)
        self.self_attn = nn.ModuleDict({f"{name}_proj": _linear() for name in "qkvo"})
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": _linear(HIDDEN, INNER),
                "up_proj": _linear(HIDDEN, INNER),
                "down_proj": _linear(INNER, HIDDEN),
            }
        )

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """Add what the layer has to say to the residual stream."""
        h = self.input_layernorm(x).to(dtype)
        x = x + F.linear(self._mix(self.project(h, turn), mask), self._w("self_attn", "o", dtype))
        return x + self.feed(self.post_attention_layernorm(x).to(dtype))

    def project(self, h: Tensor, turn: tuple[Tensor, Tensor]) -> list[Tensor]:
        """Queries, keys and values, each [rows, heads, length, size], the first two turned."""
        rows, length, _ = h.shape
        weight = torch.cat([self._w("self_attn", name, h.dtype) for name in "qkv"])
        q, k, v = (
            part.view(rows, length, HEADS, _HEAD).transpose(1, 2)
            for part in F.linear(h, weight).chunk(3, dim=-1)
        )
        return [_turned(q, turn), _turned(k, turn), v]

    def feed(self, h: Tensor) -> Tensor:
        """The gated feed-forward."""
        weight = torch.cat([self._w("mlp", name, h.dtype) for name in ("gate", "up")])
        gate, up = F.linear(h, weight).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, self._w("mlp", "down", h.dtype))

    def _mix(self, qkv: list[Tensor], mask: Tensor) -> Tensor:
        q, k, v = qkv
        rows, heads, length, size = q.shape
        if length > 320:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            # By hand: faster than the CPU's flash attention for short texts, backward above all.
            flat = (rows * heads, length, size)
            scores = torch.baddbmm(
                mask, q.reshape(flat), k.reshape(flat).transpose(1, 2), alpha=1 / math.sqrt(size)
            )
            mixed = (scores.softmax(-1) @ v.reshape(flat)).view(rows, heads, length, size)
        return mixed.transpose(1, 2).reshape(rows, length, HIDDEN)

    def _w(self, part: str, name: str, dtype: torch.dtype) -> Tensor:
        weight: Tensor = getattr(self, part)[f"{name}_proj"].weight
        return weight.to(dtype)


def _linear(inputs: int = HIDDEN, outputs: int = HIDDEN) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


def angles(positions: Tensor) -> Tensor:
    """The rotary angles of positions."""
    speeds = THETA ** (-torch.arange(0, _HEAD, 2) / _HEAD)
    half = positions[:, None].float() * speeds
    return torch.cat([half, half], dim=-1)


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = turn
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
