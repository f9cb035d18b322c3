"""Where the answer stands in a text: the last one that the text commits itself to.

Only marked answers count, or an attempt that is nothing but an answer. The last number of a text is
a guess, and a guess makes wrong labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from cotgen.verifiers.mathematics.boxes import last_box
from cotgen.verifiers.mathematics.conclusion import conclusion
from cotgen.verifiers.mathematics.extraction import (
    DEFAULT_FORMS,
    Extraction,
    Form,
    is_placeholder,
)
from cotgen.verifiers.mathematics.marks import last_answer_line, last_hashes, last_json, last_tag
from cotgen.verifiers.mathematics.stated import last_phrase
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
    if found is not None:
        return found
    for form, finder in _UNMARKED.items():
        if form in forms and (whole or form != "bare"):
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


_THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<Thought>", "</Thought>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
)


def after_thought(text: str) -> int:
    """Where the solution begins; -1 if a thought was opened and never closed."""
    if not ("hink" in text or "hought" in text or "reasoning>" in text or "[THINK]" in text):
        return 0
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
    *("<|end_of_solution|>", "<end_of_turn>", "</s>", "<｜end▁of▁sentence｜>"),
)


def _end_of_turn(text: str, start: int) -> int:
    """Where the model's own turn ends: special tokens may be left in the text."""
    if text.find("<", start) < 0:
        return len(text)
    ends = [text.find(token, start) for token in _TURN_ENDS]
    return min((end for end in ends if end > start), default=len(text))


_QUESTION = re.compile(
    r"\n[ \t]{0,9}(?:#{1,4} ?)?\**(?:Q|Question|Problem|Instruction|Human|User):"
)
_MOST_QUESTIONS = 8


def _before_next_question(text: str, start: int, end: int, forms: tuple[Form, ...]) -> int:
    """A model that runs on asks itself the next question; its answer is not this problem's."""
    if text.find(":", start, end) < 0:
        return end
    for asked in islice(_QUESTION.finditer(text, start, end), _MOST_QUESTIONS):
        if isinstance(_marked(text, start, asked.start(), forms), Extraction):
            return asked.start()
    return end


def _marked(text: str, start: int, end: int, forms: tuple[Form, ...]) -> Extraction | str | None:
    """The last marked answer. Each form is looked for only behind what was found before it."""
    found: Extraction | None = None
    refused = None
    if "json" in forms and (found := last_json(text, start, end)):
        start = found.end
    if "box" in forms:
        box = last_box(text, start, end)
        if isinstance(box, int):
            found, start, refused = None, box, "the last box is not closed"
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
        if said is not None and not (boxed and found and _is_restated(found.text, said.text)):
            found = said
    return found or refused


_Finder = Callable[[str, int, int], Extraction | None]
_MARKED: dict[Form, _Finder] = {
    "hashes": last_hashes,
    "answer_line": last_answer_line,
    "tag": last_tag,
}
_UNMARKED: dict[Form, _Finder] = {
    "bare": bare,
    "bold": bold,
    "conclusion": conclusion,
    "display": last_display,
    "formula": last_formula,
    "number": last_number,
}
_DELIMITER = re.compile(r"\\[()\[\]]|[$*\s]")
_WORDS_AFTER = re.compile(r"[$*)\\]{0,4}\s{1,9}(?:[A-Za-z]{3}|\\text)")
_LONGEST_RESTATED = 200


def _is_restated(boxed: str, said: str) -> bool:
    """`\\boxed{5}. The answer is 5 apples`: the box says the same, and only the answer."""
    if len(boxed) > _LONGEST_RESTATED:
        return False
    if _DELIMITER.sub("", boxed) == _DELIMITER.sub("", said):
        return True
    place = said.find(boxed)
    return 0 <= place <= 2 and _WORDS_AFTER.match(said, place + len(boxed)) is not None


# --- retractions --------------------------------------------------------------------------------

_RETRACTION = re.compile(
    r"\bwait\b[,.! —-]{0,3}(?:no\b|not\b|that\b|this\b|I\b|actually|let me|there)"
    r"|\bno, (?:wait|that)\b"
    r"|\b(?:that|this|answer|above|result)(?:'s| is| was| seems| looks| must be)"
    r" (?:not (?:correct|right)|wrong|incorrect|a mistake)\b"
    r"|\bI (?:have )?(?:made|see) (?:a|an|my) (?:mistake|error)|\bmy mistake\b|\bI was wrong\b"
    r"|\b(?:scratch that|on second thought)|\bcorrection:"
    r"|\blet me (?:re(?:calculate|compute|do|consider|think|try)|try again|correct|start over|fix)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"[^\n.]{0,20}?\b(?:is|was|seems|would be) (?:not (?:correct|right)|incorrect|wrong)\b"
)
_NOT_THIS = re.compile(
    r"\banswer (?:is|are|was) (?:certainly |definitely )?(?:not|never) ([^\n]{1,60})", re.IGNORECASE
)
_LOOKED_AT = 5_000
_SHORTEST_RETRACTION = 7


def _is_taken_back(text: str, found: Extraction, end: int) -> bool:
    """Whether the text goes on to say that this is not the answer after all."""
    start = found.end
    if end - start < _SHORTEST_RETRACTION:
        return False
    end = min(end, start + _LOOKED_AT)
    if _RETRACTION.search(text, start, end) or _DENIED.match(text, start, end):
        return True
    bare_answer = _DELIMITER.sub("", found.text[:60])
    return any(
        _DELIMITER.sub("", denied[1]).rstrip(".").startswith(bare_answer)
        for denied in _NOT_THIS.finditer(text, start, end)
    )
