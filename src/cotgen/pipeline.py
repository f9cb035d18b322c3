"""The stages, in order: load, search, verify, filter, chain, emit. Resuming is running again."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

import msgspec
import yaml

from cotgen import summary as numbers
from cotgen.datafiles import files_of, wanted_files
from cotgen.ending import Ending, Stop
from cotgen.errors import (
    CotgenError,
    LimitReached,
    RecipeError,
    Stopped,
    StoreError,
    TeacherError,
)
from cotgen.export import Order, write_datasets
from cotgen.filtering import digest_of, digest_of_files, filter_run, named
from cotgen.guide import dataset_info
from cotgen.limits import Allowance, Budget
from cotgen.loading import Loader, gone, refuse_test_problems
from cotgen.protocols import AsksOnce, Verify
from cotgen.publish import write_card
from cotgen.publish.files import CARD, told
from cotgen.recipe import Recipe, lasting
from cotgen.records import Attempt, Chained, Group, Problem, Searched, Verdict, Verified
from cotgen.runs import FILTERED, Judgeable, Run, Sieve, shape_of
from cotgen.searched import Paid, Searches, line_of
from cotgen.series import paid_for
from cotgen.store import JOURNAL, Journal, replace_file
from cotgen.store.folder import Settings
from cotgen.store.journal import Spent
from cotgen.store.reserve import drop_reserve
from cotgen.summary import Dropped, State, Summary
from cotgen.wiring import Sampler, draws, refuse_unready, samplers, services, verification
from cotgen.workers import bounded

log = logging.getLogger(__name__)

Stage = Literal["load", "search", "verify", "filter", "chain", "emit"]
STAGES: tuple[Stage, ...] = get_args(Stage)
TABLES: dict[Stage, str] = {
    "load": "problems",
    "search": "attempts",
    "verify": "verdicts",
    "filter": "filtered",
    "chain": "chains",
}
_VERIFIED_AT_ONCE = 256
_ALL_SAVED = "every completion that came in is saved, and the next run goes on from there"
_BEAT_S = 1.0
_QUICK = (50_000, 20, 20)


class Watch(Protocol):
    """Whoever wants to see a run's progress."""

    def start(self, stage: Stage, total: int | None) -> None:
        """A stage begins; `total` pieces of work are owed, if that is known."""

    def advance(self, pieces: int = 1) -> None:
        """So many more are done; 0: time passed."""

    def see(self, samplers: dict[str, Sampler], spent: dict[str, Spent]) -> None:
        """The live teachers and what they were paid, to look at while the search goes on."""

    def halt(self, why: CotgenError, in_flight: int, grace_s: float | None) -> None:
        """No more is asked of teachers; so many requests are awaited, at most so long."""

    def end(self, stage: Stage, seconds: float) -> None:
        """The stage is done."""


class Unwatched:
    """Shows nothing."""

    def start(self, stage: Stage, total: int | None) -> None:
        """Nothing."""

    def advance(self, pieces: int = 1) -> None:
        """Nothing."""

    def see(self, samplers: dict[str, Sampler], spent: dict[str, Spent]) -> None:
        """Nothing."""

    def halt(self, why: CotgenError, in_flight: int, grace_s: float | None) -> None:
        """Nothing."""

    def end(self, stage: Stage, seconds: float) -> None:
        """Nothing."""


def run(recipe: Recipe, *, outputs: Path | str = "outputs", until: Stage = "emit") -> Summary:
    """Run a recipe, or go on with its run, in `outputs/<name>`.

    Items that fail (a teacher without an answer) are lines that the next run tries again; their
    number is `Summary.failed`. A limit that was reached is told by `Summary.state` and `said`.
    Raises RecipeError, StoreError, RunLocked; TeacherError if a teacher was away for longer than
    its `outage_s`, what it was not asked stays owed; LimitReached if the deadline left no time for
    a stage. Inside a running event loop (a notebook) use `await run_async(…)`.
    """
    if _in_event_loop():
        raise RuntimeError("an event loop is running (a notebook?): use await run_async(…)")
    return asyncio.run(run_async(recipe, outputs=outputs, until=until))


