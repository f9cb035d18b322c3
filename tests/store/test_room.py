from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest

from cotgen.records import Verified
from cotgen.store import Table, room
from cotgen.store.lines import LineFile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fallocate is Linux's")
LINE = b"x" * 65_535
MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PLENTY", 0)


def appended(path: Path, megabytes: int) -> LineFile:
    file = LineFile(path)
    for _ in range(megabytes * 16):
        file.append(LINE)
    return file


def sets_aside(folder: Path) -> bool:
    with (folder / "tried").open("wb") as file:
        done: int = room._fallocate()(file.fileno(), room._KEEP_SIZE, 0, MEGABYTE)
    return done == 0


def held(path: Path) -> int:
    return path.stat().st_blocks * 512 // MEGABYTE


def test_a_file_that_grows_has_room_set_aside_and_given_back(tmp_path: Path) -> None:
    if not sets_aside(tmp_path):
        pytest.skip("this file system sets nothing aside")
    path = tmp_path / "a.jsonl"
    file = appended(path, 6)
    assert held(path) >= 60
    assert path.stat().st_size == 6 * MEGABYTE
    file.close()
    assert held(path) <= 7
    assert path.stat().st_size == 6 * MEGABYTE


def test_what_a_killed_process_left_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    killed = appended(path, 6)
    LineFile(path).close()
    assert held(path) <= 7
    assert path.read_bytes() == (LINE + b"\n") * 96
    killed.close()


@pytest.mark.parametrize("megabytes", [1, 3])
def test_a_small_file_has_none(tmp_path: Path, megabytes: int) -> None:
    file = appended(tmp_path / "a.jsonl", megabytes)
    assert held(tmp_path / "a.jsonl") <= megabytes + 1
    file.close()


def test_nor_has_one_where_little_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PLENTY", 1 << 62)
    file = appended(tmp_path / "a.jsonl", 6)
    assert held(tmp_path / "a.jsonl") <= 7
    file.close()


@pytest.mark.parametrize("megabytes", [3, 6, 130])
def test_gathered_lines_are_all_there(tmp_path: Path, megabytes: int) -> None:
    path, line = tmp_path / "a.jsonl", b"y" * 1_000
    with LineFile(path, gathered=True) as file:
        offsets = [file.append(line) for _ in range(megabytes * 1_000)]
    assert offsets == list(range(0, len(offsets) * 1_001, 1_001))
    assert path.read_bytes() == (line + b"\n") * len(offsets)


def test_a_table_out_of_order_is_sealed(tmp_path: Path) -> None:
    ids = [f"{number:05}" for number in range(6_000)]
    with closing(Table(tmp_path / "a.jsonl", Verified, gathered=True)) as sealed:
        for id in reversed(ids):
            sealed.append(Verified(id, "", "correct", "z" * 1_000, "", ""))
        sealed.seal(ids)
        assert [line.id for line in sealed.lines()] == ids
    assert b"\0" not in (tmp_path / "a.jsonl").read_bytes()


def test_a_file_that_another_process_has_grown_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = appended(path, 6)
    with path.open("ab") as other:
        other.write(b"more\n")
    file.close()
    assert path.read_bytes().endswith(b"x\nmore\n")


def test_a_file_that_was_only_read_keeps_its_date(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    appended(path, 6).close()
    before = path.stat().st_mtime_ns
    LineFile(path).close()
    assert path.stat().st_mtime_ns == before
