"""How tests went, as the judge's process tells its owner."""

from __future__ import annotations

from typing import NamedTuple


class Report(NamedTuple):
    """How the tests went.

    finding: passed · failed · doubtful · syntax · gone (the program's process ended) · raised ·
    unusable (the tests themselves). `test` names the failing test, `detail` what came instead.
    """

    finding: str
    test: str = ""
    detail: str = ""
    errno: int | None = None
    chosen: int = 0
