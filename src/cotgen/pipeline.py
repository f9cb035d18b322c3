"""The stages, in order: load, search, verify, chain, emit. Resuming is running again."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Protocol, get_args

import msgspec
import yaml

from cotgen import summary as numbers
from cotgen.errors import CotgenError, NoWorkers, RecipeError, StoreError, TeacherError
from cotgen.export import SUFFIXES, write_datasets
from cotgen.guide import dataset_info
from cotgen.loading import Loader, gone, refuse_test_problems
from cotgen.protocols import Emitter, Verify
from cotgen.recipe import Recipe, lasting
from cotgen.records import Attempt, Chained, Group, Problem, Searched, Verdict, Verified
from cotgen.runs import Judgeable, Run, shape_of
from cotgen.store import InOrder, Journal, replace_file
from cotgen.store.journal import Spent
from cotgen.summary import Summary
from cotgen.wiring import Sampler, draws, refuse_unready, samplers, services, verification
from cotgen.workers import bounded

log = logging.getLogger(__name__)

Stage = Literal["load", "search", "verify", "chain", "emit"]
STAGES: tuple[Stage, ...] = get_args(Stage)
TABLES: dict[Stage, str] = {
    "load": "problems",
    "search": "attempts",
    "verify": "verdicts",
    "chain": "chains",
}
_VERIFIED_AT_ONCE = 256
_BEAT_S, _SOON_S = 1.0, 0.1
_QUICK = (50_000, 20, 20)


class Watch(Protocol):
    """Whoever wants to see a run's progress."""

    def start(self, stage: Stage, total: int | None) -> None:
        """A stage begins; `total` pieces of work are owed, if that is known."""

    def advance(self, pieces: int = 1) -> None:
        """So many more are done; 0: time passed."""

    def see(self, samplers: dict[str, Sampler], spent: dict[str, Spent]) -> None:
        """The live teachers and what they were paid, to look at while the search goes on."""

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

    def end(self, stage: Stage, seconds: float) -> None:
        """Nothing."""


def run(recipe: Recipe, *, outputs: Path | str = "outputs", until: Stage = "emit") -> Summary:
    """Run a recipe, or go on with its run, in `outputs/<name>`.

    Items that fail (a teacher without an answer) are lines that the next run tries again; their
    number is `Summary.failed`. Raises RecipeError, StoreError, RunLocked. Inside a running event
    loop (a notebook) use `await run_async(…)`.
    """
    if _in_event_loop():
        raise RuntimeError("an event loop is running (a notebook?): use await run_async(…)")
    return asyncio.run(run_async(recipe, outputs=outputs, until=until))


