"""An audit on the terminal."""

from __future__ import annotations

from itertools import starmap

import msgspec
from rich.console import Console
from rich.text import Text

from cotgen.audit import Audit, Fault
from cotgen.display import visible


def show_audit(audit: Audit, *, json: bool) -> None:
    """Each demand with pass or fail, what was looked at, and what was wrong."""
    console = Console()
    if json:
        console.out(msgspec.json.format(msgspec.json.encode(audit), indent=2).decode())
        return
    for number, finding in enumerate(audit.findings, start=1):
        sign, colour = ("✓", "green") if finding.passed else ("✗", "red")
        head = Text.assemble((f"{sign} {number}  ", colour), (finding.title, "bold"))
        console.print(head, soft_wrap=True)
        checked = " · ".join(starmap(_checked, finding.checked.items()))
        looked = Text(f"     {visible(checked) or 'nothing to check'}", "bright_black")
        console.print(looked, soft_wrap=True)
        for fault in finding.faults:
            console.print(_told(fault, colour), soft_wrap=True)
    console.print(Text("all five demands are met" if audit.passed else "not met: see ✗ above"))


def _checked(what: str, value: float | str) -> str:
    if isinstance(value, int):
        return f"{value:,} {what}"
    return f"{what}: {value}" if isinstance(value, str) else f"{what} {value:.2%}"


def _told(fault: Fault, colour: str) -> Text:
    more = ", …" if fault.count > len(fault.first) else ""
    places = visible(", ".join(fault.first))
    return Text.assemble((f"     {fault.count:,} × {fault.what}: ", colour), places, more)
