"""NuminaMath 1.5 and NuminaMath-CoT: problems, the second with reference solutions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    License,
    Source,
    gold_in,
    plain,
    problem,
)
from cotgen.records import Problem

_NO_ANSWERS = {"", "proof", "notfound", "not found"}


class Row(msgspec.Struct):
    """The columns of NuminaMath 1.5; NuminaMath-CoT has `problem`, `solution` and `source`."""

    problem: str
    solution: str | None = None
    answer: str | None = None
    problem_type: str | None = None
    question_type: str | None = None
    problem_is_valid: str | None = None
    solution_is_valid: str | None = None
    source: str | None = None


class Numina15Importer(Importer):
    """AI-MO/NuminaMath-1.5: problems without attempts.

    What is to be proven, has no answer, or was marked as not valid, becomes a problem without gold:
    no attempt at it can be correct or incorrect.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row
    in_tables = frozenset({"problem", "problem_type", "question_type", "source"})

    kind: Literal["numina15"] = "numina15"
    source: Source = "AI-MO/NuminaMath-1.5"

    def read(self, row: Row) -> Iterator[Imported]:
        """One problem."""
        tags = (row.problem_type, row.question_type, row.source)
        answer = (row.answer or "").strip()
        if answer.lower() in _NO_ANSWERS or not (
            _is_valid(row.problem_is_valid) and _is_valid(row.solution_is_valid)
        ):
            asked: Problem = problem(row.problem, tags=tags)
            yield Imported(msgspec.structs.replace(asked, answer_kind="text"))
        else:
            yield Imported(problem(row.problem, answer, tags=tags))


def _is_valid(mark: str | None) -> bool:
    return mark is None or mark.strip().lower() in ("yes", "")


class NuminaCotImporter(Importer):
    """AI-MO/NuminaMath-CoT: problems with the reference solution as their attempt.

    The gold is what the solution boxes, so a verdict on it says nothing; it is there to train on.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row
    in_tables = frozenset({"problem", "solution", "source"})

    kind: Literal["numina-cot"] = "numina-cot"
    source: Source = "AI-MO/NuminaMath-CoT"
    license: License = "apache-2.0"

    def read(self, row: Row) -> Iterator[Imported]:
        """One problem and its solution."""
        given = () if row.solution is None else (Given(plain(row.solution, self.step_sep)),)
        asked = problem(row.problem, gold_in(row.solution), tags=[row.source])
        yield Imported(asked, given)
