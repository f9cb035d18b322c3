"""The commands: they parse, call and print; they decide nothing."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cotgen.errors import (
    DONE,
    FAILED_ITEMS,
    INTERRUPTED,
    CotgenError,
    RecipeError,
    exit_code,
)

if TYPE_CHECKING:
    from cotgen.operating import Voice
    from cotgen.recipe import Recipe

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"cotgen {version('cotgen')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Long chain-of-thought training data: sample, verify, chain, emit."""


class StageName(StrEnum):
    """The stages, for --until and --redo."""

    load = "load"
    search = "search"
    verify = "verify"
    filter = "filter"
    chain = "chain"
    emit = "emit"


class SplitName(StrEnum):
    """The splits of a dataset, for --split."""

    train = "train"
    validation = "validation"


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
    dated: Annotated[
        bool,
        typer.Option(
            "--dated",
            help="Make today's run of a series: what no earlier one has seen or solved.",
        ),
    ] = False,
    env_file: Annotated[
        Path | None, typer.Option(help="NAME=value lines to set first: keys. Mode 600.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Note starts, ends and exit codes here; rotated.")
    ] = None,
    outputs: Outputs = Path("outputs"),
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print one line at the end, and problems.")
    ] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="Print events as JSON, one a line, instead of text.")
    ] = False,
) -> None:
    """Run a recipe, or go on with its run. Running again resumes."""
    with _errors():  # Loading takes long enough to be interrupted.
        from cotgen.scheduling.log import noted

    # The outer one is for a log that cannot be opened, the inner one for what is noted in it.
    with _errors(), noted(log, str(recipe)) as note, _errors():
        if env_file:
            from cotgen.environment import use_environment

            use_environment(env_file)
        if recipe.is_dir():
            # A run goes on where it stands, whatever its folder was called when it began.
            outputs, name = recipe.absolute().parent, name or recipe.absolute().name
        loaded = _load(recipe, set_, limit, name)
        if fresh and dated:
            raise RecipeError("--fresh deletes one run: name it instead of --dated")
        if fresh:
            _delete(loaded, outputs)
        from cotgen.operating import Order, operate, operate_night

        def listen(recipe: Recipe) -> Voice:
            return _voice(recipe, quiet=quiet, json=json_)

        order = Order(outputs, until.value, redo.value if redo else None)
        if dated:
            ended = operate_night(loaded, order, date.today(), listen)
        else:
            ended = operate(loaded, order, listen(loaded))
        note.said = ended.text
        raise typer.Exit(ended.exit_code)


@app.command()
def schedule(
    recipe: Annotated[
        Path | None, typer.Argument(help="The recipe; with --remove, its name will do.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help='Minute, hour, day, month, weekday: "0 2 * * *".')
    ] = None,
    dated: Annotated[
        bool, typer.Option("--dated/--one-run", help="A new run each day, or one that goes on.")
    ] = True,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="A service and a timer instead of a crontab entry.")
    ] = False,
    kubernetes: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="A CronJob that runs this image.")
    ] = None,
    install: Annotated[bool, typer.Option("--install", help="Put it in force.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List what is installed.")] = False,
    env_file: Annotated[
        Path | None, typer.Option(help="A file of NAME=value lines that the run shall set.")
    ] = None,
    set_: Sets = None,
) -> None:
    """Print, install, remove or list what runs a recipe by the clock."""
    with _errors():
        from cotgen import scheduling

        if [install, remove, list_].count(True) > 1:
            raise RecipeError("choose one of --install, --remove and --list")
        if kubernetes and (install or remove or list_ or systemd):
            raise RecipeError("--kubernetes prints what `kubectl apply -f -` takes, nothing else")
        keeper = scheduling.keeper("systemd" if systemd else "crontab")
        if list_:
            typer.echo("".join(f"{line}\n" for line in keeper.installed()), nl=False)
            return
        if recipe is None:
            raise RecipeError("name the recipe")
        if remove:
            keeper.remove(_load(recipe, None, None, None).name if recipe.exists() else str(recipe))
            return
        if at is None:
            raise RecipeError('say when: --at "0 2 * * *" is every night at 2:00')
        loaded = _load(recipe, set_, None, None)
        job = scheduling.job_of(loaded, recipe, scheduling.Times.read(at), env_file, dated, set_)
        if kubernetes:
            typer.echo(scheduling.manifests(job, recipe, kubernetes), nl=False)
        elif install:
            typer.echo(keeper.install(job))
        else:
            typer.echo(keeper.shown(job), nl=False)


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

        try:
            counts = judging.judge_file(file, out, workers, judging.settings(set_ or ()))
        except KeyboardInterrupt:
            typer.echo(f"interrupted; {judging.left_by_interrupt(out)}", err=True)
            raise typer.Exit(INTERRUPTED) from None
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
    split: Annotated[SplitName, typer.Option(help="Of which split.")] = SplitName.train,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Show a run, one problem with everything that was made of it, or a row of a dataset."""
    with _errors():
        from cotgen import display, trace

        folder = _folder(run, outputs)
        if dataset is not None:
            trace.show_row(folder, dataset, split.value, row)
        elif id is not None:
            display.show_problem(folder, id)
        else:
            display.show_run(folder)


@app.command()
def runs(
    outputs: Outputs = Path("outputs"),
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, one run a line.")] = False,
) -> None:
    """List runs: their state, what they yielded and cost, when they were last worked on."""
    with _errors():
        import msgspec

        from cotgen import display, listing

        found = listing.listed(outputs)
        if json_:
            for each in found:
                typer.echo(msgspec.json.encode(each))
        else:
            display.show_runs(found)


@app.command()
def view(
    run: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: the first free from 8642 on.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; others than 127.0.0.1 show the run to others.")
    ] = "127.0.0.1",
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Browse a run in the browser: problems, attempts, differences, chains, rows. Reads only."""
    with _errors():
        from cotgen.view import is_private, serve

        folder = _folder(run, outputs)
        if not is_private(host):
            typer.echo(f"cotgen: whoever reaches {host} can read {folder}", err=True)

        def announce(address: str) -> None:
            typer.echo(f"{folder} at {address} (Ctrl-C ends)")
            if open_:
                typer.launch(address)

        serve(folder, host, port, announce)


