"""Which batches a teacher submitted in a run: what was submitted is found again, never repeated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from cotgen.errors import StoreError
from cotgen.records import Record
from cotgen.store.lines import UNREADABLE, LineFile

LEDGER = "batches.jsonl"
Step = Literal["intended", "uploaded", "created", "fetched", "over"]
"""How far a batch is. `intended` is noted before its input is sent, `uploaded` before it is
created, so that whatever a kill cut off is known to have perhaps happened."""


class Part(NamedTuple):
    """One request of a batch: `n` samples of a key from number `first`."""

    key: str
    first: int
    n: int

    @property
    def custom_id(self) -> str:
        """What the request is called in the batch's files."""
        return f"{self.key}-{self.first}"


class Note(Record, frozen=True, omit_defaults=True):
    """A line: a batch has come to a step. `id` is what the server calls the file or the batch."""

    batch: str
    step: Step
    id: str = ""
    at: int = 0
    parts: tuple[Part, ...] = ()


class Known(msgspec.Struct):
    """All that is noted of a batch. `at` is when it was intended, in Unix seconds."""

    name: str
    at: int
    parts: tuple[Part, ...]
    step: Step = "intended"
    file: str = ""
    id: str = ""


class Ledger:
    """The notes on disk. Each is there, even after a power cut, before what it announces."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)
        self._encoder = msgspec.json.Encoder()
        self.batches: dict[str, Known] = {}
        for offset, line in self._file.scan():
            try:
                self._apply(msgspec.json.decode(line, type=Note))
            except (*UNREADABLE, KeyError) as error:
                # Going on without it could pay for a whole batch twice.
                self.close()
                raise StoreError(f"{path}, byte {offset}: damaged ({error!r})") from error

    def intend(self, name: str, parts: tuple[Part, ...]) -> Known:
        """Note a batch that is about to be uploaded."""
        self._write(Note(name, "intended", at=int(time.time()), parts=parts))
        return self.batches[name]

    def note(self, known: Known, step: Step, id: str = "") -> None:
        """Note that a batch came to a step."""
        self._write(Note(known.name, step, id))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, note: Note) -> None:
        self._file.append(self._encoder.encode(note))
        self._file.sync()
        self._apply(note)

    def _apply(self, note: Note) -> None:
        if note.step == "intended":
            self.batches[note.batch] = Known(note.batch, note.at, note.parts)
            return
        known = self.batches[note.batch]
        known.step = note.step
        if note.step == "uploaded":
            known.file, known.id = note.id, ""
        elif note.step == "created":
            known.id = note.id
        elif note.step == "over":
            del self.batches[note.batch]


def pending(folder: Path) -> int:
    """How many batches are under way, by the ledger of a folder if there is one."""
    if not (folder / LEDGER).exists():
        return 0
    ledger = Ledger(folder / LEDGER)
    ledger.close()
    return sum(known.step != "fetched" for known in ledger.batches.values())
