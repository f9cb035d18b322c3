"""Dataset rows as a chat, with the part that the loss covers (formats.md §5 to 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from cotgen.view.parts import Mark, Part, marked

Row = dict[str, Any]


class Turn(NamedTuple):
    """One message of a row. `use` is what training makes of it: `trained`, `context`, `preferred`,
    `rejected`, `good`, `bad` (labelled), `truth` (read by a reward), `mixed` (marked inside), or
    `data` for columns of which nothing is claimed."""

    role: str
    use: str
    parts: list[Part]


def turns(row: Row) -> list[Turn]:
    """The messages of a row, in reading order."""
    columns = dict(row)
    found: list[Turn] = []
    for reader in (_text, _steps, _conversation, _input, _replies, _label):
        found += reader(columns)
    return found + [Turn(name, "data", [("", _plain(value))]) for name, value in columns.items()]


def _text(columns: Row) -> Iterator[Turn]:
    """Language modelling: the loss covers all of it."""
    if set(columns) == {"text"}:
        yield Turn("text", "trained", _one(columns.pop("text")))


def _steps(columns: Row) -> Iterator[Turn]:
    """Step labels: a prompt, and a label for each step."""
    labels, steps = columns.get("labels"), columns.get("completions")
    if not (isinstance(labels, list) and isinstance(steps, list) and len(labels) == len(steps)):
        return
    del columns["labels"], columns["completions"]
    yield from _input(columns)
    for step, label in zip(steps, labels, strict=True):
        use = {True: "good", False: "bad"}.get(label, "data") if isinstance(label, bool) else "data"
        yield Turn("step" if use != "data" else f"step · {label}", use, _one(step))


def _conversation(columns: Row) -> Iterator[Turn]:
    """`messages`: flagged by the row itself, or trained on all turns of the assistant."""
    messages: Any = columns.get("messages")
    if not _is_chat(messages):
        yield from _weighted(columns)
        return
    del columns["messages"]
    replied = {"chosen", "rejected"} & set(columns)
    labelled = columns.pop("label", None) if not replied else None
    for number, turn in enumerate(messages):
        last = number == len(messages) - 1
        if isinstance(labelled, bool):
            use = ("good" if labelled else "bad") if last else "context"
        elif "train" in turn:
            use = "trained" if turn["train"] else "context"
        else:
            use = "trained" if turn["role"] == "assistant" and not replied else "context"
        yield _turn(turn, use)


def _weighted(columns: Row) -> Iterator[Turn]:
    """ShareGPT's turns; a turn with a weight above 0 is trained (RISE, formats.md §12)."""
    said = columns.get("conversations")
    if not isinstance(said, list) or not all(
        isinstance(turn, dict) and {"from", "value"} <= set(turn) for turn in said
    ):
        return
    del columns["conversations"]
    weighted = any("loss" in turn for turn in said)
    for turn in said:
        use = "data"
        if weighted:
            use = "trained" if turn.get("loss") else "context"
        yield Turn(str(turn["from"]), use, _one(turn["value"]))


def _input(columns: Row) -> Iterator[Turn]:
    """What comes before the reply, whatever its trainer calls it."""
    for name, role in (("system", "system"), ("prompt", "prompt"), ("input", "prompt")):
        if _is_said(columns.get(name)):
            yield from _messages(columns.pop(name), "context", role)


def _replies(columns: Row) -> Iterator[Turn]:
    labelled = columns.get("label")
    use = {True: "good", False: "bad"}.get(labelled, "") if isinstance(labelled, bool) else ""
    for name, meant in (
        ("completion", use or "trained"),
        ("output", "trained"),
        ("chosen", "preferred"),
        ("rejected", "rejected"),
    ):
        if _is_said(columns.get(name)):
            yield from _messages(columns.pop(name), meant, "reply")
            if use and name == "completion":
                del columns["label"]


def _label(columns: Row) -> Iterator[Turn]:
    """The ground truth that reinforcement learning rewards."""
    for name in ("answer", "label"):
        if isinstance(columns.get(name), str):
            yield Turn("ground truth", "truth", _one(columns.pop(name)))
    if isinstance(columns.get("reward_model"), dict):
        model = columns.pop("reward_model")
        yield Turn("ground truth", "truth", _one(model.get("ground_truth", "")))


def _is_said(value: Any) -> bool:
    """Whether a column is a text, a message or several."""
    return isinstance(value, str) or _is_chat([value]) or _is_chat(value)


def _messages(value: Any, use: str, role: str) -> Iterator[Turn]:
    if _is_chat([value]):
        value = [value]
    if _is_chat(value):
        yield from (_turn(turn, use) for turn in value)
    elif value:
        yield Turn(role, use, _one(value))


def _turn(turn: Row, use: str) -> Turn:
    role, content = str(turn.get("role", "")), turn.get("content")
    text = _plain(content)
    reasoning = turn.get("reasoning_content") or turn.get("thinking")
    spans = turn.get("train_detail")
    if use == "trained" and isinstance(spans, list) and spans:
        return Turn(role, "mixed", marked(text, _spans(spans, len(text))))
    parts = [("thought", _plain(reasoning) + "\n")] if reasoning else []
    return Turn(role, use, [*parts, *_one(text)])


def _spans(spans: list[Any], length: int) -> Iterator[Mark]:
    """Axolotl's offsets count the last character in."""
    at = 0
    for span in sorted(spans, key=lambda span: span["begin_offset"]):
        start, end = max(at, span["begin_offset"]), min(length, span["end_offset"] + 1)
        if start < end:
            yield Mark(start, end, "trained" if span.get("train") else "untrained")
            at = end


def _is_chat(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(turn, dict) and "role" in turn and "content" in turn for turn in value)
        and bool(value)
    )


def _one(value: Any) -> list[Part]:
    return [("", _plain(value))]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
