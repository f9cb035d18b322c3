"""What tests share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Set before anything imports the Hub's libraries: tests never ask for the network.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")

from cotgen.records import Attempt, Group, Judged, Outcome, Problem, Step, Verdict

if TYPE_CHECKING:
    from test_kill import Undisturbed

SHARED = Path(__file__).parents[2] / "shared" / "data"
SCRIPTED = Path(__file__).parents[1] / "recipes" / "scripted.yaml"


@pytest.fixture
def shared_data() -> Path:
    """Real recorded data, which lies beside the project where there is some."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")
    return SHARED


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small Llama of random weights; its completions have 35 tokens on average."""
    import random_llama  # Imports torch.

    folder = tmp_path_factory.mktemp("llama")
    random_llama.save(folder, ends=22, layers=2)
    return folder


MakeGroup = Callable[..., Group]


@pytest.fixture
def make_group() -> MakeGroup:
    """Builds a group from (text, outcome) pairs; attempt ids are p@t/0, p@t/1, …"""

    def make(*attempts: tuple[str, Outcome], teachers: tuple[str, ...] = ()) -> Group:
        names = teachers or ("t",) * len(attempts)
        judged = tuple(
            Judged(f"p@{name}/{number}", Attempt((Step(text),)), name, Verdict(outcome, method="m"))
            for number, ((text, outcome), name) in enumerate(zip(attempts, names, strict=True))
        )
        return Group(Problem("p", "What is 2 + 2?", "4", license="MIT"), judged)

    return make


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    """A finished run that nothing happened to, to compare with. Not to be changed."""
    from test_kill import undisturbed_run

    with undisturbed_run(tmp_path_factory.mktemp("undisturbed")) as made:
        yield made


# Runs to publish.


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run called scripted. Not to be changed."""
    outputs = tmp_path_factory.mktemp("outputs")
    import cotgen

    recipe = cotgen.load_recipe(SCRIPTED, ["problems.limit=6", "search.n=6"])
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
