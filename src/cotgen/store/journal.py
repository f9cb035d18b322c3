"""The journal: every completion that was paid for, on disk before anything else happens to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from cotgen.errors import StoreError
from cotgen.records import Completion, Record, Sample
from cotgen.store.lines import UNREADABLE, LineFile
from cotgen.store.reserve import RESERVE, Reserve

log = logging.getLogger(__name__)

JOURNAL = "journal.jsonl"


S = TypeVar("S", bound=Sample, covariant=True)


class Entry(Record, Generic[S], frozen=True):
    """One reply of a teacher: consecutive samples from number `first`.

    `asked` is the digest of all that was asked but the numbers. A reply is one line, whole or
    absent, because its tokens were counted together: asking for a part of it again would count
    others.
    """

    asked: str
    first: int
    search: str
    teacher: str
    completions: tuple[S, ...]


class Spent(msgspec.Struct):
    """What a teacher was paid for so far, in completions, tokens and answered requests."""

    completions: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    requests: int = 0

    def count(self, entry: Entry[Sample]) -> None:
        """Count one more reply."""
        self.requests += 1
        self.completions += len(entry.completions)
        self.prompt_tokens += sum([each.prompt_tokens for each in entry.completions])
        self.tokens += sum([each.tokens for each in entry.completions])


def read_journal(path: Path) -> Iterator[Entry[Completion]]:
    """The entries of a journal that another process may be writing; damaged ones are left out."""
    if not path.exists():
        return
    file = LineFile(path, write=False)
    try:
        for _, line in file.scan():
            with suppress(*UNREADABLE):
                yield _DECODER.decode(line)
    finally:
        file.close()


_DECODER = msgspec.json.Decoder(Entry[Completion])


Place = tuple[int, int]
"""Where a reply stands in the journal: its offset and its size."""


def replies_at(file: LineFile, places: Iterable[Place]) -> dict[int, Completion]:
    """The samples in the replies at these places of a journal, by number."""
    found: dict[int, Completion] = {}
    for place in places:
        entry = _DECODER.decode(file.piece(*place))
        for number, completion in enumerate(entry.completions, start=entry.first):
            found.setdefault(number, completion)
    return found


class Journal:
    """Completions by what was asked. Nothing is ever dropped from it.

    A search that is run again, after a kill or with other settings, finds here what it already
    paid for: entries are keyed by content, so they outlive changes of the recipe. The index holds
    only searches that are still owed.
    """

    def __init__(self, path: Path, is_owed: Callable[[str], bool] | None = None) -> None:
        """Without `is_owed` it is read only for what was spent."""
        self.path = path
        self.full: StoreError | None = None
        """Set once the disk was full, though all was saved: no more must be asked for."""
        self._reserve = Reserve(path.with_name(RESERVE)) if is_owed else None
        self._file = LineFile(path)
        self._index: dict[str, dict[str, list[Place]]] = {}
        self._encoder = msgspec.json.Encoder()
        self.spent: dict[str, Spent] = {}
        for offset, line in self._file.scan():
            try:
                entry = _DECODER.decode(line)
            except UNREADABLE as error:
                # One damaged line must not cost the others.
                log.error("%s, byte %d: %s; this completion is lost", path, offset, error)
                continue
            self._count(entry)
            if is_owed and is_owed(entry.search):
                self._note(entry, (offset, len(line)))

    def recall(self, search: str, asked: str) -> dict[int, Completion]:
        """The samples that were already returned for this, by number."""
        return replies_at(self._file, self.where(search, asked))

    def where(self, search: str, asked: str) -> tuple[Place, ...]:
        """Where the replies to this stand."""
        return tuple(self._index.get(search, {}).get(asked, ()))

    def append(self, entry: Entry[Sample]) -> None:
        """Put a reply on disk; if that is full, in the room that was kept free for this."""
        line = self._encoder.encode(entry)
        try:
            offset = self._file.append(line)
        except StoreError as error:
            if self._reserve is None or not self._reserve.give_up():
                raise
            self.full = error
            offset = self._file.append(line)
        self._note(entry, (offset, len(line)))
        self._count(entry)

    def forget(self, search: str) -> None:
        """Drop a finished search from the index; its completions stay on disk."""
        self._index.pop(search, None)

    def settle(self) -> None:
        """No more will come: bring all to the disk while later stages work."""
        if self._reserve:
            self._reserve.give_up()
        self._file.begin_sync()

    def close(self) -> None:
        """Synchronise and close."""
        if self._reserve:
            self._reserve.give_up()
        self._file.close()

    def _note(self, entry: Entry[Sample], place: Place) -> None:
        replies = self._index.setdefault(entry.search, {})
        replies.setdefault(entry.asked, []).append(place)

    def _count(self, entry: Entry[Sample]) -> None:
        self.spent.setdefault(entry.teacher, Spent()).count(entry)
