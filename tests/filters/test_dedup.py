from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from listed import HOSTILE, decisions, dropped, problem_with

from cotgen.filters import DedupFilter
from cotgen.filters.signatures import PERMUTATIONS, Signatures, rows_of_a_band
from cotgen.ngrams import gram_set, jaccard, normal
from cotgen.records import Group

WORDS = [f"word{number}" for number in range(2000)]
NEAR = DedupFilter(near=0.8)


def text_of(draw: Random, words: int = 200) -> str:
    return " ".join(draw.choices(WORDS, k=words))


def changed(draw: Random, text: str, words: int) -> str:
    """The text with so many words replaced by new ones."""
    parts = text.split()
    for place in draw.sample(range(len(parts)), words):
        parts[place] = f"new{draw.random()}"
    return " ".join(parts)


def texts_with_relatives(count: int, seed: int = 0) -> list[str]:
    """Texts, and texts made of earlier ones by changing a few words."""
    draw, texts = Random(seed), [text_of(Random(seed))]
    while len(texts) < count:
        fresh = draw.random() < 0.5
        texts.append(
            text_of(draw) if fresh else changed(draw, draw.choice(texts), draw.randint(0, 6))
        )
    return texts


def quadratic(texts: list[str], near: float) -> list[int]:
    """What is dropped if each text is compared with each that stayed."""
    sets = [gram_set(normal(text), 5) for text in texts]
    kept: list[int] = []
    gone: list[int] = []
    for number, mine in enumerate(sets):
        repeats = any(jaccard(mine, sets[other]) >= near for other in kept)
        (gone if repeats else kept).append(number)
    return gone


def test_the_first_of_equal_texts_stays() -> None:
    found = decisions(
        DedupFilter(),
        problem_with("p", "So it is 4.", "so  it is\n４.", "So it is 5."),
        problem_with("q", "SO IT IS 4. "),
    )
    assert [(each.id, each.reason, each.match) for each in found] == [
        ("p@t/1", "duplicate", "p@t/0"),
        ("q@t/0", "duplicate", "p@t/0"),
    ]


def test_across_problem_compares_the_attempts_of_each_problem_only() -> None:
    groups = [problem_with("p", "It is 4.", "It is 4."), problem_with("q", "It is 4.")]
    assert dropped(DedupFilter(across="problem"), *groups) == ["p@t/1"]


def test_attempts_of_another_outcome_are_no_duplicates() -> None:
    text = text_of(Random(0))
    group = problem_with("p", text, (f"{text} 5", "incorrect"), (f"{text} 6", "incorrect"))
    assert dropped(NEAR, group) == ["p@t/2"]


def test_questions_are_compared_if_asked_for() -> None:
    groups = [problem_with(id, "It is 4.", question="What  is 2 + 2?") for id in "pq"]
    (found,) = decisions(DedupFilter(of="problems"), *groups)
    assert (found.id, found.thing, found.match) == ("q", "problem", "p")


@pytest.mark.parametrize("near", [0.6, 0.8, 0.9])
def test_it_drops_what_comparing_all_with_all_drops(near: float) -> None:
    texts = texts_with_relatives(500)
    found = dropped(DedupFilter(near=near), problem_with("p", *texts))
    wanted = [f"p@t/{number}" for number in quadratic(texts, near)]
    assert 30 < len(wanted) < 470
    # Bands miss one pair in 200 just at the threshold, fewer above it.
    assert len(set(found) ^ set(wanted)) <= 2


def test_dropping_twice_drops_nothing_more() -> None:
    group = problem_with("p", *texts_with_relatives(300))
    gone = set(dropped(NEAR, group))
    left = Group(group.problem, tuple(each for each in group.judged if each.id not in gone))
    assert gone
    assert dropped(NEAR, left) == []


def test_every_match_is_confirmed_on_the_texts() -> None:
    group = problem_with("p", *texts_with_relatives(300))
    for found in decisions(NEAR, group):
        mine, theirs = (
            gram_set(normal(group.by_id(id).attempt.text), 5) for id in (found.id, found.match)
        )
        assert jaccard(mine, theirs) >= 0.8


def test_candidates_agree_with_datasketch() -> None:
    texts = texts_with_relatives(400, seed=1)
    rows = rows_of_a_band(0.8)
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS // rows, rows))
    signatures = Signatures(0.8, 5)
    theirs: set[tuple[int, int]] = set()
    sets = [gram_set(normal(text), 5) for text in texts]
    for number, text in enumerate(texts):
        signatures.add(normal(text), "")
        minhash = MinHash(num_perm=PERMUTATIONS, seed=3)
        minhash.update_batch([gram.tobytes() for gram in sets[number]])
        theirs |= {(number, other) for other in lsh.query(minhash)}
        lsh.insert(number, minhash)
    ours: set[tuple[int, int]] = set()

    def note(number: int, earlier: list[int]) -> None:
        ours.update((number, other) for other in earlier)

    assert list(signatures.firsts(note)) == []

    def real(pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
        return {pair for pair in pairs if jaccard(sets[pair[0]], sets[pair[1]]) >= 0.8}

    assert len(real(ours)) > 100
    assert len(real(ours) ^ real(theirs)) <= 0.01 * len(real(ours))


def test_bands_are_as_tall_as_recall_allows() -> None:
    for near in np.arange(0.5, 1.0, 0.05):
        rows = rows_of_a_band(float(near))
        assert 1 - (1 - near**rows) ** (PERMUTATIONS // rows) >= 0.995
    assert rows_of_a_band(0.8) == 6
    assert rows_of_a_band(1.0) == PERMUTATIONS


def test_texts_of_one_template_take_no_quadratic_time() -> None:
    draw = Random(0)
    body = text_of(draw, 60)
    texts = [f"{body} {text_of(draw, 25)}" for _ in range(4000)]
    started = time.process_time()
    assert dropped(NEAR, problem_with("p", *texts)) == []
    assert time.process_time() - started < 10


def test_nothing_to_compare_is_nothing_to_drop() -> None:
    assert dropped(NEAR) == []
    assert dropped(NEAR, problem_with("p")) == []
    assert dropped(NEAR, problem_with("p", "", " ", "\n")) == ["p@t/1", "p@t/2"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    assert dropped(NEAR, problem_with("p", text, f"{text} ")) == ["p@t/1"]
    assert time.process_time() - started < 6
