"""UltraInteract: preference trees of actions (2404.02078)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    License,
    Source,
    conversation,
    plain,
    problem,
)


class Turn(msgspec.Struct):
    """A turn of a trajectory."""

    value: str
    role: str = msgspec.field(name="from")


class Row(msgspec.Struct):
    """The columns of UltraInteract_pair, and the last two of UltraInteract_sft."""

    task: str | None = None
    dataset: str | None = None
    trajectory: list[Turn] | None = None
    chosen: str | None = None
    rejected: str | None = None
    instruction: str | None = None
    response: str | None = None


class UltraInteractImporter(Importer):
    """openbmb/UltraInteract_pair (chosen and rejected) and UltraInteract_sft (one response).

    A trajectory of one turn is the question. A longer one holds earlier actions and what the tools
    said: all of it is the question, each turn under a heading, so that nothing of it is trained on.
    Chosen counts as recorded correct, rejected as recorded incorrect.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row
    in_tables = frozenset({
        "task", "dataset", "trajectory", "chosen", "rejected", "instruction", "response",
    })  # fmt: skip

    kind: Literal["ultrainteract"] = "ultrainteract"
    source: Source = "openbmb/UltraInteract"
    license: License = "MIT"

    def read(self, row: Row) -> Iterator[Imported]:
        """Two attempts of a pair, or one; the dataset has no golds."""
        tags = (row.task, row.dataset)
        if row.chosen is not None and row.rejected is not None:
            if not row.trajectory:
                raise ValueError("trajectory: there is no turn")
            question = conversation((turn.role, turn.value) for turn in row.trajectory)
            pair = (
                Given(plain(row.chosen, self.step_sep), "correct"),
                Given(plain(row.rejected, self.step_sep), "incorrect"),
            )
            yield Imported(problem(question, tags=tags), pair)
        elif row.instruction is not None and row.response is not None:
            given = Given(plain(row.response, self.step_sep))
            yield Imported(problem(row.instruction, tags=tags), (given,))
        else:
            raise ValueError("there is neither chosen and rejected nor instruction and response")
