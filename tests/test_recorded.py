"""The main job on real recorded attempts, where they lie beside the project."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonlines
import pytest
from rows import read_rows, trained_text, validate_file

from cotgen import load_recipe, run

RECIPES = Path(__file__).parents[1] / "recipes"
COLUMNS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
Row = dict[str, Any]


def _run(recipe: str, data: Path, outputs: Path) -> Path:
    sets = [f"problems.path={data}", f"teachers.recorded.path={data}"]
    run(load_recipe(RECIPES / recipe, sets), outputs=outputs)
    return outputs / recipe.removesuffix(".yaml")


@pytest.fixture(scope="module")
def gsm8k(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = Path(__file__).parents[2] / "shared/data/gsm8k/example_model_solutions.jsonl"
    if not data.exists():
        pytest.skip(f"{data} is not there")
    outputs = tmp_path_factory.mktemp("outputs")
    yield _run("gsm8k-recorded.yaml", data, outputs)
    shutil.rmtree(outputs)


def lines(path: Path) -> list[Row]:
    with jsonlines.open(path) as reader:
        return list(reader)


def recorded(shared_data: Path) -> list[Row]:
    return lines(shared_data / "gsm8k/example_model_solutions.jsonl")


def naive_nearest(text: str, others: list[str]) -> tuple[int, int]:
    """The first of the others at the smallest distance, by a plain Levenshtein of all of them."""
    from rapidfuzz.distance import Levenshtein

    distances = [Levenshtein.distance(text, other) for other in others]
    return distances.index(min(distances)), min(distances)


def test_all_recorded_verdicts_of_gsm8k_are_reproduced(gsm8k: Path, shared_data: Path) -> None:
    rows = recorded(shared_data)
    problems = {line["id"]: line["question"] for line in lines(gsm8k / "problems.jsonl")}
    flags = {row["question"]: [row[column]["is_correct"] for column in COLUMNS] for row in rows}
    verdicts = lines(gsm8k / "verdicts.jsonl")
    assert (len(problems), len(verdicts)) == (1319, 5276)
    for verdict in verdicts:
        problem, _, number = verdict["id"].replace("@recorded", "").partition("/")
        expected = flags[problems[problem]][int(number)]
        assert (verdict["outcome"] == "correct") == expected, verdict


def test_gsm8k_gives_a_chain_for_each_correct_attempt(gsm8k: Path, shared_data: Path) -> None:
    correct = sum(row[column]["is_correct"] for row in recorded(shared_data) for column in COLUMNS)
    summary = json.loads((gsm8k / "summary.json").read_text(encoding="utf-8"))
    assert summary["chains"] == correct == 2001
    assert summary["attempts"] == 5276
    ends = [chain["attempts"][-1] for line in lines(gsm8k / "chains.jsonl") for chain in line["chains"]]
    assert len(set(ends)) == 2001


def _chains_with_supply(run_folder: Path) -> Iterator[tuple[Row, int]]:
    """Each chain with the number of wrong attempts that its problem has."""
    supply = Counter(
        line["id"].partition("@")[0]
        for line in lines(run_folder / "verdicts.jsonl")
        if line["outcome"] == "incorrect"
    )
    for line in lines(run_folder / "chains.jsonl"):
        yield from ((chain, supply[line["id"]]) for chain in line["chains"])


def test_the_wrong_attempts_in_context_are_distributed_as_stated(gsm8k: Path) -> None:
    tops = Counter[int]()
    zeros = Counter[int]()
    total, mean, variance = 0, 0.0, 0.0
    for chain, supply in _chains_with_supply(gsm8k):
        top = min(4, supply)
        assert chain["wrong"] == len(chain["attempts"]) - 1 <= top
        tops[top] += 1
        zeros[top] += chain["wrong"] == 0
        total += chain["wrong"]
        mean += top / 2
        variance += ((top + 1) ** 2 - 1) / 12
    assert abs(total - mean) < 3 * math.sqrt(variance)
    for top, chains in tops.items():
        expected = chains / (top + 1)
        spread = math.sqrt(expected * (1 - 1 / (top + 1)))
        assert abs(zeros[top] - expected) <= 3 * spread


def test_nearest_is_the_naive_argmin_on_every_chain(gsm8k: Path) -> None:
    texts, wrong = {}, dict[str, list[str]]()
    for line in lines(gsm8k / "attempts.jsonl"):
        for number, attempt in enumerate(line["attempts"]):
            texts[f"{line['id']}/{number}"] = "".join(step["text"] for step in attempt["steps"])
    for line in lines(gsm8k / "verdicts.jsonl"):
        if line["outcome"] == "incorrect":
            wrong.setdefault(line["id"].partition("@")[0], []).append(line["id"])
    for line in lines(gsm8k / "chains.jsonl"):
        ids = wrong.get(line["id"], [])
        for chain in line["chains"]:
            if not ids:
                assert (chain["nearest"], chain["distance"]) == ("", -1)
                continue
            first, distance = naive_nearest(
                texts[chain["attempts"][-1]], [texts[id] for id in ids]
            )
            assert (chain["nearest"], chain["distance"]) == (ids[first], distance)
            if chain["wrong"]:
                assert chain["attempts"][-2] == chain["nearest"]
            shown = [texts[id] for id in chain["attempts"]]
            assert [link["text"] for link in chain["links"]] == shown


def test_every_row_is_valid_and_trains_the_text_of_a_correct_attempt(
    gsm8k: Path, shared_data: Path
) -> None:
    right = {
        row[column]["solution"]
        for row in recorded(shared_data)
        for column in COLUMNS
        if row[column]["is_correct"]
    }
    for name in ("sft", "sft-multiturn", "sft-folded", "sft-single"):
        path = gsm8k / "datasets" / f"{name}.jsonl"
        assert validate_file("sft", path) == []
        rows = read_rows(path)
        assert {trained_text(row) for row in rows} == right
        assert validate_file("sft", path.with_suffix(".parquet")) == []
    for name in ("dpo", "dpo-random", "dpo-outcome"):
        path = gsm8k / "datasets" / f"{name}.jsonl"
        assert validate_file("dpo", path) == []
        for row in path.read_text(encoding="utf-8").splitlines():
            decoded = json.loads(row)
            assert decoded["chosen"][0]["content"] in right
            assert decoded["rejected"][0]["content"] not in right


def test_every_row_has_its_origin(gsm8k: Path) -> None:
    outcomes = {line["id"]: line["outcome"] for line in lines(gsm8k / "verdicts.jsonl")}
    for path in sorted((gsm8k / "datasets").glob("*.origin.jsonl")):
        rows = lines(path.with_name(path.name.replace(".origin", "")))
        origins = lines(path)
        assert [origin["row"] for origin in origins] == list(range(len(rows)))
        for origin in origins:
            last = "incorrect" if path.name.startswith("dpo") else "correct"
            assert outcomes[origin["attempts"][-1]] == last
            assert (origin["license"], origin["split"]) == ("MIT", "test")


def test_the_files_load_with_datasets(gsm8k: Path, tmp_path: Path) -> None:
    import datasets

    for suffix, builder in ((".jsonl", "json"), (".parquet", "parquet")):
        for path in sorted((gsm8k / "datasets").glob(f"*{suffix}")):
            loaded = datasets.load_dataset(
                builder, data_files=str(path), split="train", cache_dir=str(tmp_path)
            )
            assert loaded.num_rows == len(lines(path.with_suffix(".jsonl")))
    for table in ("problems", "attempts", "verdicts", "chains"):
        path = gsm8k / f"{table}.jsonl"
        loaded = datasets.load_dataset(
            "json", data_files=str(path), split="train", cache_dir=str(tmp_path)
        )
        assert loaded.num_rows == len(lines(path))


def test_a_second_run_does_nothing_and_another_place_gives_the_same_files(
    gsm8k: Path, shared_data: Path, tmp_path: Path
) -> None:
    data = shared_data / "gsm8k/example_model_solutions.jsonl"
    before = digests(gsm8k)
    times = {path: path.stat().st_mtime_ns for path in gsm8k.rglob("*.jsonl")}
    _run("gsm8k-recorded.yaml", data, gsm8k.parent)
    assert digests(gsm8k) == before
    assert {path: path.stat().st_mtime_ns for path in gsm8k.rglob("*.jsonl")} == times
    other = _run("gsm8k-recorded.yaml", data, tmp_path)
    differing = {name for name, digest in digests(other).items() if before[name] != digest}
    assert differing <= {"summary.json"}
    numbers = [json.loads((each / "summary.json").read_text()) for each in (gsm8k, other)]
    assert {**numbers[0], "seconds": 0} == {**numbers[1], "seconds": 0}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_recorded_math_attempts_are_judged_as_recorded_but_for_known_errors(
    shared_data: Path, tmp_path: Path
) -> None:
    """Qwen's grader of 2024 was wrong on these: gold `4:30p..` is the time 4:30 (8 attempts),
    and one attempt gives 10000 for the gold `10{,}000`."""
    data = shared_data / "math/math_cot_100.jsonl"
    folder = _run("math-recorded.yaml", data, tmp_path)
    rows = lines(data)
    ids = {f"{row['idx']}@recorded/{n}": (row, n) for row in rows for n in range(8)}
    disagreements = Counter(
        (row["gt"], line["outcome"], row["pred"][number])
        for line in lines(folder / "verdicts.jsonl")
        for row, number in [ids[line["id"]]]
        if (line["outcome"] == "correct") != row["score"][number]
    )
    assert disagreements == {
        ("4:30p..", "correct", "4:30"): 8,
        ("10{,}000", "correct", "10000"): 1,
    }
