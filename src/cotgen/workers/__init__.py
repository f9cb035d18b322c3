"""Doing many things at once: bounded concurrency, and processes that can be killed.

What is named here is loaded when it is first asked for: the child processes, whose start somebody
waits for, need none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cotgen.workers.bounded import bounded
    from cotgen.workers.frames import Job
    from cotgen.workers.heap import keep_heap
    from cotgen.workers.ordered import ordered
    from cotgen.workers.places import Climb, Places, most_connections
    from cotgen.workers.pool import Pool
    from cotgen.workers.stream import Stream

__all__ = [
    "Climb", "Job", "Places", "Pool", "Stream", "bounded", "keep_heap", "most_connections",
    "ordered",
]  # fmt: skip

_HOMES = {
    "Climb": "places",
    "Job": "frames",
    "Places": "places",
    "Pool": "pool",
    "Stream": "stream",
    "bounded": "bounded",
    "keep_heap": "heap",
    "most_connections": "places",
    "ordered": "ordered",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    # The import has bound the names of `bounded` and `ordered` to their modules.
    globals()[name] = found
    return found
