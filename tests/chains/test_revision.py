from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from conftest import MakeGroup

from cotgen.chains.revision import RevisionChains
from cotgen.protocols import Services
from cotgen.records import Chain, Completion, Group, Message, Problem, Sampling, Verdict
from cotgen.wiring import draws


async def _no_teacher(messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
    raise AssertionError("revision chains need no teacher")


async def _no_verifier(problem: Problem, solution: str) -> Verdict:
    raise AssertionError("revision chains need no verifier")


def build(group: Group, seed: int = 0, **settings: object) -> list[Chain]:
    builder = RevisionChains.model_validate(settings)
    services = Services(_no_teacher, _no_verifier, draws(seed))
    return asyncio.run(builder.build(group, services))


def naive_distance(a: str, b: str) -> int:
    """Levenshtein by the textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def test_there_is_one_chain_for_each_correct_attempt_in_attempt_order(
    make_group: MakeGroup,
) -> None:
    group = make_group(
        ("4a", "correct"), ("5", "incorrect"), ("4b", "correct"), ("4a", "correct")
    )
    assert [chain.correct for chain in build(group)] == ["p@t/0", "p@t/2", "p@t/3"]


def test_a_problem_without_wrong_attempts_gives_chains_without_context(
    make_group: MakeGroup,
) -> None:
    (chain,) = build(make_group(("4", "correct"), ("?", "unverifiable"), ("…", "unfinished")))
    assert chain.attempts == ("p@t/0",)
    assert (chain.wrong, chain.nearest, chain.distance) == (0, "", -1)


def test_the_nearest_wrong_attempt_stands_last_and_only_the_correct_one_is_trained(
    make_group: MakeGroup,
) -> None:
    texts = ["the sum is 5", "2 and 2 is 22", "so: 2 + 2 = 5", "no idea, 17"]
    group = make_group(("so: 2 + 2 = 4", "correct"), *((text, "incorrect") for text in texts))
    for seed in range(30):
        (chain,) = build(group, seed)
        assert (chain.nearest, chain.distance) == ("p@t/3", 1)
        assert [link.trained for link in chain.links] == [False] * chain.wrong + [True]
        assert [link.attempt for link in chain.links] == list(chain.attempts)
        assert len(set(chain.attempts)) == len(chain.attempts)
        if chain.wrong:
            assert chain.attempts[-2] == chain.nearest
        assert chain.links[-1].text == "so: 2 + 2 = 4"


def test_the_number_of_wrong_attempts_is_uniform_up_to_the_smaller_of_limit_and_supply(
    make_group: MakeGroup,
) -> None:
    for supply, limit in [(1, 4), (2, 4), (7, 4), (7, 2)]:
        wrong = [(f"wrong {number} {'x' * number}", "incorrect") for number in range(supply)]
        group = make_group(("right", "correct"), *wrong)
        trials, top = 3000, min(supply, limit)
        counts = Counter(build(group, seed, max_wrong=limit)[0].wrong for seed in range(trials))
        assert set(counts) == set(range(top + 1))
        expected = trials / (top + 1)
        spread = math.sqrt(expected * (1 - 1 / (top + 1)))
        assert all(abs(count - expected) < 4 * spread for count in counts.values())


def test_the_other_wrong_attempts_are_drawn_evenly(make_group: MakeGroup) -> None:
    wrong = [(f"{'w' * number} 9", "incorrect") for number in range(1, 6)]
    group = make_group(("w 4", "correct"), *wrong)
    shown: Counter[str] = Counter()
    for seed in range(3000):
        (chain,) = build(group, seed)
        shown.update(chain.attempts[:-2] if chain.wrong else ())
    assert set(shown) == {f"p@t/{number}" for number in range(2, 6)}
    assert max(shown.values()) < 1.15 * min(shown.values())


def test_ties_go_to_the_first_wrong_attempt(make_group: MakeGroup) -> None:
    group = make_group(("abd", "incorrect"), ("abe", "incorrect"), ("abc", "correct"))
    assert build(group)[0].nearest == "p@t/0"


def test_a_wrong_attempt_that_repeats_another_or_equals_a_correct_one_is_not_shown(
    make_group: MakeGroup,
) -> None:
    group = make_group(
        ("is 4", "correct"), (" is  4\n", "incorrect"), ("is 5", "incorrect"), ("is 5", "incorrect")
    )
    for seed in range(20):
        (chain,) = build(group, seed)
        assert set(chain.attempts) <= {"p@t/0", "p@t/2"}


def test_the_same_teacher_only_shows_its_own_wrong_attempts(make_group: MakeGroup) -> None:
    group = make_group(
        ("4", "correct"), ("5", "incorrect"), ("6", "incorrect"), ("4!", "correct"),
        teachers=("a", "b", "a", "b"),
    )  # fmt: skip
    for seed in range(20):
        chains = build(group, seed, same_teacher=True)
        assert [chain.correct for chain in chains] == ["p@a/0", "p@b/3"]
        assert [chain.nearest for chain in chains] == ["p@a/2", "p@b/1"]


def test_a_share_of_chains_shows_a_correct_attempt_instead(make_group: MakeGroup) -> None:
    group = make_group(("4a", "correct"), ("4b", "correct"), ("5", "incorrect"))
    chains = [chain for seed in range(500) for chain in build(group, seed, correct_context=0.3)]
    instead = [chain for chain in chains if chain.wrong == 0 and len(chain.attempts) == 2]
    assert 0.25 < len(instead) / len(chains) < 0.35
    assert all({*chain.attempts} == {"p@t/0", "p@t/1"} for chain in instead)


def test_a_bridge_stands_between_attempts_and_is_not_trained(make_group: MakeGroup) -> None:
    group = make_group(("4", "correct"), ("5", "incorrect"), ("66", "incorrect"))
    for seed in range(10):
        (chain,) = build(group, seed, bridge="Wait.")
        kinds = [link.kind for link in chain.links]
        assert kinds == ["attempt", "revision"] * chain.wrong + ["attempt"]
        assert [link.trained for link in chain.links].count(True) == 1


def test_the_draws_follow_from_the_seed_alone(make_group: MakeGroup) -> None:
    wrong = [(f"wrong {number}", "incorrect") for number in range(9)]
    group = make_group(("right", "correct"), *wrong)
    assert build(group, 3) == build(group, 3)
    assert len({build(group, seed)[0].attempts for seed in range(50)}) > 20


def test_growing_a_group_leaves_the_number_drawn_for_earlier_attempts(
    make_group: MakeGroup,
) -> None:
    attempts = [("right", "correct"), *((f"wrong {n}", "incorrect") for n in range(4))]
    before = build(make_group(*attempts))
    after = build(make_group(*attempts, ("right too", "correct")))
    assert after[0] == before[0]


@pytest.mark.parametrize("size", [5, 40])
def test_nearest_equals_the_textbook_on_random_texts(make_group: MakeGroup, size: int) -> None:
    draw = Random(size)

    def text() -> str:
        return "".join(draw.choice("ab 1\n") for _ in range(draw.randrange(1, size)))

    for _ in range(20):
        group = make_group(*((text(), draw.choice(["correct", "incorrect"])) for _ in range(10)))
        wrong = group.contrasting()
        for chain in build(group):
            correct = group.by_id(chain.correct).attempt.text
            distances = [naive_distance(correct, each.attempt.text) for each in wrong]
            if distances:
                first = distances.index(min(distances))
                assert (chain.nearest, chain.distance) == (wrong[first].id, distances[first])

