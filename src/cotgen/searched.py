"""How searches become lines of `attempts.jsonl`: here, or in a process beside this one.

Where a teacher answers thousands of samples a second, cutting and writing their text takes longer
than asking for it. In a run of many samples the process that asks therefore only journals, and says
which replies are whose; a second one reads them from the journal and writes the table. The table is
a view: what the second process does not get to is written by this one, or by the next run.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import math
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path

import msgspec

from cotgen.errors import CotgenError, StoreError, WorkerError
from cotgen.protocols import AsksOnce
from cotgen.records import Attempt, Record, Searched, own_json
from cotgen.store.inorder import InOrder
from cotgen.store.journal import Place, replies_at
from cotgen.store.lines import LineFile
from cotgen.store.table import Encoded, Table
from cotgen.workers import Job, Stream, keep_heap

log = logging.getLogger(__name__)

_TICK_S, _SOON_S = 0.1, 0.02
"""How long lines are gathered here, and what the second process is told."""
_MANY = 10_000
"""So many samples still to come are worth the start of a second process."""
_BATCH = 256
"""So much is told at once: what is not told when sampling ends is shared out."""
_MOST_KEPT = 1 << 26
"""Bytes of the lines that are then made here, and held until the second process has ended."""
_MOST_LEFT = 20_000
"""Lines that the second process may owe before new searches wait."""
_TIMEOUT_S = 300.0
_LAST_S = 10.0
"""So long at most the second process writes on when sampling is cut: what it has not written is in
the journal, but not in the datasets of this run."""
_PARENT_DEATH_SIGNAL = 1
_WHO = "the process that writes attempts"


class Paid(Record, frozen=True, tag="paid", array_like=True):
    """A search whose first `n` samples stand in the journal, in the replies at these places."""

    id: str
    problem: str
    teacher: str
    n: int
    at: tuple[Place, ...]


class _Made(Record, frozen=True, tag="made", array_like=True):
    """A line that is ready to be written."""

    id: str
    error: str
    data: bytes


class _Begun(Record, frozen=True, tag="begun", array_like=True):
    """Work begins on an id."""

    id: str


class _Ended(Record, frozen=True, tag="ended", array_like=True):
    """Work on an id has ended."""

    id: str


_Command = _Begun | Paid | _Made | _Ended
_Told = tuple[list[_Command], bool]


class _Written(Record, frozen=True):
    """What a batch of commands added to the file: ids with their offsets and errors, and its new
    size."""

    lines: tuple[tuple[str, int, str], ...]
    size: int


def line_of(
    id: str, problem: str, teacher: tuple[str, str], attempts: Sequence[Attempt], *, enough: bool
) -> Searched:
    """A search's line; `teacher` is the name and the model of who gave those not yet signed."""
    replace, (name, model) = msgspec.structs.replace, teacher
    signed = [
        each
        if each.origin.teacher
        else replace(each, origin=replace(each.origin, teacher=name, model=model))
        for each in attempts
    ]
    return Searched(id, problem, name, tuple(signed), enough=enough)


class _Maker:
    """Makes lines from the replies in the journal."""

    def __init__(self, search: AsksOnce, models: dict[str, str], journal: Path) -> None:
        self._search = search
        self._models = models
        self._path = journal

    @property
    def samples(self) -> int:
        """How many a search asks for."""
        return self._search.n

    def line(self, paid: Paid) -> Searched:
        """The line of a search that asked once."""
        found = replies_at(self._journal, paid.at)
        attempts = self._search.attempts([found[number] for number in range(paid.n)])
        teacher = paid.teacher, self._models[paid.teacher]
        enough = self._search.wants_more(len(attempts))
        return line_of(paid.id, paid.problem, teacher, attempts, enough=enough)

    @cached_property
    def _journal(self) -> LineFile:
        return LineFile(self._path, write=False)

    def close(self) -> None:
        """Let go of the journal."""
        if "_journal" in self.__dict__:
            self._journal.close()


