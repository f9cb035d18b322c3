from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import ValidationError

from cotgen import Recipe, Summary, parse_recipe, run, run_async
from cotgen.errors import NoWorkers, RecipeError, TeacherError
from cotgen.protocols import Ask, Component, Price, Request
from cotgen.records import Attempt, Completion, Problem, Step, Verdict
from cotgen.runs import Run, shape_of
from cotgen.store.folder import RunFolder

BASE: dict[str, Any] = {
    "name": "r",
    "seed": 1,
    "problems": {"kind": "generated", "limit": 6},
    "teachers": {"a": {"kind": "scripted"}},
    "search": {"kind": "sample", "n": 6},
    "verifier": {"kind": "math"},
    "chains": {"kind": "revision"},
    "datasets": [{"kind": "sft", "from": "chains"}, {"kind": "dpo"}],
}


def go(outputs: Path, until: Literal["search", "emit"] = "emit", **changes: Any) -> Summary:
    return run(parse_recipe(BASE | changes), outputs=outputs, until=until)


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


def test_the_numbers_agree_with_the_tables(tmp_path: Path) -> None:
    summary = go(tmp_path)
    verdicts = [line["outcome"] for line in lines(tmp_path / "r/verdicts.jsonl")]
    chains = [chain for line in lines(tmp_path / "r/chains.jsonl") for chain in line["chains"]]
    assert summary.problems == 6
    assert summary.attempts == len(verdicts) == 36
    assert summary.verdicts == {
        outcome: verdicts.count(outcome)
        for outcome in ("correct", "incorrect", "unverifiable", "unfinished")
    }
    assert summary.chains == len(chains) == verdicts.count("correct")
    assert summary.wrong_in_chains == sum(len(chain["attempts"]) - 1 for chain in chains)
    for name, rows in summary.rows.items():
        assert len(lines(tmp_path / f"r/datasets/{name}.jsonl")) == rows
    assert set(summary.seconds) == {"load", "search", "verify", "chain", "emit"}


def test_every_teacher_searches_every_problem_and_one_can_be_added(tmp_path: Path) -> None:
    two = {"a": {"kind": "scripted"}, "b": {"kind": "scripted", "accuracy": 0.5}}
    go(tmp_path / "grown")
    assert go(tmp_path / "grown", teachers=two).attempts == 72
    go(tmp_path / "once", teachers=two)
    assert files(tmp_path / "grown") == files(tmp_path / "once")
    with pytest.raises(RecipeError, match=r"teachers\.b\.kind"):
        go(tmp_path / "grown")


def test_a_smaller_limit_works_on_the_first_problems_and_keeps_the_others(tmp_path: Path) -> None:
    go(tmp_path)
    before = files(tmp_path)
    assert go(tmp_path, problems={"kind": "generated", "limit": 2}).problems == 2
    assert go(tmp_path).problems == 6
    assert files(tmp_path) == before


def test_a_dataset_that_left_the_recipe_leaves_the_folder(tmp_path: Path) -> None:
    go(tmp_path)
    go(tmp_path, datasets=[{"kind": "dpo"}])
    assert {path.name for path in (tmp_path / "r/datasets").iterdir()} == {
        "dpo.jsonl", "dpo.parquet", "dpo.origin.jsonl", "dpo.yaml", "README.md",
    }  # fmt: skip


def test_a_deleted_dataset_and_a_deleted_table_are_made_again(tmp_path: Path) -> None:
    go(tmp_path)
    before = files(tmp_path)
    for name in ("datasets/dpo.parquet", "chains.jsonl", "verdicts.jsonl", "summary.json"):
        (tmp_path / "r" / name).unlink()
        go(tmp_path)
        assert files(tmp_path) == before, name


def test_a_run_works_inside_an_event_loop(tmp_path: Path) -> None:
    summary = asyncio.run(run_async(parse_recipe(BASE), outputs=tmp_path))
    assert summary.attempts == 36


