"""A validator and reader of TRL rows, written from formats.md §3, 4, 6, 11 and 13 alone.

It shares no code with `cotgen.emitters`, so that it can disagree with them.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeGuard

import pyarrow.parquet

Kind = Literal["sft", "dpo"]
Columns = Mapping[str, object]

COLUMNS: dict[Kind, frozenset[str]] = {
    "sft": frozenset({"prompt", "completion"}),
    "dpo": frozenset({"prompt", "chosen", "rejected"}),
}
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<rest>.*)", re.DOTALL)
_TAG = re.compile(r"</?think>")
_BLOCK = re.compile(r"<think>\n(?P<thought>.*)\n</think>\n\n\Z", re.DOTALL)


def validate(kind: Kind, row: Columns) -> list[str]:
    """What is wrong with a row; nothing if it is fine."""
    found = set(row)
    problems = [f"column {name}: missing" for name in sorted(COLUMNS[kind] - found)]
    problems += [f"column {name}: not in this format" for name in sorted(found - COLUMNS[kind])]
    if problems:
        return problems
    return _sft_problems(row) if kind == "sft" else _dpo_problems(row)


def validate_file(kind: Kind, path: Path) -> list[str]:
    """The problems of a .jsonl or .parquet file, each behind `line N: ` (in Parquet, row N)."""
    problems = []
    for number, row in enumerate(_rows(path), 1):
        found = [row] if isinstance(row, str) else validate(kind, row)
        problems += [f"line {number}: {problem}" for problem in found]
    return problems


def read_rows(path: Path) -> list[Columns]:
    """The rows of a .jsonl or .parquet file, which must be readable."""
    rows: list[Columns] = []
    for number, row in enumerate(_rows(path), 1):
        if isinstance(row, str):
            raise ValueError(f"{path}, line {number}: {row}")
        rows.append(row)
    return rows


def trained_text(row: Columns) -> str:
    """The text that the loss covers: the completion alone (TRL's completion-only default)."""
    completion = row.get("completion")
    if isinstance(completion, str):
        return completion
    if not _is_messages(completion) or len(completion) != 1:
        raise ValueError("not a prompt-completion row")
    return completion[0]["content"]


def thought_text(row: Columns) -> str:
    """The thought T of a `single` row: what its prompt shows before the trained text."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or (block := _block(prompt)) is None:
        raise ValueError("not a row of layout single")
    return block["thought"]


def tags_outside_fences(text: str) -> list[tuple[str, int]]:
    """The think tags and where they stand, without those inside closed code fences."""
    fenced = _closed_fences(text)
    return [
        (match.group(), match.start())
        for match in _TAG.finditer(text)
        if not any(start <= match.start() < end for start, end in fenced)
    ]


def _sft_problems(row: Columns) -> list[str]:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str) and isinstance(completion, str):
        return _single_problems(prompt, completion)
    if isinstance(prompt, list) and isinstance(completion, list):
        return _prompt_problems(prompt) + _reply_problems("completion", completion)
    return ["prompt, completion: neither both strings nor both message lists"]


def _dpo_problems(row: Columns) -> list[str]:
    problems = _prompt_problems(row["prompt"])
    problems += _reply_problems("chosen", row["chosen"])
    problems += _reply_problems("rejected", row["rejected"])
    if row["chosen"] == row["rejected"]:
        problems.append("chosen, rejected: equal")
    return problems


def _prompt_problems(prompt: object) -> list[str]:
    problems = _message_problems("prompt", prompt)
    if problems or not _is_messages(prompt):
        return problems
    roles = [message["role"] for message in prompt]
    turns = roles[1:] if roles[0] == "system" else roles
    expected = ["user" if index % 2 == 0 else "assistant" for index in range(len(turns))]
    if turns != expected:
        problems.append("prompt: roles do not alternate from user after an optional system message")
    if roles[-1] != "user":
        problems.append("prompt: the last message is not the user's")
    return problems


def _reply_problems(column: str, reply: object) -> list[str]:
    problems = _message_problems(column, reply)
    if problems or not _is_messages(reply):
        return problems
    if len(reply) != 1:
        problems.append(f"{column}: {len(reply)} messages instead of one")
    if any(message["role"] != "assistant" for message in reply):
        problems.append(f"{column}: a message that is not the assistant's")
    return problems


def _message_problems(column: str, messages: object) -> list[str]:
    if not isinstance(messages, list):
        return [f"{column}: not a message list"]
    if not messages:
        return [f"{column}: empty"]
    problems = []
    for index, message in enumerate(messages):
        problems += [f"{column}[{index}]: {problem}" for problem in _one_message(message)]
    return problems


def _one_message(message: object) -> list[str]:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        return ["not exactly role and content"]
    problems = []
    if message["role"] not in ("system", "user", "assistant"):
        problems.append("unknown role")
    if not isinstance(message["content"], str):
        problems.append("content is not a string")
    elif not message["content"].strip():
        problems.append("empty content")
    return problems


def _is_messages(messages: object) -> TypeGuard[list[dict[str, str]]]:
    return isinstance(messages, list) and not _message_problems("", messages)


def _single_problems(prompt: str, completion: str) -> list[str]:
    problems = [
        f"{column}: empty"
        for column, text in (("prompt", prompt), ("completion", completion))
        if not text.strip()
    ]
    if problems:
        return problems
    tags = tags_outside_fences(prompt + completion)
    for tag in ("<think>", "</think>"):
        count = sum(name == tag for name, _ in tags)
        if count != 1:
            problems.append(f"think style: {count} {tag} outside fenced code instead of one")
    if not prompt.endswith("\n</think>\n\n"):
        problems.append("prompt: does not end with a think block")
    if problems:
        return problems
    block = _block(prompt)
    if block is None:
        return ["think style: the prompt's tags do not form one block"]
    if not prompt[: block.start()].strip():
        problems.append("prompt: no question before the think block")
    return problems


def _block(prompt: str) -> re.Match[str] | None:
    """The think block that ends a prompt, if its tags are the only ones outside fences."""
    tags = tags_outside_fences(prompt)
    if [name for name, _ in tags] != ["<think>", "</think>"]:
        return None
    return _BLOCK.match(prompt, tags[0][1])


def _closed_fences(text: str) -> list[tuple[int, int]]:
    """Where code fences begin and end, as in CommonMark, but one left open is no fence."""
    lines = [match.group() for match in re.finditer(r"[^\n]*\n|[^\n]+", text)]
    starts = [0, *itertools.accumulate(map(len, lines))]
    fences = []
    index = 0
    while index < len(lines):
        last = _closing_line(lines, index)
        if last is not None:
            fences.append((starts[index], starts[last + 1]))
            index = last
        index += 1
    return fences


def _closing_line(lines: list[str], first: int) -> int | None:
    """The index of the line that closes the fence opened in line `first`, if both exist."""
    opening = _FENCE.match(lines[first])
    if opening is None or ("`" in opening["mark"] and "`" in opening["rest"]):
        return None
    for index in range(first + 1, len(lines)):
        closing = _FENCE.match(lines[index])
        if closing is None or closing["rest"].strip():
            continue
        if closing["mark"].startswith(opening["mark"]):
            return index
    return None


def _rows(path: Path) -> Iterator[Columns | str]:
    """Each row, or what is wrong with its line."""
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
    elif path.suffix == ".jsonl":
        with path.open("rb") as lines:
            for line in lines:
                yield _json_row(line)
    else:
        raise ValueError(f"{path}: neither .jsonl nor .parquet")


def _parquet_rows(path: Path) -> Iterator[Columns]:
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(1000):
            yield from batch.to_pylist()


def _json_row(line: bytes) -> Columns | str:
    try:
        row = json.loads(line.decode(), object_pairs_hook=_without_repeats)
    except ValueError as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else "not a JSON object"


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    columns = dict(pairs)
    if len(columns) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return columns
