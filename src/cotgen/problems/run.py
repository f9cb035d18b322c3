"""The problems of another run: round r + 1 reads round r (STaR 2203.14465, ReST-EM 2312.06585)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveInt

from cotgen.errors import RecipeError
from cotgen.problems.outcomes import Outcomes, Where
from cotgen.protocols import Component
from cotgen.records import Problem
from cotgen.store import Table


class RunProblems(Component):
    """The problems of another run, chosen by what its attempts were judged to be."""

    incidental = frozenset({"limit"})

    remote: ClassVar[bool] = True
    """Read once: the other run may go on, this run's problems stay."""
    on_bad_line: ClassVar[Literal["stop"]] = "stop"

    kind: Literal["run"] = "run"
    path: Path
    """The other run's folder, seen from the folder where cotgen is started."""
    where: Where = "all"
    """`solved`: with a correct attempt; `unsolved`: without one; `mixed`: with a correct and an
    incorrect one; `unseen`: without any attempt that was judged."""
    limit: PositiveInt | None = None
    """Use only the first so many problems; a run may grow by raising it."""

    def load(self) -> Iterator[Problem]:
        """Stream the other run's problems. Raises RecipeError if there is no such run."""
        table = self.path / "problems.jsonl"
        if not table.exists():
            raise RecipeError(f"problems.path: {self.path} is not the folder of a run")
        outcomes = Outcomes(self.path)
        problems = Table(table, Problem, write=False)
        try:
            yield from (each for each in problems.lines() if outcomes.say(each.id, self.where))
        finally:
            problems.close()
