from __future__ import annotations

import time

import pytest
from listed import HOSTILE, decisions, dropped, problem_with

from cotgen.filters import RepetitionFilter
from cotgen.filters.repetition import repeated_share

VARIED = " ".join(f"word{number}" for number in range(400))


@pytest.mark.parametrize(("copies", "words"), [(2, 30), (3, 50), (10, 12), (2, 400)])
def test_the_share_of_copies_of_a_block_has_its_closed_form(copies: int, words: int) -> None:
    block = " ".join(f"word{number}" for number in range(words))
    grams = copies * words - 9
    assert repeated_share(" ".join([block] * copies), 10) == pytest.approx(
        1 - min(words, grams) / grams
    )


def test_a_text_without_repeated_words_stays() -> None:
    assert dropped(RepetitionFilter(), problem_with("p", VARIED, "4", "")) == []


def test_a_text_that_repeats_a_part_is_dropped() -> None:
    head = VARIED[: len(VARIED) // 2]
    found = decisions(RepetitionFilter(), problem_with("p", VARIED, f"{VARIED} {head} But wait."))
    assert [(each.id, each.reason) for each in found] == [("p@t/1", "repeats")]
    assert found[0].evidence.endswith("of its 10-grams stand in it before")
    assert dropped(RepetitionFilter(max_share=0.5), problem_with("p", f"{VARIED} {head}")) == []


@pytest.mark.parametrize(
    "block",
    ["Wait, let me check. ", "哈", "3", "12", "\n- again and again and again and again and again"],
)
def test_a_text_that_ends_in_a_loop_is_dropped(block: str) -> None:
    text = f"{VARIED} {block * (200 // len(block) + 3)}"
    (found,) = decisions(RepetitionFilter(max_share=1), problem_with("p", text))
    assert found.reason == "loop"


def test_the_evidence_shows_the_block() -> None:
    (found,) = decisions(RepetitionFilter(), problem_with("p", VARIED + " So it is 4." * 20))
    assert found.evidence == "it ends in a loop of 12 characters:  so it is 4."


def test_a_long_block_must_stand_there_three_times() -> None:
    block = VARIED[:300] + " "
    never = RepetitionFilter(max_share=1)
    assert dropped(never, problem_with("p", "At first: " + block * 2)) == []
    assert dropped(never, problem_with("p", "At first: " + block * 3)) == ["p@t/0"]
    twice = RepetitionFilter(max_share=1, periods=2)
    assert dropped(twice, problem_with("p", "At first: " + block * 2)) == ["p@t/0"]


@pytest.mark.parametrize(
    "end", ["so 1000000", "and so on ...", "0.333333333333333", "| 0 | 0 | 0 | 0 |", "```", "!!!"]
)
def test_ordinary_endings_are_no_loops(end: str) -> None:
    assert dropped(RepetitionFilter(), problem_with("p", f"{VARIED} {end}")) == []


def test_a_loop_that_ended_is_none() -> None:
    text = f"{VARIED} {'No. ' * 60} The answer is 4, at last."
    assert dropped(RepetitionFilter(max_share=1), problem_with("p", text)) == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    dropped(RepetitionFilter(), problem_with("p", text))
    assert time.process_time() - started < 3
