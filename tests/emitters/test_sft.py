from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import MakeGroup
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rows import thought_text, trained_text, validate

from cotgen.chains.revision import RevisionChains
from cotgen.emitters.sft import SftEmitter
from cotgen.export import schema_of
from cotgen.protocols import Refusal, Row, Services
from cotgen.records import Attempt, Group, Judged, Outcome, Problem, Step, Verdict
from cotgen.wiring import draws

LAYOUTS = ("multiturn", "folded", "single")


async def _unused(*_: object) -> Any:
    raise AssertionError


def chained(group: Group, seed: int = 0) -> Group:
    services = Services(_unused, _unused, draws(seed))
    chains = asyncio.run(RevisionChains().build(group, services))
    return Group(group.problem, group.judged, tuple(chains))


def emit(group: Group, **settings: object) -> list[Row | Refusal]:
    return list(SftEmitter.model_validate(settings).emit(group, draws(0)))


def rows(group: Group, **settings: object) -> list[Row]:
    return [row for row in emit(group, **settings) if isinstance(row, Row)]


def test_attempts_give_one_row_for_each_correct_text(make_group: MakeGroup) -> None:
    group = make_group(
        ("is 4", "correct"), ("is 5", "incorrect"), ("is 4", "correct"), ("4!", "correct")
    )
    made = emit(group)
    assert made.count(Refusal("duplicate")) == 1
    assert [trained_text(row.columns) for row in rows(group)] == ["is 4", "4!"]
    assert all(validate("sft", row.columns) == [] for row in rows(group))


@pytest.mark.parametrize("outcome", ["incorrect", "unverifiable", "unfinished"])
@pytest.mark.parametrize("source", ["attempts", "chains"])
def test_nothing_but_correct_attempts_is_trained(
    make_group: MakeGroup, outcome: Outcome, source: str
) -> None:
    assert emit(chained(make_group(("is 4", outcome))), **{"from": source}) == []


def test_per_problem_limits_the_rows(make_group: MakeGroup) -> None:
    group = make_group(*((f"is 4{'.' * number}", "correct") for number in range(5)))
    assert len(rows(group, per_problem=2)) == 2
    assert len(rows(group)) == 5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_shows_the_wrong_attempts_and_trains_the_correct_one(
    make_group: MakeGroup, layout: str
) -> None:
    wrong = ["it is 22", "I say 5"]
    group = make_group(("I say 4", "correct"), *((text, "incorrect") for text in wrong))
    seen = set()
    for seed in range(12):
        made = chained(group, seed)
        (row,) = rows(made, **{"from": "chains", "layout": layout})
        (chain,) = made.chains
        assert validate("sft", row.columns) == []
        assert trained_text(row.columns) == "I say 4"
        shown = str(row.columns["prompt"])
        assert [text in shown for text in wrong] == [
            f"p@t/{number}" in chain.attempts for number in (1, 2)
        ]
        if chain.wrong:
            assert shown.rindex("I say 5") > shown.find("it is 22")
        assert "I say 4" not in shown
        assert row.origin.attempts == chain.attempts
        seen.add(chain.wrong)
    assert seen == {0, 1, 2}


def test_single_puts_the_wrong_attempts_into_one_think_block(make_group: MakeGroup) -> None:
    group = make_group(("I say 4", "correct"), ("I say 5", "incorrect"))
    thoughts = {
        thought_text(rows(chained(group, seed), **{"from": "chains", "layout": "single"})[0].columns)
        for seed in range(12)
    }
    assert thoughts == {"", "I say 5"}


@pytest.mark.parametrize("text", ["a <think> b", "a </think> b", "<think>\nx\n</think>\n\ny"])
def test_single_refuses_attempts_that_hold_its_tags(make_group: MakeGroup, text: str) -> None:
    group = chained(make_group((text, "correct")))
    assert emit(group, **{"from": "chains", "layout": "single"}) == [Refusal("tag_collision")]


def test_multiturn_asks_again_after_each_wrong_attempt(make_group: MakeGroup) -> None:
    wrong = [(f"wrong {number}", "incorrect") for number in range(6)]
    (row,) = rows(chained(make_group(("right", "correct"), *wrong), seed=4), **{"from": "chains"})
    roles = [turn["role"] for turn in row.columns["prompt"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    assert len(roles) > 1


def test_a_row_says_where_it_came_from(make_group: MakeGroup) -> None:
    (row,) = rows(make_group(("is 4", "correct")))
    origin = row.origin
    assert (origin.problem, origin.attempts, origin.teachers) == ("p", ("p@t/0",), ("t",))
    assert (origin.methods, origin.license, origin.made_by) == (("m",), "MIT", ("sft", "attempts"))


def test_a_layout_without_chains_is_refused() -> None:
    with pytest.raises(ValidationError, match="from: chains"):
        SftEmitter.model_validate({"layout": "folded"})


def test_the_columns_of_a_layout_have_one_schema() -> None:
    single = SftEmitter.model_validate({"from": "chains", "layout": "single"})
    assert str(schema_of(single.columns)) == "prompt: string\ncompletion: string"
    assert "list" in str(schema_of(SftEmitter().columns))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(str.strip)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(texts, st.lists(texts, max_size=4), st.sampled_from(LAYOUTS), st.integers(0, 50))
def test_whatever_the_texts_the_loss_covers_the_correct_attempt_exactly(
    correct: str, wrong: list[str], layout: str, seed: int
) -> None:
    outcomes: list[tuple[str, Outcome]] = [(correct, "correct"), *((w, "incorrect") for w in wrong)]
    judged = tuple(
        Judged(f"p@t/{n}", Attempt((Step(text),)), "t", Verdict(outcome))
        for n, (text, outcome) in enumerate(outcomes)
    )
    group = chained(Group(Problem("p", "Why?", "4"), judged), seed)
    for made in emit(group, **{"from": "chains", "layout": layout}):
        assert isinstance(made, Row)
        assert validate("sft", made.columns) == []
        assert trained_text(made.columns) == correct
