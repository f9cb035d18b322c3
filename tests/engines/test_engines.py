"""The tiny teacher behind real engines: vLLM on a CPU, and `transformers serve`.

Slow (a start of vLLM takes up to a minute on two cores), so only `make test-vllm` runs them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from cotgen.errors import DONE, USER_MISTAKE

PYTHON = os.environ.get("COTGEN_VLLM_PYTHON", "")
ROOT = Path(__file__).parents[2]
COTGEN = Path(sys.executable).with_name("cotgen")
TINY = ROOT / "src/cotgen/teachers/tiny"
AT_ONCE, SAMPLES = 64, 16
# Compiling for the CPU takes a minute at each start.
QUICK = {"enforce_eager": True}
ENV = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}

pytestmark = pytest.mark.timeout(600)
if not PYTHON:
    pytest.skip("needs vLLM: make test-vllm", allow_module_level=True)


def recipe(folder: Path, problems: int, **teacher: Any) -> Path:
    """recipes/vllm.yaml with few problems and an engine that starts quickly."""
    raw = yaml.safe_load((ROOT / "recipes/vllm.yaml").read_text(encoding="utf-8"))
    raw["problems"]["limit"] = problems
    raw["teachers"]["engine"] |= {
        "python": PYTHON, "tuning": QUICK, "env": ENV, "concurrency": AT_ONCE,
        "log_file": str(folder / "engine.log"),
    } | teacher  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def begin(path: Path) -> subprocess.Popen[str]:
    command = [str(COTGEN), "run", str(path), "--outputs", str(path.parent)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str], folder: Path, code: int = DONE) -> str:
    stdout, stderr = process.communicate(timeout=550)
    log = folder / "engine.log"
    told = log.read_text(errors="replace")[-3000:] if log.exists() else ""
    assert process.returncode == code, f"{stdout}{stderr}\n{told}"
    return stdout + stderr


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def journal(folder: Path) -> list[tuple[str, int]]:
    """Every completion that was kept: what was asked, and its number."""
    path = folder / "vllm/journal.jsonl"
    whole = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    return [
        (entry["asked"], entry["first"] + place)
        for entry in map(json.loads, whole)
        for place in range(len(entry["completions"]))
    ]


def processes() -> dict[int, tuple[int, str]]:
    """Every process of the machine that is not a zombie, with its parent and its command."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            found[int(path.name)] = int(parent), command
    return found


def descendants(root: int) -> dict[int, str]:
    everything = processes()
    found = [root]
    for above in found:
        found += [pid for pid, (parent, _) in everything.items() if parent == above]
    return {pid: everything[pid][1] for pid in found[1:] if pid in everything}


def engines(root: int) -> list[int]:
    """vLLM's own processes below cotgen, the server first; the guard has its words, too."""
    return [
        pid
        for pid, command in descendants(root).items()
        if "guard.py" not in command and ("vllm" in command or "VLLM" in command)
    ]


def assert_all_made(folder: Path, problems: int) -> None:
    lines = [json.loads(line) for line in (folder / "vllm/attempts.jsonl").read_text().splitlines()]
    last = {line["id"]: line for line in lines}
    assert [line["error"] for line in last.values() if line["error"]] == []
    assert [len(line["attempts"]) for line in last.values()] == [SAMPLES] * problems
    kept = journal(folder)
    assert len(kept) == len(set(kept)) == problems * SAMPLES
    lines = [json.loads(line) for line in (folder / "vllm/verdicts.jsonl").read_text().splitlines()]
    verdicts = Counter(line["outcome"] for line in lines)
    # The tiny teacher is sometimes right and sometimes wrong; asked wrongly, it is never right.
    assert verdicts["correct"] > problems * SAMPLES / 5
    assert verdicts["incorrect"] > 0


def assert_none_is_left(pids: list[int]) -> None:
    assert pids
    assert [pid for pid in pids if pid in processes()] == []


