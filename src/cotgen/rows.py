"""Reading rows that others wrote: JSON Lines with places, and dotted paths into a row."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import jsonlines
import msgspec

from cotgen.errors import RecipeError
from cotgen.records import BadLine


class Place(NamedTuple):
    """Where a row stands. `offset` is in bytes, of the unpacked file."""

    path: Path
    line: int
    offset: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


MISSING = object()
"""What `lookup` returns where a path leads nowhere."""


def read_rows(path: Path) -> Iterator[tuple[Place, Any]]:
    """Each line of a JSON Lines file (or .gz) with its place.

    A line that is not JSON comes as a BadLine. Raises RecipeError if the file cannot be read.
    """
    place = Place(path, 0, 0)

    def lines(file: IO[bytes]) -> Iterator[bytes]:
        nonlocal place
        end = 0
        try:
            for number, line in enumerate(file, start=1):
                place, end = Place(path, number, end), end + len(line)
                yield line
        except (OSError, EOFError, zlib.error) as error:
            raise RecipeError(f"{place}: the file cannot be read on: {error}") from error

    with _open(path) as file:
        reader = jsonlines.Reader(lines(file), loads=decoded)
        while True:
            try:
                row: Any = reader.read(skip_empty=True)
            except EOFError:
                return
            except jsonlines.InvalidLineError as error:
                row = BadLine(str(place), str(error.__cause__ or error))
            except RecursionError:
                row = BadLine(str(place), "nested too deeply")
            yield place, row


def read_row(line: bytes) -> Any:
    """One line as `read_rows` reads it."""
    return jsonlines.Reader([line], loads=decoded).read()


def lookup(row: object, path: str) -> Any:
    """Follow a dotted path (`a.b.0`) through objects and lists; a key with dots is tried first."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    head, _, rest = path.partition(".")
    value: Any = MISSING
    if isinstance(row, Mapping):
        value = row.get(head, MISSING)
    elif isinstance(row, Sequence) and not isinstance(row, str) and head.isdecimal():
        value = row[int(head)] if int(head) < len(row) else MISSING
    return value if value is MISSING or not rest else lookup(value, rest)


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def decoded(line: str | bytes) -> Any:
    """A line of JSON. Raises ValueError or RecursionError."""
    # msgspec keeps integers of any length; jsonlines alone would take orjson, which does not.
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        # It refuses lone surrogates, which other writers let through and `clean` replaces.
        if isinstance(line, bytes) or not _SURROGATE.search(line):
            raise
        return json.loads(line)


def _open(path: Path) -> IO[bytes]:
    try:
        return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
