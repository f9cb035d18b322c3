"""verl 0.9.1, which reads the Parquet files (formats.md §8)."""

from __future__ import annotations

from typing import TypedDict

from cotgen.datafiles import PARQUET
from cotgen.emitters.trainers.llama_factory import MessagesRow
from cotgen.emitters.trainers.shape import (
    Columns,
    Facts,
    Refused,
    Shape,
    Shapes,
    one_or_all,
)
from cotgen.emitters.turns import Turn


class RewardModel(TypedDict):
    """How an answer is judged."""

    style: str
    ground_truth: str


class ExtraInfo(TypedDict):
    """What a reward function may look at besides."""

    split: str
    index: int
    answer: str
    question: str


class RlRow(TypedDict):
    """A prompt with its ground truth; `data_source` selects the reward function."""

    data_source: str
    prompt: list[Turn]
    ability: str
    reward_model: RewardModel
    extra_info: ExtraInfo


SCORED = frozenset(
    {
        "openai/gsm8k",
        "lighteval/MATH",
        "DigitalLearningGmbH/MATH-lighteval",
        "HuggingFaceH4/MATH-500",
        "math_dapo",
        "math",
        "math_dapo_reasoning",
    }
)
"""The mathematical data sources that verl has reward functions for; `aime…` and `numina_…` too."""


def is_scored(data_source: str) -> bool:
    """Whether verl scores this data source without a reward function of the user's own."""
    return data_source in SCORED or data_source.startswith(("aime", "numina_"))


def _messages(row: Columns) -> Columns:
    return {"messages": row["prompt"] + row["completion"]}


def _files(facts: Facts) -> Columns:
    validation = facts.files("validation", PARQUET)
    return {
        "train_files": one_or_all(facts.files("train", PARQUET)),
        **({"val_files": one_or_all(validation)} if validation else {}),
    }


def _sft(facts: Facts) -> Columns:
    return {
        "data": {
            **_files(facts),
            "messages_key": "messages",
            "max_length": facts.length,
            "truncation": "error",
        }
    }


def _rl(facts: Facts) -> Columns:
    return {
        "data": {
            **_files(facts),
            "prompt_key": "prompt",
            "max_prompt_length": facts.length,
            "truncation": "error",
        }
    }


_NO_FORMAT = "it has no data format of its own for them"

SHAPES: Shapes = {
    "sft": Shape(MessagesRow, _messages, _sft, "its SFT trainer"),
    # Its columns say more than TRL's: the emitter writes them.
    "rl": Shape(RlRow, settings=_rl, advice="its PPO trainer"),
}
REFUSED: Refused = {
    "cpt": "it does no continued pretraining on texts",
    "sft-multiturn": "it trains on every assistant turn, so on wrong attempts: use layout: folded",
    "sft-single": "it cannot leave the thought out of the loss: use layout: folded",
    "dpo": _NO_FORMAT,
    "rm": _NO_FORMAT,
    "rm-margin": _NO_FORMAT,
    "prm": _NO_FORMAT,
    "prm-soft": _NO_FORMAT,
    "kto": _NO_FORMAT,
    "orm": _NO_FORMAT,
}