async def run_async(
    recipe: Recipe,
    *,
    outputs: Path | str = "outputs",
    until: Stage = "emit",
    redo: Stage | None = None,
    watch: Watch | None = None,
) -> Summary:
    """As `run`; `redo` makes the tables of a stage and of those after it again."""
    refuse_unready(recipe.verifier)
    path = Path(outputs) / recipe.name
    opened = Run(shape_of(recipe), path)
    with opened, opened.folder.locked(), _logged(path / "run.log"), _quick_collection():
        work = _Work(recipe, opened, watch or Unwatched())
        work.claim_tables(redo)
        resolved = yaml.safe_dump(recipe.settings(), sort_keys=False, allow_unicode=True, width=100)
        replace_file(path / "recipe.yaml", resolved.encode())
        for stage in STAGES[: STAGES.index(until) + 1]:
            await work.do(stage)
        return work.finish()


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

    def __init__(self, recipe: Recipe, run: Run, watch: Watch) -> None:
        self.recipe = recipe
        self.run = run
        self.watch = watch
        self.summary = numbers.read_summary(run.folder.path)
        self.summary.name = recipe.name
        self.spent: dict[str, Spent] | None = None
        self.growth_failed = 0
        self.stopped_by: CotgenError | None = None
        self.down: dict[str, TeacherError] = {}
        self.searched = InOrder(run.attempts)

    def claim_tables(self, redo: Stage | None) -> None:
        """Refuse to mix this recipe's data with those of another, before anything is paid.

        What `redo` names is deleted once nothing else speaks against the recipe, the last table
        first: a kill in between leaves no table that was made from a deleted one.
        """
        recipe = self.recipe
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

    async def do(self, stage: Stage) -> None:
        """One stage, with its time."""
        stages: dict[Stage, Callable[[], Awaitable[int]]] = {
            "load": self._load,
            "search": self._search,
            "verify": self._verify,
            "chain": self._chain,
            "emit": self._emit,
        }
        started = time.monotonic()
        pieces = await stages[stage]()
        seconds = time.monotonic() - started
        self.watch.end(stage, seconds)
        earlier = self.summary.seconds.get(stage, 0.0)
        # A run that had nothing to do leaves its files as they were, byte for byte.
        self.summary.seconds[stage] = round(earlier + seconds, 3) if pieces else earlier

    def finish(self) -> Summary:
        """Count what came out."""
        run, summary = self.run, self.summary
        numbers.fail(run, summary, self.growth_failed)
        numbers.count(run, summary)
        numbers.spend(run, self.recipe, summary, self._spent())
        numbers.write_summary(run.folder.path, summary)
        return summary

    # load

    async def _load(self) -> int:
        fresh = await self._load_source()
        refuse_test_problems(self.recipe, self.run)
        return fresh

    async def _load_source(self) -> int:
        source, table = self.recipe.problems, self.run.problems
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
        if sum(owed.values()):
            self.watch.start("search", sum(owed.values()))
            await self._search_owed(owed)
        # Sealed even if nothing was owed: an earlier run may have been killed just before this.
        self.run.attempts.seal(self._search_order())
        return sum(owed.values())

    async def _search_owed(self, owed: dict[str, int]) -> None:
        async with AsyncExitStack() as stack:
            verify: Verify | None = None
            if "verifier" in self.recipe.search.relies_on():
                verify = await stack.enter_async_context(verification(self.recipe.verifier))
            live = await stack.enter_async_context(samplers(self.recipe, self._open_journal))
            self.watch.see(live, self.spent or {})
            for task in (self._beat(), self._write_soon()):
                stack.callback(asyncio.create_task(task).cancel)
            stack.callback(self.searched.flush)
            each = ((sampler, verify) for name, sampler in live.items() if owed[name])
            await bounded(each, self._search_with, at_once=len(live))
        if self.stopped_by:
            raise self.stopped_by
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

    async def _write_soon(self) -> None:
        """Let readers of the table see what was gathered for it."""
        while True:
            await asyncio.sleep(_SOON_S)
            self.run.attempts.flush()

    async def _search_with(self, live: tuple[Sampler, Verify | None]) -> None:
        """All searches of one teacher. Teachers do not wait for each other."""
        sampler, verify = live

        async def search(problem: Problem) -> None:
            await sampler.places.room()
            id = f"{problem.id}@{sampler.name}"
            self.searched.begin(id)
            try:
                if not self._is_over(sampler.name):
                    await self._search_one(id, problem, sampler, verify)
            finally:
                self.searched.end(id)

        await bounded(self._owed_searches(sampler.name), search, sampler.at_once)

    async def _search_one(
        self, id: str, problem: Problem, sampler: Sampler, verify: Verify | None
    ) -> None:
        offered = services(self.recipe, id, problem, sampler, verify)
        try:
            found = await self.recipe.search.search(problem, offered)
        except TeacherError as error:
            if error.kind == "down":
                # All that is left would fail so: it stays owed, and no line says otherwise.
                self.down.setdefault(sampler.name, error)
                return
            log.warning("%s: %s", id, error)
            if self.run.attempts.has_finished(id):
                self.growth_failed += 1  # What was there before stays.
            else:
                self.searched.put(Searched(id, problem.id, sampler.name, (), str(error)))
        except (RecipeError, NoWorkers) as error:
            # Requests in flight are being paid for: they end, no new search begins.
            self.stopped_by = self.stopped_by or error
            return
        else:
            self._write_attempts(id, problem, sampler.name, found)
        sampler.forget(id)
        self.watch.advance()

    def _write_attempts(
        self, id: str, problem: Problem, teacher: str, found: list[Attempt]
    ) -> None:
        """Write a search's line. Attempts that it had before stay: growing only adds."""
        earlier = self.run.attempts.get(id).attempts if self.run.attempts.has_finished(id) else ()
        attempts = (*earlier, *self._signed(found[len(earlier) :], teacher))
        enough = self.recipe.search.wants_more(len(attempts))
        self.searched.put(Searched(id, problem.id, teacher, attempts, enough=enough))

    def _signed(self, attempts: list[Attempt], teacher: str) -> list[Attempt]:
        """The attempts with the teacher that gave them."""
        model = str(getattr(self.recipe.teachers[teacher], "model", ""))
        replace = msgspec.structs.replace
        return [
            replace(each, origin=replace(each.origin, teacher=teacher, model=model))
            for each in attempts
        ]

    def _owed_searches(self, teacher: str) -> Iterator[Problem]:
        return (
            self.run.problems.get(problem)
            for problem in self._owed_problems(teacher)
            if not self._is_over(teacher)
        )

    def _is_over(self, teacher: str) -> bool:
        """Whether no new search of a teacher shall begin."""
        return self.stopped_by is not None or teacher in self.down

    def _owed_problems(self, teacher: str) -> Iterator[str]:
        return (id for id in self.run.active_ids() if self._is_owed(f"{id}@{teacher}"))

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
        journal = Journal(self.run.folder.path / "journal.jsonl", cache(self._is_owed))
        self.spent = journal.spent
        return journal

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
            chains = await self.recipe.chains.build(self.run.group(problem), offered)
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

    # emit

    async def _emit(self) -> int:
        manifest, folder = self.run.folder.manifest, self.run.folder.path / "datasets"
        inputs = self._inputs()
        wanted = {
            dataset.file_name: _digest(lasting(dataset), inputs) for dataset in self.recipe.datasets
        }
        for left in set(manifest.datasets) - set(wanted):
            for suffix in SUFFIXES:
                (folder / f"{left}{suffix}").unlink(missing_ok=True)
        manifest.datasets = {name: manifest.datasets.get(name, {}) for name in wanted}
        stale: list[Emitter] = [
            dataset
            for dataset in self.recipe.datasets
            if manifest.datasets[dataset.file_name].get("digest") != wanted[dataset.file_name]
            or not all((folder / f"{dataset.file_name}{suffix}").exists() for suffix in SUFFIXES)
        ]
        if stale:
            self.watch.start("emit", None)
            # Until they are written whole, nobody may take the files for either recipe's.
            manifest.datasets |= {dataset.file_name: {} for dataset in stale}
            self.run.folder.save_manifest()
            draw = draws(self.recipe.seed)
            for writer in await write_datasets(folder, stale, self._watched_groups(), draw):
                name = writer.emitter.file_name
                manifest.datasets[name] = {
                    "digest": wanted[name],
                    "rows": writer.rows,
                    "refused": dict(sorted(writer.refused.items())),
                }
        self._list_datasets(folder)
        self.run.folder.save_manifest()
        made = manifest.datasets
        self.summary.rows = {name: made[name]["rows"] for name in made}
        self.summary.refused = {name: made[name]["refused"] for name in made}
        return len(stale)

    def _list_datasets(self, folder: Path) -> None:
        """What LLaMA-Factory asks for besides the files."""
        if listed := dataset_info(self.recipe.datasets):
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
        return _digest(*digests, self.recipe.seed, self.recipe.problems.limit)

    def _watched_groups(self) -> Iterator[Group]:
        for group in self.run.groups():
            yield group
            self.watch.advance()

    def _spent(self) -> dict[str, Spent]:
        """What every paid teacher was paid so far, over all runs."""
        path = self.run.folder.path / "journal.jsonl"
        if self.spent is None and path.exists():
            journal = Journal(path, is_owed=lambda _: False)
            self.spent = journal.spent
            journal.close()
        return self.spent or {}


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


def _digest(*parts: object) -> str:
    return blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=12).hexdigest()


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Write cotgen's log to a file of the run."""
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
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
        handler.close()
