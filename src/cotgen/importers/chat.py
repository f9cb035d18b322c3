"""Plain conversations, as trainers read them: messages, conversations, or prompt and completion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    Whole,
    conversation,
    gold_in,
    problem,
    thinking,
)

Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct):
    """A turn as OpenAI's API has it; reasoning may stand beside the content."""

    role: Role
    content: str
    reasoning_content: str | None = None
    thinking: str | None = None


class Shared(msgspec.Struct):
    """A turn as ShareGPT has it."""

    value: str
    role: Literal["system", "human", "user", "gpt", "assistant"] = msgspec.field(name="from")


class Row(msgspec.Struct):
    """The columns, of which a row has `messages`, `conversations`, or `prompt` and `completion`."""

    messages: list[Message] | None = None
    conversations: list[Shared] | None = None
    prompt: str | list[Message] | None = None
    completion: str | list[Message] | None = None
    answer: str | int | float | None = None


class ChatImporter(Importer):
    """Plain chat rows: the last turn is an attempt at what stands before it.

    Earlier turns of the assistant become part of the question, under headings; they are not trained
    on. A system message stays in `source_rows.jsonl`. A column `answer` is the gold.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row

    kind: Literal["chat"] = "chat"
    split: Whole = "unknown"

    def read(self, row: Row) -> Iterator[Imported]:
        """One attempt."""
        *before, last = _turns(row)
        question = conversation(
            (turn.role, turn.content) for turn in before if turn.role != "system"
        )
        reasoning = last.reasoning_content or last.thinking or ""
        attempt = thinking(last.content, self.step_sep, reasoning=reasoning)
        gold = "" if row.answer is None else gold_in(str(row.answer))
        yield Imported(problem(question, gold), (Given(attempt),))


def _turns(row: Row) -> list[Message]:
    """All turns: from a user's to one of the assistant."""
    turns = _said(row)
    roles = [turn.role for turn in turns if turn.role != "system"]
    if roles[:1] != ["user"] or roles[-1:] != ["assistant"] or turns[-1].role != "assistant":
        raise ValueError("the conversation does not go from a turn of user to one of assistant")
    return turns


def _said(row: Row) -> list[Message]:
    if row.messages is not None:
        return row.messages
    if row.conversations is not None:
        names: dict[str, Role] = {"human": "user", "gpt": "assistant", "system": "system"}
        names |= {"user": "user", "assistant": "assistant"}
        return [Message(names[turn.role], turn.value) for turn in row.conversations]
    if row.prompt is None or row.completion is None:
        raise ValueError("there is none of messages, conversations, prompt and completion")
    return [*_as_turns(row.prompt, "user"), *_as_turns(row.completion, "assistant")]


def _as_turns(said: str | list[Message], role: Role) -> list[Message]:
    return [Message(role, said)] if isinstance(said, str) else said
