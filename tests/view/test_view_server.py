"""The viewer's server: what it answers, to whom, and what it leaves alone."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from typer.testing import CliRunner
from viewed import Served, Tried, hostile, plant, serving, write

from cotgen.cli import app
from cotgen.errors import RecipeError
from cotgen.records import Problem, Verified
from cotgen.view import is_private
from cotgen.view.index import Index
from cotgen.view.server import Viewer

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def some_run(folder: Path, problems: int = 120) -> Path:
    """Problems of which each third is always, sometimes and never solved."""
    made = {}
    for number in range(problems):
        right = Tried(f"Well, {number}.", "correct", str(number), teacher="u")
        wrong = Tried(f"Well, {number}0?", "incorrect", f"{number}0")
        problem = Problem(
            f"p{number}", f"What is {number} + 0?", str(number), level=str(number % 5), source="s"
        )
        made[problem] = [(right, right), (right, wrong), (wrong, wrong)][number % 3]
    return plant(folder, made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return some_run(tmp_path_factory.mktemp("view") / "some")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with serving(folder) as viewer:
        yield viewer


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "localhost:9000", "[::1]:80", "LocalHost"]
)
def test_its_own_names_are_answered(served: Served, host: str) -> None:
    assert served.request("/api/run", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:80", "127.0.0.1.example.org", "localhost.example.org",
             "192.168.1.2", "0.0.0.0", "", "127.0.0.1@example.org"],
)  # fmt: skip
def test_foreign_names_are_refused(served: Served, host: str) -> None:
    for path in ("/", "/api/run", "/static/app.js"):
        answer = served.request(path, Host=host)
        assert answer.status in (400, 421)
        assert b"p1" not in answer.body


def test_a_server_for_others_answers_to_addresses_but_to_no_foreign_name(folder: Path) -> None:
    with serving(folder, "0.0.0.0") as viewer:
        assert viewer.request("/", Host="192.168.1.2:8642").status == 200
        assert viewer.request("/", Host="example.org").status == 421
    assert all(map(is_private, ("127.0.0.1", "localhost", "::1")))
    assert not any(map(is_private, ("0.0.0.0", "10.0.0.1", "name")))


def test_other_sites_pages_are_refused_but_may_link_here(served: Served) -> None:
    own = served.url.rstrip("/")
    assert served.request("/api/run", Origin=own).status == 200
    assert served.request("/api/run", Sec_Fetch_Site="same-origin").status == 200
    assert served.request("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    for headers in (
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    ):
        assert served.request("/api/run", **headers).status == 403
        answer = served.request("/static/app.js", **headers)
        assert answer.status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_can_only_be_read(served: Served, method: str) -> None:
    assert served.request("/api/run", method).status in (400, 405)


def test_the_head_of_an_answer_can_be_asked_for(served: Served) -> None:
    for path in ("/", "/api/run", "/api/text?what=question&id=p1"):
        answer = served.request(path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static/..%5c..%5cserver.py",
        "/../../etc/passwd",
        "//etc/passwd",
        "/%00",
        "/static/",
        "/static/vendor/katex/LICENSE",
        "/recipe.yaml",
        "/api/",
        "/api/rows?dataset=../recipe.yaml",
        "/api/rows?dataset=sft-multiturn.origin",
    ],
)
def test_nothing_but_the_pages_own_files_can_be_had(served: Served, path: str) -> None:
    assert served.request(path).status in (400, 403, 404)


def test_every_answer_carries_the_policy(served: Served) -> None:
    for path in ("/", "/static/app.js", "/static/vendor/katex/katex.min.css", "/api/run",
                 "/api/text?what=question&id=p1", "/nowhere", "/api/problem?id=none"):  # fmt: skip
        headers = served.request(path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "html" not in headers["Content-Type"] or path == "/"


def test_the_page_has_no_script_or_style_of_its_own(served: Served) -> None:
    page = served.request("/").body.decode().replace(" ", "")
    assert "<style" not in page
    assert "style=" not in page
    assert "onclick" not in page
    assert page.count("<script") == page.count('<scriptsrc="/static/')
    assert "//" not in page.replace("<!doctypehtml>", "")


def test_pages_of_the_list_are_the_run_in_its_order(served: Served) -> None:
    ids = []
    for start in range(0, 150, 30):
        page = served.api("problems", **{"from": start, "n": 30})
        assert (page["total"], page["searched"]) == (120, 1)
        ids += [row[0] for row in page["rows"]]
    assert ids == [f"p{number}" for number in range(120)]


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"verdict": "correct"}, [n for n in range(120) if n % 3 != 2]),
        ({"verdict": "incorrect", "teacher": "t"}, [n for n in range(120) if n % 3 != 0]),
        ({"verdict": "correct", "teacher": "t"}, []),
        ({"verdict": "unfinished"}, []),
        ({"level": "4"}, [n for n in range(120) if n % 5 == 4]),
        ({"source": "other"}, []),
        ({"method": "exact", "rate": "0-0"}, [n for n in range(120) if n % 3 == 2]),
        ({"chain": "yes", "rate": "1-99"}, [n for n in range(120) if n % 3 == 1]),
        ({"chain": "no"}, [n for n in range(120) if n % 3 == 2]),
        ({"q": "P11 WHAT"}, [11, *range(110, 120)]),
        ({"q": '"is 11 +"'}, [11]),
        ({"q": "1160"}, [116]),
    ],
)
def test_filters_and_search_find_what_they_say(
    served: Served, filters: dict[str, str], numbers: list[int]
) -> None:
    page = served.api("problems", n=200, **filters)
    assert [row[0] for row in page["rows"]] == [f"p{number}" for number in numbers]
    assert page["total"] == len(numbers)


def test_the_hardest_come_first_and_a_problem_is_located(served: Served) -> None:
    page = served.api("problems", n=200, order="hardest", locate="p0")
    shares = [row[3][1] / sum(row[3]) for row in page["rows"]]
    assert shares == sorted(shares)
    assert page["rows"][page["located"] - page["start"]][0] == "p0"
    assert page["located"] == 80


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("problems?verdict=wrong", "correct, incorrect"),
        ("problems?order=up", "hardest"),
        ("problems?rate=9", "0-25"),
        ("problems?from=-1", "from"),
        ("difference?id=p1&wrong=p1@t/0&correct=p1@u/0&by=bytes", "words"),
        ("text?id=p1&what=secret", "question"),
    ],
)
def test_a_mistaken_address_is_told_what_is_allowed(served: Served, path: str, told: str) -> None:
    answer = served.request(f"/api/{path}")
    assert answer.status == 400
    assert told in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "problem?id=none",
        "problem",
        "attempts?id=p1@t",
        "difference?id=p1&wrong=p2@t/0&correct=p1@u/0",
        "rows?dataset=none",
        "text?what=attempt&id=p1&attempt=2",
        "text?what=link&id=p1&chain=9",
        "text?what=row&dataset=sft-multiturn&row=99999",
    ],
)
def test_what_is_not_there_is_not_found(served: Served, path: str) -> None:
    assert served.request(f"/api/{path}").status == 404


def test_a_problem_and_all_that_was_made_of_it(served: Served) -> None:
    problem = served.api("problem", id="p1")
    assert problem["attempts"] == [["p1@t/0", "t", "incorrect"], ["p1@u/0", "u", "correct"]]
    assert problem["pairs"] == [["p1@t/0", "p1@u/0"]]
    assert (problem["chains"], problem["rows"]) == (1, {"sft-multiturn": 1})
    wrong, right = served.api("attempts", id="p1")
    assert wrong["text"][0] == [["", "Well, "], ["answer", "10"], ["", "?"]]
    assert (right["outcome"], right["predicted"], right["method"]) == ("correct", "1", "exact")
    assert [each["id"] for each in served.api("attempts", id="p1", only="correct")] == ["p1@u/0"]
    difference = served.api("difference", id="p1", wrong="p1@t/0", correct="p1@u/0")
    assert difference["text"][0] == [["same", "Well, 1"], ["del", "0?"], ["ins", "."]]
    assert (difference["unit"], difference["distance"]) == ("characters", 2)
    (chain,) = served.api("chains", id="p1")
    assert [link["trained"] for link in chain["links"]] == [False, True]
    rows = served.api("rows", dataset="sft-multiturn", id="p1")
    assert [turn["use"] for turn in rows["rows"][0]["turns"]] == ["context"] * 3 + ["trained"]
    assert rows["rows"][0]["problem"] == "p1"


def test_hostile_text_is_sent_as_json_whole_and_unchanged(tmp_path: Path) -> None:
    with serving(hostile(tmp_path / "hostile")) as viewer:
        id = viewer.api("problems")["rows"][0][0]
        shown = viewer.api("attempts", id=id)[2]["text"]
        assert len(msgspec.json.encode(shown[0])) < 40_000
        assert shown[1] > 990_000
        answer = viewer.request(f"/api/text?{shown[2]}&id={quote(id)}")
        assert answer.headers["Content-Type"].startswith("application/x-ndjson")
        parts = [msgspec.json.decode(line) for line in answer.body.splitlines()]
        assert max(len(text) for _, text in parts) <= 1 << 15
        assert "".join(text for _, text in parts).startswith("x" * 500_000 + r" \boxed{7} <b><b>")


def test_a_run_that_grows_is_read_anew_and_no_torn_line_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotgen.view.server._PAUSE_S", 0.0)
    folder = some_run(tmp_path / "grown", 3)
    with serving(folder) as viewer:
        version = viewer.read()["version"]
        line = msgspec.json.encode(Problem("late", "Late?", "1")) + b"\n"
        with (folder / "problems.jsonl").open("ab") as file:
            file.write(line + line[:20])
        assert viewer.read(version)["problems"] == 4
        assert viewer.api("problem", id="late")["attempts"] == []
        # A stage that ends brings its table into order: another file in the same place.
        verdicts = (folder / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
        sealed = folder / "verdicts.jsonl.tmp"
        sealed.write_bytes(b"".join(reversed(verdicts)))
        assert viewer.api("attempts", id="p1")[0]["outcome"] == "incorrect"
        sealed.replace(folder / "verdicts.jsonl")
        viewer.read(version + 1)
        assert viewer.api("attempts", id="p1")[0]["outcome"] == "incorrect"


def test_a_line_that_replaces_another_counts(tmp_path: Path) -> None:
    folder = some_run(tmp_path / "mended", 3)
    mended = Verified("p2@t/0", "", "unverifiable", "?", "algebra", "too hard")
    with (folder / "verdicts.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(mended) + b"\n")
    with serving(folder) as viewer:
        assert viewer.api("run")["outcomes"]["unverifiable"] == 1
        assert viewer.api("attempts", id="p2")[0]["reason"] == "too hard"


def test_a_run_that_has_just_begun_is_shown(tmp_path: Path) -> None:
    folder = some_run(tmp_path / "begun", 2)
    for path in folder.rglob("*.jsonl"):
        path.unlink()
    with serving(folder) as viewer:
        assert viewer.api("run")["problems"] == 0
        assert viewer.api("problems", q="a", verdict="correct")["total"] == 0


def test_a_damaged_run_is_read_once_and_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = some_run(tmp_path / "damaged", 2)
    with (folder / "verdicts.jsonl").open("a") as file:
        file.write("{no line\n")
    monkeypatch.setattr("cotgen.view.server._PAUSE_S", 0.0)
    opened: list[Index] = []

    def index(folder: Path) -> Index:
        opened.append(Index(folder))
        return opened[-1]

    async def go() -> None:
        viewer = Viewer(folder)
        monkeypatch.setattr("cotgen.view.server.Index", index)
        for _ in range(5):
            viewer.refresh()
            await asyncio.sleep(0.05)
        assert "verdicts.jsonl, byte" in viewer.page().error
        await viewer.close()

    asyncio.run(go())
    assert len(opened) == 1
    assert not opened[0]._open


def test_a_damaged_line_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotgen.view.server._PAUSE_S", 0.0)
    folder = some_run(tmp_path / "damaged", 2)
    with serving(folder) as viewer:
        with (folder / "chains.jsonl").open("ab") as file:
            file.write(b"{nonsense}\n")
        offset = (folder / "chains.jsonl").stat().st_size - 11
        while not (error := viewer.api("run")["error"]):
            pass
        assert f"chains.jsonl, byte {offset}" in error
        assert viewer.api("problem", id="p1")["id"] == "p1"  # As it was before.


def test_looking_changes_nothing(folder: Path, served: Served) -> None:
    def digests() -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }

    before = digests()
    for path in ("run", "problems?q=1", "problem?id=p1", "attempts?id=p1", "chains?id=p1",
                 "rows?dataset=sft-multiturn", "text?what=question&id=p1"):  # fmt: skip
        assert served.request(f"/api/{path}").status == 200
    assert digests() == before


def test_the_command_says_where_it_listens_and_ends_on_ctrl_c(folder: Path) -> None:
    program = "from cotgen.cli import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, "view", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        port = int(said.rsplit(":", 1)[1].split("/")[0])
        assert said.startswith(f"{folder} at http://127.0.0.1:")
        assert Served(port).read()["problems"] == 120
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_no_run_and_no_port_are_the_users_mistakes(
    tmp_path: Path, served: Served, folder: Path
) -> None:
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["view", str(tmp_path / "empty")])
    assert result.exit_code == 2
    assert "not the folder of a run" in result.output
    result = CliRunner().invoke(app, ["view", str(folder), "--port", str(served.port)])
    assert result.exit_code == 2
    assert f"port {served.port}" in result.output
    write(tmp_path / "empty" / "problems.jsonl", [])
    with pytest.raises(RecipeError), serving(tmp_path / "empty"):
        pass
