"""Importing hand-written rows in tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cotgen.bringing import Asked, bring, importer_named
from cotgen.records import Group, Judged
from cotgen.runs import Run, saved_shape


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def import_rows(
    kind: str,
    rows: Sequence[Any],
    folder: Path,
    *sets: str,
    verdicts: Literal["again", "keep"] = "again",
) -> Path:
    """The run that the rows become."""
    file = write_rows(folder / "rows.jsonl", rows)
    bring(Asked(importer_named(kind, sets), (file,), verdicts), folder, "run")
    return folder / "run"


def groups(run: Path) -> list[Group]:
    with Run(saved_shape(run), run, write=False) as opened:
        return list(opened.groups())


def one_group(kind: str, row: Any, folder: Path, *sets: str) -> Group:
    (group,) = groups(import_rows(kind, [row], folder, *sets))
    return group


def texts(group: Group) -> list[str]:
    return [judged.attempt.text for judged in group.judged]


def rewards(judged: Judged) -> tuple[float, ...] | None:
    return judged.rewards.per_step if judged.rewards else None


def lines(path: Path) -> list[Any]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
