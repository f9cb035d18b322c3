import os
from pathlib import Path

import pytest

from cotgen.environment import read_environment, use_environment
from cotgen.errors import RecipeError


def saved(folder: Path, text: str) -> Path:
    path = folder / "keys.env"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_values_are_read_as_they_stand(tmp_path: Path) -> None:
    text = "# keys\n\nA=1\nexport B = 'x y'\nC=\"$A\"\nD=a=b#c\nE=\n"
    found = read_environment(saved(tmp_path, text))
    assert found == {"A": "1", "B": "x y", "C": "$A", "D": "a=b#c", "E": ""}


def test_a_bad_line_is_named_but_not_shown(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="line 2: write NAME=value") as caught:
        read_environment(saved(tmp_path, "A=1\nsk-secret\n"))
    assert "sk-secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.env: cannot be read"):
        read_environment(tmp_path / "none.env")


def test_the_file_stands_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTGEN_TEST_KEY", "old")
    use_environment(saved(tmp_path, "COTGEN_TEST_KEY=new\n"))
    assert os.environ["COTGEN_TEST_KEY"] == "new"
