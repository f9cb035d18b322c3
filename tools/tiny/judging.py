"""Judging attempts of the tiny teacher: the answer, and where a wrong one left the path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from cotgen.problems.grammar import Worked, evaluate
from cotgen.problems.grammar.worked import Equation, Operation, compute

Mistake = Literal[
    "wrong operation", "arithmetic slip", "wrong operand", "wrong operation and operand",
    "missing or extra step", "answer is not the last value", "no answer",
]  # fmt: skip

_EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
_BOX = re.compile(r"\\boxed\{(-?\d+)\}")


def answer_of(text: str) -> int | None:
    """The boxed answer."""
    boxes = _BOX.findall(text)
    return int(boxes[-1]) if boxes else None


def equations_of(text: str) -> list[Equation]:
    """The equations of an attempt, in order."""
    return [Equation(int(a), o, int(b), int(v)) for a, o, b, v in _EQUATION.findall(text)]


def mistake_of(worked: Worked, text: str) -> Mistake:
    """The first thing in which a wrong attempt differs from the reference path."""
    if answer_of(text) is None:
        return "no answer"
    path, claimed = evaluate(worked.steps), equations_of(text)
    for ours, theirs in zip(path, claimed, strict=False):
        if _ordered(ours) != _ordered(theirs):
            return _difference(ours, theirs)
    return "missing or extra step" if len(path) != len(claimed) else "answer is not the last value"


def is_coherent(text: str) -> bool:
    """Whether each equation starts from numbers that are there, and the answer is the last value.

    Slips are allowed: what must hold is that later lines go on from what earlier lines say.
    """
    claimed = equations_of(text)
    return bool(claimed) and answer_of(text) == claimed[-1].value and _follows(claimed)


def _follows(claimed: Sequence[Equation]) -> bool:
    """Each value but the last is taken up by a later equation."""
    return all(
        any(value in (later.left, later.right) for later in claimed[at + 1 :])
        for at, (_, _, _, value) in enumerate(claimed[:-1])
    )


def _ordered(equation: Equation) -> Equation:
    """Sums and products do not mind the order."""
    if equation.operation in "+*" and equation.left > equation.right:
        return equation._replace(left=equation.right, right=equation.left)
    return equation


def _difference(ours: Equation, theirs: Equation) -> Mistake:
    operands = {ours.left, ours.right} == {theirs.left, theirs.right}
    if ours.operation == theirs.operation:
        if operands and _wrong(theirs):
            return "arithmetic slip"
        return "wrong operand"
    return "wrong operation" if operands else "wrong operation and operand"


def _wrong(equation: Equation) -> bool:
    operation: Operation = equation.operation  # type: ignore[assignment]
    return compute(equation.left, operation, equation.right) != equation.value
