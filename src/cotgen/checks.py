"""What can be said about a recipe before it runs: its full text, its cost, its golds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import yaml

from cotgen.filtering import digest_of_files
from cotgen.recipe import Recipe
from cotgen.records import BadLine, Message, Problem
from cotgen.wiring import refuse_unready, verification
from cotgen.workers import bounded

_CHARACTERS_A_TOKEN = 4
"""A rule of thumb for English; only used to estimate what prompts cost."""


def resolved(recipe: Recipe) -> str:
    """The recipe as YAML with defaults and prompt texts filled in."""
    return yaml.safe_dump(recipe.settings(), sort_keys=False, allow_unicode=True, width=100)


def estimate(recipe: Recipe) -> Iterator[str]:
    """Lines on problems, calls, tokens and cost. Reads the source to its limit.

    Raises RecipeError if the verifier cannot work on this machine, or a filter's file is missing.
    """
    refuse_unready(recipe.verifier)
    digest_of_files(recipe.filters)
    if getattr(recipe.problems, "held", False):
        yield "problems and attempts were imported: nobody is asked"
        return
    problems = samples = prompt_tokens = tokens = 0
    bad: list[BadLine] = []
    for problem in _problems(recipe, bad):
        problems += 1
        for messages, sampling in recipe.search.most_calls(problem):
            samples += sampling.n
            prompt_tokens += _tokens(messages) * sampling.n
            tokens += sampling.n * sampling.max_tokens
    if bad:
        yield f"{len(bad):,} bad lines; the first is {bad[0].where}: {bad[0].error}"
    teachers = len(recipe.teachers)
    yield f"{problems:,} problems × {teachers} teachers: {samples * teachers:,} completions"
    for name, teacher in recipe.teachers.items():
        if not teacher.paid:
            yield f"{name}: free"
            continue
        cost = "; name a price to see the cost"
        if teacher.price:
            cost = f", ${teacher.price.of(prompt_tokens, tokens):,.2f}"
        yield (
            f"{name}: at most {tokens:,} tokens of completions (every one cut at max_tokens) and "
            f"about {prompt_tokens:,} of prompts (paid once for each completion){cost}"
        )


class Golds(NamedTuple):
    """How many golds verify against themselves, and a line for each that does not."""

    all: int
    correct: int
    lines: list[str]


async def golds(recipe: Recipe) -> Golds:
    """Give each gold answer to the verifier as if it were an attempt's answer."""
    lines: list[str] = []
    seen = 0
    async with verification(recipe.verifier) as verify:

        async def judge(problem: Problem) -> None:
            nonlocal seen
            seen += 1
            verdict = await verify(problem, f"\\boxed{{{problem.answer}}}")
            if verdict.outcome != "correct":
                lines.append(
                    f"{problem.id}: {problem.answer!r} is {verdict.outcome}: {verdict.reason}"
                )

        bad: list[BadLine] = []
        await bounded(_problems(recipe, bad), judge, at_once=64)
    correct = seen - len(lines)
    lines += [f"{line.where}: {line.error}" for line in bad]
    return Golds(seen, correct, sorted(lines))


def _problems(recipe: Recipe, bad: list[BadLine]) -> Iterator[Problem]:
    """The problems that a run would load; bad lines are collected."""
    taken = 0
    for item in recipe.problems.load():
        if isinstance(item, BadLine):
            bad.append(item)
            continue
        if taken == recipe.problems.limit:
            return
        taken += 1
        yield item


def _tokens(messages: list[Message]) -> int:
    return sum(len(message.content) for message in messages) // _CHARACTERS_A_TOKEN
