"""Attempts of a length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cotgen.lengths import token_counter
from cotgen.protocols import Component, Decision, Draw, Groups
from cotgen.records import Attempt

Unit = Literal["characters", "words", "steps", "tokens"]
Part = Literal["all", "thought", "solution"]


class LengthFilter(Component):
    """Drops attempts that are shorter or longer than asked for."""

    alone: ClassVar[bool] = True
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["length"] = "length"
    min: Annotated[int, Field(ge=0)] | None = None
    """The shortest that stays."""
    max: Annotated[int, Field(ge=0)] | None = None
    """The longest that stays."""
    unit: Unit = "characters"
    """What is counted; words are parted by spaces, steps are the attempt's own."""
    part: Part = "all"
    """Of what: the whole attempt, its thought, or the solution after it."""
    tokenizer: str | None = None
    """Counts tokens: a folder or a Hub name."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max ({self.max})")
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("unit: tokens and tokenizer go together")
        return self

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """Drop the attempts outside the bounds."""
        length = self._length()
        for group in groups:
            for judged in group.judged:
                found = length(judged.attempt)
                if reason := self._reason(found):
                    yield Decision(judged.id, "attempt", reason, evidence=f"{found:,} {self.unit}")

    def _reason(self, length: int) -> str:
        if self.min is not None and length < self.min:
            return "too_short"
        return "too_long" if self.max is not None and length > self.max else ""

    def _length(self) -> Callable[[Attempt], int]:
        if self.unit == "steps":
            return self._steps
        count = {"characters": len, "words": _words}.get(self.unit)
        measure = count or token_counter(self.tokenizer or "")
        return lambda attempt: measure(self._text(attempt))

    def _steps(self, attempt: Attempt) -> int:
        solution = len(attempt.steps) - attempt.before
        parts = {"thought": attempt.thought_steps, "solution": solution}
        return parts.get(self.part, len(attempt.steps))

    def _text(self, attempt: Attempt) -> str:
        if self.part == "all":
            return attempt.text
        return attempt.thought if self.part == "thought" else attempt.solution


def _words(text: str) -> int:
    return len(text.split())
