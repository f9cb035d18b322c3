import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgen.errors import RecipeError
from cotgen.records import BadLine
from cotgen.rows import MISSING, lookup, read_row, read_rows

BOM = b"\xef\xbb\xbf"


def saved(folder: Path, data: bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read(path: Path) -> list[Any]:
    return [row for _, row in read_rows(path)]


def bad(path: Path) -> BadLine:
    """The one bad line of a file."""
    (line,) = [row for row in read(path) if isinstance(row, BadLine)]
    return line


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b": [10, {"c": None}]}),
        ("a.b", [10, {"c": None}]),
        ("a.b.0", 10),
        ("a.b.1.c", None),
        ("x.y", "a key with dots"),
        ("deep.x.y", "as well"),
        ("0", "a key that is a number"),
        ("ü.é", 1),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    row = {
        "a": {"b": [10, {"c": None}]},
        "x": {"y": "shadowed"},
        "x.y": "a key with dots",
        "deep": {"x.y": "as well"},
        "0": "a key that is a number",
        "ü": {"é": 1},
    }
    assert lookup(row, path) == value


@pytest.mark.parametrize(
    "path", ["b", "a.c", "a.b.2", "a.b.-1", "a.b.x", "a.b.0.0", "a.b.²", "s.0"]
)
def test_a_path_that_leads_nowhere_is_missing(path: str) -> None:
    assert lookup({"a": {"b": [1, 2]}, "s": "text"}, path) is MISSING


@pytest.mark.parametrize("row", [None, 3, "text", [1]])
def test_a_row_that_is_no_object_has_nothing(row: object) -> None:
    assert lookup(row, "a") is MISSING


def test_a_null_is_not_missing() -> None:
    assert lookup({"a": None}, "a") is None


def test_rows_come_with_line_and_offset(tmp_path: Path) -> None:
    data = b'{"a": "\xc3\xa9\xe2\x80\xa8"}\n\n  \n{"a": 2}\r\n[3]'
    path = saved(tmp_path, data)
    places = [place for place, _ in read_rows(path)]
    assert [place.line for place in places] == [1, 4, 5]
    assert [place.offset for place in places] == [0, data.index(b'{"a": 2}'), data.index(b"[3]")]
    assert str(places[1]) == f"{path}:4"


@given(
    lines=st.lists(
        st.sampled_from([b"{}", b'{"a": "\xc3\xa9"}', b"", b"  ", b"{", b"null", b"\xff", b"{}\r"])
    )
)
@settings(derandomize=True, max_examples=100, database=None, deadline=None)
def test_a_row_stands_at_its_offset(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = saved(tmp_path_factory.mktemp("rows"), b"\n".join(lines))
    content = path.read_bytes()
    for place, row in read_rows(path):
        line = content[place.offset :].split(b"\n")[0]
        assert line == lines[place.line - 1]
        if not isinstance(row, BadLine):
            assert read_row(line) == row == json.loads(line)


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert read(saved(tmp_path, b'\n\n{"a":1}\n \t\n\r\n{"a":2}\n\n')) == [{"a": 1}, {"a": 2}]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert read(saved(tmp_path, b"")) == []


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read(saved(tmp_path, BOM + b'{"a":1}\n{"a":2}\n')) == [{"a": 1}, {"a": 2}]


def test_windows_line_ends_are_no_part_of_a_row(tmp_path: Path) -> None:
    assert read(saved(tmp_path, b'{"a":"b"}\r\n{"a":"c"}\r\n')) == [{"a": "b"}, {"a": "c"}]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\x85d"
    row = json.dumps({"a": text}, ensure_ascii=False).encode()
    assert read(saved(tmp_path, row)) == [{"a": text}]


def test_long_integers_are_kept_exactly(tmp_path: Path) -> None:
    number = 123456789012345678901234567890
    assert read(saved(tmp_path, f'{{"a": {number}, "b": -{number}}}'.encode())) == [
        {"a": number, "b": -number}
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"a": "\xff"}', "utf-8"),
        (b'{"a": 1', "truncated"),
        (b'{"a": NaN}', "malformed"),
        (b'{"a": 1} {"a": 2}', "trailing"),
        (b"null", "null value"),
        (b"{'a': 1}", "malformed"),
        (b'{"a": "\\ud800"', "delimiter"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(
    tmp_path: Path, line: bytes, error: str
) -> None:
    path = saved(tmp_path, b'{"a":1}\n' + line + b'\n{"a":2}\n')
    assert bad(path).where == f"{path}:2"
    assert error in bad(path).error
    first, _, last = read(path)
    assert [first, last] == [{"a": 1}, {"a": 2}]


def test_lone_surrogates_are_let_through(tmp_path: Path) -> None:
    line = b'{"a": "x\\ud800", "n": 123456789012345678901234567890, "b": "\\ud83d\\ude00"}'
    assert read(saved(tmp_path, line)) == [
        {"a": "x\ud800", "n": 123456789012345678901234567890, "b": "😀"}
    ]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, gzip.compress(BOM + b'{"a":1}\n\n{"a":2}'), "rows.jsonl.gz")
    places = [place for place, _ in read_rows(path)]
    assert read(path) == [{"a": 1}, {"a": 2}]
    assert [(place.line, place.offset) for place in places] == [(1, 0), (3, len(BOM) + 9)]


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 30, 1000, 3000])
def test_a_packed_file_that_was_cut_off_is_an_error(tmp_path: Path, cut: int) -> None:
    rows = b"".join(b'{"a":%d}\n' % (number**5) for number in range(2000))
    path = saved(tmp_path, gzip.compress(rows)[:-cut], "rows.jsonl.gz")
    with pytest.raises(RecipeError, match=r"rows\.jsonl\.gz:\d+: the file cannot be read on"):
        read(path)


@pytest.mark.parametrize(
    "data", [b"plain text", gzip.compress(b"x" * 9999, mtime=0)[:20] + b"\0" * 50]
)
def test_a_packed_file_that_is_damaged_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(RecipeError, match=r"rows\.jsonl\.gz:0: the file cannot be read on"):
        read(saved(tmp_path, data, "rows.jsonl.gz"))


@pytest.mark.parametrize("name", ["none.jsonl", "none.jsonl.gz"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=rf"{name}: No such file or directory"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["folder.jsonl", "folder.jsonl.gz"])
def test_a_folder_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(RecipeError, match=rf"{name}: Is a directory"):
        read(tmp_path / name)
