"""From a recipe to live services: clients, journal, retries, seeds, worker processes."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from random import Random
from typing import NamedTuple

import msgspec

from cotgen.errors import CotgenError, RecipeError, StoreError, TeacherError, WorkerError
from cotgen.limits import Admitted, Budget
from cotgen.protocols import (
    Ask,
    Component,
    Draw,
    Request,
    Services,
    Stateful,
    Teacher,
    Verifier,
    Verify,
)
from cotgen.recipe import Recipe, lasting
from cotgen.records import Completion, Message, Problem, Sample, Sampling, Verdict
from cotgen.store.journal import Entry, Journal, Place
from cotgen.workers import Climb, Job, Places, Pool, most_connections

log = logging.getLogger(__name__)

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
_SEED_STRIDE = 1 << 12
"""vLLM gives the samples of one request the seeds s, s + 1, …: requests of different prompts must
start far apart (facts.md §9). Also the most samples a problem can have of one teacher."""


_LOOK_S, _LATER_LOOK_S, _SILENCES = 1.0, 5.0, 6
_PATIENCE_S = 600.0
_MOST_AT_ONCE = 2048
"""The highest that `concurrency: auto` climbs."""
_COSTLY_RETRIES, _TIMED_OUT_RETRIES = 3, 1
"""How often a request that may have been paid for is sent again: a line that was cut or a reply
that was garbled need not be so again, an answer that took too long would."""
_REFUSED = 20
"""So many refusals, and never an answer, are no matter of single prompts."""


class Flow:
    """What the teachers do right now, for the progress line."""

    def __init__(self) -> None:
        self.owed = self.done = 0
        """Searches."""
        self.tokens = 0
        """Of prompts and completions that came in since the start."""
        self.in_flight = 0
        self.requests = 0
        self.retries = 0
        self.errors: Counter[str] = Counter()


class Sampler:
    """One live teacher with all that stands between it and a search.

    `generate` answers from the journal what was paid for before, asks for the rest, puts every
    completion on disk before it is used, and tries again what failed for a passing reason.
    """

    def __init__(self, name: str, recipe: Recipe, ask: Ask, journal: Journal | None) -> None:
        teacher = recipe.teachers[name]
        self.name = name
        self.flow = Flow()
        self.budget = Budget({})
        self._teacher = teacher
        self._ask = ask
        # A journal takes texts as they came, and whoever wants one reads it then.
        self._sample: Callable[[Request], Awaitable[Sequence[Sample]]]
        self._sample = getattr(ask, "unread", ask)
        self._journal = journal
        self._seed = recipe.seed
        # All teachers ask at the same time, and share the files that may be open.
        most = max(1, most_connections() // len(recipe.teachers))
        self.at_once, self._climb = _MOST_AT_ONCE, None
        self.holds: int | None = getattr(ask, "holds", None)
        if self.holds:
            # Requests that are gathered into batches hold no connection while they wait.
            self.at_once, self.places = self.holds, Places(sys.maxsize)
        elif isinstance(teacher.concurrency, int):
            self.at_once = min(teacher.concurrency, most)
            self.places = Places(self.at_once)
        else:
            self.at_once = min(_MOST_AT_ONCE, most)
            self.places = Places(min(Climb.START, self.at_once))
            self._climb = Climb(self.places, self.at_once)
        self._fanout: str = getattr(teacher, "fanout", "auto")
        self._width: int | None = 1 if self._fanout == "single" else None
        self._short = 0
        self._refused = self._in_vain = 0
        self._down: TeacherError | None = None
        self._answered_at = 0.0
        self._ranks: dict[str, int] = {}
        self._identity = _identity(teacher)

    async def generate(
        self, search: str, problem: Problem, messages: Sequence[Message], sampling: Sampling
    ) -> list[Completion]:
        """All samples asked for, in order. Raises TeacherError if one cannot be had."""
        _, found = await self._had(search, problem, messages, sampling)
        return [found[number].read() for number in _numbers(sampling)]

    @property
    def journals(self) -> bool:
        """Whether completions are journaled."""
        return self._journal is not None

    async def buy(
        self, search: str, problem: Problem, messages: Sequence[Message], sampling: Sampling
    ) -> tuple[Place, ...]:
        """As `generate`, for who reads the samples in the journal: where their replies stand."""
        assert self._journal
        key, _ = await self._had(search, problem, messages, sampling)
        return self._journal.where(search, key)

    async def _had(
        self, search: str, problem: Problem, messages: Sequence[Message], sampling: Sampling
    ) -> tuple[str, dict[int, Sample]]:
        """The samples by number, and the key that they stand under in the journal."""
        key = self._key(search, messages, sampling)
        seed = seed_of(self._seed, key) + sampling.first
        base = Request(problem.question, tuple(messages), sampling, seed, key)
        # Searches that began earlier go first: a kill leaves whole problems, not halves of many.
        self._ranks.setdefault(search, len(self._ranks))
        ticket = _Ticket(search, key, self._ranks[search])
        found: dict[int, Sample] = {}
        if self._journal:
            found.update(self._journal.recall(search, key))
        missing = [number for number in _numbers(sampling) if number not in found]
        # One sample that cannot be had must not cost those that were paid for.
        await _all([self._fetch(base, *run, ticket, found) for run in _runs(missing, self._width)])
        return key, found

    @property
    def said(self) -> str:
        """What a teacher that gathers requests waits for."""
        return str(getattr(self._ask, "said", ""))

    async def steer(self) -> None:
        """Let the server's own word on its queue decide how much is asked at once."""
        queued = getattr(self._ask, "queued", None)
        silences = 0
        # A server that is starting, or starting again, is silent for a while.
        while self._climb and queued and silences < _SILENCES:
            waiting = await queued()
            if waiting is None:
                silences += 1
            else:
                silences = -_SILENCES
                self._climb.told(waiting)
            await asyncio.sleep(_LOOK_S if waiting is not None else _LATER_LOOK_S)

    def forget(self, search: str) -> None:
        """Free what a finished search kept in memory."""
        if self._journal:
            self._journal.forget(search)

    def _key(self, search: str, messages: Sequence[Message], sampling: Sampling) -> str:
        """A digest of everything that decides what a sample may be, but its number."""
        asked = msgspec.structs.replace(sampling, n=0, first=0)
        digest = blake2b(digest_size=12)
        start = f"{self._seed} {search}".encode()
        for part in (start, self._identity, msgspec.json.encode([messages, asked])):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()

    async def _fetch(
        self, base: Request, first: int, n: int, ticket: _Ticket, found: dict[int, Sample]
    ) -> None:
        """Samples `first` to `first + n`, in as many requests as the server makes of it."""
        while n > 0:
            fresh = await self._try(_part(base, first, n), ticket)
            found.update(enumerate(fresh, start=first))
            first, n = first + len(fresh), n - len(fresh)
            if n > 0 and self._width is not None:
                rest = _runs(range(first, first + n), self._width)
                await _all([self._fetch(base, *run, ticket, found) for run in rest])
                return

    async def _try(self, request: Request, ticket: _Ticket) -> Sequence[Sample]:
        """One request, sent again while it fails for passing reasons."""
        tries, failures, costly = 0, 0, Counter[str]()
        began = time.monotonic()
        while True:
            if self._down:
                raise self._down
            try:
                return await self._send(request, ticket)
            except TeacherError as error:
                self.flow.errors[error.kind or "other"] += 1
                if error.fewer and request.sampling.n > 1:
                    return await self._try_one(request, ticket)
                self._mind_refusals(error)
                tries += 1
                costly[error.kind] += error.costly
                failures += not error.overloaded
                if not error.retryable:
                    raise
                failed = failures > self._teacher.retries or self._teacher.retries == 0
                # A server that asks for less costs nothing but time: it is outwaited, not counted.
                late = error.overloaded and not self._is_patient(began)
                if failed or late or not _affordable(costly):
                    self._mind_failures(error)
                    raise
                self.flow.retries += 1
                wait = _wait_s(tries, error.retry_after_s)
                log.info("teacher %s: %s; again in %.1f s", self.name, error, wait)
                await self.budget.pause(wait)

    def _is_patient(self, began: float) -> bool:
        """Whether there is still time for a request that began then: as long as an outage may last
        since anything was answered."""
        patience_s: float = getattr(self._teacher, "outage_s", _PATIENCE_S)
        return time.monotonic() - max(began, self._answered_at) < patience_s

    def _mind_failures(self, error: TeacherError) -> None:
        """Stop asking a server of which so many requests had to be given up and never one was
        answered: all others would be sent, and perhaps paid, in vain."""
        self._in_vain += 1
        if self._answered_at or self.holds or self._in_vain < _REFUSED:
            return
        self._down = TeacherError(
            f"none of the first {self._in_vain} requests was answered, however often it was sent: "
            f"{error}",
            retryable=False,
            kind="down",
        )
        raise self._down from error

    def _mind_refusals(self, error: TeacherError) -> None:
        """Stop a run whose every request is refused: it is the recipe, not the prompts."""
        if self._answered_at or error.retryable or not error.kind.startswith("HTTP 4"):
            return
        self._refused += 1
        if self._refused >= _REFUSED:
            raise RecipeError(
                f"teachers.{self.name}: all of the first {self._refused} requests were refused: "
                f"{error}"
            )

    async def _try_one(self, request: Request, ticket: _Ticket) -> Sequence[Sample]:
        """The first sample alone. Only if that can be had was their number what was refused: a
        prompt that is refused in any case must not make single requests of all the others."""
        fresh = await self._try(_part(request, request.sampling.first, 1), ticket)
        if self._width != 1:
            log.info("teacher %s refuses several samples a request; asking singly", self.name)
            self._width = 1
        return fresh

    async def _send(self, request: Request, ticket: _Ticket) -> Sequence[Sample]:
        await self.places.take(ticket.rank)
        try:
            admitted = await self.budget.admit(self.name, request)
            if admitted.samples < request.sampling.n:
                request = _part(request, request.sampling.first, admitted.samples)
            fresh = await self._admitted(request, ticket, admitted)
        finally:
            self.places.give_back()
        self._answered_at = time.monotonic()
        if self._climb:
            self._climb.answered(len(fresh))
        self._learn_width(request.sampling.n, len(fresh))
        return fresh

    async def _admitted(
        self, request: Request, ticket: _Ticket, admitted: Admitted
    ) -> Sequence[Sample]:
        """One request that may be paid for."""
        flow = self.flow
        flow.in_flight += 1
        flow.requests += 1
        try:
            fresh = await self._sample(request)
        except TeacherError as error:
            if self._climb and error.overloaded and not error.elsewhere:
                self._climb.refused()
            self.budget.failed(admitted, costly=error.costly)
            raise
        except CotgenError:
            self.budget.failed(admitted, costly=False)
            raise
        except BaseException:
            # Given up while it was worked on. A batch is found again by the next run.
            self.budget.failed(admitted, costly=not self.holds)
            raise
        finally:
            flow.in_flight -= 1
        # No await between the reply and the journal: a kill in between could lose it.
        flow.tokens += self.budget.answered(admitted, fresh, request)
        if self._journal:
            first = request.sampling.first
            entry = Entry(ticket.key, first, ticket.search, self.name, tuple(fresh))
            self._save(entry)
        return fresh

    def _save(self, entry: Entry[Sample]) -> None:
        assert self._journal
        try:
            self._journal.append(entry)
        except StoreError as error:
            self.budget.unsaved += len(entry.completions)
            self.budget.halt(error)
            raise
        if self._journal.full:
            self.budget.halt(self._journal.full)

    def _learn_width(self, asked: int, got: int) -> None:
        """Ask for fewer samples a request once a server has answered too few twice in a row."""
        self._short = self._short + 1 if got < asked else 0
        if self._short == 2 and self._width != got and self._fanout == "auto":
            log.info("teacher %s answers %d samples a request; asking for so many", self.name, got)
            self._width = got


