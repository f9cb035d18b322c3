from __future__ import annotations

import time
from random import Random

import pytest
from listed import HOSTILE

from cotgen.ngrams import gram_hashes, gram_set, jaccard, normal, plain_words, spaced_words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" So\tit \n is  FOUR. ", "so it is four."),
        ("Ｆｕｌｌ ｗｉｄｔｈ　４", "full width 4"),
        ("ﬁne x²", "fine x2"),
        ("e\u0301te\u0301", "été"),
        ("", ""),
    ],
)
def test_normal_text_is_composed_lower_and_spaced_once(text: str, wanted: str) -> None:
    assert normal(text) == wanted
    assert normal(wanted) == wanted


def test_words_are_parted_by_spaces_and_chinese_characters_stand_alone() -> None:
    assert spaced_words("so x = 4. 共七个 ok") == ["so", "x", "=", "4.", "共", "七", "个", "ok"]
    assert plain_words("so x_1 = 4. 共七个, ok") == ["so", "x", "1", "4", "共", "七", "个", "ok"]


def test_equal_grams_and_no_others_have_equal_hashes() -> None:
    draw = Random(0)
    words = draw.choices(["a", "b", "ab", "ba", "", "x" * 100], k=2000)
    grams = [tuple(words[at : at + 3]) for at in range(len(words) - 2)]
    hashes = gram_hashes(words, 3).tolist()
    assert len(hashes) == len(grams)
    assert len(set(zip(grams, hashes, strict=True))) == len(set(grams)) == len(set(hashes))


def test_fewer_words_than_n_are_one_gram() -> None:
    assert len(gram_hashes(["one", "two"], 5)) == 1
    assert len(gram_hashes([], 5)) == 0


def test_hashes_are_the_same_everywhere() -> None:
    """They decide which attempts of a run are dropped: another process must come to the same."""
    assert gram_hashes(["so", "it", "is"], 2).tolist() == HASHES


HASHES = [8758282858105265167, 1647931522956157063]


def test_jaccard_is_that_of_the_sets() -> None:
    draw = Random(0)
    for _ in range(50):
        one, other = (" ".join(draw.choices("abc", k=draw.randint(0, 30))) for _ in range(2))
        sets = [_pairs(one), _pairs(other)]
        both, union = len(sets[0] & sets[1]), len(sets[0] | sets[1])
        wanted = both / union if union else 1.0
        assert jaccard(gram_set(one, 2), gram_set(other, 2)) == pytest.approx(wanted)


def _pairs(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    pairs = {tuple(words[at : at + 2]) for at in range(len(words) - 1)}
    return pairs or ({tuple(words)} if words else set())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    gram_set(normal(text), 5)
    plain_words(normal(text))
    assert time.process_time() - started < 4
