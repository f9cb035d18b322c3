"""Debian's cron itself: an entry is installed, fires, and finds the earlier start still at work.

It has a mount namespace of its own, so that nobody's crontab is touched, and faketime, which makes
a minute two seconds for cron, and for cron only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from server import samples_served, start_server

PROBLEMS = 16
_NAMESPACE = """
set -e
chgrp crontab spool; chmod 1730 spool
for folder in spool=/var/spool/cron/crontabs cron.d=/etc/cron.d run=/run; do
    mount --bind "${folder%%=*}" "${folder#*=}"
done
"$PYTHON" -m cotgen schedule recipe.yaml --at '* * * * *' --install
"$PYTHON" -m cotgen schedule --list
exec faketime -f '+0 x30' cron -f -L 15
"""


def _can() -> bool:
    tools = ("cron", "crontab", "faketime", "unshare", "mount")
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in tools):
        return False
    return (
        subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0
    )


pytestmark = pytest.mark.skipif(not _can(), reason="needs root, cron, faketime and unshare")


def write_recipe(folder: Path, url: str) -> Path:
    rows = (
        {"id": f"p{n}", "question": f"What is {n} + 1?", "answer": str(n + 1)}
        for n in range(PROBLEMS)
    )
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "name": "nightly",
        "problems": {"kind": "jsonl", "path": "problems.jsonl", "split": "train"},
        "teachers": {"t": {"kind": "openai", "model": "m", "base_url": url, "concurrency": 1}},
        "search": {"kind": "sample", "n": 1},
        "verifier": {"kind": "math"},
        "datasets": [{"kind": "sft"}],
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    return path


@contextmanager
def cron(folder: Path) -> Iterator[None]:
    for name in ("spool", "cron.d", "run"):
        (folder / name).mkdir()
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", _NAMESPACE]
    log = (folder / "cron.log").open("w")
    environment = os.environ | {"PYTHON": sys.executable}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield
        assert process.poll() is None, (folder / "cron.log").read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def ends(folder: Path) -> list[str]:
    """What the job's log says of ends, without time, name and process."""
    path = folder / "outputs" / "nightly.schedule.log"
    lines = path.read_text().split("\n") if path.exists() else []
    return [line.partition(" ended with ")[2] for line in lines if " ended with " in line]


def wait_for(what: str, folder: Path, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not any(end.startswith(what) for end in ends(folder)):
        assert time.monotonic() < deadline, (ends(folder), (folder / "cron.log").read_text())
        time.sleep(0.05)


def test_cron_fires_while_the_first_start_still_runs(tmp_path: Path) -> None:
    with start_server(tmp_path, latency_ms=500) as server:
        write_recipe(tmp_path, server.url)
        with cron(tmp_path):
            wait_for("exit code 0", tmp_path)
        served = samples_served(server.log())
    # The second start found the first one at work, said so, and harmed nothing.
    locked, *_ = [end for end in ends(tmp_path) if end.startswith("exit code 3")]
    assert "is being worked on by process" in locked
    assert set(served.values()) == {1}
    assert served.total() == PROBLEMS
    run = tmp_path / "outputs" / f"nightly-{date.today().isoformat()}"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["problems"] == summary["attempts"] == PROBLEMS
    assert (run / "datasets" / "sft.jsonl").exists()
    assert "added in the crontab" in (tmp_path / "cron.log").read_text()
