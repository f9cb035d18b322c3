"""The rows of a dataset's files as Arrow batches: their texts, and how long they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from cotgen.errors import StoreError

_ROWS_AT_ONCE = 1000


def count_rows(path: Path) -> int:
    """How many rows a file holds."""
    if path.suffix == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    with path.open("rb") as file:
        return sum(1 for _ in file)


def batches(path: Path) -> Iterator[Any]:
    """A file's rows as record batches, never more than a few at a time in memory."""
    import pyarrow as pa

    if path.suffix == ".parquet":
        yield from _parquet(path).iter_batches(_ROWS_AT_ONCE)
        return
    with path.open("rb") as file:
        while lines := list(islice(file, _ROWS_AT_ONCE)):
            yield pa.RecordBatch.from_pylist([msgspec.json.decode(line) for line in lines])


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path}: cannot be read as Parquet ({error})") from error


def texts(array: Any) -> Iterator[Any]:
    """All texts inside an array, however deep, as arrays of strings."""
    import pyarrow as pa

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        yield array
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        yield from texts(array.flatten())
    elif pa.types.is_struct(array.type):
        for inner in array.flatten():
            yield from texts(inner)


def lengths(batch: Any) -> Any:
    """How many characters each row's texts have together (a numpy array); roles do not count."""
    return sum(_lengths(column) for column in batch.columns)


def _lengths(array: Any) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return pc.fill_null(pc.utf8_length(array), 0).to_numpy(zero_copy_only=False)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        parents = pc.list_parent_indices(array).to_numpy(zero_copy_only=False)
        inner = _lengths(array.flatten())
        return np.bincount(parents, inner, minlength=len(array)).astype(np.int64)
    if pa.types.is_struct(array.type):
        parts = zip(array.type, array.flatten(), strict=True)
        counted = [_lengths(part) for field, part in parts if field.name != "role"]
        return sum(counted, np.zeros(len(array), np.int64))
    return np.zeros(len(array), np.int64)
