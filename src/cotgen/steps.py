"""Splitting a text into steps without losing a character, and reading think blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cotgen.records import Completion, Finish, Step

OPEN, CLOSE = "<think>", "</think>"
_TAG = re.compile(f"{OPEN}|{CLOSE}")
_FENCE_LINE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})(?P<rest>.*)", re.MULTILINE)


class Parsed(NamedTuple):
    """A completion as steps; the first `thought_steps` of them are the thought."""

    steps: tuple[Step, ...]
    thought_steps: int
    finish: Finish


def split(text: str, separator: str = "\n") -> tuple[Step, ...]:
    """Cut after each run of `separator`; joined, the steps give back the text byte for byte."""
    return tuple(map(Step, _pieces(separator)(text)))


@lru_cache(maxsize=16)
def _pieces(separator: str) -> Callable[[str], list[str]]:
    """What finds the steps; a single character is no prefix of itself, so its pattern is simple."""
    mark = re.escape(separator)
    if len(separator) == 1:
        return re.compile(f"[^{mark}]*{mark}+|[^{mark}]+").findall
    return re.compile(f"(?:(?!{mark}).)*(?:{mark})+|(?:(?!{mark}).)+", re.DOTALL).findall


def parse(completion: Completion, separator: str = "\n") -> Parsed:
    """Tell the thought from the solution (methods.md §3, style `think`).

    A reasoning field is written inline, as trainers keep it. A close tag without an open one means
    that the chat template put the open tag into the prompt. An open tag without a close one is a
    thought that was cut off: whatever the server says, such an attempt is unfinished.
    """
    text = inline(completion)
    if completion.reasoning:
        end = len(text) - len(completion.text)  # Told apart by the server, whatever tags they hold.
    else:
        found = tags(text)
        if not found:
            return Parsed(split(text, separator), 0, completion.finish)
        tag, end = found[-1]
        if tag == OPEN:
            return Parsed(split(text, separator), 0, "length")
    while text.startswith("\n", end):
        end += 1
    thought = split(text[:end], separator)
    return Parsed(thought + split(text[end:], separator), len(thought), completion.finish)


def tags(text: str) -> list[tuple[str, int]]:
    """The think tags outside closed code fences, each with the offset of its end."""
    if OPEN not in text and CLOSE not in text:
        return []
    fenced = _closed_fences(text)
    return [
        (match[0], match.end())
        for match in _TAG.finditer(text)
        if not any(start < match.start() < end for start, end in fenced)
    ]


def _closed_fences(text: str) -> list[tuple[int, int]]:
    """Where code fences begin and end, as in CommonMark, but one left open is no fence."""
    fences: list[tuple[int, int]] = []
    lines = list(_FENCE_LINE.finditer(text))
    unclosed: set[str] = set()  # Marks that nothing closes further down: no need to look again.
    at = 0
    while at < len(lines):
        mark, rest = lines[at]["mark"], lines[at]["rest"]
        opens = mark not in unclosed and not ("`" in mark and "`" in rest)
        close = _closing_line(lines, at) if opens else None
        if close is not None:
            fences.append((lines[at].start(), lines[close].end()))
            at = close
        elif opens:
            unclosed.add(mark)
        at += 1
    return fences


def _closing_line(lines: list[re.Match[str]], opening: int) -> int | None:
    mark = lines[opening]["mark"]
    for at in range(opening + 1, len(lines)):
        if lines[at]["mark"].startswith(mark) and not lines[at]["rest"].strip():
            return at
    return None


def inline(completion: Completion) -> str:
    """The completion as one text, with its reasoning in a think block before the answer."""
    if not completion.reasoning:
        return completion.text
    return f"{OPEN}\n{completion.reasoning.strip(chr(10))}\n{CLOSE}\n\n{completion.text}"
