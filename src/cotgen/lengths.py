"""How long rows are: in tokens of a named tokenizer, or estimated from their characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cotgen.errors import RecipeError

Sequences = tuple[tuple[str, ...], ...]
"""What a trainer reads of a row: one sequence of messages, or two for a pair."""

_CHARACTERS_A_TOKEN = 4
AROUND = 8
"""What a chat template puts around a message: 3 to 8 tokens with those of Llama, Qwen, Gemma."""
_STEP = 128


class Lengths:
    """Collects the length of each row's longest sequence, with the `around` tokens that a trainer
    puts around each of its texts."""

    def __init__(self, tokenizer: str | None, around: int = AROUND) -> None:
        self.around = around
        self._tokenizer: Any = _opened(tokenizer) if tokenizer else None
        self._rows: Counter[int] = Counter()

    def add(self, rows: list[Sequences]) -> None:
        """Count some rows."""
        count = self._counted if self._tokenizer else self._estimated
        self._rows.update(count([row for row in rows if row]))

    def _counted(self, rows: list[Sequences]) -> list[int]:
        texts = list({text for row in rows for sequence in row for text in sequence})
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        tokens = {text: len(each.ids) for text, each in zip(texts, encoded, strict=True)}

        def length(sequence: tuple[str, ...]) -> int:
            return sum(tokens[text] + self.around for text in sequence)

        return [max(map(length, row)) for row in rows]

    def _estimated(self, rows: list[Sequences]) -> list[int]:
        return [max(map(self._estimate, row)) for row in rows]

    def _estimate(self, sequence: tuple[str, ...]) -> int:
        tokens = -(-sum(map(len, sequence)) // _CHARACTERS_A_TOKEN)
        return tokens + self.around * len(sequence)

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 without rows."""
        return max(self._rows, default=0)

    @property
    def recommended(self) -> int:
        """A round length that cuts no row; twice what an estimate says, for figures and formulas
        have far fewer characters a token."""
        longest = self.longest if self._tokenizer else 2 * self.longest
        return max(-(-longest // _STEP), 1) * _STEP

    def share_above(self, limit: int) -> float:
        """The share of rows longer than a trainer's limit."""
        above = sum(rows for length, rows in self._rows.items() if length > limit)
        return above / max(self._rows.total(), 1)

    def quantile(self, share: float) -> int:
        """The length that so many of the rows do not exceed."""
        left = share * self._rows.total()
        for length, rows in sorted(self._rows.items()):
            left -= rows
            if left <= 0:
                return length
        return 0


@lru_cache(maxsize=4)
def token_counter(tokenizer: str) -> Callable[[str], int]:
    """Counts the tokens of a text. Raises RecipeError if the tokenizer cannot be opened."""
    opened = _opened(tokenizer)
    return lambda text: len(opened.encode(text, add_special_tokens=False).ids)


def _opened(name: str) -> Any:
    """A tokenizer by its folder, its file or its name on the Hub."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise RecipeError("tokenizer: needs the tokenizers package: cotgen[local]") from error
    path = Path(name)
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        tokenizer = Tokenizer.from_file(str(file)) if file.exists() else None
        return tokenizer or Tokenizer.from_pretrained(name)
    except Exception as error:  # It raises nothing narrower.
        raise RecipeError(f"tokenizer: {name} cannot be opened ({error})") from error
