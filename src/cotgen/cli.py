"""The commands: they parse, call and print; they decide nothing."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cotgen.errors import CotgenError, HubError, RunLocked, TeacherError

if TYPE_CHECKING:
    from cotgen.recipe import Recipe
    from cotgen.summary import Summary

app = typer.Typer(
    help="Long chain-of-thought training data: sample, verify, chain, emit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DONE, FAILED_ITEMS, USER_MISTAKE, LOCKED, INTERRUPTED = 0, 1, 2, 3, 130


class StageName(StrEnum):
    """The stages, for --until and --redo."""

    load = "load"
    search = "search"
    verify = "verify"
    chain = "chain"
    emit = "emit"


RecipePath = Annotated[
    Path, typer.Argument(help="A recipe (YAML), or the folder of a run to go on with.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Override a key: --set search.n=16. Repeatable.")
]
Name = Annotated[str | None, typer.Option(help="Another name for the run.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many problems.")]
Outputs = Annotated[Path, typer.Option(help="The folder that holds the runs.")]


@app.command()
def run(
    recipe: RecipePath,
    until: Annotated[StageName, typer.Option(help="Stop after this stage.")] = StageName.emit,
    redo: Annotated[
        StageName | None,
        typer.Option(help="Make a stage's table and all after it again; keeps paid completions."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete the run, paid completions too, and start over.")
    ] = False,
    set_: Sets = None,
    limit: Limit = None,
    name: Name = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Run a recipe, or go on with its run. Running again resumes."""
    with _errors():
        if recipe.is_dir():
            # A run goes on where it stands, whatever its folder was called when it began.
            outputs, name = recipe.absolute().parent, name or recipe.absolute().name
        loaded = _load(recipe, set_, limit, name)
        if fresh:
            _delete(loaded, outputs)
        _finish(_run(loaded, outputs, until, redo), outputs)


@app.command()
def check(
    recipe: RecipePath,
    gold: Annotated[
        bool, typer.Option("--gold", help="Run every gold answer through the verifier.")
    ] = False,
    set_: Sets = None,
    limit: Limit = None,
    name: Name = None,
) -> None:
    """Print the resolved recipe and what it would cost at most, without calling a teacher."""
    with _errors():
        from cotgen import checks

        loaded = _load(recipe, set_, limit, name)
        typer.echo(checks.resolved(loaded), nl=False)
        for line in checks.estimate(loaded):
            typer.echo(f"# {line}")
        if gold:
            failures = asyncio.run(checks.golds(loaded))
            for line in failures.lines:
                typer.echo(line)
            typer.echo(
                f"# {failures.correct:,} of {failures.all:,} golds verify against themselves"
            )
            raise typer.Exit(FAILED_ITEMS if failures.lines else DONE)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="JSON Lines with gold and attempt; - for stdin.")],
    out: Annotated[Path, typer.Option(help="Where the verdicts go; - for stdout.")] = Path("-"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; without it, one for each core.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the math verifier: --set rounding=gold."),
    ] = None,
) -> None:
    """Judge the answers of a file: one line {"gold": …, "attempt": …}, one verdict."""
    with _errors():
        from cotgen import judging

        counts = judging.judge_file(file, out, workers, judging.settings(set_ or ()))
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()))
        typer.echo(f"{counts.total():,} verdicts{told and ': ' + told}", err=True)


@app.command()
def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe whose teachers are asked a few tiny questions.")
    ] = None,
    set_: Sets = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Say whether this machine and the teachers of a recipe have what a run needs."""
    with _errors():
        from cotgen import display

        loaded = _load(recipe, set_, None, None) if recipe else None
        raise typer.Exit(
            DONE if asyncio.run(display.show_health(loaded, outputs)) else FAILED_ITEMS
        )


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    id: Annotated[str | None, typer.Argument(help="A problem's id.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Show a row of this dataset.")] = None,
    row: Annotated[int, typer.Option(min=0, help="The row's number, from 0.")] = 0,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Show a run, one problem with everything that was made of it, or a row of a dataset."""
    with _errors():
        from cotgen import display

        folder = Path(run) if Path(run).is_dir() else outputs / run
        if dataset is not None:
            display.show_row(folder, dataset, row)
        elif id is not None:
            display.show_problem(folder, id)
        else:
            display.show_run(folder)


