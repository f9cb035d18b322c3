"""What the doctor says of this machine and of teachers that can do more or less."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from server import start_server

COTGEN = Path(sys.executable).with_name("cotgen")
KEY = "sk-nobody-may-read-this"


def examined(
    folder: Path, teachers: dict[str, dict[str, Any]], **environment: str
) -> tuple[int, dict[tuple[str, str], str]]:
    """The exit code, and the sign of each finding by teacher and subject."""
    path = folder / "recipe.json"
    recipe = {
        "name": "d",
        "problems": {"kind": "generated", "limit": 2},
        "teachers": teachers,
        "search": {"kind": "sample", "n": 2},
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}],
    }
    path.write_text(json.dumps(recipe))
    ended = subprocess.run(
        [COTGEN, "doctor", path, "--outputs", folder], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in ended.stderr
    found, section = dict[tuple[str, str], str](), ""
    for line in ended.stdout.splitlines():
        if line.startswith("  "):
            found[section, line[4:26].strip()] = line[2]
        else:
            section = line.removeprefix("teachers.")
    return ended.returncode, found


def test_what_a_server_can_do_is_found_out(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        teacher = {"kind": "openai", "model": "scripted", "base_url": server.url}
        code, found = examined(tmp_path, {"t": teacher})
        assert len(server.log()) <= 2 * 12  # A few tiny requests, two lines each.
    assert code == 0
    assert {what: sign for (of, what), sign in found.items() if of == "t"} == {
        "address": "✓",
        "knows the model": "✓",
        "answers": "✓",
        "reasoning": "?",
        "token counts": "✓",
        "n samples a request": "✓",
        "seed": "✓",
        "logprobs": "✗",
        "stop": "✓",
        "JSON mode": "✗",
    }


def test_a_server_that_ignores_n_is_found_out(tmp_path: Path) -> None:
    with start_server(tmp_path, honour_n=False) as server:
        teacher = {"kind": "openai", "model": "scripted", "base_url": server.url}
        code, found = examined(tmp_path, {"t": teacher})
    assert (code, found["t", "n samples a request"]) == (0, "✗")


def test_a_wrong_model_and_a_dead_address_are_failures(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        teacher = {"kind": "openai", "model": "other", "base_url": server.url}
        code, found = examined(tmp_path, {"t": teacher})
    assert (code, found["t", "knows the model"]) == (1, "✗")
    gone = {"kind": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    code, found = examined(tmp_path, {"t": gone, "s": {"kind": "scripted"}})
    assert (code, found["t", "answers"], found["s", "answers"]) == (1, "✗", "✓")


def test_without_a_recipe_the_machine_is_looked_at(tmp_path: Path) -> None:
    ended = subprocess.run(
        [COTGEN, "doctor", "--outputs", tmp_path], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stdout
    for what in ("cotgen", "Python", "cores", "aiohttp", "disk", "file descriptors"):
        assert f"✓ {what}" in ended.stdout


def test_a_key_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with start_server(tmp_path, api_key="another") as server:
        teacher = {"kind": "openai", "model": "scripted", "base_url": server.url}
        path = tmp_path / "recipe.json"
        code, found = examined(tmp_path, {"t": teacher})
        assert (code, found["t", "answers"]) == (1, "✗")
        shown = subprocess.run([COTGEN, "doctor", path], capture_output=True, text=True, timeout=60)
    assert "HTTP 401" in shown.stdout
    assert KEY not in shown.stdout + shown.stderr
