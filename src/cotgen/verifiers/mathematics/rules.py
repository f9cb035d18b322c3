"""What a rule of comparison is: it decides about a pair of its kind, or leaves it to the next."""

from __future__ import annotations

from collections.abc import Callable

from cotgen.verifiers.mathematics.decision import Decision
from cotgen.verifiers.mathematics.nodes import SCALARS, Node

Judge = Callable[[Node, Node], Decision]
"""Compares parts of a pair by all the rules."""
Rule = Callable[[Node, Node, Judge], Decision | None]
"""None: the pair is not of the rule's kind."""


def kind_of(node: Node) -> str:
    """What a node is, in a word for a reason."""
    return "value" if isinstance(node, SCALARS) else type(node).__name__.lower()
