"""Multiple choice: the letter of an option, its text, or both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from cotgen.protocols import Component, Deadline
from cotgen.records import Outcome, Problem, Verdict
from cotgen.verifiers.mathematics.compare import compare
from cotgen.verifiers.mathematics.extract import Extraction, after_thought, extract, extract_gold
from cotgen.verifiers.mathematics.read import read


class ChoiceVerifier(Component):
    """Accept the gold option by letter, by text or by both.

    The options are read from the question where it lists them: (A) 12 (B) 13, or A. 12 on lines.
    A letter beside the text of another option is `unverifiable`.
    """

    kind: Literal["choice"] = "choice"
    timeout_s: Deadline = 5.0
    """Seconds for one answer; a later verdict is `unverifiable`."""

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the option that `solution` picks."""
        found = _found(solution)
        if isinstance(found, str):
            return Verdict("unverifiable", method="extraction", reason=f"no answer: {found}")
        options = options_of(problem.question[-_LONGEST_QUESTION:])
        gold_text = extract_gold(problem.answer)
        gold = gold_text if isinstance(gold_text, str) else _pick(gold_text.text, options)
        given = _pick(found.text, options)
        if isinstance(gold, str):
            judged: tuple[Outcome, str] = ("unverifiable", f"unusable gold: {gold}")
        elif isinstance(given, str):
            judged = ("unverifiable", given)
        else:
            judged = _judge(gold, given, options)
        return Verdict(
            outcome=judged[0],
            predicted=found.text,
            method="choice",
            reason=judged[1],
            span=found.span,
            canonical=given if isinstance(given, str) else given.shown,
            canonical_gold=gold if isinstance(gold, str) else gold.shown,
        )


_LONE = re.compile(
    r"(?:\A\s*|[.!:]\s{1,4}|\n\n\s{0,4})(?:(?:so|thus|hence|therefore),? )?(?:the )?(?:correct )?"
    r"(?:(?:option|choice|answer) )?"
    r"\**\(?([A-J])\)?\** is (?:the )?(?:only )?(?:correct|right|best|true)"
    r"(?: (?:option|choice|answer|one))?(?:,? (?:because|since|as) [^.!?\n]+)?[.!*\s]*\Z",
    re.IGNORECASE,
)
_CLAIM = re.compile(r"\b([A-J])\)?\** is (?:the )?(?:only )?(?:correct|right|best|true)\b")
_LONGEST_END = 2_000


def _found(solution: str) -> Extraction | str:
    """A marked answer, else "Option C is correct" as the last sentence: what follows might take it
    back, or say the same of another option."""
    found = extract(solution)
    start = after_thought(solution)
    if isinstance(found, Extraction) or start < 0:
        return found
    start = max(start, len(solution) - _LONGEST_END)
    text = solution[start:].rstrip()
    said = _LONE.search(text)
    if said is None or len({claim[1] for claim in _CLAIM.finditer(text)}) > 1:
        return found
    return Extraction(said[1], "phrase", start + said.start(1), start + said.end(1))


# --- options ------------------------------------------------------------------------------------

Options = Mapping[str, str]
_LONGEST_QUESTION = 50_000
_FEWEST = 2
_MARKS = (
    re.compile(r"\(\s?([A-J])\s?\)"),
    re.compile(r"(?<![A-Za-z0-9(])([A-J])\)"),
    re.compile(r"(?:^|\n)[ \t>*-]{0,6}([A-J])[ \t]?[.:]"),
    re.compile(r"(?:^|(?<=\s))([A-J])[.:](?=\s)"),
    re.compile(r"\(\s?([a-j])\s?\)"),
    re.compile(r"(?:^|(?<=\s))([a-j])\)"),
)


@lru_cache(maxsize=1_024)
def options_of(question: str) -> Options:
    """The options that a question lists, by letter; none if it lists none."""
    for mark in _MARKS:
        marks = _last_run(list(mark.finditer(question)))
        if len(marks) >= _FEWEST:
            return _texts(question, marks)
    return {}


