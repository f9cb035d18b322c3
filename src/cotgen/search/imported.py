"""No search: the attempts were imported."""

from __future__ import annotations

from typing import Literal

from cotgen.errors import RecipeError
from cotgen.protocols import Component, Services
from cotgen.records import Attempt, Message, Problem, Sampling


class ImportedSearch(Component):
    """Asks nobody: the attempts are those that `cotgen import` has brought into the run."""

    kind: Literal["imported"] = "imported"

    async def search(self, problem: Problem, services: Services) -> list[Attempt]:
        """No attempt can be made."""
        raise RecipeError(
            f"search: problem {problem.id} has no line of imported attempts, and none can be asked "
            "for. Import into another run, or search with another kind in a run of its own"
        )

    def wants_more(self, attempts: int) -> bool:
        """Never."""
        return False

    def most_calls(self, problem: Problem) -> list[tuple[list[Message], Sampling]]:
        """None."""
        return []
