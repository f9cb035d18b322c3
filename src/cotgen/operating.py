"""A run as the command operates it: watched, stopped by signals, and told of at its end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from msgspec.structs import replace

from cotgen import series
from cotgen.ending import Stop, stop_on_signals
from cotgen.errors import (
    DONE,
    FAILED_ITEMS,
    INTERRUPTED,
    LIMIT,
    LOCKED,
    CotgenError,
    RunLocked,
    exit_code,
)
from cotgen.limits import Allowance
from cotgen.notifying import tell
from cotgen.pipeline import Stage, Watch, run_async
from cotgen.recipe import Recipe
from cotgen.store.folder import holder
from cotgen.summary import State, Summary, read_summary


class Ended(msgspec.Struct):
    """How a start of a run ended: what `--json` ends with, and what `notify` is told."""

    run: str
    folder: str
    state: State | Literal["locked"]
    exit_code: int
    said: str
    """Why it ended before all was done; empty if all was."""
    text: str
    """All in one line."""
    summary: Summary | None


class Voice(Watch, Protocol):
    """A watch that also says how it ended."""

    def stop(self) -> None:
        """Nothing more comes from the run."""

    def ended(self, ended: Ended) -> None:
        """The last word."""

    def warn(self, said: str) -> None:
        """Something else went wrong."""


class Order(msgspec.Struct, frozen=True):
    """What to do with a recipe."""

    outputs: Path
    until: Stage = "emit"
    redo: Stage | None = None
    begun_only: bool = False
    """Search only where something was paid for already."""
    beside: tuple[Allowance, ...] = ()


def operate(recipe: Recipe, order: Order, voice: Voice) -> Ended:
    """Run a recipe and say all there is to say; returns how it ended. Bugs are raised."""
    folder = order.outputs / recipe.name
    try:
        summary = asyncio.run(_stoppable(recipe, order, voice))
        ended = _whole(summary, folder)
    except CotgenError as error:
        ended = _broken(recipe.name, folder, error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        ended = _broken(recipe.name, folder, KeyboardInterrupt("interrupted"))
    except Exception as bug:
        said = f"a bug of cotgen: {type(bug).__name__}: {bug}"[:500]
        _notify(recipe, _broken(recipe.name, folder, CotgenError(said)), voice)
        raise
    finally:
        voice.stop()
    return _told(recipe, ended, voice)


def operate_night(recipe: Recipe, order: Order, today: date, voice_of: Listen) -> Ended:
    """Today's run of a series, as `operate`.

    First, searches of the run before that were paid for in part get their rest: what was bought is
    used, and counts as tonight's. Then tonight's own run has what is left of the limits. Nothing is
    done while an earlier night is at work: both would pay for the same problems.
    """
    tonight = series.dated(recipe, order.outputs, today)
    earlier = [run for run in series.runs(recipe.name, order.outputs) if run.name < tonight.name]
    if busy := _at_work(earlier):
        ended = _broken(tonight.name, order.outputs / tonight.name, busy)
        return _told(recipe, ended, voice_of(tonight))
    begun = [*earlier, order.outputs / tonight.name]
    # What is spent tonight is spent in these two; a long series' journals are gigabytes.
    counted = begun if recipe.series.any_spending else begun[-2:]
    before = series.spent_by(counted, recipe)
    if earlier and series.paid_for(earlier[-1]):
        last = series.dated(recipe, order.outputs, series.day_of(earlier[-1]))
        rest = replace(order, begun_only=True, beside=(Allowance(recipe.series, before, "series"),))
        ended = operate(last, rest, voice_of(last))
        if ended.exit_code in (LIMIT, INTERRUPTED, LOCKED):
            return ended
    if tonight.name not in {run.name for run in begun if run.exists()} and series.is_over(tonight):
        said = f"{recipe.name}: every problem is solved, nothing is left for a run"
        ended = Ended(tonight.name, "", "complete", DONE, said, said, None)
        return _told(recipe, ended, voice_of(tonight))
    now = series.spent_by(counted, recipe)
    beside = (
        Allowance(recipe.limits, now.less(before)),
        Allowance(recipe.series, now, "series"),
    )
    return operate(tonight, replace(order, beside=beside), voice_of(tonight))


Listen = Callable[[Recipe], Voice]
"""Makes the voice of one run."""


def _at_work(runs: Iterable[Path]) -> RunLocked | None:
    for run in runs:
        match holder(run):
            case ("running", name):
                return RunLocked(f"{run} is being worked on by {name}")
    return None


async def _stoppable(recipe: Recipe, order: Order, voice: Voice) -> Summary:
    stop = Stop()
    with stop_on_signals(stop):
        return await run_async(
            recipe,
            outputs=order.outputs,
            until=order.until,
            redo=order.redo,
            watch=voice,
            stop=stop,
            begun_only=order.begun_only,
            beside=order.beside,
        )


def _whole(summary: Summary, folder: Path) -> Ended:
    """The end of a run whose stages all had their turn."""
    failed = sum(summary.failed.values())
    code = LIMIT if summary.state == "limit" else FAILED_ITEMS if failed else DONE
    said = summary.said
    if failed:
        said += ("; " if said else "") + f"{failed:,} failed"
    return _ended(folder, code, said, summary)


def _broken(name: str, folder: Path, error: BaseException) -> Ended:
    code = exit_code(error)
    if isinstance(error, RunLocked):
        return Ended(name, str(folder), "locked", code, str(error), f"{name}: {error}", None)
    summary = read_summary(folder)
    summary.name = name
    summary.state = {LIMIT: "limit", INTERRUPTED: "stopped"}.get(code, "error")  # type: ignore[assignment]
    return _ended(folder, code, str(error), summary)


def _ended(folder: Path, code: int, said: str, summary: Summary) -> Ended:
    text = f"{summary.name}: {one_line(summary, said)}"
    return Ended(summary.name, str(folder), summary.state, code, said, text, summary)


def one_line(summary: Summary, said: str) -> str:
    """A run's numbers for a mail."""
    parts = [summary.state + (f" ({' '.join(said.split())})" if said else "")]
    if summary.problems:  # A start that was broken off has counted nothing yet.
        parts.append(f"{summary.solved:,} of {summary.problems:,} problems solved")
        parts.append(f"{summary.attempts:,} attempts")
    parts += [f"{rows:,} {name} rows" for name, rows in summary.rows.items()]
    if summary.cost_usd:
        parts.append(f"${summary.cost_usd:,.4f}")
    return " · ".join(parts)


def _told(recipe: Recipe, ended: Ended, voice: Voice) -> Ended:
    """The last word, to everybody."""
    try:
        voice.ended(ended)
        sys.stdout.flush()
    except OSError:
        # A closed pipe or a log on a full disk changes nothing about how the run ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _notify(recipe, ended, voice)
    return ended


def _notify(recipe: Recipe, ended: Ended, voice: Voice) -> None:
    facts = {
        "COTGEN_RUN": ended.run,
        "COTGEN_STATE": ended.state,
        "COTGEN_EXIT_CODE": str(ended.exit_code),
    }
    for wrong in tell(recipe.notify, msgspec.json.encode(ended), facts):
        voice.warn(wrong)
