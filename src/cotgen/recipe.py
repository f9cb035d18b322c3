"""The recipe: what a run is to do. Loading, `--set`, checks across sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from cotgen.chains import AnyChains
from cotgen.datafiles import is_reserved
from cotgen.emitters import AnyEmitter
from cotgen.errors import RecipeError
from cotgen.filters import AnyFilter, DecontaminateFilter
from cotgen.limits import Limits, Prices, Spending
from cotgen.menus import explained
from cotgen.notifying import Notify
from cotgen.problems import AnyProblems
from cotgen.protocols import Component, FileName
from cotgen.search import AnySearch
from cotgen.teachers import AnyTeacher
from cotgen.verifiers import AnyVerifier
from cotgen.yamltext import NotYaml, read_yaml

ENTRY_POINTS = "cotgen.kinds"
"""The group under which a package announces kinds of its own: `name = module:Class`."""


def _own_kind(*verbs: str) -> WrapValidator:
    """Let components of the user's own through, as objects or by an announced kind, if they have
    the attributes that their family's protocol asks for."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        entry = announced().get(kind) if isinstance(kind, str) else None
        if entry is not None:
            component: type[Component] = entry.load()
            value = component.model_validate(value)
        if not isinstance(value, Component):
            return handler(value)
        missing = [verb for verb in verbs if not hasattr(value, verb)]
        if missing:
            raise ValueError(f"{type(value).__name__} has no {', '.join(missing)}")
        return value

    return WrapValidator(validate)


def announced() -> dict[str, EntryPoint]:
    """The kinds of other installed packages."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


_Teacher = Annotated[AnyTeacher, _own_kind("connect", "concurrency", "paid", "retries", "price")]
_Filter = Annotated[AnyFilter, _own_kind("decide", "alone", "reads")]
_Emitter = Annotated[AnyEmitter, _own_kind("emit", "file_name", "allow_test", "columns")]


class Files(BaseModel):
    """How the rows of all datasets are put into files."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    shard_mb: PositiveInt = 500
    """A file of JSON Lines has at most so many megabytes (10⁶ bytes), or one row that is longer."""
    validation: float = Field(default=0.0, ge=0, lt=1)
    """The share of the problems whose rows are set aside for validation, in every dataset."""


