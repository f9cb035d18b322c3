"""Filters in a run: what they drop is nowhere, what they keep is as if nothing else had been."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from cotgen import Recipe, Summary, parse_recipe, run
from cotgen.errors import RecipeError
from cotgen.pipeline import Stage
from cotgen.protocols import Component, Decision, Draw, Groups
from cotgen.runs import Run, saved_shape

BASE: dict[str, Any] = {
    "name": "r",
    "seed": 1,
    "problems": {"kind": "generated", "limit": 12},
    "teachers": {"a": {"kind": "scripted"}},
    "search": {"kind": "sample", "n": 8},
    "verifier": {"kind": "math"},
    "chains": {"kind": "revision"},
    "datasets": [
        {"kind": "sft", "from": "chains"},
        {"kind": "dpo"},
        {"kind": "rl"},
        {"kind": "kto"},
    ],
}
FILTERS: list[dict[str, Any]] = [
    {"kind": "difficulty", "low": 0.3, "high": 0.8},
    {"kind": "length", "max": 6, "unit": "steps"},
    {"kind": "dedup"},
    {"kind": "per_problem", "k": 2, "pick": "nearest"},
    {"kind": "dedup", "near": 0.5},
]


def go(outputs: Path, until: Stage = "emit", **changes: Any) -> Summary:
    return run(parse_recipe(BASE | changes), outputs=outputs, until=until)


Begin = Callable[[str], Path]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose attempts are judged. Not to be changed."""
    outputs = tmp_path_factory.mktemp("judged")
    go(outputs, until="verify")
    return outputs


@pytest.fixture
def begin(judged: Path, tmp_path: Path) -> Begin:
    """Makes a folder with a copy of that run."""
    return lambda name: Path(shutil.copytree(judged, tmp_path / name))


