"""Small runs to view, written by hand as a run leaves its tables, and the viewer serving them."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from cotgen.records import (
    Attempt,
    Chain,
    Chained,
    Link,
    Outcome,
    Problem,
    Searched,
    Step,
    Verified,
)
from cotgen.view import application

RECIPE = """\
name: planted
problems: {kind: jsonl, path: nowhere.jsonl}
teachers: {t: {}, u: {}}
chains: {kind: revision}
"""


class Tried(NamedTuple):
    """An attempt and its verdict."""

    text: str
    outcome: Outcome = "correct"
    predicted: str = ""
    thought: str = ""
    teacher: str = "t"


def plant(folder: Path, problems: Mapping[Problem, Sequence[Tried]]) -> Path:
    """A run with these problems; each correct attempt gives a chain and a row."""
    (folder / "datasets").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    tables: dict[str, list[Any]] = {
        name: [] for name in ("problems", "attempts", "verdicts", "chains")
    }
    rows: list[Any] = []
    origins: list[Any] = []
    for problem, tried in problems.items():
        tables["problems"].append(problem)
        ids = _search(problem, tried, tables)
        chains = _chains(tried, ids)
        tables["chains"].append(Chained(problem.id, "", chains))
        for chain in chains:
            rows.append(_row(problem, chain))
            origins.append({"row": len(origins), "problem": problem.id, "attempts": chain.attempts})
    for name, lines in tables.items():
        write(folder / f"{name}.jsonl", lines)
    write(folder / "datasets" / "sft-multiturn.jsonl", rows)
    write(folder / "datasets" / "sft-multiturn.origin.jsonl", origins)
    return folder


def _search(
    problem: Problem, tried: Sequence[Tried], tables: dict[str, list[Any]]
) -> dict[int, str]:
    ids: dict[int, str] = {}
    for teacher in dict.fromkeys(each.teacher for each in tried):
        search = f"{problem.id}@{teacher}"
        mine = [number for number, each in enumerate(tried) if each.teacher == teacher]
        for place, number in enumerate(mine):
            ids[number] = f"{search}/{place}"
        attempts = tuple(_attempt(tried[number]) for number in mine)
        tables["attempts"].append(Searched(search, problem.id, teacher, attempts))
    for number, each in enumerate(tried):
        at = each.text.rfind(each.predicted) if each.predicted else -1
        span = (at, at + len(each.predicted)) if at >= 0 else (-1, -1)
        tables["verdicts"].append(
            Verified(ids[number], "", each.outcome, each.predicted, "exact", "", span)
        )
    return ids


def _attempt(tried: Tried) -> Attempt:
    thought = (Step(tried.thought),) if tried.thought else ()
    return Attempt((*thought, Step(tried.text)), thought_steps=len(thought))


def _chains(tried: Sequence[Tried], ids: dict[int, str]) -> tuple[Chain, ...]:
    wrong = [number for number, each in enumerate(tried) if each.outcome == "incorrect"]
    return tuple(
        Chain(
            attempts=(*(ids[at] for at in wrong), ids[number]),
            wrong=len(wrong),
            nearest=ids[wrong[-1]] if wrong else "",
            distance=1 if wrong else -1,
            links=(
                *(Link("attempt", tried[at].text, trained=False, attempt=ids[at]) for at in wrong),
                Link("attempt", each.text, trained=True, attempt=ids[number]),
            ),
        )
        for number, each in enumerate(tried)
        if each.outcome == "correct"
    )


def _row(problem: Problem, chain: Chain) -> dict[str, Any]:
    turns = [{"role": "user", "content": problem.question}]
    for link in chain.links[:-1]:
        turns += [{"role": "assistant", "content": link.text}]
        turns += [{"role": "user", "content": "Try again."}]
    return {
        "prompt": turns,
        "completion": [{"role": "assistant", "content": chain.links[-1].text}],
    }


def write(path: Path, lines: Sequence[Any]) -> None:
    """JSON Lines."""
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


SCRIPTS = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>",
    '"><iframe srcdoc="<script>parent.alert(4)</script>"></iframe>',
    "<style>*{display:none}</style><base href=//example.org><form action=//example.org>",
    "[x](javascript:alert(5)) javascript:alert(6) <a href='javascript:alert(7)'>a</a>",
)
FORMULAS = (
    r"$\href{javascript:alert(8)}{x}$ $\includegraphics{http://example.org/x.png}$",
    r"$\htmlStyle{position:fixed;inset:0;background:red}{x}$ $\htmlId{list}{y}$",
    r"$\def\a{\a\a}\a$ $\newcommand{\b}{\b}\b$ $\rule{9999em}{9999em}$ $\kern-9999em x$",
    r"$\raisebox{9999em}{x}$ $\frac$ $\unknown{1}$ $\unicode{x}$ $\color{red}\text{<b>b</b>}$",
    "$\\text{\u202ereversed}$ $" + r"\frac{1}{" * 200 + "2" + "}" * 200 + "$",
    r"$\pmb{x} \boxed{y} \left( \begin{matrix} 1 \\ 2 \\ 3 \\ 4 \\ 5 \end{matrix} \right)$",
)
MARKS = (
    "right to left: \u202e4321\u202c isolates \u2067abc\u2069 zero\u200bwidth nul\0 esc\x1b",
    "Hebrew \u05e9\u05dc\u05d5\u05dd Arabic \u0627\u0644\u0639 combining Z"
    + "\u0300" * 500
    + " \ufeff\ufffd\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "lines\r\nand\u2028separators\u2029 tags\U000e0041 private\ue000 nonchars\uffff",
)
HOSTILE = "\n".join((*SCRIPTS, *FORMULAS, *MARKS))


def hostile(folder: Path) -> Path:
    """A run whose every text is an attack, one of them a line of a million characters."""
    million = "x" * 500_000 + r" \boxed{7} " + "<b>" * 166_000
    question = HOSTILE + " What is 3 + 4?"
    problem = Problem(
        "<img src=x onerror=alert(9)>", question, SCRIPTS[0], level=MARKS[0], source=SCRIPTS[1]
    )
    return plant(
        folder,
        {
            problem: [
                Tried(HOSTILE + r" \boxed{7}", "correct", r"\boxed{7}", thought=HOSTILE + "\n"),
                Tried(HOSTILE + r" \boxed{8}", "incorrect", r"\boxed{8}"),
                Tried(million, "incorrect", r"\boxed{7}"),
                Tried(SCRIPTS[0], "unverifiable", SCRIPTS[0], teacher="u"),
            ],
            Problem("plain", "What is 1 + 1?", "2", level="1", source="s"): [
                Tried("It is 3.", "incorrect", "3"),
                Tried("It is 2.", "correct", "2"),
            ],
        },
    )


class Answer(NamedTuple):
    """What the viewer answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded."""
        return msgspec.json.decode(self.body)


class Served(NamedTuple):
    """A viewer that listens."""

    port: int

    @property
    def url(self) -> str:
        """Its page."""
        return f"http://127.0.0.1:{self.port}/"

    def request(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for a path exactly as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.putrequest(method, path, skip_host="Host" in sent)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def api(self, path: str, **parameters: object) -> Any:
        """A decoded answer; anything but success is a failure of the test."""
        answer = self.request(f"/api/{path}?{urlencode(parameters)}")
        assert answer.status == 200, answer
        return answer.json

    def read(self, after: int = 0) -> Any:
        """Wait until the run was read more often than `after` times."""
        for _ in range(2000):
            page = self.api("run")
            if page["version"] > after and page["reading"] == 1:
                return page
            threading.Event().wait(0.01)
        raise AssertionError("the run was never read")


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[Served]:
    """The viewer of a run on a free port, in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        runner = web.AppRunner(application(folder, host), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    try:
        runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        served = Served(port)
        served.read()
        yield served
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
