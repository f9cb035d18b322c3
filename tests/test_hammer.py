"""The hammer, lightly: stops, full disks and a dying server. Its kills are in test_kill.py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hammer
import pytest
import test_kill as kit


def mounts(folder: Path) -> bool:
    """Whether this user may mount a disk."""
    if os.geteuid() != 0:
        return False
    try:
        with hammer.small_disk(folder / "trial", 1 << 20):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@pytest.mark.timeout(900)
def test_stops_lose_nothing_and_nothing_is_asked_for_twice(
    undisturbed: kit.Undisturbed, tmp_path: Path
) -> None:
    assert hammer.term(undisturbed, tmp_path, blows=3, seed=3).startswith("3 stops")


@pytest.mark.timeout(900)
def test_full_disks_lose_nothing(undisturbed: kit.Undisturbed, tmp_path: Path) -> None:
    if not mounts(tmp_path):
        pytest.skip("only root may mount a small disk")
    assert "no completion was lost" in hammer.full(undisturbed, tmp_path, blows=2, seed=5)


@pytest.mark.timeout(900)
def test_a_server_that_dies_and_comes_back_ends_no_run(
    undisturbed: kit.Undisturbed, tmp_path: Path
) -> None:
    assert hammer.server(undisturbed, tmp_path, blows=3, seed=4).startswith("3 deaths")
