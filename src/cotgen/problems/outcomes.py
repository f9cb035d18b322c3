"""What came of a run's problems, as its table of verdicts says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cotgen.records import Verified
from cotgen.store import Table

Where = Literal["all", "unseen", "unsolved", "mixed", "solved"]


class Outcomes:
    """Which problems of a run have correct and incorrect attempts: ids only, read in one pass."""

    def __init__(self, run: Path) -> None:
        self._correct: set[str] = set()
        self._incorrect: set[str] = set()
        self._judged: set[str] = set()
        path = run / "verdicts.jsonl"
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
