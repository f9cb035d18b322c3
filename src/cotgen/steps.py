"""Splitting a text into steps without losing a character, and reading think blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, cast, overload

import msgspec

from cotgen.records import Completion, Finish, ReadyMade, Step

OPEN, CLOSE = "<think>", "</think>"
Style = Literal["think", "thinking", "thought", "still"]
MARKS: dict[Style, tuple[str, str]] = {
    "think": (OPEN, CLOSE),
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<Thought>", "</Thought>"),
    "still": ("<|begin_of_thought|>", "<|end_of_thought|>"),
}
"""The marks of formats.md §3: R1, QwQ and open-r1 (`think`), Open-O1 (`thought`), STILL-2 and
OpenThoughts (`still`)."""
OpenInPrompt = Literal["auto", "yes", "no"]
_FENCE_LINE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})(?P<rest>.*)", re.MULTILINE)


class Parsed(NamedTuple):
    """A completion as steps; the first `thought_steps` of them are the thought. With a `flaw` it
    has no shape that could be told apart, and is no material for training. The `flag` of an
    attempt with an empty think block: that block is its first step, and it has no thought."""

    steps: tuple[Step, ...]
    thought_steps: int
    finish: Finish
    flaw: str = ""
    flag: Literal["", "empty_thought"] = ""


def split(text: str, separator: str = "\n") -> tuple[Step, ...]:
    """Cut after each run of `separator`; joined, the steps give back the text byte for byte."""
    return tuple(map(Step, _pieces(separator)(text)))


class Uncut(ReadyMade, Sequence[Step]):
    """The steps of a text, cut if somebody looks at them.

    Most are written to a table and not looked at again by the process that sampled them: cutting
    and encoding thousands of small objects took longer than asking for them.
    """

    __slots__ = ("_cut", "_separator", "_text")

    def __init__(self, text: str, separator: str) -> None:
        self._text = text
        self._separator = separator
        self._cut: tuple[Step, ...] | None = None

    @property
    def _steps(self) -> tuple[Step, ...]:
        if self._cut is None:
            self._cut = split(self._text, self._separator)
        return self._cut

    def json(self) -> bytes:
        """The steps as a list of objects."""
        text = self._text
        if self._separator != "\n" or _MARK in text or not text:
            return _encode(self._steps)
        # Cut in the encoded text, at a character that JSON leaves as it is.
        found = _encode(text.replace("\n", _MARK)).replace(_MARK_BYTES, _CUT)
        if text.rfind("\n\n") >= 0:  # Searched from its end, which is several times as fast.
            found = found.replace(_CUT_AGAIN, b"\\n")  # A run of newlines ends one step.
        if text[-1] == "\n":
            found = found[: -len(_EMPTY)] + b'"'
        return b'[{"text":%s}]' % found

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Step, ...]: ...

    def __getitem__(self, index: int | slice) -> Step | tuple[Step, ...]:
        return self._steps[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | Uncut) and self._steps == tuple(other)

    def __hash__(self) -> int:
        return hash(self._steps)

    def __repr__(self) -> str:
        return repr(self._steps)


_encode = msgspec.json.Encoder().encode
_MARK, _MARK_BYTES = "\x7f", b"\x7f"
_CUT, _CUT_AGAIN, _EMPTY = b'\\n"},{"text":"', b'"},{"text":"\\n', b'"},{"text":""'


@lru_cache(maxsize=16)
def _pieces(separator: str) -> Callable[[str], list[str]]:
    """What finds the steps; a single character is no prefix of itself, so its pattern is simple."""
    mark = re.escape(separator)
    if len(separator) == 1:
        return re.compile(f"[^{mark}]*{mark}+|[^{mark}]+").findall
    return re.compile(f"(?:(?!{mark}).)*(?:{mark})+|(?:(?!{mark}).)+", re.DOTALL).findall


def parse(
    completion: Completion,
    separator: str = "\n",
    style: Style | Literal["auto"] = "auto",
    open_in_prompt: OpenInPrompt = "auto",
) -> Parsed:
    """Tell the thought from the solution (methods.md §3).

    A reasoning field is written inline, as trainers keep it. A close tag without an open one means
    that the chat template put the open tag into the prompt (`open_in_prompt`: a text without a
    close tag is then cut off, or with `no` such a tag is a flaw). An open tag without a close one
    is a thought that was cut off: whatever the server says, such an attempt is unfinished. Several
    thoughts in one text are a flaw; a block with nothing in it is no thought, and is flagged.
    """
    text, finish = completion.text, completion.finish
    if completion.reasoning:
        text = inline(completion)
        # Told apart by the server. With a tag more, the text that is trained on would not be.
        if _marks(completion.reasoning) or _marks(completion.text):
            return Parsed(split(text, separator), 0, finish, "tag_collision")
        return _divided(text, len(text) - len(completion.text), separator, finish)
    if "<" not in text and open_in_prompt != "yes":
        # No tag of any style: most texts. Their steps are a tuple to whoever looks at them.
        return Parsed(cast("tuple[Step, ...]", Uncut(text, separator)), 0, finish)
    marks = _marks(text)
    chosen = style if style != "auto" else marks[0][0] if marks else "think"
    found = [(mark, end) for of, mark, end in marks if of == chosen]
    if found and len(found) < len(marks):
        return Parsed(split(text, separator), 0, finish, "tag_collision")
    kinds = [tag == MARKS[chosen][0] for tag, _ in found]
    if kinds == [True] or (not kinds and open_in_prompt == "yes"):
        return Parsed(split(text, separator), 0, "length")
    if not kinds:
        return Parsed(split(text, separator), 0, finish)
    if kinds not in ([True, False], [False]) or (kinds == [False] and open_in_prompt == "no"):
        flaw = "two_thoughts" if kinds.count(False) > 1 else "tag_collision"
        return Parsed(split(text, separator), 0, finish, flaw)
    return _divided(text, found[-1][1], separator, finish)


def _divided(text: str, end: int, separator: str, finish: Finish) -> Parsed:
    """Cut into thought and solution at `end`; the newlines after it are the thought's."""
    while text.startswith("\n", end):
        end += 1
    if _EMPTY_BLOCK.match(text):
        steps = (Step(text[:end]), *split(text[end:], separator))
        return Parsed(steps, 0, finish, flag="empty_thought")
    thought = split(text[:end], separator)
    return Parsed(thought + split(text[end:], separator), len(thought), finish)


