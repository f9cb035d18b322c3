"""Runs, problems and kinds on the terminal. Attempts are hostile: controls are made visible."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotgen import doctor
from cotgen.errors import DONE, FAILED_ITEMS, INTERRUPTED, LIMIT, USER_MISTAKE, RecipeError
from cotgen.menus import MENUS
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Finding
from cotgen.recipe import Recipe, announced
from cotgen.records import Chain, Group, Judged, Outcome, Problem
from cotgen.runs import Run, saved_shape
from cotgen.summary import Dropped, Summary, read_summary

if TYPE_CHECKING:
    from cotgen.bringing import Brought
    from cotgen.listing import Listed
    from cotgen.operating import Ended
    from cotgen.publish import Parcel, Sent

COLOURS: dict[Outcome | None, str] = {
    "correct": "green",
    "incorrect": "red",
    "unverifiable": "yellow",
    "unfinished": "bright_black",
    None: "white",
}
_KEPT = {"\n", "\t"}
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


def show_summary(summary: Summary, folder: Path) -> None:
    """The numbers of a run and where its files are."""
    console = Console()
    table = Table.grid(padding=(0, 2))
    for label, text in _summary_lines(summary):
        table.add_row(Text(label, style="bold"), Text(text))
    console.print(table)
    console.print(Text(f"in {folder}/: summary.json, the tables, datasets/"), soft_wrap=True)


_ALL_STAGES = (DONE, FAILED_ITEMS, LIMIT)
"""The exit codes of a run whose stages all had their turn, if nothing broke it off."""


def show_end(ended: Ended, *, quiet: bool) -> None:
    """How a start ended: its numbers on standard output if all stages had their turn, and what is
    to be known besides on standard error. Quietly it is one line."""
    errors, summary = Console(stderr=True), ended.summary
    broken = ended.state == "error"
    if quiet:
        bad = broken or ended.exit_code not in (DONE, FAILED_ITEMS, LIMIT)
        Console(stderr=bad).print(Text(visible(ended.text)), soft_wrap=True)
    elif summary and ended.exit_code in _ALL_STAGES and summary.seconds and not broken:
        show_summary(summary, Path(ended.folder))
    if summary and (failed := sum(summary.failed.values())) and ended.exit_code != USER_MISTAKE:
        console, told = Console(), "run again to try them again. The commonest reasons:"
        console.print(Text(f"{failed:,} failed; {told}"), soft_wrap=True)
        for reason, times in summary.reasons.items():
            console.print(Text(f"  {times:,} × {visible(reason)}"), soft_wrap=True)
    if quiet:
        return
    if summary is None and ended.exit_code == DONE:
        Console().print(Text(visible(ended.said)), soft_wrap=True)
    if ended.exit_code == LIMIT:
        errors.print(Text(f"cotgen: {visible(ended.said)}; run again to go on"), soft_wrap=True)
    elif ended.exit_code == INTERRUPTED:
        told = f"{ended.said}; nothing finished is lost, run again to go on"
        errors.print(Text(told), soft_wrap=True)
    elif broken or ended.exit_code not in _ALL_STAGES:
        _show_broken(errors, ended)


def _show_broken(errors: Console, ended: Ended) -> None:
    """What ended the run, and what may have been paid for nothing: no summary will tell it."""
    errors.print(Text(f"cotgen: {ended.said}"), soft_wrap=True)
    if ended.summary and ended.summary.unaccounted:
        errors.print(Text(f"{ended.summary.unaccounted:,} {_UNACCOUNTED}"), soft_wrap=True)


_UNACCOUNTED = "requests had no answer and may be billed all the same"
_SIGNS = {"yes": ("✓", "green"), "no": ("✗", "red"), "unknown": ("?", "yellow")}


async def show_health(recipe: Recipe | None, outputs: Path) -> bool:
    """What the doctor finds out, line by line as it comes; whether nothing is missing."""
    console = Console()
    console.print(Text("this machine", style="bold"))
    healthy = all([_show_finding(console, finding) for finding in doctor.machine(outputs)])
    if recipe is None:
        return healthy
    shown = ""
    async for name, finding in doctor.teachers(recipe):
        if name != shown:
            console.print(Text(f"teachers.{name}", style="bold"))
            shown = name
        fine = _show_finding(console, finding)
        needed = finding.what in ("starts", "answers", "knows the model")
        healthy = healthy and (fine or not needed)
    return healthy


def _show_finding(console: Console, finding: Finding) -> bool:
    sign, colour = _SIGNS[finding.verdict]
    line = Text.assemble(
        "  ", (sign, colour), f" {finding.what:<22}", visible(" ".join(finding.said.split()))
    )
    console.print(line, soft_wrap=True)
    return finding.verdict != "no"


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A line that counts what is done, on a terminal only."""
    with Console(stderr=True).status(f"0 {what}") as status:
        yield lambda count: status.update(f"{count:,} {what}")