def _identity(teacher: Teacher) -> bytes:
    """What a teacher's completions depend on: its lasting settings that are not the defaults, so
    that a setting which a later version brings does not make paid completions be bought again."""
    plain = lasting(teacher)
    for name, field in type(teacher).model_fields.items() if isinstance(teacher, Component) else ():
        if name != "kind" and name in plain and getattr(teacher, name) == field.default:
            del plain[name]
    return msgspec.json.encode(plain, order="deterministic")


class _Ticket(NamedTuple):
    """Whose request it is, under which key it is journaled, and before whom it is served."""

    search: str
    key: str
    rank: int


@asynccontextmanager
async def samplers(
    recipe: Recipe, journal: Callable[[], Journal], budget: Budget
) -> AsyncIterator[dict[str, Sampler]]:
    """Connect all teachers of a recipe, which share a budget; the journal is opened if one of them
    is paid. Whoever gave it closes it."""
    async with AsyncExitStack() as stack:
        opened: Journal | None = None
        live: dict[str, Sampler] = {}
        for name, teacher in recipe.teachers.items():
            if teacher.paid and opened is None:
                opened = journal()
                stack.callback(opened.settle)
                budget.count_before(opened.spent)
            ask = await stack.enter_async_context(_connected(name, teacher, opened))
            kept = opened if teacher.paid else None
            live[name] = Sampler(name, recipe, ask, kept)
            live[name].budget = budget
            steering = asyncio.create_task(live[name].steer())
            stack.callback(steering.cancel)
        yield live


