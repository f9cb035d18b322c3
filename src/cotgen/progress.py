"""Progress of a run on the terminal: live lines, or plain ones without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from decimal import Decimal

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cotgen import display
from cotgen.errors import CotgenError
from cotgen.operating import Ended
from cotgen.pipeline import Stage
from cotgen.recipe import Recipe
from cotgen.store.journal import Spent
from cotgen.wiring import Sampler

_LIVE_EVERY_S, _PLAIN_EVERY_S = 0.1, 10.0
_SELDOM = 0.1
"""Plain lines are kept, in logs and mails: after an hour one comes every six minutes."""
_UNITS: dict[Stage, str] = {
    "load": "problems",
    "search": "searches",
    "verify": "attempts",
    "filter": "problems",
    "chain": "problems",
    "emit": "problems",
}


class Progress:
    """Shows rate, time left, and for each teacher what is in flight, errors, tokens and cost."""

    def __init__(self, recipe: Recipe, *, quiet: bool = False) -> None:
        self._recipe = recipe
        self._quiet = quiet
        self._console = Console(stderr=True, quiet=quiet)
        self._live: Live | None = None
        self._samplers: dict[str, Sampler] = {}
        self._spent: dict[str, Spent] = {}
        self._stage: Stage | None = None
        self._total: int | None = None
        self._done = 0
        self._said: tuple[object, ...] = ()
        self._started = self._shown = time.monotonic()

    def start(self, stage: Stage, total: int | None) -> None:
        """A stage begins."""
        self._stage, self._total, self._done = stage, total, 0
        self._started = self._shown = time.monotonic()
        if self._console.is_terminal and not self._quiet:
            self._live = Live(self._lines(), console=self._console, refresh_per_second=8)
            self._live.start()

    def advance(self, pieces: int = 1) -> None:
        """So many more are done, or none: then it is looked at what is waited for. Shown a few
        times a second at most."""
        self._done += pieces
        now = time.monotonic()
        if now - self._shown < self._every_s(now):
            return
        said = self._done, *(sampler.said for sampler in self._samplers.values())
        if self._live or said != self._said:
            # Plain lines are kept: one that says nothing new would be noise.
            self._shown, self._said = now, said
            self._show(self._lines())

    def see(self, samplers: dict[str, Sampler], spent: dict[str, Spent]) -> None:
        """The live teachers and what they were paid."""
        self._samplers, self._spent = samplers, spent

    def halt(self, why: CotgenError, in_flight: int, grace_s: float | None) -> None:
        """No more is asked of teachers."""
        if not in_flight:
            return  # It is said in a moment, as the run's last word.
        flying = f"{in_flight:,} request{'s' * (in_flight != 1)} in flight"
        awaited = f"up to {grace_s:g} s" if grace_s is not None else "awaited"
        then = "; Ctrl-C again stops now" if grace_s is not None else ""
        self._print(Text(f"stopping: {display.visible(str(why))}; {flying}, {awaited}{then}"))

    def end(self, stage: Stage, seconds: float) -> None:
        """The stage is done; a stage that had nothing to do says so."""
        if self._stage == stage:
            self._show(self._lines(seconds))
        else:
            self._print(Text(f"{stage:<7}nothing to do"))
        self.stop()
        self._stage, self._done = None, 0

    def stop(self) -> None:
        """Give the terminal back."""
        if self._live:
            self._live.stop()
            self._live = None

    def ended(self, ended: Ended) -> None:
        """The last word: all numbers, or quietly one line."""
        display.show_end(ended, quiet=self._quiet)

    def warn(self, said: str) -> None:
        """Something else went wrong."""
        print(f"cotgen: {display.visible(said)}", file=sys.stderr)  # noqa: T201 - even quietly

    def _every_s(self, now: float) -> float:
        if self._live:
            return _LIVE_EVERY_S
        return max(_PLAIN_EVERY_S, _SELDOM * (now - self._started))

    def _show(self, lines: Text) -> None:
        if self._live:
            self._live.update(lines)
        else:
            self._print(lines)

    def _print(self, text: Text) -> None:
        try:
            self._console.print(text, soft_wrap=True)
        except OSError:
            # A closed pipe, a log on a full disk: the run is worth more than its echo.
            self._console.quiet = True

    def _lines(self, seconds: float | None = None) -> Text:
        """The stage's line; with several teachers one for each below it."""
        assert self._stage
        spent = time.monotonic() - self._started if seconds is None else seconds
        of = f"/{self._total:,}" if self._total is not None else ""
        parts = [f"{self._done:,}{of} {_UNITS[self._stage]}", *_rate(self._done, spent)]
        several: list[str] = []
        if self._stage == "search" and self._samplers:
            if len(self._samplers) == 1:
                parts += self._teacher(next(iter(self._samplers.values())), spent)
            else:
                several = list(self._each_teacher(spent))
                parts += [f"${sum(map(self._cost, self._samplers), Decimal(0)):.4f}"]
        if seconds is not None:
            parts.append(f"{seconds:.1f} s")
        elif self._done and self._total:
            parts.append(_left(self._total - self._done, self._done, spent))
        return Text("\n".join([f"{self._stage:<7}" + " · ".join(parts), *several]))

    def _each_teacher(self, spent: float) -> Iterator[str]:
        width = max(map(len, self._samplers))
        for name, sampler in self._samplers.items():
            flow = sampler.flow
            parts = [f"{flow.done:,}/{flow.owed:,}", *_rate(flow.done, spent)]
            parts += self._teacher(sampler, spent)
            if 0 < flow.done < flow.owed:
                parts.append(_left(flow.owed - flow.done, flow.done, spent))
            yield f"  {name:<{width}}  " + " · ".join(parts)

    def _teacher(self, sampler: Sampler, spent: float) -> list[str]:
        flow, used = sampler.flow, self._spent.get(sampler.name, Spent())
        parts = [sampler.said] if sampler.said else []
        if not sampler.holds:
            parts.append(f"{flow.in_flight:,} of {sampler.places.limit:,} in flight")
        parts += [f"{count:,} × {kind}" for kind, count in flow.errors.most_common(3)]
        if flow.tokens and spent > 0:
            parts.append(f"{flow.tokens / spent:,.0f} tokens/s")
        if tokens := used.prompt_tokens + used.tokens:
            parts.append(f"{tokens:,} tokens")
        if cost := self._cost(sampler.name):
            parts.append(f"${cost:.4f}")
        return parts

    def _cost(self, name: str) -> Decimal:
        """What the journal says a teacher was paid, in this start and those before."""
        used = self._spent.get(name, Spent())
        price = self._recipe.teachers[name].price
        return price.of(used.prompt_tokens, used.tokens) if price else Decimal(0)


def _rate(done: int, seconds: float) -> list[str]:
    if not done or seconds <= 0:
        return []
    rate = done / seconds
    return [f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2f}/s"]


def _left(owed: int, done: int, seconds: float) -> str:
    return f"{_clock(owed * seconds / done)} left"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def is_interactive() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
