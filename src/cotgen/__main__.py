"""Where the command begins: `cotgen`, and `python -m cotgen`, for a scheduler knows an interpreter
but no PATH."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from cotgen.errors import INTERRUPTED

_SAID = "interrupted by SIGTERM\n"
"""What it leaves is for each command to say, and not known here."""


def main() -> None:
    """Run the command. SIGTERM ends it with a word, also while modules are still loaded."""
    asked = False

    def hear(_: int, __: FrameType | None) -> None:
        nonlocal asked
        asked = True
        # A signal may come amidst a print; and Typer ends on KeyboardInterrupt without a word.
        os.write(2, _SAID.encode())
        sys.exit(INTERRUPTED)

    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, hear)
    try:
        from cotgen.cli import app

        app(prog_name="cotgen")
    except KeyboardInterrupt:
        print("interrupted before anything began", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except RuntimeError:
        if not asked:
            raise
        sys.exit(INTERRUPTED)  # Python 3.11 wraps what is raised while a class is made.


if __name__ == "__main__":
    main()
