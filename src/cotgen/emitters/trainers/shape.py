"""What a trainer makes of a dataset: its columns, and the settings that its rows need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cotgen.datafiles import ROWS, SplitName, Stems
from cotgen.lengths import AROUND

Format = Literal["trl", "llama_factory", "verl", "openrlhf", "axolotl", "jsonl"]
"""Whose columns are written; `jsonl` is TRL's columns without any trainer's settings."""
StepFormat = Format | Literal["openrlhf-legacy", "math-shepherd", "mathaps"]
"""The same, and formats that hold nothing but labelled steps."""
Dataset = Literal[
    "cpt", "sft", "sft-multiturn", "sft-single", "dpo", "rm", "rm-margin", "kto", "orm", "prm",
    "prm-soft", "rl",
]  # fmt: skip
"""What is written; trainers differ in the masks of chains, so each of their layouts is its own."""
Columns = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset once it is written."""

    name: str
    stems: Stems
    """For each split its files without their endings."""
    length: int
    """The tokens that its longest row needs."""
    labels: Mapping[bool, int] = field(default_factory=dict)
    """The rows of each label, where there are labels."""

    def files(self, split: SplitName, suffix: str = ROWS) -> list[str]:
        """The files of a split; none if there is no such split."""
        return [f"{stem}{suffix}" for stem in self.stems.get(split, ())]


def same(columns: Columns) -> Columns:
    """TRL's columns as they are."""
    return columns


def one_or_all(files: list[str]) -> str | list[str]:
    """A name where one will do."""
    return files[0] if len(files) == 1 else files


def no_settings(facts: Facts) -> Columns:
    """For readers of one's own."""
    return {}


@dataclass(frozen=True)
class Shape:
    """One dataset as one trainer reads it."""

    columns: type
    """The TypedDict of a row."""
    write: Callable[[Columns], Columns | None] = same
    """Its columns, made of TRL's; None where this row's mask cannot be said."""
    settings: Callable[[Facts], Columns] = no_settings
    """The trainer's settings that the rows need."""
    advice: str = ""
    """What no setting can say."""
    listed: Columns = field(default_factory=dict)
    """LLaMA-Factory's entry in `dataset_info.json` for each file, without the file's name."""
    around: int = AROUND
    """Tokens that a trainer puts around each text."""


Shapes = Mapping[Dataset, Shape]
Refused = Mapping[Dataset, str]
