"""Several values beside one: whatever they are, not all of them are the answer."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.decision import Decision, different
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Choice,
    Node,
    Number,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    symbols,
)
from cotgen.verifiers.mathematics.read import Answer
from cotgen.verifiers.mathematics.rules import Judge

_MOST_GUESSES = 30


def guesses(gold: Answer, given: Answer, judge: Judge) -> Decision | None:
    """Different where a bare list holds a member that is proven not to be the one value beside it.

    `5 or 6` is no answer to a question that has one, and 5 none to a question that has two. What
    may be one number with a comma, two units of one amount or a rounded value is left open.
    """
    for several, single in ((given, gold), (gold, given)):
        members, value = _members(several), _value(single)
        if not members or value is None or not _are_alike((*members, value)):
            continue
        found = [judge(member, value) for member in members]
        undecided = any(decision.finding == "undecided" for decision in found)
        wrong = [m for m, each in zip(members, found, strict=True) if each.finding == "different"]
        if wrong and not undecided and not any(_rounds(member, value) for member in wrong):
            return different("list", "several values instead of one, or one instead of several")
    return None


def _members(answer: Answer) -> tuple[Node, ...]:
    """The members of a list that is nothing else in another reading."""
    if len(answer.readings) != 1 or answer.seconds or answer.listed is not None:
        return ()
    node = answer.readings[0]
    is_list = isinstance(node, Sequence) and node.open == ""
    return node.items[:_MOST_GUESSES] if isinstance(node, Sequence) and is_list else ()


def _value(answer: Answer) -> Node | None:
    if len(answer.readings) != 1 or isinstance(answer.readings[0], Sequence):
        return None
    return answer.readings[0]


def _are_alike(nodes: tuple[Node, ...]) -> bool:
    """All numbers, all options, or all values of one name."""
    names = {node.sides[0] for node in nodes if isinstance(node, Relation)}
    if names:
        return len(names) == 1 and all(_is_assignment(node) for node in nodes)
    return all(map(_is_option, nodes)) or all(map(_is_number, nodes))


def _is_assignment(node: Node) -> bool:
    match node:
        case Relation((Symbol(), value), ("=",)):
            return _is_number(value)
        case _:
            return False


def _is_number(node: Node) -> bool:
    return isinstance(node, SCALARS) and not symbols(node)


def _is_option(node: Node) -> bool:
    ...
