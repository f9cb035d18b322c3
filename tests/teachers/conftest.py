"""Models with random weights, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import random_llama


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small Llama; its completions have 35 tokens on average."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("llama")
    random_llama.save(folder, ends=22, layers=2)
    return folder
