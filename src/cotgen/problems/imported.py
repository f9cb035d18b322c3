"""Problems that `cotgen import` has brought into the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import PositiveInt

from cotgen.errors import RecipeError
from cotgen.protocols import Component
from cotgen.records import BadLine, Problem


class ImportedProblems(Component):
    """Problems of somebody else's dataset, in the run since `cotgen import`; nothing is read."""

    incidental = frozenset({"limit"})

    remote: ClassVar[bool] = False
    held: ClassVar[bool] = True
    """All problems are in the run already."""
    on_bad_line: ClassVar[Literal["stop", "skip"]] = "stop"

    kind: Literal["imported"] = "imported"
    dataset: str
    """The format that they were imported from (`cotgen kinds importers`)."""
    limit: PositiveInt | None = None
    """Use only the first so many problems; a run may grow by raising it."""

    def load(self) -> Iterator[Problem | BadLine]:
        """There is no source."""
        raise RecipeError(
            f"problems: imported ones stand in their run, once `cotgen import {self.dataset} FILE "
            "--run NAME` has brought them; there is no other source to read"
        )
