"""What a keeper needs of a started engine, however it is asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from cotgen.errors import CotgenError
from cotgen.protocols import Request
from cotgen.records import Completion


class NotStarted(CotgenError):
    """The engine died, or was not ready in time, before it could be asked anything."""


class Life(Protocol):
    """An engine from its start to its death."""

    async def ask(self, request: Request) -> list[Completion]:
        """Ask once. Raises TeacherError."""

    async def queued(self) -> int | None:
        """How many requests the engine keeps waiting, if it tells."""

    async def is_dead(self) -> bool:
        """Look whether the engine is dead: a request has failed."""

    async def death(self) -> None:
        """Wait for the engine's death."""

    async def cause(self) -> str:
        """What it died of, in a line; waits a moment for its last words."""


Begin = Callable[[bool], AbstractAsyncContextManager[Life]]
"""Start an engine that will be sent seeds or not, and wait until it is ready; leaving the context
ends it. Raises NotStarted."""
