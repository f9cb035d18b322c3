"""Formats that hold nothing but labelled steps (formats.md §1.2 and §9): two public datasets', and
OpenRLHF's of before 2026-03-19, when it lost its trainer for them.

Each is made of TRL's columns with the rewards (`values`) and, where the format has it, the gold.
A row that its own reader would cut elsewhere is refused.
"""

from __future__ import annotations

import re
from typing import TypedDict

from cotgen.emitters.trainers.shape import Columns, Facts, Refused, Shape, Shapes
from cotgen.emitters.trainers.trl import SEPARATOR

TAG = "ки"
"""What stands after each step: Cyrillic letters, as in Math-Shepherd."""
_FIRST = "Step 1:"


class TextLabelsRow(TypedDict):
    """A text with the placeholder after each step, and `+` or `-` for each of them."""

    input: str
    label: list[str]


class TextValuesRow(TypedDict):
    """The same with a number for each step."""

    input: str
    label: list[float]


class TaggedRow(TypedDict):
    """Math-Shepherd: a text with tags, and the same with the labels in their places."""

    input: str
    label: str
    task: str


class ValuedPrefix(TypedDict):
    """All steps up to one of them, and the share of rollouts from there that came out right."""

    solution_prefix: str
    mc_value: float


class ValuedRow(TypedDict):
    """OpenR's list form."""

    question: str
    final_answer: str
    reasoning_steps: list[ValuedPrefix]


def _text(row: Columns, marks: list[str]) -> str:
    steps = zip(row["completions"], marks, strict=True)
    return f"{row['prompt']}{chr(10).join(f'{step} {mark}' for step, mark in steps)}"


def _signs(row: Columns) -> list[str]:
    return ["+" if label else "-" for label in row["labels"]]


def _legacy(row: Columns) -> Columns | None:
    text = _text(row, [TAG] * len(row["labels"]))
    return {"input": text, "label": _signs(row)} if text.count(TAG) == len(row["labels"]) else None


def _legacy_soft(row: Columns) -> Columns | None:
    made = _legacy(row)
    return made and {**made, "label": row["values"]}


def _tagged(row: Columns) -> Columns | None:
    steps = [
        step if step.startswith(f"Step {number}:") else f"Step {number}: {step}"
        for number, step in enumerate(row["completions"], 1)
    ]
    numbered = {**row, "completions": steps}
    text = _text(numbered, [TAG] * len(steps))
    cut = re.split(TAG, text[text.find(_FIRST) :])
    if [step.strip() for step in cut] != [*steps, ""] or _FIRST in row["prompt"]:
        return None
    return {"input": text, "label": _text(numbered, _signs(row)), "task": row["task"]}


def _valued(row: Columns) -> Columns:
    steps, values = row["completions"], row["values"]
    prefixes: list[ValuedPrefix] = [
        {"solution_prefix": "\n".join(steps[: number + 1]), "mc_value": value}
        for number, value in enumerate(values)
    ]
    return {
        "question": row["prompt"].removesuffix("\n"),
        "final_answer": row["answer"],
        "reasoning_steps": prefixes,
    }


def _options(facts: Facts) -> Columns:
    return {"input_key": "input", "label_key": "label", "placeholder_token": TAG}


def _signed_options(facts: Facts) -> Columns:
    return {**_options(facts), "reward_tokens": ["+", "-"]}


_ADVICE = "give each setting as an option of its train_prm, in a release before 2026-03-19"

LEGACY: Shapes = {
    "prm": Shape(TextLabelsRow, _legacy, _signed_options, _ADVICE, around=SEPARATOR),
    "prm-soft": Shape(TextValuesRow, _legacy_soft, _options, _ADVICE, around=SEPARATOR),
}
TAGGED: Shapes = {"prm": Shape(TaggedRow, _tagged, around=SEPARATOR)}
TAGGED_REFUSED: Refused = {
    "prm-soft": "its labels are + or -: leave labels: soft out, or take format: mathaps"
}
VALUED: Shapes = {"prm-soft": Shape(ValuedRow, _valued, around=SEPARATOR)}
VALUED_REFUSED: Refused = {"prm": "it holds the rewards themselves: add labels: soft"}
