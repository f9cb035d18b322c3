"""LLaMA-Factory 0.9.5: one list of messages, and an entry in dataset_info.json (formats.md §7).

It trains every assistant turn unless a setting outside the data (`mask_history`) says otherwise,
so an earlier, wrong turn of the assistant is refused: `folded` is right by its structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from cotgen.emitters.trainers.shape import Columns, Facts, Refused, Shape, Shapes
from cotgen.emitters.trainers.trl import TextRow
from cotgen.emitters.turns import Turn


class MessagesRow(TypedDict):
    """A conversation whose last turn is the assistant's only one."""

    messages: list[Turn]


class RankedRow(TypedDict):
    """A prompt with two replies, each one message (a list of them would load wrongly)."""

    messages: list[Turn]
    chosen: Turn
    rejected: Turn


class TaggedRow(TypedDict):
    """A conversation, and whether its last turn is good."""

    messages: list[Turn]
    label: bool


_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def _listed(*columns: str, **more: object) -> Columns:
    """An entry with the complete map of columns: one that is not listed would not be read."""
    names = {"messages": "messages", **{column: column for column in columns}}
    return {"formatting": "sharegpt", **more, "columns": names, "tags": _TAGS}


def _messages(row: Columns) -> Columns:
    return {"messages": row["prompt"] + row["completion"]}


def _ranked(row: Columns) -> Columns:
    return {
        "messages": row["prompt"],
        "chosen": row["chosen"][0],
        "rejected": row["rejected"][0],
    }


def _tagged(row: Columns) -> Columns:
    return {**_messages(row), "label": row["label"]}


def _stage(stage: str) -> Callable[[Facts], Columns]:
    def settings(facts: Facts) -> Columns:
        validation = facts.stems.get("validation", ())
        return {
            "stage": stage,
            "do_train": True,
            "dataset_dir": ".",
            "dataset": ",".join(facts.stems["train"]),
            **({"eval_dataset": ",".join(validation)} if validation else {}),
            "cutoff_len": facts.length,
        }

    return settings


_SFT = Shape(MessagesRow, _messages, _stage("sft"), "add model_name_or_path, template", _listed())
_PAIRS = _listed("chosen", "rejected", ranking=True)
_KTO = _listed() | {"columns": {"messages": "messages", "kto_tag": "label"}}

SHAPES: Shapes = {
    "cpt": Shape(
        TextRow,
        settings=_stage("pt"),
        advice="add model_name_or_path",
        listed={"columns": {"prompt": "text"}},
    ),
    "sft": _SFT,
    "dpo": Shape(RankedRow, _ranked, _stage("dpo"), _SFT.advice, _PAIRS),
    "rm": Shape(RankedRow, _ranked, _stage("rm"), _SFT.advice, _PAIRS),
    "kto": Shape(TaggedRow, _tagged, _stage("kto"), _SFT.advice, _KTO),
    "orm": Shape(
        TaggedRow,
        _tagged,
        advice="the only trainer of such rows here is KTO, which is no outcome reward model",
        listed=_KTO,
    ),
}
REFUSED: Refused = {
    "sft-multiturn": "it trains on every assistant turn, so on wrong attempts: use layout: folded",
    "sft-single": "it cannot leave the thought out of the loss: use layout: folded",
    "rm-margin": "it reads no margin",
    "prm": "it documents no format of labelled steps",
    "prm-soft": "it documents no format of labelled steps",
    "rl": "it documents no format of prompts with ground truth",
}
