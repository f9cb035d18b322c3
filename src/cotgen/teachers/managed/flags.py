"""vLLM's flags: from settings to a command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

Flag = bool | int | float | str | list[str] | dict[str, str | int | float | bool | None]
Flags = Mapping[str, Flag]


def spelled(name: str) -> str:
    """A flag's name as it stands on the command line, without the dashes before it."""
    return name.lstrip("-").replace("_", "-")


def joined(*parts: Flags) -> dict[str, Flag]:
    """Several sets of flags, the later ones first in rank, however their names are written."""
    return {spelled(name): value for part in parts for name, value in part.items()}


def command_line(flags: Flags) -> Iterator[str]:
    """`{enable_x: true, y: 3}` as `--enable-x --y 3`; false: `--no-enable-x`."""
    for name, value in flags.items():
        match value:
            case True:
                yield f"--{spelled(name)}"
            case False:
                yield f"--no-{spelled(name)}"
            case list():
                yield from (f"--{spelled(name)}", *value)
            case dict():
                yield from (f"--{spelled(name)}", json.dumps(value))
            case _:
                yield from (f"--{spelled(name)}", str(value))


def keywords(flags: Flags) -> dict[str, Flag]:
    """The same as keywords of `vllm.LLM`."""
    return {spelled(name).replace("-", "_"): value for name, value in flags.items()}
