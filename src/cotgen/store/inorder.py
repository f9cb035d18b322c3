"""Lines in the order in which their work began, though it ends in another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from cotgen.store.table import Encoded, Identified

_HELD_BYTES = 1 << 24
L_contra = TypeVar("L_contra", bound=Identified, contravariant=True)
L = TypeVar("L", bound=Identified)


class Lines(Protocol[L_contra]):
    """Where lines are written: a table."""

    def encoded(self, line: L_contra) -> Encoded:
        """A line as it will stand in the file."""

    def write(self, line: Encoded) -> None:
        """Add it."""

    def flush(self) -> None:
        """Hand what was gathered to the kernel."""


class InOrder(Generic[L]):
    """Holds a line back until those before it are there: a table that is written in order need not
    be sorted, and so written a second time, at the end.

    When too much is held (one piece of work takes far longer than the others) all of it is
    written, and sealing the table sorts it. What is held is lost by a kill: this is for lines that
    are made again from the journal, for nothing.
    """

    def __init__(self, table: Lines[L]) -> None:
        self._table = table
        self._begun: deque[str] = deque()
        self._held: dict[str, Encoded | None] = {}
        self._bytes = 0

    def begin(self, id: str) -> None:
        """Work begins on the line of an id."""
        self._begun.append(id)

    def put(self, line: L) -> None:
        """The id's line is made."""
        self.hold(self._table.encoded(line))

    def hold(self, line: Encoded) -> None:
        """As `put`, of a line that is ready to be written."""
        self._held[line.id] = line
        self._bytes += len(line.data)
        if self._bytes > _HELD_BYTES:
            self.flush()

    def end(self, id: str) -> None:
        """Work on an id has ended, with a line or without one."""
        self._held.setdefault(id, None)
        while self._begun and self._begun[0] in self._held:
            self._write(self._held.pop(self._begun.popleft()))

    def flush(self) -> None:
        """Write all that is held."""
        for id, line in self._held.items():
            self._held[id] = None  # Its turn is still to come.
            self._write(line)
        self._table.flush()

    def unwritten(self) -> Iterator[tuple[str, Encoded | None, bool]]:
        """What is still to come: ids in their order, each with its line, if that is made, and
        whether work on it has ended."""
        return ((id, self._held.get(id), id in self._held) for id in self._begun)

    def _write(self, line: Encoded | None) -> None:
        if line is not None:
            self._bytes -= len(line.data)
            self._table.write(line)
