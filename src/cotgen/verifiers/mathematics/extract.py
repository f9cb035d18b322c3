"""Where the answer stands in a text: the last one that the text commits itself to.

Only marked answers count, or an attempt that is nothing but an answer. The last number of a text is
a guess, and a guess makes wrong labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from cotgen.verifiers.mathematics.boxes import last_box
from cotgen.verifiers.mathematics.conclusion import conclusion, sentence
from cotgen.verifiers.mathematics.extraction import (
    DEFAULT_FORMS,
    Extraction,
    Form,
    Refusal,
    has_one,
    is_placeholder,
)
from cotgen.verifiers.mathematics.marks import last_answer_line, last_hashes, last_json, last_tag
from cotgen.verifiers.mathematics.stated import Statement, last_phrase
from cotgen.verifiers.mathematics.unmarked import (
    bare,
    bold,
    last_display,
    last_formula,
    last_number,
)

__all__ = ["DEFAULT_FORMS", "Extraction", "Form", "after_thought", "extract", "extract_gold"]

TAIL = 200_000
"""Characters of a text that are searched, from its end: an answer stands there or nowhere."""

NOTHING = "no marked answer"


def extract(text: str, forms: tuple[Form, ...] = DEFAULT_FORMS) -> Extraction | str:
    """The answer that an attempt commits itself to, or why there is none."""
    start = after_thought(text)
    if start < 0:
        return "the thought is not closed"
    whole = start + TAIL >= len(text)
    start = max(start, len(text) - TAIL)
    end = _before_next_question(text, start, _end_of_turn(text, start), forms)
    found = _marked(text, start, end, forms)
    if isinstance(found, Extraction) and _is_taken_back(text, found, end):
        return "the answer is taken back"
    if isinstance(found, Extraction) and _is_one_part(text, found, start):
        return "the text answers several parts"
    if found is not None:
        return found
    for form, finder in _UNMARKED.items():
        if form in forms and (whole or form not in ("bare", "sentence")):
            found = finder(text, start, end)
            if found is not None:
                return found
    return NOTHING


_GOLD_FORMS: tuple[Form, ...] = ("box", "hashes", "answer_line", "phrase", "tag", "json")


def extract_gold(text: str) -> Extraction | str:
    """The answer in a gold: bare, or at the marked place of a whole solution."""
    start = after_thought(text)
    if start < 0:
        return "the thought is not closed"
    found = _marked(text, max(start, len(text) - TAIL), len(text), _GOLD_FORMS)
    if found is not None:
        return found
    answer = text[start:].strip()
    if is_placeholder(answer) or answer in ("\\boxed{}", "####"):
        return "the gold is empty"
    start = text.index(answer, start)
    return Extraction(answer, "bare", start, start + len(answer))


_TAGS = ("think", "thinking", "thought", "reasoning", "scratchpad", "analysis", "seed:think")
_THOUGHTS = (
    *(
        (f"<{spelled}>", f"</{spelled}>")
        for tag in _TAGS
        for spelled in (tag, tag.capitalize(), tag.upper())
    ),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
)
_HINTS = ("hink", "HINK", "ought>", "OUGHT>", "ought|>", "soning>", "SONING>", "pad>", "PAD>",
          "lysis>", "LYSIS>", "<|channel|>")  # fmt: skip
"""One of these is in every text with a thought that is marked."""
_ASIDE, _SAID = "<|channel|>", "<|channel|>final<|message|>"
"""A channel other than the final one holds thoughts."""


_TAG = re.compile(r"<[/|｜]?[A-Za-z]")


def _has_tag(text: str) -> bool:
    """Whether anything opens as tags do: calculators' `<<1+2=3>>` and most inequalities do not."""
    return "<" in text and _TAG.search(text) is not None


def after_thought(text: str) -> int:
    """Where the solution begins; -1 if a thought was opened and never closed."""
    if not _has_tag(text) and "◁" not in text and "THINK]" not in text:
        return 0
    if not has_one(text, _HINTS):
        return 0
    start = text.rfind(_SAID) + len(_SAID)
    if start < len(_SAID):
        if _ASIDE in text:
            return -1
        start = 0
    for opened, closed in _THOUGHTS:
        end = text.rfind(closed)
        if text.rfind(opened) > end:
            return -1
        if end >= 0:
            start = max(start, end + len(closed))
    return start


_TURN_ENDS = (
    *("<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|im_start|>", "<|end_of_text|>", "<|end|>"),
    *("<|end_of_solution|>", "<end_of_turn>", "</s>", "<｜end▁of▁sentence｜>", "<|return|>"),
)
_TURN_SIGNS = ("<|", "<end_of_turn>", "</s>", "<｜")
"""Each of the tokens starts with one of these."""


def _end_of_turn(text: str, start: int) -> int:
    """Where the model's own turn ends: special tokens may be left in the text."""
    if not _has_tag(text) or not has_one(text, _TURN_SIGNS):
        return len(text)
    ends = [text.find(token, start) for token in _TURN_ENDS]
    return min((end for end in ends if end > start), default=len(text))