class Recipe(BaseModel):
    """What a run is to do, as YAML states it or as Python objects."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: FileName
    """The run's name: its folder is `outputs/<name>`."""
    seed: int = 0
    """All random draws and sampling seeds follow from it."""
    problems: Annotated[AnyProblems, _own_kind("load", "limit", "remote", "on_bad_line")]
    """Where problems come from."""
    teachers: dict[FileName, _Teacher] = Field(min_length=1)
    """The LLMs that generate, by a name of your own; each searches every problem."""
    search: Annotated[AnySearch, _own_kind("search", "wants_more", "most_calls")]
    """How teacher calls are spent on one problem."""
    verifier: Annotated[AnyVerifier, _own_kind("verify", "timeout_s")]
    """The judge of final answers."""
    filters: tuple[_Filter, ...] = ()
    """What enters chains and datasets, decided in this order once attempts are judged."""
    chains: Annotated[AnyChains, _own_kind("build")] | None = None
    """How attempts become long chains; none if absent."""
    datasets: tuple[_Emitter, ...] = ()
    """The datasets to write."""
    files: Files = Files()
    """How their rows are put into files."""
    limits: Limits = Limits()
    """Where sampling ends before all is done; without any it goes on to the end."""
    series: Spending = Spending()
    """Where a series ends: what all its dated runs together may spend."""
    notify: Notify = Notify()
    """Whom to tell when the run has ended."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [dataset.file_name for dataset in self.datasets]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"datasets.{number}.name: {name!r} is taken by an earlier dataset")
            if is_reserved(name):
                raise ValueError(
                    f"datasets.{number}.name: {name!r} ends as the files of a split, a shard or "
                    "origins do (-train, -validation, -test, -00000-of-00001, .origin)"
                )
            source = getattr(self.datasets[number], "source", "attempts")
            if source == "chains" and self.chains is None:
                raise ValueError(f"datasets.{number}.from: chains, but the recipe builds no chains")
        for name, teacher in self.teachers.items():
            can_have = "price" in getattr(type(teacher), "model_fields", {})
            key = "series" if self.limits.cost_usd is None else "limits"
            limited = self.limits.cost_usd is not None or self.series.cost_usd is not None
            if limited and can_have and teacher.price is None:
                raise ValueError(
                    f"{key}.cost_usd: teachers.{name} names no price, so its cost cannot be "
                    "limited: give it one ({input: 0.15, output: 0.60}; zeros if it costs nothing)"
                )
        return self

    @property
    def prices(self) -> Prices:
        """What each teacher costs."""
        return {name: teacher.price for name, teacher in self.teachers.items()}

    def settings(self) -> dict[str, Any]:
        """The whole recipe as plain values, defaults and prompt texts filled in."""
        plain = self.model_dump(mode="json", by_alias=True, serialize_as_any=True)
        if not self.filters:
            del plain["filters"]  # A run without filters is what it was before there were any.
        return plain

    def dropped_test_sets(self) -> frozenset[str]:
        """The known test sets whose problems a filter drops before anything is emitted."""
        filters = [each for each in self.filters if isinstance(each, DecontaminateFilter)]
        return frozenset(name for each in filters for name in each.test_sets)

    def lasting(self, *sections: str) -> dict[str, Any]:
        """Sections as plain values without incidental settings: what a table depends on."""
        return {section: lasting(getattr(self, section)) for section in sections}

    def digest(self, dataset: Component) -> str:
        """What a dataset's rows name as their recipe: all that can change what is made, and none
        of the other datasets."""
        made_by = self.lasting("seed", "problems", "teachers", "search", "verifier", "chains")
        whole = (made_by, lasting(dataset), self.files.model_dump())
        return blake2b(
            msgspec.json.encode(whole, order="deterministic"), digest_size=12
        ).hexdigest()


def lasting(settings: object) -> Any:
    """Settings as plain values without those that cannot change what is made."""
    if isinstance(settings, dict):
        return {name: lasting(component) for name, component in settings.items()}
    if not isinstance(settings, Component):
        return settings
    plain = settings.model_dump(mode="json", by_alias=True, exclude=set(settings.incidental))
    if not type(settings).__module__.startswith("cotgen."):
        # A user's own class need not have a kind: two of them must not pass for one.
        plain["class"] = f"{type(settings).__module__}.{type(settings).__qualname__}"
    return plain


def load_recipe(path: Path, overrides: list[str] | None = None, name: str | None = None) -> Recipe:
    """Read a recipe file. Raises RecipeError with every mistake in it, each with its key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error})") from error
    try:
        raw = read_yaml(text)
    except NotYaml as error:
        raise RecipeError(f"{path}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{path}: a recipe is a mapping that starts with `name:`")
    for override in overrides or []:
        _override(raw, override)
    if name is not None:
        raw["name"] = name
    return parse_recipe(raw, str(path))


def parse_recipe(raw: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Build a recipe from plain values. Raises RecipeError with every mistake."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        mistakes = [explained(mistake, Recipe) for mistake in error.errors()]
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        count = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "a mistake"
        raise RecipeError(f"{where}: {count}\n{lines}") from error


def _override(raw: dict[str, Any], override: str) -> None:
    """Apply `key.path=value`; the value is read as YAML."""
    path, equals, text = override.partition("=")
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", path):
        raise RecipeError(f"--set {override}: write key.path=value, as in --set search.n=8")
    try:
        value = read_yaml(text)
    except NotYaml as error:
        raise RecipeError(f"--set {path}: the value is not YAML: {error}") from error
    *parents, last = path.split(".")
    target: Any = raw
    for key in parents:
        target = _inside(target, key, f"--set {path}", create=True)
    if isinstance(target, list):
        _inside(target, last, f"--set {path}", create=False)
        target[int(last)] = value
    else:
        target[last] = value


def _inside(target: Any, key: str, where: str, *, create: bool) -> Any:
    if isinstance(target, list):
        if not key.isdigit() or int(key) >= len(target):
            raise RecipeError(f"{where}: no entry {key} in a list of {len(target)} (from 0)")
        return target[int(key)]
    inner = target.setdefault(key, {}) if create else target.get(key)
    if not isinstance(inner, dict | list):
        raise RecipeError(f"{where}: {key} is {inner!r}, it has no keys")
    return inner
