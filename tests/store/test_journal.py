import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cotgen.records import Completion
from cotgen.store import Journal
from cotgen.store.journal import Entry, Spent
from cotgen.store.reserve import RESERVE, drop_reserve

HELLO = Completion("Hello\u2028\0😀", "length", "a thought", tokens=7, prompt_tokens=3)


def entry(
    search: str, id: str, completion: Completion = HELLO, teacher: str = "qwen"
) -> Entry[Completion]:
    asked, _, number = id.partition("/")
    return Entry(asked, int(number), search, teacher, (completion,))


def opened(path: Path, owed: tuple[str, ...] = ()) -> Journal:
    return Journal(path, owed.__contains__)


def written(path: Path, *entries: Entry[Completion]) -> Path:
    journal = opened(path)
    for each in entries:
        journal.append(each)
    journal.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_a_completion_is_found_by_search_and_id(path: Path) -> None:
    other = Completion("other")
    written(path, entry("p@a", "k/0"), entry("p@a", "k/1", other), entry("p@b", "k/0", other))
    journal = opened(path, ("p@a", "p@b"))
    assert journal.recall("p@a", "k").get(0) == HELLO
    assert journal.recall("p@a", "k").get(1) == other
    assert journal.recall("p@b", "k").get(0) == other
    journal.close()


def test_what_was_never_paid_is_not_found(path: Path) -> None:
    journal = opened(written(path, entry("p@a", "k/0")), ("p@a", "p@b"))
    assert journal.recall("p@a", "k").get(1) is None
    assert journal.recall("p@b", "k").get(0) is None
    journal.close()


def test_a_completion_is_found_as_soon_as_it_is_appended(path: Path) -> None:
    journal = opened(path)
    journal.append(entry("p@a", "k/0"))
    assert journal.recall("p@a", "k").get(0) == HELLO
    journal.close()


def test_searches_that_are_not_owed_are_not_indexed(path: Path) -> None:
    journal = opened(written(path, entry("p@a", "k/0"), entry("p@b", "k/0")), ("p@b",))
    assert journal.recall("p@a", "k").get(0) is None
    assert journal.recall("p@b", "k").get(0) == HELLO
    journal.close()


def test_a_forgotten_search_stays_on_disk(path: Path) -> None:
    journal = opened(written(path, entry("p@a", "k/0")), ("p@a",))
    before = path.read_bytes()
    journal.forget("p@a")
    journal.forget("p@never-seen")
    assert journal.recall("p@a", "k").get(0) is None
    journal.close()
    assert path.read_bytes() == before
    again = opened(path, ("p@a",))
    assert again.recall("p@a", "k").get(0) == HELLO
    again.close()


def test_of_a_sample_that_was_paid_for_twice_the_first_counts(path: Path) -> None:
    later = Completion("later")
    journal = opened(written(path, entry("p@a", "k/0"), entry("p@a", "k/0", later)), ("p@a",))
    assert journal.recall("p@a", "k").get(0) == HELLO
    journal.close()


@pytest.mark.parametrize(
    "damage", [b'{"id":"k/1","sea', b"", b"null", b'{"id":"k/1"}', b"\0\0", b'{"id":"\xff"}', b"[]"]
)
def test_a_damaged_line_costs_itself_alone(
    path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    written(path, entry("p@a", "k/0"), entry("p@a", "k/2"))
    first, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + b"\n" + last)
    with caplog.at_level(logging.ERROR, "cotgen"):
        journal = opened(path, ("p@a",))
    assert journal.recall("p@a", "k").get(0) == journal.recall("p@a", "k").get(2) == HELLO
    assert journal.spent["qwen"].completions == 2
    assert f"journal.jsonl, byte {len(first)}: " in caplog.text
    journal.close()
    assert path.read_bytes() == first + damage + b"\n" + last


def test_an_entry_whose_text_is_no_utf8_costs_itself_alone(path: Path) -> None:
    written(path, entry("p@a", "k/0", Completion("broken")), entry("p@a", "k/1"))
    path.write_bytes(path.read_bytes().replace(b"broken", b"brok\xff\xfe"))
    journal = opened(path, ("p@a",))
    assert journal.recall("p@a", "k").get(0) is None
    assert journal.recall("p@a", "k").get(1) == HELLO
    journal.close()


def test_a_torn_tail_is_cut_off(path: Path) -> None:
    whole = written(path, entry("p@a", "k/0")).read_bytes()
    path.write_bytes(whole + whole[:-1])
    journal = opened(path, ("p@a",))
    assert path.read_bytes() == whole
    journal.append(entry("p@a", "k/1"))
    assert journal.recall("p@a", "k").get(1) == HELLO
    journal.close()


def test_spent_counts_everything_that_was_ever_paid(path: Path) -> None:
    written(
        path,
        entry("p@qwen", "k/0"),
        entry("p@qwen", "k/0"),
        entry("q@qwen", "k/0", Completion("", tokens=1, prompt_tokens=10)),
        entry("p@phi", "k/0", Completion("", tokens=5), teacher="phi"),
    )
    journal = opened(path, ("p@qwen",))
    assert journal.spent == {"qwen": Spent(3, 16, 15, 3), "phi": Spent(1, 0, 5, 1)}
    journal.append(entry("r@phi", "k/0", teacher="phi"))
    assert journal.spent["phi"] == Spent(2, 3, 12, 2)
    journal.forget("r@phi")
    assert journal.spent["phi"] == Spent(2, 3, 12, 2)
    journal.close()


def test_a_killed_writer_loses_nothing_that_was_appended(path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cotgen.records import Completion\n"
        "from cotgen.store.journal import Entry, Journal\n"
        "journal = Journal(Path(sys.argv[1]), lambda search: True)\n"
        "for number in range(10**9):\n"
        "    journal.append(Entry('k', number, 'p@a', 'qwen', (Completion('x' * 500),)))\n"
        "    print(number, flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(200):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        told = 199 + len(writer.stdout.read().split("\n")[:-1])
    journal = opened(path, ("p@a",))
    assert journal.spent["qwen"].completions > told
    assert journal.recall("p@a", "k").get(told) == Completion("x" * 500)
    journal.close()


def test_the_samples_of_one_reply_stand_on_one_line(path: Path) -> None:
    reply = Entry("k", 4, "p@a", "qwen", (Completion("a", tokens=1), Completion("b", tokens=2)))
    journal = Journal(written(path, reply), lambda _: True)
    assert path.read_bytes().count(b"\n") == 1
    assert journal.recall("p@a", "k").get(4) == reply.completions[0]
    assert journal.recall("p@a", "k").get(5) == reply.completions[1]
    assert journal.recall("p@a", "k").get(6) is None
    assert journal.spent["qwen"].tokens == 3
    journal.close()


def test_a_torn_reply_is_lost_as_a_whole(path: Path) -> None:
    reply = Entry("k", 0, "p@a", "qwen", tuple(Completion(text) for text in "abc"))
    written(path, entry("p@a", "k/9"), reply)
    path.write_bytes(path.read_bytes()[:-30])
    journal = Journal(path, lambda _: True)
    assert journal.recall("p@a", "k").get(9) == HELLO
    assert journal.recall("p@a", "k").get(0) is None
    journal.close()


def test_a_reserve_that_a_kill_left_is_dropped(tmp_path: Path) -> None:
    (tmp_path / RESERVE).write_bytes(b"\0" * 100)
    drop_reserve(tmp_path)
    drop_reserve(tmp_path)
    assert not (tmp_path / RESERVE).exists()