class Searches:
    """Where the searches of a run write their lines, in the order in which they began."""

    def __init__(
        self, table: Table[Searched], journal: Path, search: object, models: dict[str, str]
    ) -> None:
        """`models` are those of the teachers whose samples are journaled."""
        self._table = table
        self._here: InOrder[Searched] = InOrder(table)
        self._beside: _Beside | None = None
        self._maker: _Maker | None = None
        # Elsewhere a process that outlives this one could write into the next run's table.
        if sys.platform == "linux" and models and isinstance(search, AsksOnce) and search.asks_once:
            self._maker = _Maker(search, models, journal)

    @property
    def takes_paid(self) -> bool:
        """Whether a search should say where its replies stand, in place of its attempts."""
        return self._beside is not None

    def begin(self, id: str) -> None:
        """Work begins on the line of an id."""
        (self._beside or self._here).begin(id)

    def put(self, line: Searched) -> None:
        """The id's line is made."""
        if self._beside:
            self._beside.put_line(self._table.encoded(line))
        else:
            self._here.put(line)

    def paid(self, paid: Paid) -> None:
        """All that the id's line is made of stands in the journal."""
        if self._beside:
            self._beside.put(paid)
        else:
            self._put_here(paid)

    def end(self, id: str) -> None:
        """Work on an id has ended, with a line or without one."""
        (self._beside or self._here).end(id)

    async def room(self) -> None:
        """Wait while the second process is far behind."""
        if self._beside:
            await self._beside.room.wait()

    @asynccontextmanager
    async def open(
        self, searches: int, failed: Callable[[CotgenError], None]
    ) -> AsyncIterator[None]:
        """Write while so many searches go on; at the end all is written. `failed` hears of a full
        disk."""
        over = asyncio.Event()
        writing = asyncio.create_task(self._write(searches, over, failed))
        try:
            yield
            over.set()
            await asyncio.shield(writing)  # Cut from now on, it has its time as well.
        except asyncio.CancelledError:
            over.set()
            await asyncio.wait([writing], timeout=_LAST_S)
            raise
        finally:
            # What is not written by now is made from the journal by the next run.
            writing.cancel()
            await asyncio.wait([writing])
            if self._maker:
                self._maker.close()
            self._here.flush()

    async def _write(
        self, searches: int, over: asyncio.Event, failed: Callable[[CotgenError], None]
    ) -> None:
        try:
            if self._are_worth_a_process(searches):
                await self._write_with_another(over)
            await self._write_here(over)
        except CotgenError as error:
            failed(error)
        except Exception as error:
            failed(StoreError(f"{self._table.path}: {type(error).__name__}: {error}"))
            raise

    def _are_worth_a_process(self, searches: int) -> bool:
        """Whether there is much to write, and a core to spare."""
        if self._maker is None or len(os.sched_getaffinity(0)) < 2:
            return False
        return searches * self._maker.samples >= _MANY

    async def _write_here(self, until: asyncio.Event) -> None:
        while not until.is_set():
            self._table.flush()
            await _passed(until, _TICK_S)

    async def _write_with_another(self, over: asyncio.Event) -> None:
        """Start the second process, write here until it can work, then let it write."""
        stream = await self._started(over)
        if stream is None:
            return
        beside = self._hand_over(over)
        try:
            await beside.feed(stream, self._made)
        except WorkerError as error:
            log.warning("%s: %s; going on without it", _WHO, error)
            await stream.close()  # It may be at work on what else it was told.
            self._table.read_again()
        finally:
            beside.let_go()
            await stream.close()
        await self._come_back(beside)

    async def _started(self, over: asyncio.Event) -> Stream[_Written] | None:
        """The second process, unless there is nothing left to do when it is ready."""
        assert self._maker
        keep_heap()
        scribe = _Scribe(self._maker, self._table.path, os.getpid())
        starting = asyncio.create_task(Stream.start(Job(scribe, _Told, _TIMEOUT_S), _Written))
        started: Stream[_Written] | None = None
        try:
            while not (over.is_set() or starting.done()):
                self._table.flush()
                await asyncio.wait([starting], timeout=_TICK_S)
            if starting.done():
                started = starting.result()
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a search of the user's own may not be picklable
            log.warning("%s cannot be started: %s; going on without it", _WHO, error)
        finally:
            if started is None:
                await _give_up(starting)
        return started

    def _hand_over(self, over: asyncio.Event) -> _Beside:
        """From here on the second process writes, beginning with what is held back here."""
        self._table.flush()
        beside = self._beside = _Beside(self._table, over)
        for id, line, ended in self._here.unwritten():
            beside.begin(id)
            if line:
                beside.put_line(line)
            elif ended:
                beside.end(id)
        self._here = InOrder(self._table)
        return beside

    async def _come_back(self, beside: _Beside) -> None:
        """Write here what the second process has not said to be written."""
        self._beside = None
        for id in beside.left:
            self._here.begin(id)  # Before those that begin while this goes on.
        for id, command in beside.left.items():
            if isinstance(command, Paid):
                self._put_here(command)
            elif isinstance(command, _Made):
                self._here.hold(Encoded(command.id, command.data, command.error))
            if not isinstance(command, _Begun):
                self._here.end(id)
            await asyncio.sleep(0)  # Sampling may go on, and can be cut.

    def _put_here(self, paid: Paid) -> None:
        self._here.hold(self._made(paid))

    def _made(self, paid: Paid) -> Encoded:
        assert self._maker
        return self._table.encoded(self._maker.line(paid))


