from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from cotgen import Summary, parse_recipe, run, run_async
from cotgen.errors import NoWorkers, RecipeError, TeacherError
from cotgen.protocols import Ask, Component, Price, Request
from cotgen.records import Attempt, Completion, Problem, Step, Verdict
from cotgen.runs import Run
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
        "dpo.jsonl", "dpo.parquet", "dpo.origin.jsonl",
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
    assert second.failed == {"search": 0, "chain": 0}
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
    with Run(recipe, tmp_path / "r", write=False) as opened:
        groups = list(opened.groups())
    assert [len(group.judged) for group in groups] == [6] * 6
    assert not (tmp_path / "r/chains.jsonl").exists()


def test_reading_a_run_while_it_is_locked_changes_nothing(tmp_path: Path) -> None:
    go(tmp_path, until="search")
    before = files(tmp_path)
    recipe = parse_recipe(BASE)
    with RunFolder(tmp_path / "r").locked(), Run(recipe, tmp_path / "r", write=False) as opened:
        assert all(judged.verdict is None for group in opened.groups() for judged in group.judged)
    assert files(tmp_path) == before


def test_an_attempt_keeps_its_text_byte_for_byte() -> None:
    attempt = Attempt((Step("a \n\n"), Step("b")), thought_steps=1)
    assert (attempt.text, attempt.thought, attempt.solution) == ("a \n\nb", "a \n\n", "b")
