"""Think styles and system prompts, read back by readers written from formats.md §3 alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import MakeGroup
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from trainer_rows import COLUMNS, trained_text, validate

from cotgen import parse_recipe
from cotgen.emitters.dpo import DpoEmitter
from cotgen.emitters.sft import SftEmitter
from cotgen.protocols import Emitter, Refusal, Row
from cotgen.records import Attempt, Group, Judged, Problem, Step, Verdict
from cotgen.wiring import draws

T, A = "(?P<T>.*)", "(?P<A>.*)"
STILL = (
    rf"<\|begin_of_thought\|>\n\n{T}\n\n<\|end_of_thought\|>\n\n"
    rf"<\|begin_of_solution\|>\n\n{A}\n\n<\|end_of_solution\|>"
)
READERS = {
    "think": rf"<think>\n{T}\n</think>\n\n{A}",
    "think-answer": rf"<think>\n{T}\n</think>\n<answer>\n{A}\n</answer>",
    "still": STILL,
    "openthoughts": STILL,
    "openo1": rf"<Thought>\n{T}\n</Thought>\n<Output>\n{A}\n</Output>",
    "journey": rf"{T}\n\n#### {A}",
    "gsm8k": rf"{T}\n#### {A}",
}


def emitter(kind: str, format: str) -> Emitter:
    dataset = {"kind": kind, "format": format, "system": "Be brief."}
    if (kind, format) == ("rl", "verl"):
        dataset["data_source"] = "openai/gsm8k"
    recipe = {
        "name": "r",
        "problems": {"kind": "generated"},
        "teachers": {"a": {"kind": "scripted"}},
        "search": {"kind": "sample"},
        "verifier": {"kind": "math"},
        "datasets": [dataset],
    }
    (made,) = parse_recipe(recipe).datasets
    return made


def thinker(thought: str, answer: str, tags: tuple[str, str] = ("<think>", "</think>")) -> Judged:
    block = f"{tags[0]}\n{thought}\n{tags[1]}\n\n"
    return Judged(
        "p@t/0", Attempt((Step(block), Step(answer)), thought_steps=1), "t",
        Verdict("correct", predicted="4"),
    )  # fmt: skip


def group(*judged: Judged) -> Group:
    return Group(Problem("p", "What is 2 + 2?", "4"), judged)


def written(judged: Judged, style: str) -> str | Refusal:
    (made,) = SftEmitter.model_validate({"think": style}).emit(group(judged), draws(0))
    return trained_text("trl", made.columns) if isinstance(made, Row) else made


@pytest.mark.parametrize("style", READERS)
@pytest.mark.parametrize("tags", [("<think>", "</think>"), ("<Thought>", "</Thought>")])
def test_every_style_reads_back(style: str, tags: tuple[str, str]) -> None:
    text = written(thinker("2 + 2\nmakes 4", "It is **4**.", tags), style)
    assert isinstance(text, str)
    read = re.fullmatch(READERS[style], text, re.DOTALL)
    assert read is not None
    answer = "4" if style in ("journey", "gsm8k") else "It is **4**."
    assert read.groupdict() == {"T": "2 + 2\nmakes 4", "A": answer}


pieces = st.sampled_from(
    ["4", " ", "\n", "```", "```\n", "<think>", "</think>", "<answer>", "####", "\n#### ", "é",
     "<|end_of_thought|>", "</Thought>", "<Output>", "```\n</answer>\n```\n"]
)  # fmt: skip


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(pieces, min_size=1, max_size=6).map("".join),
    st.lists(pieces, min_size=1, max_size=6).map("".join),
    st.sampled_from(sorted(READERS)),
)
def test_whatever_the_texts_a_row_reads_back_or_is_refused(
    thought: str, answer: str, style: str
) -> None:
    text = written(thinker(thought, answer), style)
    if isinstance(text, Refusal):
        assert text.reason in ("tag_collision", "no_thought", "no_answer")
        return
    marks = re.findall(r"</?\w+>|<\|\w+\|>|####", re.sub(r"\(\?.*?\)", "", READERS[style]))
    outside = re.sub(r"(?ms)^ {0,3}```[^`\n]*\n.*?^ {0,3}```[ \t]*$", "", text)
    assert all(outside.count(mark) == 1 for mark in marks)


def test_a_plain_attempt_has_no_thought_to_write() -> None:
    plain = Judged("p@t/0", Attempt((Step("It is 4."),)), "t", Verdict("correct", predicted="4"))
    assert written(plain, "think") == Refusal("no_thought")
    assert written(plain, "gsm8k") == "It is 4.\n#### 4"
    assert written(plain, "journey") == "It is 4.\n\n#### 4"


def test_an_empty_thought_leaves_no_tags_behind() -> None:
    assert written(thinker("", "It is 4."), "gsm8k") == "It is 4.\n#### 4"


@pytest.mark.parametrize("style", ["think", "gsm8k"])
def test_both_sides_of_a_pair_are_in_one_style(make_group: MakeGroup, style: str) -> None:
    good = thinker("right", "4")
    bad = Judged("p@t/1", thinker("wrong", "5").attempt, "t", Verdict("incorrect", predicted="5"))
    (row,) = DpoEmitter.model_validate({"think": style}).emit(group(good, bad), draws(0))
    assert isinstance(row, Row)
    for side, thought in (("chosen", "right"), ("rejected", "wrong")):
        read = re.fullmatch(READERS[style], row.columns[side][0]["content"], re.DOTALL)
        assert read is not None
        assert read["T"] == thought


CHAT = sorted(pair for pair in COLUMNS if pair[0] not in ("cpt", "prm"))


@pytest.mark.parametrize(("kind", "format"), CHAT)
def test_a_system_prompt_begins_every_row_and_is_never_trained(
    make_group: MakeGroup, kind: str, format: str
) -> None:
    made = make_group(("is 4", "correct"), ("is 5", "incorrect"))
    rows = list(emitter(kind, format).emit(made, draws(0)))
    assert rows
    for row in rows:
        assert isinstance(row, Row)
        assert validate(kind, format, row.columns) == []
        assert first(row.columns) == "Be brief."
        if kind == "sft":
            assert trained_text(format, row.columns) == "is 4"


def first(columns: dict[str, Any]) -> str:
    if "system" in columns:
        return str(columns["system"])
    turns = next(columns[name] for name in ("messages", "prompt", "input") if name in columns)
    assert turns[0]["role"] == "system"
    assert [turn["role"] for turn in turns].count("system") == 1
    return str(turns[0]["content"])


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"from": "chains", "think": "think"}, "rows from attempts"),
        ({"from": "chains", "layout": "single", "system": "s"}, "put it into prompt"),
        ({"system": ""}, "at least 1 character"),
    ],
)
def test_what_would_be_lost_is_refused(wanted: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        SftEmitter.model_validate(wanted)
