"""A run's numbers, plots and page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from cotgen.errors import RecipeError
from cotgen.report.comparing import collect_all
from cotgen.report.numbers import Report
from cotgen.report.page import rendered
from cotgen.store import replace_file

__all__ = ["Made", "Report", "collect_all", "write_report"]


class Made(NamedTuple):
    """A report's files."""

    page: Path
    numbers: Path


def write_report(folders: list[Path], out: Path | None = None) -> Made:
    """Write the page of a run, or of several beside each other, and its numbers as JSON.

    Without `out` they are `report.html` and `report.json` in the run's folder, or
    `report-with-<others>.html` in that of the first of several.
    """
    report = collect_all(folders)
    page = out or folders[0] / _name(folders)
    if page.suffix == ".json":
        raise RecipeError(f"--out {page}: this is the name of the page; its numbers get .json")
    numbers = page.with_suffix(".json")
    page.parent.mkdir(parents=True, exist_ok=True)
    data = msgspec.json.format(msgspec.json.encode(report), indent=1)
    replace_file(numbers, data + b"\n")
    replace_file(page, rendered(report).encode("utf-8", "replace"))
    return Made(page, numbers)


def _name(folders: list[Path]) -> str:
    others = "-".join(folder.absolute().name for folder in folders[1:])
    return f"report-with-{others}.html" if others else "report.html"
