"""The README's commands run, and what it shows is what they print."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rows import validate

from cotgen import parse_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line.partition(" #")[0].strip() for line in lines if line.strip()]


def executed(
    command: list[str], cwd: Path, timeout_s: int = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first run has been made as `make demo` makes it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    made = executed([str(BIN / "cotgen"), "run", "recipes/quickstart.yaml"], folder, 280)
    assert made.returncode == 0, made.stderr
    (folder / "stdout").write_text(made.stdout, encoding="utf-8")
    return folder


def test_the_demo_runs_what_the_readme_says() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "cotgen run recipes/quickstart.yaml" in makefile


def test_the_output_shown_is_what_the_demo_prints(place: Path) -> None:
    """But for a few attempts: the tiny teacher's arithmetic rounds differently on other CPUs."""
    shown = re.search(r"<!-- demo:.*?-->\n```\n(.*?)```", README, re.DOTALL)
    assert shown
    wanted = numbers(shown[1])
    printed = numbers((place / "stdout").read_text(encoding="utf-8"))
    assert list(printed) == list(wanted)
    for label, values in wanted.items():
        assert printed[label] == pytest.approx(values, rel=0.1, abs=5), label


def numbers(text: str) -> dict[str, list[float]]:
    """The numbers of each line by its label; times and what is too rare to compare apart."""
    labelled: dict[str, list[float]] = {}
    for line in text.splitlines():
        label, _, rest = line.partition("  ")
        rest = re.sub(r", [\d,]+ un(?:verifiable|finished)", "", rest)
        if label not in ("", "seconds", "unverifiable") and rest:
            found = re.findall(r"[\d,]+(?:\.\d+)?", rest)
            labelled[label] = [float(value.replace(",", "")) for value in found if value != ","]
    return labelled


def test_the_rows_shown_are_rows_on_the_demos_problems(place: Path) -> None:
    shown = re.findall(r"^`(\S+\.jsonl)`: .*?\n\n```json\n(.*?)\n```", README, re.M | re.DOTALL)
    assert [name for name, _ in shown] == [
        "sft.jsonl", "sft-multiturn.jsonl", "sft-folded.jsonl", "sft-single.jsonl", "dpo.jsonl",
    ]  # fmt: skip
    problems = (place / "outputs/quickstart/problems.jsonl").read_text(encoding="utf-8")
    questions = [json.loads(line)["question"] for line in problems.splitlines()]
    for name, text in shown:
        row = json.loads(text)
        assert validate("dpo" if name == "dpo.jsonl" else "sft", row) == []
        made = (place / "outputs/quickstart/datasets" / name).read_text(encoding="utf-8")
        assert set(row) == set(json.loads(made.partition("\n")[0]))
        assert any(question in json.dumps(row["prompt"]) for question in questions)


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_readme_runs(place: Path, command: str) -> None:
    program, *arguments = command.split()
    assert program == "cotgen"
    made = executed([str(BIN / program), *arguments], place)
    assert made.returncode == 0, made.stderr


def test_the_python_of_the_readme_runs(place: Path) -> None:
    for code in blocks("python"):
        made = executed([sys.executable, "-c", code], place)
        assert made.returncode == 0, made.stderr


def test_the_recipe_of_the_readme_is_one() -> None:
    recipe, *sections = map(yaml.safe_load, blocks("yaml"))
    parse_recipe(recipe)
    for teacher in recipe["teachers"].values():
        teacher["price"] = {"input": 0.15, "output": 0.60}  # Limits of cost ask for one.
    for more in sections:
        parse_recipe({**recipe, **more})
