"""Supervised fine-tuning rows: a prompt, and the completion that the loss covers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal, Self, TypedDict

from pydantic import Field, PositiveInt, model_validator

from cotgen.emitters.turns import Turn, assistant, origin, user
from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, FileName, Refusal, Row
from cotgen.records import Chain, Group, Judged
from cotgen.steps import CLOSE, OPEN, tags

Layout = Literal["multiturn", "folded", "single"]


class SftRow(TypedDict):
    """TRL's conversational prompt–completion type (TRL 1.16): the loss covers `completion` only."""

    prompt: list[Turn]
    completion: list[Turn]


class SftTextRow(TypedDict):
    """TRL's plain prompt–completion type: no chat template, the loss covers `completion` only."""

    prompt: str
    completion: str


class SftEmitter(Component):
    """Correct attempts, by themselves or at the end of a chain, with the loss on them alone.

    From chains, `layout` says how the wrong attempts stand before the correct one: `multiturn` as
    earlier assistant turns, each answered by a request to try again; `folded` inside the one user
    turn; `single` in a think block that opens the assistant's text (plain text, no chat template).
    A correct text is trained once a problem.
    """

    kind: Literal["sft"] = "sft"
    name: FileName | None = None
    """The file's name; by default `sft`, or `sft-<layout>` from chains."""
    source: Literal["attempts", "chains"] = Field(default="attempts", alias="from")
    """Where rows come from: single attempts, or chains."""
    layout: Layout | None = None
    """How a chain is written (only from chains; `multiturn` if not given)."""
    per_problem: PositiveInt | None = None
    """Rows a problem at most, by reward if there is one, else in attempt order; null: all."""
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
        self.prompt.check(question="?")
        self.retry.check()
        self.folded.check(question="?", attempts=["?"])
        return self

    @property
    def file_name(self) -> str:
        """The name given, or one that says what the rows are."""
        return self.name or ("sft" if self.source == "attempts" else f"sft-{self._layout}")

    @property
    def _layout(self) -> Layout:
        return self.layout or "multiturn"

    @property
    def columns(self) -> type:
        """Messages, or plain texts for `single`."""
        plain = self.source == "chains" and self._layout == "single"
        return SftTextRow if plain else SftRow

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The rows of one problem."""
        if self.source == "attempts":
            yield from self._limited(self._from_attempt(group, best) for best in _best(group))
        else:
            yield from self._limited(self._from_chain(group, chain) for chain in group.chains)

    def _limited(self, rows: Iterator[Row | Refusal]) -> Iterator[Row | Refusal]:
        """Each correct text once, and no more rows than asked for."""
        seen: set[str] = set()
        for row in rows:
            if isinstance(row, Row):
                if self.per_problem is not None and len(seen) == self.per_problem:
                    return
                text = str(row.columns["completion"])
                if text in seen:
                    row = Refusal("duplicate")
                seen.add(text)
            yield row

    def _from_attempt(self, group: Group, best: Judged) -> Row:
        prompt = [user(self.prompt.render(question=group.problem.question))]
        row: SftRow = {"prompt": prompt, "completion": [assistant(best.attempt.text)]}
        return Row({**row}, origin(group, [best], "sft", "attempts"))

    def _from_chain(self, group: Group, chain: Chain) -> Row | Refusal:
        write = {"multiturn": self._multiturn, "folded": self._folded, "single": self._single}
        columns = write[self._layout](group, chain)
        if columns is None:
            return Refusal("tag_collision")
        used = [group.by_id(id) for id in chain.attempts]
        return Row({**columns}, origin(group, used, "sft", "chains", self._layout))

    def _multiturn(self, group: Group, chain: Chain) -> SftRow:
        turns = [user(self.prompt.render(question=group.problem.question))]
        for text in _earlier(chain):
            turns += [assistant(text), user(self.retry.render())]
        return {"prompt": turns, "completion": [assistant(chain.links[-1].text)]}

    def _folded(self, group: Group, chain: Chain) -> SftRow:
        attempts = _earlier(chain)
        text = self.folded.render(question=group.problem.question, attempts=attempts)
        return {"prompt": [user(text)], "completion": [assistant(chain.links[-1].text)]}

    def _single(self, group: Group, chain: Chain) -> SftTextRow | None:
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


def _best(group: Group) -> list[Judged]:
    """Correct attempts, those with the highest last reward first."""
    return sorted(group.having("correct"), key=lambda judged: -_reward(judged))


def _reward(judged: Judged) -> float:
    return judged.rewards.per_step[-1] if judged.rewards else 0.0
