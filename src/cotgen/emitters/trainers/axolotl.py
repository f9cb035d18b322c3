"""Axolotl 0.19.0, the one trainer whose rows carry a mask (formats.md §10)."""

from __future__ import annotations

from typing import TypedDict

from cotgen.datafiles import SplitName
from cotgen.emitters.trainers.llama_factory import MessagesRow, RankedRow
from cotgen.emitters.trainers.shape import Columns, Facts, Refused, Shape, Shapes
from cotgen.emitters.trainers.trl import SEPARATOR, StepsRow
from cotgen.emitters.turns import Turn
from cotgen.steps import OPEN, tags


class FlaggedTurn(TypedDict):
    """A message, and whether the loss covers it."""

    role: str
    content: str
    train: bool


class FlaggedRow(TypedDict):
    """A conversation with a mask of whole messages."""

    messages: list[FlaggedTurn]


class Span(TypedDict):
    """Characters of a message, the last one included, and whether the loss covers them."""

    begin_offset: int
    end_offset: int
    train: bool


class DetailedTurn(TypedDict):
    """A message with a mask inside."""

    role: str
    content: str
    train: bool
    train_detail: list[Span]


class DetailedRow(TypedDict):
    """A conversation with a mask inside the last message."""

    messages: list[DetailedTurn]


class ComparedRow(TypedDict):
    """What `bradley_terry.chat_template` reads."""

    system: str
    input: str
    chosen: str
    rejected: str


def _flagged(row: Columns) -> Columns:
    turns: list[tuple[Turn, bool]] = [(turn, False) for turn in row["prompt"]]
    turns += [(turn, True) for turn in row["completion"]]
    return {"messages": [{**turn, "train": train} for turn, train in turns]}


def _detailed(row: Columns) -> Columns | None:
    """The think block stands at the start of the assistant's turn, out of the loss.

    A newline at a boundary belongs to the part before it: a correct text that starts with one
    would lose it, so such a row is refused.
    """
    prompt, correct = row["prompt"], row["completion"]
    if correct.startswith(("\n", "\r")):
        return None
    start = tags(prompt)[0][1] - len(OPEN)  # The only ones outside fences are the block's own.
    question, opening = prompt[:start], prompt[start:]
    end = len(opening)
    spans = [_span(0, end, train=False), _span(end, end + len(correct), train=True)]
    turns = [
        {"role": "user", "content": question.removesuffix("\n\n"), "train": False},
        {"role": "assistant", "content": opening + correct, "train": True},
    ]
    return {"messages": [{**turns[0], "train_detail": []}, {**turns[1], "train_detail": spans}]}


def _span(begin: int, end: int, *, train: bool) -> Span:
    return {"begin_offset": begin, "end_offset": end - 1, "train": train}


def _ranked(row: Columns) -> Columns:
    return {
        "messages": row["prompt"],
        "chosen": row["chosen"][0],
        "rejected": row["rejected"][0],
    }


def _compared(row: Columns) -> Columns:
    *system, asked = row["prompt"]
    return {
        "system": "".join(turn["content"] for turn in system),
        "input": asked["content"],
        "chosen": row["chosen"][0]["content"],
        "rejected": row["rejected"][0]["content"],
    }


def _file(facts: Facts, type: str, **more: object) -> Columns:
    def entries(split: SplitName) -> list[Columns]:
        # To a loader of JSON Lines every file is a split called train.
        which = {"split": "train"} if split == "validation" else {}
        return [
            {"path": file, "ds_type": "json", **which, "type": type, **more}
            for file in facts.files(split)
        ]

    validation = entries("validation")
    held_out = {"test_datasets": validation} if validation else {}
    return {"datasets": entries("train"), **held_out, "sequence_len": facts.length}


def _last_turn(facts: Facts) -> Columns:
    return _file(facts, "chat_template", field_messages="messages", roles_to_train=["assistant"])


def _flags(facts: Facts) -> Columns:
    return _file(
        facts,
        "chat_template",
        field_messages="messages",
        roles_to_train=[],
        train_on_eos="turn",
        message_field_training="train",
    )


def _details(facts: Facts) -> Columns:
    settings = _flags(facts)
    for dataset in settings["datasets"] + settings.get("test_datasets", []):
        dataset["message_field_training_detail"] = "train_detail"
    return settings


def _dpo(facts: Facts) -> Columns:
    columns = {"field_messages": "messages", "field_chosen": "chosen", "field_rejected": "rejected"}
    return {"rl": "dpo", **_file(facts, "chat_template.default", **columns)}


def _rm(facts: Facts) -> Columns:
    return {"reward_model": True, **_file(facts, "bradley_terry.chat_template")}


def _prm(facts: Facts) -> Columns:
    more = {"step_separator": "\n", "train_on_last_step_only": False}
    return {
        "process_reward_model": True,
        "model_type": "AutoModelForTokenClassification",
        "num_labels": 2,
        **_file(facts, "stepwise_supervised", **more),
    }


_ADVICE = "add base_model; the mask is in these settings too, so keep them"
_NO_FORMAT = "it documents no format for them"


def _chat(row: Columns) -> Columns:
    return {"messages": row["prompt"] + row["completion"]}


SHAPES: Shapes = {
    "sft": Shape(MessagesRow, _chat, _last_turn, "add base_model"),
    "sft-multiturn": Shape(FlaggedRow, _flagged, _flags, _ADVICE),
    "sft-single": Shape(DetailedRow, _detailed, _details, _ADVICE),
    "dpo": Shape(RankedRow, _ranked, _dpo, "add base_model"),
    "rm": Shape(ComparedRow, _compared, _rm, "add base_model"),
    "prm": Shape(StepsRow, settings=_prm, advice="add base_model", around=SEPARATOR),
}
REFUSED: Refused = {
    "cpt": _NO_FORMAT,
    "kto": _NO_FORMAT,
    "orm": _NO_FORMAT,
    "rl": _NO_FORMAT,
    "rm-margin": "it reads no margin",
    "prm-soft": "its labels are true or false: leave labels: soft out",
}
