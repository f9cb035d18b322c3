"""The journal: every completion that was paid for, on disk before anything else happens to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from cotgen.records import Completion, Record
from cotgen.store.lines import UNREADABLE, LineFile

log = logging.getLogger(__name__)


class Entry(Record, frozen=True):
    """One completion; `id` is the digest of all that was asked, and the sample's number."""

    id: str
    search: str
    teacher: str
    completion: Completion


class Spent(msgspec.Struct):
    """What a teacher was paid for so far, in completions and tokens."""

    completions: int = 0
    prompt_tokens: int = 0
    tokens: int = 0

    def add(self, completion: Completion) -> None:
        """Count one more."""
        self.completions += 1
        self.prompt_tokens += completion.prompt_tokens
        self.tokens += completion.tokens


class Journal:
    """Completions by what was asked. Nothing is ever dropped from it.

    A search that is run again, after a kill or with other settings, finds here what it already
    paid for: entries are keyed by content, so they outlive changes of the recipe. The index holds
    only searches that are still owed.
    """

    def __init__(self, path: Path, is_owed: Callable[[str], bool]) -> None:
        self._file = LineFile(path)
        self._offsets: dict[str, dict[str, int]] = {}
        self._decoder = msgspec.json.Decoder(Entry)
        self._encoder = msgspec.json.Encoder()
        self.spent: dict[str, Spent] = {}
        for offset, line in self._file.scan():
            try:
                entry = self._decoder.decode(line)
            except UNREADABLE as error:
                # One damaged line must not cost the others.
                log.error("%s, byte %d: %s; this completion is lost", path, offset, error)
                continue
            self._count(entry)
            if is_owed(entry.search):
                self._offsets.setdefault(entry.search, {})[entry.id] = offset

    def find(self, search: str, id: str) -> Completion | None:
        """The completion that was already returned for this, if any."""
        offset = self._offsets.get(search, {}).get(id)
        return None if offset is None else self._decoder.decode(self._file.at(offset)).completion

    def append(self, *reply: Entry) -> None:
        """Put the completions of one reply on disk, together.

        Their tokens were counted together: asking for some of them again would count others.
        """
        offsets = self._file.append_all([self._encoder.encode(entry) for entry in reply])
        for entry, offset in zip(reply, offsets, strict=True):
            self._offsets.setdefault(entry.search, {})[entry.id] = offset
            self._count(entry)

    def forget(self, search: str) -> None:
        """Drop a finished search from the index; its completions stay on disk."""
        self._offsets.pop(search, None)

    def close(self) -> None:
        """Synchronise and close."""
        self._file.close()

    def _count(self, entry: Entry) -> None:
        self.spent.setdefault(entry.teacher, Spent()).add(entry.completion)
