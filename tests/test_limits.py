"""Limits: spending stays below them, what was bought is used, the next run goes on."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from server import Server, samples_served, start_server

import cotgen
from cotgen.errors import LIMIT, LimitReached, RecipeError
from cotgen.limits import Allowance, Budget, Limits, Use, duration_s, used
from cotgen.pipeline import run, run_async
from cotgen.protocols import Price, Request
from cotgen.recipe import parse_recipe
from cotgen.records import Completion, Message, Sampling
from cotgen.store.journal import Journal, Spent
from cotgen.summary import Summary, read_summary

COTGEN = Path(sys.executable).with_name("cotgen")
INPUT, OUTPUT = "0.37", "61.3"
"""USD per million tokens: dear, so that $0.50 is soon spent; odd, so that floats would round."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(tmp_path_factory.mktemp("server"), latency_ms=15) as server:
        yield server


def recipe(url: str, limits: dict[str, object], **changes: Any) -> dict[str, Any]:
    teacher = {
        "kind": "openai",
        "model": "m",
        "base_url": url,
        "concurrency": 64,
        "price": {"input": float(INPUT), "output": float(OUTPUT)},
    }
    return {
        "name": "l",
        "problems": {"kind": "generated", "limit": 60},
        "teachers": {"t": teacher},
        "search": {"kind": "sample", "n": 4, "prompt": "question", "max_tokens": 300},
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}],
        "limits": limits,
        **changes,
    }


