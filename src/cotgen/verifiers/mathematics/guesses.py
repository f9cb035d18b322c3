"""Several values beside one: whatever they are, not all of them are the answer."""

from __future__ import annotations

from fractions import Fraction

from cotgen.verifiers.mathematics.build import negative
from cotgen.verifiers.mathematics.compare_signs import spread
from cotgen.verifiers.mathematics.decision import Decision, different
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Choice,
    Node,
    Number,
    PlusMinus,
    Relation,
    Sequence,
    Sum,
    Symbol,
    Unreadable,
    contains,
    symbols,
)
from cotgen.verifiers.mathematics.read import Answer
from cotgen.verifiers.mathematics.rules import Judge
from cotgen.verifiers.mathematics.scalars import order

_MOST_GUESSES = 30


def guesses(gold: Answer, given: Answer, judge: Judge) -> Decision | None:
    """Different where a bare list holds a member that is proven not to be the one value beside it.

    `5 or 6` answers no question that has one answer, and 5 none that has two. What may be one
    number with a comma, two units of one amount or a rounded value is left to others.
    """
    if gold.approximate or given.approximate:
        return None
    for several, single in ((given, gold), (gold, given)):
        nodes = _alike((*_members(several), *single.readings))
        if len(nodes) < 3 or len(single.readings) != 1:
            continue
        *members, value = nodes
        found = [judge(member, value).finding for member in members]
        wrong = [member for member, each in zip(members, found, strict=True) if each == "different"]
        if wrong and "undecided" not in found and not any(_is_near(each, value) for each in wrong):
            return different("list", "several values instead of one, or one instead of several")
    return None


def _members(answer: Answer) -> tuple[Node, ...]:
    """The members of a list that is nothing else in another reading."""
    if len(answer.readings) != 1 or answer.seconds or answer.listed is not None:
        return ()
    node = answer.readings[0]
    if not isinstance(node, Sequence) and contains(node, PlusMinus):
        node = spread(Sequence("", "", (node,)))
    bare = isinstance(node, Sequence) and node.open == ""
    return node.items[:_MOST_GUESSES] if isinstance(node, Sequence) and bare else ()


def _alike(nodes: tuple[Node, ...]) -> list[Node]:
    """Nodes that are all numbers, or values of one name, or letters of options; else nothing."""
    names = {node.sides[0] for node in nodes if isinstance(node, Relation)}
    values = [_assigned(node) if names else node for node in nodes]
    if len(names) < 2 and all(map(_is_number, values)):
        return values
    letters = [_option(node) for node in nodes]
    return [letter for letter in letters if letter is not None] if None not in letters else []


def _assigned(node: Node) -> Node:
    match node:
        case Relation((Symbol(), value), ("=",)):
            return value
        case _:
            return node


def _is_number(node: Node) -> bool:
    return isinstance(node, SCALARS) and not symbols(node)


def _option(node: Node) -> Choice | None:
    match node:
        case Choice(_, None):
            return node
        case Symbol("A" | "B" | "C" | "D" | "E" | "F" | "G" | "H" as letter):
            return Choice(letter, None)
        case _:
            return None


def _is_near(member: Node, value: Node) -> bool:
    """Whether a decimal such as 1.41 may be a rounded value."""
    if not isinstance(member, Number) or member.value.denominator == 1:
        return False
    distance = abs(member.value) / 50
    gap = Sum((value, negative(member)))
    try:
        return order(gap, Number(distance)) < 0 < order(gap, Number(Fraction(-distance)))
    except Unreadable:
        return True
