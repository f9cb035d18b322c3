"""A run's folder: who works on it, and what its tables were made from."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from cotgen.errors import RecipeError, RunLocked, StoreError
from cotgen.store.lines import UNREADABLE

Settings = dict[str, Any]
"""Resolved settings as plain JSON values."""


class Manifest(msgspec.Struct):
    """What the tables and datasets of a run were made from.

    `loaded` says what source was read to its end, `filtered` what filters decided on and how many
    they dropped (absent without filters), `datasets` what each dataset was written from, `card` is
    a digest of all that their card says.
    """

    format: int = 1
    tables: dict[str, Settings] = {}
    loaded: Settings = {}
    filtered: Settings | msgspec.UnsetType = msgspec.UNSET
    datasets: dict[str, Settings] = {}
    card: str = ""


class RunFolder:
    """`outputs/<name>/`: the manifest and the files beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = self._read_manifest()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process alone, or raise RunLocked naming who holds it.

        The kernel drops the lock when the process dies, however it dies. The lock's file stays:
        removing it would let two processes lock two files of one name.
        """
        make_folder(self.path)
        with _opened(self.path / ".lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise RunLocked(f"{self.path} is being worked on by {holder}") from None
            _sign(file)
            # Another process may have changed the manifest while this one waited for the lock.
            self.manifest = self._read_manifest()
            try:
                yield
            finally:
                os.ftruncate(file.fileno(), 0)

    def claim(self, tables: Mapping[str, Settings], dropped: Sequence[str] = ()) -> None:
        """Record what tables are made from, or refuse to mix one with what it was made from.

        `dropped` tables are deleted to be made again, in the order given, if no other is refused.
        The journal is never touched.
        """
        for table in tables.keys() - set(dropped):
            self._check(table, tables[table])
        before = msgspec.json.encode(self.manifest)
        for table in dropped:
            (self.path / f"{table}.jsonl").unlink(missing_ok=True)
            self.manifest.tables.pop(table, None)
        if dropped:
            self.manifest.datasets = {}
        if "problems" in dropped:
            self.manifest.loaded = {}
        self.manifest.tables |= tables
        if msgspec.json.encode(self.manifest) != before:
            self.save_manifest()

    def _check(self, table: str, settings: Settings) -> None:
        recorded = self.manifest.tables.get(table)
        file = self.path / f"{table}.jsonl"
        if not file.exists() or file.stat().st_size == 0:
            return
        if recorded is None:
            raise RecipeError(
                f"{file} holds lines, but manifest.json does not say what they were made from. "
                f"Restore it, choose another --name, or use --redo {_STAGE_OF[table]}"
            )
        differences = list(_differences(recorded, settings))
        if differences:
            raise RecipeError(_refusal(self.path, table, differences))

    def save_manifest(self) -> None:
        """Write the manifest, whole or not at all."""
        data = msgspec.json.format(msgspec.json.encode(self.manifest, order="sorted"), indent=2)
        replace_file(self.path / "manifest.json", data + b"\n")

    def clear(self) -> None:
        """Delete everything but the lock, which its holder still needs.

        Raises RecipeError for a folder that no run has made.
        """
        if not (self.path / "manifest.json").exists():
            raise RecipeError(f"{self.path} is not the folder of a run: delete it yourself")
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()

    def _read_manifest(self) -> Manifest:
        path = self.path / "manifest.json"
        if not path.exists():
            return Manifest()
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except UNREADABLE as error:
            raise StoreError(f"{path}: {error}. Restore it, or choose another --name") from error


def holder(run: Path) -> tuple[Literal["running", "killed"], str] | None:
    """Who works on a run, or was killed while it did. A holder signs the file, and wipes it."""
    try:
        with (run / ".lock").open("rb") as file:
            name = file.read(200).decode("utf-8", "replace")
            if not name:
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return "running", name
            return "killed", name
    except OSError:
        return None


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a+")
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error


def _sign(file: IO[str]) -> None:
    """Write who holds the lock. On a full disk it is held without a name."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    name = f"process {os.getpid()} on {socket.gethostname()}, since {started}"
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), name.encode())


def make_folder(path: Path) -> None:
    """Create a folder and its parents."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be created ({error.strerror})") from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    if path.exists() and path.read_bytes() == data:
        return
    draft = path.with_name(path.name + ".tmp")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # A read-only disk refuses even what is not there.
            draft.unlink(missing_ok=True)  # A full disk needs its place.
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from error


def _differences(recorded: Settings, now: Settings) -> Iterator[str]:
    """One line for each setting that changed; a teacher that was added changes nothing."""
    before, after = dict(_flat(recorded)), dict(_flat(now))
    known = set(recorded.get("teachers") or {})
    for key in sorted(before.keys() | after.keys()):
        if key[:1] == ("teachers",) and known.isdisjoint(key[1:2]):
            continue
        old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
        # A setting that a later version brought, and that is not used, changes nothing.
        if old != new and not (_ABSENT in (old, new) and _unset(old) and _unset(new)):
            yield f"{'.'.join(key)}: was {_shown(old)}, is {_shown(new)}"


_ABSENT = object()


def _unset(value: object) -> bool:
    return value is _ABSENT or not value


def _flat(settings: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Each value with its path: a teacher's name may hold dots, so paths are not joined."""
    if isinstance(settings, Mapping) and settings:
        for key, value in settings.items():
            yield from _flat(value, (*path, str(key)))
    else:
        yield path, settings


def _shown(value: object) -> str:
    text = "absent" if value is _ABSENT else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"


def _refusal(path: Path, table: str, differences: list[str]) -> str:
    lines = "\n".join(f"  {line}" for line in differences)
    return (
        f"{path / table}.jsonl was made with other settings:\n{lines}\n"
        "Data of different recipes is never mixed. Give this run another --name, or make the "
        f"table again with --redo {_STAGE_OF[table]} (completions already paid for are kept and "
        "used where they fit)."
    )


_STAGE_OF = {"problems": "load", "attempts": "search", "verdicts": "verify", "chains": "chain"}