async def run_async(  # noqa: PLR0913 - all of them keywords
    recipe: Recipe,
    *,
    outputs: Path | str = "outputs",
    until: Stage = "emit",
    redo: Stage | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
    begun_only: bool = False,
    beside: Sequence[Allowance] = (),
) -> Summary:
    """As `run`; `redo` makes the tables of a stage and of those after it again. `stop` asks it to
    end before all is done, then Stopped is raised; `begun_only` asks for nothing but the rest of
    searches that were paid for in part; `beside` are limits beside the recipe's own: those of a
    series, and what is left of a night's."""
    refuse_unready(recipe.verifier)
    path = Path(outputs) / recipe.name
    opened = Run(shape_of(recipe), path)
    with opened.folder.locked(), opened, _logged(path / "run.log"), _quick_collection():
        allowances = [Allowance(recipe.limits), *beside]
        work = _Work(recipe, opened, watch or Unwatched(), Budget(recipe.prices, allowances))
        work.claim_tables(redo)
        work.begun = paid_for(path) if begun_only else None
        resolved = yaml.safe_dump(recipe.settings(), sort_keys=False, allow_unicode=True, width=100)
        replace_file(path / "recipe.yaml", resolved.encode())
        try:
            work.begin(stop or Stop())
            for stage in STAGES[: STAGES.index(until) + 1]:
                await work.do(stage)
            return work.finish(whole=until == STAGES[-1])
        except BaseException as error:
            work.break_off(error)
            raise
        finally:
            work.close()


