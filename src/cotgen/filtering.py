"""The filters of a recipe, one after the other over the groups of a run.

What they drop is written to `filtered.jsonl`, whole or not at all, and nothing else is changed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from cotgen.errors import RecipeError
from cotgen.protocols import Decision, Draw, Filter
from cotgen.recipe import Recipe
from cotgen.records import Filtered, Group, clean
from cotgen.runs import FILTERED, Run, Sieve
from cotgen.store.lines import LineFile
from cotgen.summary import Dropped
from cotgen.wiring import draws

_PAUSE_EVERY = 64
_SHOWN = 300


async def filter_run(run: Run, recipe: Recipe, advance: Callable[[], None]) -> dict[str, Dropped]:
    """Decide on all groups, write the decisions, and return what each filter dropped."""
    draft = run.folder.path / f"{FILTERED}.tmp"
    draft.unlink(missing_ok=True)
    try:
        with LineFile(draft, gathered=True) as file:
            work = _Filtering(run, advance, file)
            await work.filter(named(recipe.filters), draws(recipe.seed))
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(run.folder.path / FILTERED)
    run.sieve = work.sieve
    return work.dropped


def digest_of_files(filters: Iterable[Filter]) -> list[str]:
    """Digests of the files that filters read. Raises RecipeError where there is none."""
    found = []
    for number, filter in enumerate(filters):
        for path in filter.reads:
            digest = digest_of(path)
            if not digest:
                raise RecipeError(f"filters.{number}: {path} cannot be read")
            found.append(digest)
    return found


def digest_of(path: Path) -> str:
    """A hash of a file's content; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError:
        return ""


def named(filters: Iterable[Filter]) -> list[tuple[str, Filter]]:
    """Filters by their kind; those of a kind that stood before are numbered."""
    seen: Counter[str] = Counter()
    named = []
    for filter in filters:
        kind = str(getattr(filter, "kind", type(filter).__name__))
        seen[kind] += 1
        named.append((kind if seen[kind] == 1 else f"{kind}-{seen[kind]}", filter))
    return named


class _Filtering:
    """One pass over the groups for each filter, or for several that look at one group each."""

    def __init__(self, run: Run, advance: Callable[[], None], file: LineFile) -> None:
        self._run = run
        self._advance = advance
        self._file = file
        self.sieve = Sieve()
        self.dropped: dict[str, Dropped] = {}

    async def filter(self, named: Sequence[tuple[str, Filter]], draw: Draw) -> None:
        """Apply the filters in order."""
        self.dropped = {name: Dropped() for name, _ in named}
        groups = _Groups(self._run, self.sieve, self._advance)
        for alone, some in groupby(named, key=lambda each: each[1].alone):
            if alone:
                self._together(list(some), groups, draw)
                continue
            for name, filter in some:
                found = Sieve()  # It sees its own decisions nowhere before they are all made.
                for decision in filter.decide(groups, draw):
                    self._take(name, decision, found)
                self.sieve.update(found)
                await asyncio.sleep(0)

    def _together(self, some: list[tuple[str, Filter]], groups: _Groups, draw: Draw) -> None:
        for group in groups:
            left: Group | None = group
            for name, filter in some:
                if left is None:
                    break
                found = Sieve()
                for decision in filter.decide(_OneGroup(left, groups), draw):
                    self._take(name, decision, found)
                self.sieve.update(found)
                left = found.left(left)

    def _take(self, name: str, decision: Decision, found: Sieve) -> None:
        """Write a decision down and count it."""
        attempts = 1
        if decision.thing == "problem":
            attempts = sum(1 for id in self._left(decision.id) if id not in found.attempts)
        if not found.drop(decision.id, decision.thing):
            return
        counts = self.dropped[name]
        counts.attempts += attempts
        counts.problems += decision.thing == "problem"
        counts.reasons[decision.reason] = counts.reasons.get(decision.reason, 0) + 1
        line = Filtered(
            decision.id,
            decision.thing,
            name,
            decision.reason,
            clean(decision.match),
            clean(decision.evidence[:_SHOWN]),
        )
        self._file.append(msgspec.json.encode(line))

    def _left(self, problem: str) -> Iterator[str]:
        """The attempts of a problem that earlier filters left, found without reading them."""
        run = self._run
        ids = (id for _, search in run.search_ids(problem) for id in run.judged_ids(search))
        return (id for id in ids if id not in self.sieve.attempts)


class _Groups:
    """The groups of a run as a filter sees them."""

    def __init__(self, run: Run, sieve: Sieve, advance: Callable[[], None]) -> None:
        self._run = run
        self._sieve = sieve
        self._advance = advance
        self._last: Group | None = None

    def __iter__(self) -> Iterator[Group]:
        for number, problem in enumerate(self._run.active()):
            if number % _PAUSE_EVERY == 0:
                _hear_interrupts()
            self._last = group = self._run.group(problem, chains=False)
            if left := self._sieve.left(group):
                yield left
            self._advance()

    def whole(self, problem: str) -> Group:
        """All that is known of a problem."""
        if self._last is not None and self._last.problem.id == problem:
            return self._last
        return self._run.group(self._run.problems.get(problem), chains=False)


class _OneGroup:
    """A group by itself."""

    def __init__(self, group: Group, groups: _Groups) -> None:
        self._group = group
        self.whole = groups.whole

    def __iter__(self) -> Iterator[Group]:
        yield self._group


def _hear_interrupts() -> None:
    """A filter never waits, so that the event loop could not tell it of Ctrl-C."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
