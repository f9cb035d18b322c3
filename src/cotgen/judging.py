"""A file of golds and attempts in, a file of verdicts out, line by line."""

from __future__ import annotations

import os
import secrets
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from cotgen.errors import RecipeError, StoreError
from cotgen.records import BadLine, Outcome, TimedVerdict
from cotgen.rows import read_rows
from cotgen.verifying import verify_many, whole
from cotgen.yamltext import NotYaml, read_yaml

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
            found[key] = read_yaml(value)
        except NotYaml as error:
            raise RecipeError(f"--set {key}: the value is not YAML: {error}") from error
    return found


def judge_file(
    source: Path, out: Path, workers: int | None, chosen: dict[str, object]
) -> Counter[Outcome]:
    """Write a verdict for each line of `source`, in order, and count them by outcome.

    A line has `gold` and `attempt`; its `id`, if it has one, is copied; other keys are ignored.
    A line that cannot be read raises RecipeError naming it, and leaves the file `out` as it was.
    """
    _keep(source, out)
    counts: Counter[Outcome] = Counter()
    ids: deque[object] = deque()
    verdicts = verify_many(_pairs(source, ids), workers, **chosen)
    with _output(out) as file:
        for verdict in verdicts:
            counts[verdict.outcome] += 1
            file.write(_line(ids.popleft(), verdict))
        file.flush()
    return counts


def left_by_interrupt(out: Path) -> str:
    """What is there of the verdicts after `judge_file` was interrupted."""
    if out != STANDARD and _may_be_replaced(out):
        return f"no verdicts were written to {out}"
    return f"the verdicts on {_name(out)} are not all"


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


# --- where the verdicts go ------------------------------------------------------------------------


def _keep(source: Path, out: Path) -> None:
    """Refuse to write over the file that is read, under whatever name."""
    with suppress(OSError):
        read = os.fstat(0) if source == STANDARD else source.stat()
        written = os.fstat(1) if out == STANDARD else out.stat()
        if stat.S_ISREG(read.st_mode) and os.path.samestat(read, written):
            raise RecipeError(f"{_name(out)}: the verdicts would replace the file that is read")


@contextmanager
def _output(out: Path) -> Iterator[IO[bytes]]:
    """Where verdicts are written. A file appears when all is there; whatever else stands at the
    path (a pipe, a device) takes lines as they come, as standard output does."""
    try:
        if out == STANDARD:
            # Not `sys.stdout`: what it cannot write, it would try to write again at the end.
            with open(1, "wb", closefd=False) as file:
                yield file
        elif _may_be_replaced(out):
            with _draft(Path(os.path.realpath(out))) as file:
                yield file
        else:
            with out.open("wb") as file:
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{_name(out)}: cannot be written ({why})") from error


def _name(out: Path) -> str:
    return "standard output" if out == STANDARD else str(out)


def _may_be_replaced(out: Path) -> bool:
    try:
        return stat.S_ISREG(out.stat().st_mode)
    except FileNotFoundError:
        return True


@contextmanager
def _draft(place: Path) -> Iterator[IO[bytes]]:
    """A new file beside `place` that takes its place, and its rights, if all goes well."""
    draft = place.with_name(f".cotgen-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            yield file
            with suppress(FileNotFoundError):
                _hand_on(place.stat(), file.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def _hand_on(earlier: os.stat_result, file: int) -> None:
    """Not every user, nor every file system, can: the verdicts matter more."""
    with suppress(OSError):
        os.fchown(file, earlier.st_uid, earlier.st_gid)
    with suppress(OSError):
        os.fchmod(file, earlier.st_mode & 0o777)
