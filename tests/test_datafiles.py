"""Splits and shards: what the files of a dataset are called, and who finds them."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cotgen import parse_recipe, publish, run
from cotgen.datafiles import SplitName, files_of, is_reserved, stems_of, wanted_files
from cotgen.errors import RecipeError, StoreError
from cotgen.export import split_of
from cotgen.export.shards import Plan, SplitWriter, to_parquet
from cotgen.lengths import Lengths
from cotgen.records import Problem
from cotgen.store import RunFolder

RECIPE: dict[str, Any] = {
    "name": "r",
    "problems": {"kind": "generated", "limit": 60},
    "teachers": {"a": {"kind": "scripted"}},
    "search": {"kind": "sample", "n": 6},
    "verifier": {"kind": "exact"},
    "datasets": [{"kind": "sft"}, {"kind": "dpo"}],
}
LONG = {"name": "long", "text": "{{ question }}" + " Please think." * 700}


def go(outputs: Path, **changes: Any) -> Path:
    run(parse_recipe(RECIPE | changes), outputs=outputs)
    return outputs / "r/datasets"


def sharded(outputs: Path, **files: Any) -> Path:
    """Two datasets of about 1.5 MB, in shards of one."""
    datasets = [{"kind": kind, "prompt": LONG} for kind in ("sft", "dpo")]
    return go(outputs, datasets=datasets, files={"shard_mb": 1, **files})


def lines(*paths: Path) -> Iterator[dict[str, Any]]:
    for path in paths:
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def rows_of(folder: Path, base: str) -> list[Path]:
    found = sorted(folder.glob(f"{base}*.jsonl"))
    return [path for path in found if not path.name.endswith(".origin.jsonl")]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_names_say_a_shard_only_where_there_are_several() -> None:
    assert stems_of("sft", 1) == ["sft"]
    assert stems_of("sft-train", 2) == ["sft-train-00000-of-00002", "sft-train-00001-of-00002"]


@pytest.mark.parametrize("name", ["sft-train", "sft.validation", "x-00000-of-00002", "a.origin"])
def test_a_name_that_would_pass_for_anothers_file_is_refused(name: str) -> None:
    assert is_reserved(name)
    with pytest.raises(RecipeError, match=r"datasets\.0\.name"):
        parse_recipe(RECIPE | {"datasets": [{"kind": "sft", "name": name}]})


def test_a_datasets_files_are_told_from_those_of_similar_names(tmp_path: Path) -> None:
    stems: dict[SplitName, list[str]] = {
        "train": ["sft-train"],
        "validation": stems_of("sft-validation", 2),
    }
    ours = [
        *wanted_files("sft", stems),
        "sft.jsonl",
        "sft-train.3.origin.jsonl.tmp",
        "sft.yaml.tmp",
    ]
    others = [
        "sft-folded.jsonl",
        "sft-folded-train.parquet",
        "sft2.yaml",
        "sft.yaml.txt",
        "dpo.jsonl",
    ]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    assert [path.name for path in files_of(tmp_path, "sft")] == sorted(ours)


def test_problems_are_set_aside_by_their_question_alone() -> None:
    problems = [Problem(f"p{n}", f"What is {n} times {n}?", "?") for n in range(4000)]
    split = [split_of(problem, 0.05) for problem in problems]
    assert 150 < split.count("validation") < 250
    assert [split_of(problem, 0.05) for problem in problems[:100]] == split[:100]
    again = [Problem(f"q{n}", f"what is {n}  times {n}", "?", level="9") for n in range(4000)]
    assert [split_of(problem, 0.05) for problem in again] == split
    wider = [split_of(problem, 0.2) for problem in problems]
    assert all(w == "validation" for s, w in zip(split, wider, strict=True) if s == "validation")


def test_a_problems_rows_are_on_the_same_side_in_every_dataset(tmp_path: Path) -> None:
    folder = go(tmp_path, files={"validation": 0.2})
    sides: dict[str, dict[str, set[str]]] = {}
    for kind in ("sft", "dpo"):
        sides[kind] = {
            split: {line["problem"] for line in lines(folder / f"{kind}-{split}.origin.jsonl")}
            for split in ("train", "validation")
        }
        assert not sides[kind]["train"] & sides[kind]["validation"]
        assert sides[kind]["validation"]
    for one, other in (("train", "validation"), ("validation", "train")):
        assert not sides["sft"][one] & sides["dpo"][other]


def test_a_problem_stays_on_its_side_when_the_run_grows(tmp_path: Path) -> None:
    def side() -> set[str]:
        return {line["problem"] for line in lines(folder / "sft-validation.origin.jsonl")}

    folder = go(tmp_path, files={"validation": 0.2}, problems={"kind": "generated", "limit": 30})
    before = side()
    go(tmp_path, files={"validation": 0.2})
    ids = {line["id"] for line in list(lines(tmp_path / "r/problems.jsonl"))[:30]}
    assert before == side() & ids
    assert side() - ids


def test_a_shard_ends_before_the_row_that_would_make_it_too_long(tmp_path: Path) -> None:
    folder = sharded(tmp_path)
    whole = list(
        lines(go(tmp_path / "whole", datasets=[{"kind": "sft", "prompt": LONG}]) / "sft.jsonl")
    )
    shards = sorted(folder.glob("sft-0*.parquet"))
    found = [list(lines(shard.with_suffix(".jsonl"))) for shard in shards]
    assert len(shards) > 1
    assert [row for rows in found for row in rows] == whole
    sizes = [shard.with_suffix(".jsonl").stat().st_size for shard in shards]
    assert max(sizes) <= 1_000_000
    assert min(sizes[:-1]) > 980_000
    for shard, rows in zip(shards, found, strict=True):
        assert pq.read_table(shard).to_pylist() == rows
    origins = [list(lines(shard.with_suffix(".origin.jsonl"))) for shard in shards]
    assert [len(each) for each in origins] == [len(each) for each in found]
    assert [line["row"] for each in origins for line in each] == list(range(len(whole)))


def test_running_again_gives_the_same_shards_and_changes_nothing(tmp_path: Path) -> None:
    def state(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    folder = sharded(tmp_path, validation=0.2)
    before, written = state(folder), (folder / "sft.yaml").stat().st_mtime_ns
    sharded(tmp_path, validation=0.2)
    assert (folder / "sft.yaml").stat().st_mtime_ns == written
    (folder / "sft-validation.parquet").unlink()
    sharded(tmp_path, validation=0.2)
    assert state(folder) == before


def test_files_of_other_shards_and_splits_leave_the_folder(tmp_path: Path) -> None:
    sharded(tmp_path, validation=0.2)
    folder = go(tmp_path)
    each = {f"{name}{suffix}" for name in ("sft", "dpo") for suffix in (
        ".jsonl", ".parquet", ".origin.jsonl", ".yaml",
    )}  # fmt: skip
    assert names(folder) == each | {"README.md"}


def test_load_dataset_finds_configs_splits_and_shards_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = sharded(tmp_path, validation=0.2)
    assert datasets.get_dataset_config_names(str(folder)) == ["sft", "dpo"]
    for name in ("sft", "dpo"):
        loaded = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))
        for split in ("train", "validation"):
            wanted = list(lines(*rows_of(folder, f"{name}-{split}")))
            assert loaded[split].to_list() == wanted


def test_no_validation_file_is_written_without_rows(tmp_path: Path) -> None:
    problems = {"kind": "generated", "limit": 1}
    folder = go(tmp_path, files={"validation": 0.0001}, problems=problems)
    assert "sft-train.jsonl" in names(folder)
    assert "sft-validation.jsonl" not in names(folder)


TRAINERS = {
    "trl": ("data_files", None),
    "axolotl": ("path", "path"),
    "verl": ("train_files", "val_files"),
    "llama_factory": ("dataset", "eval_dataset"),
}


@pytest.mark.parametrize("format", TRAINERS)
def test_settings_name_every_file_of_a_split(tmp_path: Path, format: str) -> None:
    dataset = {"kind": "sft", "format": format, "prompt": LONG, "name": "x"}
    folder = go(tmp_path, datasets=[dataset], files={"shard_mb": 1, "validation": 0.2})
    settings = yaml.safe_load((folder / "x.yaml").read_text(encoding="utf-8"))
    stems = RunFolder(tmp_path / "r").manifest.datasets["x"]["files"]
    assert len(stems["train"]) > 1
    suffix = {"verl": ".parquet", "llama_factory": ""}.get(format, ".jsonl")
    wanted = {split: [f"{stem}{suffix}" for stem in each] for split, each in stems.items()}
    if format == "trl":
        assert settings["datasets"] == [{"path": "json", "data_files": wanted["train"]}]
    elif format == "axolotl":
        assert [each["path"] for each in settings["datasets"]] == wanted["train"]
        assert [each["path"] for each in settings["test_datasets"]] == wanted["validation"]
    elif format == "verl":
        assert settings["data"]["train_files"] == wanted["train"]
        assert [settings["data"]["val_files"]] == wanted["validation"]
    else:
        assert settings["dataset"].split(",") == wanted["train"]
        assert settings["eval_dataset"].split(",") == wanted["validation"]
        listed = json.loads((folder / "dataset_info.json").read_bytes())
        assert [each["file_name"] for each in listed.values()] == [
            f"{stem}.jsonl" for each in stems.values() for stem in each
        ]


def test_a_push_takes_every_split_and_shard(tmp_path: Path) -> None:
    sharded(tmp_path, validation=0.2)
    parcel = publish.pack(tmp_path / "r", "org/x")
    sft = parcel.publication.configs[0]
    made = RunFolder(tmp_path / "r").manifest.datasets["sft"]
    assert sft.rows == made["splits"]
    assert {name.removesuffix(".parquet") for each in sft.splits.values() for name in each} == {
        stem for each in made["files"].values() for stem in each
    }
    assert str(sft.patterns()["train"]).startswith("sft-train-?????-of-0000")
    assert set(sft.origins) <= set(parcel.sizes())


@pytest.mark.parametrize("value", [1, -0.1, "half"])
def test_a_share_that_leaves_nothing_to_train_on_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match=r"files\.validation"):
        parse_recipe(RECIPE | {"files": {"validation": value}})


def test_a_full_disk_leaves_the_earlier_files_and_no_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = go(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(StoreError, match="No space left"):
        go(tmp_path, datasets=[{"kind": "sft", "per_problem": 1}, {"kind": "dpo"}])
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    go(tmp_path, datasets=[{"kind": "sft", "per_problem": 1}, {"kind": "dpo"}])
    assert "sft.jsonl.tmp" not in names(folder)


@given(
    st.lists(
        st.builds(
            lambda text, number, margin, labels: {
                "text": text,
                "turns": [{"role": text, "content": text}] * len(labels),
                "label": number > 0,
                "number": number,
                "margin": margin,
                "labels": labels,
                "values": [margin] * len(labels),
            },
            st.text(st.characters(exclude_categories=["Cs"])),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.lists(st.booleans(), max_size=3),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_parquet_holds_the_very_rows_of_the_lines(rows: list[dict[str, Any]]) -> None:
    schema = pa.schema(
        [
            ("text", pa.string()),
            ("turns", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
            ("label", pa.bool_()),
            ("number", pa.int64()),
            ("margin", pa.float64()),
            ("labels", pa.list_(pa.bool_())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    lines = bytearray(msgspec.json.Encoder().encode_lines(rows))
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema) as parquet:
        to_parquet(lines, schema, parquet)
    assert pq.read_table(file).equals(pa.Table.from_pylist(rows, schema=schema))


def test_what_a_full_disk_cannot_even_close_is_abandoned(tmp_path: Path) -> None:
    plan = Plan(pa.schema([("text", pa.string())]), 10**6, "r", Lengths(None))
    writer = SplitWriter(tmp_path / "d", plan)
    writer.begin()

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer._shards[0]._stack.callback(full)
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