_STYLES: dict[str, Style] = {mark: style for style, marks in MARKS.items() for mark in marks}
_ANY_MARK = re.compile("|".join(map(re.escape, _STYLES)))
_EMPTY_BLOCK = re.compile(
    "|".join(rf"\s*+(?:{re.escape(a)}\s*+)?{re.escape(z)}" for a, z in MARKS.values())
)
"""Of a text that was told apart; a chat template may have opened the block."""


def _marks(text: str) -> list[tuple[Style, str, int]]:
    """All marks outside closed code fences: their style, themselves and where they end."""
    if "<" not in text:
        return []
    found = [(_STYLES[match[0]], match) for match in _ANY_MARK.finditer(text)]
    if not found:
        return []
    fenced = _closed_fences(text)
    return [
        (style, match[0], match.end())
        for style, match in found
        if not any(start < match.start() < end for start, end in fenced)
    ]


def tags(text: str) -> list[tuple[str, int]]:
    """The think tags outside closed code fences, each with the offset of its end."""
    return [(mark, end) for style, mark, end in _marks(text) if style == "think"]


def marked(text: str, marks: Sequence[str]) -> list[int]:
    """Where any of these marks stand outside closed code fences."""
    found = [at.start() for at in re.finditer("|".join(map(re.escape, marks)), text)]
    fenced = _closed_fences(text) if found else []
    return [at for at in found if not any(start <= at < end for start, end in fenced)]


def thought_in(block: str) -> str:
    """What was thought, of an attempt's thought with the tags around it."""
    found = _marks(block)
    if not found:
        return ""
    _, close, end = found[-1]
    start = found[0][2] if len(found) > 1 else 0
    return block[start : end - len(close)].strip("\n")


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
