import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from cotgen.errors import RecipeError
from cotgen.problems.huggingface import HuggingFaceProblems
from cotgen.records import BadLine, Problem

ROWS = [
    {"question": "2 + 2?", "answer": "so\n#### 4", "level": 1, "tags": ["a", "b"]},
    {"question": "50 * 24?", "answer": "#### 1,200", "level": 2, "tags": []},
]
GOLDS = ["4", "1200"]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_OFFLINE and HF_DATASETS_CACHE set, which are read when datasets is imported."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def parquet(folder: Path, *rows: dict[str, object], name: str = "rows.parquet") -> str:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows or ROWS)), folder / name)
    return str(folder / name)


def jsonl(folder: Path, *rows: dict[str, object], name: str = "rows.jsonl") -> str:
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows or ROWS))
    return str(folder / name)


def load(source: HuggingFaceProblems) -> list[Problem | BadLine]:
    return list(source.load())


def problems(source: HuggingFaceProblems) -> list[Problem]:
    return [item for item in source.load() if isinstance(item, Problem)]


def test_parquet_files_are_read(tmp_path: Path) -> None:
    first, second = problems(HuggingFaceProblems(path="parquet", data_files=[parquet(tmp_path)]))
    assert [first.answer, second.answer] == GOLDS
    assert (first.question, first.level, first.tags) == ("2 + 2?", "1", ("a", "b"))
    assert second.tags == ()


def test_json_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    files = [jsonl(tmp_path), jsonl(tmp_path, {"question": "1?", "answer": 1}, name="more.jsonl")]
    found = problems(HuggingFaceProblems(path="json", data_files=files))
    assert [problem.answer for problem in found] == [*GOLDS, "1"]


def test_a_pattern_names_files(tmp_path: Path) -> None:
    jsonl(tmp_path)
    found = problems(HuggingFaceProblems(path="json", data_files=f"{tmp_path}/*.jsonl"))
    assert [problem.answer for problem in found] == GOLDS


def test_fields_and_gold_are_read_as_the_recipe_says(tmp_path: Path) -> None:
    file = parquet(tmp_path, {"data": {"text": "x?"}, "full": "\\boxed{3}\n#### 4"})
    source = HuggingFaceProblems(
        path="parquet",
        data_files=file,
        fields={"question": "data.text", "answer": "full"},
        gold="hashes",
    )
    assert [problem.answer for problem in problems(source)] == ["4"]


def test_settings_fill_in_what_rows_lack(tmp_path: Path) -> None:
    source = HuggingFaceProblems(
        path="json",
        data_files=jsonl(tmp_path, {"question": "1?", "answer": "1"}),
        split="test",
        source="mine",
        license="MIT",
        tags=("t",),
    )
    (problem,) = problems(source)
    assert (problem.split, problem.source) == ("test", "mine")
    assert (problem.license, problem.tags) == ("MIT", ("t",))


def test_a_file_builder_says_nothing_of_split_and_source(tmp_path: Path) -> None:
    source = HuggingFaceProblems(path="json", data_files=jsonl(tmp_path))
    assert {(each.split, each.source) for each in problems(source)} == {("unknown", "")}


def test_a_file_builder_needs_files() -> None:
    with pytest.raises(ValidationError, match="name them in data_files"):
        HuggingFaceProblems(path="parquet")


def test_a_row_that_holds_no_problem_is_a_bad_line(tmp_path: Path) -> None:
    file = jsonl(tmp_path, ROWS[0], {"question": "", "answer": "1"}, ROWS[1])
    found = load(HuggingFaceProblems(path="json", data_files=file))
    assert isinstance(found[0], Problem)
    assert isinstance(found[2], Problem)
    assert isinstance(found[1], BadLine)
    assert found[1].where == "json, train row 2"
    assert "no question" in found[1].error


def test_null_columns_are_as_good_as_none(tmp_path: Path) -> None:
    file = parquet(tmp_path, {"question": "1?", "answer": None, "solution": "\\boxed{1}"})
    assert [each.answer for each in problems(HuggingFaceProblems(path="parquet", data_files=file))]


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    source = HuggingFaceProblems(path="json", data_files=str(tmp_path / "none.jsonl"))
    with pytest.raises(RecipeError, match=r"problems\.path: json cannot be loaded: .*none\.jsonl"):
        load(source)


def test_an_unknown_split_is_the_users_mistake(tmp_path: Path) -> None:
    source = HuggingFaceProblems(path="json", data_files=jsonl(tmp_path), hub_split="nope")
    with pytest.raises(RecipeError, match=r"nope.*train"):
        load(source)


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_a_damaged_file_is_the_users_mistake(tmp_path: Path, kind: str) -> None:
    (tmp_path / "rows").write_text('{"question": "1?", "answer": "1"}\n{"question"\n')
    source = HuggingFaceProblems(path=kind, data_files=str(tmp_path / "rows"))
    with pytest.raises(RecipeError, match=rf"problems\.path: {kind} cannot be loaded"):
        load(source)


def test_an_unknown_dataset_offline_is_the_users_mistake(tmp_path: Path) -> None:
    code = (
        "from cotgen.errors import RecipeError\n"
        "from cotgen.problems.huggingface import HuggingFaceProblems\n"
        "try:\n"
        "    list(HuggingFaceProblems(path='nobody/nothing', config='main').load())\n"
        "except RecipeError as error:\n"
        "    print(error)\n"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("problems.path: nobody/nothing cannot be loaded: ")
    assert "Traceback" not in done.stderr
