"""What comparing two answers ends in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Finding = Literal["equal", "different", "undecided"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Equal and different are proven; everything else is undecided, with the reason."""

    finding: Finding
    method: str
    reason: str = ""


def equal(method: str) -> Decision:
    """Proven equal."""
    return Decision("equal", method)


def different(method: str, reason: str) -> Decision:
    """Proven different."""
    return Decision("different", method, reason)


def undecided(method: str, reason: str) -> Decision:
    """Neither was proven."""
    return Decision("undecided", method, reason)


def unanimous(decisions: Iterable[Decision]) -> Decision:
    """What all readings agree on."""
    found = list(decisions)
    if len({decision.finding for decision in found}) == 1:
        return found[0]
    return undecided(found[0].method, "the answer has two readings that are judged differently")


def all_of(decisions: Iterable[Decision], method: str) -> Decision:
    """Equal if every part is; different as soon as one part is."""
    unknown: Decision | None = None
    for decision in decisions:
        if decision.finding == "different":
            return different(method, decision.reason)
        if decision.finding == "undecided":
            unknown = unknown or decision
    return equal(method) if unknown is None else undecided(method, unknown.reason)


def any_of(decisions: Iterable[Decision]) -> Decision:
    """Equal as soon as one reading is; different if all are."""
    unknown: Decision | None = None
    last: Decision | None = None
    for last in decisions:
        if last.finding == "equal":
            return last
        if last.finding == "undecided":
            unknown = last
    return unknown or last or undecided("", "nothing to compare")
