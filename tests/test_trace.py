"""Every row of every dataset leads back to what it was made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotgen import Recipe, load_recipe, parse_recipe, run
from cotgen.errors import RecipeError
from cotgen.records import Rewarded
from cotgen.runs import Run, shape_of
from cotgen.trace import show_row

LONG = {"name": "long", "text": "{{ question }}" + " Please think." * 700}
RECIPE: dict[str, Any] = {
    "name": "r",
    "problems": {"kind": "generated", "limit": 60},
    "teachers": {"a": {"kind": "scripted"}},
    "search": {"kind": "sample", "n": 4},
    "verifier": {"kind": "exact"},
    "chains": {"kind": "revision"},
    "datasets": [
        {"kind": "sft", "prompt": LONG}, {"kind": "sft", "from": "chains"}, {"kind": "dpo"},
        {"kind": "kto"}, {"kind": "rm"}, {"kind": "orm"}, {"kind": "rl"}, {"kind": "cpt"},
        {"kind": "prm"},
    ],
    "files": {"shard_mb": 1, "validation": 0.2},
}  # fmt: skip


def recipe() -> Recipe:
    return parse_recipe(RECIPE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every kind of dataset, two splits, and an sft of several shards."""
    outputs = tmp_path_factory.mktemp("outputs")
    run(recipe(), outputs=outputs, until="verify")
    with Run(shape_of(recipe()), outputs / "r", write=False) as tables:
        lines = [
            Rewarded(item.id, item.inputs, (1.0,) * len(item.attempt().steps), "human")
            for problem in tables.problems.lines()
            for item in tables.judgeable(problem)
        ]
    encoded = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    (outputs / "r/rewards.jsonl").write_bytes(encoded)
    run(recipe(), outputs=outputs)
    return outputs / "r"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_row_of_every_dataset_traces_to_its_problem_attempts_verdicts_and_recipe(
    made: Path,
) -> None:
    problems = {line["id"]: line for line in read(made / "problems.jsonl")}
    verdicts = {line["id"]: line for line in read(made / "verdicts.jsonl")}
    saved = load_recipe(made / "recipe.yaml")
    digests = {each.file_name: saved.digest(each) for each in saved.datasets}
    assert len(set(digests.values())) == len(digests) == 9
    for name, digest in digests.items():
        stems = json.loads((made / "manifest.json").read_bytes())["datasets"][name]["files"]
        for split in ("train", "validation"):
            count = 0
            for stem in stems[split]:
                rows = read(made / "datasets" / f"{stem}.jsonl")
                origins = read(made / "datasets" / f"{stem}.origin.jsonl")
                assert len(rows) == len(origins)
                for origin in origins:
                    assert origin["row"] == count
                    assert origin["recipe"] == digest
                    assert origin["problem"] in problems
                    found = [verdicts[id] for id in origin["attempts"]]
                    assert [line["method"] for line in found] == origin["methods"]
                    assert origin["teachers"] == ["a"] * len(found)
                    assert origin["rewards"] == ["human"] * len(found)
                    count += 1
            assert count


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("dataset", ["sft", "sft-multiturn", "dpo", "kto", "prm", "rl"])
def test_a_row_is_shown_with_all_that_it_was_made_from(
    made: Path, capsys: pytest.CaptureFixture[str], dataset: str, split: str
) -> None:
    stems = json.loads((made / "manifest.json").read_bytes())["datasets"][dataset]["files"][split]
    origins = [line for s in stems for line in read(made / "datasets" / f"{s}.origin.jsonl")]
    last = len(origins) - 1
    show_row(made, dataset, split, last)
    said = capsys.readouterr().out
    problem = next(p for p in read(made / "problems.jsonl") if p["id"] == origins[last]["problem"])
    assert f"row {last}" in said
    assert f"problem {problem['id']}\n  {problem['question']}\ngold  {problem['answer']}" in said
    for id in origins[last]["attempts"]:
        assert f"attempt {id}  " in said
    assert said.count("verdict   exact") == len(origins[last]["attempts"])
    assert said.count("rewards   human: 1, 1") == len(origins[last]["attempts"])
    assert f"recipe    {origins[last]['recipe']} (recipe.yaml beside the tables)" in said


def test_rows_beyond_the_last_and_unknown_splits_are_mistakes(made: Path) -> None:
    with pytest.raises(RecipeError, match="ends before row 999999"):
        show_row(made, "sft", "train", 999_999)
    with pytest.raises(RecipeError, match="no split 'test': choose train, validation"):
        show_row(made, "sft", "test", 0)


def test_the_digest_is_of_what_makes_the_rows_and_nothing_else() -> None:
    def digest(**changes: Any) -> str:
        changed = parse_recipe(RECIPE | changes)
        return changed.digest(changed.datasets[0])

    same = digest()
    first = RECIPE["datasets"][0]
    assert digest(datasets=[first]) == same
    assert digest(name="other") == same
    assert digest(problems={"kind": "generated", "limit": 7}) == same
    for change in (
        {"seed": 8},
        {"verifier": {"kind": "math"}},
        {"files": {"validation": 0.1}},
        {"datasets": [{**first, "per_problem": 1}]},
        {"teachers": {"a": {"kind": "scripted", "accuracy": 0.5}}},
    ):
        assert digest(**change) != same
