"""Recorded attempts of evaluations: OpenAI's on GSM8K (2110.14168), Qwen2.5-Math's outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    License,
    Recorded,
    Source,
    Whole,
    gold_in,
    plain,
    problem,
    thinking,
)


class Solution(msgspec.Struct):
    """An attempt at GSM8K and its verdict."""

    solution: str
    is_correct: bool | None = None


class GsmRow(msgspec.Struct):
    """The columns of `example_model_solutions.jsonl`."""

    question: str
    ground_truth: str
    small: Solution = msgspec.field(name="6b_finetuning")
    small_verified: Solution = msgspec.field(name="6b_verification")
    large: Solution = msgspec.field(name="175b_finetuning")
    large_verified: Solution = msgspec.field(name="175b_verification")


class GsmAttemptsImporter(Importer):
    """openai/grade-school-math `example_model_solutions.jsonl`: four attempts a test problem."""

    columns: ClassVar[type[msgspec.Struct]] = GsmRow
    in_tables = frozenset({
        "question", "6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification",
    })  # fmt: skip

    kind: Literal["gsm8k-attempts"] = "gsm8k-attempts"
    source: Source = "openai/grade-school-math"
    license: License = "MIT"
    split: Whole = "test"

    def read(self, row: GsmRow) -> Iterator[Imported]:
        """The attempts in the order of the columns."""
        solutions = {
            "6b_finetuning": row.small,
            "6b_verification": row.small_verified,
            "175b_finetuning": row.large,
            "175b_verification": row.large_verified,
        }
        given = tuple(
            Given(plain(each.solution, self.step_sep, model=model), _word(each.is_correct))
            for model, each in solutions.items()
        )
        yield Imported(problem(row.question, gold_in(row.ground_truth)), given)


class QwenRow(msgspec.Struct):
    """The columns of an output file of Qwen2.5-Math's evaluation."""

    question: str
    gt: str | int | float
    code: list[str]
    score: list[bool | None] | None = None
    level: str | int | None = None
    subject: str | None = None
    type: str | None = None


class QwenEvalImporter(Importer):
    """QwenLM/Qwen2.5-Math evaluation outputs: the texts of `code`, with their verdicts in `score`.

    Benchmarks are test data: set another `split` only if the file is of training problems.
    """

    columns: ClassVar[type[msgspec.Struct]] = QwenRow
    in_tables = frozenset({"question", "gt", "code", "score", "level", "subject", "type"})

    kind: Literal["qwen-eval"] = "qwen-eval"
    source: Source = "QwenLM/Qwen2.5-Math"
    license: License = "MIT"
    split: Whole = "test"

    def read(self, row: QwenRow) -> Iterator[Imported]:
        """The attempts in the order of `code`."""
        score = row.score or [None] * len(row.code)
        if len(score) != len(row.code):
            raise ValueError(f"score: {len(score)} values for {len(row.code)} texts in code")
        given = tuple(
            Given(thinking(text, self.step_sep), _word(word))
            for text, word in zip(row.code, score, strict=True)
        )
        level = "" if row.level is None else str(row.level)
        asked = problem(row.question, str(row.gt), level=level, tags=(row.subject, row.type))
        yield Imported(asked, given)


def _word(recorded: bool | None) -> Recorded:
    return "" if recorded is None else "correct" if recorded else "incorrect"
