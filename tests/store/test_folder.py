import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cotgen.errors import RecipeError, RunLocked, StoreError
from cotgen.store import RunFolder, replace_file
from cotgen.store.folder import Manifest, Settings

QWEN = {"kind": "openai", "model": "Qwen/Qwen2.5-7B-Instruct"}
SETTINGS: Settings = {
    "seed": 7,
    "search": {"kind": "sample", "temperature": 1.0, "stop": []},
    "teachers": {"qwen": QWEN, "phi-3.5": {"kind": "openai", "model": "phi"}},
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def claimed(folder: RunFolder, settings: Settings = SETTINGS) -> RunFolder:
    """A folder whose attempts hold a line made with these settings, opened again."""
    folder.claim({"attempts": settings})
    (folder.path / "attempts.jsonl").write_text('{"id":"p@qwen"}\n')
    return RunFolder(folder.path)


def but(**changes: object) -> Settings:
    return {**SETTINGS, **changes}


def with_teachers(**teachers: object) -> Settings:
    return but(teachers={**SETTINGS["teachers"], **teachers})


def test_the_same_settings_are_accepted_again(folder: RunFolder) -> None:
    claimed(folder)
    before = (folder.path / "manifest.json").stat()
    claimed(RunFolder(folder.path))
    after = (folder.path / "manifest.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_order_of_keys_does_not_matter(folder: RunFolder) -> None:
    claimed(folder).claim({"attempts": dict(reversed(SETTINGS.items()))})


def test_a_changed_setting_is_refused_naming_key_old_and_new_value(folder: RunFolder) -> None:
    changed = but(search={"kind": "sample", "temperature": 0.7, "stop": []})
    with pytest.raises(RecipeError) as refusal:
        claimed(folder).claim({"attempts": changed})
    assert "attempts.jsonl was made with other settings" in str(refusal.value)
    assert "search.temperature: was 1.0, is 0.7" in str(refusal.value)
    assert "--redo search" in str(refusal.value)


def test_every_changed_setting_is_named(folder: RunFolder) -> None:
    changed = but(seed=8, search={"kind": "sample", "temperature": 0.7, "stop": ["END"]})
    with pytest.raises(RecipeError) as refusal:
        claimed(folder).claim({"attempts": changed})
    lines = str(refusal.value).split("\n")[1:-1]
    assert lines == [
        "  search.stop: was [], is [\"END\"]",
        "  search.temperature: was 1.0, is 0.7",
        "  seed: was 7, is 8",
    ]  # fmt: skip


def test_settings_that_came_or_went_are_refused(folder: RunFolder) -> None:
    changed = but(search={"kind": "sample", "temperature": 1.0, "width": 4})
    with pytest.raises(RecipeError) as refusal:
        claimed(folder).claim({"attempts": changed})
    assert "search.width: was absent, is 4" in str(refusal.value)


@pytest.mark.parametrize("unused", [None, "", False, [], {}])
def test_a_setting_that_a_later_version_brought_and_nobody_uses_is_no_change(
    folder: RunFolder, unused: object
) -> None:
    search = {"kind": "sample", "temperature": 1.0, "stop": [], "brought": unused}
    claimed(folder).claim({"attempts": but(search=search)})


def test_long_values_are_shortened_in_a_refusal(folder: RunFolder) -> None:
    changed = but(search={"kind": "sample", "temperature": 1.0, "stop": ["x" * 1000]})
    with pytest.raises(RecipeError) as refusal:
        claimed(folder).claim({"attempts": changed})
    assert max(len(line) for line in str(refusal.value).split("\n")[:-1]) < 200


def test_a_refused_claim_changes_nothing(folder: RunFolder) -> None:
    claimed(folder)
    before = (folder.path / "manifest.json").read_bytes()
    with pytest.raises(RecipeError):
        RunFolder(folder.path).claim({"attempts": but(seed=8)})
    assert (folder.path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("name", ["new", "qwen2", "phi-3", "phi-3.5.1"])
def test_a_new_teacher_is_allowed(folder: RunFolder, name: str) -> None:
    claimed(folder).claim({"attempts": with_teachers(**{name: {"kind": "scripted"}})})
    recorded = RunFolder(folder.path).manifest.tables["attempts"]
    assert list(recorded["teachers"]) == sorted(["phi-3.5", "qwen", name])


@pytest.mark.parametrize("name", ["qwen", "phi-3.5"])
def test_a_changed_teacher_is_refused(folder: RunFolder, name: str) -> None:
    changed = with_teachers(**{name: {"kind": "openai", "model": "other"}})
    with pytest.raises(RecipeError, match=rf'teachers\.{name}\.model: was .*, is "other"'):
        claimed(folder).claim({"attempts": changed})


@pytest.mark.parametrize("name", ["qwen", "phi-3.5"])
def test_a_removed_teacher_is_refused(folder: RunFolder, name: str) -> None:
    left = {other: SETTINGS["teachers"][other] for other in SETTINGS["teachers"] if other != name}
    with pytest.raises(RecipeError, match=rf"teachers\.{name}\.kind: was .*, is absent"):
        claimed(folder).claim({"attempts": but(teachers=left)})


def test_an_added_teacher_is_protected_from_then_on(folder: RunFolder) -> None:
    claimed(folder).claim({"attempts": with_teachers(new={"kind": "scripted"})})
    with pytest.raises(RecipeError, match=r"teachers\.new\.kind"):
        RunFolder(folder.path).claim({"attempts": SETTINGS})


@pytest.mark.parametrize("exists", [False, True])
def test_an_empty_table_may_be_claimed_anew(folder: RunFolder, exists: bool) -> None:
    folder.claim({"attempts": SETTINGS})
    if exists:
        (folder.path / "attempts.jsonl").touch()
    RunFolder(folder.path).claim({"attempts": but(seed=8)})
    assert RunFolder(folder.path).manifest.tables["attempts"]["seed"] == 8


def test_another_table_has_settings_of_its_own(folder: RunFolder) -> None:
    claimed(folder).claim({"verdicts": {"verifier": {"kind": "exact"}}})
    assert set(RunFolder(folder.path).manifest.tables) == {"attempts", "verdicts"}


def test_a_dropped_table_may_be_claimed_anew_and_the_journal_stays(folder: RunFolder) -> None:
    again = claimed(folder)
    (folder.path / "journal.jsonl").write_text("{}\n")
    again.manifest.datasets = {"sft": {"rows": 1}}
    again.claim({"attempts": but(seed=8)}, dropped=["verdicts", "attempts"])
    assert {file.name for file in folder.path.iterdir()} == {"journal.jsonl", "manifest.json"}
    assert RunFolder(folder.path).manifest.datasets == {}


def test_clearing_deletes_everything_but_the_lock(folder: RunFolder) -> None:
    (folder.path / "datasets").mkdir()
    (folder.path / "datasets" / "sft.jsonl").write_text("{}\n")
    claimed(folder)
    with folder.locked():
        folder.clear()
    assert [file.name for file in folder.path.iterdir()] == [".lock"]


def test_a_manifest_survives_big_integers_and_strange_texts(folder: RunFolder) -> None:
    settings: Settings = {"seed": 10**30, "search": {"system": "\u2028 \0 😀"}}
    claimed(folder, settings).claim({"attempts": settings})
    assert RunFolder(folder.path).manifest.tables["attempts"] == settings


@pytest.mark.parametrize("damage", [b"", b'{"tables": {', b"[]", b'{"format": "\xff"}'])
def test_a_damaged_manifest_is_a_store_error(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(damage)
    with pytest.raises(StoreError, match=r"manifest\.json: .* Restore it"):
        RunFolder(tmp_path)


def test_a_folder_without_a_manifest_is_a_new_run(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "none").manifest == Manifest()
    assert not (tmp_path / "none").exists()


HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from cotgen.store import RunFolder\n"
    "with RunFolder(Path(sys.argv[1])).locked():\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


@contextmanager
def held(path: Path) -> Iterator[int]:
    """The lock, held by another process; its pid."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.pid
        finally:
            holder.kill()


def test_a_second_holder_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with (
        held(folder.path) as pid,
        pytest.raises(RunLocked, match=rf"run is being worked on by process {pid} on "),
        folder.locked(),
    ):
        pass


def test_the_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    with held(tmp_path) as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with RunFolder(tmp_path).locked():
            pass


def test_the_lock_is_free_after_work_and_after_a_failure(folder: RunFolder) -> None:
    def fail() -> None:
        with folder.locked():
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        fail()
    for _ in range(2):
        with folder.locked():
            assert str(os.getpid()) in (folder.path / ".lock").read_text()
        assert (folder.path / ".lock").read_text() == ""


def test_a_process_cannot_take_its_own_lock_twice(folder: RunFolder) -> None:
    with folder.locked(), pytest.raises(RunLocked), RunFolder(folder.path).locked():
        pass


def test_a_child_does_not_inherit_the_lock(folder: RunFolder) -> None:
    with folder.locked():
        child = subprocess.Popen(["sleep", "60"])
    try:
        with folder.locked():
            pass
    finally:
        child.kill()
        child.wait()


def test_the_manifest_is_read_again_under_the_lock(folder: RunFolder) -> None:
    claimed(RunFolder(folder.path))
    assert folder.manifest.tables == {}
    with folder.locked():
        assert folder.manifest.tables == {"attempts": SETTINGS}


def test_a_lock_that_cannot_be_opened_is_a_store_error(folder: RunFolder) -> None:
    (folder.path / ".lock").mkdir()
    with pytest.raises(StoreError, match=r"\.lock: cannot be opened"), folder.locked():
        pass


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = RunFolder(tmp_path / "file" / "run")
    with pytest.raises(StoreError, match="cannot be created"), run.locked():
        pass


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    replace_file(tmp_path / "a.json", b"old")
    replace_file(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_an_equal_file_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"same")
    before = path.stat()
    replace_file(path, b"same")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_full_disk_leaves_the_old_manifest(folder: RunFolder) -> None:
    again = claimed(folder)
    before = (folder.path / "manifest.json").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # Python ignores SIGXFSZ.
    try:
        with pytest.raises(StoreError, match=r"manifest\.json: cannot be written \(File too larg"):
            again.claim({"verdicts": {"verifier": {"prompt": "x" * 10_000}}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder.path / "manifest.json").read_bytes() == before
    assert {file.name for file in folder.path.iterdir()} == {"attempts.jsonl", "manifest.json"}


def test_a_file_on_a_read_only_disk_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "unlink", refused)  # Even of what is not there.
    with pytest.raises(StoreError, match=r"a\.json: cannot be written \(Read-only file system"):
        replace_file(tmp_path / "a.json", b"new")


def test_the_manifest_is_json_for_people(folder: RunFolder) -> None:
    claimed(folder)
    text = (folder.path / "manifest.json").read_text()
    assert json.loads(text)["tables"]["attempts"] == SETTINGS
    assert text.startswith('{\n  "card": "",\n  "datasets": {},\n')
    assert text.endswith("}\n")
