"""What a refusal means: the user's mistake, a passing failure, or this prompt's own fault."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from cotgen.errors import RecipeError, TeacherError

OVERLOADED = frozenset((429, 503, 529))
"""Statuses by which a server asks for less: they cost nothing, and say nothing of the request."""
LONGEST_WAIT_S = 3600.0
SHORTEST_SECRET = 6
"""What is shorter would be found in texts that have nothing to do with it."""
_PASSING = frozenset((408, 409, 425, 429))
_GATEWAY_TIMEOUTS = frozenset((504, 524))
"""A proxy lost its patience: the server behind it may have worked on the request, and go on."""
_ENGINE_DIED = "EngineCore encountered an issue"
"""How a vLLM server that somebody else started says that its engine died; it ends soon after."""


class Refused(msgspec.Struct, frozen=True):
    """A reply with an error status. `said` is the server's message without the user's key;
    `elsewhere`: another endpoint of the teacher can be asked at once."""

    status: int
    said: str
    url: str
    code: str = ""
    headers: Mapping[str, str] = {}
    elsewhere: bool = False


class _Error(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    type: str | None = None


class _Body(msgspec.Struct):
    error: _Error | str | None = None
    message: str | None = None
    detail: object = None


def described(body: bytes) -> tuple[str, str]:
    """The message and the code of an error body, whatever shape it has."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return " ".join(body[:300].decode("utf-8", "replace").split()), ""
    error = found.error
    if isinstance(error, _Error):
        # Some servers repeat the status as the code, and say what it means in the type.
        named = error.code and not str(error.code).isdigit()
        return error.message, str(error.code if named else error.type or error.code or "")
    said = error or found.message or found.detail
    return (str(said) if said else body[:300].decode("utf-8", "replace")), ""


def classified(refused: Refused, model: str, key_env: str, n: int) -> TeacherError | RecipeError:
    """The error to raise for a refusal of a request for `n` samples."""
    status, said = refused.status, refused.said.replace("\n", " ")[:300]
    if status == 401:
        return RecipeError(
            f"teachers: {model}: the server refused the key in {key_env} (HTTP 401: {said})"
        )
    if status == 402 or (status == 429 and refused.code == "insufficient_quota"):
        return RecipeError(f"teachers: {model}: the account has no credit left: {said}")
    if status == 404:
        return RecipeError(
            f"teachers: {model}: the server knows no such model or address "
            f"(HTTP 404 from {refused.url}: {said})"
        )
    if 300 <= status < 400:
        to = refused.headers.get("location", "elsewhere")
        return RecipeError(
            f"teachers: {model}: {refused.url} sends to {to} (HTTP {status}): give that address"
        )
    return TeacherError(
        f"HTTP {status}: {said}",
        retryable=status in _PASSING or status >= 500,
        retry_after_s=None if refused.elsewhere else retry_after(refused.headers),
        # Some servers refuse n > 1 instead of ignoring it.
        fewer=status in (400, 422) and n > 1,
        overloaded=status in OVERLOADED,
        elsewhere=refused.elsewhere,
        costly=status in _GATEWAY_TIMEOUTS,
        kind=_kind(status, said),
    )


def _kind(status: int, said: str) -> str:
    if status in _GATEWAY_TIMEOUTS:
        return "timeout"
    if _ENGINE_DIED in said:
        return f"HTTP {status}, vLLM's engine died (on a CPU say seeds: none)"
    return f"HTTP {status}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait a server asks for, given in seconds or as a date; an hour at most."""
    text = headers.get("retry-after", "")
    try:
        wait = float(text)
        return None if math.isnan(wait) else min(max(0.0, wait), LONGEST_WAIT_S)
    except ValueError:
        pass
    try:
        wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        return min(max(0.0, wait), LONGEST_WAIT_S)
    except (ValueError, TypeError):
        return None
