"""A service and its timer for systemd's user manager."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cotgen.errors import RecipeError, ScheduleError
from cotgen.scheduling.job import Job

_TIMEOUT_S = 30


def units(job: Job) -> dict[str, str]:
    """The files' texts by name."""
    return {f"{_unit(job.name)}.service": _service(job), f"{_unit(job.name)}.timer": _timer(job)}


def shown(job: Job) -> str:
    """The files' texts, one after the other."""
    return "\n".join(f"# {_folder() / name}\n{text}" for name, text in units(job).items())


def install(job: Job) -> str:
    """Write the units where systemd looks for the user's, and start the timer.

    Returns what to tell the user. Raises ScheduleError; where systemd does not answer, the files
    are there nevertheless.
    """
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in units(job)]
    for path, text in zip(paths, units(job).values(), strict=True):
        path.write_text(text, encoding="utf-8")
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", f"{_unit(job.name)}.timer")
    return f"started; each start and end will be noted in {job.log}"


def remove(name: str) -> None:
    """Stop the timer and delete the units. Raises RecipeError if there are none."""
    paths = [_folder() / f"{_unit(name)}.{kind}" for kind in ("timer", "service")]
    if not any(path.exists() for path in paths):
        raise RecipeError(f"{_folder()} has no units of cotgen for {name}")
    try:
        _systemctl("disable", "--now", f"{_unit(name)}.timer")
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
    _systemctl("daemon-reload")


def installed() -> list[str]:
    """The timers that are cotgen's."""
    return sorted(str(path) for path in _folder().glob("cotgen-*.timer"))


def _service(job: Job) -> str:
    lines = [
        "[Unit]",
        f"Description=cotgen run {_escaped(job.name)}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"WorkingDirectory={_escaped(str(job.folder))}",
        f"ExecStart={' '.join(_quoted(part) for part in job.command)}",
        # Finished but for failed items, locked by another, and at its limit are no faults.
        "SuccessExitStatus=1 3 4",
        "KillSignal=SIGTERM",
        f"TimeoutStopSec={job.stop_s}",
    ]
    return "\n".join(lines) + "\n"


def _timer(job: Job) -> str:
    lines = ["[Unit]", f"Description=When cotgen runs {_escaped(job.name)}", "", "[Timer]"]
    lines += [f"OnCalendar={calendar}" for calendar in job.times.calendar()]
    # A machine that was off at the time runs the job when it is on again.
    lines += ["Persistent=true", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def _quoted(part: str) -> str:
    """One argument of ExecStart; $ and % would be expanded."""
    text = part.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _unit(name: str) -> str:
    return f"cotgen-{name}"


def _folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "systemd" / "user"


def _systemctl(*arguments: str) -> None:
    told = f"systemctl --user {' '.join(arguments)}"
    try:
        done = subprocess.run(
            ["systemctl", "--user", *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ScheduleError(f"{told}: {error}") from error
    if done.returncode:
        raise ScheduleError(f"{told}: {done.stderr.strip() or done.returncode}")