def _last_run(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The last marks that count up from A."""
    best: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for mark in marks:
        if mark[1] in "Aa":
            run = [mark]
        elif run and ord(mark[1]) == ord(run[-1][1]) + 1:
            run.append(mark)
        if len(run) >= _FEWEST:
            best = run
    return best


_EDGES = " \t\r\n;,*&}{|"
_SPACING = re.compile(r"\\(?:qquad|quad|hspace\{[^}]{0,20}\}|\\|[ ,;])|\\(?:textbf|text|mathrm)\{")


def _texts(question: str, marks: list[re.Match[str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = following.start() if following else len(question)
        text = question[mark.end() : end]
        if following is None:
            text = text.strip().partition("\n")[0]
        # The letter itself is often bold: \textbf{(A) }.
        text = text.lstrip("} ") if text.count("}") > text.count("{") else text
        while found := re.search(rf"(?:{_SPACING.pattern})\s*\Z", text):
            text = text[: found.start()]
        texts[mark[1].upper()] = text.strip(_EDGES).removesuffix("\\textbf").rstrip()
    return texts


# --- picks --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pick:
    """What an answer picks: letters, or a text that is no known option."""

    letters: frozenset[str] = frozenset()
    text: str = ""

    @property
    def shown(self) -> str:
        """The letters in order, or the text."""
        return ", ".join(sorted(self.letters)) or self.text


_WRAPPER = re.compile(
    r"\A\s*(?:\$+|\\\(|\\\[|\*+|\\(?:text|textbf|mathrm|mathbf|boxed|fbox|textrm|mbox)\s?(?=\{)"
    r"|(?:the )?(?:option|choice|answer|letter)(?:\s*:|\s+)(?!\Z))",
    re.IGNORECASE,
)
_LETTERED = re.compile(
    r"\A[\s{(\[]{0,4}([A-Za-z])(?:\s?[)\]}.:]{1,3}(?P<mark>\**\}?)\s*(?P<rest>.*)|[\s.]*)\Z",
    re.DOTALL,
)
_SEVERAL = re.compile(r"\A\(?[A-J]\)?(?:\s?(?:,|and|&|;)\s?(?:and\s)?\(?[A-J]\)?){1,9}[.\s]*\Z")
_LONGEST_ANSWER = 2_000


def _pick(answer: str, options: Options) -> Pick | str:
    """The option that an answer picks, or why it cannot be told."""
    if len(answer) > _LONGEST_ANSWER:
        return "the answer is too long for an option"
    answer = _unwrapped(answer)
    if _SEVERAL.match(answer):
        letters = frozenset(re.findall(r"[A-J]", answer))
        return Pick(letters) if letters <= set(options or letters) else "no such option"
    lettered = _LETTERED.match(answer)
    letter = lettered[1].upper() if lettered else ""
    if not lettered or (options and letter not in options):
        return _by_text(answer, options)
    rest = _unwrapped(lettered["rest"] or "").strip(" .,;})$*")
    if not rest or not options:
        return Pick(frozenset(letter)) if not rest else Pick(frozenset(letter), rest)
    named = _by_text(rest, options)
    if isinstance(named, str):
        return named
    if letter in named.letters:
        return Pick(frozenset(letter))
    if named.letters:
        return f"the letter is {letter}, the text is that of option {named.shown}"
    return f"the letter is {letter}, the text is that of no option"


def _unwrapped(text: str) -> str:
    for _ in range(6):
        text = text.strip()
        found = _WRAPPER.match(text)
        if found is None:
            break
        text = text[found.end() :].strip()
        if text.startswith("{") and text.endswith("}") and text.count("{") == 1:
            text = text[1:-1]
    return text.strip().rstrip("$*").removesuffix("\\)").removesuffix("\\]").strip()


_NO_WORD = re.compile(r"\\(?:text|textbf|mathrm|mbox|left|right)(?![A-Za-z])|[\s${}*.,;:!\"'’]")
_ARTICLE = re.compile(r"\A(?:the|a|an)\s+", re.IGNORECASE)


def _words(text: str) -> str:
    return _NO_WORD.sub("", _ARTICLE.sub("", text.strip())).casefold()


def _by_text(text: str, options: Options) -> Pick | str:
    """The options whose text this is: the same words, else the same mathematics."""
    same = [letter for letter, option in options.items() if _words(option) == _words(text)]
    if not same:
        answer = read(text)
        same = [
            letter
            for letter, option in options.items()
            if compare(read(option), answer).finding == "equal"
        ]
    if len(same) > 1:
        return f"the text is that of the options {', '.join(same)}"
    return Pick(frozenset(same), text)


def _judge(gold: Pick, given: Pick, options: Options) -> tuple[Outcome, str]:
    if gold.letters and given.letters:
        if gold.letters == given.letters:
            return _same_letters(gold, given)
        return "incorrect", f"the gold is {gold.shown}"
    gold_text = gold.text or "; ".join(options.get(letter, "") for letter in gold.letters)
    if not gold_text or not given.text:
        return "unverifiable", "a letter beside a text, and the question lists no options"
    if _words(gold_text) == _words(given.text):
        return "correct", ""
    decision = compare(read(gold_text), read(given.text))
    if decision.finding == "equal":
        return "correct", ""
    if decision.finding == "different":
        return "incorrect", f"not {gold_text[:80]}"
    return "unverifiable", decision.reason or "no option has this text"


def _same_letters(gold: Pick, given: Pick) -> tuple[Outcome, str]:
    """Without options in the question, two texts beside the same letter must not differ."""
    if gold.text and given.text and _by_text(given.text, {"A": gold.text}) == Pick(text=given.text):
        return "unverifiable", "the letter is the gold's, the text is not"
    return "correct", ""
