"""Each demand can fail: a clean run meets all, and every defect planted is found, and no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cotgen
from cotgen.audit import Audit, audit
from cotgen.cli import app
from cotgen.runs import Run, saved_shape

Lines = list[dict[str, Any]]
Edit = Callable[[Path], None]

RECIPE = {
    "name": "clean",
    "seed": 1,
    "search": {"kind": "sample", "n": 4, "prompt": "question"},
    "verifier": {"kind": "math"},
    "chains": {"kind": "revision"},
    "datasets": [
        {"kind": "sft"},
        {"kind": "sft", "from": "chains", "layout": "multiturn"},
        {"kind": "dpo"},
        {"kind": "kto"},
        {"kind": "cpt"},
        {"kind": "orm"},
        {"kind": "rl"},
        {"kind": "sft", "from": "chains", "layout": "single", "format": "axolotl"},
        {"kind": "sft", "from": "chains", "format": "llama_factory"},
        {"kind": "dpo", "format": "axolotl"},
        {"kind": "sft", "format": "openrlhf"},
        {"kind": "rl", "format": "verl", "data_source": "math"},
    ],
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every dataset of several trainers, without a defect. Not to be changed."""
    folder = tmp_path_factory.mktemp("clean")
    rows = [_row(number) for number in range(6)]
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = {"kind": "jsonl", "path": str(path), "split": "train", "source": "own"}
    recipe = {
        **RECIPE,
        "problems": {**source, "license": "MIT"},
        "teachers": {"t": {"kind": "replay", "path": str(path), "attempts": "attempts"}},
    }
    cotgen.run(cotgen.parse_recipe(recipe), outputs=folder)
    return folder / "clean"


def _row(n: int) -> dict[str, Any]:
    right, wrong = f"{n} + 7 = {n + 7}", f"{n} + 7 = {n + 8}"
    return {
        "id": f"p{n}",
        "question": f"What is {n} plus 7?",
        "answer": str(n + 7),
        "attempts": [
            f"We add. {right}.\nThe answer is \\boxed{{{n + 7}}}.",
            f"We add. {wrong}.\nThe answer is \\boxed{{{n + 8}}}.",
            f"Adding 7 to it: {right}.\nThe answer is \\boxed{{{n + 7}}}.",
            f"No idea, say 90.\nThe answer is \\boxed{{{n + 90}}}.",
        ],
    }


@pytest.fixture
def run(clean: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(clean, tmp_path / "clean"))


def faults(found: Audit) -> dict[tuple[int, str], int]:
    """Every fault by its demand's number."""
    return {
        (number, fault.what): fault.count
        for number, finding in enumerate(found.findings, start=1)
        for fault in finding.faults
    }


