"""A problem with its worked solution, kept as a small program that can be run and told in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Operation = Literal["+", "-", "*", "/"]

STYLES = ("lead", "so", "numbered", "bare")
"""How a solution may be written; the words differ, the equations do not."""


class Earlier(NamedTuple):
    """The value of an earlier step, counted from 0."""

    step: int


class Telling(NamedTuple):
    """The words around a step's equation; `{right}` stands for the right operand's value."""

    lead: str
    """Before the equation: `After selling {right} rolls, Tom has`."""
    so: str
    """Before the value, after the equation: `Tom now has`."""
    brief: str
    """Before the equation in a numbered line: `selling {right} rolls gives`."""
    unit: str


class Step(NamedTuple):
    """One operation on numbers of the question and values of earlier steps."""

    left: int | Earlier
    operation: Operation
    right: int | Earlier
    telling: Telling


class Equation(NamedTuple):
    """A step with its numbers: what a line of a solution claims."""

    left: int
    operation: str
    right: int
    value: int

    def __str__(self) -> str:
        return f"{self.left} {self.operation} {self.right} = {self.value}"


@dataclass(frozen=True)
class Worked:
    """A question and the steps to its answer. `structure` is the problem without its numbers."""

    question: str
    steps: tuple[Step, ...]
    structure: tuple[str, ...]

    @property
    def answer(self) -> int:
        """The gold answer."""
        return evaluate(self.steps)[-1].value

    def solution(self, style: str = "lead") -> str:
        """The reference solution, one line a step, with the answer in a box."""
        return tell(self.steps, evaluate(self.steps), style)


def compute(left: int, operation: Operation, right: int) -> int:
    """One operation; a division that does not come out evenly is rounded down."""
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    if operation == "*":
        return left * right
    return left // right if right else 0


def evaluate(steps: Sequence[Step], slips: dict[int, int] | None = None) -> list[Equation]:
    """Run the steps. `slips` adds to the value of a step; later steps go on from the slip."""
    done: list[Equation] = []
    for number, (left, operation, right, _) in enumerate(steps):
        a = done[left.step].value if isinstance(left, Earlier) else left
        b = done[right.step].value if isinstance(right, Earlier) else right
        value = compute(a, operation, b) + (slips or {}).get(number, 0)
        done.append(Equation(a, operation, b, value))
    return done


def tell(steps: Sequence[Step], equations: Sequence[Equation], style: str) -> str:
    """Write a solution in one of the STYLES."""
    lines = [
        _line(number, step.telling, equation, style)
        for number, (step, equation) in enumerate(zip(steps, equations, strict=True), start=1)
    ]
    return "\n".join([*lines, f"The answer is \\boxed{{{equations[-1].value}}}."])


def _line(number: int, telling: Telling, equation: Equation, style: str) -> str:
    right = equation.right
    if style == "lead":
        return f"{telling.lead.format(right=right)} {equation} {telling.unit}."
    if style == "so":
        return f"{equation}, so {telling.so} {equation.value} {telling.unit}."
    if style == "numbered":
        return f"Step {number}: {telling.brief.format(right=right)} {equation}."
    return str(equation)
