"""Parts, differences, chats and search: each against a plain reading of its own."""

from __future__ import annotations

import re

import pytest
from conftest import MakeGroup
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from trainer_rows import trained_text

from cotgen import parse_recipe
from cotgen.emitters.trainers import Format
from cotgen.protocols import Row
from cotgen.records import Attempt, Chain, Group, Link, Rewards, Step, Verdict
from cotgen.view import parts as parts_module
from cotgen.view.chat import turns
from cotgen.view.parts import Part, attempt_parts, difference, marked, pieces, shortened
from cotgen.view.search import Search, Texts, folded
from cotgen.wiring import draws

TEXTS = st.text(st.sampled_from("ab \n\\é𝔸"), max_size=40)


def joined(parts: list[Part], *kinds: str) -> str:
    return "".join(text for kind, text in parts if kind in kinds)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(["characters", "words"]))
def test_a_difference_holds_both_texts_at_the_least_distance(one: str, two: str, by: str) -> None:
    found = difference(one, two, by=by)
    assert joined(found.parts, "same", "del") == one
    assert joined(found.parts, "same", "ins") == two
    if by == "characters":
        assert found.distance == Levenshtein.distance(one, two)


def test_texts_too_long_for_characters_are_compared_by_words_then_lines_then_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = "apple bean\ncorn date\n" * 3, "grape bean\nkale date!\n" * 3
    units = []
    for limit in (10**6, 1000, 100, 2):
        monkeypatch.setattr(parts_module, "COMPARED", limit)
        found = difference(one, two)
        units.append(found.unit)
        assert joined(found.parts, "same", "del") == one
        assert joined(found.parts, "same", "ins") == two
    assert units == ["characters", "words", "lines", "whole"]


def test_an_attempt_shows_its_thought_its_answer_and_its_rewards() -> None:
    steps = (Step("Hm.\n"), Step("So 4\n"), Step(r"\boxed{4}."))
    attempt = Attempt(steps, thought_steps=1)
    verdict = Verdict("correct", "4", span=(5, 14))
    assert attempt_parts(attempt, verdict, None) == [
        ("thought", "Hm.\n"), ("", "So 4\n"), ("answer", r"\boxed{4}"), ("", "."),
    ]  # fmt: skip
    rewarded = attempt_parts(attempt, verdict, Rewards((0.5, 0.25, 1.0)))
    assert [text for kind, text in rewarded if kind == "reward"] == ["0.50", "0.25", "1.00"]
    kinds = [kind for kind, _ in rewarded]
    assert kinds == ["thought", "reward", "", "reward", "answer", "", "reward"]
    assert "".join(text for kind, text in rewarded if kind != "reward") == attempt.text


def test_a_span_outside_the_text_marks_nothing() -> None:
    attempt = Attempt((Step("short"),))
    for span in ((-1, -1), (2, 99), (3, 3)):
        assert attempt_parts(attempt, Verdict("correct", span=span), None) == [("", "short")]


@given(st.integers(0, 30_000), st.integers(1, 9_000))
def test_a_long_text_is_cut_but_never_its_marks_and_every_character_counts(
    start: int, length: int
) -> None:
    text = "".join(chr(97 + at % 26) for at in range(40_000))
    end = min(start + length, len(text))
    shown = shortened(marked(text, [parts_module.Mark(start, end, "answer")]), "more")
    left_out = sum(int(text) for kind, text in shown.parts if kind == "cut")
    kept = sum(len(text) for kind, text in shown.parts if kind != "cut")
    assert (kept + left_out, shown.chars, shown.more) == (40_000, 40_000, "more")
    answer = joined(shown.parts, "answer")
    assert answer.startswith(text[start:end][:200])
    assert answer.endswith(text[start:end][-200:])
    assert kept < 8_000 + 4 * parts_module.AROUND


def test_short_texts_are_whole_and_pieces_join_to_the_text() -> None:
    assert shortened([("", "abc")], "more") == ([("", "abc")], 3, "")
    whole = [("", "x" * 100_000), ("answer", "y" * 5)]
    cut = list(pieces(whole))
    assert max(len(text) for _, text in cut) == parts_module.PIECE
    assert joined(cut, "") == "x" * 100_000
    assert joined(cut, "answer") == "y" * 5


