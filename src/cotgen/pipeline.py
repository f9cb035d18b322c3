"""The stages, in order: load, search, verify, chain, emit. Resuming is running again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from hashlib import blake2b
from itertools import count, takewhile
from pathlib import Path
from typing import Literal, Protocol, get_args

import msgspec
import yaml

from cotgen import summary as numbers
from cotgen.errors import RecipeError, StoreError, TeacherError
from cotgen.export import SUFFIXES, write_datasets
from cotgen.protocols import Emitter, Verify
from cotgen.recipe import Recipe, lasting
from cotgen.records import Attempt, BadLine, Chained, Group, Problem, Searched, Verdict, Verified
from cotgen.runs import Run, attempt_id
from cotgen.store import Journal, replace_file
from cotgen.store.journal import Spent
from cotgen.summary import Summary
from cotgen.testsets import test_set_of
from cotgen.wiring import Sampler, draws, samplers, services, verification
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
_SHOWN_BAD_LINES = 20


class Watch(Protocol):
    """Whoever wants to see a run's progress."""

    def start(self, stage: Stage, total: int | None) -> None:
        """A stage begins; `total` pieces of work are owed, if that is known."""

    def advance(self, pieces: int = 1) -> None:
        """So many more are done."""

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
    path = Path(outputs) / recipe.name
    with Run(recipe, path) as opened, opened.folder.locked(), _logged(path / "run.log"):
        if redo:
            opened.folder.drop([TABLES[stage] for stage in _from(redo) if stage in TABLES])
        work = _Work(opened, watch or Unwatched())
        work.claim_tables()
        resolved = yaml.safe_dump(recipe.settings(), sort_keys=False, allow_unicode=True, width=100)
        replace_file(path / "recipe.yaml", resolved.encode())
        for stage in STAGES[: STAGES.index(until) + 1]:
            await work.do(stage)
        return work.finish()


