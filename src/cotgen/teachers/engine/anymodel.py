"""Any causal language model of `transformers`, one prompt's samples at a time."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from cotgen.errors import RecipeError
from cotgen.teachers.engine.network import threads


@dataclass
class Rows:
    """The samples of one prompt, with the cache that transformers keeps for them."""

    cache: Any
    count: int
    length: int


class AnyModel:
    """A model as `AutoModelForCausalLM` loads it.

    How it rounds may depend on how many rows go together: a sample can differ, once in a great
    while, with the number of its prompt's samples in the batch.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        text = model.config.get_text_config()
        self.context: int = getattr(text, "max_position_embeddings", None) or 1 << 30
        self.device: torch.device = model.device
        self.threads = threads(model.num_parameters())
        shortens = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._options = {"logits_to_keep": 1} if shortens else {}

    def kin(self, length: int) -> None:
        """Prompts never share a cache: it has one length for all its rows."""

    def read(self, tokens: Sequence[int]) -> tuple[Tensor, Rows]:
        """Read a prompt once."""
        rows = Rows(None, 1, 0)
        logits = self._forward(rows, torch.tensor([tokens], device=self.device))
        if rows.cache is None:
            raise RecipeError(
                f"teachers.*.model: {self._model.name_or_path}: models of the kind "
                f"{self._model.config.model_type} keep no key-value cache; use vLLM for it"
            )
        return logits[0], rows

    def open(self, prompts: Sequence[Rows], counts: Sequence[int]) -> Rows:
        """Repeat the prompt's cache."""
        cache = copy.deepcopy(prompts[0].cache)
        cache.batch_repeat_interleave(counts[0])
        return Rows(cache, counts[0], prompts[0].length)

    def step(self, parts: Sequence[Rows], tokens: Tensor) -> Tensor:
        """One token further, part by part."""
        ends = accumulate(part.count for part in parts)
        return torch.cat(
            [
                self._forward(part, tokens[end - part.count : end, None])
                for part, end in zip(parts, ends, strict=True)
            ]
        )

    def keep(self, part: Rows, rows: Tensor) -> Rows:
        """Drop the other rows from the cache."""
        if len(rows) < part.count:
            part.cache.batch_select_indices(rows.to(self.device))
        return Rows(part.cache, len(rows), part.length)

    def _forward(self, rows: Rows, tokens: Tensor) -> Tensor:
        rows.length += tokens.shape[1]
        made = self._model(
            input_ids=tokens,
            attention_mask=tokens.new_ones(len(tokens), rows.length),
            past_key_values=rows.cache,
            use_cache=True,
            **self._options,
        )
        rows.cache = made.past_key_values
        logits: Tensor = made.logits[:, -1].float()
        return logits
