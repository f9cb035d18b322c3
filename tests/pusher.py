"""A process that pushes and loads on demand, so that a test need not import the Hub's libraries
anew for each push: they read their environment once, when they are imported.

    python tests/pusher.py      one line of JSON in, one line of JSON out
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hub import TOKEN


class Pusher:
    """The process, seen from a test. What it logs is in `log`."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self.log = folder / "pusher.log"

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                # The Hub's library uses a name for bodies that its HTTP client is to give up.
                [sys.executable, "-W", "error", "-W", "ignore:Use 'content", __file__],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=10)

    def push(self, run: Path, repo: str, **options: Any) -> dict[str, Any]:
        """Push a run; what was sent."""
        answer = self._ask({"run": str(run), "repo": repo, **options})
        assert "error" not in answer, answer
        return answer

    def fail(self, run: Path, repo: str, **options: Any) -> dict[str, Any]:
        """Push a run in vain: the `error` and what it `said`."""
        answer = self._ask({"run": str(run), "repo": repo, **options})
        assert "error" in answer, answer
        return answer

    def load(self, repo: str, config: str, **options: Any) -> list[dict[str, Any]]:
        """The rows of a config's split train, as `load_dataset` gives them."""
        rows: list[dict[str, Any]] = self._ask({"load": repo, "config": config, **options})["rows"]
        return rows

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.log.read_text(encoding="utf-8")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _push(order: dict[str, Any]) -> dict[str, Any]:
    from cotgen import publish
    from cotgen.errors import CotgenError

    os.environ["HF_TOKEN"] = order.get("token", TOKEN)
    places = {key: order[key] for key in ("revision", "private") if key in order}
    patience = publish.Patience(
        order.get("timeout_s", 5.0), tuple(order.get("pauses_s", [0.05] * 3))
    )
    try:
        sent = publish.push(
            Path(order["run"]),
            publish.Destination(order["repo"], **places),
            accept_licences=order.get("accept_licences", False),
            patience=patience,
        )
    except CotgenError as error:
        return {"error": type(error).__name__, "said": str(error)}
    return sent._asdict()


def _load(order: dict[str, Any]) -> dict[str, Any]:
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        loaded = datasets.load_dataset(
            order["load"], order["config"], split=order.get("split", "train"), cache_dir=cache,
            revision=order.get("revision"),
        )  # fmt: skip
        return {"rows": list(loaded)}


if __name__ == "__main__":
    from cotgen import publish

    publish.be_quiet(bars=False)
    logging.basicConfig(level=logging.INFO)
    for line in sys.stdin:
        order = json.loads(line)
        answer = _load(order) if "load" in order else _push(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
