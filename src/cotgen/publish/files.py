"""What of a run is published: the files of its datasets by split, and what belongs to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import msgspec
import yaml

from cotgen.errors import RecipeError, StoreError
from cotgen.menus import MENUS
from cotgen.publish.rows import count_rows
from cotgen.recipe import load_recipe
from cotgen.runs import saved_recipe
from cotgen.store import RunFolder
from cotgen.summary import Summary, read_summary

CARD = "README.md"
VERSION = version("cotgen")

_AFTER_THE_NAME = re.compile(
    r"(?:[./-](?P<split>train|validation|test))?"
    r"(?P<origin>\.origin)?(?P<shard>-\d{5}(?:-of-\d{5})?)?(?P<origin_>\.origin)?"
    r"\.(?P<suffix>parquet|jsonl)"
)


class Config(NamedTuple):
    """A dataset as the Hub knows it. Files are paths inside the run's `datasets/`."""

    name: str
    settings: dict[str, Any]
    splits: dict[str, list[str]]
    rows: dict[str, int]
    origins: list[str]

    @property
    def all_rows(self) -> int:
        """The rows of all splits."""
        return sum(self.rows.values())

    def patterns(self) -> dict[str, str | list[str]]:
        """For each split the glob that finds its files; a list where one glob is not enough."""
        globs = {
            split: sorted({_as_glob(file) for file in files})
            for split, files in self.splits.items()
        }
        return {split: found[0] if len(found) == 1 else found for split, found in globs.items()}


class Publication(NamedTuple):
    """A finished run, as it is read for publishing. `extras` are files that hold no rows."""

    folder: Path
    recipe: dict[str, Any]
    summary: Summary
    configs: list[Config]
    extras: list[str]

    @property
    def datasets(self) -> Path:
        """Where the files of the datasets are."""
        return self.folder / "datasets"

    @property
    def recipe_text(self) -> str:
        """The recipe as it is published."""
        return yaml.safe_dump(self.recipe, sort_keys=False, allow_unicode=True, width=100)

    def row_files(self) -> Iterator[str]:
        """The files that hold a line for each row: the rows, and where they came from."""
        yield from _all_data(self.configs)
        for config in self.configs:
            yield from config.origins

    def files(self) -> dict[str, Path | bytes]:
        """Every file that is sent, the card aside, by its path in the repository."""
        names = sorted([*self.extras, *self.row_files()])
        found: dict[str, Path | bytes] = {name: self.datasets / name for name in names}
        return found | {"recipe.yaml": self.recipe_text.encode()}

    def outdated(self, paths: Iterable[str]) -> list[str]:
        """Those of a repository's files that an earlier push of these datasets has left behind."""
        names, ours = [config.name for config in self.configs], self.files()
        return sorted(path for path in paths if path not in ours and _part(path, names))


def read_publication(folder: Path) -> Publication:
    """Read a run that is to be published. Raises RecipeError if there is nothing to publish."""
    recipe = told(saved_recipe(folder))
    made = RunFolder(folder).manifest.datasets
    unfinished = [name for name, about in made.items() if "rows" not in about]
    if unfinished or not made:
        missing = f"dataset {unfinished[0]} is not finished" if unfinished else "no dataset is made"
        raise RecipeError(f"{folder}: {missing}; run it to its end first: cotgen run {folder}")
    paths = _paths(folder / "datasets")
    suffix = "parquet" if all(_data(paths, name, made, "parquet") for name in made) else "jsonl"
    configs = [
        _config(folder / "datasets", _made(paths, name, made, suffix), about)
        for name, about in _settings(folder, made).items()
    ]
    if not any(config.all_rows for config in configs):
        raise RecipeError(f"{folder}: its datasets hold no rows, there is nothing to publish")
    extras = [path for path in paths if _part(path, made) is None and path != CARD]
    extras += _listed_too(folder / "datasets", {*paths} - {*_all_data(configs)})
    return Publication(
        folder, recipe, read_summary(folder), [each for each in configs if each.all_rows], extras
    )


_OURS = {"limits", "series", "notify"}
_ADDRESSES = {"base_url", "base_urls", "python", "env", "log_file"}
_PLACES = {"path", "runs", "model", "tokenizer"}
_KEYS = {"api_key_env"}
"""Named, so that their values can be looked for in what is published."""


def told(recipe: dict[str, Any]) -> dict[str, Any]:
    """A resolved recipe without what is nobody else's business and changes no row: how and where
    teachers were reached, what may be spent, whom to tell, and the folders that files lie in."""
    public = {section: each for section, each in recipe.items() if section not in _OURS}
    teachers = public.get("teachers")
    if isinstance(teachers, dict):
        public["teachers"] = {name: _lasting(each) for name, each in teachers.items()}
    return {section: _placeless(each) for section, each in public.items()}


