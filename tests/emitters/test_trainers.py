"""What each trainer's rows train, read back by a reader that shares no code with the emitters."""

from __future__ import annotations

import asyncio
from typing import Any, get_args, get_type_hints

import pytest
from conftest import MakeGroup
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from trainer_rows import COLUMNS, shown_text, trained_text, validate

from cotgen import parse_recipe
from cotgen.chains.revision import RevisionChains
from cotgen.emitters.trainers import Format
from cotgen.errors import RecipeError
from cotgen.export import schema_of
from cotgen.menus import MENUS
from cotgen.protocols import Emitter, Refusal, Row, Services
from cotgen.records import Attempt, Group, Judged, Outcome, Problem, Rewards, Step, Verdict
from cotgen.wiring import draws

FORMATS: tuple[Format, ...] = get_args(Format)
RECIPE: dict[str, Any] = {
    "name": "r",
    "problems": {"kind": "generated", "limit": 6},
    "teachers": {"a": {"kind": "scripted"}},
    "search": {"kind": "sample", "n": 6},
    "verifier": {"kind": "math"},
    "chains": {"kind": "revision"},
}
CHAINS = {
    "trl": ("multiturn", "folded", "single"),
    "llama_factory": ("folded",),
    "verl": ("folded",),
    "openrlhf": ("multiturn", "folded", "single"),
    "axolotl": ("multiturn", "folded", "single"),
}
LAYOUTS = [(format, layout) for format, layouts in CHAINS.items() for layout in layouts]


def emitter(kind: str, format: str, **more: object) -> Emitter:
    if (kind, format) == ("rl", "verl"):
        more["data_source"] = "openai/gsm8k"
    dataset = {"kind": kind, "format": format, **more}
    (made,) = parse_recipe({**RECIPE, "datasets": [dataset]}).datasets
    return made


def columns_of(made_by: Emitter, group: Group) -> list[dict[str, Any]]:
    rows = [row.columns for row in made_by.emit(group, draws(0)) if isinstance(row, Row)]
    assert rows
    return rows


async def _unused(*_: object) -> Any:
    raise AssertionError


def chained(group: Group, seed: int = 0) -> Group:
    services = Services(_unused, _unused, draws(seed))
    chains = asyncio.run(RevisionChains().build(group, services))
    return Group(group.problem, group.judged, tuple(chains))


def a_group(make_group: MakeGroup) -> Group:
    return make_group(
        ("I say 4", "correct"), ("I say 5", "incorrect"), ("it is 4", "correct"),
        ("it is 22", "incorrect"), ("?", "unverifiable"), ("…", "unfinished"),
    )  # fmt: skip


def rewarded(group: Group) -> Group:
    """The group with a reward for each step."""
    judged = (
        structs.replace(each, rewards=Rewards((0.9,) * len(each.attempt.steps), "judge"))
        for each in group.judged
    )
    return structs.replace(group, judged=tuple(judged))


@pytest.mark.parametrize(("kind", "format"), sorted(COLUMNS))
def test_every_trainers_rows_pass_the_validator_and_fill_their_columns(
    make_group: MakeGroup, kind: str, format: str
) -> None:
    made_by = emitter(kind, format)
    rows = list(made_by.emit(rewarded(a_group(make_group)), draws(0)))
    assert rows
    for row in rows:
        assert isinstance(row, Row)
        assert validate(kind, format, row.columns) == []
        assert set(get_type_hints(made_by.columns)) == set(row.columns)


@pytest.mark.parametrize(
    ("kind", "format"), sorted(pair for pair in COLUMNS if pair[0] != "prm")
)  # Labels of steps do not ask for a verdict.
def test_unjudged_texts_are_in_no_trainers_row(
    make_group: MakeGroup, kind: str, format: str
) -> None:
    group = make_group(
        ("is 4", "correct"), ("is 5", "incorrect"), ("VAGUE", "unverifiable"),
        ("CUT OFF", "unfinished"),
    )  # fmt: skip
    rows = str(columns_of(emitter(kind, format), group))
    assert "VAGUE" not in rows
    assert "CUT OFF" not in rows


@pytest.mark.parametrize("kind", MENUS["emitters"])
@pytest.mark.parametrize("format", [format for format in FORMATS if format != "jsonl"])
def test_what_a_trainer_cannot_hold_is_a_mistake_of_the_recipe_that_says_why(
    kind: str, format: Format
) -> None:
    if (kind, format) in COLUMNS:
        assert emitter(kind, format).file_name.startswith(kind)
        return
    with pytest.raises(RecipeError, match=rf"cannot hold {kind} rows: .+ \(formats that can: trl"):
        emitter(kind, format)


