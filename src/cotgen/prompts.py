"""Prompts: named templates, read when the recipe is, so that a run keeps the very text it used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import jinja2.nodes
import jinja2.sandbox
from pydantic import BaseModel, ConfigDict, model_validator

_ENVIRONMENT = jinja2.sandbox.SandboxedEnvironment(
    undefined=jinja2.StrictUndefined, keep_trailing_newline=False, trim_blocks=True
)
del _ENVIRONMENT.filters["random"]  # The same recipe asks for the same, always.
# What a template of the user's can run into; jinja2 passes errors of its expressions on unchanged.
_FAILURES = (
    jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, MemoryError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip


class Prompt(BaseModel):
    """A template's name and text. A recipe gives a name, a path ending in .j2, or both fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """The template's name, for people."""
    text: str
    """The jinja2 template itself."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {"name": Path(value).stem, "text": _text_of(value)}

    @classmethod
    def named(cls, name: str) -> Prompt:
        """A template that comes with cotgen."""
        return cls(name=name, text=_text_of(name))

    @property
    def digest(self) -> str:
        """Changes if and only if the text does."""
        return _digest(self.text)

    def check(self, **variables: object) -> None:
        """Raise ValueError if the template cannot be rendered, or never shows the first variable.

        A prompt that never shows its question would ask the same of all problems.
        """
        rendered = self.render(**variables)
        for first in list(variables)[:1]:
            if rendered == self.render(**{**variables, first: "something else"}):
                raise ValueError(f"prompt {self.name}: it never shows {{{{ {first} }}}}")

    def render(self, **variables: object) -> str:
        """Fill in the template. Raises ValueError if it cannot be (as by an unknown variable)."""
        try:
            if (plain := _plain(self.text)) and plain.names <= variables.keys():
                return plain.filled(variables)
            return _compiled(self.text).render(**variables)
        except jinja2.UndefinedError as error:
            known = ", ".join(sorted(variables))
            raise ValueError(f"prompt {self.name}: {error} (allowed: {known})") from error
        except _FAILURES as error:
            raise ValueError(f"prompt {self.name}: cannot be rendered: {error}") from error


def names() -> list[str]:
    """The templates that come with cotgen."""
    folder = resources.files("cotgen") / "templates"
    return sorted(file.name.removesuffix(".j2") for file in folder.iterdir())


@lru_cache(maxsize=64)
def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=64)
def _compiled(text: str) -> jinja2.Template:
    try:
        return _ENVIRONMENT.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"the prompt is not a jinja2 template: {error}") from error


@dataclass(frozen=True)
class _Plain:
    """A template of literal parts and names only: filling it by hand is ten times faster."""

    parts: tuple[str, ...]
    """Literals at even places, names at odd ones."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.parts[1::2])

    def filled(self, variables: Mapping[str, object]) -> str:
        return "".join(
            str(variables[part]) if at % 2 else part for at, part in enumerate(self.parts)
        )


@lru_cache(maxsize=64)
def _plain(text: str) -> _Plain | None:
    """The parts of such a template; None for any other, and for one that is broken."""
    try:
        nodes = _ENVIRONMENT.parse(text).body
    except jinja2.TemplateSyntaxError:
        return None
    parts = [""]
    for piece in (piece for node in nodes for piece in getattr(node, "nodes", [node])):
        if isinstance(piece, jinja2.nodes.TemplateData):
            parts[-1] += piece.data
        elif isinstance(piece, jinja2.nodes.Name):
            parts += [piece.name, ""]
        else:
            return None
    return _Plain(tuple(parts))


def _text_of(name: str) -> str:
    if name.endswith(".j2"):
        try:
            return Path(name).read_text(encoding="utf-8-sig").rstrip("\n")
        except OSError as error:
            raise ValueError(f"{name}: {error.strerror}") from error
    file = resources.files("cotgen") / "templates" / f"{name}.j2"
    if not file.is_file():
        raise ValueError(f"no prompt is called {name!r}: choose {', '.join(names())} or a .j2 file")
    return file.read_text(encoding="utf-8").rstrip("\n")
