"""Which datasets each trainer can hold, and how. formats.md §5 is the table."""

from __future__ import annotations

from typing import NamedTuple

from cotgen.emitters.trainers import (
    axolotl,
    llama_factory,
    openrlhf,
    plain,
    stepwise,
    trl,
    verl,
)
from cotgen.emitters.trainers.shape import (
    Dataset,
    Facts,
    Format,
    Refused,
    Shape,
    Shapes,
    StepFormat,
)

__all__ = ["Dataset", "Facts", "Format", "Shape", "StepFormat", "shape_of"]


class _Trainer(NamedTuple):
    name: str
    shapes: Shapes
    refused: Refused


_TRAINERS: dict[StepFormat, _Trainer] = {
    "trl": _Trainer("TRL", trl.SHAPES, trl.REFUSED),
    "llama_factory": _Trainer("LLaMA-Factory", llama_factory.SHAPES, llama_factory.REFUSED),
    "verl": _Trainer("verl", verl.SHAPES, verl.REFUSED),
    "openrlhf": _Trainer("OpenRLHF", openrlhf.SHAPES, openrlhf.REFUSED),
    "axolotl": _Trainer("Axolotl", axolotl.SHAPES, axolotl.REFUSED),
    "jsonl": _Trainer("JSON Lines", plain.SHAPES, plain.REFUSED),
    "openrlhf-legacy": _Trainer("OpenRLHF before 2026-03-19", stepwise.LEGACY, {}),
    "math-shepherd": _Trainer("Math-Shepherd's text", stepwise.TAGGED, stepwise.TAGGED_REFUSED),
    "mathaps": _Trainer("OpenR's MathAPS", stepwise.VALUED, stepwise.VALUED_REFUSED),
}


def shape_of(dataset: Dataset, format: StepFormat) -> Shape:
    """How a trainer reads a dataset. Raises ValueError with the reason where it cannot."""
    trainer = _TRAINERS[format]
    if dataset in trainer.shapes:
        return trainer.shapes[dataset]
    able = ", ".join(name for name, each in _TRAINERS.items() if dataset in each.shapes)
    raise ValueError(
        f"format {format}: {trainer.name} cannot hold {dataset} rows: "
        f"{trainer.refused[dataset]} (formats that can: {able})"
    )
