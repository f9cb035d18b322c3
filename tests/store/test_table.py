import json
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonlines
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgen.errors import StoreError
from cotgen.records import (
    Attempt,
    Chain,
    Chained,
    Link,
    Origin,
    Problem,
    Searched,
    Step,
    Verified,
)
from cotgen.store import Table
from cotgen.store.table import Identified

STRANGE = (
    "line\u2028sep\u2029 \x85 \r\n nul\0 emoji 😀 ŷ 123456789012345678901234567890 \ufffd \\n \t"
)


def found(id: str, text: str = "4") -> Searched:
    return Searched(id, "p", "t", (Attempt((Step(text),)),))


def failure(id: str, error: str = "429 from the server") -> Searched:
    return Searched(id, "p", "t", (), error)


def written(path: Path, *lines: Searched) -> Path:
    with_table = Table(path, Searched)
    for line in lines:
        with_table.append(line)
    with_table.close()
    return path


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attempts.jsonl"


def test_a_line_comes_back_as_it_was_appended(path: Path) -> None:
    line = Searched(
        "p@t", "p", "t", (Attempt((Step("a\n"), Step("b")), "length", 1, "", Origin("t")),)
    )
    written(path, line)
    table = Table(path, Searched)
    assert table.get("p@t") == line
    assert list(table.lines()) == [line]
    table.close()


def test_a_line_can_be_read_before_the_table_is_closed(path: Path) -> None:
    table = Table(path, Searched)
    for number in range(50):
        table.append(found(f"{number}", "long " * number))
        assert table.get(f"{number}").attempts[0].text == "long " * number
        assert table.get("0").attempts[0].text == ""
    table.close()


def test_an_unknown_id_is_found_nowhere(path: Path) -> None:
    table = Table(path, Searched)
    assert table.find("p@t") is None
    assert "p@t" not in table
    assert not table.has_finished("p@t")
    table.close()


@pytest.mark.parametrize("torn", [b'{"id":"c","pro', b"{", b'{"id":"c","problem":"","teacher":""}'])
def test_a_torn_tail_is_cut_off_on_opening(path: Path, torn: bytes) -> None:
    whole = written(path, found("a"), found("b")).read_bytes()
    path.write_bytes(whole + torn)
    table = Table(path, Searched)
    assert list(table.ids()) == ["a", "b"]
    table.append(found("c"))
    table.close()
    assert path.read_bytes().startswith(whole)
    assert ids_in(path) == ["a", "b", "c"]


def test_a_file_without_any_newline_is_one_torn_line(path: Path) -> None:
    path.write_bytes(b'{"id":"a","problem":"p"')
    table = Table(path, Searched)
    assert len(table) == 0
    table.append(found("a"))
    table.close()
    assert ids_in(path) == ["a"]


def test_a_torn_tail_of_megabytes_is_cut_off(path: Path) -> None:
    whole = written(path, found("a")).read_bytes()
    path.write_bytes(whole + b'{"id":"b","problem":"' + b"x" * 5_000_000)
    Table(path, Searched).close()
    assert path.read_bytes() == whole


def test_a_whole_last_line_of_megabytes_is_kept(path: Path) -> None:
    written(path, found("a"), found("b", "x" * 5_000_000))
    table = Table(path, Searched)
    assert len(table.get("b").attempts[0].text) == 5_000_000
    table.close()


def test_a_cut_anywhere_leaves_the_whole_lines(path: Path) -> None:
    whole = written(path, found("a"), failure("b"), found("c", "é\n😀")).read_bytes()
    for size in range(0, len(whole) + 1, 5):
        path.write_bytes(whole[:size])
        table = Table(path, Searched)
        assert len(table) == whole[:size].count(b"\n")
        table.close()
        assert path.read_bytes() == whole[: whole.rfind(b"\n", 0, size) + 1]


def test_a_reader_ignores_a_torn_tail_and_changes_nothing(path: Path) -> None:
    written(path, found("a"), found("b"))
    torn = path.read_bytes() + b'{"id":"c","pro'
    path.write_bytes(torn)
    before = path.stat()
    table = Table(path, Searched, write=False)
    assert [line.id for line in table.lines()] == ["a", "b"]
    table.close()
    assert path.read_bytes() == torn
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_reader_of_a_file_that_grows_keeps_to_what_it_found(path: Path) -> None:
    writer = Table(path, Searched)
    writer.append(found("a"))
    reader = Table(path, Searched, write=False)
    writer.append(found("b"))
    assert [line.id for line in reader.lines()] == ["a"]
    reader.close()
    writer.close()


