"""Where a completion ends: at an end token, a stop string or a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cotgen.records import Finish

Decode = Callable[[Sequence[int]], str]
_MARGIN = 8
"""Tokens read before a stop string may begin, for the sake of characters cut in two."""


class Ending(NamedTuple):
    """A finished completion: how many of its tokens count, and its text."""

    tokens: int
    text: str
    finish: Finish


@dataclass(frozen=True)
class Endings:
    """How the completions of one request may end."""

    ends: frozenset[int]
    """Tokens with which the model ends."""
    stop: tuple[str, ...]
    """Texts that end a completion; they are cut off, as OpenAI does."""
    limit: int
    """Most tokens of one completion, an end token included."""
    decode: Decode

    def find(self, tokens: list[int], fresh: int) -> Ending | None:
        """The first ending in the last `fresh` tokens; None: there is more to come."""
        start = len(tokens) - fresh
        fresh_tokens = tokens[start : self.limit]
        ended = next((at for at, token in enumerate(fresh_tokens) if token in self.ends), None)
        last = start + (len(fresh_tokens) if ended is None else ended)
        stopped = self._stopped(tokens[:last], start)
        if stopped is not None:
            return stopped
        if ended is not None:
            return Ending(last + 1, self.decode(tokens[:last]), "stop")
        if last == self.limit:
            return Ending(last, self.decode(tokens[:last]), "length")
        return None

    def _stopped(self, tokens: list[int], start: int) -> Ending | None:
        if not self.stop:
            return None
        longest = max(len(stop.encode()) for stop in self.stop)  # A token is a byte at least.
        window = max(0, start - longest - _MARGIN)
        if not self._holds_stop(self.decode(tokens[window:])):
            return None
        for count in range(start + 1, len(tokens) + 1):
            if self._holds_stop(self.decode(tokens[window:count])):
                text = self.decode(tokens[:count])
                places = [place for stop in self.stop if (place := text.find(stop)) >= 0]
                return Ending(count, text[: min(places)], "stop") if places else None
        return None

    def _holds_stop(self, text: str) -> bool:
        return any(stop in text for stop in self.stop)
