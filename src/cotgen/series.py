"""A series: each day a run of its own, with what the days before have not seen or not solved."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from cotgen.errors import RecipeError
from cotgen.problems import RemainingProblems
from cotgen.recipe import Recipe

_DATE = r"\d{4}-\d{2}-\d{2}"


def dated(recipe: Recipe, outputs: Path, today: date) -> Recipe:
    """The recipe of today's run, `<name>-<date>`.

    Its problems are those of the recipe that no earlier run of the series has solved, the unseen
    first. Its seed is another one each day: an unsolved problem gets new attempts, not the old ones
    again. Raises RecipeError if the name leaves no room for the date.
    """
    name = f"{recipe.name}-{today.isoformat()}"
    earlier = tuple(run for run in runs(recipe.name, outputs) if run.name < name)
    problems = RemainingProblems(of=recipe.problems, runs=earlier)
    changed = {"name": name, "problems": problems, "seed": recipe.seed + today.toordinal()}
    if len(name) > _LONGEST:
        raise RecipeError(f"name: {recipe.name} is too long for a series (with its date: {name})")
    return recipe.model_copy(update=changed)


def is_over(today: Recipe) -> bool:
    """Whether nothing is left for today's run: every problem of the source is solved."""
    return next(iter(today.problems.load()), None) is None


def runs(series: str, outputs: Path) -> list[Path]:
    """The runs of a series, the oldest first."""
    pattern = re.compile(re.escape(series) + "-" + _DATE)
    found = outputs.glob(f"{series}-*") if outputs.is_dir() else ()
    return sorted(run for run in found if pattern.fullmatch(run.name) and run.is_dir())


_LONGEST = 80
"""Characters of a run's name, as `FileName` says."""
