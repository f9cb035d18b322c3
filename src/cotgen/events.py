"""A run as JSON events on standard output, one object a line, for programs that watch runs.

Every event has `event` and `time` (ISO 8601, UTC). docs/operations.md lists them all.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from cotgen.errors import CotgenError, LimitReached
from cotgen.operating import Ended
from cotgen.pipeline import Stage
from cotgen.recipe import Recipe
from cotgen.store.journal import Spent
from cotgen.wiring import Sampler

_EVERY_S = 2.0


class Events:
    """Writes what happens as it happens; progress every few seconds."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._stage: Stage = "load"
        self._total: int | None = None
        self._done = 0
        self._begun = self._shown = time.monotonic()
        self._samplers: dict[str, Sampler] = {}
        self._spent: dict[str, Spent] = {}
        self._write("started", run=recipe.name)

    def start(self, stage: Stage, total: int | None) -> None:
        """A stage begins."""
        self._stage, self._total, self._done = stage, total, 0
        self._begun = self._shown = time.monotonic()
        self._write("stage_started", stage=stage, total=total)

    def advance(self, pieces: int = 1) -> None:
        """So many more are done."""
        self._done += pieces
        if time.monotonic() - self._shown >= _EVERY_S:
            self._shown = time.monotonic()
            self._write("progress", **self._progress())

    def see(self, samplers: dict[str, Sampler], spent: dict[str, Spent]) -> None:
        """The live teachers and what they were paid."""
        self._samplers, self._spent = samplers, spent

    def halt(self, why: CotgenError, in_flight: int, grace_s: float | None) -> None:
        """No more is asked of teachers."""
        event = "limit_reached" if isinstance(why, LimitReached) else "stopping"
        self._write(event, said=str(why), in_flight=in_flight, grace_s=grace_s)

    def end(self, stage: Stage, seconds: float) -> None:
        """The stage is done."""
        if self._done:
            self._write("progress", **self._progress())
        self._write("stage_ended", stage=stage, done=self._done, seconds=round(seconds, 3))
        self._done = 0

    def stop(self) -> None:
        """Nothing is held."""

    def ended(self, ended: Ended) -> None:
        """The last event."""
        self._write("finished", **msgspec.structs.asdict(ended))

    def warn(self, said: str) -> None:
        """Something else went wrong."""
        self._write("warning", said=said)

    def _progress(self) -> dict[str, Any]:
        seconds = max(1e-9, time.monotonic() - self._begun)
        rate = self._done / seconds
        left = (self._total - self._done) / rate if self._total is not None and rate else None
        told: dict[str, Any] = {
            "stage": self._stage,
            "done": self._done,
            "total": self._total,
            "rate": round(rate, 3),
            "left_s": None if left is None else round(left, 1),
        }
        if self._stage == "search":
            told["teachers"] = {
                name: self._teacher(sampler, seconds) for name, sampler in self._samplers.items()
            }
        return told

    def _teacher(self, sampler: Sampler, seconds: float) -> dict[str, Any]:
        flow, spent = sampler.flow, self._spent.get(sampler.name, Spent())
        price = self._recipe.teachers[sampler.name].price
        return {
            "done": flow.done,
            "owed": flow.owed,
            "in_flight": flow.in_flight,
            "requests": flow.requests,
            "retries": flow.retries,
            "errors": dict(flow.errors),
            "tokens_per_s": round(flow.tokens / seconds, 1),
            "tokens": spent.prompt_tokens + spent.tokens,
            "cost_usd": float(price.of(spent.prompt_tokens, spent.tokens)) if price else 0.0,
        }

    def _write(self, event: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = msgspec.json.encode({"event": event, "time": now, **facts})
        try:
            sys.stdout.write(line.decode() + "\n")
            sys.stdout.flush()
        except OSError:
            # Nobody reads any more, or the disk is full: the run is worth more than its echo.
            pass