@pytest.mark.parametrize("kind", MENUS["emitters"])
def test_jsonl_holds_every_kind_in_trls_columns(make_group: MakeGroup, kind: str) -> None:
    group = rewarded(a_group(make_group))
    found = columns_of(emitter(kind, "jsonl"), group)
    assert found == columns_of(emitter(kind, "trl"), group)


@pytest.mark.parametrize("format", ["llama_factory", "verl"])
@pytest.mark.parametrize("layout", ["multiturn", "single"])
def test_a_layout_whose_wrong_attempts_would_be_trained_is_refused_when_the_recipe_is_read(
    format: str, layout: str
) -> None:
    with pytest.raises(RecipeError, match="layout: folded"):
        emitter("sft", format, **{"from": "chains", "layout": layout})


@pytest.mark.parametrize("format", ["llama_factory", "verl"])
def test_chains_are_folded_by_default_where_nothing_else_is_right(format: str) -> None:
    assert emitter("sft", format, **{"from": "chains"}).file_name == f"sft-folded-{format}"


@pytest.mark.parametrize(("format", "layout"), LAYOUTS)
def test_every_layout_shows_the_wrong_attempts_and_trains_the_correct_one(
    make_group: MakeGroup, format: str, layout: str
) -> None:
    group = make_group(("I say 4", "correct"), ("I say 5", "incorrect"), ("22", "incorrect"))
    made_by = emitter("sft", format, **{"from": "chains", "layout": layout})
    for seed in range(8):
        made = chained(group, seed)
        (row,) = made_by.emit(made, draws(0))
        assert isinstance(row, Row)
        assert trained_text(format, row.columns) == "I say 4"
        for id in made.chains[0].attempts:
            assert group.by_id(id).attempt.text in shown_text(format, row.columns)
        assert "What is 2 + 2?" in shown_text(format, row.columns)


pieces = st.sampled_from(
    ["is 4", " ", "\n", "```\n<think>\n```", "</think>", "é", "```", "<think>"]
)
texts = (st.text(min_size=1, max_size=40) | st.lists(pieces, min_size=1).map("".join)).filter(
    str.strip
)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(texts, st.lists(texts, max_size=4), st.sampled_from(LAYOUTS), st.integers(0, 50))
def test_whatever_the_texts_the_loss_covers_the_correct_attempt_exactly_or_the_row_is_refused(
    correct: str, wrong: list[str], how: tuple[str, str], seed: int
) -> None:
    format, layout = how
    outcomes: list[tuple[str, Outcome]] = [(correct, "correct"), *((w, "incorrect") for w in wrong)]
    judged = tuple(
        Judged(f"p@t/{n}", Attempt((Step(text),)), "t", Verdict(outcome))
        for n, (text, outcome) in enumerate(outcomes)
    )
    group = chained(Group(Problem("p", "Why?", "4"), judged), seed)
    made_by = emitter("sft", format, **{"from": "chains", "layout": layout})
    for made in made_by.emit(group, draws(0)):
        if made == Refusal("mask_not_expressible"):
            assert (format, layout, correct[0] in "\n\r") == ("axolotl", "single", True)
        elif made == Refusal("tag_collision"):
            assert layout == "single"
        else:
            assert isinstance(made, Row)
            if format != "trl":
                assert validate("sft", format, made.columns) == []
            assert trained_text(format, made.columns) == correct


def test_a_mask_inside_a_message_has_one_schema_in_parquet() -> None:
    made_by = emitter("sft", "axolotl", **{"from": "chains", "layout": "single"})
    assert "train_detail: list<item: struct<begin_offset: int64" in str(schema_of(made_by.columns))


def test_sequences_are_what_a_trainer_reads_at_once(make_group: MakeGroup) -> None:
    group = make_group(("is 4", "correct"), ("is 5", "incorrect"))
    question = "What is 2 + 2?"
    seen: dict[str, object] = {}
    for kind in ("sft", "dpo", "cpt", "rl"):
        (row,) = emitter(kind, "trl").emit(group, draws(0))
        assert isinstance(row, Row)
        seen[kind] = row.sequences
    assert seen == {
        "sft": ((question, "is 4"),),
        "dpo": ((question, "is 4"), (question, "is 5")),
        "cpt": ((f"{question}\n\nis 4",),),
        "rl": ((question,),),
    }
