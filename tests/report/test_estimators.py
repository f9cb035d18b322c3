"""Against brute force over all subsets, published examples, and intervals made another way."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb
from random import Random

import numpy as np
import pytest

from cotgen.report import estimators
from cotgen.report.estimators import Estimate, Values, Vote, majority_at, pass_at, unpaired, wilson
from cotgen.report.histograms import Histogram, binned, coarse_edges


def subsets(votes: tuple[Vote, ...], silent: int, k: int) -> list[Counter[int]]:
    answers = [place for place, (count, _) in enumerate(votes) for _ in range(count)]
    return [Counter(drawn) for drawn in combinations(answers + [-1] * silent, k)]


def test_pass_at_k_is_the_share_of_subsets_with_a_correct_attempt() -> None:
    for attempts in range(1, 9):
        for correct in range(attempts + 1):
            flags = [True] * correct + [False] * (attempts - correct)
            for k in range(1, attempts + 1):
                share = sum(map(any, combinations(flags, k))) / comb(attempts, k)
                assert pass_at(k, correct, attempts) == pytest.approx(share)


def test_majority_at_k_is_the_share_of_subsets_whose_commonest_answer_is_right() -> None:
    draw = Random(5)
    for _ in range(150):
        votes = tuple((draw.randint(1, 3), draw.random() < 0.4) for _ in range(draw.randint(0, 4)))
        silent = draw.randint(0, 2)
        for k in range(1, silent + sum(count for count, _ in votes) + 1):
            found = subsets(votes, silent, k)
            won = 0.0
            for counts in found:
                del counts[-1]
                most = max(counts.values(), default=0)
                leaders = [votes[place][1] for place, count in counts.items() if count == most]
                won += sum(leaders) / len(leaders) if leaders else 0
            assert majority_at(k, votes, silent) == pytest.approx(won / len(found))


def test_a_tie_shares_the_win_as_attempt_order_does_on_average() -> None:
    votes: tuple[Vote, ...] = ((2, True), (2, False), (1, False))
    answers = [0, 0, 1, 1, 2]
    draw, right = Random(1), 0
    for _ in range(20_000):
        order = draw.sample(answers, 4)
        counts = Counter(order)
        right += max(order, key=lambda answer: counts[answer]) == 0  # The first of the commonest.
    assert majority_at(4, votes, 0) == pytest.approx(right / 20_000, abs=0.015)


def test_one_attempt_is_its_own_majority_and_all_attempts_pass_if_any_does() -> None:
    votes: tuple[Vote, ...] = ((3, True), (4, False), (1, False))
    assert majority_at(1, votes, 2) == pytest.approx(pass_at(1, 3, 10)) == pytest.approx(0.3)
    assert pass_at(10, 3, 10) == 1
    assert majority_at(10, votes, 2) == 0


def test_many_attempts_are_drawn_and_come_near_the_exact_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    votes: tuple[Vote, ...] = ((30, True), (25, False), (10, False))
    exact = majority_at(8, votes, 5)
    monkeypatch.setattr(estimators, "MOST_EXACT", 50)
    majority_at.cache_clear()
    assert majority_at(8, votes, 5) == pytest.approx(exact, abs=0.04)
    majority_at.cache_clear()


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998 (Statistics in Medicine 17, 857), method 3.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


def test_a_difference_of_two_wilson_intervals_is_the_published_one() -> None:
    # Newcombe 1998 (Statistics in Medicine 17, 873), method 10, contrast (a): 56/70 and 48/80.
    left = Estimate(0.8, *wilson(56 / 70, 70), 70, "wilson")
    right = Estimate(0.6, *wilson(48 / 80, 80), 80, "wilson")
    found = unpaired(left, right)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert found.excludes_zero


def test_the_bootstrap_is_that_of_single_problems() -> None:
    draw = np.random.default_rng(2)
    shares = draw.beta(0.6, 0.8, size=60)
    values = Values()
    for share in shares:
        values.add(float(share))
    found = values.estimate()
    means = draw.choice(shares, size=(20_000, 60)).mean(axis=1)
    assert found is not None
    assert found.value == pytest.approx(shares.mean())
    assert (found.low, found.high) == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.01)
    assert (found.interval, found.problems) == ("bootstrap", 60)


def test_equal_values_are_not_taken_for_certainty() -> None:
    values = Values()
    for _ in range(20):
        values.add(1.0)
    found = values.estimate()
    assert found is not None
    assert (found.value, found.interval) == (1.0, "wilson")
    assert (found.low, found.high) == pytest.approx((1 - 0.1611, 1.0), abs=1e-4)
    nothing = Values()
    assert nothing.estimate() is None
    for _ in range(20):
        nothing.add(0.0)
    difference = nothing.difference()
    assert difference is not None
    assert (difference.low, difference.high) == pytest.approx((-0.1611, 0.1611), abs=1e-4)


def test_histograms_lose_no_value_and_their_quantiles_are_near() -> None:
    draw = Random(4)
    for values in (
        [draw.randint(1, 9) for _ in range(300)],
        [int(draw.lognormvariate(6, 1)) for _ in range(2_000)],
        [7],
        [0, 1_000_000],
    ):
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        bins = binned(histogram, coarse_edges([histogram]))
        assert sum(each.count for each in bins) == len(values)
        assert len(bins) <= 29
        for each in bins:
            assert each.low < each.high
            assert each.count == sum(each.low <= value < each.high for value in values)
        found = histogram.distribution()
        assert found is not None
        assert (found.least, found.most) == (min(values), max(values))
        assert found.mean == pytest.approx(sum(values) / len(values))
        if len(values) > 2:
            median = sorted(values)[(len(values) - 1) // 2]
            assert found.quantiles["50%"] == pytest.approx(median, rel=0.05)
