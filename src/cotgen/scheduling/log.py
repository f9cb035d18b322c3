"""What a scheduled run leaves for the morning: a line when it starts and one when it ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

from cotgen.errors import StoreError

_BYTES, _KEPT = 1 << 20, 5


@dataclass
class Note:
    """What a run has to say of its end."""

    said: str = ""


@contextmanager
def noted(path: Path | None, name: str) -> Iterator[Note]:
    """Note in a file that a run starts and how it ends: exit code and, if it failed, why.

    The file is rotated at a megabyte and five old ones are kept. Raises StoreError.
    """
    note = Note()
    if path is None:
        yield note
        return
    handler = _handler(path)
    process = f"{name} (process {os.getpid()})"
    _say(handler, f"{process} started")
    try:
        yield note
    except BaseException as error:
        why = note.said or _why(error)
        _say(handler, f"{process} ended with exit code {_code(error)}{why and f': {why}'}")
        raise
    else:
        _say(handler, f"{process} ended with exit code 0")
    finally:
        handler.close()


def _handler(path: Path) -> RotatingFileHandler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"--log {path}: cannot be opened ({error.strerror})") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    return handler


def _say(handler: logging.Handler, text: str) -> None:
    handler.emit(logging.makeLogRecord({"msg": text.replace("\n", "; ")}))


def _code(error: BaseException) -> object:
    code = getattr(error, "exit_code", None)  # typer.Exit
    return code if code is not None else getattr(error, "code", 1)  # SystemExit; a bug is 1


def _why(error: BaseException) -> str:
    cause = error.__context__ if isinstance(error, SystemExit) else error
    return "" if cause is None or cause is error else str(cause)
