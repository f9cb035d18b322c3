"""Muon (Jordan 2024) for the matrices, AdamW for the embedding and the norms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix is made orthogonal; matrices of one shape are worked on together."""

    def __init__(self, matrices: Iterable[Tensor], lr: float) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": 0.95, "decay": 0.01})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                shapes[tuple(weight.shape)].append(weight)
            for weights in shapes.values():
                updates = _orthogonal(torch.stack([self._nesterov(w, group) for w in weights]))
                rows, columns = weights[0].shape
                scale = group["lr"] * max(1, rows / columns) ** 0.5
                for weight, update in zip(weights, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["decay"]).sub_(update, alpha=scale)

    def _nesterov(self, weight: Tensor, group: dict[str, float]) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        assert weight.grad is not None
        state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
        return weight.grad.lerp(state["momentum"], group["momentum"])


def _orthogonal(stack: Tensor) -> Tensor:
    """Newton-Schulz iterations of degree five towards the nearest orthogonal matrices."""
    wide = stack.shape[1] <= stack.shape[2]
    x = stack if wide else stack.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x if wide else x.mT


def optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """The two optimizers of a model, at their full rates."""
    named = dict(model.named_parameters())
    matrices = [w for name, w in named.items() if w.dim() == 2 and "embed" not in name]
    others = [w for name, w in named.items() if w.dim() != 2 or "embed" in name]
    adam = torch.optim.AdamW(others, lr=4e-3, betas=(0.9, 0.98), weight_decay=0.0)
    return [Muon(matrices, lr=0.02), adam]
