"""One card out of two: ours, and the one that the repository has already.

A fresh card would wipe what people and other runs have put there: their `configs:` (after which
`load_dataset` no longer finds them), their tags, their text.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any

import yaml

from cotgen.errors import RecipeError
from cotgen.publish.card import BEGIN, END, FrontMatter

_LINE = "---"


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
        front = yaml.safe_load("".join(lines[1:end])) if end else None
    except yaml.YAMLError as error:
        raise RecipeError(f"the README.md of the repository has broken YAML: {error}") from error
    if not isinstance(front, dict):
        raise RecipeError("the README.md of the repository begins with --- but not with YAML keys")
    return front, "".join(lines[end + 1 :])


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
        infos = [about] if isinstance(about, dict) else about
        kept["dataset_info"] = [each for each in infos if each.get("config_name") not in names]
    both = {**ours, **kept}
    if name := theirs.get("pretty_name"):
        both["pretty_name"] = name
    for key in ("tags", "task_categories"):
        both[key] = [*ours[key], *(each for each in theirs.get(key) or [] if each not in ours[key])]
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
    entries = [data] if isinstance(data, str | dict) else data
    paths = [each.get("path", "") if isinstance(each, dict) else each for each in entries]
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