def _chained(make_group: MakeGroup) -> Group:
    group = make_group(("I say 4", "correct"), ("I say 5", "incorrect"))
    links = (
        Link("attempt", "I say 5", trained=False, attempt="p@t/1"),
        Link("attempt", "I say 4", trained=True, attempt="p@t/0"),
    )
    chain = Chain(("p@t/1", "p@t/0"), 1, "p@t/1", 1, links)
    return Group(group.problem, group.judged, (chain,))


LAYOUTS: dict[Format, tuple[str, ...]] = {
    "trl": ("multiturn", "folded", "single"),
    "llama_factory": ("folded",),
    "verl": ("folded",),
    "openrlhf": ("multiturn", "folded", "single"),
    "axolotl": ("multiturn", "folded", "single"),
}


@pytest.mark.parametrize(
    ("format", "layout"), [(format, each) for format, all_ in LAYOUTS.items() for each in all_]
)
def test_what_a_chat_marks_as_trained_is_what_the_trainer_trains(
    make_group: MakeGroup, format: Format, layout: str
) -> None:
    (emitter,) = parse_recipe(
        {
            "name": "r",
            "problems": {"kind": "generated", "limit": 1},
            "teachers": {"a": {"kind": "scripted"}},
            "search": {"kind": "sample"},
            "verifier": {"kind": "math"},
            "chains": {"kind": "revision"},
            "datasets": [{"kind": "sft", "from": "chains", "layout": layout, "format": format}],
        }
    ).datasets
    rows = [
        row.columns for row in emitter.emit(_chained(make_group), draws(0)) if isinstance(row, Row)
    ]
    assert rows
    for row in rows:
        shown = turns(row)
        trained = "".join(
            text
            for turn in shown
            for kind, text in turn.parts
            if turn.use == "trained" or (turn.use == "mixed" and kind == "trained")
        )
        assert trained == trained_text(format, row) == "I say 4"
        assert "I say 5" in "".join(text for turn in shown for _, text in turn.parts)


def said(role: str, content: str) -> dict[str, object]:
    return {"role": role, "content": content}


USER, GOOD, BAD = said("user", "q"), said("assistant", "a"), said("assistant", "b")
WEIGHTED = [
    {"from": "human", "value": "q", "loss": None},
    {"from": "gpt", "value": "a", "loss": 0.0},
    {"from": "gpt", "value": "b", "loss": 0.7},
]


@pytest.mark.parametrize(
    ("row", "uses"),
    [
        ({"text": "t"}, "trained"),
        ({"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}, "context preferred rejected"),
        ({"messages": [USER], "chosen": GOOD, "rejected": BAD}, "context preferred rejected"),
        (
            {"system": "", "input": "q", "chosen": "a", "rejected": "b"},
            "context preferred rejected",
        ),
        ({"prompt": [USER], "completion": [GOOD], "label": False}, "context bad"),
        ({"messages": [USER, GOOD], "label": True}, "context good"),
        ({"prompt": [USER], "answer": "4", "source": "s"}, "context truth data"),
        ({"input": [USER], "label": "4"}, "context truth"),
        ({"prompt": [USER], "reward_model": {"ground_truth": "4"}}, "context truth"),
        ({"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}, "context good bad"),
        ({"conversations": WEIGHTED}, "context context trained"),
        ({"unknown": {"a": [1]}, "n": 3}, "data data"),
        ({"messages": [], "prompt": None}, "data data"),
    ],
)
def test_rows_of_all_kinds_are_chats_and_nothing_is_claimed_of_others(
    row: dict[str, object], uses: str
) -> None:
    assert [turn.use for turn in turns(row)] == uses.split()


@settings(deadline=None)
@given(st.lists(st.text("ab 1", max_size=12), max_size=30), st.text('ab 1"', max_size=6))
def test_a_search_finds_what_a_plain_reading_finds(documents: list[str], query: str) -> None:
    texts = Texts()
    texts.add(map(folded, documents))
    search = Search(texts, query)
    while search.done < 1:
        search.advance(0)
        search.advance(1)
    wanted = [
        " ".join((phrase or word).split())
        for phrase, word in re.findall(r'"([^"]*)"?|(\S+)', query)
    ]
    plain = [" ".join(each.split()) for each in documents]
    assert search.hits.tolist() == [all(word in text for word in wanted) for text in plain]


def test_a_search_never_reaches_from_one_text_into_the_next() -> None:
    texts = Texts()
    texts.add([b"one two", b"three", b"one three"])
    search = Search(texts, "two three")
    search.advance(1)
    assert search.hits.tolist() == [False, False, False]
    search = Search(texts, "THREE one")
    search.advance(1)
    assert search.hits.tolist() == [False, False, True]
