"""Rules on the text of an answer: a pattern, words that it must hold, its length."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import NonNegativeInt, model_validator

from cotgen.records import Problem, Verdict
from cotgen.verifiers.rules.predicate import Predicate, broken, holds, unclear


class Regex(Predicate):
    """The whole answer matches a pattern (Python's `re.fullmatch`).

    A pattern can take forever; the verifier's process is then killed at `timeout_s`.
    """

    pattern: str | None = None
    """The pattern; the gold is the pattern if this is absent."""
    ignore_case: bool = False
    """Match without regard to case."""

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except (re.error, RecursionError, OverflowError) as error:
                raise ValueError(f"pattern: {error}") from error
        return self

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether the pattern matches all of `answer`."""
        pattern = problem.answer if self.pattern is None else self.pattern
        if len(pattern) > _LONGEST_PATTERN or len(answer) > _LONGEST_MATCHED:
            return unclear("the pattern or the answer is too long")
        if not pattern:
            return unclear("the pattern is empty")
        if _NESTED.search(pattern) and len(answer) > _LONGEST_RISK:
            return unclear("the pattern repeats a repetition: it may take forever")
        try:
            found = re.fullmatch(pattern, answer, re.IGNORECASE if self.ignore_case else 0)
        except (re.error, RecursionError, OverflowError) as error:
            return unclear(f"the pattern is wrong: {error}")
        return holds() if found else broken(f"does not match {pattern[:80]!r}")


_LONGEST_PATTERN, _LONGEST_MATCHED, _LONGEST_RISK = 1_000, 10_000, 20
_NESTED = re.compile(r"[*+}]\)?[^()]{0,50}\)(?:[*+]|\{[0-9]*,)|\|[^()]{0,200}\)(?:[*+]|\{[0-9]*,)")


class Contains(Predicate):
    """The answer holds certain words."""

    texts: tuple[str, ...] = ()
    """What the answer must hold, all of them; the gold if this is absent."""
    ignore_case: bool = False
    """Look for them without regard to case."""
    whole_words: bool = True
    """Do not find `cat` in `category`, or 42 in 142."""

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether all texts stand in `answer`."""
        texts = self.texts or (problem.answer.strip(),)
        if not all(texts):
            return unclear("there is nothing to look for")
        for text in texts:
            if not self._stands_in(text, answer):
                return broken(f"does not hold {text[:80]!r}")
        return holds()

    def _stands_in(self, text: str, answer: str) -> bool:
        if self.ignore_case:
            text, answer = text.casefold(), answer.casefold()
        place = answer.find(text)
        while place >= 0:
            around = answer[place - 1 : place] + answer[place + len(text) : place + len(text) + 1]
            if not self.whole_words or not any(each.isalnum() for each in around):
                return True
            place = answer.find(text, place + 1)
        return False


class Length(Predicate):
    """The answer has so many words, lines or characters."""

    unit: Literal["words", "lines", "characters"] = "words"
    """What is counted; lines that are empty are not."""
    least: NonNegativeInt = 0
    """The fewest allowed."""
    most: NonNegativeInt | None = None
    """The most allowed; any number if absent."""

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether `answer` is as long as allowed."""
        count = self._count(answer)
        if count < self.least:
            return broken(f"{count} {self.unit}, at least {self.least} are asked for")
        if self.most is not None and count > self.most:
            return broken(f"{count} {self.unit}, at most {self.most} are allowed")
        return holds()

    def _count(self, answer: str) -> int:
        if self.unit == "words":
            return len(answer.split())
        if self.unit == "lines":
            return sum(not line.isspace() and line != "" for line in answer.splitlines())
        return len(answer)
