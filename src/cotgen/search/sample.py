"""Independent samples of one prompt (Lightman et al. 2305.20050 §2.3; Snell et al. 2408.03314)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from cotgen.prompts import Prompt
from cotgen.protocols import Component, Section, Services
from cotgen.records import Attempt, Completion, Message, Origin, Problem, Sampling
from cotgen.steps import Parsed, inline, parse, split

Share = Annotated[float, Field(gt=0, le=1)]


class SampleSearch(Component):
    """Sample n attempts of every problem, each from the same prompt.

    Raising n in a finished run only adds: samples already paid for come from the journal.
    """

    needs: ClassVar[tuple[Section, ...]] = ("teachers",)
    incidental = frozenset({"n"})

    kind: Literal["sample"] = "sample"
    n: Annotated[int, Field(gt=0, le=4096)] = 8
    """Attempts a problem, of each teacher."""
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

    think: Literal["auto", "none"] = "auto"
    """Tell thoughts from solutions by think tags or a reasoning field (`auto`), or do not look."""
    step_sep: Annotated[str, Field(min_length=1)] = "\n"
    """What ends a step."""

    @field_validator("prompt")
    @classmethod
    def _renders(cls, prompt: Prompt) -> Prompt:
        prompt.check(question="?")
        return prompt

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.temperature == 0 and self.n > 1:
            raise ValueError("temperature 0 gives the same attempt n times: set n to 1 or sample")
        return self

    async def search(self, problem: Problem, services: Services) -> list[Attempt]:
        """Sample; attempt i is sample i."""
        completions = await services.generate(self._messages(problem), self._sampling())
        return [self._attempt(number, sample) for number, sample in enumerate(completions)]

    def wants_more(self, attempts: int) -> bool:
        """Whether a finished search of so many attempts is owed more of them."""
        return attempts < self.n

    def most_calls(self, problem: Problem) -> list[tuple[list[Message], Sampling]]:
        """One prompt, n samples."""
        return [(self._messages(problem), self._sampling())]

    def _messages(self, problem: Problem) -> list[Message]:
        user = Message("user", self.prompt.render(question=problem.question))
        return [Message("system", self.system), user] if self.system else [user]

    def _sampling(self) -> Sampling:
        return Sampling(
            n=self.n,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
        )

    def _parsed(self, completion: Completion) -> Parsed:
        if self.think == "none":
            return Parsed(split(inline(completion), self.step_sep), 0, completion.finish)
        return parse(completion, self.step_sep)

    def _attempt(self, number: int, completion: Completion) -> Attempt:
        steps, thought_steps, finish = self._parsed(completion)
        origin = Origin(
            prompt=self.prompt.name,
            prompt_digest=self.prompt.digest,
            sample=number,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            prompt_tokens=completion.prompt_tokens,
            tokens=completion.tokens,
        )
        return Attempt(steps=steps, finish=finish, thought_steps=thought_steps, origin=origin)