@app.command()
def kinds(
    family: Annotated[str | None, typer.Argument(help="problems, teachers, …; none: all.")] = None,
) -> None:
    """List the kinds of each family with their settings."""
    with _errors():
        from cotgen import display

        display.show_kinds(family)


@app.command()
def push(
    run: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    repo: Annotated[str, typer.Option(help="The dataset repository: organisation/name.")],
    private: Annotated[
        bool, typer.Option("--private", help="If the repository is new, show it to nobody else.")
    ] = False,
    revision: Annotated[str, typer.Option(help="A branch; made if it is not there.")] = "main",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent; touch nothing.")
    ] = False,
    accept_licences: Annotated[
        bool,
        typer.Option(
            "--accept-licences",
            help="You have the right to publish sources whose licence is unknown or forbids it.",
        ),
    ] = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Publish the datasets of a run, with a card, on the Hugging Face Hub. Again: what changed."""
    with _errors():
        from cotgen import display, publish

        folder = Path(run) if Path(run).is_dir() else outputs / run
        if dry_run:
            display.show_parcel(publish.pack(folder, repo, accept_licences=accept_licences), repo)
            return
        publish.be_quiet(bars=sys.stderr.isatty())
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        destination = publish.Destination(repo, revision, private)
        sent = publish.push(folder, destination, accept_licences=accept_licences)
        display.show_sent(sent)


def _load(path: Path, sets: list[str] | None, limit: int | None, name: str | None) -> Recipe:
    from cotgen.recipe import load_recipe

    overrides = list(sets or [])
    if limit is not None:
        overrides.append(f"problems.limit={limit}")
    return load_recipe(path / "recipe.yaml" if path.is_dir() else path, overrides, name)


def _run(
    recipe: Recipe, outputs: Path, until: StageName, redo: StageName | None
) -> Callable[[], Summary]:
    def go() -> Summary:
        from cotgen.pipeline import run_async
        from cotgen.progress import Progress

        progress = Progress(recipe)
        try:
            return asyncio.run(
                run_async(
                    recipe,
                    outputs=outputs,
                    until=until.value,
                    redo=redo.value if redo else None,
                    watch=progress,
                )
            )
        finally:
            progress.stop()

    return go


def _finish(go: Callable[[], Summary], outputs: Path) -> None:
    from cotgen import display

    summary = go()
    display.show_summary(summary, outputs / summary.name)
    if failed := sum(summary.failed.values()):
        typer.echo(f"{failed:,} failed; run again to try them again. The commonest reasons:")
        for reason, times in summary.reasons.items():
            typer.echo(f"  {times:,} × {display.visible(reason)}")
        raise typer.Exit(FAILED_ITEMS)


def _delete(recipe: Recipe, outputs: Path) -> None:
    """Delete a run once its name was typed: what it paid for cannot be had back."""
    from cotgen.errors import RecipeError
    from cotgen.progress import is_interactive
    from cotgen.store import RunFolder

    folder = RunFolder(outputs / recipe.name)
    if not folder.path.exists():
        return
    if not is_interactive():
        raise RecipeError("--fresh deletes a run and asks first: it needs a terminal")
    typer.echo(f"This deletes {folder.path} with every completion it paid for.", err=True)
    if typer.prompt("Type the run's name to go on", err=True) != recipe.name:
        raise RecipeError("not deleted: that is not the run's name")
    with folder.locked():
        folder.clear()


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what users can cause into a message and an exit code; bugs keep their traceback."""
    try:
        yield
    except RunLocked as error:
        _exit(error, LOCKED)
    except (HubError, TeacherError) as error:
        _exit(error, FAILED_ITEMS)
    except CotgenError as error:
        _exit(error, USER_MISTAKE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("interrupted; nothing finished is lost, run again to go on", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        sys.stderr.close()
        sys.exit(DONE)


def _exit(error: Exception, code: int) -> NoReturn:
    typer.echo(f"cotgen: {error}", err=True)
    sys.exit(code)
