"""A teacher that repeats recorded attempts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Ask, Component, Price, Request
from cotgen.records import BadLine, Completion, clean
from cotgen.rows import MISSING, lookup, read_row, read_rows

log = logging.getLogger(__name__)


class ReplayTeacher(Component):
    """Recorded attempts from a JSON Lines file: sample number i of a question is attempt i.

    Attempts are found by the text of the question. Asking for more samples than were recorded is
    an error, never an invention.
    """

    incidental = frozenset({"concurrency"})
    paid: ClassVar[bool] = False
    retries: ClassVar[int] = 0
    price: ClassVar[Price | None] = None

    kind: Literal["replay"] = "replay"
    path: Path
    """The file, seen from the folder where cotgen is started."""
    question: str = "question"
    """Dotted path of the question in a row."""
    attempts: str | Annotated[list[str], Field(min_length=1)]
    """Dotted path of a list of texts, or one path for each attempt."""
    concurrency: Annotated[int, Field(ge=1)] = 16
    """Requests in flight at once."""

    @field_validator("path")
    @classmethod
    def _is_plain(cls, path: Path) -> Path:
        if path.suffix == ".gz":
            raise ValueError("a recording is read at random places: unpack the .gz file first")
        return path

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """Index the recording; only the places of the questions stay in memory."""
        offsets = self._index()
        with self.path.open("rb") as file:

            async def ask(request: Request) -> list[Completion]:
                offset = offsets.get(_key(request.question))
                if offset is None:
                    raise TeacherError(f"{self.path} holds no such question", retryable=False)
                file.seek(offset)
                texts = self._texts(read_row(file.readline()), "")
                first, n = request.sampling.first, request.sampling.n
                if first + n > len(texts):
                    raise TeacherError(
                        f"{self.path} holds {len(texts)} attempts of this question; sample number "
                        f"{first + n - 1} was asked for (they count from 0)",
                        retryable=False,
                    )
                return [Completion(text) for text in texts[first : first + n]]

            yield ask

    def _index(self) -> dict[bytes, int]:
        """Check every row and note where each question stands; the first of equal ones counts."""
        offsets: dict[bytes, int] = {}
        for place, row in read_rows(self.path):
            if isinstance(row, BadLine):
                raise RecipeError(f"{place}: {row.error}")
            question = lookup(row, self.question)
            if not isinstance(question, str):
                raise RecipeError(f"{place}: no text at {self.question}")
            self._texts(row, f"{place}: ")
            if offsets.setdefault(_key(clean(question)), place.offset) != place.offset:
                log.warning("%s: this question was recorded before; not used", place)
        return offsets

    def _texts(self, row: Any, where: str) -> list[str]:
        """The attempts of a row; RecipeError where one is missing."""
        if isinstance(self.attempts, str):
            texts = lookup(row, self.attempts)
            if not isinstance(texts, list):
                raise RecipeError(f"{where}no list of texts at {self.attempts}")
        else:
            texts = [lookup(row, path) for path in self.attempts]
        for text, path in zip(texts, self._paths(len(texts)), strict=True):
            if text is MISSING or not isinstance(text, str):
                raise RecipeError(f"{where}no text at {path}")
        return [clean(text) for text in texts]

    def _paths(self, n: int) -> list[str]:
        if isinstance(self.attempts, str):
            return [f"{self.attempts}.{number}" for number in range(n)]
        return self.attempts


def _key(question: str) -> bytes:
    return blake2b(question.strip().encode(), digest_size=16).digest()