def test_a_reader_makes_no_file(path: Path) -> None:
    with pytest.raises(StoreError, match=r"attempts\.jsonl: cannot be opened \(No such file"):
        Table(path, Searched, write=False)
    assert not path.exists()


def test_a_folder_in_the_place_of_the_file_is_a_store_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match=r"attempts\.jsonl: cannot be opened"):
        Table(path, Searched)


def test_a_second_line_for_a_finished_id_is_refused(path: Path) -> None:
    table = Table(path, Searched)
    table.append(found("a"))
    with pytest.raises(AssertionError, match="a second line for a"):
        table.append(found("a", "5"))
    table.close()
    assert ids_in(path) == ["a"]


def test_a_second_line_for_a_finished_id_is_refused_after_reopening(path: Path) -> None:
    table = Table(written(path, found("a")), Searched)
    with pytest.raises(AssertionError, match="a second line for a"):
        table.append(failure("a"))
    table.close()


def test_a_failure_is_a_line_and_owed_again(path: Path) -> None:
    table = Table(written(path, failure("a"), found("b")), Searched)
    assert "a" in table
    assert not table.has_finished("a")
    assert table.failed == 1
    assert table.get("a").error == "429 from the server"
    table.close()


def test_the_last_line_of_a_failed_id_counts(path: Path) -> None:
    written(path, failure("a", "first"), failure("a", "second"), found("b"), found("a", "42"))
    table = Table(path, Searched)
    assert table.failed == 0
    assert len(table) == 2
    assert table.get("a").attempts[0].text == "42"
    assert [line.id for line in table.lines()] == ["b", "a"]
    table.close()


def test_replacing_takes_the_place_of_a_finished_line(path: Path) -> None:
    table = Table(path, Searched)
    for text in ("1", "2", "3"):
        table.replace(found("a", text))
    assert table.get("a").attempts[0].text == "3"
    table.seal(["a"])
    table.close()
    assert ids_in(path) == ["a"]


def test_replacing_an_id_without_a_line_adds_one(path: Path) -> None:
    table = Table(path, Searched)
    table.replace(found("a"))
    assert table.has_finished("a")
    assert table.failed == 0
    table.close()


def test_sealing_puts_lines_into_order(path: Path) -> None:
    table = Table(written(path, found("c"), found("a"), found("b")), Searched)
    table.seal(["a", "b", "c"])
    assert list(table.ids()) == ["a", "b", "c"]
    assert table.get("c") == found("c")
    table.close()
    assert ids_in(path) == ["a", "b", "c"]


def test_sealing_puts_ids_that_the_order_lacks_last_and_sorted(path: Path) -> None:
    table = Table(written(path, found("z"), found("c"), found("y"), found("a")), Searched)
    table.seal(["a", "b", "c"])
    table.close()
    assert ids_in(path) == ["a", "c", "y", "z"]


def test_sealing_drops_replaced_lines(path: Path) -> None:
    table = Table(written(path, failure("b"), found("a"), found("b")), Searched)
    table.seal(["a", "b"])
    table.close()
    assert ids_in(path) == ["a", "b"]
    assert b"429" not in path.read_bytes()


def test_sealing_keeps_the_last_failure_of_an_id(path: Path) -> None:
    table = Table(written(path, failure("a", "first"), failure("a", "second")), Searched)
    table.seal(["a"])
    assert table.failed == 1
    assert table.get("a").error == "second"
    table.close()
    assert ids_in(path) == ["a"]


def test_sealing_leaves_no_draft_behind(path: Path) -> None:
    path.with_suffix(".jsonl.tmp").write_bytes(b"of a run that was killed while it sealed")
    table = Table(written(path, found("b"), found("a")), Searched)
    table.seal(["a", "b"])
    table.close()
    assert [file.name for file in path.parent.iterdir()] == ["attempts.jsonl"]
    assert ids_in(path) == ["a", "b"]


def test_sealing_writes_nothing_when_all_is_in_order(path: Path) -> None:
    table = Table(written(path, found("a"), failure("b")), Searched)
    before = path.stat()
    table.seal(["a", "b"])
    table.close()
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_reader_that_was_open_before_sealing_still_sees_its_own_lines(path: Path) -> None:
    table = Table(written(path, found("b", "2"), found("a", "1")), Searched)
    reader = Table(path, Searched, write=False)
    table.seal(["a", "b"])
    assert reader.get("b") == found("b", "2")
    reader.close()
    table.close()