def files(outputs: Path) -> dict[str, bytes]:
    """What a run made, but for how long it took and what was logged."""
    skipped = {"summary.json", "run.log", ".lock"}
    return {
        str(path.relative_to(outputs)): path.read_bytes()
        for path in sorted(outputs.rglob("*"))
        if path.is_file() and path.name not in skipped
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def times(outputs: Path) -> dict[str, int]:
    return {
        name: (outputs / "r" / name).stat().st_mtime_ns
        for name in ("problems.jsonl", "attempts.jsonl", "verdicts.jsonl")
    }


def test_what_is_dropped_is_in_no_chain_and_in_no_row(begin: Begin) -> None:
    outputs = begin("run")
    summary = go(outputs, filters=FILTERS)
    gone = {(line["thing"], line["id"]) for line in lines(outputs / "r/filtered.jsonl")}
    attempts = {id for thing, id in gone if thing == "attempt"}
    problems = {id for thing, id in gone if thing == "problem"}
    assert attempts
    assert problems
    shown = 0
    for line in lines(outputs / "r/chains.jsonl"):
        assert not (line["id"] in problems and line["chains"])
        for chain in line["chains"]:
            links = {link["attempt"] for link in chain["links"]}
            assert not attempts & {*chain["attempts"], chain["nearest"], *links}
            shown += len(chain["attempts"])
    assert shown > summary.chains > 0
    for name in summary.rows:
        origins = lines(outputs / f"r/datasets/{name}.origin.jsonl")
        assert origins
        assert not problems & {origin["problem"] for origin in origins}
        assert not attempts & {id for origin in origins for id in origin["attempts"]}


def test_the_numbers_agree_with_the_lines(begin: Begin) -> None:
    outputs = begin("run")
    summary = go(outputs, filters=FILTERS)
    assert isinstance(summary.filtered, dict)
    assert list(summary.filtered) == ["difficulty", "length", "dedup", "per_problem", "dedup-2"]
    written = lines(outputs / "r/filtered.jsonl")
    assert len({(line["thing"], line["id"]) for line in written}) == len(written)
    for name, dropped in summary.filtered.items():
        mine = [line for line in written if line["filter"] == name]
        assert dropped.reasons == Counter(line["reason"] for line in mine)
        whole = [line for line in mine if line["thing"] == "problem"]
        assert dropped.problems == len(whole)
        # Difficulty comes first: what it drops has all of its eight attempts.
        assert dropped.attempts == len(mine) - len(whole) + 8 * len(whole)
    with Run(saved_shape(outputs / "r"), outputs / "r", write=False) as opened:
        left = sum(len(group.judged) for group in opened.left_groups())
    assert left == 96 - sum(dropped.attempts for dropped in summary.filtered.values())
    manifest = json.loads((outputs / "r/manifest.json").read_bytes())
    assert (
        manifest["filtered"]["dropped"]["dedup"]["attempts"] == summary.filtered["dedup"].attempts
    )
    assert summary.attempts == 96
    assert sum(summary.verdicts.values()) == 96


def test_a_changed_filter_makes_chains_and_datasets_again_and_nothing_else(begin: Begin) -> None:
    changed = begin("changed")
    go(changed)
    before = times(changed)
    for filters in (FILTERS, FILTERS[:1], FILTERS[::-1], [{"kind": "per_problem", "k": 1}]):
        go(changed, filters=filters)
        fresh = begin(f"fresh-{len(filters)}-{filters[0]['kind']}")
        go(fresh, filters=filters)
        assert files(changed) == files(fresh)
    assert times(changed) == before


def test_a_run_that_loses_its_filters_is_as_if_it_never_had_any(begin: Begin) -> None:
    plain, lost = begin("plain"), begin("lost")
    go(plain)
    go(lost, filters=FILTERS)
    summary = go(lost)
    assert files(lost) == files(plain)
    assert "filtered" not in json.loads((lost / "r/summary.json").read_bytes())
    assert set(summary.seconds) == {"load", "search", "verify", "chain", "emit"}


def test_running_again_decides_nothing_again(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = begin("run")
    first = go(outputs, filters=FILTERS)
    before = files(outputs)
    monkeypatch.setattr("cotgen.pipeline.filter_run", None)
    again = go(outputs, filters=FILTERS)
    assert files(outputs) == before
    assert again == first


@pytest.mark.parametrize("harm", ["cut", "gone", "changed"])
def test_decisions_that_were_harmed_are_made_again(begin: Begin, harm: str) -> None:
    outputs = begin("run")
    go(outputs, filters=FILTERS)
    before, path = files(outputs), outputs / "r/filtered.jsonl"
    if harm == "gone":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-30] if harm == "cut" else data.replace(b"@a/1", b"@a/2", 1))
    go(outputs, filters=FILTERS)
    assert files(outputs) == before


def test_a_run_that_grows_is_as_if_it_had_been_so_large_at_once(
    tmp_path: Path, begin: Begin
) -> None:
    once, grown = begin("once"), tmp_path / "grown"
    for limit in (5, 12, 8, 12):
        go(grown, filters=FILTERS, problems={"kind": "generated", "limit": limit})
    go(once, filters=FILTERS)
    assert files(grown) == files(once)


def test_redo_decides_again_and_comes_to_the_same(begin: Begin) -> None:
    from cotgen import run_async

    outputs = begin("run")
    go(outputs, filters=FILTERS)
    before = files(outputs)
    recipe = parse_recipe(BASE | {"filters": FILTERS})
    for stage in ("filter", "verify"):
        asyncio.run(run_async(recipe, outputs=outputs, redo=stage))
        assert files(outputs) == before


class Stopping(Component):
    """Drops each first attempt, and stops in the middle as long as a file stands."""

    alone: ClassVar[bool] = False
    reads: ClassVar[tuple[Path, ...]] = ()

    kind: Literal["stopping"] = "stopping"
    path: Path
    by: Literal["error", "cancel"] = "error"

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        for number, group in enumerate(groups):
            yield Decision(group.judged[0].id, "attempt", "first")
            if number == 3 and self.path.exists():
                if self.by == "error":
                    raise OSError("stopped")
                task = asyncio.current_task()
                assert task is not None
                task.cancel()