@contextmanager
def _quick_collection() -> Iterator[None]:
    """Keep the garbage collector from walking through all modules again and again: that was a
    fifth of the client's work. What a run makes has few cycles."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    if before == _QUICK or frozen:
        yield  # Another run, or the user, has seen to it.
        return
    gc.freeze()
    gc.set_threshold(*_QUICK)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Work:
    """One run at work. Each stage returns how many pieces it did; none were owed if that is 0."""

    def __init__(self, recipe: Recipe, run: Run, watch: Watch, budget: Budget) -> None:
        self.recipe = recipe
        self.run = run
        self.watch = watch
        self.budget = budget
        self.ending = Ending(budget, recipe.limits)
        self.summary = numbers.read_summary(run.folder.path)
        self.summary.name = recipe.name
        self.spent: dict[str, Spent] | None = None
        self.journal: Journal | None = None
        self.growth_failed = 0
        self.limit: LimitReached | None = None
        self.down: dict[str, TeacherError] = {}
        self.emitted = False
        self.begun: Collection[str] | None = None
        """The only searches to go on with; None: all that are owed."""
        # Now: a benchmark that cannot be read is noticed before anything is paid.
        self.benchmarks = digest_of_files(recipe.filters)

    @cached_property
    def searches(self) -> Searches:
        """Where searches write their lines."""
        paid = [(name, each) for name, each in self.recipe.teachers.items() if each.paid]
        models = {name: str(getattr(teacher, "model", "")) for name, teacher in paid}
        journal = self.run.folder.path / JOURNAL
        return Searches(self.run.attempts, journal, self.recipe.search, models)

    def begin(self, stop: Stop) -> None:
        """Heed the limits, and whoever wants the run to stop."""
        self.budget.on_halt = self._tell
        self.ending.watch_the_clock()
        stop.tell(self.ending.stop)

    def _tell(self, why: CotgenError) -> None:
        """Say that no more is asked, and what is waited for."""
        timed = not isinstance(why, LimitReached) or "deadline" in str(why)
        grace_s = self.recipe.limits.grace_s if timed else None
        self.watch.halt(why, self.ending.in_flight(), grace_s)

    def claim_tables(self, redo: Stage | None) -> None:
        """Refuse to mix this recipe's data with those of another, before anything is paid.

        What `redo` names is deleted once nothing else speaks against the recipe, the last table
        first: a kill in between leaves no table that was made from a deleted one.
        """
        recipe = self.recipe
        if redo in ("load", "search") and _is_held(recipe.problems):
            raise RecipeError(
                f"--redo {redo}: what was imported cannot be made again here. Import into another "
                "run, or delete this one and import anew"
            )
        verifier = ("verifier",) if "verifier" in recipe.search.relies_on() else ()
        claims = {
            "problems": recipe.lasting("problems"),
            "attempts": recipe.lasting("seed", "search", "teachers", *verifier),
            "verdicts": recipe.lasting("verifier"),
        }
        if recipe.chains:
            claims["chains"] = recipe.lasting("seed", "chains")
        dropped = [TABLES[stage] for stage in _from(redo) if stage in TABLES] if redo else []
        self.run.folder.claim(claims, dropped[::-1])
        if redo:
            made = self.run.folder.manifest.datasets
            made |= {name: {} for name in made}  # Else same tables would leave them be.
            self.run.folder.save_manifest()

    async def do(self, stage: Stage) -> None:
        """One stage, with its time."""
        if stage == "filter" and not self.recipe.filters:
            self._leave_unfiltered()
            return
        stages: dict[Stage, Callable[[], Coroutine[object, object, int]]] = {
            "load": self._load,
            "search": self._search,
            "verify": self._verify,
            "filter": self._filter,
            "chain": self._chain,
            "emit": self._emit,
        }
        started = time.monotonic()
        pieces = await self.ending.mind(stages[stage]())
        seconds = time.monotonic() - started
        self.watch.end(stage, seconds)
        earlier = self.summary.seconds.get(stage, 0.0)
        # A run that had nothing to do leaves its files as they were, byte for byte.
        self.summary.seconds[stage] = round(earlier + seconds, 3) if pieces else earlier

    def finish(self, *, whole: bool) -> Summary:
        """Count what came out."""
        run, summary = self.run, self.summary
        numbers.fail(run, summary, self.growth_failed)
        numbers.count(run, summary)
        numbers.spend(run, self.recipe, summary, self._spent())
        summary.unaccounted += self.budget.unaccounted
        failed = sum(summary.failed.values()) > 0
        summary.said = str(self.limit or "")
        summary.state = "limit" if self.limit else "failed" if failed else "complete"
        if summary.state == "complete" and not whole:
            summary.state = "unfinished"
        numbers.write_summary(run.folder.path, summary)
        if self.emitted:
            self._write_card()
        return summary

    def break_off(self, error: BaseException) -> None:
        """Leave word of why the run ended here; counting all tables could take too long."""
        stops = (Stopped, KeyboardInterrupt, asyncio.CancelledError)
        state: State = "limit" if isinstance(error, LimitReached) else "error"
        self.summary.state = "stopped" if isinstance(error, stops) else state
        self.summary.said = str(error)
        self.summary.unaccounted += self.budget.unaccounted
        if self.spent is not None:
            numbers.spend_at_least(self.recipe, self.summary, self.spent)
        try:
            numbers.write_summary(self.run.folder.path, self.summary)
        except StoreError as unwritable:
            log.error("%s", unwritable)

    def close(self) -> None:
        """Let go of the clock, and of the journal once it is on the disk."""
        self.ending.close()
        if self.journal:
            self.journal.close()

    def _write_card(self) -> None:
        """Describe the datasets beside them, if anything that the card says has changed."""
        folder, manifest = self.run.folder, self.run.folder.manifest
        path = folder.path / "datasets" / CARD
        if not any(self.summary.rows.values()):
            path.unlink(missing_ok=True)
            return
        # How a run got there is not what came out.
        said = msgspec.structs.replace(
            self.summary, seconds={}, state="complete", said="", unaccounted=0
        )
        summary = msgspec.json.encode(said).decode()
        digest = _digest(manifest.datasets, told(self.recipe.settings()), summary)
        if manifest.card != digest or not path.exists():
            write_card(folder.path)
            manifest.card = digest
            folder.save_manifest()

    # load

    async def _load(self) -> int:
        fresh = await self._load_source()
        refuse_test_problems(self.recipe, self.run)
        return fresh

    async def _load_source(self) -> int:
        source, table = self.recipe.problems, self.run.problems
        if _is_held(source) and len(table):
            return 0
        manifest = self.run.folder.manifest
        identity = _digest(lasting(source), source.limit)
        if source.remote and manifest.loaded.get("identity") == identity:
            return 0
        self.watch.start("load", source.limit)
        loader = Loader(self.recipe, self.run)
        fresh = await loader.load(self.watch.advance)
        if len(loader.seen) == len(table):
            table.seal(loader.seen)
        elif source.limit is None or len(loader.seen) < source.limit:
            raise RecipeError(gone(table.ids(), loader.seen, self.recipe.name))
        loaded = {
            "identity": identity,
            "bad_lines": loader.bad_lines,
            "duplicates": loader.duplicates,
        }
        if manifest.loaded != loaded:
            manifest.loaded = loaded
            self.run.folder.save_manifest()
        self.summary.bad_lines = loader.bad_lines
        self.summary.duplicate_problems = loader.duplicates
        return fresh

    # search

    async def _search(self) -> int:
        teachers = self.recipe.teachers
        owed = {name: sum(1 for _ in self._owed_problems(name)) for name in teachers}
        if sum(owed.values()) and not self.budget.halted:
            self.watch.start("search", sum(owed.values()))
            await self.ending.drain(self._search_owed(owed))
        self._heed_halt()
        drop_reserve(self.run.folder.path)
        # Sealed even if nothing was owed: an earlier run may have been killed just before this.
        self.run.attempts.seal(self._search_order())
        return sum(owed.values())

    async def _search_owed(self, owed: dict[str, int]) -> None:
        async with AsyncExitStack() as stack:
            verify: Verify | None = None
            if "verifier" in self.recipe.search.relies_on():
                verify = await stack.enter_async_context(verification(self.recipe.verifier))
            live = await stack.enter_async_context(
                samplers(self.recipe, self._open_journal, self.budget)
            )
            for name, sampler in live.items():
                sampler.flow.owed = owed[name]
            # Batches go on without us, and the next run finds them.
            online = [each.flow for each in live.values() if not each.holds]
            self.ending.in_flight = lambda: sum(flow.in_flight for flow in online)
            # Not `or {}`: the journal goes on counting in this very dict.
            self.watch.see(live, {} if self.spent is None else self.spent)
            stack.callback(asyncio.create_task(self._beat()).cancel)
            journaled = sum(owed[name] for name, sampler in live.items() if sampler.journals)
            await stack.enter_async_context(self.searches.open(journaled, self.budget.halt))
            each = ((sampler, verify) for name, sampler in live.items() if owed[name])
            await bounded(each, self._search_with, at_once=len(live))

    def _heed_halt(self) -> None:
        """A limit ends sampling; whatever else ended it ends the run. What a limit did not keep
        from being done needs no word."""
        halted = self.budget.halted
        if halted is None:
            self._heed_outages()
            return
        if isinstance(halted, StoreError):
            lost = f"{self.budget.unsaved:,} completions could not be saved any more"
            raise StoreError(f"{halted}; {lost if self.budget.unsaved else _ALL_SAVED}")
        if not isinstance(halted, LimitReached):
            raise halted
        if any(next(self._owed_problems(name), None) for name in self.recipe.teachers):
            self.limit = halted

    def _heed_outages(self) -> None:
        for name, error in self.down.items():
            raise TeacherError(
                f"teachers.{name}: {error}; what it was not asked is owed: run again to go on",
                retryable=True,
                kind=error.kind,
            ) from error

    async def _beat(self) -> None:
        """Let the watch look at the teachers while nothing is done: a batch can take a day."""
        while True:
            await asyncio.sleep(_BEAT_S)
            self.watch.advance(0)

    async def _search_with(self, live: tuple[Sampler, Verify | None]) -> None:
        """All searches of one teacher. Teachers do not wait for each other."""
        sampler, verify = live

        async def search(problem: Problem) -> None:
            await sampler.places.room()
            await self.searches.room()
            id = f"{problem.id}@{sampler.name}"
            self.searches.begin(id)
            try:
                if not self._is_over(sampler.name):
                    await self._search_one(id, problem, sampler, verify)
            except CotgenError as error:
                # Requests in flight are being paid for: they end, no new search begins.
                self.budget.halt(error)
            finally:
                self.searches.end(id)

        await bounded(self._owed_searches(sampler.name), search, sampler.at_once)

    async def _search_one(
        self, id: str, problem: Problem, sampler: Sampler, verify: Verify | None
    ) -> None:
        offered = services(self.recipe, id, problem, sampler, verify)
        try:
            if self.searches.takes_paid and sampler.journals and id not in self.run.attempts:
                self.searches.paid(await self._paid(id, problem, sampler))
            else:
                found = await self.recipe.search.search(problem, offered)
                self._write_attempts(id, problem, sampler.name, found)
        except TeacherError as error:
            if error.kind == "down":
                # All that is left would fail so: it stays owed, and no line says otherwise.
                self.down.setdefault(sampler.name, error)
                return
            log.warning("%s: %s", id, error)
            if self.run.attempts.has_finished(id):
                self.growth_failed += 1  # What was there before stays.
            else:
                self.searches.put(Searched(id, problem.id, sampler.name, (), str(error)))
        sampler.forget(id)
        sampler.flow.done += 1
        self.watch.advance()

    def _write_attempts(
        self, id: str, problem: Problem, teacher: str, found: list[Attempt]
    ) -> None:
        """Write a search's line. Attempts that it had before stay: growing only adds."""
        earlier = self.run.attempts.get(id).attempts if self.run.attempts.has_finished(id) else ()
        attempts = (*earlier, *found[len(earlier) :])
        model = str(getattr(self.recipe.teachers[teacher], "model", ""))
        enough = self.recipe.search.wants_more(len(attempts))
        self.searches.put(line_of(id, problem.id, (teacher, model), attempts, enough=enough))

    async def _paid(self, id: str, problem: Problem, sampler: Sampler) -> Paid:
        """Ask, and say where the answers stand in the journal."""
        # Asking a protocol whether it is met takes longer than the rest of this.
        search = cast("AsksOnce", self.recipe.search)
        messages, sampling = search.call(problem, draws(self.recipe.seed))
        at = await sampler.buy(id, problem, messages, sampling)
        return Paid(id, problem.id, sampler.name, sampling.n, at)

    def _owed_searches(self, teacher: str) -> Iterator[Problem]:
        return (
            self.run.problems.get(problem)
            for problem in self._owed_problems(teacher)
            if not self._is_over(teacher)
        )

    def _is_over(self, teacher: str) -> bool:
        """Whether no new search of a teacher shall begin."""
        return self.budget.halted is not None or teacher in self.down

    def _owed_problems(self, teacher: str) -> Iterator[str]:
        begun = self.begun
        return (
            id
            for id in self.run.active_ids()
            if (begun is None or f"{id}@{teacher}" in begun) and self._is_owed(f"{id}@{teacher}")
        )

    def _is_owed(self, search: str) -> bool:
        if not self.run.attempts.has_finished(search):
            return True
        attempts, enough = self.run.attempt_count(search)
        return not enough and self.recipe.search.wants_more(attempts)

    def _search_order(self) -> Iterator[str]:
        return (
            f"{problem}@{teacher}"
            for problem in self.run.problems.ids()
            for teacher in self.recipe.teachers
        )

    def _open_journal(self) -> Journal:
        # Each search has many entries, and asking whether it is owed reads its line.
        self.journal = Journal(self.run.folder.path / JOURNAL, cache(self._is_owed))
        self.spent = self.journal.spent
        return self.journal

    # verify

    async def _verify(self) -> int:
        owed = sum(1 for _ in self._owed_verdicts())
        if owed:
            self.watch.start("verify", owed)
            await self._verify_owed()
        self.run.verdicts.seal(self._verdict_order())
        return owed

    async def _verify_owed(self) -> None:
        async with verification(self.recipe.verifier) as verify:

            async def judge(item: Judgeable) -> None:
                verdict = await _judged(item.problem, item.attempt(), verify)
                line = Verified(item.id, item.inputs, **msgspec.structs.asdict(verdict))
                self.run.verdicts.replace(line)
                self.watch.advance()

            await bounded(self._owed_verdicts(), judge, _VERIFIED_AT_ONCE)

    def _verdict_order(self) -> Iterator[str]:
        return (id for search in self._search_order() for id in self.run.judged_ids(search))

    def _owed_verdicts(self) -> Iterator[Judgeable]:
        """The attempts without a verdict, or with one on another text or gold."""
        for problem in self.run.active():
            for item in self.run.judgeable(problem):
                line = self.run.verdicts.find(item.id)
                if line is None or line.inputs != item.inputs:
                    yield item

    # filter

    async def _filter(self) -> int:
        """Decide anew if anything changed that decisions depend on. Nothing else is kept of
        earlier ones: they cost no completion."""
        manifest, path = self.run.folder.manifest, self.run.folder.path / FILTERED
        settings = [lasting(filter) for filter in self.recipe.filters]
        inputs = _digest(settings, self.benchmarks, self._judged_inputs())
        made = manifest.filtered or {}
        done = made.get("inputs") == inputs and made.get("file") == digest_of(path)
        if not done:
            self.watch.start("filter", None)
            # Until it is written whole, nobody may take the file for either recipe's.
            manifest.filtered = {}
            self.run.folder.save_manifest()
            dropped = await filter_run(self.run, self.recipe, self.watch.advance)
            made = {
                "inputs": inputs,
                "file": digest_of(path),
                "dropped": msgspec.to_builtins(dropped),
            }
            manifest.filtered = made
            self.run.folder.save_manifest()
        found = msgspec.convert(made["dropped"], dict[str, Dropped])
        # The manifest has them by the alphabet, a person reads them as they were applied.
        self.summary.filtered = {name: found[name] for name, _ in named(self.recipe.filters)}
        return 0 if done else 1

    def _leave_unfiltered(self) -> None:
        """Remove what filters left that the recipe no longer has."""
        manifest, path = self.run.folder.manifest, self.run.folder.path / FILTERED
        if manifest.filtered is not msgspec.UNSET:
            manifest.filtered = msgspec.UNSET
            self.run.folder.save_manifest()
        for left in (path, path.with_name(path.name + ".tmp")):
            left.unlink(missing_ok=True)
        self.run.sieve = Sieve()
        self.summary.filtered = msgspec.UNSET
        self.summary.seconds.pop("filter", None)

    # chain

    async def _chain(self) -> int:
        if self.recipe.chains is None:
            return 0
        owed = sum(1 for _ in self._owed_chains())
        if owed:
            self.watch.start("chain", owed)
            await self._chain_owed()
        self.run.chains.seal(self.run.problems.ids())
        return owed

    async def _chain_owed(self) -> None:
        async def build(item: tuple[Problem, str]) -> None:
            problem, inputs = item
            assert self.recipe.chains is not None
            offered = services(self.recipe, problem.id, problem, None, None)
            # A problem that was dropped gets its line too, without chains.
            left = self.run.sieve.left(self.run.group(problem))
            chains = await self.recipe.chains.build(left, offered) if left else []
            self.run.chains.replace(Chained(problem.id, inputs, tuple(chains)))
            self.watch.advance()

        await bounded(self._owed_chains(), build, at_once=1)

    def _owed_chains(self) -> Iterator[tuple[Problem, str]]:
        """Problems without chains, or whose verdicts have changed since; with their digest."""
        for problem in self.run.active():
            inputs = self.run.verdicts_digest(problem)
            line = self.run.chains.find(problem.id)
            if line is None or line.inputs != inputs:
                yield problem, inputs

    def _judged_inputs(self) -> str:
        """A digest of all that filters decide on."""
        run = self.run
        digests = [run.problems.digest(), run.attempts.digest(), run.verdicts.digest()]
        if run.rewards:
            digests.append(run.rewards.digest())
        return _digest(*digests, self.recipe.seed, self.recipe.problems.limit)

    # emit

    async def _emit(self) -> int:
        manifest, folder = self.run.folder.manifest, self.run.folder.path / "datasets"
        inputs = self._inputs()
        orders = {
            dataset.file_name: Order(dataset, self.recipe.digest(dataset))
            for dataset in self.recipe.datasets
        }
        wanted = {name: _digest(order.recipe, inputs) for name, order in orders.items()}
        for left in set(manifest.datasets) - set(wanted):
            for path in files_of(folder, left):
                path.unlink()
        manifest.datasets = {name: manifest.datasets.get(name, {}) for name in wanted}
        stale = [
            order
            for name, order in orders.items()
            if manifest.datasets[name].get("digest") != wanted[name]
            or not _is_whole(folder, name, manifest.datasets[name])
        ]
        if stale:
            self.watch.start("emit", None)
            # Until they are written whole, nobody may take the files for either recipe's.
            manifest.datasets |= {order.emitter.file_name: {} for order in stale}
            self.run.folder.save_manifest()
            draw = draws(self.recipe.seed)
            files, groups = self.recipe.files, self._watched_groups()
            for writer in await write_datasets(folder, stale, files, groups, draw):
                name = writer.emitter.file_name
                manifest.datasets[name] = {
                    "digest": wanted[name],
                    "recipe": orders[name].recipe,
                    "rows": sum(writer.rows.values()),
                    "splits": writer.rows,
                    "files": writer.stems,
                    "refused": dict(sorted(writer.refused.items())),
                }
        self._list_datasets(folder)
        self.emitted = True
        self.run.folder.save_manifest()
        made = manifest.datasets
        self.summary.rows = {name: made[name]["rows"] for name in made}
        self.summary.refused = {name: made[name]["refused"] for name in made}
        return len(stale)

    def _list_datasets(self, folder: Path) -> None:
        """What LLaMA-Factory asks for besides the files."""
        made = self.run.folder.manifest.datasets
        written = [(each, made[each.file_name]["files"]) for each in self.recipe.datasets]
        if listed := dataset_info(written):
            replace_file(folder / "dataset_info.json", listed)
        else:
            (folder / "dataset_info.json").unlink(missing_ok=True)

    def _inputs(self) -> str:
        """A digest of all that datasets are made from."""
        run = self.run
        digests = [run.problems.digest(), run.attempts.digest(), run.verdicts.digest()]
        if self.recipe.chains:
            digests.append(run.chains.digest())
        if run.rewards:
            digests.append(run.rewards.digest())
        if run.folder.manifest.filtered:
            digests.append(run.folder.manifest.filtered["file"])
        return _digest(*digests, self.recipe.seed, self.recipe.problems.limit)

    def _watched_groups(self) -> Iterator[Group]:
        for group in self.run.left_groups():
            yield group
            self.watch.advance()

    def _spent(self) -> dict[str, Spent]:
        """What every paid teacher was paid so far, over all runs."""
        path = self.run.folder.path / JOURNAL
        if self.spent is None and path.exists():
            journal = Journal(path)
            self.spent = journal.spent
            journal.close()
        return self.spent or {}


def _is_held(source: object) -> bool:
    """Whether `cotgen import` has brought the source's problems, with their attempts."""
    return getattr(source, "held", False) is True


async def _judged(problem: Problem, attempt: Attempt, verify: Verify) -> Verdict:
    """Only an attempt that ended by itself has an answer; the others are unfinished."""
    if attempt.flaw:
        return Verdict("unverifiable", method="format", reason=attempt.flaw)
    if attempt.finish == "stop":
        return await verify(problem, attempt.solution)
    why = {"length": "cut off before its end", "pruned": "given up by the search"}
    return Verdict("unfinished", reason=why[attempt.finish])


def _from(stage: Stage) -> tuple[Stage, ...]:
    return STAGES[STAGES.index(stage) :]


def _is_whole(folder: Path, name: str, made: Settings) -> bool:
    return "files" in made and all(
        (folder / file).exists() for file in wanted_files(name, made["files"])
    )


def _digest(*parts: object) -> str:
    return blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=12).hexdigest()


class _Log(logging.FileHandler):
    """A log that a full disk keeps silent: the run says itself what is wrong."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing."""


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Write cotgen's log to a file of the run."""
    try:
        handler = _Log(path, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("cotgen")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        with suppress(OSError):
            handler.close()
