"""s1K and s1K-1.1: a thousand hard questions with the thoughts of large models (2501.19393)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    Recorded,
    Source,
    gold_in,
    problem,
    thinking,
)


class Row(msgspec.Struct):
    """The columns of s1K, and those that s1K-1.1 has in place of the last two."""

    question: str
    solution: str | None = None
    cot_type: str | None = None
    source_type: str | None = None
    thinking_trajectories: list[str] | None = None
    attempt: str | None = None
    gemini_thinking_trajectory: str | None = None
    gemini_attempt: str | None = None
    gemini_grade: str | None = None
    deepseek_thinking_trajectory: str | None = None
    deepseek_attempt: str | None = None
    deepseek_grade: str | None = None


class S1kImporter(Importer):
    """simplescaling/s1K (one attempt) and s1K-1.1 (one of Gemini's and one of DeepSeek-R1's).

    The thought stands in a `<think>` block before the attempt. Grades of s1K-1.1 are recorded
    verdicts.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row
    in_tables = frozenset({
        "question", "cot_type", "source_type", "thinking_trajectories", "attempt",
        "gemini_thinking_trajectory", "gemini_attempt", "gemini_grade",
        "deepseek_thinking_trajectory", "deepseek_attempt", "deepseek_grade",
    })  # fmt: skip

    kind: Literal["s1k"] = "s1k"
    source: Source = "simplescaling/s1K"

    def read(self, row: Row) -> Iterator[Imported]:
        """The attempts of one question."""
        given = []
        if row.attempt is not None:
            thought = (self.step_sep * 2).join(row.thinking_trajectories or [])
            given.append(self._given(row.attempt, thought, "", None))
        gemini = row.gemini_thinking_trajectory, row.gemini_attempt, row.gemini_grade
        deepseek = row.deepseek_thinking_trajectory, row.deepseek_attempt, row.deepseek_grade
        for model, (thought_of, text, grade) in (("gemini", gemini), ("deepseek", deepseek)):
            if text is not None:
                given.append(self._given(text, thought_of or "", model, grade))
        if not given:
            raise ValueError("there is none of attempt, gemini_attempt, deepseek_attempt")
        asked = problem(row.question, gold_in(row.solution), tags=(row.cot_type, row.source_type))
        yield Imported(asked, tuple(given))

    def _given(self, text: str, thought: str, model: str, grade: str | None) -> Given:
        words: dict[str, Recorded] = {"yes": "correct", "no": "incorrect"}
        recorded = words.get((grade or "").strip().lower(), "")
        return Given(thinking(text, self.step_sep, reasoning=thought, model=model), recorded)
