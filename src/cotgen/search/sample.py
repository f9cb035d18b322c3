"""Independent samples of one prompt (Lightman et al. 2305.20050 §2.3; Snell et al. 2408.03314)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from cotgen.prompts import Prompt
from cotgen.protocols import Component, Draw, Section, Services
from cotgen.records import Attempt, Completion, Message, Origin, Outcome, Problem, Sampling
from cotgen.search.examples import Example, Examples
from cotgen.steps import MARKS, OpenInPrompt, Parsed, Style, inline, parse, split

Share = Annotated[float, Field(gt=0, le=1)]


class Until(BaseModel):
    """How many attempts of each kind are enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    correct: NonNegativeInt = 1
    """Correct attempts."""
    wrong: NonNegativeInt = 0
    """Wrong attempts."""

    def met(self, outcomes: Counter[Outcome]) -> bool:
        """Whether there are enough of both."""
        return outcomes["correct"] >= self.correct and outcomes["incorrect"] >= self.wrong


class SampleSearch(Component):
    """Sample n attempts of every problem, each from the same prompt.

    Raising n in a finished run only adds: samples already paid for come from the journal. With
    `until` a problem is sampled in waves and stops as soon as it has enough.
    """

    needs: ClassVar[tuple[Section, ...]] = ("teachers",)
    incidental = frozenset({"n"})

    kind: Literal["sample"] = "sample"
    n: Annotated[int, Field(gt=0, le=4096)] = 8
    """Attempts a problem, of each teacher; with `until` the most."""
    until: Until | None = None
    """Stop once there are `{correct: 4, wrong: 4}` attempts; none: always sample n."""
    wave: PositiveInt = 8
    """With `until`: how many attempts are sampled before they are judged; then as many again as
    there are, so that a hard problem needs few waves."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Sampling temperature. The papers state none or 0.7–1.0; 1.0 is our choice."""
    top_p: Share = 1.0
    """Nucleus sampling."""
    max_tokens: PositiveInt = 4096
    """Where an attempt is cut; a cut attempt is unfinished, neither correct nor wrong."""
    stop: tuple[str, ...] = ()
    """Texts that end an attempt."""
    prompt: Prompt = Field(default_factory=partial(Prompt.named, "boxed"))
    """A template's name, or the path of a .j2 file; it is given `question`."""
    system: str = ""
    """A system message; none if empty."""
    examples: Examples | None = None
    """Worked examples for prompts that show them (`solve_fewshot`)."""
    budget: PositiveInt | None = None
    """Tokens that prompts which name a budget (`budget`) allow; none: `max_tokens`."""
    prefill: str = ""
    """How every attempt begins (`<think>\\n`): the teacher goes on from there. Needs a server that
    continues a message (vLLM, SGLang) or `api: completions`."""
    think: Literal["auto", "none"] | Style = "auto"
    """Tell thoughts from solutions by a reasoning field or the tags of a style: `think` (R1, QwQ),
    `thinking`, `thought` (Open-O1), `still` (STILL-2, OpenThoughts), whichever comes first
    (`auto`), or do not look (`none`)."""
    open_think_in_prompt: OpenInPrompt = "auto"
    """Whether the chat template opens the thought, so that completions hold its end only."""
    step_sep: Annotated[str, Field(min_length=1)] = "\n"
    """What ends a step."""

    @field_validator("prompt")
    @classmethod
    def _renders(cls, prompt: Prompt) -> Prompt:
        prompt.check(question="?", examples=[Example("?", "?")], budget=1)
        return prompt

    @model_validator(mode="after")
    def _examples_are_shown(self) -> Self:
        given = {"question": "?", "budget": 1}
        shown = self.prompt.render(examples=[Example("?", "??")], **given)
        if self.examples is None and shown != self.prompt.render(examples=[], **given):
            raise ValueError(f"prompt {self.prompt.name} shows examples: set examples: {{path: …}}")
        if self.examples and shown == self.prompt.render(examples=[], **given):
            raise ValueError(f"prompt {self.prompt.name} never shows the examples")
        return self

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.temperature == 0 and self.n > 1:
            raise ValueError("temperature 0 gives the same attempt n times: set n to 1 or sample")
        return self

    def relies_on(self) -> tuple[Section, ...]:
        """The teachers, and the verifier where it decides what is enough."""
        return ("teachers", "verifier") if self.until else self.needs

    async def search(self, problem: Problem, services: Services) -> list[Attempt]:
        """Sample; attempt i is sample i."""
        messages = self._messages(problem, services.draw)
        attempts: list[Attempt] = []
        outcomes: Counter[Outcome] = Counter()
        for sampling in self._waves():
            completions = await services.generate(messages, sampling)
            fresh = self._attempts(len(attempts), completions)
            attempts += fresh
            if self.until and len(attempts) < self.n:
                outcomes += await _judged(problem, fresh, services)
                if self.until.met(outcomes):
                    break
        return attempts

    @property
    def asks_once(self) -> bool:
        """Whether all is sampled at once."""
        return self.until is None

    def call(self, problem: Problem, draw: Draw) -> tuple[list[Message], Sampling]:
        """One prompt, n samples."""
        return self._messages(problem, draw), self._sampling(0, self.n)

    def attempts(self, completions: list[Completion]) -> list[Attempt]:
        """Attempt i is sample i."""
        return self._attempts(0, completions)

    def _waves(self) -> Iterator[Sampling]:
        """All at once; with `until` a few, then each time as many as there are already."""
        first, size = 0, min(self.wave, self.n) if self.until else self.n
        while first < self.n:
            yield self._sampling(first, min(size, self.n - first))
            first, size = first + size, first + size

    def wants_more(self, attempts: int) -> bool:
        """Whether a finished search of so many attempts is owed more of them."""
        return attempts < self.n

    def most_calls(self, problem: Problem) -> list[tuple[list[Message], Sampling]]:
        """One prompt, n samples."""
        return [self.call(problem, Random)]

    def _messages(self, problem: Problem, draw: Draw) -> list[Message]:
        shown = self.examples.of(problem, draw(f"{problem.id}/examples")) if self.examples else ()
        text = self.prompt.render(
            question=problem.question, examples=shown, budget=self.budget or self.max_tokens
        )
        messages = [Message("system", self.system)] if self.system else []
        messages.append(Message("user", text))
        return [*messages, Message("assistant", self.prefill)] if self.prefill else messages

    def _sampling(self, first: int, n: int) -> Sampling:
        return Sampling(
            n=n,
            first=first,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
        )

    def _parser(self) -> Callable[[Completion], Parsed]:
        separator, style, opened = self.step_sep, self.think, self.open_think_in_prompt
        if style == "none":
            return lambda one: Parsed(split(inline(one), separator), 0, one.finish)
        return lambda one: parse(one, separator, style, opened)

    def _attempts(self, first: int, completions: list[Completion]) -> list[Attempt]:
        if self.prefill:
            completions = [_begun(each, self.prefill) for each in completions]
        name, digest, parsed = self.prompt.name, self.prompt.digest, self._parser()
        temperature, top_p, max_tokens = self.temperature, self.top_p, self.max_tokens
        attempts = []
        for number, each in enumerate(completions, start=first):
            origin = Origin(
                prompt=name,
                prompt_digest=digest,
                sample=number,
                temperature=temperature,
                top_p=top_p,
                max_tokens=max_tokens,
                prompt_tokens=each.prompt_tokens,
                tokens=each.tokens,
            )
            steps, thought_steps, finish, flaw, flag = parsed(each)
            attempts.append(Attempt(steps, finish, thought_steps, flaw, origin, flag))
        return attempts


def _begun(completion: Completion, prefill: str) -> Completion:
    """The completion with what it was begun with, in the thought if the server cut that off."""
    if not completion.reasoning:
        return msgspec.structs.replace(completion, text=prefill + completion.text)
    opened = next((opened for opened, _ in MARKS.values() if prefill.startswith(opened)), "")
    thought = prefill.removeprefix(opened).lstrip("\n") + completion.reasoning
    return msgspec.structs.replace(completion, reasoning=thought)


async def _judged(
    problem: Problem, attempts: list[Attempt], services: Services
) -> Counter[Outcome]:
    """The outcomes of those that ended by themselves."""
    ended = [each.solution for each in attempts if each.finish == "stop" and not each.flaw]
    verdicts = await asyncio.gather(*(services.verify(problem, text) for text in ended))
    return Counter(verdict.outcome for verdict in verdicts)
