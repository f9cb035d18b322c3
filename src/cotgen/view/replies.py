"""What the page is told: records that become JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from cotgen.view.parts import Shown


class Facet(NamedTuple):
    """A value that can be filtered by, and how many have it."""

    name: str
    number: int


class RunPage(msgspec.Struct):
    """The run as a whole. `version` changes when it was read anew."""

    name: str
    folder: str
    version: int
    reading: float
    error: str = ""
    problems: int = 0
    solved: int = 0
    attempts: int = 0
    chains: int = 0
    outcomes: dict[str, int] = {}
    datasets: dict[str, int] = {}
    teachers: list[Facet] = []
    methods: list[Facet] = []
    levels: list[Facet] = []
    sources: list[Facet] = []


class ListedProblem(NamedTuple):
    """A line of the list; `counts` in the order of the outcomes."""

    id: str
    question: str
    level: str
    counts: list[int]
    chains: int


class ListPage(msgspec.Struct):
    """Some problems of all that pass. `searched` below 1: ask again, the search goes on."""

    total: int
    searched: float
    start: int
    rows: list[ListedProblem]
    located: int = -1
    version: int = 0


class ProblemPage(msgspec.Struct):
    """A problem, and what there is of it."""

    id: str
    question: Shown
    answer: Shown
    facts: dict[str, str]
    attempts: list[tuple[str, str, str]]
    failures: dict[str, str]
    chains: int
    rows: dict[str, int]
    pairs: list[tuple[str, str]]


class AttemptPage(msgspec.Struct):
    """An attempt with all that is known of it."""

    id: str
    number: int
    teacher: str
    outcome: str
    text: Shown
    predicted: str = ""
    method: str = ""
    reason: str = ""
    canonical: str = ""
    canonical_gold: str = ""
    finish: str = ""
    flaw: str = ""
    tokens: int = 0


class DifferencePage(msgspec.Struct):
    """What makes a correct attempt of a wrong one; `distance` counts edits of the unit."""

    wrong: str
    correct: str
    unit: str
    distance: int
    text: Shown


class LinkPage(msgspec.Struct):
    """A link of a chain."""

    kind: str
    trained: bool
    attempt: str
    outcome: str
    text: Shown


class ChainPage(msgspec.Struct):
    """A chain as it will be trained."""

    number: int
    wrong: int
    nearest: str
    distance: int
    links: list[LinkPage]


class TurnPage(msgspec.Struct):
    """A message of a row."""

    role: str
    use: str
    text: Shown


class RowPage(msgspec.Struct):
    """A row of a dataset as a chat."""

    number: int
    turns: list[TurnPage]
    origin: dict[str, Any]
    problem: str


class Rows(msgspec.Struct):
    """Some rows of a dataset."""

    dataset: str
    total: int
    start: int
    rows: list[RowPage]