def show_brought(brought: Brought, folder: Path) -> None:
    """What an import has read and made."""
    console, counts = Console(), brought.counts
    table = Table.grid(padding=(0, 2))
    skipped = [f"{count:,} {reason}" for reason, count in counts.skipped.items()]
    read = f"{counts.rows:,} of {len(brought.files)} file(s)"
    table.add_row(Text("rows", style="bold"), Text(", ".join((read, *skipped))))
    for label, count in (
        ("problems", counts.problems),
        ("attempts", counts.attempts),
        ("verdicts kept", counts.verdicts),
        ("with rewards", counts.rewards),
        ("bad lines", counts.bad_lines),
    ):
        if count:
            table.add_row(Text(label, style="bold"), Text(f"{count:,}"))
    console.print(table)
    console.print(Text(f"in {folder}/; to judge the attempts: cotgen run {folder}"), soft_wrap=True)


def show_run(folder: Path) -> None:
    """A run's numbers, and a line for each of its first problems."""
    console = Console()
    with opened(folder) as run:
        show_summary(read_summary(folder), folder)
        for number, group in enumerate(run.groups()):
            if number == 20:
                console.print(f"… and {len(run.problems) - 20:,} problems more")
                break
            marks = Text()
            left = run.sieve.left(group)
            kept = {judged.id for judged in left.judged} if left else set()
            for judged in group.judged:
                outcome = judged.verdict.outcome if judged.verdict else None
                marks.append("●" if judged.id in kept else "○", COLOURS[outcome])
            head = text(f"{group.problem.id}  ", "bold")
            question = visible(" ".join(group.problem.question.split()))
            console.print(head + marks + Text(f"  {question[:80]}"), soft_wrap=True)
    console.print(Text(f"A problem in full: cotgen show {folder.name} ID"))


def show_problem(folder: Path, id: str) -> None:
    """A problem with everything made of it, coloured by verdict."""
    console = Console()
    with opened(folder) as run:
        problem = run.problems.find(id.split("@")[0]) if id not in run.problems else None
        if id in run.problems:
            problem = run.problems.get(id)
        if problem is None:
            close = get_close_matches(id, run.problems.ids(), n=3)
            meant = f"; did you mean {', '.join(close)}?" if close else ""
            raise RecipeError(f"run {folder.name} holds no problem {id}{meant}")
        for part in _problem_parts(run.group(problem)):
            console.print(part, soft_wrap=True)
        for part in _dropped_parts(run, problem):
            console.print(part, soft_wrap=True)


def show_runs(runs: list[Listed]) -> None:
    """Runs in a table, or in plain columns without a terminal."""
    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("run", "state", "solved", "attempts", "rows", "cost", "last activity"):
        right = column in ("solved", "attempts", "rows", "cost")
        # Narrow terminals and pipes break no name: it is what is typed next.
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for run in runs:
        failed = f", {run.failed:,} failed" if run.failed and run.state != "running" else ""
        state = Text(f"{run.state}{failed}", _STATES.get(run.state, "yellow"))
        table.add_row(
            Text(visible_line(run.name)),
            state,
            f"{run.solved:,}/{run.problems:,}",
            f"{run.attempts:,}",
            f"{sum(run.rows.values()):,}",
            f"${run.cost_usd:,.2f}" if run.cost_usd else "–",
            run.last_activity[:16].replace("T", " "),
        )
    # What is piped has no width.
    console.print(table, soft_wrap=True)


