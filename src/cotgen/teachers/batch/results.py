"""The results of a batch on disk: found by custom id, read one by one, never all in memory."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from cotgen.errors import RecipeError, TeacherError
from cotgen.records import Completion, clean
from cotgen.teachers.wire.refusals import Refused, classified, described
from cotgen.teachers.wire.replies import completions

_AT_A_TIME = 500
_TAIL = 1 << 16


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Error(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None


class _Result(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None

    @property
    def is_answer(self) -> bool:
        """Whether completions came, which were paid for."""
        return self.response is not None and self.response.status_code == 200


class Results:
    """An open file of results."""

    def __init__(self, path: Path, model: str, key_env: str) -> None:
        self.path = path
        self._model, self._key_env = model, key_env
        self._file = path.open("rb")

    async def places(self) -> AsyncIterator[tuple[str, int]]:
        """Each custom id with the place of its result. Lets other work go on: there may be
        gigabytes."""
        offset = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file):
                if number % _AT_A_TIME == 0:
                    await asyncio.sleep(0)
                if found := _decoded(line):
                    yield found.custom_id, offset
                offset += len(line)

    def at(self, offset: int, n: int) -> list[Completion]:
        """The result at a place, of a request for `n` samples. Raises what its failure means."""
        self._file.seek(offset)
        found = _decoded(self._file.readline())
        if found is None or (found.response is None and found.error is None):
            raise TeacherError("the batch holds no answer", retryable=True, kind="bad reply")
        if found.response is None or found.error is not None:
            raise _failed(found.error or _Error())
        body = bytes(found.response.body)
        if not found.is_answer:
            raise self._refused(found.response.status_code, body, n)
        return completions(body, n)

    def is_answer(self, offset: int) -> bool:
        """Whether completions stand there."""
        self._file.seek(offset)
        found = _decoded(self._file.readline())
        return found is not None and found.is_answer

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _refused(self, status: int, body: bytes, n: int) -> TeacherError | RecipeError:
        said, code = described(body)
        refused = Refused(status, said, "the batch", code)
        return classified(refused, self._model, self._key_env, n)


def is_whole(path: Path) -> bool:
    """Whether the last line can be read: not every connection tells that it was cut."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        size = min(end, _TAIL)
        while True:
            file.seek(end - size)
            lines = file.read(size).rstrip().split(b"\n")
            if len(lines) > 1 or size == end:
                return not lines[-1] or _decoded(lines[-1]) is not None
            size = min(end, 4 * size)


def _failed(error: _Error) -> TeacherError:
    """What became of a request that no model was asked."""
    code = str(error.code or "failed in the batch")
    # Whoever cancels a batch does not want it sent again at once.
    return TeacherError(
        f"{code}: {error.message or ''}"[:300],
        retryable=code != "batch_cancelled",
        kind=code.replace("_", " "),
    )


_decode = msgspec.json.Decoder(_Result).decode


def _decoded(line: bytes) -> _Result | None:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        # Python's reader takes lone surrogates, which msgspec refuses and `clean` replaces.
        return _decode(json.dumps(_without_surrogates(json.loads(line))).encode())
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None


def _without_surrogates(value: object) -> object:
    """The same JSON value, where halves of characters are replaced."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_surrogates(each) for name, each in value.items()}
    return value
