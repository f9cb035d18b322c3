"""Who wrote the attempts, who judged them, and how the rows are made again, in a card's words.

An imported run was written by others, people among them: its card must not call that its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from cotgen.errors import StoreError
from cotgen.menus import MENUS
from cotgen.publish.files import VERSION, Publication
from cotgen.publish.markdown import fenced, inline, table
from cotgen.store.lines import UNREADABLE


class _File(msgspec.Struct):
    name: str
    bytes: int
    sha256: str


class _Import(msgspec.Struct):
    """What a card tells of `imported.json`."""

    dataset: str
    settings: dict[str, Any]
    verdicts: str
    test_problems: str
    files: tuple[_File, ...]


def written_by(publication: Publication) -> str:
    """Who wrote the attempts and who judged them."""
    teachers = publication.recipe.get("teachers") or {}
    verifier = f"verifier ({inline(_kind(publication.recipe.get('verifier')))})"
    if imported := _imported(publication):
        said = f"Imported from {_bold([imported.dataset])}, which says who wrote them, and judged "
        said += f"by a {verifier}"
        if imported.verdicts == "keep":
            said += " where the dataset itself does not say what is correct"
        if any(config.settings.get("kind") == "prm" for config in publication.configs):
            said += "; labels of steps are the dataset's"
        return f"{said}."
    models = [str(each.get("model") or name) for name, each in teachers.items()]
    return f"Synthetic: written by {_bold(models)} and judged by a {verifier}, not by people."


def made_again(publication: Publication) -> Iterator[str]:
    """The commands that make the rows again, and what they need."""
    imported = _imported(publication)
    yield (
        "`recipe.yaml` of this repository is the resolved recipe, the same as below. How and "
        "where teachers were reached, limits and notifications are left out; they change no row."
    )
    commands = [f"pip install cotgen=={VERSION}", "cotgen run recipe.yaml"]
    if imported:
        commands.insert(1, _command(imported, str(publication.recipe.get("name"))))
    yield fenced("\n".join(commands), "bash")
    if imported:
        yield "With these files of the dataset the rows are the same byte for byte:"
        yield table(
            ("file", "bytes", "SHA-256"),
            [(each.name, each.bytes, each.sha256) for each in imported.files],
        )
        return
    yield (
        "Ids, seeds and the order of the rows follow from the recipe. The rows are the same byte "
        "for byte if the teachers answer the same, which hosted models do not promise."
    )


def _imported(publication: Publication) -> _Import | None:
    """What the run was imported from; None for a run of its own."""
    path = publication.folder / "imported.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Import)
    except FileNotFoundError:
        return None
    except (OSError, *UNREADABLE) as error:
        raise StoreError(f"{path}: {error}") from error


def _command(imported: _Import, name: str) -> str:
    """The import, with the settings that are not the format's own."""
    format = MENUS["importers"].get(imported.dataset)
    usual = format().model_dump(mode="json") if format else {}
    words = ["cotgen", "import", imported.dataset, *(each.name for each in imported.files)]
    words += ["--run", name]
    for key, value in imported.settings.items():
        if value != usual.get(key):
            words += ["--set", f"{key}={value if isinstance(value, str) else str(value).lower()}"]
    for option, value, default in (
        ("--verdicts", imported.verdicts, "again"),
        ("--test-problems", imported.test_problems, "mark"),
    ):
        words += [option, value] if value != default else []
    return shlex.join(words)


def _kind(settings: Any) -> str:
    return str(settings.get("kind", "?")) if isinstance(settings, dict) else "?"


def _bold(names: list[str]) -> str:
    bold = [f"**{inline(name)}**" for name in names]
    return " and ".join(filter(None, (", ".join(bold[:-1]), *bold[-1:])))