_STATES = {"complete": "green", "running": "cyan", "error": "red"}


def show_parcel(parcel: Parcel, repo: str) -> None:
    """What a push would send, file by file."""
    console = Console()
    sizes = parcel.sizes()
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for path, size in sizes.items():
        table.add_row(Text(visible(path)), Text(f"{size:,} bytes"))
    console.print(table)
    for config in parcel.publication.configs:
        rows = ", ".join(f"{rows:,} rows {split}" for split, rows in config.rows.items())
        console.print(Text(f"config {config.name}: {rows}"), soft_wrap=True)
    total = f"{len(sizes)} files, {sum(sizes.values()):,} bytes"
    console.print(Text(f"{total} for {visible(repo)}; nothing was sent (--dry-run)"))


def show_sent(sent: Sent) -> None:
    """What a push has done."""
    console = Console()
    for mark, paths in (("sent", sent.files), ("deleted", sent.deleted)):
        for path in paths:
            console.print(Text(f"{mark}  {visible(path)}"), soft_wrap=True)
    unchanged = f"{sent.unchanged} files were there already" if sent.unchanged else ""
    told = unchanged if sent.files or sent.deleted else f"nothing to send: {unchanged}"
    console.print(Text(f"{told}{told and '; '}see {visible(sent.address)}"), soft_wrap=True)


def show_kinds(family: str | None) -> None:
    """The kinds of a family, or of all, with their settings."""
    console = Console()
    if family is not None and family not in MENUS:
        raise RecipeError(f"no family is called {family!r}: choose {', '.join(MENUS)}")
    for name, kinds in MENUS.items():
        if family in (None, name):
            console.print(Text(name, style="bold underline"))
            for kind, component in kinds.items():
                _show_kind(console, kind, component)
    own = announced()
    if own:
        console.print(Text("announced by other packages", style="bold underline"))
        for kind, entry in own.items():
            console.print(Text(f"  {kind}  ({entry.value})"))


def visible(text: str) -> str:
    """The text with control, format and bidirectional characters written out as escapes."""
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in _HIDDEN_CATEGORIES
        else character.encode("unicode_escape").decode()
        for character in text
    )


