"""Entries of the user's crontab, each marked with the name of its run."""

from __future__ import annotations

import re
import shlex
import subprocess

from cotgen.errors import RecipeError, ScheduleError
from cotgen.scheduling.job import Job

_MARK = "# cotgen:"
_TIMEOUT_S = 30
_LONGEST = 990
"""Bytes; Debian's cron cuts what is longer than 998 (MAX_COMMAND 1000)."""


def shown(job: Job) -> str:
    """The job's line. What it prints is what cron mails: one line, unless something is wrong."""
    command = f"cd {shlex.quote(str(job.folder))} && {job.shell()}"
    # In a crontab, a bare % ends the command and begins its input.
    safe = command.replace("%", "\\%")
    line = f"{job.times.text} {safe} {_MARK}{job.name}\n"
    if len(line.encode()) > _LONGEST:
        raise RecipeError(f"cron takes lines of {_LONGEST} bytes, this one has more: {line}")
    return line


def install(job: Job) -> str:
    """Put the job's line into the user's crontab; every other line stays as it is.

    Returns what to tell the user. Raises ScheduleError.
    """
    before = _read()
    kept = [line for line in before if _name(line) != job.name]
    _write([*kept, shown(job).rstrip("\n")])
    done = "replaced" if len(kept) < len(before) else "added"
    return f"{done} in the crontab; each start and end will be noted in {job.log}"


def remove(name: str) -> None:
    """Take a job's line out of the user's crontab. Raises RecipeError if there is none."""
    before = _read()
    kept = [line for line in before if _name(line) != name]
    if len(kept) == len(before):
        known = ", ".join(sorted(filter(None, map(_name, before)))) or "none"
        raise RecipeError(f"the crontab has no entry of cotgen for {name} (it has: {known})")
    _write(kept)


def installed() -> list[str]:
    """The lines of the user's crontab that are cotgen's."""
    return [line for line in _read() if _name(line)]


def _name(line: str) -> str:
    """Whose line it is; empty for lines of others."""
    found = re.search(re.escape(_MARK) + r"([A-Za-z0-9._-]+)\s*$", line)
    return found[1] if found and not line.lstrip().startswith("#") else ""


def _read() -> list[str]:
    done = _crontab("-l", text="")
    if done.returncode and "no crontab" in done.stderr:
        return []
    _refuse(done)
    return done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []


def _write(lines: list[str]) -> None:
    _refuse(_crontab("-", text="".join(f"{line}\n" for line in lines)))


def _crontab(argument: str, text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["crontab", argument],
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=None,
        )
    except FileNotFoundError:
        raise ScheduleError(
            "this machine has no crontab command: install cron, or use --systemd or --kubernetes"
        ) from None
    except subprocess.TimeoutExpired as error:
        raise ScheduleError(f"crontab {argument} did not answer in {_TIMEOUT_S} s") from error


def _refuse(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise ScheduleError(f"crontab refused: {done.stderr.strip() or done.returncode}")
