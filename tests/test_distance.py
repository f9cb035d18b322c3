"""The nearest text is exact: checked against all pairs, naively and by rapidfuzz."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from cotgen.distance import Nearest, nearest_of

LONG_CHARS = 4000


def naive_distance(left: str, right: str) -> int:
    above = list(range(len(right) + 1))
    for row, a in enumerate(left, 1):
        line = [row]
        for column, b in enumerate(right):
            line.append(min(above[column + 1] + 1, line[column] + 1, above[column] + (a != b)))
        above = line
    return above[-1]


def naive_nearest(text: str, others: Sequence[str]) -> Nearest:
    distances = [naive_distance(text, other) for other in others]
    return Nearest(distances.index(min(distances)), min(distances))


def all_pairs(texts: Sequence[str], others: Sequence[str]) -> list[Nearest]:
    apart = cdist(texts, others, scorer=Levenshtein.distance)
    return [Nearest(int(row.argmin()), int(row.min())) for row in apart]


def edited(rng: random.Random, text: str, edits: int) -> str:
    chars = list(text)
    for _ in range(edits):
        place = rng.randrange(len(chars))
        chars[place] = rng.choice(("", "x", chars[place] + "y"))
    return "".join(chars)


def recombined(rng: random.Random, alphabet: str, count: int) -> list[str]:
    parts = ["".join(rng.choices(alphabet, k=rng.randint(1, 400))) for _ in range(30)]
    trace = rng.choices(parts, k=LONG_CHARS // 200)
    attempts = []
    for _ in range(count):
        mine = [rng.choice(parts) if rng.random() < 0.2 else part for part in trace]
        attempts.append(edited(rng, "".join(mine), rng.choice((0, 3, 200))))
    return attempts


@given(
    st.lists(st.text("ab", max_size=8), max_size=4),
    st.lists(st.text("ab", max_size=8), min_size=1, max_size=8),
)
def test_small_alphabets_agree_with_the_naive_distance(texts: list[str], others: list[str]) -> None:
    assert nearest_of(texts, others) == [naive_nearest(text, others) for text in texts]


@given(st.lists(st.text(max_size=30), max_size=3), st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_agrees_with_the_naive_distance(texts: list[str], others: list[str]) -> None:
    assert nearest_of(texts, others) == [naive_nearest(text, others) for text in texts]


@settings(max_examples=30, deadline=None)
@given(st.integers(), st.sampled_from(("a", "ab", "abcdefgh ", "é\ud800𝕏\0")))
def test_long_recombined_texts_agree_with_all_pairs(seed: int, alphabet: str) -> None:
    rng = random.Random(seed)
    attempts = recombined(rng, alphabet, 12)
    texts, others = attempts[:5], [*attempts[5:], rng.choice(attempts), "", "short"]
    rng.shuffle(others)
    assert nearest_of(texts, others) == all_pairs(texts, others)


def test_unrelated_texts_of_all_lengths_agree_with_all_pairs() -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdef ", k=k)) for k in (0, 1, 3, 64, 65, 1499, 1500, 3000)]
    others = ["".join(rng.choices("abcdef ", k=k)) for k in (2, 63, 128, 1501, 2900, 3100)]
    assert nearest_of(texts, others) == all_pairs(texts, others)
    assert nearest_of(others, texts) == all_pairs(others, texts)


@pytest.mark.parametrize("chars", [10, LONG_CHARS])
def test_of_equally_near_texts_the_first_is_taken(chars: int) -> None:
    text = "".join(random.Random(1).choices("abcdefghij", k=chars))
    far, one, other_one = text[::-1], text[:-1] + "x", "x" + text[1:]
    for others in ([far, one, other_one], [far, other_one, one], [one, one, other_one, far]):
        found = nearest_of([text], others)
        assert found == [Nearest(min(others.index(one), others.index(other_one)), 1)]


def test_every_order_of_tied_texts_gives_its_first() -> None:
    rng = random.Random(2)
    text = "".join(rng.choices("abcdefghij", k=LONG_CHARS))
    for _ in range(20):
        places = rng.sample(range(LONG_CHARS), 4)
        tied = [text[:place] + "x" * 3 + text[place + 3 :] for place in places]
        assert nearest_of([text], tied) == all_pairs([text], tied)


@pytest.mark.parametrize("chars", [5, LONG_CHARS])
def test_an_equal_text_is_at_distance_zero_and_its_first_place_counts(chars: int) -> None:
    text = "".join(random.Random(3).choices("abc", k=chars))
    others = [text + "x", text, "", text]
    assert nearest_of([text, text], others) == [Nearest(1, 0), Nearest(1, 0)]


def test_empty_texts_have_a_nearest() -> None:
    assert nearest_of([""], ["abc", "a", ""]) == [Nearest(2, 0)]
    assert nearest_of(["", "ab"], ["abc", "b"]) == [Nearest(1, 1), Nearest(0, 1)]


def test_lone_surrogates_and_astral_characters_count_as_one() -> None:
    texts = ["\ud800" * 2000, "𝕏" * 2000]
    others = ["\udfff" + "𝕏" * 1999, "\ud800" * 1998]
    assert nearest_of(texts, others) == [Nearest(1, 2), Nearest(0, 1)]


def test_white_space_is_not_stripped() -> None:
    assert nearest_of([" a\n"], ["a", " a", " a\n\n"]) == [Nearest(1, 1)]


def test_no_texts_have_no_nearest_and_no_others_are_an_error() -> None:
    assert nearest_of([], ["a"]) == []
    assert nearest_of([], ["a" * LONG_CHARS]) == []
    with pytest.raises(ValueError, match="no other texts"):
        nearest_of(["a"], [])


def test_a_megabyte_is_no_limit() -> None:
    text = "".join(random.Random(4).choices("abcdefghij\n", k=1_000_000))
    near = text[:500_000] + "x" + text[500_001:]
    assert nearest_of([text], [text[:300_000], near, text + "xy"]) == [Nearest(1, 1)]
