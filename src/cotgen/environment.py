"""Environment files: names and values, such as keys, for runs that no shell has prepared."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from cotgen.errors import RecipeError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_environment(path: Path) -> dict[str, str]:
    """The values of `NAME=value` lines; quotes around a value are dropped, nothing is expanded.

    Raises RecipeError if others may read the file: it holds keys.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--env-file {path}: cannot be read ({error})") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RecipeError(f"--env-file {path}: others may read or write it; chmod 600 {path}")
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None or "\0" in stripped:
            # The line itself may be a key: it is not shown.
            raise RecipeError(f"--env-file {path}, line {number}: write NAME=value")
        found[match[1]] = _unquoted(match[2])
    return found


def use_environment(path: Path) -> None:
    """Set what the file says in this process, over what is set already."""
    os.environ.update(read_environment(path))


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
