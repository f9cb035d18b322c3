from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

from cotgen import parse_recipe, run
from cotgen.errors import RecipeError
from cotgen.prompts import Prompt
from cotgen.protocols import Services
from cotgen.records import Completion, Message, Problem, Sampling, Verdict
from cotgen.search.examples import Examples, _read
from cotgen.search.sample import SampleSearch

PROBLEM = Problem("p", "What is 0 + 0?", "0")


def rows(folder: Path, count: int) -> Path:
    path = folder / "examples.jsonl"
    made = [
        {"question": f"What is {n} + {n}?", "solution": f"It is {2 * n}."} for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


def asked(settings: SampleSearch, problem: Problem = PROBLEM) -> list[Message]:
    seen: list[Message] = []

    async def generate(messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        seen.extend(messages)
        return [Completion(" and so on")] * sampling.n

    async def verify(problem: Problem, solution: str) -> Verdict:
        raise AssertionError("not asked for")

    services = Services(generate, verify, draw=Random)
    attempts = asyncio.run(settings.search(problem, services))
    assert all(attempt.text.startswith(settings.prefill) for attempt in attempts)
    return seen


def fewshot(path: Path, k: int = 3) -> SampleSearch:
    return SampleSearch(
        n=1, prompt=Prompt.named("solve_fewshot"), examples=Examples(path=path, k=k)
    )


def test_examples_are_of_other_problems_and_the_same_each_time(tmp_path: Path) -> None:
    search = fewshot(rows(tmp_path, 5), k=4)
    (message,) = asked(search)
    assert message.content.count("It is ") == 4
    assert message.content.count(PROBLEM.question) == 1
    assert asked(search) == [message]
    (other,) = asked(search, Problem("q", "Another?", "1"))
    assert other.content.count("It is ") == 4


def test_too_few_examples_are_an_error_that_says_how_many(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds 4 examples of other problems, 5 are asked for"):
        asked(fewshot(rows(tmp_path, 5), k=5))


@pytest.mark.parametrize("text", ["{", '{"question": 1}'])
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(ValidationError, match=r"other\.jsonl"):
        fewshot(path)
    with pytest.raises(ValidationError, match="not_there"):
        fewshot(tmp_path / "not_there")


def test_other_white_space_does_not_make_it_another_problem(tmp_path: Path) -> None:
    spaced = Problem("p", "What  is 0\n+ 0?", "0")
    (message,) = asked(fewshot(rows(tmp_path, 5), k=4), spaced)
    assert "It is 0." not in message.content


def test_examples_that_changed_are_other_settings(tmp_path: Path) -> None:
    before = fewshot(rows(tmp_path, 5)).examples
    _read.cache_clear()
    after = fewshot(rows(tmp_path, 6)).examples
    assert before is not None
    assert after is not None
    assert before.digest != after.digest


def test_problems_of_a_test_set_are_no_examples(tmp_path: Path, shared_data: Path) -> None:
    with (shared_data / "gsm8k/test.jsonl").open() as file:
        question = json.loads(file.readline())["question"]
    path = tmp_path / "leak.jsonl"
    path.write_text(json.dumps({"question": question, "solution": "18"}))
    with pytest.raises(ValidationError, match="test data"):
        fewshot(path)


def test_a_run_lends_its_correct_attempts(tmp_path: Path) -> None:
    raw = {
        "name": "first",
        "problems": {"kind": "generated", "limit": 8},
        "teachers": {"m": {"kind": "scripted", "accuracy": 0.9}},
        "search": {"kind": "sample", "n": 3},
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}],
    }
    run(parse_recipe(raw), outputs=tmp_path, until="verify")
    (message,) = asked(fewshot(tmp_path / "first"))
    shown = message.content.split("Problem: ")[1:-1]
    assert len(shown) == 3
    right = {
        line["id"]
        for line in map(json.loads, (tmp_path / "first/verdicts.jsonl").read_text().splitlines())
        if line["outcome"] == "correct"
    }
    attempts = [
        "".join(step["text"] for step in attempt["steps"])
        for line in map(json.loads, (tmp_path / "first/attempts.jsonl").read_text().splitlines())
        for number, attempt in enumerate(line["attempts"])
        if f"{line['id']}/{number}" in right
    ]
    for example in shown:
        assert any(text in example for text in attempts)


def test_a_prompt_and_its_examples_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="set examples"):
        SampleSearch(prompt=Prompt.named("solve_fewshot"))
    with pytest.raises(ValidationError, match="never shows the examples"):
        SampleSearch(examples=Examples(path=rows(tmp_path, 3)))


def test_a_prefill_is_the_beginning_of_every_attempt() -> None:
    messages = asked(SampleSearch(n=2, prefill="<think>\nOK"))
    assert messages[-1] == Message("assistant", "<think>\nOK")


def test_a_budget_is_named_in_the_prompt() -> None:
    (message,) = asked(SampleSearch(n=1, prompt=Prompt.named("budget"), budget=77))
    assert "77 tokens" in message.content
