"""The rows of one split, in files that do not grow beyond a size. Drafts until all are whole."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from cotgen.datafiles import DATA, ORIGINS, PARQUET, ROWS, stems_of
from cotgen.lengths import Lengths
from cotgen.protocols import Row
from cotgen.store.lines import sync_soon

_HELD_BYTES = 1 << 20
"""Rows are held until they are so many bytes of JSON: few enough to stay in a processor's cache,
where they are read several times. With 8 MB a row costs a third more."""
_ROW_GROUP_BYTES = 32 << 20
"""About so many bytes are one row group of Parquet: readers dislike many small ones."""

_SYNC_BYTES = 64 << 20
"""So often the disk is asked to catch up: it can take longer than the processor, and would do
nothing until the end."""


@lru_cache(maxsize=1)
def _other_core() -> ThreadPoolExecutor:
    """A thread for Arrow, which encodes and compresses Parquet without the interpreter: half of the
    work of writing rows. It never runs code of ours."""
    return ThreadPoolExecutor(1, thread_name_prefix="cotgen-parquet")


class Plan(NamedTuple):
    """How rows are written: `schema` is Arrow's, `recipe` the digest that every origin names."""

    schema: Any
    shard_bytes: int
    recipe: str
    lengths: Lengths


class SplitWriter:
    """Writes rows as JSON Lines and as Parquet, with their origins beside them."""

    def __init__(self, base: Path, plan: Plan) -> None:
        self.rows = 0
        self._base = base
        self._plan = plan
        self._tail = b',"recipe":%b}\n' % msgspec.json.encode(plan.recipe)
        self._encoder = msgspec.json.Encoder()
        self._lines, self._origins = bytearray(), bytearray()
        self._held: list[Row] = []
        self._bytes = 0
        self._shards: list[_Shard] = []

    def begin(self) -> None:
        """Open the first shard: a split without rows has a file too."""
        self._shards.append(_Shard(self._base, len(self._shards), self._plan.schema))
        self._bytes = 0

    def add(self, row: Row) -> None:
        """Take a row. A shard ends before the row that would make it too long."""
        if row.numbered:
            row.columns[row.numbered]["index"] = self.rows
        start = len(self._lines)
        self._encoder.encode_into(row.columns, self._lines, -1)
        self._lines += b"\n"
        added = len(self._lines) - start
        if self._bytes and self._bytes + added > self._plan.shard_bytes:
            line = self._lines[start:]
            del self._lines[start:]
            self.end()
            self.begin()
            self._lines += line
        self._bytes += added
        self._add_origin(row)
        self._held.append(row)
        self.rows += 1
        if len(self._lines) >= _HELD_BYTES:
            self._flush()

    def _add_origin(self, row: Row) -> None:
        """The row's number, its origin and the recipe's digest as one object."""
        origins = self._origins
        origins += b'{"row":%d' % self.rows
        seam = len(origins)
        self._encoder.encode_into(row.origin, origins, seam)
        origins[seam : seam + 1] = b","
        origins[-1:] = self._tail

    def _flush(self) -> None:
        if not self._held:
            return
        self._plan.lengths.add([row.sequences for row in self._held])
        self._shards[-1].write(self._lines, self._origins)
        self._lines.clear()
        self._origins.clear()
        self._held = []

    def end(self) -> None:
        """Close the shard, with everything in it."""
        if self._shards:
            self._flush()
            self._shards[-1].close()

    def stems(self) -> list[str]:
        """What the files are called once they are whole, without their endings."""
        return stems_of(self._base.name, len(self._shards)) if self._shards else []

    def drafts(self) -> dict[Path, Path]:
        """Each draft, and what it will be called."""
        return {
            draft: self._base.with_name(f"{stem}{suffix}")
            for shard, stem in zip(self._shards, self.stems(), strict=True)
            for suffix, draft in shard.drafts.items()
        }

    def sync(self) -> None:
        """Wait until all that was ended is on the disk."""
        for shard in self._shards:
            shard.synced()

    def abandon(self) -> None:
        """Delete the drafts."""
        for shard in self._shards:
            shard.close(whole=False)
            for draft in shard.drafts.values():
                draft.unlink(missing_ok=True)


class _Shard:
    """Three files of the same rows."""

    def __init__(self, base: Path, number: int, schema: Any) -> None:
        import pyarrow.parquet as pq  # A third of a second to import.

        mark = f".{number}" if number else ""  # How many there will be is not known yet.
        self.drafts = {suffix: base.with_name(f"{base.name}{mark}{suffix}.tmp") for suffix in DATA}
        self._stack = ExitStack()
        self._lines, self._origins = (self._opened(suffix) for suffix in (ROWS, ORIGINS))
        self._parquet = self._stack.enter_context(
            pq.ParquetWriter(self.drafts[PARQUET], schema, compression="zstd")
        )
        self._schema = schema
        self._unread = bytearray()
        self._writing: Future[None] | None = None
        self._syncing: list[Future[None]] = []
        self._unsynced = 0

    def _opened(self, suffix: str) -> IO[bytes]:
        return self._stack.enter_context(self.drafts[suffix].open("wb"))

    def write(self, lines: bytearray, origins: bytearray) -> None:
        """Some rows and their origins."""
        self._lines.write(lines)
        self._origins.write(origins)
        self._unsynced += len(lines)
        if self._unsynced >= _SYNC_BYTES and all(each.done() for each in self._syncing):
            self._sync()
        self._unread += lines
        if len(self._unread) >= _ROW_GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        if self._unread:
            self._await_table()
            lines, self._unread = self._unread, bytearray()
            self._writing = _other_core().submit(to_parquet, lines, self._schema, self._parquet)

    def _await_table(self) -> None:
        """Wait for the row group that is being written. Raises OSError."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def close(self, *, whole: bool = True) -> None:
        """Close the files, `whole` or as they are."""
        if whole:
            self._write_group()
            self._await_table()
            self._stack.close()
            self._sync()
            return
        if self._writing:
            self._writing.exception()  # What became of it no longer matters.
        with suppress(OSError):  # What is abandoned need not be written first.
            self._stack.close()

    def _sync(self) -> None:
        self._unsynced = 0
        self._syncing += [sync_soon(draft) for draft in self.drafts.values()]

    def synced(self) -> None:
        """Wait for the disk. Raises OSError."""
        for each in self._syncing:
            each.result()


def to_parquet(lines: bytearray, schema: Any, parquet: Any) -> None:
    """Read lines as Arrow's table of them and append it. All of it is done without the interpreter,
    which building the table of Python objects would need."""
    import pyarrow as pa
    from pyarrow import json

    reading = json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    parsing = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    table = json.read_json(pa.BufferReader(lines), reading, parsing)
    parquet.write_table(table.select(schema.names))
