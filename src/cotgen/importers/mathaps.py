"""OpenR's MathAPS: trees of OmegaPRM with the share of rollouts that succeed (2406.06592).

Fields: formats.md §1.2 and openreasoner/openr, `data/omegaPRM_v2` (whose prefixes begin with the
question, and whose steps are parted by blank lines).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
from pydantic import Field

from cotgen.importers.shape import (
    Given,
    Imported,
    Importer,
    License,
    Source,
    gold_in,
    problem,
)
from cotgen.records import Attempt, Step

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_BLANK = "\n\n"
_MOST_STEPS = 512


class Prefix(msgspec.Struct):
    """A part of a solution from its beginning, and the share of its rollouts that succeed."""

    solution_prefix: str
    mc_value: Share | None = None


class Node(msgspec.Struct):
    """What a node of the tree adds; the root is the question."""

    text: str
    mc_value: Share | None = None
    children: list[Node] = []


class Row(msgspec.Struct):
    """The columns of the list form, the tree form and the converted form."""

    question: str = ""
    final_answer: str | None = None
    reasoning_steps: list[Prefix] | Node | None = None
    process: str | None = None
    label: list[Literal["+", "-"]] | None = None


class _Valued(NamedTuple):
    """A step and the share of rollouts that succeed after it."""

    text: str
    value: float | None


class MathApsImporter(Importer):
    """openreasoner/MATH-APS and what OpenR's OmegaPRM writes: lists of prefixes, trees, or steps.

    Every longest path becomes a pruned attempt, for nothing says whether it is a whole solution.
    The rewards are the shares of rollouts that succeed; an attempt with a step without has none.
    """

    columns: ClassVar[type[msgspec.Struct]] = Row
    in_tables = frozenset({"question", "process", "label"})

    kind: Literal["mathaps"] = "mathaps"
    source: Source = "openreasoner/MATH-APS"
    license: License = "MIT"
    step_tag: Annotated[str, Field(min_length=1)] = "\n\n\n\n\n"
    """What parts the steps in `process`."""

    def read(self, row: Row) -> Iterator[Imported]:
        """The attempts of one question."""
        if row.process is not None:
            paths = [self._converted(row)]
        elif isinstance(row.reasoning_steps, Node):
            paths = _leaves(row.reasoning_steps)
        elif row.reasoning_steps is not None:
            paths = _longest(row.reasoning_steps, row.question)
        else:
            raise ValueError("there is neither reasoning_steps nor process")
        asked = problem(row.question, gold_in(row.final_answer))
        yield Imported(asked, tuple(_given(path) for path in paths if path))

    def _converted(self, row: Row) -> list[_Valued]:
        """Steps joined with the tag, which may stand after the last one too."""
        assert row.process is not None
        texts = row.process.removesuffix(self.step_tag).split(self.step_tag)
        if row.label is None or len(row.label) != len(texts):
            raise ValueError(f"label: {len(row.label or [])} for the {len(texts)} steps of process")
        values = [1.0 if sign == "+" else 0.0 for sign in row.label]
        return [_Valued(text + "\n", value) for text, value in zip(texts, values, strict=True)]


def _leaves(root: Node) -> list[list[_Valued]]:
    """The paths from the root to the leaves, depth first; the root itself is no step."""
    paths: list[list[_Valued]] = []
    open_: list[tuple[Node, list[_Valued]]] = [(root, [])]
    while open_:
        node, path = open_.pop()
        if len(path) > _MOST_STEPS:
            raise ValueError(f"reasoning_steps: a path has more than {_MOST_STEPS} steps")
        if not node.children:
            paths.append(path)
        for child in reversed(node.children):
            step = [_Valued(child.text.strip() + _BLANK, child.mc_value)]
            open_.append((child, path + step if child.text.strip() else path))
    return paths


def _longest(prefixes: list[Prefix], question: str) -> list[list[_Valued]]:
    """Prefixes that are no beginning of another, each cut where shorter ones end."""
    values: dict[str, float | None] = {}
    for prefix in prefixes:
        text = prefix.solution_prefix.removeprefix(question).strip()
        if text and values.get(text) is None:
            values[text] = prefix.mc_value
    paths: list[list[str]] = []
    stack: list[str] = []
    for text in sorted(values):  # A text stands right after its beginnings.
        before = len(stack)
        while stack and not _goes_on(text, stack[-1]):
            stack.pop()
        if before and len(stack) == before:
            paths.pop()
        stack.append(text)
        paths.append(list(stack))
    order = {text: number for number, text in enumerate(values)}
    paths.sort(key=lambda path: order[path[-1]])
    return [[_Valued(step, values[end]) for step, end in _cut(path)] for path in paths]


def _goes_on(text: str, beginning: str) -> bool:
    """`12` does not go on from `1`: steps are parted by white space."""
    return text.startswith(beginning) and text[len(beginning)].isspace()


def _cut(path: list[str]) -> Iterator[tuple[str, str]]:
    """Each step, with the white space that ends it, and the prefix that it ends."""
    whole, start = path[-1], 0
    for end in path:
        stop = len(end)
        while stop < len(whole) and whole[stop].isspace():
            stop += 1
        yield whole[start:stop], end
        start = stop


def _given(path: list[_Valued]) -> Given:
    values = [step.value for step in path if step.value is not None]
    *earlier, last = [step.text for step in path]
    steps = (*map(Step, earlier), Step(last.rstrip()))
    rewards = tuple(values) if len(values) == len(path) else ()
    return Given(Attempt(steps, "pruned"), rewards=rewards)
