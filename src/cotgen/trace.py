"""A row of a dataset on the terminal, with everything that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cotgen.datafiles import ORIGINS, ROWS
from cotgen.display import COLOURS, indented, opened, text
from cotgen.errors import RecipeError
from cotgen.recipe import load_recipe
from cotgen.records import Judged, Problem
from cotgen.rows import read_row
from cotgen.runs import saved_shape
from cotgen.store import RunFolder


def show_row(folder: Path, dataset: str, split: str, number: int) -> None:
    """A row as it is trained, and where it came from: problem, attempts, teachers, verdicts."""
    console = Console()
    stems = _stems(folder, dataset, split)
    row, origin = (_line(folder / "datasets", stems, suffix, number) for suffix in (ROWS, ORIGINS))
    where = "" if split == "train" else f" {split}"
    console.print(Text(f"{dataset}{where}, row {number}", style="bold underline"))
    for part in [*_row_parts(row), *_origin_parts(origin), *_trace(folder, origin)]:
        console.print(part, soft_wrap=True)
    console.print(_fact("recipe", f"{origin['recipe']} ({_about_recipe(folder, dataset, origin)})"))


def _stems(folder: Path, dataset: str, split: str) -> list[str]:
    saved_shape(folder)
    made = RunFolder(folder).manifest.datasets
    if dataset not in made:
        raise RecipeError(f"{folder} holds no dataset {dataset!r}: choose {', '.join(made)}")
    if "files" not in made[dataset]:
        raise RecipeError(f"{folder}: {dataset} is not finished: cotgen run {folder}")
    files: dict[str, list[str]] = made[dataset]["files"]
    if split not in files:
        raise RecipeError(f"{folder}: {dataset} has no split {split!r}: choose {', '.join(files)}")
    return files[split]


def _line(folder: Path, stems: list[str], suffix: str, number: int) -> dict[str, Any]:
    """A row of a split, counted from 0 over all of its files; only this one is decoded."""
    left = number
    for stem in stems:
        with (folder / f"{stem}{suffix}").open("rb") as file:
            skipped = sum(1 for _ in islice(file, left))
            if line := next(file, None):
                found: dict[str, Any] = read_row(line)
                return found
        left -= skipped
    raise RecipeError(f"{folder / stems[-1]}{suffix} ends before row {number}")


def _row_parts(row: dict[str, Any]) -> Iterator[Text]:
    for column, value in row.items():
        style = _style(column, good=row.get("label") is not False)
        for role, told in _turns(value):
            yield Text(f"{column}{role}", style="bold")
            yield indented(told, style)


def _style(column: str, *, good: bool) -> str:
    """Green for what is to be learnt, red for what is to be unlearnt."""
    if column in ("chosen", "completion", "output", "text"):
        return COLOURS["correct" if good else "incorrect"]
    return COLOURS["incorrect"] if column == "rejected" else ""


def _turns(value: object) -> Iterator[tuple[str, str]]:
    """A column's texts, each with its role."""
    turns: list[Any] = value if isinstance(value, list) else [value]
    if all(isinstance(turn, dict) and "role" in turn for turn in turns):
        yield from ((f" · {turn['role']}", turn["content"]) for turn in turns)
    else:
        yield "", str(value)


def _origin_parts(origin: dict[str, Any]) -> Iterator[Text]:
    yield Text("")
    for key, value in origin.items():
        if key != "recipe":
            yield _fact(key, ", ".join(value) if isinstance(value, list) else str(value))


def _fact(key: str, told: str) -> Text:
    return Text(f"{key:<9} ", "bright_black") + text(told)


def _trace(folder: Path, origin: dict[str, Any]) -> Iterator[Text]:
    """The problem and the attempts that the origin names, as the run's tables have them."""
    with opened(folder) as run:
        problem = run.problems.find(origin["problem"])
        if problem is None:
            yield _fact("problem", "gone: the tables were made again since")
            return
        judged = {each.id: each for each in run.group(problem).judged}
    yield from _problem_parts(problem)
    for id in origin["attempts"]:
        yield Text("")
        if id in judged:
            yield from _attempt_parts(judged[id])
        else:
            yield _fact("attempt", f"{id} is gone: the tables were made again since")


def _problem_parts(problem: Problem) -> Iterator[Text]:
    yield Text("")
    yield Text("problem ", style="bold") + text(problem.id)
    yield indented(problem.question, "")
    yield Text("gold  ", style="bold") + text(problem.answer)


def _attempt_parts(judged: Judged) -> Iterator[Text]:
    verdict, made = judged.verdict, judged.attempt.origin
    outcome = verdict.outcome if verdict else None
    head = text(f"attempt {judged.id}", "bold")
    yield head + Text(f"  {outcome or 'not judged'}", COLOURS[outcome])
    model = f" ({made.model})" if made.model else ""
    yield _fact(
        "teacher",
        f"{judged.teacher}{model}, sample {made.sample}, prompt {made.prompt or 'unknown'}, "
        f"temperature {made.temperature:g}, {made.tokens:,} tokens",
    )
    if verdict:
        reason = f": {verdict.reason}" if verdict.reason else ""
        yield _fact("verdict", f"{verdict.method}{reason}; answer {verdict.predicted or 'unread'}")
    if judged.rewards:
        numbers = ", ".join(f"{reward:.3g}" for reward in judged.rewards.per_step)
        yield _fact("rewards", f"{judged.rewards.source}: {numbers}")


def _about_recipe(folder: Path, dataset: str, origin: dict[str, Any]) -> str:
    """Whether the recipe that lies in the run is the one that the row names."""
    try:
        recipe = load_recipe(folder / "recipe.yaml")
    except RecipeError:
        return "of components that are not installed here"
    made = [each for each in recipe.datasets if each.file_name == dataset]
    same = [recipe.digest(each) for each in made] == [origin["recipe"]]
    return "recipe.yaml beside the tables" if same else "recipe.yaml has changed since"
