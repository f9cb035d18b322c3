"""Problems that cotgen makes up: arithmetic in words, for tests and first runs."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from cotgen.protocols import Component
from cotgen.records import Problem

_STEPS = {"Add": "+", "Subtract": "-", "Multiply by": "*"}


class GeneratedProblems(Component):
    """Chains of additions, subtractions and multiplications, stated in words."""

    incidental = frozenset({"limit"})

    remote: ClassVar[bool] = False
    on_bad_line: ClassVar[Literal["stop"]] = "stop"

    kind: Literal["generated"] = "generated"
    limit: PositiveInt = 100
    """How many problems."""
    seed: int = 0
    """Another seed gives other problems."""
    min_steps: PositiveInt = 2
    """Operations of the easiest problems."""
    max_steps: PositiveInt = 5
    """Operations of the hardest problems."""

    @model_validator(mode="after")
    def _steps_are_a_range(self) -> Self:
        if self.max_steps < self.min_steps:
            raise ValueError(f"max_steps is below min_steps ({self.min_steps})")
        return self

    def load(self) -> Iterator[Problem]:
        """Make the problems, in a fixed order."""
        for number in range(self.limit):
            yield self._problem(number)

    def _problem(self, number: int) -> Problem:
        # Each problem has draws of its own: raising the limit leaves the earlier ones as they were.
        draw = Random(f"{self.seed}/{number}")
        steps = draw.randint(self.min_steps, self.max_steps)
        value = draw.randint(5, 60)
        sentences = [f"Start with {value}."]
        for _ in range(steps):
            verb = draw.choice(list(_STEPS))
            operand = draw.randint(2, 9) if verb == "Multiply by" else draw.randint(2, 40)
            value = _apply(_STEPS[verb], value, operand)
            sentences.append(f"{verb} {operand}.")
        return Problem(
            id=f"generated-{self.seed}-{number:06}",
            question=" ".join([*sentences, "What is the result?"]),
            answer=str(value),
            answer_kind="number",
            level=str(steps),
            split="train",
            source="cotgen/generated",
            license="CC0-1.0",
        )


def _apply(operation: str, left: int, right: int) -> int:
    return {"+": left + right, "-": left - right, "*": left * right}[operation]
