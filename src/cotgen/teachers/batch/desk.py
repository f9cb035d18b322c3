"""Where requests are handed in and completions handed out, with a batch in between.

Requests that come soon after each other make one batch. Every step of it is noted in the ledger
before the next, so that a run which was killed goes on with the batch instead of paying for
another. Results are downloaded to a file and handed out from there: they stay in it until all of
them were taken, and so have come into the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from cotgen.errors import CotgenError, RecipeError, StoreError, TeacherError
from cotgen.protocols import Request
from cotgen.records import Completion
from cotgen.teachers.batch.api import BatchApi
from cotgen.teachers.batch.courier import Courier
from cotgen.teachers.batch.gathering import Batch, Input, Line
from cotgen.teachers.batch.ledger import LEDGER, Known, Ledger, Part
from cotgen.teachers.batch.results import Results
from cotgen.teachers.batch.terms import Terms

log = logging.getLogger(__name__)

_QUIET_S = 2.0
"""So long nobody asks for anything more before a batch is submitted."""
_TICK_S = 0.1


class Desk:
    """A teacher whose requests travel in batches."""

    def __init__(self, terms: Terms, api: BatchApi, ledger: Ledger, folder: Path) -> None:
        self.holds = terms.holds
        self._terms = terms
        self._ledger = ledger
        self._folder = folder
        self._courier = Courier(api, ledger, folder, terms.outage_s)
        self._batches: list[Batch] = []
        self._lines: dict[str, list[Line]] = {}
        self._gathering: Batch | None = None

    async def __call__(self, request: Request) -> list[Completion]:
        """Answer when its batch ended. Raises TeacherError; RecipeError where the user must act."""
        key = request.key or blake2b(msgspec.json.encode(request), digest_size=12).hexdigest()
        first, n = request.sampling.first, request.sampling.n
        while True:
            line = self._holding(key, first) or self._hand_in(Part(key, first, n), request)
            batch = line.batch
            if batch.follower is None and not batch.over.is_set():
                batch.follower = asyncio.create_task(self._follow(batch))
            await batch.over.wait()
            if isinstance(batch.failure, CotgenError):
                # One error for thousands: it must not keep the frames of all that raised it.
                raise batch.failure.with_traceback(None)
            if batch.failure:
                raise batch.failure
            if found := self._hand_out(line, first, n):
                return found

    @property
    def said(self) -> str:
        """What is waited for, for the progress line."""
        waiting = [each.said for each in self._batches if each.said and not each.over.is_set()]
        more = f", {len(waiting) - 2} more" if len(waiting) > 2 else ""
        return ", ".join(waiting[:2]) + more

    async def recover(self) -> None:
        """Take up the batches of earlier runs. They are followed once somebody asks for them."""
        for left in self._folder.glob(f"*{Input.SUFFIX}"):
            left.unlink()
        for known in list(self._ledger.batches.values()):
            if known.step == "intended" and not self._courier.input_of(known).exists():
                log.error("%s: its input is lost; its requests are gathered again", known.name)
                self._ledger.note(known, "over")
                continue
            batch = Batch(self._terms.endpoint, known)
            self._batches.append(batch)
            for part in known.parts:
                self._lines.setdefault(part.key, []).append(batch.add(part))
            if known.step == "fetched":
                await self._open_results(batch, known)
                self._drop_failures(batch)
                batch.over.set()

    def settle(self) -> None:
        """All searches have ended, and what was handed out is in the journal: tidy up."""
        for batch in self._batches:
            if batch.known and batch.results and not batch.lines:
                self._ledger.note(batch.known, "over")
                batch.results.path.unlink()

    async def stop(self) -> None:
        """Stop following. What is submitted goes on without us."""
        followers = [batch.follower for batch in self._batches if batch.follower]
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        for batch in self._batches:
            if batch.results:
                batch.results.close()

    def _holding(self, key: str, number: int) -> Line | None:
        """The latest request that asks for a sample."""
        lines = self._lines.get(key, ())
        return next((line for line in reversed(lines) if line.holds(number)), None)

    def _hand_in(self, part: Part, request: Request) -> Line:
        """Put a request into the batch that is being gathered."""
        written = msgspec.json.encode(
            {
                "custom_id": part.custom_id,
                "method": "POST",
                "url": self._terms.endpoint,
                "body": self._terms.body(request),
            }
        )
        batch, gathered = self._room_for(len(written) + 1)
        gathered.add(written)
        batch.said = f"gathering {gathered.requests:,} requests"
        line = batch.add(part)
        self._lines.setdefault(part.key, []).append(line)
        return line

    def _room_for(self, size: int) -> tuple[Batch, Input]:
        """The batch that is being gathered, or a new one if that would grow too large."""
        if self._gathering and self._gathering.input:
            gathered, terms = self._gathering.input, self._terms
            if gathered.requests < terms.most_requests and gathered.size + size <= terms.most_bytes:
                return self._gathering, gathered
        gathered = Input(self._folder)
        self._gathering = Batch(self._terms.endpoint, input=gathered)
        self._batches.append(self._gathering)
        return self._gathering, gathered

    def _hand_out(self, line: Line, first: int, n: int) -> list[Completion]:
        """The samples of a result from number `first`; none if the server answered fewer."""
        if line.offset is None:
            self._drop(line)
            raise _missing(line.batch.ended)
        assert line.batch.results is not None
        try:
            every = line.batch.results.at(line.offset, line.n)
        except (TeacherError, RecipeError):
            self._drop(line)
            raise
        line.left -= line.n - len(every)
        line.n = len(every)
        found = every[first - line.first :][:n]
        line.left -= len(found)
        if line.left <= 0:
            self._drop(line)
        return found

    def _drop(self, line: Line) -> None:
        """Nobody is owed it any more: asking for it again makes another request."""
        line.batch.lines.pop(line.part.custom_id, None)
        lines = self._lines.get(line.key, [])
        if line in lines:
            lines.remove(line)
        if not lines:
            self._lines.pop(line.key, None)

    def _drop_failures(self, batch: Batch) -> None:
        """An earlier run has told of them, and every run tries again what failed."""
        assert batch.results is not None
        for line in list(batch.lines.values()):
            if line.offset is None or not batch.results.is_answer(line.offset):
                self._drop(line)

    async def _follow(self, batch: Batch) -> None:
        """See a batch through to its results."""
        try:
            if batch.known is None:
                batch.known = await self._close_when_quiet(batch)
            batch.ended = await self._courier.bring(batch, batch.known)
            await self._open_results(batch, batch.known)
        except BaseException as error:
            # Whoever waits for this batch must hear of it, whatever it is.
            batch.failure = error
            if not isinstance(error, CotgenError):
                raise
        finally:
            batch.over.set()

    async def _close_when_quiet(self, batch: Batch) -> Known:
        """Wait until nothing more comes, or another batch was begun because this one is full."""
        assert batch.input is not None
        while self._gathering is batch:
            left = batch.input.touched + _QUIET_S - asyncio.get_running_loop().time()
            if left <= 0:
                self._gathering = None
            await asyncio.sleep(min(max(0, left), _TICK_S))
        name = batch.input.close()
        log.info("%s: %d requests, %d bytes", name, batch.input.requests, batch.input.size)
        return self._ledger.intend(name, tuple(line.part for line in batch.lines.values()))

    async def _open_results(self, batch: Batch, known: Known) -> None:
        """Find each request's result."""
        path = self._courier.results_of(known)
        if not path.exists():
            log.error("%s is gone; its requests are sent again", path)
            path.touch()
        batch.results = Results(path, self._terms.model, self._terms.key_env)
        async for custom_id, offset in batch.results.places():
            line = batch.lines.get(custom_id)
            if line and line.offset is None:
                line.offset = offset


def _missing(ended: str) -> TeacherError:
    """A request that the results do not hold. Whoever cancelled it does not want it sent again."""
    return TeacherError(
        f"the batch ended ({ended}) without an answer to this request",
        retryable=ended != "cancelled",
        kind=f"batch {ended}",
    )


@asynccontextmanager
async def opened(terms: Terms, api: BatchApi, folder: Path) -> AsyncIterator[Desk]:
    """Open the desk of a run's teacher in its folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be created ({error.strerror})") from error
    ledger = Ledger(folder / LEDGER)
    try:
        desk = Desk(terms, api, ledger, folder)
        await desk.recover()
        try:
            yield desk
            desk.settle()
        finally:
            await desk.stop()
    finally:
        ledger.close()
