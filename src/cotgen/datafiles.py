"""What a dataset's files are called, so that `load_dataset` and trainers find splits and shards.

    NAME[-train | -validation][-00000-of-00003].jsonl     the rows; .parquet: the same
    the same name with .origin.jsonl                      where each row came from, in their order
    NAME.yaml                                             a trainer's settings

A name says its split only in a dataset that has a validation split, and its shard only where there
is more than one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

ROWS, PARQUET, ORIGINS, SETTINGS = ".jsonl", ".parquet", ".origin.jsonl", ".yaml"
DATA = (ROWS, PARQUET, ORIGINS)
"""The endings of what holds a line for each row."""

SplitName = Literal["train", "validation"]
SPLITS: tuple[SplitName, ...] = ("train", "validation")
Stems = Mapping[SplitName, Sequence[str]]
"""For each split its files without their endings, in the rows' order."""

_SPLIT = r"(?:[.-](?:train|validation|test))"
_SHARD = r"(?:-\d{5}-of-\d{5})"
_AFTER_THE_NAME = re.compile(
    rf"(?:{_SPLIT}?{_SHARD}?(?:\.\d+)?(?:\.origin)?\.(?:jsonl|parquet)|\.yaml)(?:\.tmp)?"
)
_RESERVED = re.compile(rf".*(?:{_SPLIT}|{_SHARD}|\.origin)")


def base_of(name: str, split: SplitName, *, parted: bool) -> str:
    """What the files of a split begin with; `parted`: the dataset has a validation split."""
    return f"{name}-{split}" if parted else name


def stems_of(base: str, shards: int) -> list[str]:
    """The names of a split's files without their endings."""
    if shards == 1:
        return [base]
    return [f"{base}-{number:05}-of-{shards:05}" for number in range(shards)]


def is_reserved(name: str) -> bool:
    """Whether a dataset's name would pass for another's split, shard or origin file."""
    return _RESERVED.fullmatch(name) is not None


def files_of(folder: Path, name: str) -> list[Path]:
    """All files that belong to a dataset, drafts too, whatever its splits and shards were."""
    return sorted(
        path
        for path in folder.glob(f"{name}*")
        if _AFTER_THE_NAME.fullmatch(path.name.removeprefix(name))
    )


def wanted_files(name: str, stems: Stems) -> list[str]:
    """The names of all files that a dataset consists of."""
    each = [f"{stem}{suffix}" for of in stems.values() for stem in of for suffix in DATA]
    return [*each, f"{name}{SETTINGS}"]
