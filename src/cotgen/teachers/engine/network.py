"""What the batching loop asks of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

STRIDE = 16
"""Tokens between two looks at what was written: rows that ended meanwhile write on in vain."""

_ONE_THREAD = 20_000_000
"""Below so many parameters a second CPU thread waits more than it computes."""

PromptT = TypeVar("PromptT")
RowsT = TypeVar("RowsT")


class Network(Protocol[PromptT, RowsT]):
    """A causal language model that goes forward only (called in torch's inference mode).

    `PromptT` is what reading a prompt leaves behind (keys and values), once for all its samples;
    `RowsT` what some rows have read so far. The rows of one `RowsT` advance together.
    """

    @property
    def context(self) -> int:
        """The tokens that a prompt and its completion may have together."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def threads(self) -> int | None:
        """The threads that it is best computed with, if not torch's own choice."""

    def kin(self, length: int) -> int | None:
        """Prompts of equal kin may advance together; None: each prompt by itself."""

    def read(self, tokens: Sequence[int]) -> tuple[Tensor, PromptT]:
        """Read a prompt: the logits of what follows it, and what its samples will need."""

    def open(self, prompts: Sequence[PromptT], counts: Sequence[int]) -> RowsT:
        """So many rows of each prompt, with room for STRIDE tokens."""

    def step(self, parts: Sequence[RowsT], tokens: Tensor) -> Tensor:
        """Read one token a row, over the rows of all parts; the logits of what follows."""

    def keep(self, part: RowsT, rows: Tensor) -> RowsT:
        """Only these rows, with room for STRIDE more tokens."""


def threads(parameters: int) -> int | None:
    """How many CPU threads a network of this size should take; None: torch's own choice."""
    return 1 if parameters < _ONE_THREAD else None
