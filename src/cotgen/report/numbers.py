"""What a report shows, and `report.json` holds. Intervals are 95 %."""

from __future__ import annotations

import msgspec

from cotgen.records import Outcome
from cotgen.report.estimators import Estimate
from cotgen.report.histograms import Bin, Distribution
from cotgen.summary import Summary

OUTCOMES: tuple[Outcome, ...] = ("correct", "incorrect", "unverifiable", "unfinished")
Names = dict[str, int]


class Point(msgspec.Struct):
    """pass@k and majority@k at one k, over the problems with at least k attempts."""

    k: int
    passed: Estimate
    majority: Estimate


class Slice(msgspec.Struct):
    """Some of the problems, or the attempts of one teacher on all.

    `accuracy` is the mean share of correct attempts (pass@1), `decided` the same over the attempts
    that were decided, `solved` the share of problems with a correct attempt, `majority` the share
    whose commonest answer is right.
    """

    name: str
    problems: int
    attempts: int
    outcomes: dict[Outcome, int]
    accuracy: Estimate | None
    decided: Estimate | None
    solved: Estimate | None
    majority: Estimate | None


class TeacherNumbers(msgspec.Struct):
    """What one teacher gave. `cost_usd` is that of the attempts in the table."""

    all: Slice
    model: str
    curve: list[Point]
    characters: Distribution | None
    repeated: int
    tokens: int
    prompt_tokens: int
    cost_usd: float


class Duel(msgspec.Struct):
    """Two teachers on the problems that both saw: first − second, paired by problem."""

    first: str
    second: str
    accuracy: Estimate
    better: int
    worse: int
    equal: int


class Funnel(msgspec.Struct):
    """What is left at each stage, of problems and of attempts."""

    problems: list[tuple[str, int]]
    attempts: list[tuple[str, int]]


class Answered(msgspec.Struct):
    """Attempts of some length: how many were correct, of how many decided, and of each outcome."""

    low: int
    high: int
    outcomes: dict[Outcome, int]


class Lengths(msgspec.Struct):
    """Lengths of attempts in characters. `slope` is the change of accuracy with each doubling of
    the length (least squares over the bins, weighted by attempts). `empty_thoughts` counts think
    blocks with nothing in them, which are no thoughts."""

    of: dict[Outcome, Distribution]
    bins: list[Answered]
    slope: float | None
    thoughts: int
    empty_thoughts: int
    thought_characters: Distribution | None


class Segment(msgspec.Struct):
    """Part of a text: `same` in both, or only in this one."""

    text: str
    same: bool


class Example(msgspec.Struct):
    """A correct attempt and the wrong one nearest to it, cut if they are long."""

    problem: str
    question: str
    gold: str
    wrong: list[Segment]
    correct: list[Segment]
    distance: int
    cut: bool


class Siblings(msgspec.Struct):
    """All distances from correct attempts to wrong ones, on a sample of the problems: the mean over
    correct attempts of the mean over their wrong attempts, and those whose nearest is a tie.
    `too_long`: correct attempts left out for their length."""

    problems: int = 0
    attempts: int = 0
    mean: float = 0.0
    nearest_mean: float = 0.0
    ties: int = 0
    too_long: int = 0


class Chains(msgspec.Struct):
    """Revision chains (methods.md §29). `siblings` is a sample: mean distance to all wrong attempts
    of the problem, and how often several are equally near."""

    count: int
    by_wrong: dict[int, int]
    without_wrong: int
    nearest: Distribution | None
    nearest_bins: list[Bin]
    nearly_equal: int
    siblings: Siblings


class Repeats(msgspec.Struct):
    """Attempts whose text an earlier attempt of the problem has. `equal_to_correct`: wrong attempts
    that equal a correct one up to white space. `answers`: distinct answers a problem."""

    attempts: int
    correct: int
    incorrect: int
    equal_to_correct: int
    answers: Distribution | None


class Dataset(msgspec.Struct):
    """A dataset that was written: rows, what was left out by reason, problems, sources."""

    name: str
    rows: int
    left_out: Names
    problems: int
    most_per_problem: int
    sources: Names
    tokens_per_row: float | None
    cost_per_row: float | None


class Facts(msgspec.Struct):
    """What the recipe says: a line each, for a person."""

    name: str
    lines: list[tuple[str, str]]
    settings: dict[str, str]


class Numbers(msgspec.Struct):
    """Everything that a report of one run shows. Intervals are 95 %."""

    facts: Facts
    funnel: Funnel
    all: Slice
    curve: list[Point]
    by_level: list[Slice]
    by_source: list[Slice]
    shares: list[Bin]
    teachers: list[TeacherNumbers]
    duels: list[Duel]
    methods: dict[str, dict[Outcome, int]]
    reasons: dict[Outcome, list[tuple[str, int]]]
    lengths: Lengths
    chains: Chains
    repeats: Repeats
    datasets: list[Dataset]
    filtered: dict[str, Names]
    example: Example | None
    summary: Summary


class Difference(msgspec.Struct):
    """One measure of two runs: the second minus the first. `paired` by problem where both runs saw
    the same questions."""

    name: str
    first: Estimate
    second: Estimate
    difference: Estimate
    paired: bool


class Comparison(msgspec.Struct):
    """Two runs: what differs in their recipes and in what came of them. `shared` counts the
    questions that both hold; better, worse and equal are of the second run on these."""

    first: str
    second: str
    shared: int
    better: int
    worse: int
    equal: int
    differences: list[Difference]
    settings: list[tuple[str, str, str]]


class Report(msgspec.Struct):
    """`report.json`."""

    runs: list[Numbers]
    comparisons: list[Comparison]
