"""How a thought and its answer stand in a row's text (formats.md §3)."""

from __future__ import annotations

from typing import Literal

from msgspec import structs

from cotgen.protocols import Refusal
from cotgen.records import Group, Judged, Step
from cotgen.steps import marked, thought_in

Style = Literal["think", "think-answer", "still", "openthoughts", "openo1", "journey", "gsm8k"]
"""R1 and QwQ; open-r1's GRPO; STILL-2; OpenThoughts; Open-O1; o1-journey; GSM8K."""

_STILL = (
    "<|begin_of_thought|>\n\n", "\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n",
    "\n\n<|end_of_solution|>",
)  # fmt: skip
_SHAPES: dict[Style, tuple[str, str, str]] = {
    "think": ("<think>\n", "\n</think>\n\n", ""),
    "think-answer": ("<think>\n", "\n</think>\n<answer>\n", "\n</answer>"),
    "still": _STILL,
    "openthoughts": _STILL,
    "openo1": ("<Thought>\n", "\n</Thought>\n<Output>\n", "\n</Output>"),
    "journey": ("", "\n\n#### ", ""),
    "gsm8k": ("", "\n#### ", ""),
}
"""What stands before the thought, between it and the answer, and after the answer."""
_FINAL_ANSWER: tuple[Style, ...] = ("journey", "gsm8k")
"""Styles that end in the bare answer, as it was verified: what a reader after `####` expects. An
attempt without a thought is all thought there."""


def restyled(group: Group, style: Style | None) -> tuple[list[Refusal], Group]:
    """The group with its attempts in a style; None: as they were sampled.

    Refused are attempts without a thought or an answer, and those whose text holds what the style
    is made of: such a row could not be read back (`tag_collision`). Chains quote the attempts as
    sampled, so there are none.
    """
    if style is None:
        return [], group
    refused: list[Refusal] = []
    kept: list[Judged] = []
    for judged in group.judged:
        if not (judged.is_("correct") or judged.is_("incorrect")):
            continue
        text = styled(judged, style)
        if isinstance(text, Refusal):
            refused.append(text)
        else:
            attempt = structs.replace(judged.attempt, steps=(Step(text),), thought_steps=0)
            kept.append(structs.replace(judged, attempt=attempt))
    return refused, Group(group.problem, tuple(kept))


def styled(judged: Judged, style: Style) -> str | Refusal:
    """One attempt's text in a style."""
    thought = thought_in(judged.attempt.thought)
    answer = judged.attempt.solution.strip("\n")
    if style in _FINAL_ANSWER:
        thought = thought or answer
        answer = judged.verdict.predicted if judged.verdict else ""
    if not thought:
        return Refusal("no_thought")
    if not answer.strip():
        return Refusal("no_answer")
    return _written(thought, answer, style)


def _written(thought: str, answer: str, style: Style) -> str | Refusal:
    """Every mark of the style stands outside the thought and the answer, and only once."""
    before, between, after = _SHAPES[style]
    text = f"{before}{thought}{between}{answer}{after}"
    cut = len(before) + len(thought)
    end = cut + len(between) + len(answer)
    spans = ((0, len(before)), (cut, cut + len(between)), (end, len(text)))
    marks = (before + between + after).split()
    found = marked(text, marks)
    ours = [at for at in found if any(start <= at < stop for start, stop in spans)]
    return text if len(ours) == len(found) == len(marks) else Refusal("tag_collision")
