"""The runs of a folder, each in a line: read from small files only, so that hundreds are fast."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from cotgen.errors import RecipeError
from cotgen.store.folder import holder
from cotgen.summary import State, Summary, read_summary

_TOUCHED = ("summary.json", "manifest.json", "run.log", "journal.jsonl", "attempts.jsonl")


class Listed(msgspec.Struct):
    """A run as it stands on disk. While it is worked on, and after a kill, its numbers are those
    of the last start that ended by itself."""

    name: str
    state: State | Literal["running", "killed"]
    said: str
    """Who works on it, or why the last start ended before all was done."""
    problems: int
    solved: int
    attempts: int
    rows: dict[str, int]
    failed: int
    tokens: int
    cost_usd: float
    last_activity: str


def listed(outputs: Path) -> list[Listed]:
    """All runs of a folder, the one that was touched last at the end. Raises RecipeError."""
    if not outputs.is_dir():
        raise RecipeError(f"{outputs} is no folder")
    return sorted(_runs(outputs), key=lambda run: (run.last_activity, run.name))


def _runs(outputs: Path) -> Iterator[Listed]:
    for entry in os.scandir(outputs):
        # A folder that we may not read (lost+found of a volume) or that is just deleted is no run.
        with suppress(PermissionError, FileNotFoundError):
            if (Path(entry.path) / "manifest.json").is_file():
                yield _run(Path(entry.path))


def _run(folder: Path) -> Listed:
    summary = read_summary(folder)
    state, said = _state(folder, summary)
    return Listed(
        # Bytes that are no UTF-8 cannot be written as JSON.
        name=folder.name.encode(errors="backslashreplace").decode(),
        state=state,
        said=said,
        problems=summary.problems,
        solved=summary.solved,
        attempts=summary.attempts,
        rows=summary.rows,
        failed=sum(summary.failed.values()),
        tokens=summary.tokens,
        cost_usd=summary.cost_usd,
        last_activity=_touched(folder),
    )


def _state(folder: Path, summary: Summary) -> tuple[State | Literal["running", "killed"], str]:
    if held := holder(folder):
        return held
    if summary.state:
        return summary.state, summary.said
    return ("complete" if summary.rows else "unfinished"), ""  # Of a version before states.


def _touched(folder: Path) -> str:
    """When a file of the run was last written, ISO 8601, UTC."""
    times = [path.stat().st_mtime for name in _TOUCHED if (path := folder / name).exists()]
    return datetime.fromtimestamp(max(times, default=0), UTC).isoformat(timespec="seconds")
