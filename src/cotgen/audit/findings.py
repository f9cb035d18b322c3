"""What an audit says: five demands on long-thought data, each met or not (methods.md §44)."""

from __future__ import annotations

from typing import Literal

import msgspec

Demand = Literal[
    "verified-correct", "verified-wrong", "wrong-to-right", "batch-verification", "breadth"
]
TITLES: dict[Demand, str] = {
    "verified-correct": "What is trained is verified: answer, method and arithmetic",
    "verified-wrong": "What is rejected or shown as wrong is wrong, and whole",
    "wrong-to-right": "Chains lead from wrong to right, and only the right part is trained",
    "batch-verification": "Every label is a verifier's; nothing undecided is used",
    "breadth": "Rows trace to problems of known origin, once each, none of a test set",
}
_SHOWN = 5


class Fault(msgspec.Struct):
    """One way in which a demand is not met: how often, and where first."""

    what: str
    count: int = 0
    first: list[str] = []


class Finding(msgspec.Struct):
    """One demand: what was looked at, and what was wrong with it."""

    demand: Demand
    title: str
    passed: bool
    checked: dict[str, int | float | str]
    faults: list[Fault]


class Audit(msgspec.Struct):
    """All five, in order."""

    run: str
    passed: bool
    findings: list[Finding]


class Book:
    """Collects faults while a run is read."""

    def __init__(self) -> None:
        self.checked: dict[Demand, dict[str, int | float | str]] = {each: {} for each in TITLES}
        self._faults: dict[Demand, dict[str, Fault]] = {each: {} for each in TITLES}

    def fault(self, demand: Demand, what: str, where: str) -> None:
        """Note one."""
        fault = self._faults[demand].setdefault(what, Fault(what, 0, []))
        fault.count += 1
        if len(fault.first) < _SHOWN:
            fault.first.append(where[:300])

    def count(self, demand: Demand, what: str, by: int = 1) -> None:
        """Note that something was looked at."""
        before = self.checked[demand].get(what, 0)
        assert isinstance(before, int)
        self.checked[demand][what] = before + by

    def audit(self, run: str, allowed: dict[str, int]) -> Audit:
        """What was found. A fault that may occur so often (`allowed`) does not fail its demand."""
        findings = []
        for demand, title in TITLES.items():
            faults = sorted(self._faults[demand].values(), key=lambda fault: fault.what)
            passed = all(fault.count <= allowed.get(fault.what, 0) for fault in faults)
            findings.append(Finding(demand, title, passed, self.checked[demand], faults))
        return Audit(run, all(finding.passed for finding in findings), findings)
