"""Rows of files that others wrote, streamed: JSON Lines, JSON and Parquet, plain or gzipped."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from cotgen.errors import RecipeError
from cotgen.records import BadLine, clean
from cotgen.rows import decoded

LONGEST_ROW = 1 << 28
"""Bytes of the longest row that is read; a longer one is a mistake or an attack."""
SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
_CHUNK = 1 << 20
_BATCH = 64
"""Rows of Parquet in memory at a time: with long thoughts one can have a megabyte."""
_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_WORD = 16
"""Characters of `-Infinity`, `\\uDEAD`, and then some: a word may be cut where a text ends."""
_BETWEEN = re.compile(r"[\s,]*")


def read_file(path: Path) -> Iterator[tuple[str, Any]]:
    """Each row of a file with its place; one that cannot be read comes as a BadLine.

    Raises RecipeError if the file cannot be read at all, or not to its end.
    """
    readers = {".jsonl": _lines, ".json": _values, ".parquet": _parquet}
    kind = path.name.removesuffix(".gz")
    reader = readers.get(Path(kind).suffix)
    if reader is None or (path.suffix == ".gz" and reader is _parquet):
        raise RecipeError(f"{path}: not one of {', '.join(SUFFIXES)}")
    if _starts_with(path, _POINTER):
        raise RecipeError(f"{path}: a Git-LFS pointer, not the data: fetch it with `git lfs pull`")
    return reader(path)


def _open(path: Path) -> IO[bytes]:
    try:
        return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error


def _starts_with(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error


_UNREADABLE = (OSError, EOFError, zlib.error)


# JSON Lines


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    number = 0
    with _open(path) as file:
        while True:
            number += 1
            place = f"{path}:{number}"
            try:
                line = file.readline(LONGEST_ROW + 1)
                whole = len(line) <= LONGEST_ROW
                while line and not whole and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_ROW + 1)
            except _UNREADABLE as error:
                raise RecipeError(f"{place}: the file cannot be read on: {error}") from error
            if not line:
                return
            if not whole:
                yield place, BadLine(place, f"longer than {LONGEST_ROW >> 20} MB")
            elif line.strip():
                yield place, _row(line, place)


def _row(line: bytes, place: str) -> Any:
    try:
        row = decoded(line.decode("utf-8-sig"))
        return _clean(row) if b"\\ud" in line or b"\\uD" in line else row
    except RecursionError:
        return BadLine(place, "nested too deeply")
    except ValueError as error:  # Broken UTF-8 and broken JSON.
        return BadLine(place, str(error))


def _clean(value: Any) -> Any:
    """The value with lone surrogates replaced, which no UTF-8 file can hold."""
    if isinstance(value, str):
        return value if value.isascii() else clean(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value


# JSON: an array of rows, or rows one after another


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    """Rows of a JSON file. Nothing can be read behind a mistake: it ends the import."""
    with _open(path) as file:
        number = 0
        try:
            for number, value in enumerate(_Scanner(file), start=1):
                yield f"{path}, row {number}", _clean(value)
        except RecursionError:
            raise RecipeError(f"{path}, row {number + 1}: nested too deeply") from None
        except (*_UNREADABLE, ValueError) as error:
            raise RecipeError(f"{path}, row {number + 1}: {error}") from error


class _Scanner:
    """Decodes one value after another; only the one at hand is in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._text = _decoded_text(file)
        self._held = ""
        self._decoder = json.JSONDecoder()

    def __iter__(self) -> Iterator[Any]:
        at = self._skip(0)
        listed = self._held.startswith("[", at)
        at = self._skip(at + 1) if listed else at
        while at < len(self._held) and not self._held.startswith("]", at):
            value, at = self._value(at)
            yield value
            at = self._skip(at)
        if listed != self._held.startswith("]", at):
            raise ValueError("the list is not closed: is the file whole?")

    def _skip(self, at: int) -> int:
        """The place after white space and commas."""
        while True:
            between = _BETWEEN.match(self._held, at)
            at = between.end() if between else at
            if at < len(self._held) or not self._more(at):
                return at
            at = 0

    def _value(self, at: int) -> tuple[Any, int]:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, at)
            except json.JSONDecodeError as error:
                if not self._is_cut(error) or not self._more(at):
                    raise
                at = 0
            else:
                return value, end

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether what is held ends within a value; else the mistake is there to stay."""
        return error.msg.startswith("Unterminated") or error.pos + _LONGEST_WORD > len(self._held)

    def _more(self, at: int) -> bool:
        """Drop what was read and hold twice as much; False at the end of the file."""
        kept = self._held[at:]
        if len(kept) > LONGEST_ROW:
            raise ValueError(f"longer than {LONGEST_ROW >> 20} MB")
        fresh = "".join(_up_to(self._text, max(_CHUNK, len(kept))))
        if not fresh:
            return False
        self._held = kept + fresh
        return True


def _decoded_text(file: IO[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    while data := file.read(_CHUNK):
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _up_to(texts: Iterator[str], size: int) -> Iterator[str]:
    got = 0
    for text in texts:
        yield text
        got += len(text)
        if got >= size:
            return


# Parquet


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa  # Takes a while to import.
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except (OSError, pa.ArrowException, ValueError, OverflowError) as error:
        raise RecipeError(
            f"{path}, row {number + 1}: not to be read as Parquet: {error}"
        ) from error
