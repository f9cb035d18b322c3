"""A list in order."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from cotgen.records import Problem, Verdict
from cotgen.verifiers.rules.documents import parsed
from cotgen.verifiers.rules.predicate import Predicate, broken, holds, unclear

_NUMBER = re.compile(r"[-+]?[0-9]{1,100}(?:\.[0-9]{1,100})?")
_LONGEST = 100_000


class SortedList(Predicate):
    """The answer holds the members of the gold, each as often as there, in order.

    Lists are written as JSON, or with commas, or with blanks between numbers. Numbers are ordered
    by value, words by their letters.
    """

    descending: bool = False
    """The largest first."""
    ignore_case: bool = False
    """Order and compare words without regard to case."""

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether `answer` is the gold's list in order."""
        gold, given = self._members(problem.answer), self._members(answer)
        if gold is None or given is None:
            return unclear(f"the {'gold' if gold is None else 'answer'} is no list")
        if isinstance(gold[0], Decimal) != isinstance(given[0], Decimal):
            return unclear("numbers beside words")
        if Counter(gold) != Counter(given):
            return broken("not the members of the gold")
        ordered = sorted(given, reverse=self.descending)
        return holds() if given == ordered else broken("not in order")

    def _members(self, text: str) -> list[Decimal] | list[str] | None:
        """The members, all numbers or all words; None if it is no list."""
        texts = _texts(text.strip())
        if not texts:
            return None
        if all(_NUMBER.fullmatch(each) for each in texts):
            return [Decimal(each) for each in texts]
        if any(_NUMBER.fullmatch(each) for each in texts):
            return None
        return [each.casefold() if self.ignore_case else each for each in texts]


def _texts(text: str) -> list[str]:
    if len(text) > _LONGEST:
        return []
    if text.startswith("["):
        members = parsed(text)
        if isinstance(members, list):
            plain = [each for each in members if isinstance(each, str | Decimal)]
            return [str(each) for each in plain] if len(plain) == len(members) else []
        text = text.removeprefix("[").removesuffix("]")
    text = text.strip("$(){}. \\")
    parts = [part.strip(" \t\n'\"") for part in text.split("," if "," in text else None)]
    return parts if all(parts) else []
