"""Bringing problems into a run: what is new, what is wrong, what is test data."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Iterable

import msgspec

from cotgen.errors import RecipeError
from cotgen.recipe import Recipe
from cotgen.records import BadLine, Problem
from cotgen.runs import Run
from cotgen.store import replace_file
from cotgen.testsets import test_set_of

log = logging.getLogger(__name__)

_SHOWN_BAD_LINES = 20
_PAUSE_EVERY = 256


class Loader:
    """Brings a source's problems into the table, and notices what is wrong with them."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        self._run = run
        self._source = recipe.problems
        self._complaints: list[BadLine] = []
        self.seen: dict[str, None] = {}
        self.bad_lines = 0
        self.duplicates = 0

    async def load(self, advance: Callable[[], None]) -> int:
        """Read the source and return how many problems are new."""
        before = len(self._run.problems)
        for number, item in enumerate(self._source.load()):
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)  # Reading never waits, but Ctrl-C must be heard.
            if isinstance(item, Problem):
                item = with_known_split(item)
            if isinstance(item, BadLine):
                self._complain(item)
            elif item.id not in self.seen:
                if len(self.seen) == self._source.limit:
                    break
                self._take(item)
                advance()
            elif self._run.problems.get(item.id) == item:
                self.duplicates += 1
            else:
                self._complain(
                    BadLine(f"problem {item.id}", "this id stands for another problem too")
                )
        self._report()
        if not self.seen:
            raise RecipeError("problems: the source holds no problem")
        return len(self._run.problems) - before

    def _take(self, problem: Problem) -> None:
        known = self._run.problems.find(problem.id)
        if known is None:
            self._run.problems.append(problem)
        elif known != problem:
            raise RecipeError(
                f"problem {problem.id} is not what it was when this run loaded it. Give the run "
                "another --name, or start from the source again with --redo load"
            )
        self.seen[problem.id] = None

    def _complain(self, line: BadLine) -> None:
        self.bad_lines += 1
        log.warning("%s: %s", line.where, line.error)
        self._complaints.append(line)
        if self._source.on_bad_line == "stop" and self.bad_lines == _SHOWN_BAD_LINES:
            self._report()

    def _report(self) -> None:
        """List the bad lines in `bad_lines.jsonl`, and stop if the recipe says so."""
        path = self._run.folder.path / "bad_lines.jsonl"
        if self._complaints or path.exists():
            listed = b"".join(msgspec.json.encode(line) + b"\n" for line in self._complaints)
            replace_file(path, listed)
        if self._complaints and self._source.on_bad_line == "stop":
            shown = "\n".join(f"  {line.where}: {line.error}" for line in self._complaints)
            count = len(self._complaints)
            found = "a bad line" if count == 1 else f"{count} bad lines"
            at_least = "at least " if count == _SHOWN_BAD_LINES else ""
            raise RecipeError(
                f"problems: {at_least}{found}:\n{shown}\n"
                "Mend them, or set problems.on_bad_line: skip"
            )


def refuse_test_problems(recipe: Recipe, run: Run) -> None:
    """Raise RecipeError if a dataset would train on a problem of a test split."""
    refusing = [number for number, each in enumerate(recipe.datasets) if not each.allow_test]
    dropped = recipe.dropped_test_sets()
    for problem in run.active() if refusing else ():
        if problem.split == "test" and test_set_of(problem.question) not in dropped:
            raise RecipeError(
                f"datasets.{refusing[0]}: problem {problem.id} is of a test split"
                f"{_named(test_set_of(problem.question))}, which is never training data. Leave it "
                "out (of the test sets that cotgen knows, `filters: [{kind: decontaminate}]` "
                "does), or, for a trial, set allow_test: true"
            )


def with_known_split(problem: Problem) -> Problem:
    """Questions of public test sets are test data, whatever their source says."""
    if problem.split != "test" and test_set_of(problem.question):
        return msgspec.structs.replace(problem, split="test")
    return problem


def _named(test_set: str) -> str:
    return f" ({test_set})" if test_set else ""


def gone(ids: Iterable[str], seen: Container[str], name: str) -> str:
    """What to say when a source no longer holds problems of a run."""
    missing = [id for id in ids if id not in seen]
    return (
        f"problems: the source no longer holds {len(missing)} problem(s) that run {name} has "
        f"loaded ({missing[0]} is the first). Give the run another --name, or start from the "
        "source again with --redo load"
    )
