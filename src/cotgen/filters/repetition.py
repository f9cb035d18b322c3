"""Degenerate attempts: those that say the same again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from cotgen.ngrams import gram_hashes, normal, spaced_words
from cotgen.protocols import Component, Decision, Draw, Groups, Share

_SUFFIX = 64
_BLOCKS = 64
_SHOWN = 80


class RepetitionFilter(Component):
    """Drops attempts that repeat too many of their word n-grams, or that end in a loop.

    The share that repeats is 1 - distinct / all n-grams. A loop is a block that stands at the very
    end at least `periods` times in a row and fills `loop` characters there, so that an ending like
    `...`, 1000000 or a fence is none.
    """

    alone: ClassVar[bool] = True
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["repetition"] = "repetition"
    words: PositiveInt = 10
    """The n of the n-grams."""
    max_share: Share = 0.2
    """The largest share of n-grams that may repeat earlier ones."""
    periods: Annotated[int, Field(ge=2)] = 3
    """How often a block at the end makes a loop."""
    loop: Annotated[int, Field(ge=2 * _SUFFIX)] = 160
    """Characters that a loop has at least."""

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """Drop the attempts that repeat themselves."""
        for group in groups:
            for judged in group.judged:
                text = normal(judged.attempt.text)
                if block := self._loop(text):
                    evidence = f"it ends in a loop of {len(block):,} characters: {block[:_SHOWN]}"
                    yield Decision(judged.id, "attempt", "loop", evidence=evidence)
                elif (share := repeated_share(text, self.words)) > self.max_share:
                    evidence = f"{share:.1%} of its {self.words}-grams stand in it before"
                    yield Decision(judged.id, "attempt", "repeats", evidence=evidence)

    def _loop(self, text: str) -> str:
        """The block that the text ends in again and again; empty if there is none.

        If there is one, the last characters stand once more just a block earlier: only such
        distances are tried, the nearest ones, so that the time stays linear.
        """
        suffix = text[-_SUFFIX:]
        if len(text) < self.loop:
            return ""
        at = len(text) - _SUFFIX
        for _ in range(_BLOCKS):
            at = text.rfind(suffix, 0, at + _SUFFIX - 1)
            if at < 0:
                return ""
            period = len(text) - _SUFFIX - at
            covered = max(self.periods * period, self.loop)
            if covered > len(text):
                return ""
            if text[-covered:-period] == text[len(text) - covered + period :]:
                return text[-period:]
        return ""


def repeated_share(text: str, n: int) -> float:
    """The share of the word n-grams of a normal text that stand in it before."""
    import numpy as np

    words = spaced_words(text)
    if len(words) < n:
        return 0.0
    grams = gram_hashes(words, n)
    return 1 - len(np.unique(grams)) / len(grams)
