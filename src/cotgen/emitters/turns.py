"""Chat turns, and the origin of the rows that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from cotgen.protocols import RowOrigin
from cotgen.records import Group, Judged


class Turn(TypedDict):
    """One message, as chat templates read it."""

    role: str
    content: str


def user(content: str) -> Turn:
    """A user's turn."""
    return {"role": "user", "content": content}


def opening(system: str | None, content: str) -> list[Turn]:
    """The user's first turn, after the system's if there is one."""
    before: list[Turn] = [{"role": "system", "content": system}] if system else []
    return [*before, user(content)]


def assistant(content: str) -> Turn:
    """An assistant's turn."""
    return {"role": "assistant", "content": content}


def origin(group: Group, used: Iterable[Judged], *made_by: str) -> RowOrigin:
    """Where a row made of these attempts came from; `made_by` names the method, outermost first."""
    used = list(used)
    return RowOrigin(
        problem=group.problem.id,
        attempts=tuple([judged.id for judged in used]),
        teachers=tuple([judged.teacher for judged in used]),
        methods=tuple([judged.verdict.method if judged.verdict else "" for judged in used]),
        rewards=tuple([judged.rewards.source if judged.rewards else "" for judged in used]),
        made_by=made_by,
        split=group.problem.split,
        source=group.problem.source,
        license=group.problem.license,
    )
