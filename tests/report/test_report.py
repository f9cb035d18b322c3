"""Numbers of runs small enough to be counted by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import cotgen
from cotgen.cli import app
from cotgen.errors import RecipeError
from cotgen.report import collect_all, write_report
from cotgen.report.counting import collect
from cotgen.report.numbers import Numbers

SAID = r"so it is \boxed{{{}}}."


def answers(*said: int | str) -> list[str]:
    """Attempts that differ in their first word and give these answers."""
    return [f"{word} {SAID.format(answer)}" for word, answer in zip("ABCDEFGH", said, strict=False)]


ROWS = [
    {"id": "p1", "question": "1?", "answer": "1", "level": "easy", "attempts": answers(1, 1, 1, 1)},
    {"id": "p2", "question": "2?", "answer": "2", "level": "easy", "attempts": answers(2, 9, 2, 9)},
    {"id": "p3", "question": "3?", "answer": "3", "level": "hard", "attempts": answers(9, 8, 9, 3)},
    {
        "id": "p4",
        "question": "4?",
        "answer": "4",
        "level": "hard",
        "attempts": ["It is hard.\nWe give up, for\nit is late.", *answers(7, 7), answers(7)[0]],
    },
]


def make(folder: Path, name: str, rows: list[dict[str, Any]], **more: object) -> Path:
    """A finished run of one replaying teacher called t, or of those in `teachers`."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    replay = {"kind": "replay", "path": str(path), "attempts": "attempts"}
    recipe: dict[str, Any] = {
        "name": name,
        "seed": 1,
        "problems": {
            "kind": "jsonl", "path": str(path), "split": "train", "source": "own", "license": "MIT",
        },
        "teachers": {"t": replay},
        "search": {"kind": "sample", "n": 4, "prompt": "question"},
        "verifier": {"kind": "math"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}, {"kind": "dpo"}],
    }  # fmt: skip
    cotgen.run(cotgen.parse_recipe(recipe | more), outputs=folder)
    return folder / name


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("small"), "small", ROWS)


@pytest.fixture(scope="module")
def numbers(small: Path) -> Numbers:
    return collect(small)


def test_the_yield_of_every_stage_is_counted(numbers: Numbers) -> None:
    assert numbers.funnel.problems == [
        ("loaded", 4),
        ("attempted", 4),
        ("with a decided attempt", 4),
        ("with a correct attempt", 3),
        ("with correct and wrong attempts", 2),
        ("in a dataset", 3),
    ]
    assert dict(numbers.funnel.attempts) == {
        "sampled": 16,
        "judged": 16,
        "ended by themselves": 16,
        "decided": 15,
        "correct": 7,
        "correct and distinct": 7,
    }


def test_pass_at_k_and_majority_are_as_counted_by_hand(numbers: Numbers) -> None:
    by_k = {point.k: (point.passed.value, point.majority.value) for point in numbers.curve}
    assert list(by_k) == [1, 2, 4]
    # Correct of four: 4, 2, 1, 0.
    assert by_k[1] == pytest.approx((7 / 16, 7 / 16))
    assert by_k[2][0] == pytest.approx((1 + 5 / 6 + 1 / 2 + 0) / 4)
    # Of p2's six pairs one is right twice and four tie; of p3's, three hold the 3 and tie.
    assert by_k[2][1] == pytest.approx((1 + (1 + 4 / 2) / 6 + (3 / 2) / 6 + 0) / 4)
    assert by_k[4] == pytest.approx((3 / 4, (1 + 1 / 2 + 0 + 0) / 4))
    assert numbers.all.accuracy is not None
    assert numbers.all.decided is not None
    assert numbers.all.decided.value == pytest.approx((1 + 1 / 2 + 1 / 4 + 0 / 3) / 4)
    assert numbers.all.accuracy.low < 7 / 16 < numbers.all.accuracy.high


