"""Dataset files: each dataset as JSON Lines and as Parquet, with the origin of every row and a
trainer's settings beside it.

A dataset appears whole or not at all: files are drafts until all of them are written.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import jsonlines
import msgspec

from cotgen.errors import StoreError
from cotgen.guide import CUT, DEFAULT_LENGTH, guide, shape_of
from cotgen.lengths import AROUND, Lengths, Sequences
from cotgen.protocols import Draw, Emitter, Refusal, Row
from cotgen.records import Group

log = logging.getLogger(__name__)

SUFFIXES = (".jsonl", ".parquet", ".origin.jsonl", ".yaml")
_ROWS_AT_ONCE = 1000
_PAUSE_EVERY = 64


class DatasetWriter:
    """Writes one emitter's rows. Use as a context manager; nothing is replaced on an exception."""

    def __init__(self, folder: Path, emitter: Emitter) -> None:
        import pyarrow.parquet as pq  # A third of a second to import.

        self.emitter = emitter
        self.rows = 0
        self.refused: Counter[str] = Counter()
        self.labels: Counter[bool] = Counter()
        shape = shape_of(emitter)
        self._lengths = Lengths(
            getattr(emitter, "tokenizer", None), shape.around if shape else AROUND
        )
        self._files = [folder / f"{emitter.file_name}{suffix}" for suffix in SUFFIXES]
        self._drafts = [path.with_name(path.name + ".tmp") for path in self._files]
        self._stack = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._rows = self._jsonl(self._drafts[0])
            self._origins = self._jsonl(self._drafts[2])
            self._schema = schema_of(emitter.columns)
            self._parquet = self._stack.enter_context(
                pq.ParquetWriter(self._drafts[1], self._schema, compression="zstd")
            )
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written ({error})") from error
        self._batch: list[dict[str, Any]] = []
        self._sequences: list[Sequences] = []

    def add(self, group: Group, draw: Draw) -> None:
        """Write the rows that a group gives."""
        for row in self.emitter.emit(group, draw):
            if isinstance(row, Refusal):
                self.refused[row.reason] += 1
            else:
                self._write(row)

    def _write(self, row: Row) -> None:
        if row.numbered:
            row.columns[row.numbered]["index"] = self.rows
        if isinstance(label := row.columns.get("label"), bool):
            self.labels[label] += 1
        self._rows.write(row.columns)
        self._origins.write({"row": self.rows, **msgspec.structs.asdict(row.origin)})
        self._batch.append(row.columns)
        self._sequences.append(row.sequences)
        self.rows += 1
        if len(self._batch) == _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._parquet.write_table(pa.Table.from_pylist(self._batch, schema=self._schema))
        self._lengths.add(self._sequences)
        self._batch, self._sequences = [], []

    def finish(self) -> None:
        """Bring the drafts to the disk and put them in the place of the earlier files."""
        self._flush()
        self._stack.close()
        self._write_guide()
        for draft in self._drafts:
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        for draft, path in zip(self._drafts, self._files, strict=True):
            draft.replace(path)

    def _write_guide(self) -> None:
        text = guide(self.emitter, self.rows, self._lengths, self.labels)
        self._drafts[3].write_text(text, encoding="utf-8")
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
        self._stack.close()
        for draft in self._drafts:
            draft.unlink(missing_ok=True)

    def _jsonl(self, path: Path) -> jsonlines.Writer:
        file = self._stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
        # msgspec: one encoder everywhere; jsonlines alone would refuse integers over 64 bits.
        return jsonlines.Writer(file, dumps=_ENCODER.encode)


class _Encoder:
    def encode(self, value: object) -> str:
        return msgspec.json.encode(value).decode()


_ENCODER = _Encoder()


async def write_datasets(
    folder: Path, emitters: list[Emitter], groups: Iterator[Group], draw: Draw
) -> list[DatasetWriter]:
    """Write datasets in one pass over the groups; return the closed writers for their counts."""
    writers: list[DatasetWriter] = []
    try:
        for emitter in emitters:
            writers.append(DatasetWriter(folder, emitter))
        for number, group in enumerate(groups):
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)  # Writing never waits, but Ctrl-C must be heard.
            for writer in writers:
                writer.add(group, draw)
        for writer in writers:
            writer.finish()
    except BaseException as error:
        for writer in writers:
            writer.abandon()
        if isinstance(error, OSError):
            raise StoreError(f"{folder}: cannot be written ({error})") from error
        raise
    return writers


def schema_of(row: type) -> Any:
    """The Arrow schema of a TypedDict, the same for every file, however its rows look."""
    import pyarrow as pa

    return pa.schema([(name, _arrow(hint)) for name, hint in get_type_hints(row).items()])


def _arrow(hint: Any) -> Any:
    import pyarrow as pa

    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is list:
        return pa.list_(_arrow(get_args(hint)[0]))
    return pa.struct([(name, _arrow(inner)) for name, inner in get_type_hints(hint).items()])
