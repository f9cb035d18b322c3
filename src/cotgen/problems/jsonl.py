"""Problems from JSON Lines files, plain or gzipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import PositiveInt

from cotgen.golds import Gold
from cotgen.problems.fields import Field, Ids, RowMap
from cotgen.protocols import Component
from cotgen.records import BadLine, Problem, Split
from cotgen.rows import read_rows


class JsonlProblems(Component):
    """Problems from a JSON Lines file (`.jsonl`, `.jsonl.gz`)."""

    incidental = frozenset({"limit", "on_bad_line"})

    remote: ClassVar[bool] = False

    kind: Literal["jsonl"] = "jsonl"
    path: Path
    """The file, seen from the folder where cotgen is started."""
    fields: dict[Field, str] = {}
    """Where the fields stand in a row, as dotted paths: `{question: data.text, tags: subject}`."""
    gold: Gold = "auto"
    """What part of the answer is the gold: `whole`, after `####` (`hashes`), the last `boxed`."""
    split: Split = "unknown"
    """The split of rows that name none. Rows of a test split are refused as training data."""
    source: str = ""
    """The origin of rows that name none."""
    license: str = ""
    """The licence of rows that name none."""
    tags: tuple[str, ...] = ()
    """Tags for rows without a `tags` field."""
    limit: PositiveInt | None = None
    """Use only the first so many problems; a run may grow by raising it."""
    on_bad_line: Literal["stop", "skip"] = "stop"
    """A line that holds no problem stops the run, or is skipped, counted and listed."""

    def load(self) -> Iterator[Problem | BadLine]:
        """Stream the file; a line that holds no problem comes as a BadLine."""
        rows = RowMap(self.fields, self.model_dump(include=_CONSTANTS), self.gold)
        ids = Ids()
        for place, row in read_rows(self.path):
            if isinstance(row, BadLine):
                yield row
                continue
            try:
                problem = rows.problem(row)
                ids.check(problem, str(place))
            except ValueError as error:
                yield BadLine(str(place), str(error))
            else:
                yield problem


_CONSTANTS = {"split", "source", "license", "tags"}
