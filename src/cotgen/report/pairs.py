"""Chains, and how far correct attempts are from wrong ones (methods.md §29)."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from cotgen.records import Chain, Group, Judged
from cotgen.report.histograms import Histogram
from cotgen.report.numbers import Example, Segment, Siblings

SAMPLED_PROBLEMS = 400
"""All distances of a problem cost as much as its correct times its wrong attempts."""
LONGEST_MEASURED = 20_000
"""Characters; one comparison of longer texts takes too long."""
_EXAMPLE_CHARACTERS = 1_200


class Pairs:
    """Collects chains, and measures all distances on a sample of the problems, chosen by the digest
    of their ids."""

    def __init__(self, problems: int) -> None:
        self._share = min(1.0, SAMPLED_PROBLEMS / max(problems, 1))
        self.by_wrong: Counter[int] = Counter()
        self.nearest = Histogram()
        self.without_wrong = self.nearly_equal = 0
        self.example: Example | None = None
        self._example_rank = 2.0
        self._siblings = Siblings()
        self._means = self._least = 0.0

    def add(self, group: Group, left: Group) -> None:
        """Count one problem; `left` is what filters left of it, among which chains look."""
        for chain in group.chains:
            self._add_chain(group, chain)
        if _draw(group.problem.id) < self._share:
            self._measure(list(left.having("correct")), left.contrasting())

    def _add_chain(self, group: Group, chain: Chain) -> None:
        self.by_wrong[chain.wrong] += 1
        if not chain.nearest:
            self.without_wrong += 1
            return
        self.nearest.add(chain.distance)
        self.nearly_equal += chain.distance <= 1
        rank = _draw(chain.correct)
        if rank < self._example_rank and chain.distance > 1:
            self._example_rank, self.example = rank, _example(group, chain)

    def _measure(self, correct: list[Judged], wrong: list[Judged]) -> None:
        from rapidfuzz.distance import Levenshtein

        found = self._siblings
        others = [each.attempt.text for each in wrong if _is_short(each)]
        found.problems += 1
        found.too_long += sum(not _is_short(each) for each in correct)
        for each in filter(_is_short, correct if others else ()):
            text = each.attempt.text
            distances = [Levenshtein.distance(text, other) for other in others]
            least = min(distances)
            found.attempts += 1
            found.ties += distances.count(least) > 1
            self._means += sum(distances) / len(distances)
            self._least += least

    def siblings(self) -> Siblings:
        """What the sample says."""
        found = self._siblings
        if found.attempts:
            found.mean = self._means / found.attempts
            found.nearest_mean = self._least / found.attempts
        return found


def _is_short(judged: Judged) -> bool:
    return sum(len(step.text) for step in judged.attempt.steps) <= LONGEST_MEASURED


def _draw(id: str) -> float:
    """A number in [0, 1) that belongs to an id."""
    digest = blake2b(id.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


def _example(group: Group, chain: Chain) -> Example:
    texts = [group.by_id(id).attempt.text for id in (chain.nearest, chain.correct)]
    wrong, correct = (text[:_EXAMPLE_CHARACTERS] for text in texts)
    parts = _compared(wrong, correct)
    return Example(
        problem=group.problem.id[:_EXAMPLE_CHARACTERS],
        question=group.problem.question[:_EXAMPLE_CHARACTERS],
        gold=group.problem.answer[:_EXAMPLE_CHARACTERS],
        wrong=parts[0],
        correct=parts[1],
        distance=chain.distance,
        cut=max(map(len, (*texts, group.problem.question))) > _EXAMPLE_CHARACTERS,
    )


def _compared(wrong: str, correct: str) -> tuple[list[Segment], list[Segment]]:
    """Both texts in parts: what is the same, and what is not."""
    from rapidfuzz.distance import Levenshtein

    left: list[Segment] = []
    right: list[Segment] = []
    for change in Levenshtein.opcodes(wrong, correct):
        same = change.tag == "equal"
        for segments, text in (
            (left, wrong[change.src_start : change.src_end]),
            (right, correct[change.dest_start : change.dest_end]),
        ):
            if text:
                segments.append(Segment(text, same))
    return left, right
