"""What earlier runs of a series have left of a source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from cotgen.errors import RecipeError
from cotgen.problems.outcomes import Outcomes
from cotgen.protocols import Component
from cotgen.records import BadLine, Problem

if TYPE_CHECKING:
    from cotgen.problems import AnyProblems


class RemainingProblems(Component):
    """What is left of a source after earlier runs: first what none has seen, then the unsolved.

    `cotgen run --dated` makes each night's run of this.
    """

    incidental = frozenset({"limit"})

    remote: ClassVar[bool] = True
    """Read once: tonight's problems stay, whatever becomes of the earlier runs."""

    kind: Literal["remaining"] = "remaining"
    of: AnyProblems
    """The source."""
    runs: tuple[Path, ...] = ()
    """The folders of the earlier runs, seen from the folder where cotgen is started."""
    again: bool = True
    """Take unsolved problems again; false: only what no run has seen."""
    limit: PositiveInt | None = None
    """Use only the first so many problems; a run may grow by raising it."""

    @property
    def on_bad_line(self) -> Literal["stop", "skip"]:
        """As the source says."""
        return self.of.on_bad_line

    def load(self) -> Iterator[Problem | BadLine]:
        """Stream the source; unsolved problems are kept until the unseen ones have come.

        Raises RecipeError for an earlier run that is not there: all its problems would be unseen.
        """
        for run in self.runs:
            if not run.is_dir():
                raise RecipeError(f"problems.runs: {run} is not the folder of a run")
        earlier = Outcomes(*self.runs)
        unsolved: list[Problem] = []
        taken = 0
        for item in self.of.load():
            if isinstance(item, BadLine):
                yield item
                continue
            if taken == self.of.limit:
                break
            taken += 1
            if earlier.say(item.id, "unseen"):
                yield item
            elif self.again and earlier.say(item.id, "unsolved"):
                unsolved.append(item)
        yield from unsolved