def refuse_unready(component: object) -> None:
    """Ask each component that has a `ready()`, parts of others too, whether it can work on this
    machine, before anything is paid. Raises RecipeError."""
    if isinstance(component, list | tuple):
        for part in component:
            refuse_unready(part)
    if not isinstance(component, Component):
        return
    ready = getattr(component, "ready", None)
    if ready is not None:
        ready()
    for name in type(component).model_fields:
        refuse_unready(getattr(component, name))


def _connected(
    name: str, teacher: Teacher, journal: Journal | None
) -> AbstractAsyncContextManager[Ask]:
    """What a teacher must find again after a kill lies in a folder beside the journal."""
    if journal is not None and isinstance(teacher, Stateful):
        return teacher.connect_in(journal.path.parent / "teachers" / name)
    return teacher.connect()


@asynccontextmanager
async def verification(verifier: Verifier) -> AsyncIterator[Verify]:
    """Run a plain verifier in killable worker processes.

    Late, dead and failing workers give `unverifiable`: they say nothing about the answer.
    """
    job = Job(verifier.verify, tuple[Problem, str], verifier.timeout_s)
    async with Pool(job, Verdict) as pool:

        async def verify(problem: Problem, solution: str) -> Verdict:
            try:
                return await pool.call(problem, solution)
            except WorkerError as error:
                return Verdict("unverifiable", method="worker", reason=str(error))

        yield verify


