"""TRL 1.16: the columns that all others are made of (formats.md §6)."""

from __future__ import annotations

from typing import TypedDict

from cotgen.emitters.trainers.shape import (
    Columns,
    Facts,
    Refused,
    Shape,
    Shapes,
    one_or_all,
)
from cotgen.emitters.turns import Turn

SEPARATOR = 1
"""Tokens of the line end that a trainer of steps puts after each."""


class TextRow(TypedDict):
    """Language modelling: the loss covers all of it."""

    text: str


class CompletionRow(TypedDict):
    """Conversational prompt–completion: the loss covers `completion` only."""

    prompt: list[Turn]
    completion: list[Turn]


class PlainRow(TypedDict):
    """Plain prompt–completion: no chat template, the loss covers `completion` only."""

    prompt: str
    completion: str


class PairRow(TypedDict):
    """Conversational preference with an explicit prompt."""

    prompt: list[Turn]
    chosen: list[Turn]
    rejected: list[Turn]


class MarginRow(PairRow):
    """A pair, and by how much the chosen one's score shall exceed the other's."""

    margin: float


class StepsRow(TypedDict):
    """Stepwise supervision: plain texts, one label a step."""

    prompt: str
    completions: list[str]
    labels: list[bool]


class ValuedStepsRow(StepsRow):
    """The same with each step's reward, which TRL does not read: it casts labels by `int()`, so a
    label of 0.7 would be trained as 0."""

    values: list[float]


class LabelledRow(TypedDict):
    """Unpaired preference: one whole attempt, and whether it is good."""

    prompt: list[Turn]
    completion: list[Turn]
    label: bool


class ProblemRow(TypedDict):
    """Prompt-only; GRPO hands the other columns to the reward function."""

    prompt: list[Turn]
    answer: str
    source: str


def _settings(facts: Facts) -> Columns:
    files = [{"path": "json", "data_files": one_or_all(facts.files("train"))}]
    return {"datasets": files, "max_length": facts.length}


def _sft(facts: Facts) -> Columns:
    return {**_settings(facts), "completion_only_loss": True}


def _kto(facts: Facts) -> Columns:
    """TRL wants the weighted classes at a ratio of 1 to 4/3; a batch of one row is an error."""
    good, bad = facts.labels.get(True, 0), facts.labels.get(False, 0)
    weights: Columns = {}
    if good > bad > 0:
        weights = {"undesirable_weight": round(good / bad, 3)}
    elif bad > good > 0:
        weights = {"desirable_weight": round(bad / good, 3)}
    return {**_settings(facts), "per_device_train_batch_size": 2, **weights}


def _grpo(facts: Facts) -> Columns:
    return {key: value for key, value in _settings(facts).items() if key != "max_length"}


def _prm(facts: Facts) -> Columns:
    return {**_settings(facts), "step_separator": "\n"}


_PRM = "its PRMTrainer (trl==1.13.0: later ones have none) from a script of your own"

SHAPES: Shapes = {
    "cpt": Shape(TextRow, settings=_settings, advice="trl sft"),
    "sft": Shape(CompletionRow, settings=_sft, advice="trl sft"),
    "sft-multiturn": Shape(CompletionRow, settings=_sft, advice="trl sft"),
    "sft-single": Shape(PlainRow, settings=_sft, advice="trl sft"),
    "dpo": Shape(PairRow, settings=_settings, advice="trl dpo"),
    "rm": Shape(PairRow, settings=_settings, advice="trl reward"),
    "rm-margin": Shape(MarginRow, settings=_settings, advice="trl reward"),
    "kto": Shape(LabelledRow, settings=_kto, advice="trl kto"),
    "orm": Shape(
        LabelledRow,
        advice="TRL has no trainer of labels of whole attempts: these are for a classifier of "
        "your own; its RewardTrainer reads the pairs of `kind: rm`",
    ),
    "prm": Shape(StepsRow, settings=_prm, advice=_PRM, around=SEPARATOR),
    "prm-soft": Shape(
        ValuedStepsRow,
        settings=_prm,
        advice=f"{_PRM}; it trains `labels`, and reads no `values`",
        around=SEPARATOR,
    ),
    "rl": Shape(
        ProblemRow,
        settings=_grpo,
        advice="trl grpo; reward functions are handed the columns `answer` and `source`",
    ),
}
REFUSED: Refused = {}
