from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub import TOKEN, Fault, FaultKind, Hub
from pusher import Pusher
from typer.testing import CliRunner

from cotgen import cli
from cotgen.errors import HubError
from cotgen.store import RunFolder

COTGEN = str(Path(sys.executable).parent / "cotgen")
REPO = "org/chains"
CONFIGS = ("sft", "sft-multiturn", "sft-folded", "sft-single", "dpo")


@pytest.fixture(scope="module")
def serving() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def pusher(serving: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    folder = tmp_path_factory.mktemp("pusher")
    with Pusher(serving.environment(folder), folder) as pusher:
        yield pusher
    assert TOKEN not in pusher.log.read_text(encoding="utf-8")


@pytest.fixture
def hub(serving: Hub) -> Iterator[Hub]:
    """An empty Hub; the token it was given may be in no file of a run."""
    serving.repos.clear()
    serving.blobs.clear()
    serving.requests.clear()
    serving.faults.clear()
    serving.meddle = lambda line: None
    yield serving
    assert {each.token for each in serving.requests} <= {TOKEN, "", "a"}


@pytest.fixture(autouse=True)
def nothing_holds_the_token(tmp_path: Path) -> Iterator[None]:
    yield
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


def cotgen(*arguments: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    said = subprocess.run(
        [COTGEN, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert TOKEN not in said.stdout + said.stderr
    return said


def rows_of(run: Path, config: str) -> list[dict[str, Any]]:
    lines = (run / "datasets" / f"{config}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_pushed_run_comes_back_with_the_same_rows(hub: Hub, pusher: Pusher, run: Path) -> None:
    pusher.push(run, REPO)
    for config in CONFIGS:
        assert pusher.load(REPO, config) == rows_of(run, config)
    assert len(hub.commits(REPO)) == 1
    origins = hub.files(REPO)["dpo.origin.jsonl"].splitlines()
    assert len(origins) == len(rows_of(run, "dpo"))


def test_what_was_pushed_is_not_sent_again(hub: Hub, run: Path, tmp_path: Path) -> None:
    env = hub.environment(tmp_path)
    first = cotgen("push", str(run), "--repo", REPO, cwd=tmp_path, env=env)
    assert first.returncode == 0, first.stderr
    assert "sent  dpo.parquet" in first.stdout
    held, wrote = hub.files(REPO), len(hub.written())
    assert wrote > 0
    again = cotgen("push", str(run), "--repo", REPO, cwd=tmp_path, env=env)
    assert again.returncode == 0, again.stderr
    assert f"nothing to send: {len(held) - 1} files were there already" in again.stdout
    assert len(hub.written()) == wrote
    assert hub.files(REPO) == held
    assert (run / "datasets/README.md").read_bytes() == held["README.md"]


def test_the_way_that_the_hub_prefers_sends_once_too(hub: Hub, run: Path, tmp_path: Path) -> None:
    with Pusher(hub.environment(tmp_path, xet=True), tmp_path) as pusher:
        sent = pusher.push(run, REPO)
        assert "dpo.parquet" in sent["files"]
        held = hub.repos[REPO].at("main").files["dpo.parquet"]
        digest = hashlib.sha256((run / "datasets/dpo.parquet").read_bytes()).hexdigest()
        assert (held.sha256, held.data) == (digest, b"")
        assert any("/v1/xorbs/" in line for line in hub.written())
        wrote = len(hub.written())
        assert pusher.push(run, REPO)["files"] == []
    assert len(hub.written()) == wrote


def test_only_what_changed_is_sent(hub: Hub, pusher: Pusher, run: Path, plant: Any) -> None:
    pusher.push(run, REPO)
    plant(run, "dpo", 1, "Say it twice.")
    sent = pusher.push(run, REPO)
    assert "dpo.parquet" in sent["files"]
    assert "sft.parquet" not in sent["files"]
    assert sum(line.startswith("PUT") for line in hub.written()) == len(CONFIGS) + 1
    assert pusher.load(REPO, "dpo") == rows_of(run, "dpo")


def test_dry_run_lists_the_files_and_asks_nobody(hub: Hub, run: Path, tmp_path: Path) -> None:
    env = hub.environment(tmp_path)
    del env["HF_TOKEN"]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    said = cotgen("push", str(run), "--repo", REPO, "--dry-run", cwd=tmp_path, env=env)
    assert said.returncode == 0, said.stderr
    size = (run / "datasets/dpo.parquet").stat().st_size
    assert f"{size:,} bytes" in next(line for line in said.stdout.splitlines() if "dpo.pa" in line)
    for part in ("README.md", "recipe.yaml", "config sft-folded", "nothing was sent"):
        assert part in said.stdout
    assert hub.requests == []
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize(
    ("match", "kind"),
    [
        ("GET /api/datasets/org/chains$", "503"),
        ("POST /api/repos/create", "429"),
        ("POST /api/repos/create", "cut_after"),
        ("GET .*/tree/", "garbage"),
        ("POST /api/validate-yaml", "500"),
        ("PUT /lfs/", "cut_inside"),
        ("POST .*/commit/", "503"),
        ("POST .*/commit/", "cut_before"),
    ],
)
def test_a_failure_that_passes_is_survived(
    hub: Hub, pusher: Pusher, run: Path, match: str, kind: FaultKind
) -> None:
    hub.faults.append(Fault(match, kind, times=2 if kind == "503" else 1))
    pusher.push(run, REPO)
    assert [fault.times for fault in hub.faults] == [0]
    assert len(hub.commits(REPO)) == 1
    assert hub.files(REPO)["dpo.parquet"] == (run / "datasets/dpo.parquet").read_bytes()


@pytest.mark.parametrize("match", ["GET .*/revision/main", "POST .*/commit/"])
def test_a_server_that_never_answers_is_asked_again(
    hub: Hub, pusher: Pusher, run: Path, match: str
) -> None:
    hub.faults.append(Fault(match, "hang"))
    started = time.monotonic()
    pusher.push(run, REPO, timeout_s=0.5)
    assert time.monotonic() - started < 30  # The stand-in gives up after a minute.
    assert len(hub.commits(REPO)) == 1


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    hub: Hub, pusher: Pusher, run: Path
) -> None:
    hub.faults.append(Fault("POST .*/commit/", "cut_after"))
    pusher.push(run, REPO)
    assert len(hub.commits(REPO)) == 1
    assert sum("/commit/" in line for line in hub.written()) == 1


def test_a_hub_that_fails_each_time_is_an_error_that_says_so(
    hub: Hub, pusher: Pusher, run: Path
) -> None:
    hub.faults.append(Fault("POST .*/commit/", "503", times=99))
    failed = pusher.fail(run, REPO, pauses_s=[0.01])
    assert failed["error"] == "HubError"
    assert "503" in failed["said"]
    assert "run again to go on" in failed["said"]
    assert hub.commits(REPO) == []


def test_a_token_in_the_answer_of_the_server_is_not_repeated(
    hub: Hub, pusher: Pusher, run: Path
) -> None:
    hub.faults.append(Fault("POST .*/commit/", "echo_token", times=99))
    failed = pusher.fail(run, REPO)
    assert failed["error"] == "RecipeError"
    assert "no place for Bearer [token]" in failed["said"]
    assert TOKEN not in json.dumps(failed)


@pytest.mark.parametrize("match", ["PUT /lfs/", "POST .*/commit/"])
def test_a_push_that_was_killed_completes_when_it_is_run_again(
    hub: Hub, pusher: Pusher, run: Path, tmp_path: Path, match: str
) -> None:
    fault = Fault(match, "hang", skip=2 if "PUT" in match else 0)
    hub.faults.append(fault)
    process = subprocess.Popen(
        [COTGEN, "push", str(run), "--repo", REPO], env=hub.environment(tmp_path),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert fault.met.wait(60)
    _until(lambda: len(hub.blobs) >= 2)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert hub.commits(REPO) == []
    there, before = set(hub.blobs), len(hub.written())
    pusher.push(run, REPO)
    sent_twice = [line for line in hub.written()[before:] if line.startswith("PUT")
                  and line.removeprefix("PUT /lfs/") in there]  # fmt: skip
    assert sent_twice == []
    assert len(hub.commits(REPO)) == 1
    assert pusher.load(REPO, "dpo") == rows_of(run, "dpo")


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_somebody_else_commits_in_between_is_kept(hub: Hub, pusher: Pusher, run: Path) -> None:
    pusher.push(run, REPO)
    card = hub.files(REPO)["README.md"]
    hub.put(REPO, "dpo.parquet", b"to be mended")
    hub.requests.clear()

    def meddle(line: str) -> None:
        if "/preupload/" in line and b"Mine." not in hub.files(REPO)["README.md"]:
            hub.put(REPO, "README.md", card + b"\nMine.\n")

    hub.meddle = meddle
    pusher.push(run, REPO)
    assert hub.files(REPO)["README.md"] == card + b"\nMine.\n"
    assert hub.files(REPO)["dpo.parquet"] == (run / "datasets/dpo.parquet").read_bytes()
    assert sum("/commit/" in line for line in hub.written()) == 2


def test_what_people_wrote_on_the_card_survives(hub: Hub, pusher: Pusher, run: Path) -> None:
    theirs = (
        "---\npretty_name: Chains\ntags: [maths]\nannotations_creators: [nobody]\n"
        "configs:\n- config_name: other\n  data_files: other.parquet\n"
        "- config_name: gone\n  data_files: gone.parquet\n---\n\nRead this first.\n"
    )
    hub.put(REPO, "README.md", theirs.encode())
    hub.put(REPO, "other.parquet", (run / "datasets/sft.parquet").read_bytes())
    pusher.push(run, REPO)
    card = hub.files(REPO)["README.md"].decode()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["pretty_name"] == "Chains"
    assert front["annotations_creators"] == ["nobody"]
    assert {"maths", "synthetic", "cotgen"} <= set(front["tags"])
    assert [each["config_name"] for each in front["configs"]] == [*CONFIGS, "other"]
    assert card.count("Read this first.") == 1
    assert pusher.load(REPO, "other") == rows_of(run, "sft")
    pusher.push(run, REPO)
    assert hub.files(REPO)["README.md"].decode() == card


def test_a_dataset_that_is_gone_from_the_run_leaves_no_old_shards(
    hub: Hub, pusher: Pusher, run: Path
) -> None:
    hub.put(REPO, "dpo-00000-of-00002.parquet", b"an earlier push had more rows")
    hub.put(REPO, "dpo-notes.parquet", b"not a shard")
    sent = pusher.push(run, REPO)
    assert sent["deleted"] == ["dpo-00000-of-00002.parquet"]
    assert "dpo-notes.parquet" in hub.files(REPO)


def test_a_branch_is_made_and_main_stays(hub: Hub, pusher: Pusher, run: Path) -> None:
    pusher.push(run, REPO, revision="v2")
    assert hub.commits(REPO, "main") == []
    assert len(hub.commits(REPO, "v2")) == 1
    assert pusher.load(REPO, "dpo", revision="v2") == rows_of(run, "dpo")


def test_private_makes_a_private_repository_and_trusts_no_public_one(
    hub: Hub, pusher: Pusher, run: Path
) -> None:
    pusher.push(run, REPO, private=True)
    assert hub.repos[REPO].private
    hub.put("org/public", "notes.txt", b"everybody reads this")
    refused = pusher.fail(run, "org/public", private=True)
    assert "is there already and public" in refused["said"]
    assert "dpo.parquet" not in hub.files("org/public")


def test_shards_and_a_validation_split_are_found(hub: Hub, pusher: Pusher, run: Path) -> None:
    import pyarrow.parquet as pq

    datasets = run / "datasets"
    table = pq.read_table(datasets / "dpo.parquet")
    half = table.num_rows // 2
    (datasets / "dpo").mkdir()
    pq.write_table(table.slice(0, 2), datasets / "dpo/train-00000-of-00002.parquet")
    pq.write_table(table.slice(2, half), datasets / "dpo/train-00001-of-00002.parquet")
    pq.write_table(table.slice(2 + half), datasets / "dpo/validation-00000-of-00001.parquet")
    (datasets / "dpo.parquet").unlink()
    pusher.push(run, REPO)
    rows = rows_of(run, "dpo")
    assert pusher.load(REPO, "dpo") == rows[: 2 + half]
    assert pusher.load(REPO, "dpo", split="validation") == rows[2 + half :]


def test_a_refusal_asks_nobody_and_exits_with_2(
    hub: Hub, pusher: Pusher, run: Path, set_origin: Any
) -> None:
    set_origin(run, "dpo", 3, split="test")
    said = CliRunner().invoke(cli.app, ["push", str(run), "--repo", REPO])
    assert said.exit_code == 2
    assert "dpo.origin.jsonl: row 3 is of a test split" in said.stderr
    assert pusher.fail(run, REPO)["error"] == "RecipeError"
    assert hub.requests == []


def test_a_hub_that_cannot_be_reached_exits_with_1(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def push(*_: object, **__: object) -> None:
        raise HubError("org/chains: 503")

    monkeypatch.setattr("cotgen.publish.push", push)
    said = CliRunner().invoke(cli.app, ["push", str(run), "--repo", REPO])
    assert (said.exit_code, said.stderr) == (1, "cotgen: org/chains: 503\n")


def test_without_a_token_or_with_a_wrong_one_it_is_said_plainly(
    hub: Hub, pusher: Pusher, run: Path
) -> None:
    failed = pusher.fail(run, REPO, token="hf_wrong")
    assert failed["error"] == "RecipeError"
    assert "does not accept the token" in failed["said"]
    assert "hf_wrong" not in failed["said"]
    hub.requests.clear()
    assert "set HF_TOKEN" in pusher.fail(run, REPO, token="")["said"]
    assert hub.requests == []


def test_a_name_that_is_no_repository_is_refused(pusher: Pusher, run: Path) -> None:
    for name in ("chains", "a/b/c", "org/..", "org/x y"):
        assert "write organisation/name" in pusher.fail(run, name)["said"]


def test_a_run_that_is_being_worked_on_is_not_pushed(hub: Hub, pusher: Pusher, run: Path) -> None:
    with RunFolder(run).locked():
        assert pusher.fail(run, REPO)["error"] == "RunLocked"
    shutil.rmtree(run / "datasets")
    assert pusher.fail(run, REPO)["error"] in ("RecipeError", "StoreError")
    assert hub.requests == []
