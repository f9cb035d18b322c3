"""The settings beside a dataset, and the lengths that they recommend."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from trainer_rows import validate

import cotgen
from cotgen import Recipe, parse_recipe, run
from cotgen.errors import RecipeError
from cotgen.lengths import Lengths

TINY = Path(cotgen.__file__).parent / "teachers/tiny"
CLASSES = {True: "desirable", False: "undesirable"}
RECIPE: dict[str, Any] = {
    "name": "r",
    "problems": {"kind": "generated", "limit": 6},
    "teachers": {"a": {"kind": "scripted"}},
    "search": {"kind": "sample", "n": 6},
    "verifier": {"kind": "math"},
    "chains": {"kind": "revision"},
}


def made(outputs: Path, *datasets: dict[str, Any], **changes: Any) -> Path:
    recipe: Recipe = parse_recipe({**RECIPE, "datasets": list(datasets), **changes})
    run(recipe, outputs=outputs)
    return outputs / "r/datasets"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_estimate_is_a_quarter_of_the_characters_and_the_recommendation_twice_that() -> None:
    lengths = Lengths(None)
    lengths.add([(("x" * 400,), ("x" * 4000, "x" * 2000))])
    assert lengths.longest == 6000 // 4 + 2 * 8
    assert lengths.recommended == 3072
    assert 2 * lengths.longest <= lengths.recommended < 2 * lengths.longest + 128


def test_tokens_are_counted_with_the_tokenizer_named() -> None:
    from tokenizers import Tokenizer

    text = "Tom has 35 apples and buys 8 more."
    tokens = len(Tokenizer.from_file(str(TINY / "tokenizer.json")).encode(text).ids)
    lengths = Lengths(str(TINY))
    lengths.add([((text, text),), ((text,),)])
    assert lengths.longest == 2 * (tokens + 8)
    assert lengths.quantile(0.5) == tokens + 8
    assert lengths.recommended == 128
    assert lengths.share_above(tokens + 8) == 0.5


def test_a_tokenizer_that_cannot_be_opened_is_a_mistake_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(RecipeError, match="cannot be opened"):
        Lengths(str(tmp_path))


def test_a_dataset_comes_with_settings_that_say_its_longest_row(tmp_path: Path) -> None:
    folder = made(tmp_path, {"kind": "sft", "tokenizer": str(TINY)}, {"kind": "dpo"})
    settings = yaml.safe_load((folder / "sft.yaml").read_text())
    assert settings == {
        "datasets": [{"path": "json", "data_files": "sft.jsonl"}],
        "max_length": 256,
        "completion_only_loss": True,
    }
    assert f"counted with {TINY.name}" in (folder / "sft.yaml").read_text()
    assert "estimate" in (folder / "dpo.yaml").read_text()


def test_kto_settings_weigh_the_classes_equally(tmp_path: Path) -> None:
    folder = made(tmp_path, {"kind": "kto"})
    settings = yaml.safe_load((folder / "kto.yaml").read_text())
    labels = [row["label"] for row in rows(folder / "kto.jsonl")]
    weights = settings.get("desirable_weight", 1), settings.get("undesirable_weight", 1)
    good, bad = weights[0] * labels.count(True), weights[1] * labels.count(False)
    assert good == pytest.approx(bad, rel=0.01)
    assert labels.count(True) != labels.count(False)


def test_kto_weights_are_of_the_rows_to_train_on(tmp_path: Path) -> None:
    limit = {"kind": "generated", "limit": 40}
    folder = made(tmp_path, {"kind": "kto"}, problems=limit, files={"validation": 0.5})
    settings = yaml.safe_load((folder / "kto.yaml").read_text())
    train, aside = (
        Counter(row["label"] for row in rows(folder / f"kto-{split}.jsonl"))
        for split in ("train", "validation")
    )
    weights = {label: settings.get(f"{name}_weight", 1) for label, name in CLASSES.items()}
    assert weights[True] * train[True] == pytest.approx(weights[False] * train[False], rel=0.01)
    assert train[True] * aside[False] != train[False] * aside[True]
    told = f"# Labels to train on: {train[True]} true, {train[False]} false."
    assert told in (folder / "kto.yaml").read_text().splitlines()


@pytest.mark.parametrize("kind", ["kto", "orm"])
@pytest.mark.parametrize(("accuracy", "labels"), [(1.0, {True}), (0.8, {True, False})])
def test_labels_of_one_class_only_are_warned_of(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    accuracy: float,
    labels: set[bool],
) -> None:
    teachers = {"a": {"kind": "scripted", "accuracy": accuracy}}
    with caplog.at_level(logging.WARNING):
        folder = made(tmp_path, {"kind": kind}, teachers=teachers)
    assert {row["label"] for row in rows(folder / f"{kind}.jsonl")} == labels
    assert (f"{kind}: every label is true" in caplog.text) == (labels == {True})


def test_rows_longer_than_trainers_read_by_default_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = {"name": "long", "text": "{{ question }}" + " please" * 1000}
    with caplog.at_level(logging.WARNING):
        folder = made(tmp_path, {"kind": "rl", "prompt": prompt}, {"kind": "cpt"})
    assert "rl: 100.0% of the rows exceed 1024 tokens" in caplog.text
    assert "cpt: " not in caplog.text
    assert "longer than 1,024" in (folder / "rl.yaml").read_text()


def test_llama_factory_finds_its_datasets_listed_with_every_column(tmp_path: Path) -> None:
    datasets = [{"kind": kind, "format": "llama_factory"} for kind in ("sft", "rm", "kto", "cpt")]
    folder = made(tmp_path, *datasets, {"kind": "dpo"})
    listed = json.loads((folder / "dataset_info.json").read_text())
    assert list(listed) == [f"{dataset['kind']}-llama_factory" for dataset in datasets]
    for name, entry in listed.items():
        kind = name.removesuffix("-llama_factory")
        found = rows(folder / entry["file_name"])
        assert found
        assert all(validate(kind, "llama_factory", row) == [] for row in found)
        # One column that is not listed would be read as nothing.
        assert set(entry["columns"].values()) == set(found[0])
    assert listed["rm-llama_factory"]["ranking"] is True
    assert listed["kto-llama_factory"]["columns"]["kto_tag"] == "label"


def test_the_list_of_datasets_goes_with_the_last_one_that_needs_it(tmp_path: Path) -> None:
    folder = made(tmp_path, {"kind": "sft", "format": "llama_factory"})
    assert (folder / "dataset_info.json").exists()
    made(tmp_path, {"kind": "sft"})
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "sft.jsonl", "sft.origin.jsonl", "sft.parquet", "sft.yaml",
    ]  # fmt: skip


def test_verl_rows_are_numbered_as_they_stand_and_alike_in_both_files(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    folder = made(tmp_path, {"kind": "rl", "format": "verl", "data_source": "openai/gsm8k"})
    found = rows(folder / "rl-verl.jsonl")
    assert [row["extra_info"]["index"] for row in found] == list(range(6))
    assert pq.read_table(folder / "rl-verl.parquet").to_pylist() == found


def test_verl_rows_say_the_split_they_stand_in(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    dataset = {"kind": "rl", "format": "verl", "data_source": "openai/gsm8k"}
    limit = {"kind": "generated", "limit": 20}
    folder = made(tmp_path, dataset, problems=limit, files={"validation": 0.5})
    for split in ("train", "validation"):
        found = rows(folder / f"rl-verl-{split}.jsonl")
        assert found
        assert {row["extra_info"]["split"] for row in found} == {split}
        assert pq.read_table(folder / f"rl-verl-{split}.parquet").to_pylist() == found


def test_verl_rows_of_test_problems_say_so_in_both_splits(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    lines = [json.dumps({"question": f"What is {n}?", "answer": str(n)}) for n in range(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    dataset = {"kind": "rl", "format": "verl", "data_source": "math", "allow_test": True}
    problems = {"kind": "jsonl", "path": str(path), "split": "test"}
    folder = made(tmp_path, dataset, problems=problems, files={"validation": 0.5})
    for split in ("train", "validation"):
        found = rows(folder / f"rl-verl-{split}.jsonl")
        assert {row["extra_info"]["split"] for row in found} == {"test"}


@pytest.mark.parametrize("kind", ["kto", "rm", "orm", "rl", "cpt"])
def test_problems_of_a_test_split_are_refused(tmp_path: Path, kind: str) -> None:
    problems = tmp_path / "p.jsonl"
    problems.write_text('{"question": "2 + 2?", "answer": "4"}\n')
    source = {"kind": "jsonl", "path": str(problems), "split": "test"}
    with pytest.raises(RecipeError, match="test"):
        made(tmp_path, {"kind": kind}, problems=source)
