"""The sampling stage beside a bare aiohttp loop, on the same mock server, in one run.

    python benchmarks/client.py [--requests 5000] [--concurrency 64 256 1024] [--rounds 3]
                                [--latency-requests 4096] [--memory]

The bare loop does only what cannot be left out: post the request, read the JSON, append a line. It
is what a careful engineer writes with aiohttp and msgspec; both sides use Python's own event loop.
cotgen's stage reads problems, renders prompts, numbers and seeds samples, asks, checks the reply,
journals it, splits it into steps and writes the attempts table, in order. The two take turns in
fresh processes; medians of the rounds are printed. "CPU" is the process's own, per request: user
and system time, all threads; for cotgen also that of the process beside it which writes the table.
The server is bound to the last core; the clients may use all. Before each turn as much memory is
touched and freed as it will write: a virtual machine gets memory from its host at the first touch,
which takes longer than the rest and falls on whoever comes first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Literal

import msgspec

from cotgen import parse_recipe
from cotgen.pipeline import Stage, Unwatched, run_async

TEXT = ("First we add the two numbers, and then we take away what was given.\n" * 60)[:4000]
Side = Literal["bare", "cotgen"]
_MARKS = (50_000, 100_000, 200_000)
"""Requests after which the memory is looked at."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, nargs="*", default=[64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-requests", type=int, default=10_240)
    parser.add_argument("--memory", action="store_true", help="200,000 requests of cotgen's alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with _Server(latency_s=0) as url:
            print(
                "n   at once     bare loop              cotgen      + beside it    ratio of rates"
            )
            for n, at_once in [(1, c) for c in options.concurrency] + [(16, 64)]:
                count = options.requests if n == 1 else options.requests // 2
                _compare(path, url, _Load(count, at_once, n), options.rounds)
        with _Server(latency_s=1) as url:
            load = _Load(options.latency_requests, 1024, 1)
            print(f"\nwith 1 s of latency and 1,024 at once, {load.requests:,} requests:")
            taken = _taken_in_turns(path, url, load, options.rounds)
            for side, figures in taken.items():
                rate = median(each.rate for each in figures)
                print(f"  {side:<7}{rate:>7,.0f} requests/s = {rate / 1024:.2f} of the ideal 1,024")
        if options.memory:
            _print_memory(path)


class _Load(msgspec.Struct, frozen=True):
    """So many requests of n samples, so many of them at once."""

    requests: int
    at_once: int
    n: int


class _Figures(msgspec.Struct):
    """What a side needed."""

    seconds: float
    cpu_s: float
    beside_cpu_s: float
    requests: int
    peak_mb: float
    resident_mb: list[float] = []

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.requests

    @property
    def beside_cpu_ms(self) -> float:
        return 1000 * self.beside_cpu_s / self.requests


def _compare(folder: Path, url: str, load: _Load, rounds: int) -> None:
    taken = _taken_in_turns(folder, url, load, rounds)
    rates = {side: median(each.rate for each in taken[side]) for side in taken}
    cpu = {side: median(each.cpu_ms for each in taken[side]) for side in taken}
    beside = median(each.beside_cpu_ms for each in taken["cotgen"])
    columns = "".join(f"{rates[side]:>8,.0f}/s {cpu[side]:.3f} ms CPU  " for side in taken)
    ratio = rates["cotgen"] / rates["bare"]
    print(f"{load.n:<4}{load.at_once:<8,}{columns}+ {beside:.3f}{ratio:>10.2f}", flush=True)


def _taken_in_turns(folder: Path, url: str, load: _Load, rounds: int) -> dict[Side, list[_Figures]]:
    taken: dict[Side, list[_Figures]] = {"bare": [], "cotgen": []}
    for _ in range(rounds):
        for side, figures in taken.items():
            figures.append(_measured(folder, url, load, side))
    return taken


def _print_memory(folder: Path) -> None:
    print(f"\nmemory of one run of {_MARKS[-1]:,} requests of one sample, 256 at once:")
    with _Server(latency_s=0) as url:
        figures = _measured(folder, url, _Load(_MARKS[-1], 256, 1), "cotgen")
    for mark, megabytes in zip(_MARKS, figures.resident_mb, strict=True):
        print(f"  after {mark:>7,}: {megabytes:,.0f} MB resident")
    print(f"  at most {figures.peak_mb:,.0f} MB; {figures.rate:,.0f} requests/s")


def _measured(folder: Path, url: str, load: _Load, side: Side) -> _Figures:
    _touch_memory(3 * load.requests * load.n * len(TEXT))
    told = msgspec.json.encode([side, url, str(folder), load]).decode()
    output = subprocess.run(
        [sys.executable, __file__, "--child", told], check=True, stdout=subprocess.PIPE
    ).stdout
    return msgspec.json.decode(output, type=_Figures)


def _touch_memory(size: int) -> None:
    touch = (
        "import mmap, sys; m = mmap.mmap(-1, int(sys.argv[1])); m[::4096] = bytes(len(m[::4096]))"
    )
    subprocess.run([sys.executable, "-c", touch, str(size)], check=True)


# --- the two sides --------------------------------------------------------------------------------


def _child(side: Side, url: str, folder: Path, load: _Load) -> _Figures:
    _many_files()
    import aiohttp  # noqa: F401 - for both sides alike, before the clock starts

    questions = [f"What is {number} plus {number + 1}? " * 6 for number in range(load.requests)]
    work = _bare if side == "bare" else _cotgen
    with tempfile.TemporaryDirectory(dir=folder) as own:
        return asyncio.run(work(url, Path(own), load, questions))


async def _bare(url: str, folder: Path, load: _Load, questions: list[str]) -> _Figures:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    asked = iter(questions)
    with (folder / "out.jsonl").open("ab", buffering=0) as file:
        async with aiohttp.ClientSession(connector=connector) as session:

            async def work() -> None:
                for question in asked:
                    body = {
                        "model": "m",
                        "messages": [{"role": "user", "content": question}],
                        "n": load.n,
                        "temperature": 1.0,
                        "max_tokens": 4096,
                    }
                    async with session.post(
                        f"{url}/chat/completions",
                        data=msgspec.json.encode(body),
                        headers={"content-type": "application/json"},
                    ) as response:
                        reply = msgspec.json.decode(await response.read())
                    texts = [choice["message"]["content"] for choice in reply["choices"]]
                    file.write(msgspec.json.encode({"q": question, "texts": texts}) + b"\n")

            clock = _Clock(load)
            await asyncio.gather(*(work() for _ in range(load.at_once)))
            return clock.stop()


async def _cotgen(url: str, folder: Path, load: _Load, questions: list[str]) -> _Figures:
    problems = folder / "problems.jsonl"
    with problems.open("wb") as file:
        for number, question in enumerate(questions):
            row = {"id": f"p{number:06}", "question": question, "answer": "1"}
            file.write(msgspec.json.encode(row) + b"\n")
    recipe = parse_recipe(_recipe(url, problems, load))
    watch = _Timed(load)
    await run_async(recipe, outputs=folder, until="search", watch=watch)
    assert watch.figures is not None
    return watch.figures


def _recipe(url: str, problems: Path, load: _Load) -> dict[str, Any]:
    return {
        "name": "client",
        "problems": {"kind": "jsonl", "path": str(problems), "split": "train"},
        "teachers": {
            "mock": {
                "kind": "openai",
                "model": "m",
                "base_url": url,
                "concurrency": load.at_once,
                "api_key_env": "",
            }
        },
        "search": {"kind": "sample", "n": load.n, "prompt": "question"},
        "verifier": {"kind": "exact"},
        "chains": {"kind": "revision"},
        "datasets": [{"kind": "sft"}],
    }


class _Clock:
    def __init__(self, load: _Load) -> None:
        self._load = load
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> _Figures:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        beside = resource.getrusage(resource.RUSAGE_CHILDREN)
        beside_s = beside.ru_utime + beside.ru_stime
        return _Figures(wall, cpu, beside_s, self._load.requests, peak_mb)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class _Timed(Unwatched):
    """Measures the search stage."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._done = 0
        self._resident: list[float] = []
        self._clock: _Clock | None = None
        self.figures: _Figures | None = None

    def start(self, stage: Stage, total: int | None) -> None:
        """Start the clock."""
        if stage == "search":
            self._done = 0
            self._clock = _Clock(self._load)

    def advance(self, pieces: int = 1) -> None:
        """Look at the memory now and then."""
        self._done += pieces
        if self._clock and pieces and self._done in _MARKS:
            self._resident.append(_resident_mb())

    def end(self, stage: Stage, seconds: float) -> None:
        """Stop it."""
        if stage == "search" and self._clock:
            self.figures = self._clock.stop()
            self.figures.resident_mb = self._resident


# --- the server -----------------------------------------------------------------------------------


class _Server:
    """A process that answers every request with n copies of one text."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(self._latency_s)], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()


class _Answering:
    """Just enough of HTTP/1.1, on a bare epoll: on a small machine the server shares the clients'
    cores, and what it needs is taken from them."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._replies = {n: _reply(n) for n in (1, 16)}
        self._epoll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._due: deque[tuple[float, int, int]] = deque()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._listening.setblocking(False)
        self._epoll.register(self._listening, select.EPOLLIN)
        print(self._listening.getsockname()[1], flush=True)

    def serve(self) -> None:
        """Until it is killed."""
        while True:
            wait_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for number, event in self._epoll.poll(wait_s):
                if number == self._listening.fileno():
                    self._accept()
                elif event & select.EPOLLOUT:
                    self._send(number)
                else:
                    self._receive(number)
            while self._due and self._due[0][0] <= time.monotonic():
                _, number, n = self._due.popleft()
                self._answer(number, n)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                accepted, _ = self._listening.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._lines[accepted.fileno()] = _Line(accepted)
                self._epoll.register(accepted, select.EPOLLIN)

    def _receive(self, number: int) -> None:
        line = self._lines[number]
        try:
            data = line.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            del self._lines[number]
            self._epoll.unregister(line.socket)
            line.socket.close()
            return
        line.received = data = line.received + data
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end].lower()
        at = head.find(b"content-length:")
        if end < 4 or at < 0 or len(data) < end + int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return  # The rest is still to come. Nobody asks twice without waiting.
        line.received = b""
        n = 16 if b'"n":16' in data else 1
        if self._latency_s:
            self._due.append((time.monotonic() + self._latency_s, number, n))
        else:
            self._answer(number, n)

    def _answer(self, number: int, n: int) -> None:
        if number in self._lines:
            self._lines[number].owed = memoryview(self._replies[n])
            self._send(number)

    def _send(self, number: int) -> None:
        line = self._lines[number]
        with suppress(BlockingIOError, ConnectionError):
            line.owed = line.owed[line.socket.send(line.owed) :]
        if bool(line.owed) != line.waits:
            line.waits = bool(line.owed)
            self._epoll.modify(number, select.EPOLLOUT if line.waits else select.EPOLLIN)


class _Line:
    """A connection: what came of a request, and what is still owed of an answer."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.received = b""
        self.owed = memoryview(b"")
        self.waits = False


def _reply(n: int) -> bytes:
    choice = {"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 1000 * n}
    choices = [{"index": number, **choice} for number in range(n)]
    body = json.dumps({"choices": choices, "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _serve(latency_s: float) -> None:
    _pin(-1)
    _many_files()
    _Answering(latency_s).serve()


def _pin(number: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number]})


def _many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(float(sys.argv[2]))
    elif sys.argv[1:2] == ["--child"]:
        side_, url_, folder_, load_ = msgspec.json.decode(sys.argv[2])
        figures_ = _child(side_, url_, Path(folder_), msgspec.convert(load_, _Load))
        print(msgspec.json.encode(figures_).decode())
    else:
        main()
