"""The command line that starts a process in bubblewrap."""

from __future__ import annotations

import shutil

SCRATCH = "/tmp"
"""Where programs may write, if the kernel lets us mount an empty folder there."""


def installed() -> str | None:
    """Where bubblewrap is."""
    return shutil.which("bwrap")


def wrapped(readable: list[str], started: list[str]) -> list[str]:
    """bwrap with namespaces of its own and a file system that holds these paths, read-only.

    bwrap itself must be started with an empty environment: its first process keeps what it got,
    and others inside could read it (`--clearenv` does not help).
    """
    binds = [path for path in [*readable, *started] if not path.startswith("/dev/")]
    devices = [path for path in ["/dev/null", *readable] if path.startswith("/dev/")]
    return [
        installed() or "bwrap",
        "--unshare-user", "--unshare-all", "--new-session", "--cap-drop", "ALL",
        "--uid", "65534", "--gid", "65534",  # The kernel lets no one without rights map root again.
        *(word for path in binds for word in ("--ro-bind", path, path)),
        *(word for path in devices for word in ("--dev-bind", path, path)),
        "--proc", "/proc",
        "--dir", SCRATCH,
        "--remount-ro", "/",
        "--chdir", "/",
        "--",
    ]  # fmt: skip
