"""A file of golds and attempts in, a file of verdicts out, line by line."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import yaml

from cotgen.errors import RecipeError, StoreError
from cotgen.records import BadLine, Outcome, TimedVerdict
from cotgen.rows import read_rows
from cotgen.verifying import verify_many, whole

STANDARD = Path("-")
"""Standard input, or standard output."""


def settings(sets: Iterable[str]) -> dict[str, object]:
    """The settings that `--set key=value` gives; values are read as YAML."""
    found: dict[str, object] = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set {text}: write key=value, as in --set rounding=gold")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"--set {key}: the value is not YAML: {error}") from error
    return found


def judge_file(
    source: Path, out: Path, workers: int | None, chosen: dict[str, object]
) -> Counter[Outcome]:
    """Write a verdict for each line of `source`, in order, and count them by outcome.

    A line has `gold` and `attempt`; its `id`, if it has one, is copied; other keys are ignored.
    A line that cannot be read raises RecipeError naming it, and leaves `out` as it was.
    """
    counts: Counter[Outcome] = Counter()
    ids: deque[object] = deque()
    verdicts = verify_many(_pairs(source, ids), workers, **chosen)
    with _whole_file(out) as file:
        for verdict in verdicts:
            counts[verdict.outcome] += 1
            file.write(_line(ids.popleft(), verdict))
        file.flush()
    return counts


_NO_ID = object()


def _pairs(source: Path, ids: deque[object]) -> Iterator[tuple[str, str]]:
    for place, row in read_rows(Path("/dev/stdin") if source == STANDARD else source):
        where = f"standard input:{place.line}" if source == STANDARD else str(place)
        if isinstance(row, BadLine):
            raise RecipeError(f"{where}: {row.error}")
        if not isinstance(row, Mapping):
            raise RecipeError(f"{where}: an object with gold and attempt is needed")
        pair = _text(row, "gold", where), _text(row, "attempt", where)
        id = row.get("id", _NO_ID)
        ids.append(whole(id) if isinstance(id, str) else id)
        yield pair


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    if key not in row:
        raise RecipeError(f"{where}: no {key} (keys: {', '.join(map(str, row))})")
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise RecipeError(f"{where}: {key} must be a text or a number, found {kind}")
    try:
        return str(value)
    except ValueError as error:
        raise RecipeError(f"{where}: {key} is a number too long to read: {error}") from error


def _line(id: object, verdict: TimedVerdict) -> bytes:
    line = msgspec.structs.asdict(verdict)
    if id is not _NO_ID:
        line = {"id": id, **line}
    return msgspec.json.encode(line) + b"\n"


@contextmanager
def _whole_file(out: Path) -> Iterator[IO[bytes]]:
    """A file that appears when all is written; standard output takes lines as they come."""
    if out == STANDARD:
        yield sys.stdout.buffer
        return
    draft = out.with_name(out.name + ".tmp")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror})") from error
    finally:
        draft.unlink(missing_ok=True)
