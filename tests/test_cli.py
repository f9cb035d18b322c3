from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

COTGEN = str(Path(sys.executable).parent / "cotgen")
SCRIPTED = str(Path(__file__).parents[1] / "recipes" / "scripted.yaml")
SMALL = ("run", SCRIPTED, "--limit", "6", "--set", "search.n=4")


def cotgen(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COTGEN, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run called scripted."""
    folder = tmp_path_factory.mktemp("work")
    made = cotgen(*SMALL, cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_run_prints_what_is_in_the_summary(done: Path) -> None:
    made = cotgen(*SMALL, cwd=done)
    summary = json.loads((done / "outputs/scripted/summary.json").read_text(encoding="utf-8"))
    assert summary["problems"] == 6
    assert summary["attempts"] == 24
    assert f"{summary['verdicts']['correct']} correct" in made.stdout
    assert f"{summary['rows']['sft']}" in made.stdout
    assert "nothing to do" in made.stderr


def test_help_comes_before_anything_heavy_is_imported() -> None:
    code = "import sys, cotgen.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"pydantic", "sympy", "torch", "datasets", "pyarrow", "openai", "numpy", "rapidfuzz"}
    assert heavy.isdisjoint(loaded.stdout.split())


def test_the_version_is_told(tmp_path: Path) -> None:
    said = cotgen("--version", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, f"cotgen {version('cotgen')}\n")


def test_the_commands_explain_themselves(tmp_path: Path) -> None:
    said = cotgen("--help", cwd=tmp_path)
    assert said.returncode == 0
    for command in ("run", "check", "show", "kinds"):
        assert command in said.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nothing.yaml"), "nothing.yaml: cannot be read"),
        (("run", SCRIPTED, "--set", "search.m=1"), "search.m: there is no such key"),
        (("run", SCRIPTED, "--name", "../x"), "name:"),
        (("show", "nothing"), "is not the folder of a run"),
        (("kinds", "teacher"), "no family is called 'teacher'"),
        (("run", SCRIPTED, "--until", "emitt"), "emitt"),
    ],
)
def test_a_mistake_of_the_user_is_said_plainly(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    said = cotgen(*arguments, cwd=tmp_path)
    assert said.returncode == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr
    assert not (tmp_path / "outputs").exists()


def test_other_settings_are_refused_naming_table_and_key(done: Path) -> None:
    said = cotgen(*SMALL, "--set", "search.temperature=0.5", cwd=done)
    assert said.returncode == 2
    assert "attempts.jsonl was made with other settings" in said.stderr
    assert "search.temperature: was 1.0, is 0.5" in said.stderr


def test_redo_of_the_last_stage_makes_the_datasets_again(tmp_path: Path) -> None:
    assert cotgen(*SMALL, cwd=tmp_path).returncode == 0
    (run,) = (tmp_path / "outputs").iterdir()
    path = min((run / "datasets").glob("*.jsonl"))
    rows = path.read_bytes()
    path.write_bytes(b"of an earlier version\n")
    assert cotgen(*SMALL, "--redo", "emit", cwd=tmp_path).returncode == 0
    assert path.read_bytes() == rows


def test_redo_makes_a_stage_again_and_keeps_the_ones_before(tmp_path: Path) -> None:
    cotgen(*SMALL, cwd=tmp_path)
    attempts = tmp_path / "outputs/scripted/attempts.jsonl"
    before = attempts.stat()
    made = cotgen(*SMALL, "--set", "chains.max_wrong=1", "--redo", "chain", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert attempts.stat().st_mtime_ns == before.st_mtime_ns
    summary = json.loads((tmp_path / "outputs/scripted/summary.json").read_text())
    assert set(summary["chains_by_wrong"]) == {"0", "1"}


def test_a_run_grows_with_its_limit_and_n(tmp_path: Path) -> None:
    cotgen("run", SCRIPTED, "--limit", "3", "--set", "search.n=2", cwd=tmp_path)
    grown = cotgen(*SMALL, cwd=tmp_path)
    assert grown.returncode == 0, grown.stderr
    once = tmp_path / "once"
    once.mkdir()
    cotgen(*SMALL, cwd=once)
    for file in ("problems.jsonl", "attempts.jsonl", "verdicts.jsonl", "chains.jsonl",
                 "datasets/sft.jsonl", "datasets/dpo.parquet"):  # fmt: skip
        grown_bytes = (tmp_path / "outputs/scripted" / file).read_bytes()
        assert grown_bytes == (once / "outputs/scripted" / file).read_bytes(), file


def test_until_stops_after_a_stage_and_a_later_run_goes_on(tmp_path: Path) -> None:
    first = cotgen(*SMALL, "--until", "search", cwd=tmp_path)
    assert first.returncode == 0
    assert not (tmp_path / "outputs/scripted/datasets").exists()
    assert cotgen(*SMALL, cwd=tmp_path).returncode == 0
    assert (tmp_path / "outputs/scripted/datasets/sft.parquet").exists()


def test_a_run_goes_on_from_its_own_folder(done: Path) -> None:
    again = cotgen("run", "outputs/scripted", cwd=done)
    assert again.returncode == 0
    assert again.stderr.count("nothing to do") == 4


def test_check_prints_a_recipe_that_runs_and_what_it_costs(tmp_path: Path) -> None:
    said = cotgen(
        "check", SCRIPTED, "--limit", "6", "--set", "search.max_tokens=100",
        "--set", "teachers.paid={kind: openai, model: m, base_url: 'http://127.0.0.1:9/v1', "
        "price: {input: 1, output: 2}}", cwd=tmp_path,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "# 6 problems × 2 teachers: 192 completions" in said.stdout
    assert "# scripted: free" in said.stdout
    assert "# paid: at most 9,600 tokens of completions" in said.stdout
    assert "$0.0" in said.stdout
    resolved = yaml.safe_load(said.stdout)
    assert "{{ question }}" in resolved["search"]["prompt"]["text"]
    assert not (tmp_path / "outputs").exists()


def test_check_gold_lists_the_golds_that_do_not_verify(tmp_path: Path) -> None:
    rows = [{"question": "a?", "answer": "4"}, {"question": "b?", "answer": "}{"}]
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    problems = f"problems={{kind: jsonl, path: {path}}}"
    said = cotgen("check", SCRIPTED, "--gold", "--set", problems, cwd=tmp_path)
    assert said.returncode == 1
    assert "1 of 2 golds verify against themselves" in said.stdout
    assert "'}{' is unverifiable" in said.stdout
    path.write_text("garbage\n", encoding="utf-8")
    said = cotgen("check", SCRIPTED, "--gold", "--set", problems, cwd=tmp_path)
    assert said.returncode == 1
    assert f"1 bad lines; the first is {path}:1" in said.stdout


def test_show_gives_a_run_a_problem_and_a_row(done: Path) -> None:
    overview = cotgen("show", "scripted", cwd=done).stdout
    assert "generated-0-000000" in overview
    problem = cotgen("show", "scripted", "generated-0-000000", cwd=done).stdout
    for part in ("gold", "generated-0-000000@scripted/3", "correct", "chain 0"):
        assert part in problem
    row = cotgen("show", "scripted", "--dataset", "sft-multiturn", "--row", "1", cwd=done).stdout
    for part in ("prompt · user", "completion · assistant", "attempts", "CC0-1.0"):
        assert part in row


def test_show_names_what_is_near_to_a_wrong_id(done: Path) -> None:
    said = cotgen("show", "scripted", "generated-0-00000", cwd=done)
    assert said.returncode == 2
    assert "did you mean generated-0-0000" in said.stderr
    said = cotgen("show", "scripted", "--dataset", "sftt", cwd=done)
    assert "choose dpo, sft, " in said.stderr


def test_show_lets_no_control_character_through(tmp_path: Path) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07 [red]x[/red] \u202e \\boxed{4}"
    path = tmp_path / "p.jsonl"
    row = {"id": "h", "question": "2+2? \x1b[31m", "answer": "4", "attempts": [hostile]}
    path.write_text(json.dumps(row), encoding="utf-8")
    made = cotgen(
        "run", SCRIPTED, "--set", f"problems={{kind: jsonl, path: {path}}}", "--set",
        f"teachers={{t: {{kind: replay, path: {path}, attempts: attempts}}}}",
        "--set", "search.n=1", cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for arguments in (["h"], ["--dataset", "sft"], []):
        said = cotgen("show", "scripted", *arguments, cwd=tmp_path)
        assert said.returncode == 0, said.stderr
        assert not {"\x1b", "\x07", "\u202e"} & set(said.stdout)
    assert "[red]x[/red]" in cotgen("show", "scripted", "h", cwd=tmp_path).stdout


def test_a_test_split_is_refused_before_anything_is_sampled(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"question": "Start with 5. Add 2.", "answer": "7"}\n', encoding="utf-8")
    problems = f"problems={{kind: jsonl, path: {path}, split: test}}"
    said = cotgen("run", SCRIPTED, "--set", problems, cwd=tmp_path)
    assert said.returncode == 2
    assert "is of a test split" in said.stderr
    assert not (tmp_path / "outputs/scripted/attempts.jsonl").exists()
    allowed = [f"datasets.{number}.allow_test=true" for number in range(5)]
    sets = [part for each in allowed for part in ("--set", each)]
    assert cotgen("run", SCRIPTED, "--set", problems, *sets, cwd=tmp_path).returncode == 0


def test_bad_lines_are_listed_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    good = '{"question": "Start with 5. Add 2.", "answer": "7"}\n'
    path.write_text(good + '{"question": "no gold"}\n{broken\n', encoding="utf-8")
    problems = ("--set", f"problems={{kind: jsonl, path: {path}}}")
    said = cotgen("run", SCRIPTED, *problems, cwd=tmp_path)
    assert said.returncode == 2
    assert f"{path}:2: no answer at answer or solution" in said.stderr
    assert f"{path}:3: " in said.stderr
    skipped = ("--set", "problems.on_bad_line=skip")
    made = cotgen("run", SCRIPTED, *problems, *skipped, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "2, listed in bad_lines.jsonl" in made.stdout
    assert (tmp_path / "outputs/scripted/bad_lines.jsonl").read_text().count("\n") == 2


def test_a_problem_that_changed_or_went_away_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    rows = [{"id": str(n), "question": "Start with 5. Add 2.", "answer": "7"} for n in (1, 2)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    arguments = ("run", SCRIPTED, "--set", f"problems={{kind: jsonl, path: {path}}}")
    assert cotgen(*arguments, cwd=tmp_path).returncode == 0
    path.write_text(json.dumps(rows[0]), encoding="utf-8")
    assert "no longer holds 1 problem(s)" in cotgen(*arguments, cwd=tmp_path).stderr
    rows[0]["answer"] = "8"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said = cotgen(*arguments, cwd=tmp_path)
    assert said.returncode == 2
    assert "problem 1 is not what it was" in said.stderr
    assert cotgen(*arguments, "--redo", "load", cwd=tmp_path).returncode == 0


def test_fresh_needs_a_terminal(done: Path) -> None:
    said = cotgen(*SMALL, "--fresh", cwd=done)
    assert said.returncode == 2
    assert "needs a terminal" in said.stderr
    assert (done / "outputs/scripted/attempts.jsonl").exists()


@pytest.mark.parametrize(("typed", "deletes"), [("scripted", True), ("yes", False)])
def test_fresh_deletes_only_after_the_name_was_typed(
    tmp_path: Path, typed: str, deletes: bool
) -> None:
    cotgen(*SMALL, cwd=tmp_path)
    marker = tmp_path / "outputs/scripted/marker"
    marker.touch()
    code, said = _on_a_terminal([COTGEN, *SMALL, "--fresh"], f"{typed}\n", tmp_path)
    assert "Type the run's name" in said
    assert marker.exists() != deletes
    assert code == (0 if deletes else 2)


def _on_a_terminal(command: list[str], typed: str, cwd: Path) -> tuple[int, str]:
    """Run a command on a pseudo-terminal, answering its question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, answered, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:
                break
        if not answered and b"to go on" in said:
            os.write(ours, typed.encode())
            answered = True
        if process.poll() is not None and not select.select([ours], [], [], 0.2)[0]:
            break
    os.close(ours)
    return process.wait(timeout=10), said.decode("utf-8", "replace")


def test_a_closed_pipe_is_no_error(done: Path) -> None:
    command = f"{COTGEN} kinds | head -1"
    said = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in said.stderr


def test_without_a_terminal_progress_is_plain_lines(done: Path) -> None:
    made = cotgen(*SMALL, "--name", "plain", cwd=done)
    assert "\x1b" not in made.stderr + made.stdout
    assert "search 6/6 searches" in made.stderr


def test_a_run_goes_on_in_its_folder_wherever_that_is(tmp_path: Path) -> None:
    assert cotgen(*SMALL, "--outputs", "else", "--name", "F", cwd=tmp_path).returncode == 0
    again = cotgen("run", "else/F", cwd=tmp_path)
    assert again.stderr.count("nothing to do") == 4
    (tmp_path / "else/F").rename(tmp_path / "moved")
    again = cotgen("run", "moved", cwd=tmp_path)
    assert again.stderr.count("nothing to do") == 4
    assert not (tmp_path / "outputs").exists()


def test_fresh_never_empties_a_folder_that_no_run_made(tmp_path: Path) -> None:
    (tmp_path / "docs/Thesis").mkdir(parents=True)
    precious = tmp_path / "docs/Thesis/chapter.md"
    precious.touch()
    command = [COTGEN, *SMALL, "--outputs", "docs", "--name", "Thesis", "--fresh"]
    code, said = _on_a_terminal(command, "Thesis\n", tmp_path)
    assert code == 2
    assert "is not the folder of a run" in said
    assert precious.exists()


@pytest.mark.parametrize("stage", ["load", "emit"])
def test_ctrl_c_is_heard_in_stages_that_only_compute(tmp_path: Path, stage: str) -> None:
    size = {"load": "2000000", "emit": "3000"}[stage]
    process = subprocess.Popen(
        [COTGEN, "run", SCRIPTED, "--limit", size, "--set", "search.n=2"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    begun = {"load": "outputs/scripted/problems.jsonl", "emit": "outputs/scripted/datasets"}
    end = time.monotonic() + 60
    while not (tmp_path / begun[stage]).exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(2)
    _, said = process.communicate(timeout=15)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 200_000, "p.jsonl:1: nested too deeply"),
        ('{"id": "a", "question": "q", "answer": "1"}\n{"id": "a", "question": "r", "answer": "2"}',
         "p.jsonl:2: the id 'a' stands for another problem at"),
    ],
)  # fmt: skip
def test_bad_problems_are_named_by_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(content, encoding="utf-8")
    problems = f"problems={{kind: jsonl, path: {path}}}"
    said = cotgen("run", SCRIPTED, "--set", problems, cwd=tmp_path)
    assert said.returncode == 2
    assert message in said.stderr