@app.command()
def kinds(
    family: Annotated[str | None, typer.Argument(help="problems, teachers, …; none: all.")] = None,
) -> None:
    """List the kinds of each family with their settings."""
    with _errors():
        from cotgen import display

        display.show_kinds(family)


class Verdicts(StrEnum):
    """Whose verdicts an import takes."""

    again = "again"
    keep = "keep"


class TestProblems(StrEnum):
    """What an import does with problems of test splits."""

    mark = "mark"
    drop = "drop"


class OnBadLine(StrEnum):
    """What an import does with a bad line."""

    stop = "stop"
    skip = "skip"


@app.command("import")
def import_(
    name: Annotated[str, typer.Argument(help="A format: cotgen kinds importers lists them.")],
    files: Annotated[list[Path], typer.Argument(help=".jsonl, .jsonl.gz, .json or .parquet.")],
    run: Annotated[str, typer.Option(help="The name of the new run.")],
    verdicts: Annotated[
        Verdicts, typer.Option(help="Judge again, or keep what the dataset says of answers.")
    ] = Verdicts.again,
    test_problems: Annotated[
        TestProblems, typer.Option(help="Problems of test splits: mark or drop them.")
    ] = TestProblems.mark,
    on_bad_line: Annotated[
        OnBadLine, typer.Option(help="Stop at a bad line, or skip, count and list it.")
    ] = OnBadLine.stop,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the format: --set split=test.")
    ] = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Bring somebody else's dataset into a run, to be judged, chained and written anew."""
    with _errors():
        from cotgen import bringing, display

        asked = bringing.Asked(
            bringing.importer_named(name, set_ or ()),
            tuple(files),
            verdicts.value,
            test_problems.value,
            on_bad_line.value,
        )
        with display.counting("rows") as watch:
            brought = bringing.bring(asked, outputs, run, watch)
        display.show_brought(brought, outputs / run)


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

        folder = _folder(run, outputs)
        if dry_run:
            display.show_parcel(publish.pack(folder, repo, accept_licences=accept_licences), repo)
            return
        publish.be_quiet(bars=sys.stderr.isatty())
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        destination = publish.Destination(repo, revision, private)
        sent = publish.push(folder, destination, accept_licences=accept_licences)
        display.show_sent(sent)


@app.command()
def report(
    runs: Annotated[list[str], typer.Argument(help="A run's name or folder; several: compared.")],
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    out: Annotated[Path | None, typer.Option(help="The page; its numbers lie beside it.")] = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Write a page with a run's numbers and plots, or with several runs beside each other."""
    with _errors():
        from cotgen.report import write_report

        made = write_report([_folder(run, outputs) for run in runs], out)
        typer.echo(f"{made.page}\n{made.numbers}")
        if open_:
            typer.launch(str(made.page))


@app.command()
def audit(
    run: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    max_false_claims: Annotated[
        int, typer.Option(min=0, help="So many trained texts may state a false sum.")
    ] = 0,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Check a run against the five demands on long-thought data; exit 1 if it fails one, 2 if it
    has no rows."""
    with _errors():
        from cotgen.audit import audit as audited
        from cotgen.report.spoken import show_audit

        found = audited(_folder(run, outputs), max_false_claims)
        show_audit(found, json=json)
        raise typer.Exit(DONE if found.passed else FAILED_ITEMS)


def _folder(run: str, outputs: Path) -> Path:
    """A run's folder by its path or name: any other folder of that name is not meant."""
    here, named = Path(run), outputs / run
    is_named = (named / "manifest.json").exists() and not (here / "manifest.json").exists()
    return named if is_named or not here.is_dir() else here


def _load(path: Path, sets: list[str] | None, limit: int | None, name: str | None) -> Recipe:
    from cotgen.recipe import load_recipe

    overrides = list(sets or [])
    if limit is not None:
        overrides.append(f"problems.limit={limit}")
    return load_recipe(path / "recipe.yaml" if path.is_dir() else path, overrides, name)


def _voice(recipe: Recipe, *, quiet: bool, json: bool) -> Voice:
    if json:
        from cotgen.events import Events

        return Events(recipe)
    from cotgen.progress import Progress

    return Progress(recipe, quiet=quiet)


def _delete(recipe: Recipe, outputs: Path) -> None:
    """Delete a run once its name was typed: what it paid for cannot be had back."""
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
    except CotgenError as error:
        _exit(error, exit_code(error))
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
