from __future__ import annotations

from itertools import combinations

import pytest
from listed import decisions, dropped, problem_with
from rapidfuzz.distance import Levenshtein

from cotgen.filters import PerProblemFilter
from cotgen.ngrams import gram_set, jaccard, normal
from cotgen.records import Group, Outcome

TEXTS = [
    "Three and four are seven, so Ann has seven apples in all of her baskets.",
    "3 + 4 = 7",
    "Three and four are seven, so Ann has seven apples in both of her baskets.",
    "Count on from three: four, five, six, seven. The sum of the apples is seven.",
    "Three and four are seven, so Ann has seven apples in each of her baskets.",
]
WRONG: list[tuple[str, Outcome]] = [("3 + 4 = 8", "incorrect"), ("It is twelve.", "incorrect")]


def group() -> Group:
    return problem_with("p", *TEXTS, *WRONG, ("?", "unverifiable"), ("3 +", "unfinished"))


def kept(filter: PerProblemFilter, seed: int = 0) -> list[int]:
    gone = dropped(filter, group(), seed=seed)
    return [n for n, each in enumerate(group().judged) if each.id not in gone]


def test_the_first_of_each_outcome_stay_and_what_is_undecided_is_left_alone() -> None:
    assert kept(PerProblemFilter(k=1)) == [0, 5, 7, 8]


def test_one_outcome_can_be_limited() -> None:
    assert kept(PerProblemFilter(k=1, of="correct")) == [0, 5, 6, 7, 8]
    assert kept(PerProblemFilter(k=1, of="incorrect")) == [0, 1, 2, 3, 4, 5, 7, 8]


def test_the_shortest_stay() -> None:
    ranked = sorted(range(5), key=lambda number: len(TEXTS[number]))
    assert kept(PerProblemFilter(k=2, of="correct", pick="shortest"))[:2] == sorted(ranked[:2])


def test_the_nearest_to_the_other_outcome_stay() -> None:
    def distance(text: str, others: list[str]) -> int:
        return min(Levenshtein.distance(text, other) for other in others)

    wrong = [text for text, _ in WRONG]
    ranked = sorted(range(5), key=lambda number: distance(TEXTS[number], wrong))
    assert kept(PerProblemFilter(k=2, of="correct", pick="nearest"))[:2] == sorted(ranked[:2])
    assert kept(PerProblemFilter(k=1, of="incorrect", pick="nearest"))[5] == 5


def test_without_another_outcome_the_nearest_are_the_first() -> None:
    only = problem_with("p", "a", "b", "c")
    assert dropped(PerProblemFilter(k=2, pick="nearest"), only) == ["p@t/2"]


def test_diverse_attempts_are_unlike_one_another() -> None:
    chosen = kept(PerProblemFilter(k=3, of="correct", pick="diverse"))[:3]
    assert chosen == [0, 1, 3]
    sets = [gram_set(normal(TEXTS[number]), 5) for number in chosen]
    assert max(jaccard(one, other) for one, other in combinations(sets, 2)) == 0


def test_random_ones_follow_from_the_seed_and_the_ids() -> None:
    filter = PerProblemFilter(k=2, of="correct", pick="random")
    assert kept(filter) == kept(filter)
    assert len({tuple(kept(filter, seed)) for seed in range(20)}) > 5


@pytest.mark.parametrize("pick", ["first", "random", "shortest", "nearest", "diverse"])
def test_a_group_within_the_limit_stays_whole(pick: str) -> None:
    filter = PerProblemFilter.model_validate({"k": 5, "pick": pick})
    assert dropped(filter, group(), problem_with("q")) == []


def test_the_evidence_says_how_many_there_were() -> None:
    found = decisions(PerProblemFilter(k=2, of="correct"), group())[0]
    assert (found.reason, found.evidence) == ("beyond_k", "2 of 5 correct attempts stay (first)")