class Moody(Component):
    """A teacher that fails on some questions as long as a file stands."""

    paid: ClassVar[bool] = True
    retries: ClassVar[int] = 0
    price: ClassVar[Price | None] = Price(input=1.0, output=10.0)
    incidental = frozenset({"trouble", "asked"})

    kind: Literal["moody"] = "moody"
    concurrency: int = 2
    trouble: Path
    asked: Path
    """Lists every sample that was paid for."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        yield self._ask

    async def _ask(self, request: Request) -> list[Completion]:
        number = request.sampling.first
        if self.trouble.exists() and number == 1 and "9." in request.question:
            raise TeacherError("not today", retryable=False)
        with self.asked.open("a", encoding="utf-8") as file:
            file.write(f"{request.question} {number} {request.seed}\n")
        # One sample a request, whatever was asked for.
        return [Completion(f"\\boxed{{{number}}}", tokens=5, prompt_tokens=7)]


def test_a_failed_search_is_owed_again_and_its_paid_samples_are_not_bought_twice(
    tmp_path: Path,
) -> None:
    moody = Moody(trouble=tmp_path / "trouble", asked=tmp_path / "asked")
    moody.trouble.touch()
    recipe = parse_recipe(BASE | {"problems": {"kind": "generated", "limit": 12}})
    recipe = recipe.model_copy(update={"teachers": {"m": moody}})
    first = run(recipe, outputs=tmp_path)
    assert 0 < first.failed["search"] < 12
    assert first.reasons == {"not today": first.failed["search"]}
    moody.trouble.unlink()
    second = run(recipe, outputs=tmp_path)
    assert second.failed == {"search": 0}
    assert second.attempts == 72
    asked = moody.asked.read_text(encoding="utf-8").splitlines()
    assert len(asked) == len(set(asked)) == 72
    assert second.tokens == 72 * 12
    assert second.cost_usd == pytest.approx(72 * (5 * 10 + 7 * 1) / 1e6)


def test_chains_are_made_again_when_a_later_run_mends_a_search(tmp_path: Path) -> None:
    moody = Moody(trouble=tmp_path / "trouble", asked=tmp_path / "asked")
    moody.trouble.touch()
    problems = {"kind": "generated", "limit": 12}
    both = parse_recipe(BASE | {"problems": problems})
    both = both.model_copy(update={"teachers": {**both.teachers, "m": moody}})
    run(both, outputs=tmp_path / "mended")
    moody.trouble.unlink()
    run(both, outputs=tmp_path / "mended")
    run(both, outputs=tmp_path / "undisturbed")
    mended, undisturbed = (
        {name: data for name, data in files(tmp_path / each).items() if "journal" not in name}
        for each in ("mended", "undisturbed")
    )
    assert mended == undisturbed


def test_the_seeds_of_samples_do_not_depend_on_how_they_are_asked_for(tmp_path: Path) -> None:
    moody = Moody(trouble=tmp_path / "none", asked=tmp_path / "asked")
    recipe = parse_recipe(BASE).model_copy(update={"teachers": {"m": moody}})
    run(recipe, outputs=tmp_path)
    seeds: dict[str, dict[int, int]] = {}
    for line in moody.asked.read_text(encoding="utf-8").splitlines():
        question, number, seed = line.rsplit(" ", 2)
        seeds.setdefault(question, {})[int(number)] = int(seed)
    for by_number in seeds.values():
        assert {seed - number for number, seed in by_number.items()} == {by_number[0]}
    assert len({by_number[0] for by_number in seeds.values()}) == 6


def test_with_redo_search_paid_samples_are_taken_from_the_journal(tmp_path: Path) -> None:
    moody = Moody(trouble=tmp_path / "none", asked=tmp_path / "asked")
    recipe = parse_recipe(BASE).model_copy(update={"teachers": {"m": moody}})
    run(recipe, outputs=tmp_path)
    before = files(tmp_path / "r")
    asyncio.run(run_async(recipe, outputs=tmp_path, redo="search"))
    assert files(tmp_path / "r") == before
    assert len(moody.asked.read_text(encoding="utf-8").splitlines()) == 36


class Broken(Component):
    """A verifier that cannot be brought into a worker process."""

    kind: Literal["broken"] = "broken"
    timeout_s: float = 1.0

    def __reduce__(self) -> tuple[Any, ...]:
        return (_fails, ())

    def verify(self, problem: Problem, solution: str) -> Verdict:
        raise AssertionError


def _fails() -> None:
    raise RuntimeError("cannot be unpickled")


@pytest.mark.timeout(60)
def test_workers_that_cannot_start_stop_the_run_and_judge_nothing(tmp_path: Path) -> None:
    recipe = parse_recipe(BASE).model_copy(update={"verifier": Broken()})
    with pytest.raises(NoWorkers):
        run(recipe, outputs=tmp_path)
    judged = {line["outcome"] for line in lines(tmp_path / "r/verdicts.jsonl")}
    assert judged <= {"unfinished"}
    mended = asyncio.run(run_async(parse_recipe(BASE), outputs=tmp_path, redo="verify"))
    assert mended.verdicts["correct"] > 0


class Slow(Component):
    """A verifier that never ends on one answer."""

    kind: Literal["slow"] = "slow"
    timeout_s: float = 0.5

    def verify(self, problem: Problem, solution: str) -> Verdict:
        while solution.startswith("Step by step"):
            pass
        return Verdict("correct")


def test_a_late_verdict_is_unverifiable_and_enters_no_dataset(tmp_path: Path) -> None:
    recipe = parse_recipe(BASE | {"problems": {"kind": "generated", "limit": 2}})
    summary = run(recipe.model_copy(update={"verifier": Slow()}), outputs=tmp_path)
    late = [line for line in lines(tmp_path / "r/verdicts.jsonl") if "timed out" in line["reason"]]
    assert len(late) == summary.verdicts["unverifiable"] > 0
    assert summary.verdicts["incorrect"] == 0
    emitted = [id for row in lines(tmp_path / "r/datasets/sft-multiturn.origin.jsonl")
               for id in row["attempts"]]  # fmt: skip
    assert {line["id"] for line in late}.isdisjoint(emitted)


def test_attempts_that_did_not_stop_by_themselves_are_never_verified(tmp_path: Path) -> None:
    all_cut = {"a": {"kind": "scripted", "cut": 1.0}}
    summary = go(tmp_path, teachers=all_cut)
    assert summary.verdicts["unfinished"] == 36
    assert summary.rows == {"sft-multiturn": 0, "dpo": 0}


def test_a_group_streams_without_a_chain_stage(tmp_path: Path) -> None:
    recipe = parse_recipe(BASE | {"chains": None, "datasets": []})
    run(recipe, outputs=tmp_path)
    with Run(shape_of(recipe), tmp_path / "r", write=False) as opened:
        groups = list(opened.groups())
    assert [len(group.judged) for group in groups] == [6] * 6
    assert not (tmp_path / "r/chains.jsonl").exists()


def test_reading_a_run_while_it_is_locked_changes_nothing(tmp_path: Path) -> None:
    go(tmp_path, until="search")
    before = files(tmp_path)
    reader = Run(shape_of(parse_recipe(BASE)), tmp_path / "r", write=False)
    with RunFolder(tmp_path / "r").locked(), reader as opened:
        assert all(judged.verdict is None for group in opened.groups() for judged in group.judged)
    assert files(tmp_path) == before


def test_an_attempt_keeps_its_text_byte_for_byte() -> None:
    attempt = Attempt((Step("a \n\n"), Step("b")), thought_steps=1)
    assert (attempt.text, attempt.thought, attempt.solution) == ("a \n\nb", "a \n\n", "b")


def recorded(path: Path, *texts: str, gold: str = "4") -> dict[str, Any]:
    """Sections of a recipe over one recorded problem."""
    row = {"id": "p", "question": "2 + 2?", "answer": gold, "attempts": texts}
    path.write_text(json.dumps(row), encoding="utf-8")
    return {
        "problems": {"kind": "jsonl", "path": str(path)},
        "teachers": {"t": {"kind": "replay", "path": str(path), "attempts": "attempts"}},
    }


def outcomes(outputs: Path) -> list[str]:
    return [line["outcome"] for line in lines(outputs / "r/verdicts.jsonl")]


def test_growing_keeps_the_attempts_there_are_whatever_the_recording_says_now(
    tmp_path: Path,
) -> None:
    file, right, wrong = tmp_path / "p.jsonl", "\\boxed{4}", "\\boxed{5}"
    sections = recorded(file, right, wrong, right, wrong)
    go(tmp_path, **sections, search={"kind": "sample", "n": 2})
    recorded(file, wrong, right, right, wrong)
    go(tmp_path, **sections, search={"kind": "sample", "n": 4})
    assert outcomes(tmp_path) == ["correct", "incorrect", "correct", "incorrect"]
    for row in lines(tmp_path / "r/datasets/dpo.jsonl"):
        assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == (right, wrong)


def test_a_verdict_on_another_text_or_gold_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    sections = recorded(file, "\\boxed{4}", "\\boxed{5}")
    search = {"kind": "sample", "n": 2}
    go(tmp_path, **sections, search=search)
    recorded(file, "\\boxed{5}", "\\boxed{4}")
    (tmp_path / "r/attempts.jsonl").unlink()
    go(tmp_path, **sections, search=search)
    assert outcomes(tmp_path) == ["incorrect", "correct"]
    recorded(file, "\\boxed{5}", "\\boxed{4}", gold="5")
    (tmp_path / "r/problems.jsonl").unlink()
    go(tmp_path, **sections, search=search)
    assert outcomes(tmp_path) == ["correct", "incorrect"]
    (pair,) = lines(tmp_path / "r/datasets/dpo.jsonl")
    assert pair["chosen"][0]["content"] == "\\boxed{5}"


def test_a_redo_that_is_refused_deletes_nothing(tmp_path: Path) -> None:
    go(tmp_path)
    before = files(tmp_path)
    other = parse_recipe(BASE | {"problems": {"kind": "generated", "limit": 6, "seed": 5}})
    with pytest.raises(RecipeError, match=r"problems\.seed"):
        asyncio.run(run_async(other, outputs=tmp_path, redo="search"))
    assert files(tmp_path) == before


def test_a_recipe_that_no_longer_allows_test_problems_is_refused(tmp_path: Path) -> None:
    sections = recorded(tmp_path / "p.jsonl", "\\boxed{4}")
    sections["problems"]["split"] = "test"
    search = {"kind": "sample", "n": 1}
    go(tmp_path, **sections, search=search, datasets=[{"kind": "sft", "allow_test": True}])
    with pytest.raises(RecipeError, match="is of a test split"):
        go(tmp_path, **sections, search=search, datasets=[{"kind": "sft"}])


def test_an_emit_that_was_cut_short_is_not_taken_for_another_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cotgen.export import DatasetWriter

    go(tmp_path)
    before = files(tmp_path)
    finish = DatasetWriter.finish
    done: list[DatasetWriter] = []

    def dies_after_one(writer: DatasetWriter) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(writer)
        finish(writer)

    fewer = [{"kind": "sft", "from": "chains", "per_problem": 1}, {"kind": "dpo"}]
    monkeypatch.setattr(DatasetWriter, "finish", dies_after_one)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, datasets=[*fewer[:1], {"kind": "dpo", "pairs_per_problem": 1}])
    monkeypatch.undo()
    assert files(tmp_path) != before
    go(tmp_path)
    assert files(tmp_path) == before


def test_a_problem_with_enough_attempts_stays_as_it_is_when_n_grows(tmp_path: Path) -> None:
    def attempts(n: int) -> dict[str, tuple[int, bool]]:
        search = {"kind": "sample", "n": n, "wave": 2, "until": {"correct": 1, "wrong": 1}}
        raw = {"problems": {"kind": "generated", "limit": 40}, "search": search}
        recipe = parse_recipe(BASE | raw)
        run(recipe, outputs=tmp_path, until="search")
        before = (tmp_path / "r/attempts.jsonl").stat().st_mtime_ns
        run(recipe, outputs=tmp_path, until="search")
        assert (tmp_path / "r/attempts.jsonl").stat().st_mtime_ns == before
        found = lines(tmp_path / "r/attempts.jsonl")
        return {line["id"]: (len(line["attempts"]), line["enough"]) for line in found}

    small, large = attempts(4), attempts(8)
    assert {enough for _, enough in small.values()} == {True, False}
    for id, (count, enough) in small.items():
        # Whether the fourth attempt was enough is only asked when there may be a fifth.
        assert large[id] == (count, True) or (not enough and large[id][0] > 4)
    assert max(count for count, _ in large.values()) > 4


def test_another_recipe_seed_samples_anew(tmp_path: Path) -> None:
    moody = Moody(trouble=tmp_path / "none", asked=tmp_path / "asked")
    recipe = parse_recipe(BASE).model_copy(update={"teachers": {"m": moody}})
    run(recipe, outputs=tmp_path)
    other = recipe.model_copy(update={"seed": 2})
    asyncio.run(run_async(other, outputs=tmp_path, redo="search"))
    asked = moody.asked.read_text(encoding="utf-8").splitlines()
    assert len(asked) == len(set(asked)) == 72


class Nameless(Component):
    """A verifier without a kind that finds everything right."""

    timeout_s: float = 1.0

    def verify(self, problem: Problem, solution: str) -> Verdict:
        return Verdict("correct")


class NamelessToo(Nameless):
    """Another one."""


def test_two_verifiers_without_a_kind_are_not_taken_for_one(tmp_path: Path) -> None:
    recipe = parse_recipe(BASE)
    run(Recipe(**{**dict(recipe), "verifier": Nameless()}), outputs=tmp_path)
    with pytest.raises(RecipeError, match=r"verifier\.class"):
        run(Recipe(**{**dict(recipe), "verifier": NamelessToo()}), outputs=tmp_path)


def test_a_component_of_the_wrong_family_is_refused() -> None:
    recipe = dict(parse_recipe(BASE))
    with pytest.raises(ValidationError, match="SampleSearch has no verify, timeout_s"):
        Recipe(**{**recipe, "verifier": recipe["search"]})


def test_a_run_inside_a_loop_says_what_to_do() -> None:
    async def inside() -> None:
        with pytest.raises(RuntimeError, match="await run_async"):
            run(parse_recipe(BASE))

    asyncio.run(inside())


class Lapsing(Moody):
    """A teacher whose key stops working while other requests are in flight."""

    async def _ask(self, request: Request) -> list[Completion]:
        await asyncio.sleep(0.01)
        if "9." in request.question:
            raise RecipeError("the key has lapsed")
        await asyncio.sleep(0.04)
        with self.asked.open("a", encoding="utf-8") as file:
            file.write("paid\n")
        return [Completion("\\boxed{1}")]


def test_what_is_in_flight_when_a_run_is_stopped_is_kept(tmp_path: Path) -> None:
    lapsing = Lapsing(trouble=tmp_path / "none", asked=tmp_path / "asked", concurrency=12)
    recipe = parse_recipe(BASE | {"problems": {"kind": "generated", "limit": 12}})
    with pytest.raises(RecipeError, match="lapsed"):
        run(recipe.model_copy(update={"teachers": {"m": lapsing}}), outputs=tmp_path)
    paid = (tmp_path / "asked").read_text(encoding="utf-8").count("paid")
    kept = sum(len(entry["completions"]) for entry in lines(tmp_path / "r/journal.jsonl"))
    assert kept == paid > 0
