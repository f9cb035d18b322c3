"""Whether a run's data meets the five demands on long-thought data (methods.md §44).

Nothing that the pipeline concluded is believed: rows are read from their files, their texts are
compared with the attempts, those attempts are judged again, distances are computed again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cotgen.audit.chains import ChainCheck
from cotgen.audit.dataset import FALSE_CLAIM, DatasetCheck, Questions, Role, Used
from cotgen.audit.findings import TITLES, Audit, Book, Demand, Fault, Finding
from cotgen.errors import RecipeError
from cotgen.protocols import Verify
from cotgen.recipe import Recipe, load_recipe
from cotgen.records import Group, Judged, Problem, Verdict
from cotgen.rows import read_rows
from cotgen.runs import Run, saved_shape
from cotgen.store import RunFolder
from cotgen.summary import read_summary
from cotgen.wiring import refuse_unready, verification
from cotgen.workers import bounded

__all__ = ["TITLES", "Audit", "Demand", "Fault", "Finding", "audit"]

_AT_ONCE = 256
_GROUPS_KEPT = 32
_SETTLED = ("correct", "incorrect")


def audit(folder: Path, max_false_claims: int = 0) -> Audit:
    """Check a run. So many trained texts may make a false arithmetic claim.

    Raises RecipeError for a folder that is none of a run's, for a run without rows, or one whose
    verifier is not installed; StoreError for a damaged table.
    """
    saved_shape(folder)
    recipe = load_recipe(folder / "recipe.yaml")
    refuse_unready(recipe.verifier)
    audited = _Audited(folder, recipe)
    asyncio.run(audited.work())
    found = audited.book.audit(folder.absolute().name, {FALSE_CLAIM: max_false_claims})
    if found.passed and not audited.book.checked["breadth"].get("rows"):
        # Every demand is met by nothing at all; a script that asks must not go on with it.
        raise RecipeError(f"{folder}: its datasets hold no rows, there is nothing to audit")
    return found


class _Audited:
    """One run under audit."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self._folder = folder
        self._recipe = recipe
        self.book, self._used = Book(), Used(_dropped(folder))

    async def work(self) -> None:
        """Read the datasets, then every group, and judge again what is used."""
        with Run(saved_shape(self._folder), self._folder, write=False) as run:
            self._datasets(run)
            self._chains(run)
            self._breadth(run)
            started = time.monotonic()
            async with verification(self._recipe.verifier) as verify:
                await bounded(self._claims(run), _Again(verify, self.book), _AT_ONCE)
            self._verdicts(time.monotonic() - started)

    def _datasets(self, run: Run) -> None:
        @lru_cache(maxsize=_GROUPS_KEPT)
        def group_of(id: str) -> Group | None:
            problem = run.problems.find(id)
            return run.group(problem) if problem else None

        styles = {each.file_name: getattr(each, "think", None) for each in self._recipe.datasets}
        for name, about in sorted(RunFolder(self._folder).manifest.datasets.items()):
            self.book.count("breadth", "datasets")
            if "rows" not in about:
                self.book.fault("breadth", "is not written to its end", name)
                continue
            check = DatasetCheck(name, self.book, self._used, group_of, styles.get(name))
            check.check(self._folder / "datasets", about)

    def _chains(self, run: Run) -> None:
        chains = self._recipe.chains
        if chains is None:
            return
        check = ChainCheck(self.book, self._used, chains.model_dump(mode="json"))
        for group in run.groups():
            check.check(group)

    def _breadth(self, run: Run) -> None:
        """How many problems of which kinds the rows are on."""
        questions, checked = Questions(), self.book.checked["breadth"]
        sources: set[str] = set()
        kinds: set[str] = set()
        for problem in run.problems.lines():
            if problem.id not in self._used.problems:
                continue
            self.book.count("breadth", "problems in rows")
            sources.add(problem.source)
            kinds.add(problem.answer_kind)
            if not questions.is_new(problem.id, problem.question):
                self.book.fault("breadth", "asks what another problem asks", problem.id)
        checked["sources"] = ", ".join(sorted(sources)) or "none"
        checked["kinds of answers"] = ", ".join(sorted(kinds)) or "none"

    def _claims(self, run: Run) -> Iterator[_Claim]:
        """What is used, with what it is used as; counts all attempts on the way."""
        book = self.book
        demand: Demand = "batch-verification"
        for problem in run.problems.lines():  # Rows may be on more than those that are active.
            inputs = {item.id: item.inputs for item in run.judgeable(problem)}
            for judged in run.group(problem).judged:
                outcome = judged.verdict.outcome if judged.verdict else "not judged"
                book.count(demand, "attempts")
                book.count(demand, outcome)
                roles = self._used.roles(judged.id)
                if not roles:
                    continue
                book.count(demand, "judged again")
                if outcome not in _SETTLED:
                    book.fault(demand, "is used though nothing was decided", judged.id)
                elif run.verdicts.get(judged.id).inputs != inputs.get(judged.id):
                    book.fault(demand, "was judged on another text or gold", judged.id)
                yield _Claim(problem, judged, roles)

    def _verdicts(self, seconds: float) -> None:
        checked = self.book.checked["batch-verification"]
        attempts, undecided = checked.get("attempts", 0), checked.get("unverifiable", 0)
        assert isinstance(attempts, int)
        assert isinstance(undecided, int)
        checked["share unverifiable"] = round(undecided / attempts, 4) if attempts else 0.0
        again = checked.get("judged again", 0)
        assert isinstance(again, int)
        checked["attempts a second now"] = round(again / seconds) if seconds else 0
        then = read_summary(self._folder).seconds.get("verify", 0.0)
        if then:
            checked["attempts a second then"] = round(attempts / then)


