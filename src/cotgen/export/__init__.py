"""Dataset files: each dataset as JSON Lines and as Parquet, in shards, with the origin of every row
and a trainer's settings beside it; some problems set aside for validation.

A dataset appears whole or not at all: files are drafts until all of them are written.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cotgen.datafiles import SETTINGS, SPLITS, SplitName, base_of, files_of
from cotgen.errors import StoreError
from cotgen.export.schema import schema_of
from cotgen.export.shards import Plan, SplitWriter
from cotgen.guide import CUT, DEFAULT_LENGTH, guide, shape_of
from cotgen.lengths import AROUND, Lengths
from cotgen.protocols import Draw, Emitter, Refusal, Row
from cotgen.recipe import Files
from cotgen.records import Group, Problem
from cotgen.store.lines import sync_soon
from cotgen.testsets import DIGEST_BYTES, digest_of

__all__ = ["DatasetWriter", "Order", "schema_of", "split_of", "write_datasets"]

log = logging.getLogger(__name__)

_PAUSE_EVERY = 64
_MB = 10**6


class Order(NamedTuple):
    """A dataset that is to be written; `recipe` is the digest of what it is made by."""

    emitter: Emitter
    recipe: str = ""


class DatasetWriter:
    """Writes one emitter's rows. Nothing is replaced before `finish`."""

    def __init__(self, folder: Path, order: Order, files: Files) -> None:
        self.emitter = emitter = order.emitter
        self.refused: Counter[str] = Counter()
        self.labels: Counter[bool] = Counter()
        """Of the rows to train on: weights must not depend on what is set aside."""
        shape = shape_of(emitter)
        self._lengths = Lengths(
            getattr(emitter, "tokenizer", None), shape.around if shape else AROUND
        )
        plan = Plan(schema_of(emitter.columns), files.shard_mb * _MB, order.recipe, self._lengths)
        self._folder = folder
        self._splits = {
            split: SplitWriter(
                folder / base_of(emitter.file_name, split, parted=files.validation > 0), plan
            )
            for split in SPLITS
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._splits["train"].begin()
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written ({error})") from error

    @property
    def rows(self) -> dict[SplitName, int]:
        """The rows of each split that has files."""
        return {name: split.rows for name, split in self._splits.items() if split.stems()}

    @property
    def stems(self) -> dict[SplitName, list[str]]:
        """Each split's files without their endings."""
        return {name: stems for name, split in self._splits.items() if (stems := split.stems())}

    def add(self, group: Group, split: SplitName, draw: Draw) -> None:
        """Write the rows that a group gives."""
        for row in self.emitter.emit(group, draw):
            if isinstance(row, Refusal):
                self.refused[row.reason] += 1
            else:
                self._write(row, split)

    def _write(self, row: Row, name: SplitName) -> None:
        label, split = row.columns.get("label"), self._splits[name]
        if isinstance(label, bool) and name == "train":
            self.labels[label] += 1
        if row.numbered and name == "validation":
            about = row.columns[row.numbered]
            # A problem of a test split, which `allow_test` let in, goes on saying so.
            about["split"] = about["split"] if about["split"] == "test" else name
        if not split.stems():
            split.begin()  # `load_dataset` refuses a validation split without rows.
        split.add(row)

    def finish(self) -> None:
        """Bring the drafts to the disk and put them in the place of the earlier files."""
        settings = self._folder / f"{self.emitter.file_name}{SETTINGS}"
        drafts = {settings.with_name(settings.name + ".tmp"): settings}
        for split in self._splits.values():
            split.end()
            drafts |= split.drafts()
        self._write_guide(next(iter(drafts)))
        for split in self._splits.values():
            split.sync()
        kept = {*drafts, *drafts.values()}
        for path in files_of(self._folder, self.emitter.file_name):
            if path not in kept:
                path.unlink()  # A shard too many would be read with the others.
        for draft, path in drafts.items():
            draft.replace(path)

    def _write_guide(self, draft: Path) -> None:
        text = guide(self.emitter, self.rows, self.stems, self._lengths, self.labels)
        draft.write_text(text, encoding="utf-8")
        sync_soon(draft).result()
        name = self.emitter.file_name
        if len(self.labels) == 1:
            label = str(*self.labels).lower()
            log.warning("%s: every label is %s: a trainer learns nothing of it", name, label)
        if above := self._lengths.share_above(DEFAULT_LENGTH):
            log.warning(
                "%s: %.1f%% of the rows exceed %d tokens: %s (see %s.yaml)",
                name,
                100 * above,
                DEFAULT_LENGTH,
                CUT,
                name,
            )

    def abandon(self) -> None:
        """Leave the earlier files as they are."""
        for split in self._splits.values():
            split.abandon()
        name = f"{self.emitter.file_name}{SETTINGS}.tmp"
        (self._folder / name).unlink(missing_ok=True)


def split_of(problem: Problem, validation: float) -> SplitName:
    """Where a problem's rows belong, by its question alone.

    So it stays there when the run grows, stands there in every dataset and in every run, and two
    problems with the same question are never on both sides.
    """
    place = int.from_bytes(digest_of(problem.question)) / 256**DIGEST_BYTES
    return "validation" if place < validation else "train"


async def write_datasets(
    folder: Path, orders: Iterable[Order], files: Files, groups: Iterator[Group], draw: Draw
) -> list[DatasetWriter]:
    """Write datasets in one pass over the groups; return the closed writers for their counts."""
    writers: list[DatasetWriter] = []
    try:
        for order in orders:
            writers.append(DatasetWriter(folder, order, files))
        for number, group in enumerate(groups):
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)  # Writing never waits, but Ctrl-C must be heard.
            split = split_of(group.problem, files.validation) if files.validation else "train"
            for writer in writers:
                writer.add(group, split, draw)
        for writer in writers:
            writer.finish()
    except BaseException as error:
        for writer in writers:
            writer.abandon()
        if isinstance(error, OSError):
            raise StoreError(f"{folder}: cannot be written ({error})") from error
        raise
    return writers