def entries(folder: Path, name: str = "l") -> list[Any]:
    lines = (folder / name / "journal.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def recorded_cost(folder: Path) -> Decimal:
    """By the tokens in the journal, with nothing of cotgen's arithmetic."""
    read: int = sum(c["prompt_tokens"] for e in entries(folder) for c in e["completions"])
    written: int = sum(c["tokens"] for e in entries(folder) for c in e["completions"])
    return (read * Decimal(INPUT) + written * Decimal(OUTPUT)) / 1_000_000


def same(first: Path, second: Path) -> list[str]:
    """The files that differ but for times, logs and what says how each start ended."""
    names = {"problems.jsonl", "attempts.jsonl", "verdicts.jsonl", "chains.jsonl"}
    names |= {f"datasets/{path.name}" for path in (second / "l/datasets").iterdir()}
    found = [n for n in names if (first / "l" / n).read_bytes() != (second / "l" / n).read_bytes()]
    return sorted(found)


def test_half_a_dollar_is_not_exceeded_and_the_spend_is_exact(
    server: Server, tmp_path: Path
) -> None:
    made = recipe(server.url, {"cost_usd": 0.5}, problems={"kind": "generated", "limit": 900})
    path = tmp_path / "r.json"
    path.write_text(json.dumps(made))
    command: list[str | Path] = [COTGEN, "run", path, "--outputs", tmp_path / "a"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == LIMIT, done.stderr
    assert "limits.cost_usd is reached" in done.stderr
    assert "run again to go on" in done.stderr
    summary = read_summary(tmp_path / "a/l")
    spent = recorded_cost(tmp_path / "a")
    assert Decimal("0.47") < spent <= Decimal("0.5")
    assert Decimal(str(summary.cost_usd)) == spent
    assert summary.state == "limit"
    # What was bought is used: verdicts for all of it, and rows.
    assert sum(summary.verdicts.values()) == summary.attempts > 0
    assert summary.rows["sft"] > 0


def test_the_next_run_goes_on_to_the_files_of_one_without_limits(
    server: Server, tmp_path: Path
) -> None:
    whole = run(parse_recipe(recipe(server.url, {})), outputs=tmp_path / "whole")
    assert whole.state == "complete"
    limited = parse_recipe(recipe(server.url, {"cost_usd": 0.3}))
    before = len(samples_served(server.log()))
    starts = 0
    while True:
        starts += 1
        summary = run(limited, outputs=tmp_path / "limited")
        assert Decimal(str(summary.cost_usd)) <= Decimal("0.3") * starts
        if summary.state == "complete":
            break
        assert summary.state == "limit"
    assert starts > 2
    assert same(tmp_path / "limited", tmp_path / "whole") == []
    # The samples are those of the first run: nothing else was asked, and nothing twice.
    served = samples_served(server.log())
    assert len(served) == before
    mine = Counter(
        (e["asked"], e["first"] + i)
        for e in entries(tmp_path / "limited")
        for i in range(len(e["completions"]))
    )
    assert max(mine.values()) == 1
    assert mine.total() == 240


def test_limits_change_no_digest(server: Server, tmp_path: Path) -> None:
    run(parse_recipe(recipe(server.url, {"attempts": 60})), outputs=tmp_path)
    manifest = json.loads((tmp_path / "l/manifest.json").read_text())
    run(parse_recipe(recipe(server.url, {"attempts": 70, "grace_s": 3})), outputs=tmp_path)
    assert json.loads((tmp_path / "l/manifest.json").read_text())["tables"] == manifest["tables"]


@pytest.mark.parametrize(
    ("limits", "attempts", "requests"),
    [({"attempts": 50}, 48, 12), ({"requests": 7}, 28, 7), ({"attempts": 3}, 3, 1)],
)
def test_attempts_and_requests_are_kept_to_exactly(
    server: Server, tmp_path: Path, limits: dict[str, object], attempts: int, requests: int
) -> None:
    summary = run(parse_recipe(recipe(server.url, limits)), outputs=tmp_path)
    assert summary.state == "limit"
    assert re.match(r"limits\.(attempts|requests) is reached: ", summary.said)
    bought = entries(tmp_path)
    assert sum(len(each["completions"]) for each in bought) == attempts
    assert len(bought) == requests


def test_tokens_are_limited_too_and_of_all_starts_if_the_recipe_says_so(
    server: Server, tmp_path: Path
) -> None:
    limits = {"tokens": 5000, "per": "run"}
    first = run(parse_recipe(recipe(server.url, limits)), outputs=tmp_path)
    assert first.state == "limit"
    assert 4000 < first.tokens <= 5000
    again = run(parse_recipe(recipe(server.url, limits)), outputs=tmp_path)
    assert again.tokens <= 5000
    more = run(parse_recipe(recipe(server.url, {**limits, "tokens": 9000})), outputs=tmp_path)
    assert 8000 < more.tokens <= 9000


def test_several_teachers_share_one_budget(server: Server, tmp_path: Path) -> None:
    made = recipe(server.url, {"cost_usd": 0.3})
    made["teachers"] = {
        "a": made["teachers"]["t"] | {"model": "a", "price": {"input": 1, "output": 30}},
        "b": made["teachers"]["t"] | {"model": "b", "price": {"input": 2, "output": 90}},
    }
    summary = run(parse_recipe(made), outputs=tmp_path)
    assert summary.state == "limit"
    assert 0.24 < summary.cost_usd <= 0.3
    assert {each["teacher"] for each in entries(tmp_path)} == {"a", "b"}


def test_a_limit_of_a_series_counts_what_was_spent_before(server: Server, tmp_path: Path) -> None:
    series = Allowance(Limits(cost_usd=1.0), Use(cost_usd=Decimal("0.8")), "series.limits")
    loaded = parse_recipe(recipe(server.url, {"cost_usd": 0.7}))
    summary = asyncio.run(run_async(loaded, outputs=tmp_path, beside=[series]))
    assert summary.said.startswith("series.limits.cost_usd is reached: $0.9")
    assert 0.17 < summary.cost_usd <= 0.2


def test_a_deadline_ends_sampling_and_the_rest_is_done(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=300) as slow:
        made = recipe(slow.url, {"deadline": 1.5})
        made["teachers"]["t"]["concurrency"] = 4
        started = time.monotonic()
        summary = run(parse_recipe(made), outputs=tmp_path)
        assert 1.5 <= time.monotonic() - started < 8
    assert summary.state == "limit"
    assert "limits.deadline is reached: 0:00:02 are over" in summary.said
    assert summary.unaccounted == 0
    assert 0 < summary.attempts == sum(summary.verdicts.values()) < 240


def test_what_is_in_flight_long_after_the_deadline_is_given_up_and_said(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=20_000) as slow:
        made = recipe(slow.url, {"deadline": 1, "grace_s": 0.3})
        made["teachers"]["t"]["concurrency"] = 5
        started = time.monotonic()
        summary = run(parse_recipe(made), outputs=tmp_path)
        assert time.monotonic() - started < 8
    assert summary.state == "limit"
    assert summary.unaccounted == 5
    assert summary.problems == 60


def test_a_deadline_after_the_work_is_no_limit(server: Server, tmp_path: Path) -> None:
    summary = run(parse_recipe(recipe(server.url, {"deadline": "1h"})), outputs=tmp_path)
    assert summary.state == "complete"


def test_teachers_that_are_not_paid_are_limited_by_attempts(tmp_path: Path) -> None:
    loaded = cotgen.load_recipe(
        Path(__file__).parents[1] / "recipes/scripted.yaml",
        ["problems.limit=20", "search.n=4", "limits.attempts=30"],
    )
    summary = cotgen.run(loaded, outputs=tmp_path)
    assert summary.state == "limit"
    # Without a journal only whole searches are kept.
    assert summary.attempts == 28


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"cost_usd": 0}, "limits.cost_usd: Input should be greater than 0"),
        ({"cost": 1}, "limits.cost: there is no such key; did you mean cost_usd?"),
        ({"deadline": "6 hours"}, "limits.deadline: write a duration (6h, 1h30m, 90m, 45s)"),
        ({"tokens": -1}, "limits.tokens: Input should be greater than 0"),
    ],
)
def test_a_wrong_limit_is_explained(limits: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe("http://127.0.0.1:1/v1", limits))
    assert said in str(caught.value)