class _Beside:
    """What the second process is told, and what it has not yet done."""

    def __init__(self, table: Table[Searched], over: asyncio.Event) -> None:
        self.left: dict[str, _Command] = {}
        """The last word on each id that it has not said to be done, in the order of their begin."""
        self.room = asyncio.Event()
        self.room.set()
        self._table = table
        self._over = over
        self._untold: list[_Command] = []
        self._lines = 0
        self._most_left = float(_MOST_LEFT)

    def begin(self, id: str) -> None:
        """Work begins on an id."""
        self._tell(_Begun(id))

    def put(self, made: _Made | Paid) -> None:
        """Work on an id has ended with a line."""
        self._lines += 1
        self._tell(made)
        if self._lines > self._most_left:
            self.room.clear()

    def put_line(self, line: Encoded) -> None:
        """As `put`, of a line that was made here."""
        self.put(_made_of(line))

    def end(self, id: str) -> None:
        """Work on an id has ended; without a line, unless there is one."""
        if isinstance(self.left.get(id), _Begun):
            self._tell(_Ended(id))

    def _tell(self, command: _Command) -> None:
        self.left[command.id] = command
        self._untold.append(command)

    async def feed(self, stream: Stream[_Written], made: Callable[[Paid], Encoded]) -> None:
        """Tell it what there is until work is over; while it does one part it has the next."""
        telling: deque[list[_Command]] = deque()
        while not self._over.is_set():
            if len(self._untold) < _BATCH:
                await _passed(self._over, _SOON_S)
            if self._untold:
                told, self._untold = self._untold[:_BATCH], self._untold[_BATCH:]
                stream.send(told, False)
                telling.append(told)
            elif telling:
                self._note(telling.popleft(), await stream.receive())
            elif not self.room.is_set():
                # What it owes it holds back, for a search that takes far longer than the others.
                stream.send([], True)
                telling.append([])
            if len(telling) > 1:
                self._note(telling.popleft(), await stream.receive())
        await self._share_out(stream, telling, made)

    async def _share_out(
        self,
        stream: Stream[_Written],
        telling: deque[list[_Command]],
        made: Callable[[Paid], Encoded],
    ) -> None:
        """Tell it a part of what is left; the other is made here, and left to be written when it
        has ended."""
        kept = self._kept()
        rest = [command for command in self._untold if command.id not in kept]
        # In parts here too: what it did before its time was up counts.
        for start in range(0, len(rest) or 1, _BATCH):
            telling.append(rest[start : start + _BATCH])
            stream.send(telling[-1], start + _BATCH >= len(rest))
        for command in kept.values():
            if isinstance(command, Paid):
                self.left[command.id] = _made_of(made(command))
            await asyncio.sleep(0)  # What was sent goes on its way.
        for told in telling:
            self._note(told, await stream.receive())

    def _kept(self) -> dict[str, Paid | _Made]:
        """Half of the lines that it was not told of, but no more than memory bears: the last ones
        in the order of the table."""
        untold = {each.id for each in self._untold if isinstance(each, Paid | _Made)}
        kept: dict[str, Paid | _Made] = {}
        size = 0
        for id, command in reversed(self.left.items()):
            if not isinstance(command, Paid | _Made):
                continue
            if id not in untold or size > _MOST_KEPT or 2 * len(kept) >= len(untold):
                break
            kept[id] = command
            size += _size(command)
        return kept

    def _note(self, told: list[_Command], written: _Written) -> None:
        self._table.adopt(written.lines, written.size)
        for id, _, _ in written.lines:
            del self.left[id]
        self._lines -= len(written.lines)
        for command in told:
            if isinstance(command, _Ended):
                del self.left[command.id]
        if self._lines <= self._most_left:
            self.room.set()

    def let_go(self) -> None:
        """It will do no more: nobody shall wait for it."""
        self._most_left = math.inf
        self.room.set()