_QUESTION = re.compile(
    r"\n[ \t]{0,9}(?:(?:#{1,4} ?)?\**(?:Q|Question|Problem|Instruction|Human|User)"
    r"(?: ?[0-9]{1,4})?[:.]|(?:#{1,4} ?\**|\*\*)(?:Question|Problem|Instruction)\b|\[INST\])"
)
_MOST_QUESTIONS = 8


def _before_next_question(text: str, start: int, end: int, forms: tuple[Form, ...]) -> int:
    """A model that runs on asks itself the next question; its answer is not this problem's."""
    if not _may_ask(text):
        return end
    for asked in islice(_QUESTION.finditer(text, start, end), _MOST_QUESTIONS):
        if isinstance(_marked(text, start, asked.start(), forms), Extraction):
            return asked.start()
    return end


def _may_ask(text: str) -> bool:
    """Whether a word of such a line is there. Looking for a sign is quicker than for a word."""
    return (
        "Q" in text
        or ("P" in text and "Problem" in text)
        or ("I" in text and ("Instruction" in text or "[INST]" in text))
        or ("H" in text and "Human" in text)
        or ("U" in text and "User" in text)
    )


def _marked(text: str, start: int, end: int, forms: tuple[Form, ...]) -> Extraction | str | None:
    """The last marked answer. Each form is looked for only behind what was found before it."""
    found: Extraction | None = None
    refused = None
    if "json" in forms and (found := _whole_json(text, start, end)):
        start = found.end
    if "box" in forms:
        box = last_box(text, start, end)
        if isinstance(box, Refusal):
            found, start, refused = None, box.end, box.reason
        elif box is not None:
            found, start = box, box.end
    boxed = found is not None
    for form, finder in _MARKED.items():
        if form in forms and end - start > 2:
            later = finder(text, start, end)
            if later is not None:
                found, start = later, later.start
    if "phrase" in forms and end - start >= 8:
        said = last_phrase(text, start, end, boxed=boxed)
        if said is not None:
            return _said_last(text, found, said, boxed=boxed)
    return found or refused


_BEFORE_VALUE = re.compile(r"\\(?:boxed|fbox)\s*\{\s*[{\"][^}]*")
_BEHIND_VALUE = re.compile(r"(?:,[^{}]*)?[\s}\]\"]*")


def _whole_json(text: str, start: int, end: int) -> Extraction | None:
    """The last JSON, unless a box holds more than it: `\\boxed{{"answer": 5} + 1}` is not 5."""
    found = last_json(text, start, end)
    box = last_box(text, start, end) if found else None
    if not (found and isinstance(box, Extraction) and box.start < found.start < box.end):
        return found
    before = _BEFORE_VALUE.fullmatch(text, box.start, found.start)
    return found if before and _BEHIND_VALUE.fullmatch(text, found.end, box.end) else None


def _said_last(
    text: str, found: Extraction | None, said: Statement, *, boxed: bool
) -> Extraction | str:
    """A sentence behind another answer replaces it only if it says so, or is about the same."""
    if boxed and found and _is_restated(found.text, said.found.text):
        return found
    rival = said.rival or found
    if rival is None or said.firm or said.found.start < rival.end:
        return said.found
    if _is_restated(rival.text, said.found.text):
        return said.found
    if _RETRACTION.search(text, rival.end, said.found.start):
        return said.found
    return "the text commits itself to two values"


_Finder = Callable[[str, int, int], Extraction | None]
_MARKED: dict[Form, _Finder] = {
    "hashes": last_hashes,
    "answer_line": last_answer_line,
    "tag": last_tag,
}
_UNMARKED: dict[Form, _Finder] = {
    "bare": bare,
    "bold": bold,
    "sentence": sentence,
    "conclusion": conclusion,
    "display": last_display,
    "formula": last_formula,
    "number": last_number,
}
_DELIMITER = re.compile(
    r"\\(?:text|mathrm|textbf)(?![a-z])|[$*\s{}\\()\[\]!]|(?<=[0-9]),(?=[0-9]{3})"
)
_FRACTION = re.compile(r"\\[dt]?frac\{([0-9]{1,9})\}\{([0-9]{1,9})\}")
_WORDS_AFTER = re.compile(r"[$*)\\]{0,4}\s{1,9}(?:[A-Za-z]{3}|\\text)")
_LONGEST_RESTATED = 200


def _is_restated(boxed: str, said: str) -> bool:
    """`\\boxed{5}. The answer is 5 apples`: the box says the same, and only the answer."""
    if len(boxed) > _LONGEST_RESTATED:
        return False
    plain, told = _plain(boxed), _plain(said[:_LONGEST_RESTATED])
    if plain == told or told.endswith(f"={plain}") or plain.endswith(f"={told}"):
        return True
    place = said.find(boxed)
    return 0 <= place <= 2 and _WORDS_AFTER.match(said, place + len(boxed)) is not None


