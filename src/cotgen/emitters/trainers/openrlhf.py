"""OpenRLHF 0.11.2, whose settings are options of its commands (formats.md §9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from cotgen.emitters.trainers.shape import Columns, Facts, Refused, Shape, Shapes
from cotgen.emitters.trainers.trl import MarginRow, PairRow
from cotgen.emitters.turns import Turn


class InputOutputRow(TypedDict):
    """The loss covers `output` only, as long as `--data.multiturn` is not given."""

    input: list[Turn]
    output: list[Turn]


class TextInputOutputRow(TypedDict):
    """The same as plain texts, without a chat template."""

    input: str
    output: str


class InputLabelRow(TypedDict):
    """A prompt and its ground truth."""

    input: list[Turn]
    label: str


def _input_output(row: Columns) -> Columns:
    return {"input": row["prompt"], "output": row["completion"]}


def _input_label(row: Columns) -> Columns:
    return {"input": row["prompt"], "label": row["answer"]}


def _options(*keys: str, chat: bool = True) -> Callable[[Facts], Columns]:
    """The options of its commands that name columns; lists of messages need the chat template."""

    def settings(facts: Facts) -> Columns:
        options: Columns = {f"data.{key}_key": key for key in keys}
        return options | ({"data.apply_chat_template": True} if chat else {})

    return settings


_ADVICE = "give each setting as an option (--data.…_key NAME), never with --data.multiturn"
_SFT = Shape(InputOutputRow, _input_output, _options("input", "output"), _ADVICE)
_PAIRS = Shape(PairRow, settings=_options("prompt", "chosen", "rejected"), advice=_ADVICE)
_MARGINS = Shape(
    MarginRow, settings=_options("prompt", "chosen", "rejected", "margin"), advice=_ADVICE
)
_REMOVED = "its trainer was removed on 2026-03-19"

SHAPES: Shapes = {
    "sft": _SFT,
    "sft-multiturn": _SFT,
    "sft-single": Shape(
        TextInputOutputRow, _input_output, _options("input", "output", chat=False), _ADVICE
    ),
    "dpo": _PAIRS,
    "rm": _PAIRS,
    "rm-margin": _MARGINS,
    "rl": Shape(InputLabelRow, _input_label, _options("input", "label"), _ADVICE),
}
REFUSED: Refused = {
    "cpt": "it documents no format of plain texts",
    "kto": _REMOVED,
    "prm": f"{_REMOVED}; older releases read format: openrlhf-legacy",
    "prm-soft": f"{_REMOVED}; older releases read format: openrlhf-legacy",
    "orm": "it documents no format of labelled attempts",
}
