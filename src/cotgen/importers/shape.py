"""What a row of somebody else's dataset becomes, and what all importers share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
from pydantic import Field

from cotgen.golds import Gold, gold_of
from cotgen.protocols import Component
from cotgen.records import Attempt, Completion, Finish, Origin, Problem, Record, Split, Step
from cotgen.steps import Style, parse, split

_LONGEST_SHORT_GOLD = 200
Recorded = Literal["correct", "incorrect", ""]
"""A dataset's own word on an answer; empty where it says nothing."""

Source = Annotated[str, Field(description="What the origin of the problems is called.")]
License = Annotated[str, Field(description="The licence of the dataset; empty if it is not known.")]
Whole = Annotated[
    Split,
    Field(
        description="The split of all rows. Questions of public test sets are `test` whatever "
        "this says, and so is, unless it is set, a file with `test` in its name."
    ),
]


class Given(Record, frozen=True):
    """An attempt as a dataset gives it; `rewards` has a number in [0, 1] for each step, or none."""

    attempt: Attempt
    recorded: Recorded = ""
    rewards: tuple[float, ...] = ()


class Imported(Record, frozen=True):
    """What one row holds. The problem has no id yet: equal questions get equal ones."""

    problem: Problem
    given: tuple[Given, ...] = ()


class Skipped(NamedTuple):
    """A row that is left out on purpose, and why."""

    reason: str


class Importer(Component):
    """The settings that all importers have. Their verb is `read`, from a row to what it holds."""

    columns: ClassVar[type[msgspec.Struct]]
    """The columns that are read, with their types; others may be there."""
    in_tables: ClassVar[frozenset[str]] = frozenset()
    """The columns that the tables hold whole; `source_rows.jsonl` keeps the others."""

    source: Source = ""
    license: License = ""
    split: Whole = "train"
    step_sep: Annotated[str, Field(min_length=1)] = "\n"
    """What ends a step, where the dataset has texts that it does not cut into steps itself."""
    source_rows: bool = True
    """Keep the columns that the tables have no place for in `source_rows.jsonl`."""


def problem(
    question: str, answer: str = "", *, level: str = "", tags: Sequence[str | None] = ()
) -> Problem:
    """A problem without its id. Raises ValueError if there is no question."""
    if not question.strip():
        raise ValueError("the question is empty")
    named = tuple(tag for tag in tags if tag)
    return Problem("", question, answer.strip(), level=level, tags=named)


def thinking(  # noqa: PLR0913 - what a completion has
    text: str,
    step_sep: str,
    *,
    reasoning: str = "",
    finish: Finish = "stop",
    style: Style | Literal["auto"] = "auto",
    model: str = "",
) -> Attempt:
    """A text as an attempt: cut into steps, its thought told from its solution by its tags."""
    parsed = parse(Completion(text, finish, reasoning), step_sep, style)
    steps = tuple(parsed.steps) or (Step(""),)  # Spooled as JSON at once: nothing is left uncut.
    thought_steps, flaw, flag = parsed.thought_steps, parsed.flaw, parsed.flag
    return Attempt(steps, parsed.finish, thought_steps, flaw, Origin(model=model), flag)


def plain(text: str, step_sep: str, *, model: str = "") -> Attempt:
    """A text cut into steps, whatever tags it holds."""
    return Attempt(split(text, step_sep) or (Step(""),), origin=Origin(model=model))


def stepped(
    steps: Sequence[str], separator: str, *, finish: Finish = "stop", model: str = ""
) -> Attempt:
    """Steps that the dataset gives as such; the attempt's text has `separator` between them."""
    if not steps:
        raise ValueError("there is no step")
    *earlier, last = steps
    cut = (*(Step(step + separator) for step in earlier), Step(last))
    return Attempt(cut, finish, origin=Origin(model=model))


def gold_in(text: str | None) -> str:
    """The gold in what a dataset calls answer or solution; empty if none can be told.

    A whole worked solution is no gold: only what it boxes, or states on a last line after `####`.
    """
    text = (text or "").strip()
    ways: tuple[Gold, ...] = ("boxed", "hashes")
    for gold in ways:
        try:
            return gold_of(text, gold)
        except ValueError:
            continue
    return "" if "\n" in text or len(text) > _LONGEST_SHORT_GOLD else text


def conversation(turns: Iterable[tuple[str, str]]) -> str:
    """Turns as one question: a single turn as it stands, several under headings."""
    shown = list(turns)
    if len(shown) == 1:
        return shown[0][1]
    return "\n\n".join(f"{role.capitalize()}:\n{text}" for role, text in shown)