def test_levels_shares_verdicts_and_repeats_are_counted(numbers: Numbers) -> None:
    levels = {row.name: row for row in numbers.by_level}
    assert {name: row.outcomes["correct"] for name, row in levels.items()} == {"easy": 6, "hard": 1}
    assert [row.name for row in numbers.by_source] == ["own"]
    assert [each.count for each in numbers.shares] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1]
    assert sum(sum(counts.values()) for counts in numbers.methods.values()) == 16
    assert [times for _, times in numbers.reasons["unverifiable"]] == [1]
    assert sum(times for _, times in numbers.reasons["incorrect"]) == 8
    repeats = numbers.repeats
    assert (repeats.attempts, repeats.correct, repeats.incorrect) == (1, 0, 1)
    assert repeats.answers is not None
    assert repeats.answers.mean == (1 + 2 + 3 + 1) / 4


def test_chains_and_their_distances_are_counted(numbers: Numbers) -> None:
    chains = numbers.chains
    assert (chains.count, chains.without_wrong, sum(chains.by_wrong.values())) == (7, 4, 7)
    # Each of p2's and p3's correct attempts is a letter and a digit away from every wrong one.
    assert chains.nearest is not None
    assert (chains.nearest.count, chains.nearest.mean) == (3, 2)
    siblings = chains.siblings
    assert (siblings.problems, siblings.attempts, siblings.ties) == (4, 3, 3)
    assert (siblings.mean, siblings.nearest_mean) == (2, 2)
    assert numbers.example is not None
    parts = [part for part in numbers.example.wrong if not part.same]
    assert [len(part.text) for part in parts] == [1, 1]
    assert numbers.example.distance == 2


def test_datasets_and_what_is_left_out_are_counted(numbers: Numbers) -> None:
    made = {dataset.name: dataset for dataset in numbers.datasets}
    assert (made["sft"].rows, made["sft"].problems, made["sft"].most_per_problem) == (7, 3, 4)
    assert (made["dpo"].rows, made["dpo"].problems) == (3, 2)
    assert made["sft"].sources == {"own": 7}


def test_an_attempt_that_was_cut_off_is_not_correct_and_does_not_vote(tmp_path: Path) -> None:
    rows = [{"id": "p", "question": "5?", "answer": "5", "attempts": answers(5, 5, 6)}]
    run = make(tmp_path, "cut", rows, search={"kind": "sample", "n": 3, "prompt": "question"})
    path = run / "attempts.jsonl"
    line = json.loads(path.read_text(encoding="utf-8"))
    for attempt in line["attempts"][:2]:
        attempt["finish"] = "length"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    cotgen.run(cotgen.load_recipe(run / "recipe.yaml"), outputs=tmp_path)
    found = collect(run)
    assert found.all.outcomes == {
        "correct": 0, "incorrect": 1, "unverifiable": 0, "unfinished": 2,
    }  # fmt: skip
    assert [point.passed.value for point in found.curve] == [0, 0, 0]
    assert dict(found.funnel.attempts)["ended by themselves"] == 1


def test_teachers_are_compared_on_the_problems_that_both_saw(tmp_path: Path) -> None:
    path = tmp_path / "duel.jsonl"
    replay = {"kind": "replay", "path": str(path)}
    teachers = {"a": replay | {"attempts": ["x"]}, "b": replay | {"attempts": ["y"]}}
    said = [(0, 9), (1, 1), (2, 9), (9, 3), (4, 9)]
    rows = [
        {
            "id": f"p{n}",
            "question": f"{n}?",
            "answer": str(n),
            "x": SAID.format(a),
            "y": SAID.format(b),
        }
        for n, (a, b) in enumerate(said)
    ]
    search = {"kind": "sample", "n": 1, "prompt": "question"}
    found = collect(make(tmp_path, "duel", rows, teachers=teachers, search=search))
    assert [t.all.outcomes["correct"] for t in found.teachers] == [4, 2]
    (duel,) = found.duels
    assert (duel.better, duel.worse, duel.equal) == (3, 1, 1)
    assert duel.accuracy.value == pytest.approx(2 / 5)
    assert duel.accuracy.problems == 5