def test_a_sealed_table_can_grow(path: Path) -> None:
    table = Table(written(path, found("b"), found("a")), Searched)
    table.seal(["a", "b"])
    table.append(found("c", "9"))
    assert table.get("c") == found("c", "9")
    table.close()
    assert ids_in(path) == ["a", "b", "c"]


@given(order=st.permutations(range(8)), failed=st.sets(st.integers(0, 7)))
@settings(derandomize=True, max_examples=20, database=None, deadline=None)
def test_any_order_of_arrival_seals_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[int], failed: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("table")
    wanted = [f"p{number}@t" for number in range(8)]
    straight = written(folder / "straight.jsonl", *(found(id, STRANGE) for id in wanted))
    table = Table(folder / "mixed.jsonl", Searched)
    for number in order:
        if number in failed:
            table.append(failure(wanted[number]))
    for number in order:
        table.append(found(wanted[number], STRANGE))
    table.seal(wanted)
    table.close()
    assert (folder / "mixed.jsonl").read_bytes() == straight.read_bytes()
    shutil.rmtree(folder)


def test_a_digest_follows_the_content(path: Path) -> None:
    table = Table(path, Searched)
    empty = table.digest()
    table.append(found("a"))
    assert table.digest() != empty
    other = Table(path.with_name("other.jsonl"), Searched)
    other.append(found("a"))
    assert other.digest() == table.digest()
    table.close()
    other.close()


def test_strange_characters_survive(path: Path) -> None:
    written(path, found("a", STRANGE), found(STRANGE, "b"))
    table = Table(path, Searched)
    assert table.get("a").attempts[0].text == STRANGE
    assert table.get(STRANGE).attempts[0].text == "b"
    table.seal([STRANGE, "a"])
    table.close()
    assert path.read_bytes().count(b"\n") == 2
    with jsonlines.open(path) as reader:
        assert [row["id"] for row in reader] == [STRANGE, "a"]


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(derandomize=True, max_examples=50, database=None, deadline=None)
def test_any_text_is_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("table") / "attempts.jsonl"
    written(path, found("a", text))
    assert path.read_bytes().count(b"\n") == 1
    table = Table(path, Searched)
    assert table.get("a").attempts[0].text == text
    table.close()


@pytest.mark.parametrize(
    "damage",
    [
        b'{"id":"b","pro\n',
        b"\n",
        b"\0\0\0\0\n",
        b'{"id":3}\n',
        b'{"id":"\xff"}\n',
        b"null\n",
        b"{}\n",
    ],
)
def test_a_damaged_line_in_the_middle_names_file_and_line(path: Path, damage: bytes) -> None:
    first, last = written(path, found("a"), found("c")).read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + b"\n" + last)
    with pytest.raises(StoreError, match=r"attempts\.jsonl, line 2: .*delete it"):
        Table(path, Searched)


@pytest.mark.parametrize("damage", [b'"teacher":\xff"t"', b'"teacher":"\xff"', b'"teacher":7'])
def test_damage_behind_the_id_shows_when_the_line_is_read(path: Path, damage: bytes) -> None:
    whole = written(path, found("a"), found("b")).read_bytes()
    start = whole.index(b"\n") + 1
    path.write_bytes(whole[:start] + whole[start:].replace(b'"teacher":"t"', damage))
    with pytest.raises(StoreError, match=rf"attempts\.jsonl, (line 2|byte {start}): "):
        _read_all(path)


def _read_all(path: Path) -> None:
    table = Table(path, Searched)
    try:
        list(table.lines())
    finally:
        table.close()


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Python ignores SIGXFSZ, so a file at the limit takes no more, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_store_error_and_the_file_stays_whole(path: Path) -> None:
    table = Table(path, Searched)
    table.append(found("a", "x" * 60_000))
    whole = path.read_bytes()
    with (
        files_no_longer_than(100_000),
        pytest.raises(StoreError, match=r"attempts\.jsonl: cannot be written \(File too large\)"),
    ):
        table.append(found("b", "x" * 60_000))
    assert path.read_bytes() == whole
    assert "b" not in table
    table.append(found("b"))
    assert table.get("b") == found("b")
    table.close()
    assert ids_in(path) == ["a", "b"]


