from pathlib import Path

import pytest

from cotgen.records import Attempt, Searched, Step
from cotgen.steps import Uncut
from cotgen.store import InOrder, Table, inorder


def line(id: str, text: str = "4") -> Searched:
    return Searched(id, "p", "t", (Attempt((Step(text),)),))


def test_lines_stand_in_the_order_in_which_their_work_began(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.jsonl", Searched)
    lines = InOrder(table)
    for id in "abcd":
        lines.begin(id)
    for id in "cad":
        lines.put(line(id))
        lines.end(id)
    assert list(table.ids()) == ["a"]
    lines.end("b")  # It gave no line.
    assert list(table.ids()) == ["a", "c", "d"]
    table.close()


def test_one_that_takes_long_holds_back_only_so_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inorder, "_HELD_BYTES", 5_000)
    table = Table(tmp_path / "t.jsonl", Searched)
    lines = InOrder(table)
    for number in range(10):
        lines.begin(str(number))
    for number in range(1, 10):
        lines.put(line(str(number), "x" * 1_000))
        lines.end(str(number))
    assert 3 < len(table) < 9
    lines.put(line("0"))
    lines.end("0")
    lines.flush()
    assert len(table) == 10
    table.seal(map(str, range(10)))
    assert list(table.ids()) == [str(number) for number in range(10)]
    table.close()


def test_what_is_held_is_written_at_the_end(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.jsonl", Searched, gathered=True)
    lines = InOrder(table)
    lines.begin("a")
    lines.begin("b")
    lines.put(line("b"))
    lines.end("b")
    assert (tmp_path / "t.jsonl").read_bytes() == b""
    lines.flush()
    assert b'"id":"b"' in (tmp_path / "t.jsonl").read_bytes()
    assert table.get("b") == line("b")
    table.close()


def test_steps_that_were_never_cut_are_read_as_steps(tmp_path: Path) -> None:
    with_text = Searched("a", "p", "t", (Attempt(Uncut("one\n\ntwo", "\n")),))  # type: ignore[arg-type]
    table = Table(tmp_path / "t.jsonl", Searched)
    table.append(with_text)
    assert table.get("a").attempts[0].steps == (Step("one\n\n"), Step("two"))
    table.close()
