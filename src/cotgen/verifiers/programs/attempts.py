"""The program that an attempt gives: its last fenced block, a bare program, or a completion.

Nothing is parsed here: attempts are hostile. The texts that might be the program go to the sandbox
in order, which takes the first that compiles and defines what the tests want.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

LONGEST = 200_000
_MOST_BLOCKS = 8
_FENCE = re.compile(r"(?P<indent>[ \t>]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^`]*")
_LANGUAGES = frozenset({"python", "py", "python3", "ipython", "python2", "sage", ""})
_LIKE_CODE = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+[ \t]*\(|class \w+|import \w+|from [\w.]+ import |return\b"
    r"|print\(|[A-Za-z_]\w* = |for \w+ in .*:[ \t]*$|if .*:[ \t]*$|while .*:[ \t]*$)",
    re.MULTILINE,
)


class Candidate(NamedTuple):
    """A text that may be the program, and where it stands in the attempt."""

    text: str
    span: tuple[int, int]


class Found(NamedTuple):
    """The candidates of an attempt, best first. `sure`: one of them must be meant as a program;
    `fenced`: a text that does not compile is a broken program, not prose."""

    candidates: list[Candidate]
    sure: bool
    fenced: bool


def find_program(solution: str, prompt: str, *, printing: bool) -> Found:
    """The texts that may be the program. `printing`: it is run as a script, so that a text without
    fences must look like a program to be one."""
    blocks = [block for block in _blocks(solution) if block.text.strip()]
    fenced = [block.candidate for block in blocks if block.language in _LANGUAGES]
    fenced = fenced[-_MOST_BLOCKS:][::-1]
    if fenced:
        return Found([*fenced, *_completions(fenced[0], prompt)], sure=True, fenced=True)
    bare = Candidate(solution, (0, len(solution)))
    sure = _LIKE_CODE.search(solution) is not None
    if blocks or not solution.strip() or (printing and not sure):
        return Found([], sure=False, fenced=False)
    parts = [*_code_in_prose(solution), *_first_part(bare)]
    completions = [_completions(part, prompt) for part in (bare, *parts)]
    return Found([bare, *parts, *chain(*completions)], sure, fenced=False)


def joined(solution: str) -> str:
    """All fenced programs in order: what an attempt means that explains its program in parts."""
    parts = [block.text for block in _blocks(solution) if block.language in _LANGUAGES]
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _code_in_prose(solution: str) -> Iterator[Candidate]:
    """From the first line that begins a program to the last that belongs to one."""
    lines = list(_lines(solution))
    begins = [number for number, line in enumerate(lines) if _BEGINS.match(line.text)]
    if not begins:
        return
    belongs = [number for number, line in enumerate(lines) if _belongs(line.text)]
    start, end = lines[begins[0]].start, lines[max(begins[0], *belongs)].end
    yield Candidate(solution[start:end] + "\n", (start, end))


def _belongs(line: str) -> bool:
    inside = line[:1] in (" ", "\t", ")", "]", "}") and line.strip() != ""
    return inside or _LIKE_CODE.match(line) is not None


def _first_part(bare: Candidate) -> Iterator[Candidate]:
    """A completion up to its first line that is not indented: what follows is no part of it."""
    if bare.text[:1] not in " \n":
        return
    for line in _lines(bare.text):
        if line.start and line.text[:1].strip():
            yield Candidate(bare.text[: line.start], (0, line.start))
            return


def _completions(candidate: Candidate, prompt: str) -> Iterator[Candidate]:
    """The candidate as what follows the prompt, also where its first or all lines lost their
    indentation."""
    if not prompt:
        return
    text = candidate.text
    base = prompt if prompt.endswith("\n") or text.startswith("\n") else prompt + "\n"
    indented = "".join("    " + line for line in text.splitlines(keepends=True))
    for body in (text, "    " + text.lstrip(" "), indented):
        yield Candidate(base + body, candidate.span)


_BEGINS = re.compile(r"(?:async )?def \w|class \w|import \w|from [\w.]+ import |@\w")


class _Block(NamedTuple):
    text: str
    start: int
    end: int
    language: str

    @property
    def candidate(self) -> Candidate:
        """The block as a program."""
        return Candidate(self.text, (self.start, self.end))


class _Line(NamedTuple):
    start: int
    end: int
    text: str


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield _Line(start, end, text[start:end].removesuffix("\r"))
        start = end + 1


def _blocks(solution: str) -> Iterator[_Block]:
    """Fenced blocks in order. The last may be left open."""
    opened: re.Match[str] | None = None
    begin = 0
    for line in _lines(solution):
        if opened is None:
            opened = _FENCE.fullmatch(line.text[:1000])
            begin = min(line.end + 1, len(solution))
        elif _closes(line.text, opened["mark"]):
            yield _block(solution, opened, begin, line.start)
            opened = None
    if opened is not None:
        yield _block(solution, opened, begin, len(solution))


def _closes(line: str, mark: str) -> bool:
    text = line.strip(" \t>")
    return len(text) >= len(mark) and text == mark[0] * len(text)


def _block(solution: str, opened: re.Match[str], begin: int, end: int) -> _Block:
    text, indent = solution[begin:end], opened["indent"]
    if indent:
        lines = (line.removeprefix(indent) for line in text.splitlines(keepends=True))
        text = "".join(lines)
    return _Block(text, begin, end, opened["language"].lower())
