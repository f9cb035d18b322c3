import asyncio
from collections.abc import Sequence, Set
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cotgen.prompts import Prompt
from cotgen.protocols import Services
from cotgen.records import (
    Attempt,
    Completion,
    Message,
    Origin,
    Problem,
    Sampling,
    Searched,
    Verdict,
    clean,
)
from cotgen.search.sample import SampleSearch, Until
from cotgen.steps import split
from cotgen.store import Table

PROBLEM = Problem("p", "What is {{ 2 + 2 }}?", "4")

Asked = list[tuple[list[Message], Sampling]]


def search(settings: SampleSearch, *completions: Completion) -> tuple[list[Attempt], Asked]:
    """The attempts made of these completions, and what was asked for."""
    asked: Asked = []

    async def generate(messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        asked.append((list(messages), sampling))
        return list(completions)

    async def verify(problem: Problem, solution: str) -> Verdict:
        raise AssertionError("sampling needs no verifier")

    services = Services(generate, verify, draw=lambda id: Random(id))
    return asyncio.run(settings.search(PROBLEM, services)), asked


def test_attempts_are_the_completions_in_order() -> None:
    attempts, _ = search(SampleSearch(n=2), Completion("a\nb"), Completion("c", "length"))
    assert [attempt.text for attempt in attempts] == ["a\nb", "c"]
    assert [attempt.finish for attempt in attempts] == ["stop", "length"]
    assert [step.text for step in attempts[0].steps] == ["a\n", "b"]


def test_an_attempt_says_where_it_came_from() -> None:
    settings = SampleSearch(
        n=2,
        temperature=0.7,
        top_p=0.9,
        max_tokens=100,
        prompt=Prompt(name="mine", text="Go: {{ question }}"),
    )
    attempts, _ = search(
        settings, Completion("a", tokens=5, prompt_tokens=9), Completion("b", tokens=6)
    )
    first = Origin(
        prompt="mine", prompt_digest=settings.prompt.digest, sample=0, temperature=0.7, top_p=0.9,
        max_tokens=100, prompt_tokens=9, tokens=5,
    )  # fmt: skip
    assert attempts[0].origin == first
    assert attempts[1].origin.sample == 1
    assert (attempts[1].origin.tokens, attempts[1].origin.prompt_tokens) == (6, 0)


pieces = st.sampled_from(
    ["\n", "\n\n\n", "\r\n", '"', "\\", "\\n", '"},{"text":"', "<think>", "</think>", "<Thought>",
     "```\n", "~~~", "\u2028", "\x7f", "\0", "\ud800", "é", "😀", "so $x < 2$", " "]
)  # fmt: skip
hostile = st.builds(Completion, st.lists(pieces, max_size=12).map("".join).map(clean))


@given(completions=st.lists(hostile, max_size=4), prefill=st.sampled_from(["", "<think>\n"]))
@settings(derandomize=True, max_examples=300, database=None, deadline=None)
def test_a_line_is_the_one_that_plain_records_give(
    completions: list[Completion], prefill: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    attempts, _ = search(SampleSearch(n=4, prefill=prefill), *completions)
    assert [each.text for each in attempts] == [prefill + each.text for each in completions]
    plain = [
        Attempt(
            each.steps[:1] + split(each.solution)
            if each.flag
            else split(each.thought) + split(each.solution),
            each.finish,
            each.thought_steps,
            each.flaw,
            each.origin,
            each.flag,
        )
        for each in attempts
    ]
    table = Table(tmp_path_factory.getbasetemp() / "lines.jsonl", Searched)
    line = table.encoded(Searched("p@t", "p", "t", tuple(attempts)))
    table.close()
    assert line.data == msgspec.json.encode(Searched("p@t", "p", "t", tuple(plain)))


def test_one_call_asks_for_all_samples() -> None:
    settings = SampleSearch(n=5, temperature=0.7, top_p=0.9, max_tokens=100, stop=("END",))
    _, asked = search(settings)
    sampling = Sampling(
        n=5, first=0, temperature=0.7, top_p=0.9, max_tokens=100, stop=("END",)
    )  # fmt: skip
    assert [sampling for _, sampling in asked] == [sampling]


def test_what_is_asked_is_what_was_announced() -> None:
    settings = SampleSearch(n=3, system="Be brief.")
    _, asked = search(settings)
    assert settings.most_calls(PROBLEM) == asked


def test_the_question_stands_in_the_prompt_unrendered() -> None:
    ((messages, _),) = search(SampleSearch(prompt=Prompt.named("question")))[1]
    assert messages == [Message("user", "What is {{ 2 + 2 }}?")]


def test_a_system_message_comes_first() -> None:
    settings = SampleSearch(system="Be brief.", prompt=Prompt.named("question"))
    ((messages, _),) = search(settings)[1]
    assert messages == [Message("system", "Be brief."), Message("user", PROBLEM.question)]


def test_a_think_block_is_told_from_the_solution() -> None:
    (attempt,), _ = search(SampleSearch(n=1), Completion("<think>\na\n</think>\n\n4"))
    assert attempt.thought == "<think>\na\n</think>\n\n"
    assert attempt.solution == "4"
    assert attempt.thought_steps == 3


def test_a_reasoning_field_becomes_the_thought() -> None:
    (attempt,), _ = search(SampleSearch(n=1), Completion("4", reasoning="a"))
    assert attempt.thought == "<think>\na\n</think>\n\n"
    assert attempt.solution == "4"


def test_an_unclosed_thought_is_unfinished() -> None:
    (attempt,), _ = search(SampleSearch(n=1), Completion("<think>\na", "stop"))
    assert attempt.finish == "length"


@pytest.mark.parametrize(("attempts", "wanted"), [(0, True), (3, True), (4, False), (9, False)])
def test_more_is_wanted_until_there_are_n(attempts: int, wanted: bool) -> None:
    assert SampleSearch(n=4).wants_more(attempts) is wanted


def test_growing_n_changes_nothing_else_that_is_asked() -> None:
    ((few, sampling),) = SampleSearch(n=4).most_calls(PROBLEM)
    ((many, grown),) = SampleSearch(n=16).most_calls(PROBLEM)
    assert few == many
    assert (sampling.n, grown.n) == (4, 16)
    assert (sampling.first, sampling.temperature) == (grown.first, grown.temperature)
    assert "n" in SampleSearch.incidental


def test_temperature_0_with_several_samples_is_refused() -> None:
    with pytest.raises(ValidationError, match="temperature 0 gives the same attempt n times"):
        SampleSearch(temperature=0, n=2)


def test_temperature_0_with_one_sample_is_allowed() -> None:
    assert SampleSearch(temperature=0, n=1).n == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"n": 0},
        {"n": 4097},
        {"top_p": 0},
        {"top_p": 1.5},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"max_tokens": 0},
        {"widht": 4},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SampleSearch.model_validate(settings)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ nope }}", "'nope' is undefined"),
        ("{{ question", "not a jinja2 template"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
    ],
)
def test_a_prompt_that_cannot_be_rendered_is_refused(text: str, error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        SampleSearch.model_validate({"prompt": {"name": "mine", "text": text}})


def test_settings_survive_the_way_through_a_resolved_recipe() -> None:
    settings = SampleSearch(n=3, stop=("END",), prompt=Prompt.named("think"))
    assert SampleSearch.model_validate(settings.model_dump(mode="json")) == settings


def test_a_prompt_that_never_shows_the_question_is_refused() -> None:
    with pytest.raises(ValidationError, match="it never shows"):
        SampleSearch(prompt=Prompt(name="mine", text="Go."))


# --- until ---------------------------------------------------------------------------------------


def sampled(settings: SampleSearch, right: set[int], cut: Set[int] = frozenset()) -> Asked:
    """What is asked for where these samples are right, these are cut off and all others wrong."""
    asked: Asked = []

    async def generate(messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        asked.append((list(messages), sampling))
        numbers = range(sampling.first, sampling.first + sampling.n)
        return [Completion(str(n), "length" if n in cut else "stop") for n in numbers]

    async def verify(problem: Problem, solution: str) -> Verdict:
        assert int(solution) not in cut
        return Verdict("correct" if int(solution) in right else "incorrect")

    services = Services(generate, verify, draw=lambda id: Random(id))
    attempts = asyncio.run(settings.search(PROBLEM, services))
    assert [attempt.text for attempt in attempts] == [str(n) for n in range(len(attempts))]
    assert [attempt.origin.sample for attempt in attempts] == list(range(len(attempts)))
    assert len(attempts) == sum(sampling.n for _, sampling in asked)
    return asked


def waves(asked: Asked) -> list[tuple[int, int]]:
    return [(sampling.first, sampling.n) for _, sampling in asked]


def test_a_problem_that_has_enough_is_sampled_no_further() -> None:
    settings = SampleSearch(n=64, until=Until(correct=2, wrong=2), wave=4)
    assert waves(sampled(settings, right={0, 3})) == [(0, 4)]
    assert waves(sampled(settings, right={0, 5})) == [(0, 4), (4, 4)]


def test_both_kinds_must_be_enough() -> None:
    settings = SampleSearch(n=12, until=Until(correct=1, wrong=1), wave=2)
    assert waves(sampled(settings, right={0, 1, 2})) == [(0, 2), (2, 2)]
    assert waves(sampled(settings, right=set())) == [(0, 2), (2, 2), (4, 4), (8, 4)]


def test_attempts_that_were_cut_off_count_as_neither() -> None:
    settings = SampleSearch(n=8, until=Until(correct=1, wrong=1), wave=2)
    assert waves(sampled(settings, right={0, 2}, cut={1})) == [(0, 2), (2, 2)]


def test_without_until_no_verifier_is_relied_on() -> None:
    assert SampleSearch().relies_on() == ("teachers",)
    assert SampleSearch(until=Until()).relies_on() == ("teachers", "verifier")


def test_flawed_attempts_are_not_enough() -> None:
    settings = SampleSearch(n=8, until=Until(correct=1), wave=2)
    asked: Asked = []

    async def generate(messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        asked.append((list(messages), sampling))
        return [Completion("<think>a</think>b</think>4")] * sampling.n

    async def verify(problem: Problem, solution: str) -> Verdict:
        return Verdict("correct")

    asyncio.run(settings.search(PROBLEM, Services(generate, verify, draw=Random)))
    assert waves(asked) == [(0, 2), (2, 2), (4, 4)]


def test_what_an_answer_was_begun_with_stands_where_the_server_put_the_rest() -> None:
    settings = SampleSearch(n=2, prefill="<think>\nFirst, ")
    attempts, asked = search(settings, Completion("a</think>4"), Completion("4", reasoning="a"))
    assert asked[0][0][-1] == Message("assistant", "<think>\nFirst, ")
    assert [attempt.text for attempt in attempts] == [
        "<think>\nFirst, a</think>4",
        "<think>\nFirst, a\n</think>\n\n4",
    ]
    assert [attempt.solution for attempt in attempts] == ["4", "4"]