def test_an_engine_killed_in_the_middle_costs_only_what_was_in_flight(tmp_path: Path) -> None:
    problems = 60
    with begin(recipe(tmp_path, problems, seeds="none", concurrency="auto")) as process:
        until(lambda: len(journal(tmp_path)) >= 8 * SAMPLES, process)
        before = engines(process.pid)
        os.kill(before[0], signal.SIGKILL)
        kept = len(journal(tmp_path))
        until(lambda: len(journal(tmp_path)) > kept + SAMPLES, process)
        after = engines(process.pid)
        said = finish(process, tmp_path)
    assert kept < problems * SAMPLES, "it was over before it was killed"
    undone = int(re.findall(r"(\d+) × engine died", said)[-1])
    assert 1 <= undone <= problems - 8
    assert_all_made(tmp_path, problems)
    assert_none_is_left([*before, *after])
    log = (tmp_path / "vllm/run.log").read_text()
    assert "killed by signal 9" in log
    # Asked twice was what was in flight, and nothing else.
    assert log.count("the engine died with") == 1


def test_a_crash_by_seeds_is_survived_and_explained(tmp_path: Path) -> None:
    problems = 40
    with begin(recipe(tmp_path, problems)) as process:
        said = finish(process, tmp_path)
    assert "engine died (say seeds: none)" in said
    log = (tmp_path / "vllm/run.log").read_text()
    assert "CPU Generator does not use offset" in log
    assert "goes on without seeds" in log
    assert_all_made(tmp_path, problems)


def test_without_a_server_the_same_recipe_runs(tmp_path: Path) -> None:
    problems = 20
    path = recipe(tmp_path, problems, mode="in_process", chunk=16, seeds="none", logprobs=True)
    with begin(path) as process:
        until(lambda: len(journal(tmp_path)) >= SAMPLES, process)
        running = engines(process.pid)
        finish(process, tmp_path)
    assert_all_made(tmp_path, problems)
    assert_none_is_left(running)
    first = (tmp_path / "vllm/journal.jsonl").read_text().splitlines()[0]
    for completion in json.loads(first)["completions"]:
        assert len(completion["logprobs"]) == completion["tokens"]
        assert max(completion["logprobs"]) <= 0


def test_the_doctor_sees_what_vllm_can_do(tmp_path: Path) -> None:
    command = [str(COTGEN), "doctor", str(recipe(tmp_path, 1)), "--outputs", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=550).stdout
    for what in ("knows the model", "answers", "n samples a request", "seed", "logprobs", "stop"):
        assert f"✓ {what}" in said, said


def test_a_model_that_vllm_cannot_load_is_explained(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text('{"model_type": "no_such_model"}')
    with begin(recipe(tmp_path, 2, model=str(tmp_path / "model"))) as process:
        said = finish(process, tmp_path, USER_MISTAKE)
    assert "the engine died at its start" in said
    assert "no_such_model" in said
    assert "Traceback" not in said.splitlines()[0]


@contextmanager
def transformers_serve(folder: Path) -> Iterator[str]:
    """The other server that speaks this protocol; it answers one request after the other."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    home = folder / "home"
    (home / "hub").mkdir(parents=True)  # Without it, /v1/models answers 500.
    command = [str(Path(PYTHON).with_name("transformers")), "serve", str(TINY)]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **ENV, "HF_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}/health"), process)  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_transformers_serve_answers_a_recipe_from_end_to_end(tmp_path: Path) -> None:
    path = recipe(tmp_path, 4)
    with transformers_serve(tmp_path) as url:
        raw = yaml.safe_load(path.read_text())
        raw["teachers"] = {"engine": {"kind": "openai", "model": str(TINY), "base_url": url}}
        raw["search"]["n"] = 4
        path.write_text(yaml.safe_dump(raw))
        with begin(path) as process:
            finish(process, tmp_path)
    kept = journal(tmp_path)
    assert len(kept) == len(set(kept)) == 4 * 4
    lines = (tmp_path / "vllm/verdicts.jsonl").read_text().splitlines()
    assert "correct" in {json.loads(line)["outcome"] for line in lines}


def test_the_doctor_sees_what_transformers_serve_can_do(tmp_path: Path) -> None:
    path = recipe(tmp_path, 1)
    with transformers_serve(tmp_path) as url:
        raw = yaml.safe_load(path.read_text())
        raw["teachers"] = {"engine": {"kind": "openai", "model": str(TINY), "base_url": url}}
        path.write_text(yaml.safe_dump(raw))
        command = [str(COTGEN), "doctor", str(path), "--outputs", str(tmp_path)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
    # It answers one sample a request, and knows neither logprobs nor stop texts nor JSON.
    for what in ("✓ answers", "✓ token counts", "✗ n samples a request", "✓ seed", "✗ logprobs"):
        assert what in said, said
    for what in ("✗ stop", "✗ JSON mode"):
        assert what in said, said