class _Work:
    """One run at work. Each stage returns how many pieces it did; none were owed if that is 0."""

    def __init__(self, run: Run, watch: Watch) -> None:
        self.run = run
        self.recipe = run.recipe
        self.watch = watch
        self.summary = numbers.read_summary(run.folder.path)
        self.summary.name = run.recipe.name
        self.spent: dict[str, Spent] | None = None
        self.growth_failed = 0

    def claim_tables(self) -> None:
        """Refuse to mix this recipe's data with those of another, before anything is paid."""
        recipe, folder = self.recipe, self.run.folder
        verifier = ("verifier",) if "verifier" in recipe.search.needs else ()
        folder.claim_table("problems", recipe.lasting("problems"))
        folder.claim_table("attempts", recipe.lasting("seed", "search", "teachers", *verifier))
        folder.claim_table("verdicts", recipe.lasting("verifier"))
        if recipe.chains:
            folder.claim_table("chains", recipe.lasting("seed", "chains"))

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
        numbers.spend(run, summary, self._spent())
        numbers.write_summary(run.folder.path, summary)
        return summary

    # load

    async def _load(self) -> int:
        source, table = self.recipe.problems, self.run.problems
        manifest = self.run.folder.manifest
        identity = _digest(lasting(source), source.limit)
        if source.remote and manifest.loaded.get("identity") == identity:
            return 0
        self.watch.start("load", source.limit)
        loader = _Loader(self.run)
        fresh = loader.load(self.watch)
        if len(loader.seen) == len(table):
            table.seal(loader.seen)
        elif source.limit is None or len(loader.seen) < source.limit:
            raise RecipeError(_gone(table.ids(), loader.seen, self.recipe.name))
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
        owed = {name: sum(1 for _ in self._owed_searches(name)) for name in teachers}
        if sum(owed.values()):
            self.watch.start("search", sum(owed.values()))
            await self._search_owed(owed)
        # Sealed even if nothing was owed: an earlier run may have been killed just before this.
        self.run.attempts.seal(self._search_order())
        return sum(owed.values())

    async def _search_owed(self, owed: dict[str, int]) -> None:
        async with AsyncExitStack() as stack:
            verify: Verify | None = None
            if "verifier" in self.recipe.search.needs:
                verify = await stack.enter_async_context(verification(self.recipe.verifier))
            live = await stack.enter_async_context(samplers(self.recipe, self._open_journal))
            self.watch.see(live, self.spent or {})
            each = ((sampler, verify) for name, sampler in live.items() if owed[name])
            await bounded(each, self._search_with, at_once=len(live))

    async def _search_with(self, live: tuple[Sampler, Verify | None]) -> None:
        """All searches of one teacher. Teachers do not wait for each other."""
        sampler, verify = live

        async def search(problem: Problem) -> None:
            await self._search_one(problem, sampler, verify)

        at_once = self.recipe.teachers[sampler.name].concurrency
        await bounded(self._owed_searches(sampler.name), search, at_once)

    async def _search_one(self, problem: Problem, sampler: Sampler, verify: Verify | None) -> None:
        id = f"{problem.id}@{sampler.name}"
        offered = services(self.recipe, id, problem, sampler, verify)
        try:
            found = await self.recipe.search.search(problem, offered)
        except TeacherError as error:
            log.warning("%s: %s", id, error)
            if self.run.attempts.has_finished(id):
                self.growth_failed += 1  # What was there before stays.
            else:
                self.run.attempts.append(Searched(id, problem.id, sampler.name, (), str(error)))
        else:
            attempts = tuple(self._signed(attempt, sampler.name) for attempt in found)
            self.run.attempts.replace(Searched(id, problem.id, sampler.name, attempts))
        sampler.forget(id)
        self.watch.advance()

    def _signed(self, attempt: Attempt, teacher: str) -> Attempt:
        """The attempt with the teacher that gave it."""
        model = str(getattr(self.recipe.teachers[teacher], "model", ""))
        origin = msgspec.structs.replace(attempt.origin, teacher=teacher, model=model)
        return msgspec.structs.replace(attempt, origin=origin)

    def _owed_searches(self, teacher: str) -> Iterator[Problem]:
        return (
            problem for problem in self.run.active() if self._is_owed(f"{problem.id}@{teacher}")
        )

    def _is_owed(self, search: str) -> bool:
        if not self.run.attempts.has_finished(search):
            return True
        return self.recipe.search.wants_more(len(self.run.attempt_ids(search)))

    def _search_order(self) -> Iterator[str]:
        return (
            f"{problem}@{teacher}"
            for problem in self.run.problems.ids()
            for teacher in self.recipe.teachers
        )

    def _open_journal(self) -> Journal:
        journal = Journal(self.run.folder.path / "journal.jsonl", self._is_owed)
        self.spent = journal.spent
        return journal

    # verify

    async def _verify(self) -> int:
        owed = sum(len(ids) for _, _, ids in self._owed_verdicts())
        if owed:
            self.watch.start("verify", owed)
            await self._verify_owed()
        self.run.verdicts.seal(self._verdict_order())
        return owed

    async def _verify_owed(self) -> None:
        async with verification(self.recipe.verifier) as verify:

            async def judge(item: tuple[str, Problem, Attempt]) -> None:
                id, problem, attempt = item
                verdict = await _judged(problem, attempt, verify)
                self.run.verdicts.append(Verified(id, **msgspec.structs.asdict(verdict)))
                self.watch.advance()

            await bounded(self._unjudged(), judge, _VERIFIED_AT_ONCE)

    def _verdict_order(self) -> Iterator[str]:
        """The attempts that have verdicts, found without reading the attempts once more."""
        for search in self._search_order():
            ids = (attempt_id(search, number) for number in count())
            yield from takewhile(self.run.verdicts.__contains__, ids)

    def _owed_verdicts(self) -> Iterator[tuple[Problem, str, list[str]]]:
        """Searches with attempts that have no verdict, and the ids of these."""
        for problem in self.run.active():
            for _, search in self.run.search_ids(problem):
                ids = self.run.attempt_ids(search)
                owed = [id for id in ids if id not in self.run.verdicts]
                if owed:
                    yield problem, search, owed

    def _unjudged(self) -> Iterator[tuple[str, Problem, Attempt]]:
        for problem, search, owed in self._owed_verdicts():
            attempts = self.run.attempts.get(search).attempts
            ids = [attempt_id(search, number) for number in range(len(attempts))]
            yield from (
                (id, problem, attempt)
                for id, attempt in zip(ids, attempts, strict=True)
                if id in owed
            )

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
            if line is None or line.error or line.inputs != inputs:
                yield problem, inputs

    # emit

    async def _emit(self) -> int:
        manifest, folder = self.run.folder.manifest, self.run.folder.path / "datasets"
        inputs = self._inputs()
        wanted = {
            dataset.file_name: _digest(lasting(dataset), inputs) for dataset in self.recipe.datasets
        }
        for gone in set(manifest.datasets) - set(wanted):
            for suffix in SUFFIXES:
                (folder / f"{gone}{suffix}").unlink(missing_ok=True)
        manifest.datasets = {name: manifest.datasets.get(name, {}) for name in wanted}
        stale: list[Emitter] = [
            dataset
            for dataset in self.recipe.datasets
            if manifest.datasets[dataset.file_name].get("digest") != wanted[dataset.file_name]
            or not all((folder / f"{dataset.file_name}{suffix}").exists() for suffix in SUFFIXES)
        ]
        if stale:
            self.watch.start("emit", None)
            draw = draws(self.recipe.seed)
            for writer in write_datasets(folder, stale, self._watched_groups(), draw):
                name = writer.emitter.file_name
                manifest.datasets[name] = {
                    "digest": wanted[name],
                    "rows": writer.rows,
                    "refused": dict(sorted(writer.refused.items())),
                }
        self.run.folder.save_manifest()
        made = manifest.datasets
        self.summary.rows = {name: made[name]["rows"] for name in made}
        self.summary.refused = {name: made[name]["refused"] for name in made}
        return len(stale)

    def _inputs(self) -> str:
        """A digest of all that datasets are made from."""
        run = self.run
        digests = [run.problems.digest(), run.attempts.digest(), run.verdicts.digest()]
        if self.recipe.chains:
            digests.append(run.chains.digest())
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