def _plain(answer: str) -> str:
    return _DELIMITER.sub("", _FRACTION.sub(r"\1/\2", answer))


# --- retractions --------------------------------------------------------------------------------

_RETRACTION = re.compile(
    r"\bwait\b[,.! —-]{0,3}(?:no\b|not\b|that\b|this\b|I\b|actually|let me|there)"
    r"|\bno, (?:wait|that)\b"
    r"|\b(?:that|this|answer|above|result)(?:'s| is| was| seems| looks| must be)"
    r" (?:not (?:correct|right)|wrong|incorrect|a mistake|mistaken|flawed|invalid)\b"
    r"|\b(?:hmm+|hold on)\b|\b(?:whoops|oops)[ ,.!—-]{1,3}[a-z]"
    r"|\bI (?:forgot|missed|overlooked|misread|miscounted)\b"
    r"|\bactually,? (?:it|that|this|no\b|I|let me|the|there|[-$\\]?[0-9])"
    r"|\bI (?:need|have) to (?:re|correct|fix)|\b(?:edit|update|erratum):"
    r"|\bI (?:have )?(?:made|see) (?:a|an|my) (?:mistake|error)|\bmy mistake\b|\bI was wrong\b"
    r"|\b(?:scratch that|on second thought)|\bcorrection:"
    r"|\blet me (?:re(?:calculate|compute|do|consider|think|try)|try again|correct|start over|fix)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"[^\n.]{0,20}?\b(?:is|was|seems|would be) (?:not (?:correct|right)|incorrect|wrong)\b"
)
_NOT_THIS = re.compile(
    r"(?:\bno longer"
    r"|\b(?:answer|it|this|that)(?: is| are| was|'s) (?:certainly |definitely )?(?:not|never)"
    r"|\b(?:(?<=not )(?:true|correct|right|the case)|false|untrue|wrong|incorrect)"
    r" that (?:the |our )?(?:final |correct )?answer is)"
    r"(?= ([^\n]{1,60}))",
    re.IGNORECASE,
)
_TAKING_BACK = (
    *("not", "never", "no longer", "no, that", "wrong", "correct", "right", "wait", "actually"),
    *("mistake", "error", "false", "untrue", "flawed", "invalid", "hmm", "hold on", "oops"),
    *("i forgot", "i mis", "i overlooked", "i need to", "i have to", "let me", "scratch that"),
    *("second thought", "edit:", "update:", "erratum:"),
)
"""In lower case, one of these is in all that the three patterns find, unless they take another
letter for one of ASCII."""
_TAKEN_FOR_ASCII = ("ſ", "ı", "İ")
_SIGN = re.compile(r"\\[()\[\]]|[$*]")
_GOES_ON = re.compile(r"[A-Za-z0-9]|[.,/^][0-9]")
_LOOKED_AT = 5_000
_SHORTEST_RETRACTION = 7


def _is_taken_back(text: str, found: Extraction, end: int) -> bool:
    """Whether the text goes on to say that this is not the answer after all."""
    start = found.end
    if end - start < _SHORTEST_RETRACTION:
        return False
    end = min(end, start + _LOOKED_AT)
    if not _may_take_back(text[start:end]):
        return False
    if _RETRACTION.search(text, start, end) or _DENIED.match(text, start, end):
        return True
    answer = _SIGN.sub("", found.text[:60]).strip()
    denials = (_SIGN.sub("", denied[1]) for denied in _NOT_THIS.finditer(text, start, end))
    return any(
        denied.startswith(answer) and not _GOES_ON.match(denied, len(answer)) for denied in denials
    )


def _may_take_back(after: str) -> bool:
    """Whether the patterns are worth their time."""
    if has_one(after.lower(), _TAKING_BACK):
        return True
    return not after.isascii() and has_one(after, _TAKEN_FOR_ASCII)


# --- several parts ------------------------------------------------------------------------------

_PART = re.compile(r"[ \t*#>_-]{0,8}(?:[Pp]art )?(?:\(?([a-h])\)|(?<=Part )([A-H])\b)")
_LATER_PART = re.compile(rf"\n{_PART.pattern}")
_ANSWERED = re.compile(r"\\f?box|\banswer(?: is\b|s are\b|[*]{0,2}:)", re.IGNORECASE)
_PARTS_BEFORE = 4_000


def _is_one_part(text: str, found: Extraction, start: int) -> bool:
    """Whether the answer stands at "(b)" after another one at "(a)"."""
    start = max(start, found.start - _PARTS_BEFORE)
    if text.find("b)", start, found.start) < 0 and text.find("art B", start, found.start) < 0:
        return False
    first = None if start else _PART.match(text, 0, found.start)
    labels = [first] if first else []
    labels += _LATER_PART.finditer(text, start, found.start)
    if len(labels) < 2 or found.text.startswith("(a)"):
        return False
    return _ANSWERED.search(text, labels[0].end(), labels[-1].start()) is not None
