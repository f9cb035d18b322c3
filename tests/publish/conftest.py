"""Runs to publish."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cotgen
from cotgen.recipe import load_recipe

SCRIPTED = Path(__file__).parents[2] / "recipes" / "scripted.yaml"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run called scripted. Not to be changed."""
    outputs = tmp_path_factory.mktemp("outputs")
    recipe = load_recipe(SCRIPTED, ["problems.limit=6", "search.n=6"])
    cotgen.run(recipe, outputs=outputs)
    return outputs / "scripted"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(made, tmp_path / "scripted"))


Change = Callable[[Path, str, int, str], None]


@pytest.fixture
def plant() -> Change:
    """Puts a text into the first text of a row, in every file of a dataset that holds rows."""

    def change(run: Path, dataset: str, number: int, text: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = run / "datasets" / f"{dataset}.parquet"
        table = pq.read_table(path)
        rows = table.to_pylist()
        rows[number]["prompt"][0]["content"] = f"What is 2 + 2? {text}"
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        path.with_suffix(".jsonl").write_text(lines, encoding="utf-8")

    return change


@pytest.fixture
def set_origin() -> Callable[..., None]:
    """Changes keys of a row's origin."""

    def change(run: Path, dataset: str, number: int, **keys: Any) -> None:
        path = run / "datasets" / f"{dataset}.origin.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        lines[number] |= keys
        text = "".join(json.dumps(line) + "\n" for line in lines)
        path.write_text(text, encoding="utf-8")

    return change
