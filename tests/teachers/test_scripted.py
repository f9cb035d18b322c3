import asyncio
import operator
import re
from collections.abc import Callable
from random import Random

import pytest
from pydantic import ValidationError

from cotgen.errors import TeacherError
from cotgen.problems.generated import GeneratedProblems
from cotgen.protocols import Request
from cotgen.records import Completion, Message, Problem, Sampling
from cotgen.teachers.scripted import ScriptedTeacher

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
PROBLEMS = list(GeneratedProblems(limit=40).load())


def request(problem: Problem, n: int = 1, first: int = 0, seed: int = 1) -> Request:
    messages = (Message("user", problem.question),)
    return Request(problem.question, messages, Sampling(n=n, first=first), seed)


def ask(teacher: ScriptedTeacher, *requests: Request) -> list[Completion]:
    """All completions, in the order of the requests."""

    async def ask_all() -> list[list[Completion]]:
        async with teacher.connect() as live:
            return list(await asyncio.gather(*(live(each) for each in requests)))

    return [completion for completions in asyncio.run(ask_all()) for completion in completions]


def boxed(completion: Completion) -> list[str]:
    return re.findall(r"\\boxed\{(-?\d+)\}", completion.text)


def test_a_teacher_without_slips_is_always_right() -> None:
    teacher = ScriptedTeacher(accuracy=1, cut=0)
    for problem in PROBLEMS:
        for completion in ask(teacher, request(problem, n=3)):
            assert boxed(completion) == [problem.answer]
            assert completion.finish == "stop"


def test_a_slip_is_carried_to_the_end() -> None:
    for completion in ask(ScriptedTeacher(accuracy=0, cut=0), *map(request, PROBLEMS)):
        steps = re.findall(r"^(-?\d+) (.) (\d+) = (-?\d+)$", completion.text, re.MULTILINE)
        results = [result for *_, result in steps]
        assert [left for left, *_ in steps[1:]] == results[:-1]
        assert boxed(completion) == results[-1:]
        assert steps
        for left, sign, right, result in steps:
            assert OPERATIONS[sign](int(left), int(right)) != int(result)


def test_the_share_of_right_attempts_follows_the_accuracy() -> None:
    teacher = ScriptedTeacher(accuracy=0.8, cut=0)
    easy = list(GeneratedProblems(limit=40, min_steps=2, max_steps=2).load())
    right = sum(
        boxed(completion) == [problem.answer]
        for problem in easy
        for completion in ask(teacher, request(problem, n=20))
    )
    assert right / 800 == pytest.approx(0.64, abs=0.06)


def test_a_cut_attempt_has_no_answer() -> None:
    for completion in ask(ScriptedTeacher(cut=1), *map(request, PROBLEMS)):
        assert completion.finish == "length"
        assert boxed(completion) == []


def test_the_order_of_calls_does_not_matter() -> None:
    teacher = ScriptedTeacher()
    single = [request(problem, first=number) for problem in PROBLEMS for number in range(4)]
    mixed = Random(0).sample(range(len(single)), len(single))
    shuffled = ask(teacher, *(single[place] for place in mixed))
    straight = ask(teacher, *(request(problem, n=4) for problem in PROBLEMS))
    assert [straight[place] for place in mixed] == shuffled


def test_asking_for_more_samples_only_adds() -> None:
    teacher = ScriptedTeacher()
    for problem in PROBLEMS:
        more = ask(teacher, request(problem, n=16))
        assert more[:4] == ask(teacher, request(problem, n=4))
        assert more[8:] == ask(teacher, request(problem, n=8, first=8))


def test_samples_of_a_problem_differ() -> None:
    assert len({each.text for each in ask(ScriptedTeacher(), request(PROBLEMS[0], n=50))}) > 5


def test_the_seed_does_not_matter() -> None:
    teacher = ScriptedTeacher()
    assert ask(teacher, request(PROBLEMS[0], n=8, seed=1)) == ask(
        teacher, request(PROBLEMS[0], n=8, seed=2)
    )


def test_another_question_cannot_be_answered() -> None:
    with pytest.raises(TeacherError, match="knows generated problems") as error:
        ask(ScriptedTeacher(), request(Problem("p", "What is 2 + 2?", "4")))
    assert not error.value.retryable


@pytest.mark.parametrize("settings", [{"accuracy": 1.1}, {"cut": -0.1}, {"accuracy": float("nan")}])
def test_shares_lie_between_0_and_1(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ScriptedTeacher.model_validate(settings)
