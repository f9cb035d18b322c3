"""From attempts to a trainer's rows: what emitters share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cotgen.emitters.trainers import Shape, StepFormat
from cotgen.protocols import Refusal, Row, RowOrigin
from cotgen.records import Group, Judged

_REPLIES = ("completion", "chosen", "rejected")


def named(name: str, format: StepFormat) -> str:
    """A dataset's name; TRL's goes without saying."""
    return name if format == "trl" else f"{name}-{format}"


def written(
    shape: Shape, columns: dict[str, Any], origin: RowOrigin, numbered: str = ""
) -> Row | Refusal:
    """A row as its trainer reads it, made of TRL's columns; refused if its mask cannot be said."""
    row = shape.write(columns)
    if row is None:
        return Refusal("mask_not_expressible")
    return Row(row, origin, tuple(_sequences(columns)), numbered)


def distinct(judged: Iterable[Judged]) -> list[Judged]:
    """The first attempt of each text."""
    first: dict[str, Judged] = {}
    for each in judged:
        first.setdefault(each.attempt.text, each)
    return list(first.values())


def best(group: Group) -> list[Judged]:
    """Correct attempts, those with the highest last reward first."""
    return sorted(group.having("correct"), key=lambda judged: -_reward(judged))


def _reward(judged: Judged) -> float:
    return judged.rewards.per_step[-1] if judged.rewards else 0.0


def _sequences(columns: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    prompt = _texts(columns["prompt"] if "prompt" in columns else columns["text"])
    replies = [columns[name] for name in _REPLIES if name in columns]
    for reply in replies:
        yield prompt + _texts(reply)
    if not replies:
        yield prompt


def _texts(turns: str | list[dict[str, str]]) -> tuple[str, ...]:
    return (turns,) if isinstance(turns, str) else tuple([turn["content"] for turn in turns])
