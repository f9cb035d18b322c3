"""Texts as a page shows them: cut into marked parts, shortened, compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein, Opcodes

from cotgen.records import Attempt, Rewards, Verdict

Part = tuple[str, str]
"""A mark and its text. Marks: '' none, `thought`, `answer`, `same`, `del`, `ins`, `trained`,
`untrained`; `reward` is a step's number, and `cut` the count of characters left out."""

HEAD, TAIL, AROUND = 4_000, 1_600, 250
"""Characters of a long text that are shown at its start, at its end and around what is marked."""
PIECE = 1 << 15
"""Characters of a part at most when a whole text is sent."""
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
COMPARED = 6 * 10**7
"""Product of the lengths that are compared at most: about 40 ms."""


class Mark(NamedTuple):
    """Characters of a text that stand out."""

    start: int
    end: int
    kind: str


class Shown(NamedTuple):
    """A text on a page. `more` is where the whole of it can be had, empty if this is all."""

    parts: list[Part]
    chars: int
    more: str = ""


def attempt_parts(attempt: Attempt, verdict: Verdict | None, rewards: Rewards | None) -> list[Part]:
    """An attempt with its thought, its answer and its steps' rewards marked."""
    text, length = attempt.text, len(attempt.solution)
    before = len(text) - length
    marks = [Mark(0, before, "thought")] if before else []
    start, end = verdict.span if verdict else (-1, -1)
    if 0 <= start < end <= length:
        marks.append(Mark(before + start, before + end, "answer"))
    return list(_with_rewards(attempt, rewards, marked(text, marks)))


def marked(text: str, marks: Iterable[Mark]) -> list[Part]:
    """The whole text as parts; marks do not overlap."""
    parts: list[Part] = []
    at = 0
    for start, end, kind in sorted(marks):
        parts += [("", text[at:start]), (kind, text[start:end])]
        at = end
    return [part for part in (*parts, ("", text[at:])) if part[1]]


def _with_rewards(attempt: Attempt, rewards: Rewards | None, parts: list[Part]) -> Iterator[Part]:
    """Each step's number stands after its step."""
    if not rewards or len(rewards.per_step) != len(attempt.steps):
        yield from parts
        return
    ends, at = [], 0
    for step, reward in zip(attempt.steps, rewards.per_step, strict=True):
        at += len(step.text)
        ends.append((at, f"{reward:.2f}"))
    at, next_end = 0, iter([*ends, (len(attempt.text) + 1, "")])
    end, reward_text = next(next_end)
    for kind, text in parts:
        while end <= at + len(text):
            yield kind, text[: end - at]
            yield "reward", reward_text
            text, at = text[end - at :], end
            end, reward_text = next(next_end)
        if text:
            yield kind, text
        at += len(text)


def shortened(parts: list[Part], more: str, *, around: Sequence[str] = ("answer",)) -> Shown:
    """A long text without its middle, but with what is marked in it."""
    chars = sum(len(text) for kind, text in parts if kind != "reward")
    if chars <= HEAD + TAIL + AROUND:
        return Shown(parts, chars)
    kept = [(0, HEAD), (chars - TAIL, chars)]
    at = 0
    for kind, text in parts:
        if kind in around and len(kept) < 400:
            kept += [(at - AROUND, at + AROUND)]
            kept += [(at + len(text) - AROUND, at + len(text) + AROUND)]
        at += 0 if kind == "reward" else len(text)
    return Shown(list(_only(parts, _merged(kept, chars))), chars, more)


def _merged(ranges: list[tuple[int, int]], chars: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((max(0, start), min(chars, end)) for start, end in ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _only(parts: list[Part], kept: list[tuple[int, int]]) -> Iterator[Part]:
    """The parts inside ranges that start at 0 and end at the end; what is between is counted."""
    ranges = iter(kept)
    (start, end), at = next(ranges), 0
    for kind, text in parts:
        if kind == "reward":
            if start <= at <= end:
                yield kind, text
            continue
        stop = at + len(text)
        while True:
            inside = text[max(start - at, 0) : max(end - at, 0)]
            if inside:
                yield kind, inside
            if stop <= end:
                break
            left = end
            start, end = next(ranges)
            yield "cut", str(start - left)
        at = stop


def pieces(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts, none of them longer than a piece."""
    for kind, text in parts:
        for start in range(0, len(text), PIECE):
            yield kind, text[start : start + PIECE]


class Difference(NamedTuple):
    """What makes one text of another. `unit` is what was compared: `characters`, `words`,
    `lines`, or `whole` for texts too long for any; `distance` counts edits of that unit."""

    unit: str
    distance: int
    parts: list[Part]


def difference(text: str, other: str, *, by: str = "characters") -> Difference:
    """The shortest way from `text` to `other`: what is kept (`same`), left out and put in."""
    start = _shared(text, other)
    end = _shared(text[start:][::-1], other[start:][::-1])
    head, tail = text[:start], text[len(text) - end :]
    if by == "words":  # What both begin and end with may end and begin in the middle of one.
        head, tail, start, end = "", "", 0, 0
    unit, one, two = _units(by, text[start : len(text) - end], other[start : len(other) - end])
    edits = Levenshtein.opcodes(one, two)
    distance = sum(
        max(edit.src_end - edit.src_start, edit.dest_end - edit.dest_start)
        for edit in edits
        if edit.tag != "equal"
    )
    parts = [("same", head), *_edits(edits, one, two), ("same", tail)]
    return Difference(unit, distance, [part for part in parts if part[1]])


def _shared(text: str, other: str) -> int:
    """How many characters two texts have in common at their start."""
    low, high = 0, min(len(text), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _units(by: str, text: str, other: str) -> tuple[str, Sequence[str], Sequence[str]]:
    """What is compared: characters or words as asked for, or what is coarse enough."""
    if by != "words" and len(text) * len(other) <= COMPARED:
        return "characters", text, other
    words, others = _WORD.findall(text), _WORD.findall(other)
    if len(words) * len(others) <= COMPARED:
        return "words", words, others
    lines, others = text.splitlines(keepends=True), other.splitlines(keepends=True)
    if len(lines) * len(others) <= COMPARED:
        return "lines", lines, others
    return "whole", [text], [other]


def _edits(edits: Opcodes, one: Sequence[str], two: Sequence[str]) -> Iterator[Part]:
    """Neighbouring edits are one: first all that goes, then all that comes."""
    for equal, group in groupby(edits, key=lambda edit: edit.tag == "equal"):
        run = list(group)
        before = "".join(one[run[0].src_start : run[-1].src_end])
        if equal:
            yield "same", before
        else:
            yield "del", before
            yield "ins", "".join(two[run[0].dest_start : run[-1].dest_end])
