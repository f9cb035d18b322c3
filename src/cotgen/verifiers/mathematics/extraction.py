"""An answer as it was found in a text, and the forms in which a text may give one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from msgspec import Struct

Marked = Literal["box", "hashes", "answer_line", "phrase", "tag", "json"]
"""`\\boxed{x}`, `#### x`, a line `A: x`, "the answer is x" or "Answer: x", `<answer>x</answer>`,
`{"answer": x}`."""
Alone = Literal["bare", "bold", "sentence"]
"""Where nothing is marked: an attempt that is nothing but an answer; the only bold words of the
last line; an attempt that is one sentence such as "The sum is $x$.", or ends in "$x$ is the
answer"."""
Guessed = Literal["conclusion", "formula", "display", "number"]
"""A last sentence such as "Hence the area is $x$."; the last formula of the last sentence; the last
displayed formula; the last number. Often not the answer, hence only for who asks for it."""
Form = Literal[Marked, Alone, Guessed]

DEFAULT_FORMS: tuple[Form, ...] = (*get_args(Marked), *get_args(Alone))


def has_one(text: str, words: tuple[str, ...]) -> bool:
    """Whether one of the words is in the text: the quick test before a slow pattern."""
    # A plain loop: `any` takes three times as long, and this is done several times for each text.
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


class Extraction(Struct, frozen=True):
    """An answer, which rule found it, and where it starts and ends in the text."""

    text: str
    rule: Form
    start: int
    end: int

    @property
    def span(self) -> tuple[int, int]:
        """Where the answer starts and ends in the whole attempt."""
        return self.start, self.end


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why what stands in an answer's place is none, and where it ends: nothing before it counts."""

    reason: str
    end: int


def stripped(text: str, rule: Form, start: int, end: int) -> Extraction | None:
    """What stands between two places, without the white space and stars around it."""
    while start < end and (text[start].isspace() or text[start] == "*"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == "*"):
        end -= 1
    answer = text[start:end]
    return None if is_placeholder(answer) else Extraction(answer, rule, start, end)


_LONGEST_PLACEHOLDER = 60
_EMPTY = frozenset(
    {"", "...", "?", "answer", "theanswer", "youranswer", "finalanswer", "yourfinalanswer",
     "youranswerhere", "answerhere", "finalanswerhere", "ans", "x...", "number", "result"}
)  # fmt: skip
_NO_CONTENT = re.compile(
    r"\\(?:text|mathrm|textbf|mbox|ldots|dots|cdots|square)(?![a-z])|[\s{}$.*_\\<>\[\]]"
)


def is_placeholder(text: str) -> bool:
    """Whether nothing is there, or only an echo of the prompt such as `your answer here`."""
    if not text or text.isspace():
        return True
    if len(text) > _LONGEST_PLACEHOLDER or text[0].isdigit() or "\\{" in text or text == "[]":
        return False
    return _NO_CONTENT.sub("", text).lower() in _EMPTY


_UNTRUE = re.compile(
    r"(?:(?:\bnot|\bnever|n't) (?:true|correct|right|the case|certain|sure|clear|likely|possible)"
    r"|\b(?:false|untrue|wrong|incorrect|impossible|unlikely|nobody says|no one says|doubt|deny))"
    r"(?: to (?:say|claim|think|assume))? that\b[^.,;:!?\n]{0,30}\Z"
    r"|(?:\bnot|\bnever|n't) (?:think|believe|say|mean|claim)(?: that)? (?:the|our|my|it|its)\b"
    r"[^.,;:!?\n]{0,30}\Z",
    re.IGNORECASE,
)
_UNTRUE_WORDS, _THAT_NEAR = ("not ", "n't ", "never "), 34
"""In lower case, one of these is in all that is found, or "that" so near to its end."""
UNTRUE_BEFORE = 80
"""So many characters before an answer tell whether it is denied."""


def is_denied(before: str) -> bool:
    """Whether `It is not true that the` or `I don't think the` stands before an answer."""
    lower = before.lower()
    if not has_one(lower, _UNTRUE_WORDS) and "that" not in before[-_THAT_NEAR:].lower():
        return False
    return _UNTRUE.search(before) is not None


MATHEMATICAL = re.compile(r"[-+−±0-9.($\[\\{|√∞∅]|(?![aAI] +[A-Za-z]{2})[A-Za-zπ](?![A-Za-z'’])")
"""How an answer starts that is not in words; "a circle" starts with an article."""