def test_a_disk_that_fills_up_while_sealing_costs_nothing(path: Path) -> None:
    table = Table(written(path, *(found(id, "x" * 60_000) for id in "cab")), Searched)
    whole = path.read_bytes()
    with files_no_longer_than(100_000), pytest.raises(StoreError, match="cannot be written"):
        table.seal(["a", "b", "c"])
    assert path.read_bytes() == whole
    assert [file.name for file in path.parent.iterdir()] == ["attempts.jsonl"]
    table.seal(["a", "b", "c"])
    table.close()
    assert ids_in(path) == ["a", "b", "c"]


Line = Problem | Searched | Verified | Chained
Maker = Callable[[str], Line]

_ATTEMPT = Attempt((Step("a\n"), Step("b")), "stop", 1, "", Origin("t", "m", "boxed", "d", 3))
_CHAIN = Chain(("p@t/1", "p@t/0"), 1, "p@t/1", 3, (Link("attempt", "w", False, "p@t/1"),))
_BARE_CHAIN = Chain((), 0, "", -1, ())

BARE: dict[str, Maker] = {
    "problems": lambda id: Problem(id, "q", "a", tags=("t",)),
    "attempts": lambda id: Searched(id, "p", "t", (Attempt((Step(""),)),)),
    "verdicts": lambda id: Verified(id, "i", "unfinished", "", "", ""),
    "chains": lambda id: Chained(id, "d", (_BARE_CHAIN, _CHAIN)),
}
"""Optional texts are empty; every list is filled."""
EMPTY: dict[str, Maker] = {
    "problems": lambda id: Problem(id, "q", "a"),
    "attempts": failure,
    "chains": lambda id: Chained(id, "d"),
}
"""Lists are empty too, as where all searches fail."""
FULL: dict[str, Line] = {
    "problems": Problem("z", "q", "a", "number", "5", ("u",), "train", "s", "MIT"),
    "attempts": Searched("z", "p", "t", (_ATTEMPT,), "both"),
    "verdicts": Verified("z", "i", "correct", "4", "exact", "why"),
    "chains": Chained("z", "d", (_CHAIN,)),
}


def long_table(folder: Path, name: str, early: Maker, megabytes: int) -> Path:
    """A table of early lines that ends in a full one."""
    path = folder / f"{name}.jsonl"
    table: Table[Identified] = Table(path, type(FULL[name]))
    for number in range(megabytes * 10):
        table.append(early(f"{number}".rjust(100_000)))
    table.append(FULL[name])
    table.close()
    return path


def loaded(path: Path, streaming: bool) -> list[dict[str, Any]]:
    import datasets

    rows = datasets.load_dataset(
        "json",
        data_files=str(path),
        cache_dir=str(path.parent / "cache"),
        split="train",
        streaming=streaming,
    )
    return list(rows)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_OFFLINE=1 sets, which datasets reads only when it is imported."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", BARE)
def test_datasets_infers_one_schema_for_a_long_table(tmp_path: Path, name: str) -> None:
    path = long_table(tmp_path, name, BARE[name], megabytes=13)
    rows = loaded(path, streaming=False)
    assert len(rows) == 131
    assert rows[-1] == json.loads(path.read_bytes().splitlines()[-1])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", EMPTY)
def test_datasets_reads_failures_and_empty_lists_before_full_ones(
    tmp_path: Path, name: str
) -> None:
    path = long_table(tmp_path, name, EMPTY[name], megabytes=8)
    assert loaded(path, streaming=True)[-1] == json.loads(path.read_bytes().splitlines()[-1])


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", EMPTY)
def test_datasets_needs_features_for_lists_that_are_empty_for_megabytes(
    tmp_path: Path, name: str
) -> None:
    """`datasets` fixes the schema after 10 MB; a list that was empty so far holds nulls for it."""
    import datasets

    path = long_table(tmp_path, name, EMPTY[name], megabytes=13)
    filled = tmp_path / "filled.jsonl"
    filled.write_bytes(path.read_bytes().splitlines(keepends=True)[-1])
    features = datasets.load_dataset("json", data_files=str(filled), split="train").features
    whole = datasets.load_dataset(
        "json", data_files=str(path), split="train", streaming=True, features=features
    )
    assert len(list(whole)) == 131


@pytest.mark.parametrize("name", BARE)
def test_jsonlines_and_json_read_every_line(tmp_path: Path, name: str) -> None:
    path = long_table(tmp_path, name, EMPTY.get(name, BARE[name]), megabytes=1)
    with jsonlines.open(path) as reader:
        rows = list(reader)
    assert rows == [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert all(value is not None for row in rows for value in row.values())
