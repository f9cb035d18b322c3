"""Live sandboxes of this process, kept between runs: starting one costs more than many runs."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cotgen.sandbox.client import Sandbox, Tier


class _Shelf:
    """Idle sandboxes. Those of a process belong to it alone: a fork starts its own."""

    def __init__(self) -> None:
        self._idle: list[Sandbox] = []
        self._foreign: list[Sandbox] = []
        self._process = 0

    def take(self, tier: Tier) -> Sandbox:
        """An idle sandbox of this tier, or a new one. Raises SandboxError."""
        if self._process != os.getpid():
            # Kept, unused: to let go of them would end them under their owner's hands.
            self._foreign += self._idle
            self._idle = []
            self._process = os.getpid()
            atexit.register(self.clear)
        for sandbox in self._idle[::-1]:
            if sandbox.tier == tier:
                try:
                    self._idle.remove(sandbox)
                except ValueError:
                    continue  # Another thread was faster.
                if sandbox.alive:
                    return sandbox
                sandbox.close()
        return Sandbox(tier)

    def put_back(self, sandbox: Sandbox) -> None:
        """Keep a sandbox that still works."""
        if sandbox.alive:
            self._idle.append(sandbox)
        else:
            sandbox.close()

    def clear(self) -> None:
        """End all idle sandboxes of this process."""
        if self._process == os.getpid():
            while self._idle:
                self._idle.pop().close()


_shelf = _Shelf()


@contextmanager
def lent(tier: Tier) -> Iterator[Sandbox]:
    """A sandbox for one run after another, by one thread. Raises SandboxError."""
    sandbox = _shelf.take(tier)
    try:
        yield sandbox
    finally:
        _shelf.put_back(sandbox)


def close_all() -> None:
    """End the idle sandboxes of this process."""
    _shelf.clear()
