"""Problems from a dataset of the Hugging Face Hub, or from files its `datasets` library reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from cotgen.errors import RecipeError
from cotgen.golds import Gold
from cotgen.problems.fields import Field, Ids, RowMap
from cotgen.protocols import Component
from cotgen.records import BadLine, Problem, Split

_BUILDERS = {"json", "csv", "parquet", "arrow", "text", "xml", "webdataset"}
"""What `datasets` takes for a way to read files, not for the name of a dataset."""


class HuggingFaceProblems(Component):
    """Problems streamed through the `datasets` library: a Hub dataset, or parquet, JSON, CSV files.

    Tried here on local files only; the Hub itself could not be reached from where cotgen was built.
    """

    incidental = frozenset({"limit", "on_bad_line"})

    remote: ClassVar[bool] = True

    kind: Literal["huggingface"] = "huggingface"
    path: str
    """A dataset's name on the Hub (`openai/gsm8k`), or a builder for files (`parquet`, `json`)."""
    config: str | None = None
    """The dataset's configuration (`main`)."""
    data_files: str | list[str] | None = None
    """Files or patterns, for a builder or a part of a Hub dataset."""
    revision: str | None = None
    """A commit of the dataset; name one, so that a run can be repeated."""
    hub_split: str = "train"
    """The split to read, as the dataset calls it."""
    fields: dict[Field, str] = {}
    """Where the fields stand in a row, as dotted paths: `{question: data.text, tags: subject}`."""
    gold: Gold = "auto"
    """What part of the answer is the gold: `whole`, after `####` (`hashes`), the last `boxed`."""
    split: Split = "unknown"
    """The split of rows that name none; `unknown` takes it from the name of `hub_split`."""
    source: str = ""
    """The origin of rows that name none; empty takes the name of a Hub dataset."""
    license: str = ""
    """The licence of rows that name none."""
    tags: tuple[str, ...] = ()
    """Tags for rows without a `tags` field."""
    limit: PositiveInt | None = None
    """Use only the first so many problems; a run may grow by raising it."""
    on_bad_line: Literal["stop", "skip"] = "stop"
    """A row that holds no problem stops the run, or is skipped, counted and listed."""

    @model_validator(mode="after")
    def _files_are_named(self) -> Self:
        if self.path in _BUILDERS and not self.data_files:
            raise ValueError(f"path: {self.path} reads files: name them in data_files")
        return self

    def load(self) -> Iterator[Problem | BadLine]:
        """Stream the split; a row that holds no problem comes as a BadLine."""
        rows = RowMap(self.fields, self._constants(), self.gold)
        ids = Ids()
        for number, row in enumerate(self._stream(), start=1):
            place = f"{self.path}, {self.hub_split} row {number}"
            try:
                problem = rows.problem(row)
                ids.check(problem, place)
            except ValueError as error:
                yield BadLine(place, str(error))
            else:
                yield problem

    def _stream(self) -> Iterator[object]:
        """The rows. A file is read while they are taken, so its faults may come late."""
        import datasets  # Takes seconds to import.

        try:
            yield from datasets.load_dataset(
                self.path,
                self.config,
                data_files=self.data_files,
                split=self.hub_split,
                revision=self.revision,
                streaming=True,
            )
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise RecipeError(f"problems.path: {self.path} cannot be loaded: {error}") from error

    def _constants(self) -> dict[str, object]:
        named: Split = "unknown"
        # A file builder calls whatever it reads `train`.
        if self.path not in _BUILDERS and self.hub_split.startswith(("train", "test")):
            named = "train" if self.hub_split.startswith("train") else "test"
        return {
            "split": named if self.split == "unknown" else self.split,
            "source": self.source or ("" if self.path in _BUILDERS else self.path),
            "license": self.license,
            "tags": self.tags,
        }
