"""Datasets of labelled steps: Math-Shepherd, TRL's stepwise columns, ProcessBench."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

import msgspec

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    Recorded,
    Source,
    Whole,
    problem,
    stepped,
)
from cotgen.records import Attempt, Step

_TAG = "ки"
"""Math-Shepherd's step tag, in Cyrillic letters."""
_PIECE = re.compile(rf"(.*?){_TAG}(\s*)", re.DOTALL)
_FIRST_STEP = re.compile(r"Step 1\s*:")


class ShepherdRow(msgspec.Struct):
    """The columns of Math-Shepherd."""

    input: str
    label: str
    task: str = ""


class MathShepherdImporter(Importer):
    """peiyi9979/Math-Shepherd: attempts whose steps were labelled by rollouts, + or −.

    A label says whether a right answer can still be reached from there, so rewards are 1 and 0.
    """

    columns: ClassVar[type[msgspec.Struct]] = ShepherdRow
    in_tables = frozenset({"input", "label", "task"})

    kind: Literal["math-shepherd"] = "math-shepherd"
    source: Source = "peiyi9979/Math-Shepherd"

    def read(self, row: ShepherdRow) -> Iterator[Imported]:
        """One attempt. A row whose two texts do not fit together is an error, not a guess."""
        start = _FIRST_STEP.search(row.input)
        if start is None:
            raise ValueError("input: no `Step 1:` ends the question")
        solution = row.input[start.start() :]
        pieces = _PIECE.findall(solution)
        if not pieces or _PIECE.sub("", solution).strip():
            raise ValueError(f"input: the last step has no tag {_TAG}")
        rewards = _signs(row.input, row.label)
        if len(rewards) != len(pieces):
            raise ValueError("input: a tag stands before `Step 1:`")
        steps = tuple(Step(text + space) for text, space in pieces)
        yield Imported(
            problem(row.input[: start.start()].rstrip(), tags=[row.task]),
            (Given(Attempt(steps), rewards=rewards),),
        )


def _signs(tagged: str, label: str) -> tuple[float, ...]:
    """What stands in `label` in place of each tag; the texts must agree everywhere else."""
    values: list[float] = []
    place = 0
    *parts, tail = tagged.split(_TAG)
    for part in parts:
        end = place + len(part)
        if label[place:end] != part or label[end : end + 1] not in ("+", "-"):
            raise ValueError(f"label: step {len(values) + 1} is not that of input with + or -")
        values.append(1.0 if label[end] == "+" else 0.0)
        place = end + 1
    if label[place:].strip() != tail.strip():
        raise ValueError("label: it ends otherwise than input")
    return tuple(values)


class TrlRow(msgspec.Struct):
    """The columns of TRL's stepwise supervision."""

    prompt: str
    completions: list[str]
    labels: list[bool]


class TrlPrmImporter(Importer):
    """TRL's stepwise columns (trl-lib/prm800k, trl-lib/math_shepherd): steps with true or false."""

    columns: ClassVar[type[msgspec.Struct]] = TrlRow
    in_tables = frozenset({"prompt", "completions", "labels"})

    kind: Literal["trl-prm"] = "trl-prm"
    separator: str = "\n"
    """What is put between steps; TRL's PRMTrainer has a newline."""

    def read(self, row: TrlRow) -> Iterator[Imported]:
        """One attempt. It is `pruned`, for rows may end at any step: its last step need not be the
        end of a solution."""
        if len(row.labels) != len(row.completions):
            raise ValueError(f"labels: {len(row.labels)} for {len(row.completions)} completions")
        attempt = stepped(row.completions, self.separator, finish="pruned")
        rewards = tuple(map(float, row.labels))
        yield Imported(problem(row.prompt), (Given(attempt, rewards=rewards),))


class BenchRow(msgspec.Struct):
    """The columns of ProcessBench."""

    problem: str
    steps: list[str]
    label: int
    generator: str = ""
    final_answer_correct: bool | None = None


class ProcessBenchImporter(Importer):
    """Qwen/ProcessBench: attempts with the place of their first wrong step. Test data.

    Steps after the first wrong one were not labelled: the whole attempt of such a row has no
    rewards, and a second, pruned one that ends at the wrong step has them.
    """

    columns: ClassVar[type[msgspec.Struct]] = BenchRow
    in_tables = frozenset({"problem", "steps", "generator"})

    kind: Literal["processbench"] = "processbench"
    source: Source = "Qwen/ProcessBench"
    split: Whole = "test"

    def read(self, row: BenchRow) -> Iterator[Imported]:
        """The attempt, and where it goes wrong the part that was labelled."""
        if not -1 <= row.label < len(row.steps):
            raise ValueError(f"label: there is no step {row.label}")
        words: dict[bool | None, Recorded] = {True: "correct", False: "incorrect", None: ""}
        recorded = words[row.final_answer_correct]
        whole = stepped(row.steps, "\n\n", model=row.generator)
        if row.label < 0:
            rights = (1.0,) * len(row.steps)
            given = [Given(whole, recorded, rights)]
        else:
            cut = stepped(row.steps[: row.label + 1], "\n\n", finish="pruned", model=row.generator)
            rights = (1.0,) * row.label
            given = [Given(whole, recorded), Given(cut, rewards=(*rights, 0.0))]
        yield Imported(problem(row.problem), tuple(given))
