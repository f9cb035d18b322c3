"""The Arrow schema of a dataset: one, however its rows look."""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints


def schema_of(row: type) -> Any:
    """The Arrow schema of a TypedDict, the same for every file."""
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