class _Scribe:
    """The second process's work: it writes the table, and says what it wrote."""

    def __init__(self, maker: _Maker, table: Path, parent: int) -> None:
        self._maker = maker
        self._path = table
        self._parent = parent

    def __call__(self, commands: list[_Command], last: bool) -> _Written:
        """Do what is told; `last`: write what is held back too. The first process brings the end
        of it to the disk."""
        for command in commands:
            self._do(command)
        if last:
            self._order.flush()
        return self._lines.written()

    def _do(self, command: _Command) -> None:
        if isinstance(command, _Begun):
            return self._order.begin(command.id)
        if isinstance(command, Paid):
            self._order.put(self._maker.line(command))
        elif isinstance(command, _Made):
            self._order.hold(Encoded(command.id, command.data, command.error))
        return self._order.end(command.id)

    @cached_property
    def _order(self) -> InOrder[Searched]:
        return InOrder(self._lines)

    @cached_property
    def _lines(self) -> _Appended:
        # Before the file is opened: a process that outlived its parent would write into the table
        # of the next run.
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != self._parent:
            os._exit(1)
        gc.disable()  # No line refers to itself.
        keep_heap()
        return _Appended(self._path)


class _Appended:
    """A table that is only appended to: where its lines are is somebody else's to know."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path, gathered=True)
        self._encoder = msgspec.json.Encoder(enc_hook=own_json)
        self._written: list[tuple[str, int, str]] = []

    def encoded(self, line: Searched) -> Encoded:
        """A line as it will stand in the file."""
        return Encoded(line.id, self._encoder.encode(line), line.error)

    def write(self, line: Encoded) -> None:
        """Add it."""
        self._written.append((line.id, self._file.append(line.data), line.error))

    def flush(self) -> None:
        """Hand what was gathered to the kernel."""
        self._file.flush()

    def written(self) -> _Written:
        """What was added since the last time."""
        self.flush()
        lines, self._written = tuple(self._written), []
        return _Written(lines, self._file.size)


def _made_of(line: Encoded) -> _Made:
    return _Made(line.id, line.error, line.data)


def _size(command: Paid | _Made) -> int:
    if isinstance(command, _Made):
        return len(command.data)
    return sum(size for _, size in command.at)


async def _give_up(starting: asyncio.Task[Stream[_Written]]) -> None:
    """End a process whose start nobody waits for any more."""
    starting.cancel()
    await asyncio.wait([starting])
    if not (starting.cancelled() or starting.exception()):
        await starting.result().close()


async def _passed(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, so long at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