def services(
    recipe: Recipe, line: str, problem: Problem, sampler: Sampler | None, verify: Verify | None
) -> Services:
    """What a component may ask for while it works on one line."""

    async def generate(messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        if sampler is None:
            raise RecipeError("this kind asked for a teacher without naming it in `needs`")
        return await sampler.generate(line, problem, messages, sampling)

    async def judge(problem: Problem, solution: str) -> Verdict:
        if verify is None:
            raise RecipeError("this kind asked for the verifier without naming it in `needs`")
        return await verify(problem, solution)

    return Services(generate=generate, verify=judge, draw=draws(recipe.seed))


def draws(seed: int) -> Draw:
    """Random draws by id."""
    return lambda id: Random(seed_of(seed, id, stride=1))


def seed_of(seed: int, id: str, stride: int = _SEED_STRIDE) -> int:
    """A seed below 2^31 (some engines take no more) that follows from the recipe's and an id."""
    digest = blake2b(f"{seed}/{id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % (2**31 // stride) * stride


def _numbers(sampling: Sampling) -> range:
    return range(sampling.first, sampling.first + sampling.n)


def _runs(numbers: Sequence[int], width: int | None) -> list[tuple[int, int]]:
    """Consecutive numbers as (first, how many), no more than `width` in one."""
    if width is None and numbers and numbers[-1] - numbers[0] == len(numbers) - 1:
        return [(numbers[0], len(numbers))]  # The usual case, once for each search.
    runs: list[tuple[int, int]] = []
    for number in numbers:
        first, n = runs[-1] if runs else (number, 0)
        if runs and number == first + n and n != width:
            runs[-1] = (first, n + 1)
        else:
            runs.append((number, 1))
    return runs


def _part(request: Request, first: int, n: int) -> Request:
    """The same request for samples `first` … of the same numbering: seeds go by number."""
    if (first, n) == (request.sampling.first, request.sampling.n):
        return request
    shift = first - request.sampling.first
    sampling = msgspec.structs.replace(request.sampling, first=first, n=n)
    return msgspec.structs.replace(request, sampling=sampling, seed=request.seed + shift)


def _affordable(costly: Counter[str]) -> bool:
    """Whether a request that may have been paid for so often may be sent again."""
    return costly["timeout"] <= _TIMED_OUT_RETRIES and costly.total() <= _COSTLY_RETRIES


def _wait_s(failures: int, asked_s: float | None) -> float:
    """What the server asked for, if that is longer than an exponential wait; jitter keeps clients
    from coming back as one."""
    # Waiting times change nothing that is made, so they need not be repeatable.
    jitter = Random().uniform(1.0, 1.25)
    backoff = min(_FIRST_WAIT_S * 2.0 ** min(failures - 1, 10), _LONGEST_WAIT_S)
    return max(backoff, asked_s or 0.0) * jitter


async def _all(work: Sequence[Awaitable[None]]) -> None:
    """Let everything end, then raise the first failure."""
    if len(work) == 1:
        return await work[0]  # No task of its own: most searches make one request.
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