def test_a_cost_cannot_be_limited_without_prices() -> None:
    made = recipe("http://127.0.0.1:1/v1", {"cost_usd": 1})
    del made["teachers"]["t"]["price"]
    with pytest.raises(RecipeError, match=r"limits.cost_usd: teachers.t names no price"):
        parse_recipe(made)
    made["series"] = made.pop("limits")
    with pytest.raises(RecipeError, match=r"series.cost_usd: teachers.t names no price"):
        parse_recipe(made)


def test_durations() -> None:
    assert [duration_s(each) for each in ("6h", "1h30m", "90m", "45s", "1d", 30)] == [
        21_600, 5_400, 5_400, 45, 86_400, 30,
    ]  # fmt: skip


def test_prices_are_counted_without_rounding() -> None:
    price = Price(input=0.1, output=0.2)
    assert price.of(3, 0) == Decimal("0.0000003")
    spent = {"a": Spent(tokens=1), "b": Spent(tokens=10**12)}
    assert used(spent, {"a": price, "b": price}).cost_usd == Decimal("200000.0000002")


def asked(n: int = 1, max_tokens: int = 1000) -> Request:
    return Request("q", (Message("user", "q"),), Sampling(n=n, max_tokens=max_tokens), 0)


def test_a_budget_smaller_than_the_worst_case_does_not_starve() -> None:
    """One request is asked to learn from; then the mean counts, not `max_tokens`."""

    async def go() -> int:
        budget = Budget({"t": Price(input=0, output=1)}, [Allowance(Limits(cost_usd=0.005))])
        done = 0

        async def ask() -> None:
            nonlocal done
            admitted = await budget.admit("t", asked(max_tokens=100_000))
            await asyncio.sleep(0.001)
            budget.answered(admitted, [Completion("x", tokens=50)], asked())
            done += 1

        await asyncio.gather(*(ask() for _ in range(300)), return_exceptions=True)
        return done

    assert 96 <= asyncio.run(go()) <= 100


def test_whoever_waits_for_the_budget_may_be_cancelled() -> None:
    async def go() -> None:
        budget = Budget({}, [Allowance(Limits(attempts=2))])
        first = await budget.admit("t", asked(n=2))
        waiting = [asyncio.create_task(budget.admit("t", asked())) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        budget.failed(first, costly=False)
        assert (await waiting[1]).samples == 1
        assert waiting[0].cancelled()

    asyncio.run(go())


def test_a_server_that_counts_no_tokens_is_limited_by_what_it_wrote() -> None:
    async def go() -> Decimal:
        budget = Budget({"t": Price(input=1, output=1)}, [Allowance(Limits(tokens=5000))])
        sent = 0
        try:
            while sent < 100:
                admitted = await budget.admit("t", asked())
                sent += 1
                budget.answered(admitted, [Completion("x" * 900)], asked())
        except LimitReached as error:
            assert "not counted" in str(error)  # noqa: PT017 - not the first call raises it
        assert 5 <= sent <= 17
        return budget.used.cost_usd

    assert asyncio.run(go()) == 0


def test_a_lost_answer_counts_against_the_limit() -> None:
    async def go() -> int:
        budget = Budget({}, [Allowance(Limits(tokens=10_000))])
        for sent in range(100):
            try:
                admitted = await budget.admit("t", asked(max_tokens=2000))
            except LimitReached:
                return sent
            budget.failed(admitted, costly=True)
        return 100

    assert asyncio.run(go()) == 5


def test_the_journal_counts_requests(tmp_path: Path, server: Server) -> None:
    summary = run(parse_recipe(recipe(server.url, {"requests": 5})), outputs=tmp_path)
    journal = Journal(tmp_path / "l/journal.jsonl")
    journal.close()
    assert journal.spent["t"].requests == 5
    assert isinstance(summary, Summary)
