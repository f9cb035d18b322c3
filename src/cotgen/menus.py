"""The kinds of every family, and what a mistake in a recipe means in their terms."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from cotgen.chains import AnyChains
from cotgen.emitters import AnyEmitter
from cotgen.filters import AnyFilter
from cotgen.importers import AnyImporter
from cotgen.problems import AnyProblems
from cotgen.protocols import Component
from cotgen.search import AnySearch
from cotgen.teachers import AnyTeacher
from cotgen.verifiers import AnyVerifier

Kinds = dict[str, type[Component]]


def kinds_of(menu: Any) -> Kinds:
    """A menu's components by kind; a menu is one component or an annotated union of several."""
    union = menu.__origin__ if hasattr(menu, "__metadata__") else menu
    components = getattr(union, "__args__", (union,))
    return {component.model_fields["kind"].default: component for component in components}


MENUS: dict[str, Kinds] = {
    "problems": kinds_of(AnyProblems),
    "teachers": kinds_of(AnyTeacher),
    "search": kinds_of(AnySearch),
    "verifiers": kinds_of(AnyVerifier),
    "filters": kinds_of(AnyFilter),
    "chains": kinds_of(AnyChains),
    "emitters": kinds_of(AnyEmitter),
    "importers": kinds_of(AnyImporter),
}


class _Section(NamedTuple):
    """A section of a recipe: its family, and how deep in it a component stands."""

    family: str
    depth: int


_SECTIONS = {
    "problems": _Section("problems", 1),
    "teachers": _Section("teachers", 2),
    "search": _Section("search", 1),
    "verifier": _Section("verifiers", 1),
    "filters": _Section("filters", 2),
    "chains": _Section("chains", 1),
    "datasets": _Section("emitters", 2),
}


def explained(mistake: Mapping[str, Any], recipe: type[BaseModel]) -> str:
    """One of pydantic's errors as `key: what is wrong, and what is allowed`."""
    key, model = _place(mistake["loc"], recipe)
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{key}: there is no such key{_meant(key, model)}"
    if kind == "missing":
        return f"{key}: is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        got = f", got {context['tag']!r}" if "tag" in context else ""
        allowed = ", ".join(MENUS[_SECTIONS[str(mistake["loc"][0])].family])
        return f"{key}.kind: choose one of {allowed}{got}"
    message = str(mistake["msg"]).removeprefix("Value error, ")
    given = mistake.get("input")
    if isinstance(given, str | int | float | bool | None):
        message += f" (got {given!r})"
    return f"{key}: {message}" if key else message


def _place(
    loc: tuple[int | str, ...], recipe: type[BaseModel]
) -> tuple[str, type[BaseModel] | None]:
    """The key as the user wrote it, and the model that has or lacks it.

    Pydantic puts the chosen kind into the path; the user's YAML has no such level.
    """
    parts = list(loc)
    section = _SECTIONS.get(str(parts[0])) if parts else None
    model: type[BaseModel] | None = recipe
    if section and len(parts) > section.depth:
        kinds = MENUS[section.family]
        tag = parts.pop(section.depth) if len(kinds) > 1 else next(iter(kinds))
        model = kinds.get(str(tag))
    elif len(parts) > 1 and isinstance(part := recipe.model_fields[str(parts[0])].annotation, type):
        model = part if issubclass(part, BaseModel) else None
    return ".".join(str(part) for part in parts), model


def _meant(key: str, model: type[BaseModel] | None) -> str:
    """The keys that are allowed where an unknown one stands, and the likeliest."""
    if model is None:
        return ""
    allowed = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(key.rpartition(".")[2], allowed, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{meant} (allowed: {', '.join(allowed)})"
