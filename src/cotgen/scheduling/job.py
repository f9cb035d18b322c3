"""What a scheduler shall start: one command, with every path absolute."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cotgen.environment import read_environment
from cotgen.errors import RecipeError
from cotgen.recipe import Recipe
from cotgen.scheduling.times import Times

_SAVING_S = 35
"""What a run may need, beside its grace, to save what came in."""


@dataclass(frozen=True)
class Job:
    """A recipe to be run by the clock. Paths are absolute: a scheduler starts elsewhere."""

    name: str
    times: Times
    recipe: Path
    folder: Path
    """Where cotgen is started: a recipe's paths are seen from there."""
    outputs: Path
    env_file: Path | None
    options: list[str]
    """What else `cotgen run` is told: `--dated`, `--set key=value`."""
    stop_s: int
    """How long it may take to end once it is told to: longer than it awaits requests in flight."""

    @property
    def log(self) -> Path:
        """Where each start and end is noted; cotgen itself rotates the file."""
        return self.outputs / f"{self.name}.schedule.log"

    @property
    def arguments(self) -> list[str]:
        """What follows the program."""
        arguments = ["run", str(self.recipe), "--outputs", str(self.outputs), "--quiet"]
        arguments += ["--log", str(self.log)]
        if self.env_file:
            arguments += ["--env-file", str(self.env_file)]
        return arguments + self.options

    @property
    def command(self) -> list[str]:
        """The program, by its interpreter's absolute path: cron's PATH is /usr/bin:/bin."""
        return [sys.executable, "-m", "cotgen", *self.arguments]

    def shell(self) -> str:
        """The command for a shell."""
        return shlex.join(self.command)


def job_of(  # noqa: PLR0913 - what the command's options say
    recipe: Recipe,
    path: Path,
    times: Times,
    env_file: Path | None = None,
    dated: bool = True,
    sets: Sequence[str] | None = None,
) -> Job:
    """The job that runs a recipe from the current folder, its runs under `outputs` there.

    Raises RecipeError for an environment file that cannot be used, or a path with a line break.
    """
    if env_file is not None:
        read_environment(env_file)
    folder = Path.cwd()
    options = ["--dated"] if dated else []
    options += [part for each in sets or () for part in ("--set", each)]
    job = Job(
        name=recipe.name,
        times=times,
        recipe=path.absolute(),
        folder=folder,
        outputs=folder / "outputs",
        env_file=env_file.absolute() if env_file else None,
        options=options,
        stop_s=math.ceil(recipe.limits.grace_s) + _SAVING_S,
    )
    for part in [*job.command, str(folder)]:
        if not part.isprintable():
            raise RecipeError(f"{part!r}: a scheduler's file cannot hold this")
    return job
