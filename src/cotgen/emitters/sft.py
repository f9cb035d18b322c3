"""Supervised fine-tuning rows: a prompt, and the completion that the loss covers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from cotgen.emitters.styles import Style, restyled
from cotgen.emitters.trainers import Dataset, Format, Shape, shape_of
from cotgen.emitters.turns import Turn, assistant, opening, origin, user
from cotgen.emitters.writing import best, named, written
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Chain, Group, Judged
from cotgen.steps import CLOSE, OPEN, tags

Layout = Literal["multiturn", "folded", "single"]


class SftEmitter(Component):
    """Correct attempts, by themselves or at the end of a chain, with the loss on them alone.

    From chains, `layout` says how the wrong attempts stand before the correct one: `multiturn` as
    earlier assistant turns, each answered by a request to try again; `folded` inside the one user
    turn; `single` in a think block that opens the assistant's text (plain text, no chat template).
    A correct text is trained once a problem.
    """

    kind: Literal["sft"] = "sft"
    name: FileName | None = None
    """The file's name; by default `sft`, or `sft-<layout>` from chains, with the format if it is
    not TRL's."""
    format: Format = "trl"
    """Whose columns are written."""
    tokenizer: str | None = None
    """Counts tokens for the recommended length: a folder or a Hub name; null: an estimate."""
    source: Literal["attempts", "chains"] = Field(default="attempts", alias="from")
    """Where rows come from: single attempts, or chains."""
    layout: Layout | None = None
    """How a chain is written (only from chains). If not given: `multiturn`, or `folded` for
    trainers that would train on every assistant turn (llama_factory, verl)."""
    per_problem: PositiveInt | None = None
    """Rows a problem at most, by reward if there is one, else in attempt order; null: all."""
    system: str | None = Field(default=None, min_length=1)
    """A system message that every row begins with."""
    think: Style | None = None
    """How thought and answer are written; null: as sampled. Attempts without a thought are left
    out, but for `journey` and `gsm8k`, which end in the bare answer."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "question"))
    """The first user turn (given `question`); `question` is the bare question."""
    retry: Prompt = Field(default_factory=partial(Prompt.named, "retry"))
    """`multiturn`: the user turn after a wrong attempt."""
    folded: Prompt = Field(default_factory=partial(Prompt.named, "folded"))
    """`folded`: the user turn (given `question` and `attempts`)."""
    allow_test: bool = False
    """Emit problems of a test split, for trials; never train on them."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.source == "attempts" and self.layout:
            raise ValueError("layout is for rows from chains: add `from: chains`")
        if self.source == "chains" and self.think:
            raise ValueError("think is for rows from attempts: chains are written by layout")
        if self._dataset == "sft-single" and self.system:
            raise ValueError(
                "system: layout single is plain text without a chat template; put it into prompt"
            )
        self.prompt.check(question="?")
        self.retry.check()
        self.folded.check(question="?", attempts=["?"])
        shape_of(self._dataset, self.format)
        return self

    @property
    def file_name(self) -> str:
        """The name given, or one that says what the rows are."""
        name = "sft" if self.source == "attempts" else f"sft-{self._layout}"
        return self.name or named(name, self.format)

    @property
    def _layout(self) -> Layout:
        masks_nothing = self.format in ("llama_factory", "verl")
        return self.layout or ("folded" if masks_nothing else "multiturn")

    @property
    def _dataset(self) -> Dataset:
        if self.source == "attempts" or self._layout == "folded":
            return "sft"
        return "sft-multiturn" if self._layout == "multiturn" else "sft-single"

    @property
    def shape(self) -> Shape:
        """The rows as the trainer reads them."""
        return shape_of(self._dataset, self.format)

    @property
    def columns(self) -> type:
        """The trainer's."""
        return self.shape.columns

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The rows of one problem."""
        if self.source == "attempts":
            refused, group = restyled(group, self.think)
            yield from refused
            prompt = opening(self.system, self.prompt.render(question=group.problem.question))
            rows = (self._from_attempt(group, each, prompt) for each in best(group))
            yield from self._limited(rows)
        else:
            yield from self._limited(self._from_chain(group, chain) for chain in group.chains)

    def _limited(self, rows: Iterator[Row | Refusal]) -> Iterator[Row | Refusal]:
        """Each correct text once, and no more rows than asked for."""
        seen: set[str] = set()
        for row in rows:
            if isinstance(row, Row):
                if self.per_problem is not None and len(seen) == self.per_problem:
                    return
                text = row.sequences[0][-1]
                if text in seen:
                    row = Refusal("duplicate")
                seen.add(text)
            yield row

    def _from_attempt(self, group: Group, correct: Judged, prompt: list[Turn]) -> Row | Refusal:
        columns = {"prompt": prompt, "completion": [assistant(correct.attempt.text)]}
        return written(self.shape, columns, origin(group, [correct], "sft", "attempts"))

    def _from_chain(self, group: Group, chain: Chain) -> Row | Refusal:
        write = {"multiturn": self._multiturn, "folded": self._folded, "single": self._single}
        columns = write[self._layout](group, chain)
        if columns is None:
            return Refusal("tag_collision")
        used = [group.by_id(id) for id in chain.attempts]
        made_of = origin(group, used, "sft", "chains", self._layout)
        return written(self.shape, columns, made_of)

    def _multiturn(self, group: Group, chain: Chain) -> dict[str, Any]:
        turns = opening(self.system, self.prompt.render(question=group.problem.question))
        for text in _earlier(chain):
            turns += [assistant(text), user(self.retry.render())]
        return {"prompt": turns, "completion": [assistant(chain.links[-1].text)]}

    def _folded(self, group: Group, chain: Chain) -> dict[str, Any]:
        attempts = _earlier(chain)
        text = self.folded.render(question=group.problem.question, attempts=attempts)
        return {
            "prompt": opening(self.system, text),
            "completion": [assistant(chain.links[-1].text)],
        }

    def _single(self, group: Group, chain: Chain) -> dict[str, Any] | None:
        """The think block is part of the prompt: TRL can mask nothing inside a completion."""
        question = self.prompt.render(question=group.problem.question)
        thought, correct = "\n\n".join(_earlier(chain)), chain.links[-1].text
        prompt = f"{question}\n\n{OPEN}\n{thought}\n{CLOSE}\n\n"
        # The block must read back as it was written: nobody else's tags, no fence across its end.
        whole = prompt + correct
        if [tag for tag, _ in tags(whole)] != [OPEN, CLOSE] or tags(whole)[1][1] != len(prompt) - 2:
            return None
        return {"prompt": prompt, "completion": correct}


def _earlier(chain: Chain) -> list[str]:
    """The texts before the last link; a bridge belongs to the attempt before it."""
    texts: list[str] = []
    for link in chain.links[:-1]:
        if link.kind == "attempt":
            texts.append(link.text)
        else:
            texts[-1] += f"\n\n{link.text}"
    return texts