def visible_line(text: str) -> str:
    """The same, with line breaks and tabs written out too: what stands in a table."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _chain_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    if summary.chains:
        text = f"{summary.chains:,} with {summary.wrong_in_chains:,} wrong attempts in context"
        if summary.forced_without_wrong < summary.chains:
            text += f"; nearest wrong attempt {summary.distance:,.1f} characters away on average"
        yield "chains", text
    if summary.set_aside:
        yield (
            "set aside",
            f"{summary.set_aside:,} wrong attempts: repeated, or equal to a correct one",
        )


def _summary_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "problems", f"{summary.problems:,}, {summary.solved:,} with a correct attempt"
    verdicts = ", ".join(f"{n:,} {outcome}" for outcome, n in summary.verdicts.items() if n)
    yield "attempts", f"{summary.attempts:,}" + (f": {verdicts}" if verdicts else "")
    for reason, times in list(summary.unverifiable.items())[:3]:
        yield "unverifiable", f"{times:,} × {visible(reason)}"
    if summary.filtered is not msgspec.UNSET:
        for name, dropped in summary.filtered.items():
            yield f"- {name}", _dropped(dropped)
    yield from _chain_lines(summary)
    for name, rows in summary.rows.items():
        refused = ", ".join(f"{n:,} {reason}" for reason, n in summary.refused[name].items())
        yield f"{name} rows", f"{rows:,}" + (f" (left out: {refused})" if refused else "")
    if summary.bad_lines:
        yield "bad lines", f"{summary.bad_lines:,}, listed in bad_lines.jsonl"
    if summary.duplicate_problems:
        yield "repeated", f"{summary.duplicate_problems:,} problems that stand twice, taken once"
    yield (
        "tokens",
        f"{summary.tokens:,}" + (f", ${summary.cost_usd:,.4f}" if summary.cost_usd else ""),
    )
    if summary.unaccounted:
        yield "unaccounted", f"{summary.unaccounted:,} {_UNACCOUNTED}"
    seconds = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in summary.seconds.items())
    yield "seconds", seconds


def _dropped(dropped: Dropped) -> str:
    text = f"drops {dropped.attempts:,} attempts"
    if dropped.problems:
        text += f", in {dropped.problems:,} problems dropped whole"
    reasons = ", ".join(f"{times:,} {visible(reason)}" for reason, times in dropped.reasons.items())
    return f"{text}: {reasons}" if reasons else text


def opened(folder: Path) -> Run:
    """A run, to be read only."""
    return Run(saved_shape(folder), folder, write=False)


def _problem_parts(group: Group) -> Iterator[Text]:
    problem = group.problem
    facts = [problem.level, problem.split, problem.source, problem.license, *problem.tags]
    yield text(problem.id, "bold") + text("  " + " · ".join(fact for fact in facts if fact))
    yield indented(problem.question, "")
    yield Text("gold  ", style="bold") + Text(visible(problem.answer))
    for judged in group.judged:
        yield Text("")
        yield from _attempt_parts(judged)
    for number, chain in enumerate(group.chains):
        yield Text("")
        yield _chain_part(number, chain)


def _dropped_parts(run: Run, problem: Problem) -> Iterator[Text]:
    """What filters dropped of a problem, and why."""
    ids = {id for _, search in run.search_ids(problem.id) for id in run.judged_ids(search)}
    for line in run.filtered():
        if line.id == problem.id if line.thing == "problem" else line.id in ids:
            why = " · ".join(part for part in (line.reason, line.match, line.evidence) if part)
            named = "the problem" if line.thing == "problem" else line.id
            yield text(f"dropped by {line.filter}: {named}", "bold") + text(f"  {why}")


def _attempt_parts(judged: Judged) -> Iterator[Text]:
    verdict = judged.verdict
    outcome = verdict.outcome if verdict else None
    head = text(judged.id, "bold") + Text(f"  {outcome or 'not judged'}", COLOURS[outcome])
    if verdict and verdict.predicted:
        head.append(f"  answer {visible(verdict.predicted)}")
    if verdict and (verdict.reason or verdict.method):
        head.append(f"  ({visible(verdict.reason or verdict.method)})", "bright_black")
    yield head
    yield indented(judged.attempt.text.rstrip(), COLOURS[outcome])


def _chain_part(number: int, chain: Chain) -> Text:
    head = Text(f"chain {number}  ", style="bold")
    *earlier, correct = chain.attempts
    for id in earlier:
        head.append_text(text(f"{id} → ", "red"))
    head.append_text(text(correct, "green"))
    if chain.nearest:
        head.append_text(
            text(f"  (nearest wrong: {chain.nearest}, {chain.distance:,} characters away)")
        )
    return head


def text(text: str, style: str = "") -> Text:
    """Text of the run's, which may be hostile."""
    return Text(visible(text), style)


def indented(text: str, style: str) -> Text:
    """Lines of the run's, set in."""
    return Text("  " + visible(text).replace("\n", "\n  "), style)


def _show_kind(console: Console, kind: str, component: type[Component]) -> None:
    about = (component.__doc__ or "").strip().split("\n\n")[0]
    head = Text(f"  {kind}", style="bold") + Text("  " + " ".join(about.split()))
    console.print(head, soft_wrap=True)
    for name, field in component.model_fields.items():
        if name == "kind":
            continue
        default = "required" if field.is_required() else f"default {_default(field)}"
        line = Text(f"    {field.alias or name}", style="cyan")
        line.append(f"  {default}  ", "bright_black").append(
            " ".join((field.description or "").split())
        )
        console.print(line, soft_wrap=True)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Prompt):
        return value.name
    if value in (None, "", (), {}):
        return "none"
    return str(value) if str(value).isprintable() else repr(value)
