"""Files of others, in every shape that they come in."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotgen import rowfiles
from cotgen.errors import RecipeError
from cotgen.records import BadLine
from cotgen.rowfiles import read_file

ROWS = [{"a": 1, "b": ["x", "é"]}, {"a": 2, "b": []}, {"a": 3, "b": ["\u0000", "]{,"]}]
DUMPED = [json.dumps(row) for row in ROWS]


def read(path: Path) -> list[Any]:
    return [row for _, row in read_file(path)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.jsonl", "\n".join(DUMPED)),
        ("f.jsonl", "\ufeff" + "\r\n\n".join(DUMPED) + "\n"),
        ("f.json", "[" + ",".join(DUMPED) + "]"),
        ("f.json", json.dumps(ROWS, indent=4)),
        ("f.json", "\ufeff \n[" + " ,\n".join(DUMPED) + "\n]\n"),
        ("f.json", "\n".join(DUMPED)),
        ("f.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_rows_come_in_order(name: str, text: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert read(path) == ROWS


def test_parquet_rows_come_in_order(tmp_path: Path) -> None:
    rows = [{"a": number, "b": [str(number)]} for number in range(200)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f.parquet", row_group_size=70)
    assert list(read_file(tmp_path / "f.parquet")) == [
        (f"{tmp_path}/f.parquet, row {number + 1}", row) for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize("chunk", [1, 2, 7, 50])
def test_json_is_the_same_however_it_is_cut(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rowfiles, "_CHUNK", chunk)
    path = tmp_path / "f.json"
    rows = [*ROWS, {"t": '\\u00e9 \\ " é🙂', "n": [True, None, -1.5e3]}]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    assert read(path) == rows


@pytest.mark.parametrize(
    "line",
    [b"{", b"not json", b'{"a": "\xff"}', b'{"a": NaN]', b"[" * 100_000, b'{"a": "\x00"}'],
)
def test_a_bad_line_is_told_and_the_next_one_read(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(line + b'\n{"a": 1}\n')
    bad, good = read(path)
    assert isinstance(bad, BadLine)
    assert bad.where == f"{path}:1"
    assert good == {"a": 1}


def test_a_line_that_never_ends_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowfiles, "LONGEST_ROW", 100)
    path = tmp_path / "f.jsonl"
    path.write_text('{"a": "' + "x" * 1000 + '"}\n{"a": 1}\n')
    bad, good = read(path)
    assert "longer than" in bad.error
    assert good == {"a": 1}


def test_a_json_row_that_never_ends_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rowfiles, "LONGEST_ROW", 100)
    monkeypatch.setattr(rowfiles, "_CHUNK", 10)
    path = tmp_path / "f.json"
    path.write_text('[{"a": "' + "x" * 1000)
    with pytest.raises(RecipeError, match="row 1: longer than"):
        read(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'[{"a": 1}, {"a":', "row 2"),
        (b'[{"a": 1},', "not closed"),
        (b'[{"a": 1}', "not closed"),
        (b'[{"a": 1} x]', "row 2"),
        (b'[{"a": "\xff"}]', "utf-8"),
        (b"[" + b"{" * 3, "row 1"),
        (b'[{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'[{"a": ' + b"9" * 5000 + b"}]", "row 1"),
    ],
)
def test_a_broken_json_file_is_an_error_with_its_row(
    data: bytes, what: str, tmp_path: Path
) -> None:
    (tmp_path / "f.json").write_bytes(data)
    with pytest.raises(RecipeError, match=what):
        read(tmp_path / "f.json")


def test_a_mistake_far_from_the_end_does_not_read_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rowfiles, "_CHUNK", 100)
    monkeypatch.setattr(rowfiles, "LONGEST_ROW", 1000)
    path = tmp_path / "f.json"
    path.write_text("[{'a': 1}," + '{"a": 1},' * 1000)
    with pytest.raises(RecipeError, match="row 1: Expecting property name"):
        read(path)


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    for name in ("f.jsonl", "f.json"):
        (tmp_path / name).write_text('{"\\ud800": ["\\uDC00x"]}')
        assert read(tmp_path / name) == [{"\ufffd": ["\ufffdx"]}]


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("f.csv", b"a,b", "not one of .jsonl"),
        ("f.parquet.gz", b"PAR1", "not one of .jsonl"),
        ("f.parquet", b"PAR1 and no more", "not to be read as Parquet"),
        ("f.jsonl.gz", b"no gzip", "cannot be read on"),
        ("f.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-20], "cannot be read on"),
        ("f.json.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-20], "row 1"),
        ("f.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_a_file_that_is_no_data_is_refused(
    name: str, data: bytes, what: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RecipeError, match=what):
        read(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        read(tmp_path / "f.jsonl")