@pytest.mark.parametrize("by", ["error", "cancel"])
def test_a_filter_that_was_stopped_leaves_nothing_half_done(
    tmp_path: Path, begin: Begin, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotgen.filtering._PAUSE_EVERY", 1)
    switch = tmp_path / "switch"
    own = Stopping.model_validate({"path": switch, "by": by})
    recipe = Recipe.model_validate(BASE | {"filters": (own,)})
    undisturbed, stopped = begin("undisturbed"), begin("stopped")
    run(recipe, outputs=undisturbed)
    switch.touch()
    with pytest.raises((OSError, asyncio.CancelledError)):
        run(recipe, outputs=stopped)
    assert not list((stopped / "r").glob("filtered*"))
    assert lines(stopped / "r/chains.jsonl") == []
    switch.unlink()
    run(recipe, outputs=stopped)
    assert files(stopped) == files(undisturbed)


def test_a_stop_between_two_recipes_does_not_mix_their_decisions(begin: Begin) -> None:
    """Killed after the file of the second was written, then run with the first again."""
    outputs = begin("run")
    go(outputs, filters=FILTERS)
    before = files(outputs)
    manifest = (outputs / "r/manifest.json").read_bytes()
    go(outputs, filters=FILTERS[:1], until="filter")
    (outputs / "r/manifest.json").write_bytes(manifest)
    go(outputs, filters=FILTERS)
    assert files(outputs) == before


# Written here in the manner of GSM8K's test questions; it is in no benchmark.
LEAK = (
    "Marisol's goose lays nineteen eggs in a week. She fries two for supper each evening and "
    "trades the rest at the harbour for $3 an egg. How many dollars does she bring home in a week?"
)


def recorded(folder: Path, *questions: str) -> dict[str, Any]:
    path = folder / "recorded.jsonl"
    rows = [{"id": f"p{n}", "question": each, "answer": "4"} for n, each in enumerate(questions)]
    texts = [{"attempts": [r"So it is \boxed{4}.", r"So it is \boxed{5}."]}] * len(rows)
    path.write_text(
        "".join(json.dumps(row | text) + "\n" for row, text in zip(rows, texts, strict=True))
    )
    return BASE | {
        "problems": {"kind": "jsonl", "path": path},
        "teachers": {"r": {"kind": "replay", "path": path, "attempts": "attempts"}},
        "search": {"kind": "sample", "n": 2},
        "chains": None,
        "datasets": [{"kind": "rl"}, {"kind": "dpo"}],
    }


def test_a_planted_benchmark_question_is_in_no_dataset(tmp_path: Path) -> None:
    benchmark = tmp_path / "test.jsonl"
    benchmark.write_text(json.dumps({"question": LEAK}) + "\n")
    changes = recorded(tmp_path, "What is 2 + 2?", f"Solve this. {LEAK}", "What is 1 + 3?")
    filters = [{"kind": "decontaminate", "files": [{"path": benchmark}]}]
    go(tmp_path, **changes | {"filters": filters})
    (found,) = lines(tmp_path / "r/filtered.jsonl")
    assert (found["id"], found["thing"]) == ("p1", "problem")
    assert found["match"] == f"{benchmark}:1"
    assert found["evidence"] == "marisol s goose lays nineteen eggs in a week she fries two for"
    for name in ("rl", "dpo"):
        text = (tmp_path / f"r/datasets/{name}.jsonl").read_text()
        assert "Marisol" not in text
        assert "What is 1 + 3?" in text


def test_another_benchmark_in_the_same_file_is_noticed(tmp_path: Path) -> None:
    benchmark = tmp_path / "test.jsonl"
    benchmark.write_text(json.dumps({"question": "Another question"}) + "\n")
    changes = recorded(tmp_path, "What is 2 + 2?", LEAK)
    changes["filters"] = [{"kind": "decontaminate", "files": [{"path": benchmark}]}]
    go(tmp_path, **changes)
    assert lines(tmp_path / "r/filtered.jsonl") == []
    benchmark.write_text(json.dumps({"question": LEAK}) + "\n")
    go(tmp_path, **changes)
    assert [line["id"] for line in lines(tmp_path / "r/filtered.jsonl")] == ["p1"]
    assert [row["problem"] for row in lines(tmp_path / "r/datasets/rl.origin.jsonl")] == ["p0"]


def test_a_benchmark_that_is_not_there_is_noticed_before_anything_is_asked(tmp_path: Path) -> None:
    filters = [{"kind": "dedup"}, {"kind": "decontaminate", "files": [{"path": "no.jsonl"}]}]
    with pytest.raises(RecipeError, match=r"filters\.1: no\.jsonl"):
        go(tmp_path, filters=filters)
    assert not (tmp_path / "r/attempts.jsonl").exists()


HUMANEVAL_53 = (
    '\n\ndef add(x: int, y: int):\n    """Add two numbers x and y\n'
    '    >>> add(2, 3)\n    5\n    >>> add(5, 7)\n    12\n    """\n'
)


def test_known_test_questions_that_a_filter_drops_do_not_stop_the_run(tmp_path: Path) -> None:
    changes = recorded(tmp_path, "What is 2 + 2?", HUMANEVAL_53)
    with pytest.raises(RecipeError, match=r"kind: decontaminate"):
        go(tmp_path / "refused", **changes)
    filters = [{"kind": "decontaminate", "test_sets": ["math-500"]}]
    with pytest.raises(RecipeError, match="humaneval"):
        go(tmp_path / "another", **changes | {"filters": filters})
    go(tmp_path, **changes | {"filters": [{"kind": "decontaminate"}]})
    assert [row["problem"] for row in lines(tmp_path / "r/datasets/rl.origin.jsonl")] == ["p0"]


def test_unknown_kinds_and_keys_of_filters_are_explained() -> None:
    with pytest.raises(RecipeError, match=r"filters\.0\.kind: choose one of dedup, decontaminate"):
        parse_recipe(BASE | {"filters": [{"kind": "dedupe"}]})
    with pytest.raises(RecipeError, match=r"filters\.1\.max_chars.*allowed.*tokenizer"):
        parse_recipe(BASE | {"filters": [{"kind": "dedup"}, {"kind": "length", "max_chars": 5}]})


def test_show_says_what_was_dropped(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    from cotgen.display import show_problem, show_run

    outputs = begin("run")
    summary = go(outputs, filters=FILTERS)
    assert isinstance(summary.filtered, dict)
    show_run(outputs / "r")
    said = " ".join(capsys.readouterr().out.split())
    assert f"dedup drops {summary.filtered['dedup'].attempts} attempts" in said
    line = next(each for each in lines(outputs / "r/filtered.jsonl") if each["filter"] == "dedup")
    show_problem(outputs / "r", line["id"].split("@")[0])
    said = " ".join(capsys.readouterr().out.split())
    assert f"dropped by dedup: {line['id']} duplicate · {line['match']}" in said


def test_the_card_names_the_filters_and_what_they_dropped(begin: Begin) -> None:
    from cotgen.publish import pack

    outputs = begin("run")
    summary = go(outputs, filters=FILTERS)
    assert isinstance(summary.filtered, dict)
    text = pack(outputs / "r", "org/name").text
    dropped = summary.filtered["dedup"]
    row = f"| … dropped by dedup | {dropped.attempts} | {dropped.attempts} duplicate |"
    assert row in text
    assert "| filter | difficulty |" in text
