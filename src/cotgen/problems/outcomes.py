"""What came of problems in runs, as their tables of verdicts say."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cotgen.records import Verified
from cotgen.store import Table

Where = Literal["all", "unseen", "unsolved", "mixed", "solved"]


class Outcomes:
    """Which problems have correct and incorrect attempts in any of some runs: ids only, read in one
    pass."""

    def __init__(self, *runs: Path) -> None:
        self._correct: set[str] = set()
        self._incorrect: set[str] = set()
        self._judged: set[str] = set()
        for run in runs:
            self._read(run / "verdicts.jsonl")

    def _read(self, path: Path) -> None:
        if not path.exists():
            return  # Nothing was judged yet.
        verdicts = Table(path, Verified, write=False)
        try:
            for line in verdicts.lines():
                self._note(line)
        finally:
            verdicts.close()

    def _note(self, line: Verified) -> None:
        problem = line.id.rpartition("@")[0]
        self._judged.add(problem)
        if line.outcome == "correct":
            self._correct.add(problem)
        elif line.outcome == "incorrect":
            self._incorrect.add(problem)

    def say(self, problem: str, where: Where) -> bool:
        """Whether the problem is one of these."""
        solved = problem in self._correct
        return {
            "all": True,
            "unseen": problem not in self._judged,
            "solved": solved,
            "unsolved": not solved,
            "mixed": solved and problem in self._incorrect,
        }[where]
