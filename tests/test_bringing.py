"""Importing: what comes of it downstream, again, after kills, and from hostile files."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from importing import groups, import_rows, lines, rewards, texts, write_rows
from typer.testing import CliRunner

from cotgen import load_recipe
from cotgen.bringing import Asked, Brought, bring, importer_named
from cotgen.cli import app
from cotgen.errors import RecipeError, RunLocked
from cotgen.pipeline import run as run_recipe
from cotgen.store import RunFolder
from cotgen.summary import Summary

Row = dict[str, Any]
ROOT = Path(__file__).parents[1]


def go(run: Path, *sets: str) -> Summary:
    """`cotgen run outputs/RUN --set …`."""
    recipe = load_recipe(run / "recipe.yaml", list(sets), run.name)
    return run_recipe(recipe, outputs=run.parent)


def chat(question: str, said: str, **more: Any) -> Row:
    return {"prompt": question, "completion": said, **more}


def bring_files(kind: str, run: Path, *files: Path, **terms: Any) -> Brought:
    return bring(
        Asked(importer_named(kind, terms.pop("sets", ())), files, **terms), run.parent, run.name
    )


def files_of(run: Path) -> dict[str, bytes]:
    """The files of a run without its lock."""
    paths = [path for path in run.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


# Downstream


SFT = "datasets=[{kind: sft}]"


def test_a_chat_becomes_a_dataset_and_comes_back(tmp_path: Path) -> None:
    rows = [
        chat("What is 2 + 3?", "<think>\nTwo.\n</think>\n\n\\boxed{5}", answer=5),
        chat("What is 2 + 2?", "\\boxed{5}", answer="4"),
        chat("What is 1 + 2?", "Three:\n\n\\boxed{3}", answer="3"),
    ]
    run = import_rows("chat", rows, tmp_path)
    summary = go(run, SFT)
    assert (summary.verdicts["correct"], summary.verdicts["incorrect"]) == (2, 1)
    emitted = lines(run / "datasets" / "sft.jsonl")
    bring_files("chat", tmp_path / "again", run / "datasets" / "sft.jsonl")
    back = groups(tmp_path / "again")
    first = [group for group in groups(run) if any(group.having("correct"))]
    assert [(group.problem.question, texts(group)) for group in back] == [
        (group.problem.question, texts(group)) for group in first
    ]
    assert [judged.attempt.steps for group in back for judged in group.judged] == [
        judged.attempt.steps for group in first for judged in group.judged
    ]
    assert len(emitted) == len(back) == 2


def test_without_a_gold_nothing_is_correct_or_incorrect(tmp_path: Path) -> None:
    run = import_rows("chat", [chat("Why?", "\\boxed{5}"), chat("Who?", "Me")], tmp_path)
    assert go(run).verdicts == {
        "correct": 0,
        "incorrect": 0,
        "unverifiable": 2,
        "unfinished": 0,
    }


def test_step_labels_arrive_with_their_attempts(tmp_path: Path) -> None:
    rows = [
        {
            "input": f"How many? Step 1: It is 2. ки\nStep 2: The answer is: {answer} ки",
            "label": f"How many? Step 1: It is 2. +\nStep 2: The answer is: {answer} {sign}",
            "task": "GSM8K",
        }
        for answer, sign in ((5, "+"), (6, "-"))
    ]
    run = import_rows("math-shepherd", rows, tmp_path)
    go(run)
    (group,) = groups(run)
    assert [rewards(judged) for judged in group.judged] == [(1.0, 1.0), (1.0, 0.0)]
    verdicts, rewarded = lines(run / "verdicts.jsonl"), lines(run / "rewards.jsonl")
    assert [line["inputs"] for line in rewarded] == [line["inputs"] for line in verdicts]
    assert [line["id"] for line in rewarded] == [line["id"] for line in verdicts]
    assert {line["source"] for line in rewarded} == {"math-shepherd"}


def test_recorded_gsm8k_attempts_become_datasets(shared_data: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.jsonl"
    file = shared_data / "gsm8k" / "example_model_solutions.jsonl"
    with file.open(encoding="utf-8") as source:
        head.write_text("".join(next(source) for _ in range(150)), encoding="utf-8")
    bring_files("gsm8k-attempts", tmp_path / "again", head)
    bring_files("gsm8k-attempts", tmp_path / "kept", head, verdicts="keep")
    datasets = "datasets=[{kind: sft, allow_test: true}, {kind: dpo, allow_test: true}]"
    again = go(tmp_path / "again", "chains={kind: revision}", datasets)
    kept = go(tmp_path / "kept")
    assert again.attempts == kept.attempts == 600
    assert again.verdicts["correct"] == kept.verdicts["correct"] == again.chains > 200
    assert again.rows["sft"] > 200 < again.rows["dpo"] + 100
    wrong = {
        judged.id for group in groups(tmp_path / "again") for judged in group.having("incorrect")
    }
    recorded = {
        judged.id for group in groups(tmp_path / "kept") for judged in group.having("incorrect")
    }
    assert wrong <= recorded


def test_a_recorded_verdict_is_kept_only_if_asked_for(tmp_path: Path) -> None:
    row = {"question": "2 + 3?", "gt": "5", "code": ["\\boxed{5}"], "score": [False]}
    for verdicts, outcome, method in (("keep", "incorrect", "recorded"), ("again", "correct", "")):
        run = tmp_path / verdicts
        bring_files("qwen-eval", run, write_rows(tmp_path / "r.jsonl", [row]), verdicts=verdicts)
        go(run)
        (line,) = lines(run / "verdicts.jsonl")
        assert line["outcome"] == outcome
        assert (line["method"] == "recorded") is (method == "recorded")


def test_a_cut_off_attempt_is_unfinished_whatever_was_recorded(tmp_path: Path) -> None:
    row = {
        "problem": "2 + 3?",
        "answer": "5",
        "generations": ["<think>\nso \\boxed{5}"],
        "is_reasoning_complete": [False],
        "correctness_math_verify": [True],
    }
    run = import_rows("openr1", [row], tmp_path, verdicts="keep")
    assert go(run).verdicts["unfinished"] == 1


def test_a_recipe_of_ones_own_that_names_the_run_goes_on_with_it(tmp_path: Path) -> None:
    rows = [chat("2 + 3?", "\\boxed{5}", answer=5), chat("2 + 4?", "\\boxed{6}", answer=6)]
    bring_files("chat", tmp_path / "mine", write_rows(tmp_path / "r.jsonl", rows))
    own = tmp_path / "own.yaml"
    own.write_text(
        yaml.safe_dump(
            {
                "name": "mine",
                "problems": {"kind": "imported", "dataset": "chat", "limit": 1},
                "teachers": {"chat": {"kind": "imported"}},
                "search": {"kind": "imported"},
                "verifier": {"kind": "exact"},
                "datasets": [{"kind": "sft"}],
            }
        )
    )
    assert run_recipe(load_recipe(own), outputs=tmp_path).problems == 1
    grown = run_recipe(load_recipe(own, ["problems.limit=2"]), outputs=tmp_path)
    assert grown.problems == 2


def test_a_recipe_without_its_import_says_what_is_missing(tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "recipes/gsm8k-imported.yaml")
    with pytest.raises(RecipeError, match="cotgen import gsm8k-attempts FILE --run"):
        run_recipe(recipe, outputs=tmp_path)


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_nobody_is_asked_by_an_imported_run(command: str) -> None:
    result = CliRunner().invoke(app, [command, str(ROOT / "recipes/gsm8k-imported.yaml")])
    assert (result.exit_code, "imported" in result.output.split("answers")[-1]) == (0, True)


def test_what_was_imported_cannot_be_made_again(tmp_path: Path) -> None:
    run = import_rows("chat", [chat("2 + 3?", "\\boxed{5}", answer=5)], tmp_path)
    before = files_of(run)
    for stage in ("load", "search"):
        result = CliRunner().invoke(app, ["run", str(run), "--redo", stage])
        assert (result.exit_code, "imported" in result.output) == (2, True)
    after = files_of(run)
    assert {name: after[name] for name in before} == before


# What becomes of the rows


def test_attempts_at_one_question_stand_together_in_the_order_of_the_files(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.jsonl", [chat("What is\n2 + 3? ", "a"), chat("Else?", "b")])
    second = write_rows(tmp_path / "b.jsonl", [chat("What is 2 +  3?", "c"), chat("More?", "d")])
    bring_files("chat", tmp_path / "run", first, second)
    assert [(group.problem.question, texts(group)) for group in groups(tmp_path / "run")] == [
        ("What is\n2 + 3? ", ["a", "c"]),
        ("Else?", ["b"]),
        ("More?", ["d"]),
    ]


def test_another_sign_or_another_gold_is_another_problem(tmp_path: Path) -> None:
    rows = [
        chat("2 + 3?", "a", answer=5),
        chat("2 - 3?", "b", answer=5),
        chat("2 + 3?", "c", answer=6),
    ]
    assert len(groups(import_rows("chat", rows, tmp_path))) == 3


@pytest.mark.parametrize(
    ("name", "sets", "split"),
    [
        ("rows.jsonl", (), "train"),
        ("phase2_test.jsonl", (), "test"),
        ("test-00000-of-00001.jsonl", (), "test"),
        ("latest.jsonl", (), "train"),
        ("phase2_test.jsonl", ("split=train",), "train"),
    ],
)
def test_a_file_called_test_is_of_a_test_split(
    name: str, sets: tuple[str, ...], split: str, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / name, [{"question": "Why?", "longCOT": "So."}])
    bring_files("o1-journey", tmp_path / "run", file, sets=sets)
    assert [group.problem.split for group in groups(tmp_path / "run")] == [split]


def test_questions_of_public_test_sets_are_test_data(shared_data: Path, tmp_path: Path) -> None:
    test = lines(shared_data / "gsm8k" / "test.jsonl")[0]
    rows = [{"question": q, "longCOT": "So."} for q in (test["question"].upper(), "Mine?")]
    file = write_rows(tmp_path / "r.jsonl", rows)
    bring_files("o1-journey", tmp_path / "marked", file)
    assert [group.problem.split for group in groups(tmp_path / "marked")] == ["test", "train"]
    brought = bring_files("o1-journey", tmp_path / "dropped", file, test_problems="drop")
    assert [group.problem.split for group in groups(tmp_path / "dropped")] == ["train"]
    assert brought.counts.skipped == {"test problem": 1}


def test_what_was_imported_from_where_is_written_down(tmp_path: Path) -> None:
    run = import_rows("still", [{"question": "Q?", "combined_text": "A"}], tmp_path, "split=train")
    told = json.loads((run / "imported.json").read_text())
    sha256 = hashlib.sha256((tmp_path / "rows.jsonl").read_bytes()).hexdigest()
    assert told["dataset"] == "still"
    assert told["settings"]["license"] == "apache-2.0"
    assert told["settings"]["split"] == "train"
    assert [(file["name"], file["sha256"]) for file in told["files"]] == [("rows.jsonl", sha256)]
    assert told["counts"]["attempts"] == 1


def _as_json(path: Path, rows: list[Row]) -> Path:
    path = path.with_suffix(".json")
    path.write_text(json.dumps(rows, indent=1))
    return path


def _as_parquet(path: Path, rows: list[Row]) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("write", [_as_json, _as_parquet])
def test_the_kind_of_file_changes_nothing(
    write: Callable[[Path, list[Row]], Path], tmp_path: Path
) -> None:
    rows = [
        {
            "problem": f"{n} + 3?",
            "answer": str(n + 3),
            "generations": ["<think>\nHm\n</think>\n\n\\boxed{5}", "\\boxed{6}"],
            "is_reasoning_complete": [True, True],
            "correctness_math_verify": [n == 2, None],
            "correctness_count": n,
        }
        for n in range(100)
    ]
    lines_run = import_rows("openr1", rows, tmp_path, verdicts="keep")
    bring_files("openr1", tmp_path / "other", write(tmp_path / "r", rows), verdicts="keep")
    for table in ("problems", "attempts", "verdicts"):
        name = f"{table}.jsonl"
        assert (tmp_path / "other" / name).read_bytes() == (lines_run / name).read_bytes()
    kept = [line["row"] for line in lines(tmp_path / "other" / "source_rows.jsonl")]
    assert kept == [line["row"] for line in lines(lines_run / "source_rows.jsonl")]
    assert kept[1]["correctness_count"] == 1


def test_columns_of_any_kind_are_kept_or_left_out(tmp_path: Path) -> None:
    rows = [{"question": "Q?", "longCOT": "A", "when": datetime(2024, 1, 1), "raw": b"\xff"}]
    file = _as_parquet(tmp_path / "r", rows)
    bring_files("o1-journey", tmp_path / "run", file)
    (line,) = lines(tmp_path / "run" / "source_rows.jsonl")
    assert line["where"] == "r.parquet, row 1"
    assert line["row"]["when"].startswith("2024-01-01")
    bring_files("o1-journey", tmp_path / "bare", file, sets=["source_rows=false"])
    assert not (tmp_path / "bare" / "source_rows.jsonl").exists()


# Bad lines and hostile files


BAD = '{"question": "Q?", "longCOT": 3}'


def test_a_bad_line_stops_and_leaves_the_name_free(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"question": "Q?", "longCOT": "A"}\n' + BAD + "\n{\n")
    with pytest.raises(RecipeError) as error:
        bring_files("o1-journey", tmp_path / "run", file)
    message = str(error.value)
    assert "2 bad lines" in message
    assert f"{file}:2: longCOT: Expected `str`, got `int`" in message
    assert f"{file}:3: " in message
    assert files_of(tmp_path / "run") == {}
    brought = bring_files("o1-journey", tmp_path / "run", file, on_bad_line="skip")
    assert (brought.counts.bad_lines, brought.counts.attempts) == (2, 1)
    assert [line["where"] for line in lines(tmp_path / "run" / "bad_lines.jsonl")] == [
        "r.jsonl:2",
        "r.jsonl:3",
    ]
    assert go(tmp_path / "run").bad_lines == 2


def test_many_bad_lines_stop_early(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text((BAD + "\n") * 1000)
    with pytest.raises(RecipeError, match="at least 20 bad lines") as error:
        bring_files("o1-journey", tmp_path / "run", file)
    assert ":21:" not in str(error.value)


def test_files_without_a_problem_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("\n")
    with pytest.raises(RecipeError, match="no row holds a problem"):
        bring_files("chat", tmp_path / "run", tmp_path / "r.jsonl")


def test_hostile_text_is_data(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    text = "{{ 7 * 7 }} \\u0000 \\ud800 \\u202e </think> ```"
    hostile = f'"prompt": "Q\\u0000 \\udfff?", "completion": "{text}", "n": {"9" * 400}'
    file.write_text(f'{{{hostile}}}\n{{"prompt": "1", "completion": ""}}\n')
    bring_files("chat", tmp_path / "run", file)
    assert go(tmp_path / "run", SFT).attempts == 2
    (first, second) = groups(tmp_path / "run")
    assert first.problem.question == "Q\0 \ufffd?"
    assert texts(second) == [""]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nonsense", "r.jsonl"], "choose one of chat"),
        (["chat", "absent.jsonl"], "No such file"),
        (["chat", "."], "Is a directory"),
        (["chat", "r.csv"], "not one of .jsonl"),
        (["chat", "r.jsonl", "--set", "nonsense=1"], "a key of source, license, split"),
        (["chat", "r.jsonl", "--set", "split=nonsense"], "--set split: "),
        (["chat", "r.jsonl", "--set", "split=[}"], "not YAML"),
        (["chat", "r.jsonl", "--run", "../x y"], "name"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    arguments: list[str], what: str, in_tmp: Path
) -> None:
    write_rows(in_tmp / "r.jsonl", [chat("Q?", "A")])
    (in_tmp / "r.csv").write_text("a,b")
    named = [] if "--run" in arguments else ["--run", "run"]
    result = CliRunner().invoke(app, ["import", *arguments, *named])
    assert result.exit_code == 2
    assert what in result.output
    assert not (in_tmp / "outputs" / "run" / "manifest.json").exists()


def test_the_command_says_what_it_has_brought(in_tmp: Path) -> None:
    write_rows(in_tmp / "r.jsonl", [chat("2 + 3?", "\\boxed{5}", answer=5), {"prompt": 1}])
    arguments = ["import", "chat", "r.jsonl", "--run", "mine", "--on-bad-line", "skip"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    said = " ".join(result.output.split())
    assert "rows 2 of 1 file(s)" in said
    assert "bad lines 1" in said
    assert CliRunner().invoke(app, ["show", "mine"]).exit_code == 0
    ran = CliRunner().invoke(app, ["run", "outputs/mine", "--set", SFT])
    assert (ran.exit_code, "1 correct" in ran.output) == (0, True)
    shown = CliRunner().invoke(app, ["show", "mine", "--dataset", "sft"])
    assert "chat" in shown.output


# Again, and after kills


def rows_of(n: int) -> list[Row]:
    return [chat(f"{number % 50} + 3?", f"\\boxed{{{number}}}", answer=1) for number in range(n)]


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    run = import_rows("chat", rows_of(60), tmp_path)
    go(run, SFT)
    before = files_of(run)
    import_rows("chat", rows_of(60), tmp_path)
    assert files_of(run) == before


@pytest.mark.parametrize(
    ("rows", "sets", "verdicts"),
    [(61, (), "again"), (60, ("license=MIT",), "again"), (60, (), "keep")],
)
def test_another_import_into_the_run_is_refused(
    rows: int, sets: tuple[str, ...], verdicts: Any, tmp_path: Path
) -> None:
    run = import_rows("chat", rows_of(60), tmp_path)
    before = files_of(run)
    with pytest.raises(RecipeError, match=r"was imported otherwise .chat from rows\.jsonl"):
        import_rows("chat", rows_of(rows), tmp_path, *sets, verdicts=verdicts)
    assert files_of(run) == before


def test_the_run_of_a_recipe_is_refused(made: Path, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.jsonl", rows_of(2))
    with pytest.raises(RecipeError, match="is a run of its own"):
        bring_files("chat", made, file)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letters.txt").write_text("Dear …")
    with pytest.raises(RecipeError, match=r"letters\.txt"):
        import_rows("chat", rows_of(2), tmp_path)


def test_a_run_that_is_worked_on_is_locked(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run").locked(), pytest.raises(RunLocked):
        import_rows("chat", rows_of(2), tmp_path)


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("at", range(1, 9))
def test_a_kill_while_files_are_put_in_place_is_mended(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*SHEPHERDS, *SHEPHERDS]
    (tmp_path / "whole").mkdir()
    whole = files_of(import_rows("math-shepherd", rows, tmp_path / "whole"))
    moved, replace = 0, Path.replace

    def kill(self: Path, target: Path) -> Path:
        nonlocal moved
        moved += 1
        if moved == at:
            raise Killed
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", kill)
    try:
        import_rows("math-shepherd", rows, tmp_path)
    except Killed:
        assert "manifest.json" not in files_of(tmp_path / "run")
    else:
        assert moved < at
    monkeypatch.undo()
    assert files_of(import_rows("math-shepherd", rows, tmp_path)) == whole


def test_nothing_of_a_killed_import_is_left_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"question": "2 + 3?", "gt": "5", "code": ["\\boxed{5}"], "score": [False]}
    replace = Path.replace

    def kill(self: Path, target: Path) -> Path:
        if target.name == "recipe.yaml":
            raise Killed
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", kill)
    with pytest.raises(Killed):
        import_rows("qwen-eval", [row], tmp_path, verdicts="keep")
    monkeypatch.undo()
    assert (tmp_path / "run" / "verdicts.jsonl").exists()
    run = import_rows("qwen-eval", [row], tmp_path)
    assert not (run / "verdicts.jsonl").exists()


def test_a_split_that_is_set_makes_another_import(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "test.jsonl", [{"question": "Why?", "longCOT": "So."}])
    bring_files("o1-journey", tmp_path / "run", file)
    with pytest.raises(RecipeError, match="imported otherwise"):
        bring_files("o1-journey", tmp_path / "run", file, sets=["split=train"])


SHEPHERDS = [
    {"input": f"Q{n}? Step 1: a ки", "label": f"Q{n}? Step 1: a +", "task": "MATH"}
    for n in range(3)
]


def test_a_killed_import_begins_again_and_makes_the_same(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.jsonl", rows_of(8_000))
    bring_files("chat", tmp_path / "whole", file)
    command = [sys.executable, "-c", "from cotgen.cli import app; app()", "import", "chat"]
    command += [str(file), "--run", "killed", "--outputs", str(tmp_path)]
    work = tmp_path / "killed" / "importing"
    killed = 0
    for wait_s in (0.0, 0.1, 0.25):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while not work.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(wait_s)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        killed += not (tmp_path / "killed" / "manifest.json").exists()
    assert killed
    bring_files("chat", tmp_path / "killed", file)

    def told(run: Path) -> dict[str, bytes]:
        return {
            name: data.replace(run.name.encode(), b"NAME")
            for name, data in files_of(run).items()
            if name.endswith((".jsonl", ".json", ".yaml"))
        }

    assert told(tmp_path / "killed") == told(tmp_path / "whole")
