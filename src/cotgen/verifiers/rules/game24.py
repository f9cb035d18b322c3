"""Game of 24: an arithmetic expression of given numbers, each used exactly once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from cotgen.records import Problem, Verdict
from cotgen.verifiers.rules.predicate import Predicate, broken, holds, unclear

_LONGEST, _MOST_NUMBERS, _DEEPEST, _MOST_DIGITS = 600, 40, 40, 12
_INTEGER = re.compile(r"(?<![0-9.])[0-9]{1,12}(?![0-9]|\.[0-9])")


class Game24(Predicate):
    """An expression of the given numbers, each used once, has the target as its value.

    The numbers are those of the gold: the numbers themselves, or an expression of them. A gold with
    fewer than two stands for a question that lists them.
    """

    target: int = 24
    """What the expression must make."""

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether `answer` is such an expression."""
        given = self._numbers(problem)
        if not given:
            return unclear("neither the gold nor the question names the numbers")
        try:
            value, used = evaluate(self._expression(answer))
        except ZeroDivisionError:
            return broken("divides by zero")
        except ValueError as error:
            return unclear(f"cannot be read: {error}")
        if used != given:
            return broken(f"uses {_listed(used)}, not {_listed(given)}")
        return holds() if value == self.target else broken(f"makes {value}, not {self.target}")

    def _numbers(self, problem: Problem) -> Counter[int]:
        gold = self._integers(problem.answer.partition("=")[0])
        if len(gold) > 1:
            return Counter(gold)
        asked = self._integers(problem.question)
        if self.target in asked:
            asked.remove(self.target)
        return Counter(asked if len(asked) > 1 else [])

    def _integers(self, text: str) -> list[int]:
        return [int(found) for found in _INTEGER.findall(text[:5_000])]

    def _expression(self, answer: str) -> str:
        """The expression without `= 24`, which players write behind or before it."""
        left, equals, right = answer.partition("=")
        if not equals:
            return answer
        target = str(self.target)
        if right.strip(" $.)\\]") == target:
            return left
        if left.strip(" $(\\[") == target:
            return right
        raise ValueError("an equation that does not end in the target")


def _listed(numbers: Counter[int]) -> str:
    return " ".join(str(number) for number in sorted(numbers.elements())[:20])


_WRITTEN = (
    ("\\left", ""), ("\\right", ""), ("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"),
    ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\(", ""), ("\\)", ""), ("\\[", ""),
    ("\\]", ""), ("\\,", ""), ("\\ ", ""), ("$", ""), ("`", ""), ("×", "*"), ("·", "*"),
    ("⋅", "*"), ("∗", "*"), ("÷", "/"), ("∕", "/"), ("−", "-"), ("–", "-"), ("[", "("), ("]", ")"),
)  # fmt: skip
_TOKEN = re.compile(r"\s*(?:([0-9]+)|(\\frac|[-+*/(){}]))")


def evaluate(text: str) -> tuple[Fraction, Counter[int]]:
    """The exact value of an arithmetic expression, and the numbers in it.

    Raises ValueError for anything else and ZeroDivisionError.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    for written, plain in _WRITTEN:
        text = text.replace(written, plain)
    reader = _Reader(list(_tokens(text.strip().rstrip("."))))
    value = reader.sum(0)
    if reader.place != len(reader.tokens):
        raise ValueError(f"{reader.tokens[reader.place]!r} does not belong there")
    return value, Counter(reader.used)


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"{text[place : place + 10]!r} is no arithmetic")
        yield found[1] or found[2]
        place = found.end()


class _Reader:
    """Sums of products of signed numbers, fractions and brackets."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0
        self.used: list[int] = []

    def _next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._next()
        self.place += 1
        return token

    def sum(self, depth: int) -> Fraction:
        """Terms that are added and subtracted."""
        value = self._product(depth)
        while self._next() in ("+", "-"):
            minus = self._take() == "-"
            term = self._product(depth)
            value = value - term if minus else value + term
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while self._next() in ("*", "/", "(", "\\frac"):
            divides = self._next() == "/"
            if self._next() in ("*", "/"):
                self._take()
            factor = self._factor(depth)
            value = value / factor if divides else value * factor
        return value

    def _factor(self, depth: int) -> Fraction:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        token = self._take()
        if token == "-":
            return -self._factor(depth + 1)
        if token in ("(", "{"):
            return self._closed(depth, ")" if token == "(" else "}")
        if token == "\\frac":
            above = self._braced(depth)
            return above / self._braced(depth)
        return self._number(token)

    def _braced(self, depth: int) -> Fraction:
        if self._take() != "{":
            raise ValueError("\\frac needs braces")
        return self._closed(depth, "}")

    def _closed(self, depth: int, closing: str) -> Fraction:
        value = self.sum(depth + 1)
        if self._take() != closing:
            raise ValueError("a bracket is not closed")
        return value

    def _number(self, token: str) -> Fraction:
        if not token.isdigit():
            raise ValueError(f"a number is missing before {token!r}" if token else "it ends early")
        if len(token) > _MOST_DIGITS or len(self.used) >= _MOST_NUMBERS:
            raise ValueError("too many digits or numbers")
        self.used.append(int(token))
        return Fraction(int(token))
