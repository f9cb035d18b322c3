"""OpenR1-Math-220k: several generations of DeepSeek-R1 for each problem of NuminaMath 1.5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, TypeVar

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    License,
    Recorded,
    Source,
    gold_in,
    problem,
    thinking,
)
from cotgen.records import Finish

T = TypeVar("T")


class Row(msgspec.Struct):
    """The columns that are read."""

    problem: str
    answer: str | None = None
    problem_type: str | None = None
    question_type: str | None = None
    source: str | None = None
    generations: list[str] = []
    is_reasoning_complete: list[bool | None] | None = None
    correctness_math_verify: list[bool | None] | None = None
    correctness_llama: list[bool | None] | None = None
    finish_reasons: list[str | None] | None = None


class OpenR1Importer(Importer):
    """open-r1/OpenR1-Math-220k: one attempt for each generation.

    A generation whose reasoning is not complete was cut off. The recorded verdict is that of
    math-verify; where a Llama judged instead, because math-verify had passed none, its word counts.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row
    in_tables = frozenset({"problem", "answer", "problem_type", "question_type", "generations"})

    kind: Literal["openr1"] = "openr1"
    source: Source = "open-r1/OpenR1-Math-220k"
    license: License = "apache-2.0"

    def read(self, row: Row) -> Iterator[Imported]:
        """The attempts of one problem, in the order of the generations."""
        n = len(row.generations)
        complete = _for_each("is_reasoning_complete", row.is_reasoning_complete, n)
        reasons = _for_each("finish_reasons", row.finish_reasons, n)
        rule = _for_each("correctness_math_verify", row.correctness_math_verify, n)
        llama = _for_each("correctness_llama", row.correctness_llama, n)
        given = [
            Given(
                thinking(
                    text,
                    self.step_sep,
                    finish=_finish(complete[number], reasons[number]),
                    style="think",
                ),
                _recorded(rule[number], llama[number]),
            )
            for number, text in enumerate(row.generations)
        ]
        tags = (row.problem_type, row.question_type)
        yield Imported(problem(row.problem, gold_in(row.answer), tags=tags), tuple(given))


def _for_each(name: str, values: Sequence[T | None] | None, n: int) -> Sequence[T | None]:
    """A value for each generation; a column that is absent or empty says nothing of any."""
    if not values:
        return [None] * n
    if len(values) != n:
        raise ValueError(f"{name}: {len(values)} values for {n} generations")
    return values


def _finish(complete: bool | None, reason: str | None) -> Finish:
    return "length" if complete is False or reason == "length" else "stop"


def _recorded(rule: bool | None, llama: bool | None) -> Recorded:
    word = rule if llama is None else llama
    return "" if word is None else "correct" if word else "incorrect"