def _placeless(value: Any, key: str = "") -> Any:
    """Settings in which a file or a model of this machine is called by its name alone."""
    if isinstance(value, dict):
        return {key: _placeless(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_placeless(each, key) for each in value]
    if key in _PLACES and isinstance(value, str) and value.startswith(("/", "~", "..")):
        return PurePath(value).name
    return value


def _lasting(teacher: dict[str, Any]) -> dict[str, Any]:
    kind = MENUS["teachers"].get(teacher.get("kind", ""))
    hidden = _ADDRESSES | (kind.incidental - _KEYS if kind else set())
    return {key: value for key, value in teacher.items() if key not in hidden}


def _all_data(configs: Iterable[Config]) -> Iterator[str]:
    return (file for config in configs for files in config.splits.values() for file in files)


def _listed_too(datasets: Path, others: set[str]) -> list[str]:
    """The JSON Lines that LLaMA-Factory is told to read, where the rows are sent as Parquet."""
    try:
        listed = json.loads((datasets / "dataset_info.json").read_bytes())
    except FileNotFoundError:
        return []
    return sorted(others & {str(each.get("file_name")) for each in listed.values()})


def _paths(datasets: Path) -> list[str]:
    return sorted(
        path.relative_to(datasets).as_posix()
        for path in datasets.rglob("*")
        if path.is_file() and path.suffix != ".tmp" and not path.name.startswith(".")
    )


class _Part(NamedTuple):
    name: str
    split: str
    origin: bool
    suffix: str


def _part(path: str, names: Iterable[str]) -> _Part | None:
    """Whose file it is. The longest name decides: `sft-long.parquet` is no shard of `sft`."""
    for name in sorted(names, key=len, reverse=True):
        if path.startswith(name) and (found := _AFTER_THE_NAME.fullmatch(path[len(name) :])):
            origin = bool(found["origin"] or found["origin_"])
            return _Part(name, found["split"] or "train", origin, found["suffix"])
    return None


def _data(paths: list[str], name: str, names: Iterable[str], suffix: str) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for path in paths:
        part = _part(path, names)
        if part and (part.name, part.origin, part.suffix) == (name, False, suffix):
            splits.setdefault(part.split, []).append(path)
    return splits


def _made(paths: list[str], name: str, made: dict[str, dict[str, Any]], suffix: str) -> _Made:
    splits = _data(paths, name, made, suffix)
    return _Made(name, splits, _origins(paths, name, made), made[name]["rows"])


def _origins(paths: list[str], name: str, names: Iterable[str]) -> list[str]:
    parts = ((path, _part(path, names)) for path in paths)
    return [path for path, part in parts if part and part.origin and part.name == name]


def _config(datasets: Path, made: _Made, settings: dict[str, Any]) -> Config:
    rows = {
        split: sum(count_rows(datasets / file) for file in files)
        for split, files in made.splits.items()
    }
    if sum(rows.values()) != made.rows:
        raise StoreError(
            f"{datasets / made.name}.*: {sum(rows.values()):,} rows, but manifest.json says "
            f"{made.rows:,}. Run it again: cotgen run {datasets.parent}"
        )
    # `load_dataset` finds no split in files without rows.
    filled = {split: files for split, files in made.splits.items() if rows[split]}
    return Config(
        made.name, settings, filled, {split: rows[split] for split in filled}, made.origins
    )


class _Made(NamedTuple):
    """A dataset as it lies on the disk, and how many rows it should have."""

    name: str
    splits: dict[str, list[str]]
    origins: list[str]
    rows: int


def _settings(folder: Path, made: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Each dataset's settings, in the recipe's order.

    A recipe of components that are not installed here cannot be read: then only names are known.
    """
    try:
        datasets = load_recipe(folder / "recipe.yaml").datasets
    except RecipeError:
        datasets = ()
    stated = {
        each.file_name: _placeless(
            {
                "kind": each.kind,
                **each.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            }
        )
        for each in datasets
    }
    names = [*(name for name in stated if name in made), *sorted(set(made) - set(stated))]
    return {name: stated.get(name, {}) for name in names}


def _as_glob(path: str) -> str:
    """Shards of one split alike; a `*` would find those of `sft-folded` among those of `sft`."""
    return re.sub(r"-\d{5}((?:-of-\d{5})?(?:\.origin)?\.\w+)$", r"-?????\1", path)


def size_of(data: Path | bytes) -> int:
    """How many bytes a file has, or would have."""
    return len(data) if isinstance(data, bytes) else data.stat().st_size


class Origin(msgspec.Struct):
    """What publishing asks of a row's origin; the emitter wrote more."""

    split: str = ""
    source: str = ""
    license: str = ""
