"""One pass over a run's groups. Memory grows by a few bytes a problem, not with the texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from math import log2
from pathlib import Path

from msgspec.structs import replace

from cotgen.records import Group, Judged, Outcome
from cotgen.report.estimators import Estimate, Values, majority_at, pass_at
from cotgen.report.files import (
    Written,
    dropped_ids,
    facts_of,
    filtered,
    price_of,
    written,
)
from cotgen.report.histograms import Bin, Histogram, binned, coarse_edges
from cotgen.report.numbers import (
    OUTCOMES,
    Answered,
    Chains,
    Duel,
    Funnel,
    Lengths,
    Numbers,
    Point,
    Repeats,
    Slice,
    TeacherNumbers,
)
from cotgen.report.pairs import Pairs
from cotgen.runs import Run, saved_recipe, saved_shape
from cotgen.summary import read_summary

PASS_1, DECIDED = "pass@1", "pass@1 of decided attempts"
SOLVED, MAJORITY = "problems solved", "majority of all attempts"
OTHERS = "(others)"
_MOST_NAMES = 200
_MOST_REASONS = 5_000
_SHOWN_REASONS = 12
_NAME_CHARACTERS = 160
_CURVE_SHARE = 0.8
"""A curve goes to k where this share of the problems have k attempts."""

Note = Callable[[str, dict[str, float]], None]
"""Is handed each question with what came of it, by measure: to compare runs by problem."""


def collect(folder: Path, note: Note | None = None) -> Numbers:
    """Read a run; `note` is handed what came of each problem.

    Raises RecipeError if the folder is none of a run's, StoreError if a file is damaged.
    """
    shape = saved_shape(folder)
    counted = _Counted(shape.teachers, dropped_ids(folder))
    with Run(shape, folder, write=False) as run:
        problems = len(run.problems)
        counted.pairs = Pairs(problems if shape.limit is None else min(problems, shape.limit))
        for group in run.groups():
            shares = counted.add(group)
            if note is not None and shares:
                note(group.problem.question, shares)
    return counted.numbers(folder)


class _Tally:
    """Collects a slice."""

    def __init__(self) -> None:
        self.problems = 0
        self.outcomes: Counter[Outcome] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.accuracy, self.decided = Values(), Values()
        self.solved, self.majority = Values(), Values()

    def add(self, votes: _Votes) -> None:
        if not votes.attempts:
            return
        self.problems += 1
        self.outcomes.update(votes.outcomes)
        correct = votes.outcomes["correct"]
        self.accuracy.add(correct / votes.attempts)
        if decided := correct + votes.outcomes["incorrect"]:
            self.decided.add(correct / decided)
        self.solved.add(float(correct > 0))
        self.majority.add(votes.majority(votes.attempts))

    def slice(self, name: str) -> Slice:
        return Slice(
            name,
            self.problems,
            self.outcomes.total(),
            dict(self.outcomes),
            self.accuracy.estimate(),
            self.decided.estimate(),
            self.solved.estimate(),
            self.majority.estimate(),
        )


class _Curve:
    """Collects pass@k and majority@k."""

    def __init__(self) -> None:
        self.problems = 0
        self._points: dict[int, tuple[Values, Values]] = {}

    def add(self, votes: _Votes) -> None:
        self.problems += votes.attempts > 0
        for k in _ks(votes.attempts):
            passed, majority = self._points.setdefault(k, (Values(), Values()))
            passed.add(pass_at(k, votes.outcomes["correct"], votes.attempts))
            majority.add(votes.majority(k))

    def points(self) -> list[Point]:
        found = []
        for k, (passed, majority) in sorted(self._points.items()):
            if len(passed) >= _CURVE_SHARE * self.problems:
                found.append(Point(k, _sure(passed.estimate()), _sure(majority.estimate())))
        return found


def _ks(attempts: int) -> Iterator[int]:
    """1, 2, 4, … and all of them."""
    k = 1
    while k < attempts:
        yield k
        k *= 2
    if attempts:
        yield attempts


class _Votes:
    """The attempts of one problem as answers: equal answers are equal in their canonical form."""

    def __init__(self, judged: Iterable[Judged]) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.attempts = 0
        self.silent = 0
        counts: Counter[str] = Counter()
        right: dict[str, bool] = {}
        for each in judged:
            if each.verdict is None:
                continue
            self.attempts += 1
            self.outcomes[each.verdict.outcome] += 1
            answer = each.verdict.canonical
            if each.is_("correct") or each.is_("incorrect"):
                # Not every verifier has a canonical form. What could not be read never votes.
                answer = answer or each.verdict.predicted
            if not answer or each.is_("unfinished"):
                self.silent += 1
                continue
            counts[answer] += 1
            # The class is as right as its first attempt, which would stand for it.
            right.setdefault(answer, each.verdict.outcome == "correct")
        self.answers = len(counts)
        self._votes = tuple(sorted((count, right[answer]) for answer, count in counts.items()))

    def shares(self) -> dict[str, float]:
        """Every measure of the problem by its name."""
        if not self.attempts:
            return {}
        correct, n = self.outcomes["correct"], self.attempts
        found = {PASS_1: correct / n, SOLVED: float(correct > 0), MAJORITY: self.majority(n)}
        if decided := correct + self.outcomes["incorrect"]:
            found[DECIDED] = correct / decided
        for k in _ks(n):
            if k > 1:
                found[f"pass@{k}"] = pass_at(k, correct, n)
                found[f"majority@{k}"] = self.majority(k)
        return found

    def majority(self, k: int) -> float:
        """The chance that the commonest answer of k attempts is right."""
        return majority_at(k, self._votes, self.silent)


class _OfTeacher:
    """Collects what one teacher gave."""

    def __init__(self) -> None:
        self.tally, self.curve = _Tally(), _Curve()
        self.characters = Histogram()
        self.model = ""
        self.repeated = self.tokens = self.prompt_tokens = 0

    def add(self, judged: list[Judged], votes: _Votes) -> None:
        self.tally.add(votes)
        self.curve.add(votes)
        texts = [each.attempt.text for each in judged]
        self.repeated += len(texts) - len(set(texts))
        for each, text in zip(judged, texts, strict=True):
            self.characters.add(len(text))
            self.tokens += each.attempt.origin.tokens
            self.prompt_tokens += each.attempt.origin.prompt_tokens
            self.model = self.model or each.attempt.origin.model


class _Counted:
    """Collects a run, group by group."""

    def __init__(self, teachers: tuple[str, ...], dropped: frozenset[str]) -> None:
        self._dropped = dropped
        self.pairs = Pairs(0)
        self.tally, self.curve = _Tally(), _Curve()
        self.levels: dict[str, _Tally] = {}
        self.sources: dict[str, _Tally] = {}
        self.teachers = {name: _OfTeacher() for name in teachers}
        self.duels: dict[tuple[str, str], tuple[Values, Counter[int]]] = {}
        self.problems: Counter[str] = Counter()
        self.shares: Counter[int] = Counter()
        self.methods: dict[str, Counter[Outcome]] = {}
        self.reasons: dict[Outcome, Counter[str]] = {outcome: Counter() for outcome in OUTCOMES}
        self.lengths: dict[Outcome, Histogram] = {outcome: Histogram() for outcome in OUTCOMES}
        self.thoughts, self.answers = Histogram(), Histogram()
        self.repeated: Counter[str] = Counter()
        self.distinct_correct = self.left = self.empty_thoughts = 0

    def add(self, group: Group) -> dict[str, float]:
        """Count a problem, and say what came of it; nothing if it has no judged attempt yet."""
        votes = _Votes(group.judged)
        self._add_problem(group, votes)
        self._add_teachers(group)
        for judged in group.judged:
            self._add_attempt(judged)
        self._add_repeats(group)
        self.pairs.add(group, self._left(group))
        return votes.shares()

    def _left(self, group: Group) -> Group:
        """What filters left of a group, and how much that is."""
        kept = tuple(judged for judged in group.judged if judged.id not in self._dropped)
        if group.problem.id in self._dropped:
            kept = ()
        self.left += len(kept)
        self.problems["left"] += group.problem.id not in self._dropped
        return group if len(kept) == len(group.judged) else replace(group, judged=kept)

    def _add_problem(self, group: Group, votes: _Votes) -> None:
        problem, outcomes = group.problem, votes.outcomes
        self.tally.add(votes)
        self.curve.add(votes)
        _named(self.levels, problem.level).add(votes)
        _named(self.sources, problem.source).add(votes)
        decided = outcomes["correct"] + outcomes["incorrect"]
        self.problems["loaded"] += 1
        self.problems["attempted"] += bool(group.judged)
        self.problems["decided"] += decided > 0
        self.problems["solved"] += outcomes["correct"] > 0
        self.problems["contrasted"] += outcomes["correct"] > 0 and bool(group.contrasting())
        if votes.attempts:
            self.answers.add(votes.answers)
            # Ten bars, and one each for never and always, which teach nothing by contrast.
            share = outcomes["correct"] / votes.attempts
            self.shares[0 if share == 0 else 11 if share == 1 else 1 + int(share * 10)] += 1

    def _add_teachers(self, group: Group) -> None:
        found: dict[str, float] = {}
        for name, run in groupby(group.judged, key=lambda judged: judged.teacher):
            judged = list(run)
            votes = _Votes(judged)
            self.teachers[name].add(judged, votes)
            if votes.attempts:
                found[name] = votes.outcomes["correct"] / votes.attempts
        names = list(found)
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                differences, wins = self.duels.setdefault((first, second), (Values(), Counter()))
                difference = found[first] - found[second]
                differences.add(difference)
                wins[(difference > 0) - (difference < 0)] += 1

    def _add_attempt(self, judged: Judged) -> None:
        attempt, verdict = judged.attempt, judged.verdict
        if attempt.thought_steps:
            self.thoughts.add(len(attempt.thought))
        self.empty_thoughts += attempt.flag == "empty_thought"
        if verdict is None:
            self.repeated["unjudged"] += 1
            return
        self.lengths[verdict.outcome].add(len(attempt.text))
        method = _shortened(verdict.method) or "(none)"
        if method not in self.methods and len(self.methods) >= _MOST_NAMES:
            method = OTHERS
        counts = self.methods.setdefault(method, Counter(dict.fromkeys(OUTCOMES, 0)))
        counts[verdict.outcome] += 1
        if verdict.outcome != "correct":
            reasons, reason = self.reasons[verdict.outcome], _shortened(verdict.reason) or "(none)"
            full = len(reasons) >= _MOST_REASONS and reason not in reasons
            reasons[OTHERS if full else reason] += 1

    def _add_repeats(self, group: Group) -> None:
        texts: set[str] = set()
        for judged in group.judged:
            if judged.attempt.text in texts:
                self.repeated["attempts"] += 1
                if judged.verdict:
                    self.repeated[judged.verdict.outcome] += 1
            texts.add(judged.attempt.text)
        correct = {judged.attempt.text for judged in group.having("correct")}
        self.distinct_correct += len(correct)
        squeezed = {" ".join(text.split()) for text in correct}
        self.repeated["equal"] += sum(
            " ".join(judged.attempt.text.split()) in squeezed
            for judged in group.having("incorrect")
        )

    def numbers(self, folder: Path) -> Numbers:
        """Everything, once all groups are counted."""
        recipe, summary = saved_recipe(folder), read_summary(folder)
        made = written(folder, summary)
        return Numbers(
            facts=facts_of(recipe, folder),
            funnel=self._funnel(made),
            all=self.tally.slice("all"),
            curve=self.curve.points(),
            by_level=[self.levels[name].slice(name) for name in sorted(self.levels, key=_natural)],
            by_source=[self.sources[name].slice(name) for name in sorted(self.sources)],
            shares=[Bin(low, low + 1, self.shares[low]) for low in range(12)],
            teachers=[
                _teacher(name, of, price_of(recipe, name))
                for name, of in self.teachers.items()
                if of.tally.problems
            ],
            duels=[_duel(names, *found) for names, found in self.duels.items()],
            methods={name: dict(self.methods[name]) for name in _commonest(self.methods)},
            reasons={outcome: _most(counts) for outcome, counts in self.reasons.items() if counts},
            lengths=self._lengths(),
            chains=self._chains(),
            repeats=self._repeats(),
            datasets=made.datasets,
            filtered=filtered(folder),
            example=self.pairs.example,
            summary=summary,
        )

    def _funnel(self, made: Written) -> Funnel:
        outcomes, problems = self.tally.outcomes, self.problems
        decided = outcomes["correct"] + outcomes["incorrect"]
        finished = outcomes.total() - outcomes["unfinished"]
        steps = [
            ("loaded", problems["loaded"]),
            ("attempted", problems["attempted"]),
            ("with a decided attempt", problems["decided"]),
            ("with a correct attempt", problems["solved"]),
            ("with correct and wrong attempts", problems["contrasted"]),
        ]
        attempts = [
            ("sampled", outcomes.total() + self.repeated["unjudged"]),
            ("judged", outcomes.total()),
            ("ended by themselves", finished),
            ("decided", decided),
            ("correct", outcomes["correct"]),
            ("correct and distinct", self.distinct_correct),
        ]
        if self._dropped:
            # Of all, right or wrong: this is no part of the stages above.
            steps.append(("left by the filters", problems["left"]))
            attempts.append(("left by the filters, of all", self.left))
        if made.datasets:
            steps.append(("in a dataset", made.problems))
        return Funnel(steps, attempts)

    def _lengths(self) -> Lengths:
        edges = coarse_edges(list(self.lengths.values()))
        rows = {outcome: binned(found, edges) for outcome, found in self.lengths.items()}
        bins = [
            Answered(
                cut.low,
                cut.high,
                {outcome: rows[outcome][place].count for outcome in OUTCOMES},
            )
            for place, cut in enumerate(rows["correct"])
        ]
        of = {outcome: found.distribution() for outcome, found in self.lengths.items()}
        return Lengths(
            of={outcome: found for outcome, found in of.items() if found},
            bins=bins,
            slope=_slope(bins),
            thoughts=self.thoughts.fine.total(),
            empty_thoughts=self.empty_thoughts,
            thought_characters=self.thoughts.distribution(),
        )

    def _chains(self) -> Chains:
        pairs = self.pairs
        return Chains(
            count=pairs.by_wrong.total(),
            by_wrong=dict(sorted(pairs.by_wrong.items())),
            without_wrong=pairs.without_wrong,
            nearest=pairs.nearest.distribution(),
            nearest_bins=binned(pairs.nearest, coarse_edges([pairs.nearest])),
            nearly_equal=pairs.nearly_equal,
            siblings=pairs.siblings(),
        )

    def _repeats(self) -> Repeats:
        return Repeats(
            self.repeated["attempts"],
            self.repeated["correct"],
            self.repeated["incorrect"],
            self.repeated["equal"],
            self.answers.distribution(),
        )


def _named(tallies: dict[str, _Tally], name: str) -> _Tally:
    """The tally of a level or a source; hostile data may have a new one on every line."""
    name = _shortened(name)
    if name not in tallies and len(tallies) >= _MOST_NAMES:
        name = OTHERS
    return tallies.setdefault(name, _Tally())


def _natural(name: str) -> list[str | int]:
    """Sorts level 10 after level 9."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _shortened(text: str) -> str:
    return text if len(text) <= _NAME_CHARACTERS else text[: _NAME_CHARACTERS - 1] + "…"


