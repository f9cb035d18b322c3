"""What can go wrong, and whose fault it is. Anything else that is raised is a bug of cotgen."""

from __future__ import annotations


class CotgenError(Exception):
    """The root of everything that cotgen raises on purpose."""


class RecipeError(CotgenError):
    """The user's mistake: shown without a traceback, exit code 2."""


class StoreError(CotgenError):
    """A file of a run cannot be read or written (damaged, disk full, no permission)."""


class RunLocked(CotgenError):
    """Another process works on the same run; the message says which. Exit code 3."""


class LimitReached(CotgenError):
    """A limit of the recipe keeps the run from going on; running again does. Exit code 4."""


class Stopped(CotgenError):
    """Somebody asked the run to stop; running again goes on. Exit code 130."""


class TeacherError(CotgenError):
    """A teacher returned no completion.

    `retryable`: the same request may succeed later. `retry_after_s`: the wait the server asked
    for. `fewer`: the server refused to answer several samples in one request. `overloaded`: it
    asked for less. `elsewhere`: another server of the same teacher has not. `costly`: the request
    may have been worked on, so that asking again may be paid twice. `kind`: a word for counting.
    """

    def __init__(  # noqa: PLR0913 - what is known of a failure
        self,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        fewer: bool = False,
        overloaded: bool = False,
        elsewhere: bool = False,
        costly: bool = False,
        kind: str = "",
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.fewer = fewer
        self.overloaded = overloaded
        self.elsewhere = elsewhere
        self.costly = costly
        self.kind = kind


class HubError(CotgenError):
    """The Hub could not be reached, or failed each time; running again goes on. Exit code 1."""


class ScheduleError(CotgenError):
    """cron or systemd did not do what it was asked to."""


class WorkerError(CotgenError):
    """A worker process ran out of time or died while it held a request."""


class NoWorkers(CotgenError):
    """No worker process can be started: the run cannot go on, and nothing was judged."""


DONE, FAILED_ITEMS, USER_MISTAKE, LOCKED, LIMIT, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""What the command exits with. 130 stands for SIGTERM as well as for Ctrl-C: both mean that the run
was asked to stop, and that running it again goes on."""


def exit_code(error: BaseException) -> int:
    """What the command exits with after an error."""
    codes: dict[type[BaseException], int] = {
        RunLocked: LOCKED,
        HubError: FAILED_ITEMS,
        TeacherError: FAILED_ITEMS,
        LimitReached: LIMIT,
        Stopped: INTERRUPTED,
        KeyboardInterrupt: INTERRUPTED,
    }
    found = next((code for kind, code in codes.items() if isinstance(error, kind)), None)
    return USER_MISTAKE if found is None else found
