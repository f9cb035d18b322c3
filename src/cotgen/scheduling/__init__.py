"""Running a recipe by the clock: entries for cron, units for systemd, manifests for Kubernetes."""

from __future__ import annotations

from typing import Literal, Protocol

from cotgen.scheduling import crontab, systemd
from cotgen.scheduling.job import Job, job_of
from cotgen.scheduling.kubernetes import manifests
from cotgen.scheduling.times import Times

__all__ = ["Job", "Keeper", "Times", "job_of", "keeper", "manifests"]


class Keeper(Protocol):
    """Whatever starts jobs by the clock on this machine."""

    def shown(self, job: Job) -> str:
        """The text that would be installed."""

    def install(self, job: Job) -> str:
        """Put a job in force, in place of its earlier entry; return what to tell the user."""

    def remove(self, name: str) -> None:
        """Take a job's entry away. Raises RecipeError if there is none."""

    def installed(self) -> list[str]:
        """The entries that are cotgen's, a line each."""


def keeper(kind: Literal["crontab", "systemd"]) -> Keeper:
    """cron or systemd. Both modules have these functions."""
    return crontab if kind == "crontab" else systemd
