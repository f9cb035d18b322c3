"""Take off what surrounds an answer: delimiters, boxes, a full stop; and its key."""

from __future__ import annotations

import re

from cotgen.verifiers.mathematics.phrases import BLANK

_WRAPPERS = (
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("**", "**"),
    ("``", "''"),
    ("`", "`"),
    ("`", "'"),
    ("\\textquotedblleft", "\\textquotedblright"),
    ('"', '"'),
)
_COMMANDS = (
    *("\\boxed", "\\fbox", "\\textbf", "\\textit", "\\textrm", "\\textsf", "\\texttt", "\\text"),
    *("\\mbox", "\\hbox", "\\mathbf", "\\mathrm", "\\mathit", "\\mathsf", "\\emph", "\\underline"),
    *("\\boldsymbol", "\\bm", "\\displaystyle"),
)
"""A command stands before those that it begins like."""
_ENDING = frozenset(" \t\r\n.,;:")
_LEAD = re.compile(
    r"\A(?:\\text ?\{)? ?(?:so |thus |therefore,? |hence )?(?:the )?(?:final )?answer"
    r"(?: is:?|:) ?(?:\})? ?(?=[^\s}])",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\A(?:\s|\\[ ,;!]|~)+")


def unwrap(text: str) -> str:
    """The text without delimiters, boxes and a full stop around the whole of it."""
    for _ in range(8):
        before = text
        text = _trim(text)
        for opened, closed in _WRAPPERS:
            inner = text[len(opened) : -len(closed)]
            if text.startswith(opened) and text.endswith(closed) and inner and opened not in inner:
                text = inner.strip()
        text = _without_braces(text)
        if text == before:
            break
    return text


def _trim(text: str) -> str:
    text = text.strip()
    text = text[: _end(text)]
    if text[:1] in "~\\" or text[:1].isspace():
        text = _SPACES.sub("", text)
    return text


def _end(text: str) -> int:
    """Where full stops, commas and blanks of TeX begin that end the text; three dots stay."""
    at = len(text)
    while at:
        if text[at - 1] == "." and _is_no_stop(text[max(0, at - 7) : at]):
            break
        if text[at - 1] in _ENDING and text[at - 2 : at - 1] != "\\":
            at -= 1
        elif at > 1 and text[at - 2] == "\\" and text[at - 1] in "\\,;:! ":
            at -= 2
        elif text[at - 1] == "\\":
            # What is left of a blank of TeX, or of a line break.
            at -= 1
        else:
            break
    return at


def _is_no_stop(ending: str) -> bool:
    """Whether the point at the end is one of three dots, or an unseen delimiter of TeX."""
    dots = ending.endswith("...") and not ending.endswith("....")
    return dots or ending.endswith("\\right.")


_NOUN = re.compile(
    r"(?:\\text ?\{ ?)?(?i:the )?(?i:number|integer|value|point|vertex)(?: ?\})? ?"
    r"(\$?-?[0-9][0-9.,]{0,30}(?:/[0-9]{1,12})?\$?|(?<=[ }])\$?[A-Z]\$?"
    r"|\(-?[0-9][-0-9.,/ ]{1,60}\))"
)
_IT_IS = re.compile(r"\A[Ii]t is (?=[A-Z0-9$\\-])")
"""Before a name or a value; `it is easy` says something else."""
_EITHER = re.compile(r"\A(?:\\text ?\{ ?(?i:either) ?\}|(?i:either) )")
_IN_ANGLES = re.compile(r"<([A-J])>")


def without_lead(text: str) -> str:
    """The answer in `The answer is 7`, where a box holds the whole sentence; in `point B` B."""
    if "nswer" in text[:60] or "NSWER" in text[:60]:
        lead = _LEAD.match(text)
        if lead is not None:
            rest = text[lead.end() :]
            opened = text[: lead.end()].count("{") > text[: lead.end()].count("}")
            text = unwrap(rest[:-1] if opened and rest.endswith("}") else rest)
    text = _IT_IS.sub("", text)
    named = _NOUN.fullmatch(text) or _IN_ANGLES.fullmatch(text)
    if named:
        return named[1].strip("$")
    return _EITHER.sub("", text) if "or" in text else text


def _without_braces(text: str) -> str:
    """`\\text{x}`, `\\boxed{x}` and `{x}` are x where the braces hold everything."""
    head = next((command for command in _COMMANDS if text.startswith(command)), "")
    rest = text[len(head) :].strip()
    if head == "\\displaystyle":
        return rest
    if not (rest.startswith("{") and rest.endswith("}") and _spans(rest)):
        return text
    return rest[1:-1].strip()


def _spans(text: str) -> bool:
    """Whether the first brace is closed by the last character."""
    depth, at = 0, 0
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        depth += (letter == "{") - (letter == "}")
        if depth == 0 and letter == "}":
            return at == len(text) - 1
        at += 1
    return False


_SAME = re.compile(r"\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z])|\\!")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_NEEDED = re.compile(r"(?<=[A-Za-z0-9.]) (?=[A-Za-z0-9.])")


def key_of(text: str) -> str:
    """Equal keys are the same answer, differently spaced."""
    text = _FRACTION.sub(r"\\frac", _SAME.sub("", text))
    text = _NEEDED.sub("\0", BLANK.sub(" ", text)).replace(" ", "").replace("\0", " ")
    return text.replace("\\mbox{", "\\text{")
