"""Whoever wrote the attempts of an imported dataset."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Literal

from cotgen.errors import TeacherError
from cotgen.protocols import Ask, Component, Finding, Price, Request
from cotgen.records import Completion


class ImportedTeacher(Component):
    """Stands for whoever wrote the attempts that `cotgen import` has brought; cannot be asked."""

    paid: ClassVar[bool] = False
    retries: ClassVar[int] = 0
    price: ClassVar[Price | None] = None
    concurrency: ClassVar[int] = 1

    kind: Literal["imported"] = "imported"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """There is nobody to connect to."""

        async def ask(request: Request) -> list[Completion]:
            raise TeacherError("imported attempts are data: nobody can be asked", retryable=False)

        yield ask

    async def probe(self) -> AsyncIterator[Finding]:
        """There is nothing to find out."""
        yield Finding("answers", "unknown", "nobody to ask: its attempts were imported")
