"""Wrong attempts made on purpose: one or two mistakes, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from cotgen.problems.grammar import Operation, Step, Worked, evaluate, tell

_CONFUSED: dict[Operation, str] = {"+": "--*", "-": "++/", "*": "/+", "/": "**-"}


def wrong_attempt(draw: Random, worked: Worked, style: str) -> str | None:
    """A solution that goes astray and ends in another answer; None if a few tries found none."""
    for _ in range(8):
        steps, slips = list(worked.steps), dict[int, int]()
        for _ in range(1 if draw.random() < 0.8 else 2):
            _spoil(draw, steps, slips)
        equations = evaluate(steps, slips)
        if equations[-1].value != worked.answer and all(0 < e.value < 20_000 for e in equations):
            return tell(steps, equations, style)
    return None


def _spoil(draw: Random, steps: list[Step], slips: dict[int, int]) -> None:
    at = draw.randrange(len(steps))
    kind = draw.choices(("operation", "slip", "operand"), (0.45, 0.4, 0.15))[0]
    step = steps[at]
    if kind == "operation":
        other: Sequence[Operation] = _CONFUSED[step.operation]  # type: ignore[assignment]
        steps[at] = step._replace(operation=draw.choice(other))
    elif kind == "operand" and isinstance(step.right, int):
        numbers = [s.right for s in steps if isinstance(s.right, int)]
        steps[at] = step._replace(right=draw.choice(numbers))
    else:
        slips[at] = draw.choice((1, 1, 2, 10, 10, 20, 100)) * draw.choice((1, -1))
