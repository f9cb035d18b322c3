"""Datasets with one long thought a question: OpenO1, Marco-o1, STILL, o1-journey, OpenThoughts."""

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
    thinking,
)
from cotgen.records import AnswerKind


class OpenO1Row(msgspec.Struct):
    """The columns of OpenO1-SFT; Marco-o1 calls the second one `response`."""

    instruction: str
    output: str | None = None
    response: str | None = None


class OpenO1Importer(Importer):
    """O1-OPEN/OpenO1-SFT and AIDC-AI/Marco-o1 `CoT_demo.json`: `<Thought>` then `<Output>`."""

    columns: ClassVar[type[msgspec.Struct]] = OpenO1Row
    in_tables = frozenset({"instruction", "output", "response"})

    kind: Literal["openo1"] = "openo1"
    source: Source = "O1-OPEN/OpenO1-SFT"
    license: License = "apache-2.0"

    def read(self, row: OpenO1Row) -> Iterator[Imported]:
        """One attempt; the dataset has no golds."""
        text = row.response if row.output is None else row.output
        if text is None:
            raise ValueError("there is neither output nor response")
        attempt = thinking(text, self.step_sep, style="thought")
        yield Imported(problem(row.instruction), (Given(attempt),))


class StillRow(msgspec.Struct):
    """The columns of STILL."""

    question: str
    combined_text: str
    domain: str | None = None


class StillImporter(Importer):
    """RUC-AIBOX/long_form_thought_data_5k (STILL-2): thought and solution between markers."""

    columns: ClassVar[type[msgspec.Struct]] = StillRow
    in_tables = frozenset({"question", "combined_text", "domain"})

    kind: Literal["still"] = "still"
    source: Source = "RUC-AIBOX/long_form_thought_data_5k"
    license: License = "apache-2.0"

    def read(self, row: StillRow) -> Iterator[Imported]:
        """One attempt; the dataset has no golds."""
        attempt = thinking(row.combined_text, self.step_sep, style="still")
        yield Imported(problem(row.question, tags=[row.domain]), (Given(attempt),))


class JourneyRow(msgspec.Struct):
    """The columns of o1-journey."""

    question: str
    longCOT: str
    answer: str | None = None


class JourneyImporter(Importer):
    """GAIR/o1-journey: one long journey a question, its answer after `####`."""

    columns: ClassVar[type[msgspec.Struct]] = JourneyRow
    in_tables = frozenset({"question", "longCOT"})

    kind: Literal["o1-journey"] = "o1-journey"
    source: Source = "GAIR/o1-journey"

    def read(self, row: JourneyRow) -> Iterator[Imported]:
        """One attempt."""
        attempt = plain(row.longCOT, self.step_sep)
        yield Imported(problem(row.question, gold_in(row.answer)), (Given(attempt),))


class Turn(msgspec.Struct):
    """A turn of a conversation."""

    value: str
    role: Literal["system", "user", "human", "assistant", "gpt"] = msgspec.field(name="from")


class OpenThoughtsRow(msgspec.Struct):
    """The columns of OpenThoughts' default configuration, and of `metadata`."""

    conversations: list[Turn] | None = None
    problem: str | None = None
    deepseek_reasoning: str | None = None
    deepseek_solution: str | None = None
    ground_truth_solution: str | None = None
    domain: str | None = None
    source: str | None = None


class OpenThoughtsImporter(Importer):
    """open-thoughts/OpenThoughts-114k, `default` (conversations) or `metadata` (with golds).

    It holds no verdicts that could be kept: its science rows were passed unverified. Of `metadata`,
    only what a mathematical solution boxes is a gold.
    """

    columns: ClassVar[type[msgspec.Struct]] = OpenThoughtsRow
    in_tables = frozenset({"problem", "deepseek_reasoning", "deepseek_solution", "domain"})

    kind: Literal["openthoughts"] = "openthoughts"
    source: Source = "open-thoughts/OpenThoughts-114k"

    def read(self, row: OpenThoughtsRow) -> Iterator[Imported]:
        """One attempt."""
        if row.conversations is not None:
            yield self._conversation(row.conversations)
        elif row.problem is None or row.deepseek_solution is None:
            raise ValueError("there is neither conversations nor problem and deepseek_solution")
        else:
            reasoning = row.deepseek_reasoning or ""
            attempt = thinking(row.deepseek_solution, self.step_sep, reasoning=reasoning)
            gold = gold_in(row.ground_truth_solution) if row.domain == "math" else ""
            kind: AnswerKind = "code" if row.domain == "code" else "unknown"
            asked = problem(row.problem, gold, tags=[row.domain])
            yield Imported(msgspec.structs.replace(asked, answer_kind=kind), (Given(attempt),))

    def _conversation(self, turns: list[Turn]) -> Imported:
        shown = [turn for turn in turns if turn.role != "system"]
        if [turn.role in ("user", "human") for turn in shown] != [True, False]:
            raise ValueError("conversations: not one turn of the user and one of the assistant")
        question, answer = shown
        attempt = thinking(answer.value, self.step_sep, style="still")
        return Imported(problem(question.value), (Given(attempt),))
