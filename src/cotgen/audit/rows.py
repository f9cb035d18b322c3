"""What a trainer would learn of a row, read from the columns that stand in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotgen.rows import read_rows

_STEPS = ("completions", "reasoning_steps", "task")


class Origin(msgspec.Struct):
    """A line of a dataset's origin file."""

    row: int
    problem: str
    attempts: tuple[str, ...]
    methods: tuple[str, ...]
    made_by: tuple[str, ...]
    split: str = ""
    source: str = ""
    license: str = ""


class Reading(NamedTuple):
    """The texts of a row: those that the loss makes likelier, those that it makes less likely, and
    what is only read. A row of prompts with a ground truth trains no text."""

    trained: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    untrained: str = ""


def reading(row: Any) -> Reading | None:
    """A row by its columns, whichever trainer they are for; None if it is no row of any."""
    if not isinstance(row, Mapping):
        return None
    if any(column in row for column in _STEPS):
        return Reading()  # Labelled steps: what is right and wrong in them is no verdict's.
    if "chosen" in row and "rejected" in row:
        return Reading((_text(row["chosen"]),), (_text(row["rejected"]),), _prompt(row))
    if isinstance(row.get("label"), bool):
        text = (_last(row),)
        return Reading(text if row["label"] else (), () if row["label"] else text, _prompt(row))
    for column in ("completion", "output"):
        if column in row:
            return Reading((_text(row[column]),), (), _prompt(row))
    if "messages" in row:
        return _masked(row["messages"])
    if "text" in row:
        return Reading((row["text"],))
    if "answer" in row or "reward_model" in row or "label" in row:
        return Reading(untrained=_prompt(row))
    return None


def _masked(messages: Sequence[Mapping[str, Any]]) -> Reading:
    """A conversation: flags say what is trained; without flags it is every assistant turn."""
    trained: list[str] = []
    untrained: list[str] = []
    for message in messages:
        for text, is_trained in _spans(message):
            (trained if is_trained else untrained).append(text)
    return Reading(tuple(trained), (), "\n".join(untrained))


def _spans(message: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    text = message["content"]
    is_trained = bool(message.get("train", message["role"] == "assistant"))
    spans = message.get("train_detail") if is_trained else None
    if not spans:
        yield text, is_trained
    for span in spans or ():
        yield text[span["begin_offset"] : span["end_offset"] + 1], bool(span["train"])


def _last(row: Mapping[str, Any]) -> str:
    return _text(row["completion"]) if "completion" in row else _text(row["messages"][-1])


def _prompt(row: Mapping[str, Any]) -> str:
    for column in ("prompt", "input"):
        if column in row:
            value = row[column]
            turns = [value] if isinstance(value, str | Mapping) else value
            return "\n".join(map(_text, turns))
    messages: list[Any] = row.get("messages", [])
    return "\n".join(map(_text, messages if "chosen" in row else messages[:-1]))


def _text(value: Any) -> str:
    """A text, a message, or a list with one message."""
    if isinstance(value, Mapping):
        return str(value["content"])
    if isinstance(value, str):
        return value
    (only,) = value
    return str(only["content"])


def origins(path: Path) -> Iterator[Origin | None]:
    """The lines of an origin file; None for one that is none."""
    for _, line in read_rows(path):
        try:
            yield msgspec.convert(line, Origin)
        except msgspec.ValidationError:
            yield None
