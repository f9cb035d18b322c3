"""Bringing somebody else's dataset into a run (`cotgen import`).

Two passes. The first reads the files row by row and spools what each holds; only the digest of each
question and the place of its last row stay in memory. The second writes the tables, problem by
problem. All of it happens in `importing/` beside the tables, which are moved into their places when
they are whole, and the manifest last: an import that was killed begins again and makes the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import yaml
from pydantic import TypeAdapter, ValidationError

from cotgen import summary as numbers
from cotgen.errors import RecipeError, StoreError
from cotgen.importers import AnyImporter, Given, Imported, Skipped
from cotgen.loading import with_known_split
from cotgen.menus import MENUS
from cotgen.problems.fields import content_id
from cotgen.recipe import Recipe, parse_recipe
from cotgen.records import BadLine, Problem, Record, Rewarded, Searched, Split, Verified, own_json
from cotgen.rowfiles import read_file
from cotgen.runs import attempt_id, inputs_of
from cotgen.store import RunFolder, replace_file
from cotgen.store.folder import make_folder
from cotgen.store.lines import UNREADABLE, LineFile
from cotgen.yamltext import NotYaml, read_yaml

log = logging.getLogger(__name__)

_WORK = "importing"
_TABLES = ("problems", "attempts", "verdicts", "rewards", "bad_lines", "source_rows")
_SHOWN_BAD_LINES = 20
_WATCHED_EVERY = 500
_TEST_WORD = re.compile(r"(?<![a-z])test(?![a-z])")


class Asked(NamedTuple):
    """What an import is to do.

    `verdicts`: `keep` takes the dataset's own word on an answer for a verdict (method `recorded`),
    `again` has all attempts judged by the run's verifier. `test_problems`: `mark` those of test
    splits as such, or `drop` them.
    """

    importer: AnyImporter
    files: tuple[Path, ...]
    verdicts: Literal["again", "keep"] = "again"
    test_problems: Literal["mark", "drop"] = "mark"
    on_bad_line: Literal["stop", "skip"] = "stop"


class File(Record, frozen=True):
    """A file that was imported: its name, not where it lay, and the split of its rows."""

    name: str
    bytes: int
    sha256: str
    split: Split


class Counts(msgspec.Struct):
    """What was read and what it became. `skipped` counts rows left out on purpose, by reason."""

    rows: int = 0
    problems: int = 0
    attempts: int = 0
    verdicts: int = 0
    rewards: int = 0
    bad_lines: int = 0
    skipped: dict[str, int] = {}


class Brought(msgspec.Struct):
    """`imported.json`: what was imported from where, with which settings, and what came of it."""

    dataset: str
    settings: dict[str, Any]
    verdicts: str
    test_problems: str
    files: tuple[File, ...]
    counts: Counts

    def identity(self) -> str:
        """A digest of all that decides what is made."""
        data = msgspec.json.encode(msgspec.structs.replace(self, counts=Counts()), order="sorted")
        return hashlib.blake2b(data, digest_size=12).hexdigest()


def importer_named(name: str, sets: Sequence[str] = ()) -> AnyImporter:
    """An importer with settings as `key=value`. Raises RecipeError naming what is allowed."""
    kinds = MENUS["importers"]
    if name not in kinds:
        raise RecipeError(f"no importer is called {name!r}: choose one of {', '.join(kinds)}")
    given: dict[str, Any] = {"kind": name}
    for each in sets:
        key, equals, text = each.partition("=")
        if not equals or key not in kinds[name].model_fields or key == "kind":
            allowed = ", ".join(field for field in kinds[name].model_fields if field != "kind")
            raise RecipeError(f"--set {each}: write key=value with a key of {allowed}")
        given[key] = _yaml_value(each, text)
    try:
        importer: AnyImporter = TypeAdapter(AnyImporter).validate_python(given)
    except ValidationError as error:
        (first, *_) = error.errors()
        raise RecipeError(f"--set {first['loc'][-1]}: {first['msg']}") from error
    return importer


def _yaml_value(where: str, text: str) -> Any:
    try:
        value = read_yaml(text)
    except NotYaml as error:
        raise RecipeError(f"--set {where}: the value is not YAML: {error}") from error
    # A licence of `1.0` or a name of `on` is a text all the same.
    return value if isinstance(value, bool | str) else text


def bring(
    asked: Asked, outputs: Path, name: str, watch: Callable[[int], None] = lambda rows: None
) -> Brought:
    """Import files into the new run `outputs/name`, or find that they are there already.

    Raises RecipeError (bad lines, another run's folder), StoreError, RunLocked.
    """
    recipe, run = _recipe(name, asked.importer.kind), outputs / name
    if not asked.files:
        raise RecipeError("name the files to import")
    plan = _planned(asked)
    folder = RunFolder(run)
    _refuse_others(folder, plan)
    with folder.locked():
        work = run / _WORK
        if _refuse_others(folder, plan):
            shutil.rmtree(work, ignore_errors=True)
            return _read_brought(run)
        shutil.rmtree(work, ignore_errors=True)
        make_folder(work)
        try:
            counts = _Import(asked, work, watch).tables()
        except (RecipeError, StoreError):
            shutil.rmtree(work, ignore_errors=True)
            raise
        _put_in_place(folder, recipe, msgspec.structs.replace(plan, counts=counts))
        shutil.rmtree(work)
    return _read_brought(run)


def _recipe(name: str, dataset: str) -> Recipe:
    """The recipe of an imported run. It judges; chains and datasets are the user's to add."""
    imported = {"kind": "imported"}
    return parse_recipe(
        {
            "name": name,
            "problems": {"kind": "imported", "dataset": dataset},
            "teachers": {dataset: imported},
            "search": imported,
            "verifier": {"kind": "math"},
        },
        "--run",
    )


def _planned(asked: Asked) -> Brought:
    files = tuple(_fingerprint(path, _split_of(path, asked.importer)) for path in asked.files)
    settings = asked.importer.model_dump(mode="json", exclude={"kind"})
    kind = asked.importer.kind
    return Brought(kind, settings, asked.verdicts, asked.test_problems, files, Counts())


def _split_of(path: Path, importer: AnyImporter) -> Split:
    """A file called test is of a test split, whatever its dataset is mostly for."""
    told = "split" in importer.model_fields_set
    is_test = not told and _TEST_WORD.search(path.name.lower()) is not None
    return "test" if is_test else importer.split


def _fingerprint(path: Path, split: Split) -> File:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return File(path.name, file.tell(), digest, split)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error


def _refuse_others(folder: RunFolder, plan: Brought) -> bool:
    """Whether the run holds this very import. Raises RecipeError if it is anything else."""
    run = folder.path
    if not run.exists():
        return False
    if (run / "manifest.json").exists():
        if folder.manifest.loaded.get("imported") != plan.identity():
            raise RecipeError(f"{run} {_what_it_is(run)}: import into another --run")
        gone = [name for name in ("problems", "attempts") if not (run / f"{name}.jsonl").exists()]
        if gone:
            raise RecipeError(f"{run}: {gone[0]}.jsonl is gone. Import into another --run")
        return True
    others = {path.name for path in run.iterdir()} - {".lock", "run.log"}
    if others and _WORK not in others:
        raise RecipeError(f"{run} holds files that are no run ({min(others)}): use another --run")
    return False


def _what_it_is(run: Path) -> str:
    try:
        there = _read_brought(run)
    except StoreError:
        return "is a run of its own"
    files = ", ".join(file.name for file in there.files)
    return f"was imported otherwise ({there.dataset} from {files}, or with other settings)"


def _read_brought(run: Path) -> Brought:
    try:
        return msgspec.json.decode((run / "imported.json").read_bytes(), type=Brought)
    except (OSError, *UNREADABLE) as error:
        raise StoreError(f"{run / 'imported.json'}: {error}") from error


def _put_in_place(folder: RunFolder, recipe: Recipe, brought: Brought) -> None:
    """Move the tables to their places, then say what they are: the manifest is the last word."""
    run, counts = folder.path, brought.counts
    for name in _TABLES:
        made, place = run / _WORK / f"{name}.jsonl", run / f"{name}.jsonl"
        if made.exists():
            made.replace(place)
        else:
            place.unlink(missing_ok=True)  # Of an import that was killed on the way.
    told = msgspec.json.format(msgspec.json.encode(brought), indent=2)
    replace_file(run / "imported.json", told + b"\n")
    resolved = yaml.safe_dump(recipe.settings(), sort_keys=False, allow_unicode=True, width=100)
    replace_file(run / "recipe.yaml", resolved.encode())
    summary = numbers.Summary(recipe.name, counts.problems, attempts=counts.attempts)
    summary.bad_lines = counts.bad_lines
    numbers.write_summary(run, summary)
    folder.manifest.loaded = {"imported": brought.identity(), "bad_lines": counts.bad_lines}
    folder.manifest.tables = {
        "problems": recipe.lasting("problems"),
        "attempts": recipe.lasting("seed", "search", "teachers"),
        "verdicts": recipe.lasting("verifier"),
    }
    folder.save_manifest()


class _Spooled(Record, frozen=True):
    """What a row held, and where the row before it that held the same problem stands, or -1."""

    before: int
    imported: Imported


class _Found(NamedTuple):
    """What a row holds, and as JSON the columns that the tables have no place for."""

    items: list[Imported | Skipped]
    kept: bytes


class _Import:
    """One import at work in its folder."""

    def __init__(self, asked: Asked, work: Path, watch: Callable[[int], None]) -> None:
        self._asked = asked
        self._importer = asked.importer
        self._work = work
        self._watch = watch
        self._counts = Counts()
        self._skipped: Counter[str] = Counter()
        self._shown: list[BadLine] = []
        self._encode = msgspec.json.Encoder(enc_hook=own_json).encode
        self._last: dict[bytes, int] = {}

    def tables(self) -> Counts:
        """Read the files and write the tables."""
        with self._file("spool") as spool:
            self._read(spool)
            self._write(spool)
        (self._work / "spool.jsonl").unlink()
        self._counts.skipped = dict(sorted(self._skipped.items()))
        return self._counts

    def _file(self, name: str) -> LineFile:
        return LineFile(self._work / f"{name}.jsonl", gathered=True)

    # The first pass: rows

    def _read(self, spool: LineFile) -> None:
        with self._file("bad_lines") as bad, self._file("source_rows") as rows:
            for path in self._asked.files:
                split = _split_of(path, self._importer)
                for place, row in read_file(path):
                    where = path.name + place.removeprefix(str(path))
                    found = self._found(place, row)
                    if isinstance(found, BadLine):
                        self._complain(found, where, bad)
                        continue
                    ids = [self._spool(item, split, spool) for item in found.items]
                    if found.kept and any(ids):
                        id = next(filter(None, ids))
                        line = {"id": id, "where": where, "row": msgspec.Raw(found.kept)}
                        rows.append(self._encode(line))
        if self._shown and self._asked.on_bad_line == "stop":
            self._stop()
        self._watch(self._counts.rows)
        if not self._last:
            raise RecipeError(f"{self._named_files()}: no row holds a problem")
        self._drop_empty("bad_lines", "source_rows")

    def _found(self, place: str, row: Any) -> _Found | BadLine:
        self._counts.rows += 1
        if self._counts.rows % _WATCHED_EVERY == 0:
            self._watch(self._counts.rows)
        if isinstance(row, BadLine):
            return row
        try:
            typed: Any = msgspec.convert(row, self._importer.columns)
            return _Found(list(self._importer.read(typed)), self._kept(row))
        except msgspec.ValidationError as error:
            return BadLine(place, _said(error))
        except ValueError as error:
            return BadLine(place, str(error))
        except RecursionError:
            return BadLine(place, "nested too deeply")

    def _complain(self, line: BadLine, where: str, bad: LineFile) -> None:
        self._counts.bad_lines += 1
        bad.append(self._encode(BadLine(where, line.error)))
        if len(self._shown) < _SHOWN_BAD_LINES:
            self._shown.append(line)
            if len(self._shown) == _SHOWN_BAD_LINES and self._asked.on_bad_line == "stop":
                self._stop()

    def _stop(self) -> None:
        shown = "\n".join(f"  {line.where}: {line.error}" for line in self._shown)
        count = len(self._shown)
        found = "a bad line" if count == 1 else f"{count} bad lines"
        at_least = "at least " if count == _SHOWN_BAD_LINES else ""
        raise RecipeError(
            f"{self._importer.kind}: {at_least}{found}:\n{shown}\n"
            "Mend them, or import with --on-bad-line skip"
        )

    def _spool(self, item: Imported | Skipped, split: Split, spool: LineFile) -> str:
        """The id of the problem; empty if the row is left out."""
        if isinstance(item, Skipped):
            self._skipped[item.reason] += 1
            return ""
        problem = self._problem(item.problem, split)
        if problem.split == "test" and self._asked.test_problems == "drop":
            self._skipped["test problem"] += 1
            return ""
        key = bytes.fromhex(problem.id)
        whole = Imported(problem, item.given)
        line = self._encode(_Spooled(self._last.get(key, -1), whole))
        self._last[key] = spool.append(line)
        return problem.id

    def _problem(self, problem: Problem, split: Split) -> Problem:
        importer = self._importer
        return with_known_split(
            msgspec.structs.replace(
                problem,
                id=content_id(_plain(problem.question), problem.answer),
                split=split,
                source=importer.source or importer.kind,
                license=importer.license,
            )
        )

    def _kept(self, row: dict[str, Any]) -> bytes:
        """The columns of a row that the tables have no place for."""
        known = self._importer.in_tables
        kept = {key: each for key, each in row.items() if key not in known}
        if not kept or not self._importer.source_rows:
            return b""
        try:
            return self._encode(kept)
        except (TypeError, OverflowError):  # A value of Parquet that JSON does not know.
            return json.dumps(kept, default=str).encode()

    def _named_files(self) -> str:
        return ", ".join(map(str, self._asked.files))

    # The second pass: problems

    def _write(self, spool: LineFile) -> None:
        decode = msgspec.json.Decoder(_Spooled).decode
        with ExitStack() as stack:
            problems, attempts, verdicts, rewards = (
                stack.enter_context(self._file(name))
                for name in ("problems", "attempts", "verdicts", "rewards")
            )
            for last in self._last.values():
                rows = _rows(spool, last, decode)
                problem = rows[0].problem
                given = [each for row in rows for each in row.given]
                line = self._searched(problem, given)
                problems.append(self._encode(problem))
                attempts.append(self._encode(line))
                for number, attempt in enumerate(line.attempts):
                    inputs = inputs_of(problem, self._encode(attempt))
                    told = (attempt_id(line.id, number), inputs)
                    self._judge(told, given[number], verdicts)
                    self._reward(told, given[number], rewards)
        self._counts.problems = len(self._last)
        self._drop_empty("verdicts", "rewards")

    def _drop_empty(self, *names: str) -> None:
        for path in (self._work / f"{name}.jsonl" for name in names):
            if not path.stat().st_size:
                path.unlink()

    def _searched(self, problem: Problem, given: list[Given]) -> Searched:
        """All attempts at a problem; there are no more to be had."""
        kind = self._importer.kind
        attempts = tuple(
            msgspec.structs.replace(
                each.attempt,
                origin=msgspec.structs.replace(each.attempt.origin, teacher=kind, sample=number),
            )
            for number, each in enumerate(given)
        )
        self._counts.attempts += len(attempts)
        return Searched(f"{problem.id}@{kind}", problem.id, kind, attempts, enough=True)

    def _judge(self, told: tuple[str, str], given: Given, verdicts: LineFile) -> None:
        """Keep the dataset's word, if that is wanted, on an attempt that can have a verdict."""
        attempt = given.attempt
        can_have_one = attempt.finish == "stop" and not attempt.flaw
        if self._asked.verdicts == "keep" and given.recorded and can_have_one:
            line = Verified(*told, given.recorded, "", "recorded", "")
            verdicts.append(self._encode(line))
            self._counts.verdicts += 1

    def _reward(self, told: tuple[str, str], given: Given, rewards: LineFile) -> None:
        if given.rewards:
            assert len(given.rewards) == len(given.attempt.steps)
            rewards.append(self._encode(Rewarded(*told, given.rewards, self._importer.kind)))
            self._counts.rewards += 1


def _rows(spool: LineFile, last: int, decode: Callable[[bytes], _Spooled]) -> list[Imported]:
    """What all rows of a problem held, in the order of the files."""
    rows: list[Imported] = []
    while last >= 0:
        spooled = decode(spool.at(last))
        rows.append(spooled.imported)
        last = spooled.before
    return rows[::-1]


def _plain(question: str) -> str:
    """A question whose white space and composed characters make no difference to its id."""
    return " ".join(unicodedata.normalize("NFC", question).split())


_PATH = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?", re.DOTALL)


def _said(error: msgspec.ValidationError) -> str:
    """`key: what is wrong`, for a row that has not the types of its format."""
    found = _PATH.fullmatch(str(error))
    if found is None or not found["where"]:
        return str(error)
    return f"{found['where']}: {found['what']}"