class _Claim(NamedTuple):
    """An attempt, and what it is used as."""

    problem: Problem
    judged: Judged
    roles: list[Role]


class _Again:
    """Judges attempts again, and compares with what they are used as."""

    def __init__(self, verify: Verify, book: Book) -> None:
        self._verify = verify
        self._book = book

    async def __call__(self, claim: _Claim) -> None:
        """One attempt."""
        verdict = await self._verify(claim.problem, claim.judged.attempt.solution)
        if verdict.outcome not in _SETTLED:
            what = "is used, but cannot be judged now"
            self._book.fault("batch-verification", what, f"{claim.judged.id}: {verdict.reason}")
        if "right" in claim.roles:
            self._right(claim.judged, verdict)
        if "wrong" in claim.roles or ("context" in claim.roles and claim.judged.is_("incorrect")):
            self._wrong(claim.judged, verdict)

    def _right(self, judged: Judged, now: Verdict) -> None:
        recorded = judged.verdict
        self._book.count("verified-correct", "attempts judged again")
        if not judged.is_("correct"):
            self._fault("verified-correct", "was not judged correct", judged)
        if now.outcome == "incorrect":
            self._fault("verified-correct", "is wrong when it is judged again", judged)
        if recorded and not recorded.method:
            self._fault("verified-correct", "has no verdict method", judged)
        self._whole("verified-correct", judged)

    def _wrong(self, judged: Judged, now: Verdict) -> None:
        recorded = judged.verdict
        self._book.count("verified-wrong", "attempts judged again")
        if not judged.is_("incorrect"):
            self._fault("verified-wrong", "was not judged wrong", judged)
        elif recorded and not recorded.reason:
            self._fault("verified-wrong", "was judged wrong without a reason", judged)
        if now.outcome == "correct":
            self._fault("verified-wrong", "is correct when it is judged again", judged)
        elif not now.predicted:
            self._fault("verified-wrong", "states no answer that can be read", judged)
        self._whole("verified-wrong", judged)

    def _whole(self, demand: Demand, judged: Judged) -> None:
        if judged.attempt.finish != "stop" or judged.attempt.flaw:
            self._fault(demand, "was cut off, or is flawed", judged)

    def _fault(self, demand: Demand, what: str, judged: Judged) -> None:
        self._book.fault(demand, what, judged.id)


def _dropped(folder: Path) -> frozenset[str]:
    """The ids of what filters dropped, problems and attempts; nothing in a run without filters."""
    path = folder / "filtered.jsonl"
    lines = read_rows(path) if path.exists() else ()
    return frozenset(str(line["id"]) for _, line in lines if isinstance(line, dict))