def test_runs_are_compared_question_by_question(small: Path, tmp_path: Path) -> None:
    better = [row | {"attempts": [row["attempts"][0]] * 4} for row in ROWS]
    other = make(tmp_path, "other", better)
    (found,) = collect_all([small, other]).comparisons
    assert (found.shared, found.better, found.worse, found.equal) == (4, 1, 1, 2)
    first = found.differences[0]
    assert (first.name, first.paired) == ("pass@1", True)
    # 4/4 → 1, 2/4 → 1, 1/4 → 0, 0/4 → 0.
    assert first.difference.value == pytest.approx((0 + 1 / 2 - 1 / 4 + 0) / 4)
    assert ("problems.path", "small.jsonl", "other.jsonl") in (found.settings)


def test_runs_on_other_questions_are_compared_unpaired(small: Path, tmp_path: Path) -> None:
    rows = [row | {"question": f"Another: {row['question']}"} for row in ROWS]
    (found,) = collect_all([small, make(tmp_path, "others", rows)]).comparisons
    assert found.shared == 0
    assert not any(each.paired for each in found.differences)
    assert found.differences[0].difference.value == 0


def test_what_filters_dropped_is_shown(small: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small, tmp_path / "small"))
    dropped = [
        {"id": "p1@t/0", "thing": "attempt", "filter": "length", "reason": "too long", "n": 9000},
        {"id": "p1@t/1", "thing": "attempt", "filter": "length", "reason": "too long"},
        {"id": "p2", "thing": "problem", "filter": "dedup", "reason": "<b>seen</b>"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in dropped)
    (run / "filtered.jsonl").write_text(text, encoding="utf-8")
    made = write_report([run])
    (found,) = json.loads(made.numbers.read_text(encoding="utf-8"))["runs"]
    assert ["left by the filters", 3] in found["funnel"]["problems"]
    assert ["left by the filters, of all", 16 - 2 - 4] in found["funnel"]["attempts"]
    assert found["filtered"] == {"dedup": {"<b>seen</b>": 1}, "length": {"too long": 2}}
    page = made.page.read_text(encoding="utf-8")
    assert "&lt;b&gt;seen&lt;" in page.replace("<wbr>", "")


def test_cost_is_that_of_the_summary(small: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small, tmp_path / "small"))
    path = run / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8")) | {"cost_usd": 0.35, "tokens": 700}
    path.write_text(json.dumps(summary), encoding="utf-8")
    made = {dataset.name: dataset for dataset in collect(run).datasets}
    assert made["sft"].cost_per_row == pytest.approx(0.05)
    assert made["sft"].tokens_per_row == pytest.approx(100)
    assert "$0.0500" in write_report([run]).page.read_text(encoding="utf-8")


def test_a_report_that_is_mailed_names_no_webhook(small: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small, tmp_path / "small"))
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["notify"]["webhook"] = "https://hooks.example/SECRET"
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    for made in (write_report([run]), write_report([small, run], tmp_path / "both.html")):
        assert "SECRET" not in made.page.read_text(encoding="utf-8")
        assert "SECRET" not in made.numbers.read_text(encoding="utf-8")


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path, small: Path) -> None:
    recipe = cotgen.load_recipe(small / "recipe.yaml", name="begun")
    cotgen.run(recipe, outputs=tmp_path, until="load")
    made = write_report([tmp_path / "begun"])
    assert "0 attempts on 0 problems" in made.page.read_text(encoding="utf-8")
    cotgen.run(recipe, outputs=tmp_path, until="search")
    assert dict(collect(tmp_path / "begun").funnel.attempts)["sampled"] == 16


def test_the_same_run_gives_the_same_files(small: Path, tmp_path: Path) -> None:
    first = write_report([small], tmp_path / "a.html")
    second = write_report([small], tmp_path / "b.html")
    assert first.page.read_bytes() == second.page.read_bytes()
    assert first.numbers.read_bytes() == second.numbers.read_bytes()


def test_the_command_says_where_the_files_are(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    said = CliRunner().invoke(app, ["report", str(small), str(small), "--out", str(out)])
    assert said.exit_code == 0
    assert said.output.split() == [str(out), str(tmp_path / "page.json")]
    runs = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["runs"]
    assert [run["facts"]["name"] for run in runs] == ["small", "small"]
    with pytest.raises(RecipeError, match="not the folder of a run"):
        write_report([tmp_path])
