"""Telling somebody how a run ended: a command of the user's, a webhook. Neither changes the end."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from http.client import HTTPException
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

_LOCAL = ("localhost", "127.0.0.1", "::1")


class Notify(BaseModel):
    """Whom to tell when a run has ended. All get the same JSON object: run, folder, state,
    exit_code, said, text and summary. What cannot be told is a warning, nothing more."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    command: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """A program with its arguments; it is given the object on standard input, and COTGEN_RUN,
    COTGEN_STATE and COTGEN_EXIT_CODE. No shell reads it."""
    webhook: str = ""
    """An https address that the object is posted to. Slack and others show its `text`."""
    webhook_env: str = ""
    """The environment variable that holds the address, if that is a secret (Slack's is)."""
    on: Literal["end", "failure"] = "end"
    """Tell of every end, or only of those whose exit code is not 0."""
    timeout_s: PositiveFloat = 10
    """How long each of them may take."""

    @model_validator(mode="after")
    def _one_webhook(self) -> Self:
        if self.webhook and self.webhook_env:
            raise ValueError("give webhook or webhook_env, not both")
        if self.webhook:
            _checked(self.webhook)
        return self


def tell(notify: Notify, ended: bytes, facts: dict[str, str]) -> Iterator[str]:
    """Tell all; yields what went wrong. `facts` are the command's environment variables."""
    if notify.on == "failure" and facts.get("COTGEN_EXIT_CODE") == "0":
        return
    if notify.command:
        yield from _call(notify, ended, facts)
    if notify.webhook or notify.webhook_env:
        yield from _post(notify, ended)


def _call(notify: Notify, ended: bytes, facts: dict[str, str]) -> Iterator[str]:
    try:
        done = subprocess.run(
            notify.command,
            input=ended,
            env={**os.environ, **facts},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=notify.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield f"notify.command: not done after {notify.timeout_s:g} s"
    except OSError as error:
        yield f"notify.command: {notify.command[0]}: {error.strerror}"
    else:
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()[-200:]
            yield f"notify.command: exit code {done.returncode}{said and ': ' + said}"


def _post(notify: Notify, ended: bytes) -> Iterator[str]:
    key = "notify.webhook_env" if notify.webhook_env else "notify.webhook"
    address = notify.webhook or os.environ.get(notify.webhook_env, "").strip()
    if not address:
        yield f"{key}: {notify.webhook_env} is not set in the environment"
        return
    try:
        headers = {"Content-Type": "application/json", "User-Agent": "cotgen"}
        request = Request(_checked(address), data=ended, headers=headers, method="POST")
        with build_opener(_Stay).open(request, timeout=notify.timeout_s):
            pass
    except ValueError as error:
        yield f"{key}: {error}"
    except HTTPException:
        yield f"{key}: what answered does not speak HTTP"
    except OSError as error:
        # The address may hold a secret: it is not repeated, and neither is what a server says.
        yield f"{key}: {_reason(error)}"


def _reason(error: OSError) -> str:
    code = getattr(error, "code", None)
    return f"HTTP {code}" if code else f"{getattr(error, 'reason', error)}"


def _checked(address: str) -> str:
    """Raise ValueError for what would be sent in the clear. Does not repeat the address."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        host.encode("ascii")
        _ = parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    whole = host and not re.search(r"[\s\x00-\x20\x7f-\uffff]", address)
    if not whole or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL)):
        raise ValueError("an address starts with https:// (http:// only on this machine)")
    return address


class _Stay(HTTPRedirectHandler):
    """Another address than the one that was named is not told."""

    def redirect_request(self, *_: object) -> None:
        return None
