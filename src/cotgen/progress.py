"""Progress of a run on the terminal: one live line a stage, or plain lines without a terminal."""

from __future__ import annotations

import sys
import time
from collections import Counter

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cotgen.pipeline import Stage
from cotgen.recipe import Recipe
from cotgen.store.journal import Spent
from cotgen.wiring import Sampler

_LIVE_EVERY_S, _PLAIN_EVERY_S = 0.1, 10.0
_UNITS: dict[Stage, str] = {
    "load": "problems",
    "search": "searches",
    "verify": "attempts",
    "filter": "problems",
    "chain": "problems",
    "emit": "problems",
}


class Progress:
    """Shows rate, time left, and for teachers what is in flight, tokens and cost."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._every_s = _LIVE_EVERY_S if self._console.is_terminal else _PLAIN_EVERY_S
        self._samplers: dict[str, Sampler] = {}
        self._spent: dict[str, Spent] = {}
        self._stage: Stage = "load"
        self._total: int | None = None
        self._done = 0
        self._said: tuple[object, ...] = ()
        self._started = self._shown = time.monotonic()

    def start(self, stage: Stage, total: int | None) -> None:
        """A stage begins."""
        self._stage, self._total, self._done = stage, total, 0
        self._started = self._shown = time.monotonic()
        if self._console.is_terminal:
            self._live = Live(self._line(), console=self._console, refresh_per_second=8)
            self._live.start()

    def advance(self, pieces: int = 1) -> None:
        """So many more are done, or none: then it is looked at what is waited for. Shown a few
        times a second at most."""
        self._done += pieces
        now = time.monotonic()
        if now - self._shown < self._every_s:
            return
        said = self._done, *(sampler.said for sampler in self._samplers.values())
        if self._live or said != self._said:
            # Plain lines are kept: one that says nothing new would be noise.
            self._shown, self._said = now, said
            self._show(self._line())

    def see(self, samplers: dict[str, Sampler], spent: dict[str, Spent]) -> None:
        """The live teachers and what they were paid."""
        self._samplers, self._spent = samplers, spent

    def end(self, stage: Stage, seconds: float) -> None:
        """The stage is done; a stage that had nothing to do says so."""
        if self._done:
            self._show(self._line(seconds))
        else:
            self._console.print(Text(f"{stage:<7}nothing to do"))
        self.stop()
        self._done = 0

    def stop(self) -> None:
        """Give the terminal back."""
        if self._live:
            self._live.stop()
            self._live = None

    def _show(self, line: Text) -> None:
        if self._live:
            self._live.update(line)
        else:
            self._console.print(line, soft_wrap=True)

    def _line(self, seconds: float | None = None) -> Text:
        spent = time.monotonic() - self._started if seconds is None else seconds
        rate = self._done / spent if spent > 0 else 0.0
        of = f"/{self._total:,}" if self._total is not None else ""
        parts = [f"{self._done:,}{of} {_UNITS[self._stage]}"]
        if self._done:
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2f}/s")
        if self._stage == "search" and self._samplers:
            parts += self._teachers()
        if seconds is not None:
            parts.append(f"{seconds:.1f} s")
        elif rate and self._total:
            parts.append(f"{_clock((self._total - self._done) / rate)} left")
        return Text(f"{self._stage:<7}" + " · ".join(parts))

    def _teachers(self) -> list[str]:
        flows = [sampler.flow for sampler in self._samplers.values()]
        parts = [sampler.said for sampler in self._samplers.values() if sampler.said]
        online = [sampler for sampler in self._samplers.values() if not sampler.holds]
        if online:
            limit = sum(sampler.places.limit for sampler in online)
            parts.append(f"{sum(each.flow.in_flight for each in online):,} of {limit:,} in flight")
        errors = sum((flow.errors for flow in flows), Counter[str]())
        parts += [f"{count:,} × {kind}" for kind, count in errors.most_common(3)]
        tokens = sum(used.prompt_tokens + used.tokens for used in self._spent.values())
        if tokens:
            parts.append(f"{tokens:,} tokens")
        cost = 0.0
        for name, used in self._spent.items():
            price = self._recipe.teachers[name].price if name in self._recipe.teachers else None
            cost += price.of(used.prompt_tokens, used.tokens) if price else 0.0
        return [*parts, f"${cost:.2f}"] if cost else parts


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def is_interactive() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
