"""Recursions: `a_{n+1} = 2a_n` says the same as `a_n = 2a_{n-1}`."""

from __future__ import annotations

import re
from fractions import Fraction

from cotgen.verifiers.mathematics.nodes import Node, Number, Relation, Sum, Symbol, symbols
from cotgen.verifiers.mathematics.rebuild import rebuilt

_PLACE = re.compile(r"(?:(-?[0-9]{1,4})\+)?([a-z])(?:\+(-?[0-9]{1,4}))?")


def is_recursion(relation: Relation) -> bool:
    """Whether members of one sequence stand in it at several places with a letter."""
    stems = [stem for stem, _, place in map(_parts, symbols(relation)) if place is not None]
    return len(set(stems)) < len(stems)


def shifted(relation: Relation) -> Relation | None:
    """A recursion counted so that its last member stands at the letter itself."""
    found = [_parts(name) for name in symbols(relation)]
    letters = {letter for _, letter, place in found if place is not None}
    if len(letters) != 1:
        return None
    (letter,) = letters
    gap = max(place for _, _, place in found if place is not None)
    changed = _moved(relation, letter, gap)
    return changed if isinstance(changed, Relation) else None


def _parts(name: str) -> tuple[str, str, int | None]:
    """The name of the sequence, the letter that counts its members, and what is added to it."""
    stem, _, place = name.partition("_")
    found = _PLACE.fullmatch(place)
    if found is None:
        return stem, "", None
    before, letter, behind = found.groups()
    return stem, letter, int(before or 0) + int(behind or 0)


def _moved(node: Node, letter: str, gap: int) -> Node:
    if node == Symbol(letter):
        return Sum((node, Number(Fraction(-gap)))) if gap else node
    if isinstance(node, Symbol):
        stem, own, place = _parts(node.name)
        if place is None or own != letter:
            return node
        rest = place - gap
        return Symbol(f"{stem}_{letter}" if not rest else f"{stem}_{rest}+{letter}")
    return rebuilt(node, lambda child: _moved(child, letter, gap))
