"""Brings a batch to the server and its results back, and submits no batch twice."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from cotgen.errors import RecipeError, StoreError, TeacherError
from cotgen.teachers.batch.api import BatchApi, Gone, Status
from cotgen.teachers.batch.gathering import Batch
from cotgen.teachers.batch.ledger import Known, Ledger
from cotgen.teachers.batch.results import is_whole
from cotgen.teachers.wire.endpoints import NEW_S

log = logging.getLogger(__name__)
T = TypeVar("T")

_FIRST_LOOK_S, _LONGEST_LOOK_S, _LOOK_GROWTH = 1.0, 60.0, 1.5
_FIRST_WAIT_S = 1.0
_SETTLE_S = 3.0
"""How long a batch that was created may take to appear in the server's list."""
_ROOM_S = 120.0
_FULL = "token_limit_exceeded"
"""The refusal that ends when other batches do."""
_DOWNLOADS = 4
"""So often results that look cut are downloaded before they are taken as they are."""
_UNDER_WAY = ("validating", "in_progress", "finalizing", "cancelling")


class Courier:
    """Goes the way of a batch, from whatever step it is at."""

    def __init__(self, api: BatchApi, ledger: Ledger, folder: Path, outage_s: float) -> None:
        self._api = api
        self._ledger = ledger
        self._folder = folder
        self._outage_s = outage_s
        self._has_answered = False
        self._under_way = 0

    def input_of(self, known: Known) -> Path:
        """A batch's requests, until they are uploaded."""
        return self._folder / f"{known.name}.jsonl"

    def results_of(self, known: Known) -> Path:
        """What came of them: completions and failures."""
        return self._folder / f"{known.name}.results"

    async def bring(self, batch: Batch, known: Known) -> str:
        """Come back with the results on disk; returns the server's word for how it ended.

        Raises TeacherError if the server is away for too long, RecipeError if it refuses.
        """
        loop = asyncio.get_running_loop()
        refused_since: float | None = None
        while True:
            if known.step == "intended":
                await self._upload(batch, known)
            if known.step == "uploaded":
                await self._create(batch, known)
            self._under_way += 1
            try:
                status = await self._end(batch, known)
            finally:
                self._under_way -= 1
            if status.status != "failed":
                await self._fetch(batch, known, status)
                return status.status
            refused_since = refused_since or loop.time()
            await self._put_off(batch, known, status, loop.time() - refused_since)

    async def _upload(self, batch: Batch, known: Known) -> None:
        path = self.input_of(known)
        # What an earlier run was about to do when it was killed may have been done.
        maybe_done = batch.input is None

        async def upload() -> str:
            nonlocal maybe_done
            found = await self._api.find_file(path.name, known.at) if maybe_done else None
            maybe_done = True
            return found or await self._api.upload(path)

        batch.said = f"uploading {len(known.parts):,} requests"
        self._ledger.note(known, "uploaded", await self._patiently(batch, upload))
        path.unlink(missing_ok=True)

    async def _create(self, batch: Batch, known: Known) -> None:
        maybe_done = batch.input is None

        async def create() -> Status:
            nonlocal maybe_done
            found = await self._find(known) if maybe_done else None
            maybe_done = True
            return found or await self._api.create(known.file, batch.endpoint, known.name)

        created = await self._patiently(batch, create)
        self._ledger.note(known, "created", created.id)
        log.info("%s is batch %s", known.name, created)

    async def _find(self, known: Known) -> Status | None:
        """The batch, if it was created without our hearing of it."""
        if found := await self._api.find_batch(known.name, known.at):
            return found
        await asyncio.sleep(_SETTLE_S)
        return await self._api.find_batch(known.name, known.at)

    async def _end(self, batch: Batch, known: Known) -> Status:
        """Look at it, ever more rarely, until it ended."""
        pause_s = _FIRST_LOOK_S
        said = ""
        while True:
            try:
                status = await self._patiently(batch, lambda: self._api.status(known.id))
            except Gone as error:
                raise RecipeError(
                    f"{error}. This run submitted it: were api_key_env or base_url changed? To "
                    f"pay for its requests anew, delete {self._folder}"
                ) from error
            batch.said = f"batch {status}"
            if batch.said != said:
                said = batch.said
                log.info("%s", said)
            if status.status not in _UNDER_WAY:
                return status
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _LOOK_GROWTH, _LONGEST_LOOK_S)

    async def _put_off(self, batch: Batch, known: Known, status: Status, waited_s: float) -> None:
        """A batch that was not even begun, so that nothing is paid: some can be begun later."""
        said = "; ".join(str(mistake) for mistake in status.mistakes[:3])
        is_full = any(mistake.code == _FULL for mistake in status.mistakes)
        # Once no other batch of ours is under way, none will make room by ending.
        in_vain = is_full and not self._under_way and waited_s > self._outage_s
        if in_vain or not is_full:
            self._ledger.note(known, "over")
            advice = ". Make batches smaller: batch_requests, batch_mb" if is_full else ""
            raise RecipeError(f"teachers: the batch {status.id} was refused: {said}{advice}")
        self._ledger.note(known, "uploaded", known.file)
        batch.said = f"batch {status.id} is put off: {said}"
        log.info("%s; again in %.0f s", batch.said, _ROOM_S)
        await asyncio.sleep(_ROOM_S)

    async def _fetch(self, batch: Batch, known: Known, status: Status) -> None:
        """Download what came, completions and failures into one file."""
        results = self.results_of(known)
        draft = results.with_suffix(".part")
        tries = 0

        async def download() -> None:
            nonlocal tries
            tries += 1
            with draft.open("wb") as into:
                for file in (status.output_file_id, status.error_file_id):
                    if file:
                        await self._api.download(file, into)
                        into.write(b"\n")
                into.flush()
                os.fsync(into.fileno())
            if tries < _DOWNLOADS and not is_whole(draft):
                raise TeacherError("the results are cut short", retryable=True, kind="cut")

        try:
            try:
                await self._patiently(batch, download)
            except Gone as error:
                # Providers delete results after some weeks.
                log.error("%s; its requests are sent again", error)
            draft.replace(results)
        except OSError as error:
            raise StoreError(f"{draft}: cannot be written ({error.strerror})") from error
        self._ledger.note(known, "fetched")

    async def _patiently(self, batch: Batch, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it works. A server that is away for too long is left: the next run goes on."""
        loop = asyncio.get_running_loop()
        began, pause_s = loop.time(), _FIRST_WAIT_S
        while True:
            try:
                done = await call()
            except TeacherError as error:
                self._has_answered = self._has_answered or error.kind.startswith("HTTP")
                if loop.time() - began > self._patience_s():
                    said = f"{error}; what is submitted goes on, run again to fetch it"
                    raise TeacherError(said, retryable=False, kind="down") from error
                wait_s = error.retry_after_s or pause_s
                batch.said = f"{error}; again in {wait_s:.0f} s"
                log.warning("%s", batch.said)
            else:
                self._has_answered = True
                return done
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_LOOK_S)

    def _patience_s(self) -> float:
        """An address that has never answered may be wrong."""
        return self._outage_s if self._has_answered else min(NEW_S, self._outage_s)