def _lines(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, lines: Lines) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def edit(path: Path, id: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the line of an id in a table."""
    lines = _lines(path)
    change(next(line for line in lines if line["id"] == id))
    _write(path, lines)


def stand_by(run: Path) -> None:
    """Let every verdict name the attempt as it is now: whoever tampers well does that too."""
    with Run(saved_shape(run), run, write=False) as opened:
        inputs = {
            item.id: item.inputs
            for problem in opened.active()
            for item in opened.judgeable(problem)
        }
    path = run / "verdicts.jsonl"
    _write(path, [line | {"inputs": inputs[line["id"]]} for line in _lines(path)])


def emit_again(run: Path) -> None:
    """Build chains and datasets of what the tables say now, as the pipeline does."""
    cotgen.run(cotgen.load_recipe(run / "recipe.yaml"), outputs=run.parent)


def test_a_clean_run_meets_all_demands(clean: Path) -> None:
    found = audit(clean)
    assert faults(found) == {}
    assert found.passed
    assert len(found.findings) == 5
    rows = sum(
        len(_lines(path))
        for path in (clean / "datasets").glob("*.jsonl")
        if ".origin" not in path.name
    )
    checked = found.findings[4].checked
    assert checked["rows"] == rows > 50
    assert found.findings[2].checked["chains"] == 12
    assert found.findings[3].checked["judged again"] == 24


def wrong_positive(run: Path) -> None:
    change = {"outcome": "correct", "reason": ""}
    edit(run / "verdicts.jsonl", "p0@t/3", lambda line: line.update(change))
    emit_again(run)


def correct_as_rejected(run: Path) -> None:
    change = {"outcome": "incorrect", "reason": "says who"}
    edit(run / "verdicts.jsonl", "p1@t/2", lambda line: line.update(change))
    emit_again(run)


def false_claim(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        line["attempts"][0]["steps"][0]["text"] = "We add. 3 + 3 = 7, 2 + 7 = 9.\n"

    edit(run / "attempts.jsonl", "p2@t", change)
    stand_by(run)
    (run / "chains.jsonl").unlink()
    emit_again(run)


def truncated_negative(run: Path) -> None:
    edit(run / "attempts.jsonl", "p3@t", lambda line: line["attempts"][1].update(finish="length"))
    stand_by(run)


def chain_ending_wrong(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        chain = line["chains"][0]
        wrong = "We add. 4 + 7 = 12.\nThe answer is \\boxed{12}."
        # The nearest of p4's attempts 0 and 2 is its attempt 1; here the chain ends in it.
        chain.update(attempts=["p4@t/1"], wrong=0)
        link = {"kind": "attempt", "text": wrong, "trained": True, "attempt": "p4@t/1"}
        chain["links"] = [link]
        chain.update(nearest="p4@t/1", distance=0)

    edit(run / "chains.jsonl", "p4", change)


def duplicate(run: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in (run / "datasets/sft.jsonl", run / "datasets/sft.origin.jsonl"):
        lines = _lines(path)
        more = {"row": len(lines)} if "origin" in path.name else {}
        _write(path, [*lines, lines[0] | more])
    path = run / "datasets/sft.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    about = manifest["datasets"]["sft"]
    about["rows"] += 1
    if "splits" in about:
        about["splits"]["train"] += 1
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def of_a_test_set(run: Path) -> None:
    edit(run / "problems.jsonl", "p5", lambda line: line.update(split="test"))
    for path in (run / "datasets").glob("*.origin.jsonl"):
        _write(
            path,
            [
                line | ({"split": "test"} if line["problem"] == "p5" else {})
                for line in _lines(path)
            ],
        )


SEVEN: dict[str, tuple[Edit, tuple[int, str], int]] = {
    "wrong positive": (wrong_positive, (1, "is wrong when it is judged again"), 1),
    "correct rejected": (correct_as_rejected, (2, "is correct when it is judged again"), 1),
    "false claim": (false_claim, (1, "makes a false arithmetic claim"), 1),
    "truncated negative": (truncated_negative, (2, "was cut off, or is flawed"), 1),
    "chain ending wrong": (chain_ending_wrong, (3, "ends in an attempt that is not correct"), 1),
    "duplicate": (duplicate, (5, "stands twice"), 1),
    # Every row of the problem is named.
    "test set": (of_a_test_set, (5, "is of a test set"), 25),
}
"""methods.md §44's seven, in an order in which they can be planted one after the other."""


def test_think_styles_are_no_defect(run: Path) -> None:
    styled = [{"kind": kind, "think": "gsm8k"} for kind in ("sft", "dpo", "kto", "rm", "orm")]
    recipe = cotgen.load_recipe(run / "recipe.yaml").settings()
    cotgen.run(cotgen.parse_recipe({**recipe, "datasets": styled}), outputs=run.parent)
    assert faults(audit(run)) == {}
    _row_of(run, "kto", 0, lambda row: row["completion"][0].update(content="x\n#### 1"))
    assert (1, "trains a text that is not its attempt's") in faults(audit(run))


@pytest.mark.parametrize("name", SEVEN)
def test_a_planted_defect_is_found_and_nothing_else(run: Path, name: str) -> None:
    plant, expected, times = SEVEN[name]
    plant(run)
    found = audit(run)
    assert faults(found) == {expected: times}
    assert [finding.passed for finding in found.findings].count(False) == 1
    assert not found.passed


def test_seven_defects_at_once_are_exactly_the_seven_found(run: Path) -> None:
    for plant, _, _ in SEVEN.values():
        plant(run)
    found = audit(run)
    assert faults(found) == {expected: times for _, expected, times in SEVEN.values()}
    assert [finding.passed for finding in found.findings] == [False, False, False, True, False]


# What else can be wrong with files.


def undecided(run: Path) -> None:
    change = {"outcome": "unverifiable", "reason": "cannot tell"}
    edit(run / "verdicts.jsonl", "p0@t/1", lambda line: line.update(change))


def another_gold(run: Path) -> None:
    edit(run / "problems.jsonl", "p0", lambda line: line.update(answer="7.0"))


def no_reason(run: Path) -> None:
    edit(run / "verdicts.jsonl", "p0@t/1", lambda line: line.update(reason=""))


def _first_chain(run: Path, **changes: Any) -> None:
    path = run / "chains.jsonl"
    lines = _lines(path)
    chain = next(chain for line in lines for chain in line["chains"] if chain["wrong"] == 1)
    chain.update(changes)
    _write(path, lines)


def a_wrong_distance(run: Path) -> None:
    _first_chain(run, distance=1)


def another_nearest(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        from rapidfuzz.distance import Levenshtein

        texts = [attempt_text(run, f"p0@t/{number}") for number in range(4)]
        line["chains"][0].update(
            nearest="p0@t/3", distance=Levenshtein.distance(texts[0], texts[3])
        )
        line["chains"][0].update(attempts=["p0@t/0"], wrong=0)
        line["chains"][0]["links"] = line["chains"][0]["links"][-1:]

    edit(run / "chains.jsonl", "p0", change)


def attempt_text(run: Path, id: str) -> str:
    search, _, number = id.partition("/")
    line = next(line for line in _lines(run / "attempts.jsonl") if line["id"] == search)
    return "".join(step["text"] for step in line["attempts"][int(number)]["steps"])


def a_mask_over_the_wrong_attempt(run: Path) -> None:
    path = run / "chains.jsonl"
    lines = _lines(path)
    chain = next(chain for line in lines for chain in line["chains"] if chain["wrong"] >= 1)
    chain["links"][0]["trained"] = True
    _write(path, lines)


def _row_of(run: Path, dataset: str, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    path = run / "datasets" / f"{dataset}.jsonl"
    lines = _lines(path)
    change(lines[number])
    _write(path, lines)


def another_text(run: Path) -> None:
    _row_of(run, "sft", 0, lambda row: row["completion"][0].update(content="The answer is 7."))


def another_rejected(run: Path) -> None:
    _row_of(run, "dpo", 0, lambda row: row["rejected"][0].update(content="The answer is 9."))


def _chain_row(run: Path, dataset: str) -> int:
    origins = _lines(run / "datasets" / f"{dataset}.origin.jsonl")
    return next(int(origin["row"]) for origin in origins if len(origin["attempts"]) > 1)


def a_context_of_something_else(run: Path) -> None:
    number = _chain_row(run, "sft-multiturn")
    _row_of(run, "sft-multiturn", number, lambda row: row["prompt"][1].update(content="Hm."))


def a_trained_context(run: Path) -> None:
    def change(row: dict[str, Any]) -> None:
        for span in row["messages"][1]["train_detail"]:
            span["train"] = True

    _row_of(run, "sft-single-axolotl", _chain_row(run, "sft-single-axolotl"), change)


def no_origin(run: Path) -> None:
    path = run / "datasets/sft.origin.jsonl"
    _write(path, _lines(path)[:-1])


def an_unknown_attempt(run: Path) -> None:
    path = run / "datasets/kto.origin.jsonl"
    lines = _lines(path)
    lines[0]["attempts"] = ["p0@t/99"]
    _write(path, lines)


def a_row_less(run: Path) -> None:
    for name in ("sft.jsonl", "sft.origin.jsonl"):
        path = run / "datasets" / name
        _write(path, _lines(path)[:-1])


def no_licence(run: Path) -> None:
    edit(run / "problems.jsonl", "p0", lambda line: line.update(license="unknown"))
    path = run / "datasets/rl.origin.jsonl"
    for path in (run / "datasets").glob("*.origin.jsonl"):
        lines = _lines(path)
        for line in lines:
            if line["problem"] == "p0":
                line["license"] = "unknown"
        _write(path, lines)


def one_question_twice(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        line.update(question="WHAT is 1 plus 7 ?")

    edit(run / "problems.jsonl", "p0", change)


def a_row_of_a_dropped_attempt(run: Path) -> None:
    line = {"id": "p0@t/0", "thing": "attempt", "filter": "length", "reason": "too long"}
    _write(run / "filtered.jsonl", [line])


def a_nearest_that_was_dropped(run: Path) -> None:
    line = {"id": "p0@t/1", "thing": "attempt", "filter": "length", "reason": "too long"}
    _write(run / "filtered.jsonl", [line])


def _in_shards(run: Path, stems: dict[str, list[str]]) -> None:
    """Bring the rows of sft into files of those names, about as many rows in each."""
    import pyarrow.parquet as pq

    folder = run / "datasets"
    names = [name for split in stems.values() for name in split]
    table = pq.read_table(folder / "sft.parquet")
    step = -(-len(table) // len(names))
    rows, origins = (_lines(folder / f"sft{suffix}") for suffix in (".jsonl", ".origin.jsonl"))
    splits = dict.fromkeys(stems, 0)
    for place, name in enumerate(names):
        split = next(split for split, of in stems.items() if name in of)
        part = slice(place * step, (place + 1) * step)
        _write(folder / f"{name}.jsonl", rows[part])
        numbered = enumerate(origins[part], splits[split])
        _write(folder / f"{name}.origin.jsonl", [line | {"row": row} for row, line in numbered])
        pq.write_table(table.slice(place * step, step), folder / f"{name}.parquet")
        splits[split] += len(rows[part])
    for suffix in (".jsonl", ".origin.jsonl", ".parquet"):
        (folder / f"sft{suffix}").unlink()
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["datasets"]["sft"] |= {"files": stems, "splits": splits}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def validation_on_trained_problems(run: Path) -> None:
    _in_shards(run, {"train": ["sft-train"], "validation": ["sft-validation"]})


def test_a_dataset_may_lie_in_shards(run: Path) -> None:
    names = [f"sft-{number:05}-of-00003" for number in range(3)]
    _in_shards(run, {"train": names})
    assert faults(audit(run)) == {}
    path = run / "datasets" / f"{names[1]}.jsonl"
    _write(path, _lines(path)[::-1])
    assert (1, "trains a text that is not its attempt's") in faults(audit(run))


OTHERS: list[tuple[Edit, tuple[int, str]]] = [
    (undecided, (4, "is used though nothing was decided")),
    (another_gold, (4, "was judged on another text or gold")),
    (no_reason, (2, "was judged wrong without a reason")),
    (a_wrong_distance, (3, "states a wrong distance")),
    (another_nearest, (3, "names a wrong nearest attempt")),
    (a_mask_over_the_wrong_attempt, (3, "trains another part than the last")),
    (another_text, (1, "trains a text that is not its attempt's")),
    (another_rejected, (2, "rejects a text that is not its attempt's")),
    (a_context_of_something_else, (3, "does not show its attempts in order")),
    (a_trained_context, (3, "trains more than one part of a row")),
    (no_origin, (5, "has no origin that can be traced")),
    (an_unknown_attempt, (5, "has no origin that can be traced")),
    (a_row_less, (5, "has another number of rows in a file")),
    (no_licence, (5, "has no known licence")),
    (a_row_of_a_dropped_attempt, (5, "is made of what a filter dropped")),
    (a_nearest_that_was_dropped, (3, "names an attempt that is not left")),
    (validation_on_trained_problems, (5, "is in training and in validation")),
    (one_question_twice, (5, "asks what another problem asks")),
]


@pytest.mark.parametrize(
    ("plant", "expected"), OTHERS, ids=lambda value: getattr(value, "__name__", "")
)
def test_other_defects_fail_their_demand(run: Path, plant: Edit, expected: tuple[int, str]) -> None:
    plant(run)
    found = audit(run)
    assert expected in faults(found)
    assert not found.findings[expected[0] - 1].passed


def test_false_claims_may_be_allowed(run: Path) -> None:
    false_claim(run)
    assert audit(run, max_false_claims=1).passed


def test_the_command_exits_1_on_a_failure_and_prints_json(clean: Path, run: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["audit", str(clean)]).exit_code == 0
    no_reason(run)
    said = runner.invoke(app, ["audit", str(run), "--json"])
    assert said.exit_code == 1
    findings = json.loads(said.output)["findings"]
    assert [finding["passed"] for finding in findings] == [True, False, True, True, True]
    assert findings[1]["faults"][0]["first"] == ["p0@t/1"]
    spoken = runner.invoke(app, ["audit", str(run)])
    assert spoken.exit_code == 1
    assert "judged wrong without a reason: p0@t/1" in spoken.output


@pytest.mark.parametrize("datasets", [[], [{"kind": "dpo"}]])
def test_a_run_without_rows_does_not_pass(
    clean: Path, tmp_path: Path, datasets: list[dict[str, str]]
) -> None:
    recorded = str(clean.parent / "recorded.jsonl")
    recipe = {
        "name": "empty",
        "problems": {"kind": "jsonl", "path": recorded, "split": "train"},
        "teachers": {"t": {"kind": "replay", "path": recorded, "attempts": "attempts"}},
        "search": {"kind": "sample", "n": 1, "prompt": "question"},
        "verifier": {"kind": "math"},
        "datasets": datasets,
    }
    cotgen.run(cotgen.parse_recipe(recipe), outputs=tmp_path)
    said = CliRunner().invoke(app, ["audit", str(tmp_path / "empty")])
    assert said.exit_code == 2
    assert "there is nothing to audit" in said.output
    assert "met" not in said.output


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exited:
        app(["audit", "nothing", "--outputs", str(tmp_path)], standalone_mode=False)
    assert exited.value.code == 2
