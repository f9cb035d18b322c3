import asyncio
import json
import logging
from pathlib import Path

import pytest
from pydantic import ValidationError

from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Request
from cotgen.records import Completion, Message, Sampling
from cotgen.teachers.replay import ReplayTeacher

PATHS = ["small.solution", "large.solution"]


def saved(folder: Path, *rows: object, prefix: bytes = b"") -> Path:
    path = folder / "recorded.jsonl"
    path.write_bytes(prefix + b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def listed(question: str, *attempts: object) -> dict[str, object]:
    return {"question": question, "code": attempts}


def request(question: str, n: int = 1, first: int = 0) -> Request:
    message = Message("user", f"Solve this: {question}")
    return Request(question, (message,), Sampling(n=n, first=first), seed=1)


def answers(teacher: ReplayTeacher, *requests: Request) -> list[list[str]]:
    """The texts that each request is answered with."""

    async def ask_all() -> list[list[Completion]]:
        async with teacher.connect() as ask:
            return [await ask(request) for request in requests]

    return [[each.text for each in completions] for completions in asyncio.run(ask_all())]


def test_sample_number_i_is_attempt_i(tmp_path: Path) -> None:
    path = saved(tmp_path, listed("1?", "a", "b", "c"), listed("2?", "d", "e", "f"))
    teacher = ReplayTeacher(path=path, attempts="code")
    assert answers(
        teacher, request("2?", n=3), request("1?", n=1), request("1?", n=2, first=1)
    ) == [["d", "e", "f"], ["a"], ["b", "c"]]


def test_each_attempt_may_have_a_path_of_its_own(tmp_path: Path) -> None:
    row = {"question": "1?", "small": {"solution": "a"}, "large": {"solution": "b"}}
    teacher = ReplayTeacher(path=saved(tmp_path, row), attempts=PATHS)
    assert answers(teacher, request("1?", n=2)) == [["a", "b"]]


def test_the_question_may_have_another_path(tmp_path: Path) -> None:
    path = saved(tmp_path, {"data": {"text": "1?"}, "code": ["a"]})
    teacher = ReplayTeacher(path=path, attempts="code", question="data.text")
    assert answers(teacher, request("1?")) == [["a"]]


def test_white_space_around_a_question_does_not_matter(tmp_path: Path) -> None:
    teacher = ReplayTeacher(path=saved(tmp_path, listed(" 1?\n", "a")), attempts="code")
    assert answers(teacher, request("\t1? ")) == [["a"]]


def test_attempts_come_back_as_recorded(tmp_path: Path) -> None:
    text = " \u2028 \0 😀\r\n\n "
    teacher = ReplayTeacher(path=saved(tmp_path, listed("1?", text)), attempts="code")
    assert answers(teacher, request("1?")) == [[text]]


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b"\n\r\n", b"\x1e"])
def test_the_first_row_is_found_whatever_stands_before_it(tmp_path: Path, prefix: bytes) -> None:
    path = saved(tmp_path, listed("1?", "a"), listed("2?", "b"), prefix=prefix)
    teacher = ReplayTeacher(path=path, attempts="code")
    assert answers(teacher, request("1?"), request("2?")) == [["a"], ["b"]]


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    teacher = ReplayTeacher(path=saved(tmp_path, listed("1\ud800?", "a\udfff")), attempts="code")
    assert answers(teacher, request("1\ufffd?")) == [["a\ufffd"]]


@pytest.mark.parametrize(("n", "first"), [(3, 0), (1, 2), (2, 1), (1, 100)])
def test_asking_for_more_than_was_recorded_fails(tmp_path: Path, n: int, first: int) -> None:
    teacher = ReplayTeacher(path=saved(tmp_path, listed("1?", "a", "b")), attempts="code")
    with pytest.raises(
        TeacherError, match=rf"holds 2 attempts .* number {first + n - 1} "
    ) as error:
        answers(teacher, request("1?", n, first))
    assert not error.value.retryable


def test_an_unknown_question_fails(tmp_path: Path) -> None:
    teacher = ReplayTeacher(path=saved(tmp_path, listed("1?", "a")), attempts="code")
    with pytest.raises(TeacherError, match=r"recorded\.jsonl holds no such question") as error:
        answers(teacher, request("3?"))
    assert not error.value.retryable


def test_the_first_of_repeated_questions_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, listed("1?", "a"), listed("2?", "b"), listed(" 1?", "c"))
    with caplog.at_level(logging.WARNING, "cotgen"):
        assert answers(ReplayTeacher(path=path, attempts="code"), request("1?")) == [["a"]]
    assert f"{path}:3: this question was recorded before" in caplog.text


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"code": ["a"]}, "no text at question"),
        ({"question": 2, "code": ["a"]}, "no text at question"),
        ({"question": "2?"}, "no list of texts at code"),
        (listed("2?", "a", None), r"no text at code\.1"),
        ({"question": "2?", "code": "a"}, "no list of texts at code"),
        (None, "line contains null value"),
        ([], "no text at question"),
    ],
)
def test_a_bad_row_is_named_before_anything_is_asked(
    tmp_path: Path, row: object, error: str
) -> None:
    path = saved(tmp_path, listed("1?", "a"), row)
    with pytest.raises(RecipeError, match=rf"recorded\.jsonl:2: {error}"):
        answers(ReplayTeacher(path=path, attempts="code"))


def test_a_missing_path_of_one_attempt_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, {"question": "1?", "small": {"solution": "a"}})
    with pytest.raises(RecipeError, match=r"recorded\.jsonl:1: no text at large\.solution"):
        answers(ReplayTeacher(path=path, attempts=PATHS))


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, listed("1?", "a"))
    path.write_bytes(path.read_bytes() + b"\n{\n")
    with pytest.raises(RecipeError, match=r"recorded\.jsonl:3: "):
        answers(ReplayTeacher(path=path, attempts="code"))


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.jsonl: No such file"):
        answers(ReplayTeacher(path=tmp_path / "none.jsonl", attempts="code"))


def test_a_packed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"unpack the \.gz file first"):
        ReplayTeacher(path=tmp_path / "recorded.jsonl.gz", attempts="code")


def test_the_attempts_recorded_for_gsm8k_are_found(shared_data: Path) -> None:
    path = shared_data / "gsm8k" / "example_model_solutions.jsonl"
    teacher = ReplayTeacher(
        path=path, attempts=["6b_finetuning.solution", "175b_verification.solution"]
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = answers(teacher, *(request(row["question"], n=2) for row in rows))
    assert found == [
        [row["6b_finetuning"]["solution"], row["175b_verification"]["solution"]] for row in rows
    ]
