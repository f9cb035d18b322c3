"""What tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Set before anything imports the Hub's libraries: tests never ask for the network.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")

from cotgen.records import Attempt, Group, Judged, Outcome, Problem, Step, Verdict

SHARED = Path(__file__).parents[2] / "shared" / "data"


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
