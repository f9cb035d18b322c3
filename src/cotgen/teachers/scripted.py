"""A teacher without a model: it works out generated problems, and slips now and then."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cotgen.errors import TeacherError
from cotgen.protocols import Ask, Component, Price, Request, Share
from cotgen.records import Completion

_START = re.compile(r"Start with (\d+)\.")
_STEP = re.compile(r"(Add|Subtract|Multiply by) (\d+)\.")
_SIGN = {"Add": "+", "Subtract": "-", "Multiply by": "*"}


class ScriptedTeacher(Component):
    """Solves `problems: {kind: generated}` step by step, for tests and first runs.

    It answers by content (question and sample number), because concurrency reorders calls.
    """

    incidental = frozenset({"concurrency"})
    paid: ClassVar[bool] = False
    retries: ClassVar[int] = 0
    price: ClassVar[Price | None] = None

    kind: Literal["scripted"] = "scripted"
    accuracy: Share = 0.85
    """The chance that one step is right; a slip changes the result of that step by a little."""
    cut: Share = 0.02
    """The share of attempts that stop in the middle, as at a token limit."""
    concurrency: Annotated[int, Field(ge=1)] = 16
    """Requests in flight at once."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """There is nothing to connect to."""
        yield self._answer

    async def _answer(self, request: Request) -> list[Completion]:
        numbers = range(request.sampling.first, request.sampling.first + request.sampling.n)
        return [self._attempt(request.question, number) for number in numbers]

    def _attempt(self, question: str, number: int) -> Completion:
        start = _START.search(question)
        if start is None:
            raise TeacherError("the scripted teacher knows generated problems", retryable=False)
        draw = Random(f"{question}/{number}")
        value = int(start[1])
        lines = [
            draw.choice(["Let me work through it.", f"We begin with {value}.", "Step by step:"])
        ]
        for verb, operand in _STEP.findall(question):
            result = _result(value, verb, int(operand))
            if draw.random() >= self.accuracy:
                result += draw.choice([-10, -2, -1, 1, 2, 10])
            lines.append(f"{value} {_SIGN[verb]} {operand} = {result}")
            value = result
        finish: Literal["stop", "length"] = "length" if draw.random() < self.cut else "stop"
        if finish == "stop":
            lines.append(f"The answer is \\boxed{{{value}}}.")
        text = "\n".join(lines)
        return Completion(text, finish, tokens=len(text.split()))


def _result(value: int, verb: str, operand: int) -> int:
    if verb == "Add":
        return value + operand
    return value - operand if verb == "Subtract" else value * operand
