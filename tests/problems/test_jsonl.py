import gzip
import json
import re
from pathlib import Path

import pytest

from cotgen.errors import RecipeError
from cotgen.problems.jsonl import JsonlProblems
from cotgen.records import BadLine, Problem


def saved(folder: Path, *lines: str, name: str = "problems.jsonl") -> Path:
    path = folder / name
    path.write_bytes("\n".join(lines).encode())
    return path


def row(question: str = "2 + 2?", answer: object = "4", **fields: object) -> str:
    return json.dumps({"question": question, "answer": answer, **fields})


def load(source: JsonlProblems) -> list[Problem | BadLine]:
    return list(source.load())


def problems(source: JsonlProblems) -> list[Problem]:
    """All problems of a source without bad lines."""
    found = load(source)
    assert [item for item in found if isinstance(item, BadLine)] == []
    return [item for item in found if isinstance(item, Problem)]


def test_problems_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, *(row(f"{n} + 1?", n + 1) for n in range(5)))
    found = problems(JsonlProblems(path=path))
    assert [problem.answer for problem in found] == ["1", "2", "3", "4", "5"]


def test_settings_fill_in_what_rows_lack(tmp_path: Path) -> None:
    path = saved(tmp_path, row(id="p1"), row(id="p2", source="theirs", split="test"))
    source = JsonlProblems(path=path, split="train", source="mine", license="MIT", tags=("t",))
    assert problems(source) == [
        Problem("p1", "2 + 2?", "4", tags=("t",), split="train", source="mine", license="MIT"),
        Problem("p2", "2 + 2?", "4", tags=("t",), split="test", source="theirs", license="MIT"),
    ]


def test_bad_lines_come_with_file_line_and_reason(tmp_path: Path) -> None:
    lines = ['{"question": "2', row(answer=""), "[1]", "null", row(answer="\\boxed{}")]
    path = saved(tmp_path, row(), "", *lines)
    found = load(JsonlProblems(path=path))
    assert isinstance(found[0], Problem)
    bad = [item for item in found if isinstance(item, BadLine)]
    assert [line.where for line in bad] == [f"{path}:{number}" for number in range(3, 8)]
    for line, reason in zip(
        bad, ["malformed", "no answer", "found list", "null value", "empty gold"], strict=True
    ):
        assert reason in line.error


def test_a_bad_line_does_not_end_the_file(tmp_path: Path) -> None:
    first, second = load(JsonlProblems(path=saved(tmp_path, "{", row())))
    assert isinstance(first, BadLine)
    assert isinstance(second, Problem)


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl.gz"
    path.write_bytes(gzip.compress(f"{row()}\n".encode()))
    assert [problem.answer for problem in problems(JsonlProblems(path=path))] == ["4"]


def test_long_integers_are_kept_exactly(tmp_path: Path) -> None:
    path = saved(tmp_path, row(answer=123456789012345678901234567890))
    assert problems(JsonlProblems(path=path))[0].answer == "123456789012345678901234567890"


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    path = saved(tmp_path, row("a\ud800b?"))
    assert "\\ud800" in path.read_text()
    assert problems(JsonlProblems(path=path))[0].question == "a\ufffdb?"


def test_the_same_file_gives_the_same_problems(tmp_path: Path) -> None:
    path = saved(tmp_path, row(), row("3 + 3?", 6))
    assert load(JsonlProblems(path=path)) == load(JsonlProblems(path=path))


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.jsonl: No such file or directory"):
        load(JsonlProblems(path=tmp_path / "none.jsonl"))


@pytest.mark.parametrize(("name", "count"), [("train", 7473), ("test", 1319)])
def test_all_of_gsm8k_loads_with_plain_numbers_as_golds(
    shared_data: Path, name: str, count: int
) -> None:
    found = problems(JsonlProblems(path=shared_data / "gsm8k" / f"{name}.jsonl"))
    assert len({problem.id for problem in found}) == count
    assert [each.answer for each in found if not re.fullmatch(r"-?\d+(\.\d+)?", each.answer)] == []


def test_the_recorded_gsm8k_golds_are_those_of_the_test_split(shared_data: Path) -> None:
    recorded = JsonlProblems(
        path=shared_data / "gsm8k" / "example_model_solutions.jsonl",
        fields={"answer": "ground_truth"},
    )
    plain = JsonlProblems(path=shared_data / "gsm8k" / "test.jsonl")
    golds = {problem.question: float(problem.answer) for problem in problems(plain)}
    found = {problem.question: float(problem.answer) for problem in problems(recorded)}
    assert len(found) == 1319
    assert {question for question in found if golds.get(question) != found[question]} == set()


def test_all_of_math_500_loads_with_its_answers_as_golds(shared_data: Path) -> None:
    path = shared_data / "math" / "test500.jsonl"
    found = problems(JsonlProblems(path=path, fields={"tags": "subject"}))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({problem.id for problem in found}) == 500
    assert [problem.answer for problem in found] == [row["answer"] for row in rows]
    assert {problem.level for problem in found} == {f"Level {level}" for level in range(1, 6)}
    assert all(len(problem.tags) == 1 for problem in found)


def test_the_golds_of_math_500_are_found_in_its_solutions(shared_data: Path) -> None:
    path = shared_data / "math" / "test500.jsonl"
    solved = problems(JsonlProblems(path=path, fields={"answer": "solution"}, gold="boxed"))
    assert [problem.answer for problem in solved] == [
        problem.answer for problem in problems(JsonlProblems(path=path))
    ]
