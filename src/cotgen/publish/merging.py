"""One card out of two: ours, and the one that the repository has already.

A fresh card would wipe what people and other runs have put there: their `configs:` (after which
`load_dataset` no longer finds them), their tags, their text.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import yaml

from cotgen.errors import RecipeError
from cotgen.publish.card import BEGIN, END, FrontMatter
from cotgen.yamltext import NotYaml, read_yaml

_LINE = "---"
_THEIRS = "the README.md of the repository"
_MEND = "mend it there and push again"


def card(front: FrontMatter, body: str) -> str:
    """A card as it is written: YAML between two lines, then text."""
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=100)
    return f"{_LINE}\n{head}{_LINE}\n\n{body}"


def merged(front: FrontMatter, body: str, earlier: str, files: Collection[str]) -> str:
    """Our card with what only the earlier one has. `files`: what the repository will hold."""
    theirs, text = _parted(earlier)
    return card(_fronts(front, theirs, files), _bodies(body, text))


def _parted(text: str) -> tuple[FrontMatter, str]:
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    if not lines or lines[0].rstrip() != _LINE:
        return {}, text
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _LINE), 0)
    try:
        front = read_yaml("".join(lines[1:end])) if end else None
    except NotYaml as error:
        raise RecipeError(f"{_THEIRS} has broken YAML: {error}; {_MEND}") from error
    if not isinstance(front, dict):
        raise RecipeError(f"{_THEIRS} begins with --- but not with YAML keys; {_MEND}")
    _check(front)
    return front, "".join(lines[end + 1 :])


_Texts = str | list[str] | None


class _DataFiles(msgspec.Struct):
    path: str | list[str]


class _Config(msgspec.Struct):
    config_name: str | None = None
    data_files: str | _DataFiles | list[str | _DataFiles] | None = None


class _Info(msgspec.Struct):
    config_name: str | None = None


class _Read(msgspec.Struct):
    """What is read of another's front matter, as the Hub allows it; the rest is only kept."""

    configs: list[_Config] | None = None
    dataset_info: _Info | list[_Info] | None = None
    tags: _Texts = None
    task_categories: _Texts = None
    size_categories: _Texts = None
    license: _Texts = None


def _check(front: FrontMatter) -> None:
    """Refuse what cannot be merged. Raises RecipeError naming the key."""
    # Keys that are no texts are kept, but msgspec reads none.
    texts = {key: value for key, value in front.items() if key in _Read.__struct_fields__}
    try:
        msgspec.convert(texts, _Read)
    except (msgspec.ValidationError, RecursionError) as error:
        said = str(error).replace("`$.", "`")
        raise RecipeError(f"{_THEIRS} cannot be merged with ours: {said}; {_MEND}") from error


def _fronts(ours: FrontMatter, theirs: FrontMatter, files: Collection[str]) -> FrontMatter:
    names = {config["config_name"] for config in ours["configs"]}
    others = [
        config
        for config in theirs.get("configs") or []
        if config.get("config_name") not in names and _has_files(config, files)
    ]
    kept = {key: value for key, value in theirs.items() if key not in ours}
    if "dataset_info" in kept:
        # Another program's counts of our configs are wrong from now on.
        about = kept["dataset_info"]
        infos = _as_list(about)
        kept["dataset_info"] = [each for each in infos if each.get("config_name") not in names]
    both = {**ours, **kept}
    if name := theirs.get("pretty_name"):
        both["pretty_name"] = name
    for key in ("tags", "task_categories"):
        both[key] = [
            *ours[key],
            *(each for each in _as_list(theirs.get(key)) if each not in ours[key]),
        ]
    mine = ours["configs"]
    if any(config.get("default") for config in others):
        mine = [{k: v for k, v in config.items() if k != "default"} for config in mine]
    if others:
        licences = {each for front in (ours, theirs) for each in _as_list(front.get("license"))}
        both["license"] = min(licences) if len(licences) == 1 else sorted(licences)
        sizes = [*_as_list(theirs.get("size_categories")), *ours["size_categories"]]
        both["size_categories"] = list(dict.fromkeys(sizes))
    both["configs"] = [*mine, *others]
    return both


def _has_files(config: dict[str, Any], files: Collection[str]) -> bool:
    """Whether any file of a config is still there; one without a list of files is believed."""
    data = config.get("data_files")
    if not data:
        return True
    paths = [each.get("path", "") if isinstance(each, dict) else each for each in _as_list(data)]
    globs = [glob for path in paths for glob in _as_list(path)]
    return any(fnmatchcase(file, glob) for glob in globs for file in files)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _bodies(ours: str, theirs: str) -> str:
    """Replace what stands between our marks; a text without them is kept below ours."""
    start, end = theirs.find(BEGIN), theirs.rfind(END)
    if start == -1 or end < start:
        rest = theirs.strip()
        return f"{ours}\n{rest}\n" if rest else ours
    before, after = theirs[:start].strip(), theirs[end + len(END) :].strip()
    return (f"{before}\n\n" if before else "") + ours + (f"\n{after}\n" if after else "")