def test_hostile_yaml_and_names_are_refused(tmp_path: Path, done: Path) -> None:
    (tmp_path / "deep.yaml").write_text("[" * 50_000, encoding="utf-8")
    said = cotgen("run", "deep.yaml", cwd=tmp_path)
    assert (said.returncode, "not YAML" in said.stderr) == (2, True)
    dataset = "{kind: dpo, name: sft.origin}"
    said = cotgen("run", SCRIPTED, "--set", f"datasets.4={dataset}", cwd=tmp_path)
    assert (said.returncode, ".origin" in said.stderr) == (2, True)
    said = cotgen("show", "scripted", "--dataset", "../../x", cwd=done)
    assert (said.returncode, "holds no dataset" in said.stderr) == (2, True)


def test_ids_and_tags_are_shown_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    row = {"id": "\x1b[31mred\u202e", "question": "Start with 5. Add 2.", "answer": "7",
           "tags": ["\x1b[2J"], "level": "\x07"}  # fmt: skip
    path.write_text(json.dumps(row), encoding="utf-8")
    problems = f"problems={{kind: jsonl, path: {path}, fields: {{tags: tags}}}}"
    made = cotgen("run", SCRIPTED, "--set", problems, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    for arguments in ([], [row["id"]], ["--dataset", "sft"]):
        said = cotgen("show", "scripted", *map(str, arguments), cwd=tmp_path)
        assert said.returncode == 0, said.stderr
        assert not {"\x1b", "\x07", "\u202e"} & set(said.stdout)
