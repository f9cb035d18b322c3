"""A series: each day a run of its own, with what the days before have not seen or not solved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from cotgen.errors import RecipeError
from cotgen.limits import Use, used
from cotgen.problems import RemainingProblems
from cotgen.recipe import Recipe
from cotgen.records import Searched
from cotgen.store import JOURNAL, RunFolder, Table
from cotgen.store.journal import Spent, read_journal


def dated(recipe: Recipe, outputs: Path, today: date) -> Recipe:
    """The recipe of today's run, `<name>-<date>`.

    Its problems are those of the recipe that no earlier run of the series has solved, the unseen
    first. Its seed is another one each day: an unsolved problem gets new attempts, not the old ones
    again. A run that was begun goes on from the earlier runs that it was begun with, wherever it is
    started from and whatever has become of them. Raises RecipeError if the name leaves no room for
    the date.
    """
    name = f"{recipe.name}-{today.isoformat()}"
    earlier = _begun_with(outputs / name)
    if earlier is None:
        earlier = tuple(run for run in runs(recipe.name, outputs) if run.name < name)
    problems = RemainingProblems(of=recipe.problems, runs=earlier)
    changed = {"name": name, "problems": problems, "seed": recipe.seed + today.toordinal()}
    if len(name) > _LONGEST:
        raise RecipeError(f"name: {recipe.name} is too long for a series (with its date: {name})")
    return recipe.model_copy(update=changed)


def paid_for(run: Path) -> set[str]:
    """The searches of a run that were paid for in part, by a kill or a limit, and not ended."""
    begun = {entry.search for entry in read_journal(run / JOURNAL)}
    path = run / "attempts.jsonl"
    if begun and path.exists():
        attempts = Table(path, Searched, write=False)
        begun = {search for search in begun if not attempts.has_finished(search)}
        attempts.close()
    return begun


def spent_by(folders: Iterable[Path], recipe: Recipe) -> Use:
    """What runs have spent so far, by their journals, at a recipe's prices."""
    spent: defaultdict[str, Spent] = defaultdict(Spent)
    for folder in folders:
        for entry in read_journal(folder / JOURNAL):
            spent[entry.teacher].count(entry)
    return used(spent, recipe.prices)


def is_over(today: Recipe) -> bool:
    """Whether nothing is left for today's run: every problem of the source is solved."""
    return next(iter(today.problems.load()), None) is None


def runs(series: str, outputs: Path) -> list[Path]:
    """The runs of a series, the oldest first."""
    found = outputs.glob(f"{series}-*") if outputs.is_dir() else ()
    return sorted(run for run in found if _is_dated(run, series) and run.is_dir())


def day_of(run: Path) -> date:
    """The date in the name of a series' run."""
    return date.fromisoformat(run.name[-len(_DATE) :])


def _begun_with(run: Path) -> tuple[Path, ...] | None:
    claimed = RunFolder(run).manifest.tables.get("problems")
    return tuple(map(Path, claimed["problems"].get("runs", ()))) if claimed else None


def _is_dated(run: Path, series: str) -> bool:
    try:
        return run.name == f"{series}-{day_of(run).isoformat()}"
    except ValueError:
        return False


_DATE = "2026-11-20"
_LONGEST = 80
"""Characters of a run's name, as `FileName` says."""