def _commonest(methods: dict[str, Counter[Outcome]]) -> list[str]:
    return sorted(methods, key=lambda name: (-methods[name].total(), name))


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """The commonest, and all others together."""
    listed = sorted(counts.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0]))
    shown, rest = listed[:_SHOWN_REASONS], listed[_SHOWN_REASONS:]
    more = sum(count for _, count in rest)
    return [*shown, (OTHERS, more)] if more else shown


def _teacher(name: str, of: _OfTeacher, price: tuple[float, float]) -> TeacherNumbers:
    return TeacherNumbers(
        all=of.tally.slice(name),
        model=_shortened(of.model),
        curve=of.curve.points(),
        characters=of.characters.distribution(),
        repeated=of.repeated,
        tokens=of.tokens,
        prompt_tokens=of.prompt_tokens,
        cost_usd=(of.prompt_tokens * price[0] + of.tokens * price[1]) / 1e6,
    )


def _duel(names: tuple[str, str], differences: Values, wins: Counter[int]) -> Duel:
    return Duel(*names, _sure(differences.difference()), wins[1], wins[-1], wins[0])


def _sure(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


def _slope(bins: list[Answered]) -> float | None:
    """Change of accuracy with each doubling of the length; None if all are about as long."""
    points = []
    for cut in bins:
        decided = cut.outcomes["correct"] + cut.outcomes["incorrect"]
        if decided:
            place = log2(max(cut.low + cut.high - 1, 1) / 2)
            points.append((decided, place, cut.outcomes["correct"] / decided))
    weight = sum(decided for decided, _, _ in points)
    if len(points) < 2:
        return None
    x = sum(decided * place for decided, place, _ in points) / weight
    y = sum(decided * share for decided, _, share in points) / weight
    spread = sum(decided * (place - x) ** 2 for decided, place, _ in points)
    return sum(decided * (place - x) * (share - y) for decided, place, share in points) / spread
