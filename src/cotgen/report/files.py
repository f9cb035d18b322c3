"""What a report reads beside the tables: the recipe, dataset files, what filters dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from cotgen.errors import StoreError
from cotgen.publish.files import told
from cotgen.report.numbers import Dataset, Facts, Names
from cotgen.store import RunFolder
from cotgen.store.lines import UNREADABLE
from cotgen.summary import Summary

FILTERED = "filtered.jsonl"
_MOST_NAMES = 500
_OTHERS = "(others)"
_LONGEST_SETTING = 200

Recipe = dict[str, Any]
"""A resolved recipe as it was saved; its components need not be installed here."""


class Written(NamedTuple):
    """The datasets of a run, and how many problems are in any of them."""

    datasets: list[Dataset]
    problems: int


class _Origin(msgspec.Struct):
    problem: str
    source: str = ""


class _Dropped(msgspec.Struct):
    id: str = ""
    filter: str = "(unnamed)"
    reason: str = "(none)"


def price_of(recipe: Recipe, teacher: str) -> tuple[float, float]:
    """USD for a million tokens read and written; 0 for a teacher without a price."""
    price = recipe["teachers"].get(teacher, {}).get("price") or {}
    return float(price.get("input", 0)), float(price.get("output", 0))


def facts_of(recipe: Recipe, folder: Path) -> Facts:
    """The recipe in a few lines, and for comparisons all of it that may leave the machine: a page
    is mailed, and a webhook's address is a key."""
    search, problems = recipe["search"], recipe["problems"]
    sampling = [
        f"{name.replace('_', ' ')} {search[name]}"
        for name in ("n", "temperature", "top_p", "max_tokens")
        if search.get(name) is not None
    ]
    chains = recipe.get("chains")
    lines = [
        ("problems", " · ".join(_facts(problems, "kind", "source", "path", "split", "license"))),
        *(
            (f"teacher {name}", " · ".join(_facts(teacher, "kind", "model")))
            for name, teacher in recipe["teachers"].items()
        ),
        ("search", " · ".join([str(search["kind"]), *sampling])),
        ("verifier", str(recipe["verifier"]["kind"])),
        ("chains", str(chains["kind"]) if chains else "none"),
        ("seed", str(recipe.get("seed", 0))),
    ]
    return Facts(folder.absolute().name, lines, dict(_flat(told(recipe))))


def _facts(section: dict[str, Any], *names: str) -> list[str]:
    return [str(section[name]) for name in names if section.get(name)]


def _flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every setting with its dotted key."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    if items:
        for key, inner in items:
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif path != "name":
        yield path, str(value)[:_LONGEST_SETTING]


def written(folder: Path, summary: Summary) -> Written:
    """The datasets that are written whole, read once from their origin files."""
    found: list[Dataset] = []
    everywhere: set[int] = set()
    for name, about in sorted(RunFolder(folder).manifest.datasets.items()):
        if "rows" not in about:
            continue
        stems = [stem for split in about.get("files", {"": [name]}).values() for stem in split]
        paths = [folder / "datasets" / f"{stem}.origin.jsonl" for stem in stems]
        origins = (origin for path in paths for origin in _origins(path))
        rows, sources, problems, most = 0, Counter[str](), 0, 0
        for problem, run in groupby(origins, key=lambda origin: origin.problem):
            made = list(run)
            rows, problems, most = rows + len(made), problems + 1, max(most, len(made))
            sources.update(_counted(sources, origin.source) for origin in made)
            everywhere.add(hash(problem))
        found.append(
            Dataset(
                name=name,
                rows=rows,
                left_out=dict(sorted(about.get("refused", {}).items())),
                problems=problems,
                most_per_problem=most,
                sources=dict(sources.most_common()),
                tokens_per_row=summary.tokens / rows if rows else None,
                cost_per_row=summary.cost_usd / rows if rows else None,
            )
        )
    return Written(found, len(everywhere))


def _counted(names: Collection[str], name: str) -> str:
    """The name under which one more is counted; hostile data may have a new one on every line."""
    name = name[:_LONGEST_SETTING]
    return name if name in names or len(names) < _MOST_NAMES else _OTHERS


def _origins(path: Path) -> Iterator[_Origin]:
    return (cast(_Origin, line) for line in _lines(path, _Origin))


def filtered(folder: Path) -> dict[str, Names]:
    """What each filter dropped, by reason, where a run has filters."""
    counts: dict[str, Counter[str]] = {}
    path = folder / FILTERED
    for line in _lines(path, _Dropped) if path.exists() else ():
        dropped = cast(_Dropped, line)
        reasons = counts.setdefault(_counted(counts, dropped.filter), Counter())
        reasons[_counted(reasons, dropped.reason)] += 1
    return {name: dict(reasons.most_common()) for name, reasons in sorted(counts.items())}


def dropped_ids(folder: Path) -> frozenset[str]:
    """The problems and attempts that filters dropped."""
    path = folder / FILTERED
    lines = _lines(path, _Dropped) if path.exists() else ()
    return frozenset(cast(_Dropped, line).id for line in lines)


def _lines(path: Path, kind: type[_Origin] | type[_Dropped]) -> Iterator[_Origin | _Dropped]:
    decode = msgspec.json.Decoder(kind).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):  # A last line that is still being written has none.
                    try:
                        yield decode(line)
                    except UNREADABLE as error:
                        raise StoreError(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