class _Loader:
    """Brings a source's problems into the table, and notices what is wrong with them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._source = run.recipe.problems
        self._refuses_test = [
            number for number, each in enumerate(run.recipe.datasets) if not each.allow_test
        ]
        self._complaints: list[BadLine] = []
        self.seen: dict[str, None] = {}
        self.bad_lines = 0
        self.duplicates = 0

    def load(self, watch: Watch) -> int:
        """Read the source and return how many problems are new."""
        before = len(self._run.problems)
        for item in self._source.load():
            if isinstance(item, Problem):
                item = _with_known_split(item)
            if isinstance(item, BadLine):
                self._complain(item)
            elif item.id not in self.seen:
                if len(self.seen) == self._source.limit:
                    break
                self._take(item)
                watch.advance()
            elif self._run.problems.get(item.id) == item:
                self.duplicates += 1
            else:
                self._complain(
                    BadLine(f"problem {item.id}", "this id stands for another problem too")
                )
        self._report()
        if not self.seen:
            raise RecipeError("problems: the source holds no problem")
        return len(self._run.problems) - before

    def _take(self, problem: Problem) -> None:
        if problem.split == "test" and self._refuses_test:
            raise RecipeError(
                f"datasets.{self._refuses_test[0]}: problem {problem.id} is of a test split"
                f"{_named(test_set_of(problem.question))}, which is never training data. Leave it "
                "out, or, for a trial, set allow_test: true"
            )
        known = self._run.problems.find(problem.id)
        if known is None:
            self._run.problems.append(problem)
        elif known != problem:
            raise RecipeError(
                f"problem {problem.id} is not what it was when this run loaded it. Give the run "
                "another --name, or start from the source again with --redo load"
            )
        self.seen[problem.id] = None

    def _complain(self, line: BadLine) -> None:
        self.bad_lines += 1
        log.warning("%s: %s", line.where, line.error)
        self._complaints.append(line)
        if self._source.on_bad_line == "stop" and self.bad_lines == _SHOWN_BAD_LINES:
            self._report()

    def _report(self) -> None:
        """List the bad lines in `bad_lines.jsonl`, and stop if the recipe says so."""
        path = self._run.folder.path / "bad_lines.jsonl"
        if self._complaints or path.exists():
            lines = b"".join(msgspec.json.encode(line) + b"\n" for line in self._complaints)
            replace_file(path, lines)
        if self._complaints and self._source.on_bad_line == "stop":
            shown = "\n".join(f"  {line.where}: {line.error}" for line in self._complaints)
            raise RecipeError(
                f"problems: {len(self._complaints)} bad lines, the first ones:\n{shown}\n"
                "Mend them, or set problems.on_bad_line: skip"
            )


def _with_known_split(problem: Problem) -> Problem:
    """Questions of public test sets are test data, whatever their source says."""
    if problem.split != "test" and test_set_of(problem.question):
        return msgspec.structs.replace(problem, split="test")
    return problem


def _named(test_set: str) -> str:
    return f" ({test_set})" if test_set else ""


async def _judged(problem: Problem, attempt: Attempt, verify: Verify) -> Verdict:
    """Only an attempt that ended by itself has an answer; the others are unfinished."""
    if attempt.finish == "stop":
        return await verify(problem, attempt.solution)
    why = {"length": "cut off before its end", "pruned": "given up by the search"}
    return Verdict("unfinished", reason=why[attempt.finish])


def _from(stage: Stage) -> tuple[Stage, ...]:
    return STAGES[STAGES.index(stage) :]


def _digest(*parts: object) -> str:
    return blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=12).hexdigest()


def _gone(ids: Iterable[str], seen: Container[str], name: str) -> str:
    gone = [id for id in ids if id not in seen]
    return (
        f"problems: the source no longer holds {len(gone)} problems that run {name} has loaded "
        f"({gone[0]} is the first). Give the run another --name, or start from the source again "
        "with --redo load"
    )


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
