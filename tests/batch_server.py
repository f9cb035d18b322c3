"""A small Batch API whose batches outlive whoever submitted them, and that fails on request.

    python tests/batch_server.py --log FILE --script FILE

Its answers are those of `server.py`: by content. Every event leaves a line in the log before a
client can act on it. In tests: `with start_batch_server(tmp_path) as server: ...`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Literal, Self, TextIO

import msgspec
from aiohttp import web
from server import Chat, ChatServer, FaultScript, Settings, _end, _port, serve

Call = Literal["upload", "create", "poll", "download", "list"]


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How batches do, and what fails."""

    seconds: float = 0.2
    """How long a batch takes."""
    hold: str = ""
    """The call that never returns, once: what it does is done (`upload`, `create`, `poll`,
    `download` after half of the content), or not (`before upload`, `before create`)."""
    broken: int = 0
    """So many calls of every sort answer 500 before they work; uploads and creations are done all
    the same."""
    silent: int = 0
    """So many polls never return."""
    cut: int = 0
    """So many downloads are cut in the middle."""
    endless: bool = False
    """Whether content is sent without its length, so that a cut cannot be told from the end."""
    bad_share: float = 0.0
    """The share of the requests that are refused with 400, always."""
    passing_share: float = 0.0
    """The share of the requests that fail with 500 the first time."""
    expired_share: float = 0.0
    """The share of the first batch that is not done when it expires."""
    cancelled: bool = False
    """Whether somebody cancels the first batch when half of it is done."""
    refusal: str = ""
    """The code with which the first batch fails before it begins."""
    api_key: str = ""
    """Another key is refused with 401."""
    honour_n: bool = True
    max_per_page: int = 2
    """Lists are given in pages of so many."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the log."""

    event: Literal["uploaded", "created", "polled", "downloaded", "listed", "held"]
    time: float
    id: str = ""
    requests: tuple[str, ...] = ()
    """The custom ids of a batch that was created."""


@dataclass
class Stored:
    """A batch: `lines` are its results, made when it was created."""

    id: str
    file: str
    metadata: dict[str, str]
    due: float
    total: int
    ends: str = "completed"
    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    refusal: str = ""


class BatchServer:
    """The handlers with all that was uploaded and submitted."""

    def __init__(self, script: Script, log: TextIO) -> None:
        self.script = script
        self.log = log
        settings = Settings(honour_n=script.honour_n)
        self.chat = ChatServer(settings, FaultScript(), io.StringIO())
        self.numbers = itertools.count()
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: dict[str, Stored] = {}
        self.broken: Counter[str] = Counter()
        self.silent = script.silent
        self.cut = script.cut
        self.hold = script.hold
        self.failed: set[str] = set()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1 << 30, middlewares=[self.checked])
        route = application.router
        route.add_post("/v1/files", self.upload)
        route.add_get("/v1/files", self.list_files)
        route.add_get("/v1/files/{id}/content", self.content)
        route.add_post("/v1/batches", self.create)
        route.add_get("/v1/batches", self.list_batches)
        route.add_get("/v1/batches/{id}", self.status)
        return application

    @web.middleware
    async def checked(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.script.api_key and given != self.script.api_key:
            return _error(401, f"Incorrect API key provided: {given}")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def upload(self, request: web.Request) -> web.Response:
        await self.maybe_hold("before upload")
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        id = f"file-{next(self.numbers)}"
        self.files[id] = file.filename, file.file.read()
        self.write("uploaded", id)
        await self.maybe_hold("upload")
        return self.broken_or("upload", self.file_json(id))

    async def create(self, request: web.Request) -> web.Response:
        await self.maybe_hold("before create")
        asked = await request.json()
        assert asked["completion_window"] == "24h"
        assert asked["endpoint"] == "/v1/chat/completions"
        batch = self.made(asked["input_file_id"], asked["metadata"])
        await self.maybe_hold("create")
        return self.broken_or("create", self.batch_json(batch))

    async def status(self, request: web.Request) -> web.Response:
        if self.silent:
            self.silent -= 1
            await asyncio.sleep(3600)
        self.write("polled", request.match_info["id"])
        await self.maybe_hold("poll")
        if request.match_info["id"] not in self.batches:
            return _error(404, "No batch found with that id")
        return self.broken_or("poll", self.batch_json(self.batches[request.match_info["id"]]))

    async def content(self, request: web.Request) -> web.StreamResponse:
        if self.is_broken("download"):
            return _error(500, "scripted fault")
        _, content = self.files[request.match_info["id"]]
        half = len(content) // 2
        if self.script.endless:
            return self.endless(request, content[:half] if self.is_cut() else content)
        response = web.StreamResponse()
        response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[:half])
        await self.maybe_hold("download")
        if self.is_cut() and request.transport:
            request.transport.abort()
            return response
        await response.write(content[half:])
        self.write("downloaded", request.match_info["id"])
        return response

    def endless(self, request: web.Request, content: bytes) -> web.StreamResponse:
        """As a server of HTTP/1.0: the content ends where the connection does."""
        if request.transport:
            request.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + content)
            request.transport.close()
        return web.StreamResponse()

    def is_cut(self) -> bool:
        self.cut -= 1
        return self.cut >= 0

    async def list_files(self, request: web.Request) -> web.Response:
        assert request.query["purpose"] == "batch"
        return self.page(request, [self.file_json(id) for id in self.files])

    async def list_batches(self, request: web.Request) -> web.Response:
        return self.page(request, [self.batch_json(each) for each in self.batches.values()])

    def page(self, request: web.Request, every: list[dict[str, Any]]) -> web.Response:
        self.write("listed")
        every.reverse()
        ids = [each["id"] for each in every]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        shown = every[start : start + self.script.max_per_page]
        more = start + len(shown) < len(every)
        return self.broken_or("list", {"object": "list", "data": shown, "has_more": more})

    def made(self, file: str, metadata: dict[str, str]) -> Stored:
        """A new batch with all that will come of it."""
        script, lines = self.script, self.files[file][1].splitlines()
        id = f"batch_{next(self.numbers)}"
        batch = Stored(id, file, metadata, time.monotonic() + script.seconds, len(lines))
        is_first = not self.batches
        self.batches[id] = batch
        asked = [msgspec.json.decode(line) for line in lines]
        ids = tuple(each["custom_id"] for each in asked)
        assert len(set(ids)) == len(ids)
        if is_first and script.refusal:
            batch.ends, batch.refusal = "failed", script.refusal
            return batch
        self.write("created", id, ids)
        undone = script.expired_share if is_first else 0.0
        if is_first and script.cancelled:
            undone, batch.ends = 0.5, "cancelled"
        elif undone:
            batch.ends = "expired"
        for each in asked:
            self.answer(batch, each, undone)
        # Whoever submits must not rely on any order.
        Random(7).shuffle(batch.output)
        return batch

    def answer(self, batch: Stored, asked: dict[str, Any], undone: float) -> None:
        assert asked["method"] == "POST"
        assert asked["url"] == "/v1/chat/completions"
        chat = msgspec.convert(asked["body"], Chat)
        id, draw = asked["custom_id"], Random(asked["custom_id"]).random()
        if draw < undone:
            error = {"code": f"batch_{batch.ends}", "message": "not done in time"}
            batch.errors.append(_line(id, None, error))
        elif 1 - draw < self.script.bad_share:
            batch.errors.append(_line(id, _refusal(400, "scripted poison")))
        elif 1 - draw < self.script.bad_share + self.script.passing_share and id not in self.failed:
            self.failed.add(id)
            batch.errors.append(_line(id, _refusal(500, "scripted fault")))
        else:
            body = self.chat.body(chat, self.chat.answers(chat))
            batch.output.append(_line(id, {"status_code": 200, "request_id": "r", "body": body}))

    def file_json(self, id: str) -> dict[str, Any]:
        name, content = self.files[id]
        return {"id": id, "object": "file", "bytes": len(content), "filename": name} | _created()

    def batch_json(self, batch: Stored) -> dict[str, Any]:
        done = len(batch.output), len(batch.errors)
        told: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "input_file_id": batch.file,
            "metadata": batch.metadata,
            "status": "in_progress",
            "request_counts": {"total": batch.total, "completed": 0, "failed": 0},
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
        } | _created()
        if batch.refusal:
            mistake = {"code": batch.refusal, "message": "refused", "line": None, "param": None}
            return told | {"status": "failed", "errors": {"object": "list", "data": [mistake]}}
        if time.monotonic() < batch.due:
            return told
        for name, lines in (("output", batch.output), ("error", batch.errors)):
            if lines:
                told[f"{name}_file_id"] = id = f"file-{batch.id}-{name}"
                self.files.setdefault(id, (f"{batch.id}_{name}.jsonl", b"\n".join(lines) + b"\n"))
        counts = {"total": batch.total, "completed": done[0], "failed": done[1]}
        return told | {"status": batch.ends, "request_counts": counts}

    def broken_or(self, call: Call, told: dict[str, Any]) -> web.Response:
        return _error(500, "scripted fault") if self.is_broken(call) else web.json_response(told)

    def is_broken(self, call: Call) -> bool:
        self.broken[call] += 1
        return self.broken[call] <= self.script.broken

    async def maybe_hold(self, call: str) -> None:
        if self.hold == call:
            self.hold = ""
            self.write("held")
            await asyncio.sleep(3600)

    def write(self, event: str, id: str = "", requests: tuple[str, ...] = ()) -> None:
        line = {"event": event, "time": time.monotonic(), "id": id, "requests": requests}
        self.log.write(msgspec.json.encode(line).decode() + "\n")
        self.log.flush()


def _created() -> dict[str, int]:
    return {"created_at": int(time.time())}


def _line(id: str, response: object, error: object = None) -> bytes:
    return msgspec.json.encode(
        {"id": f"batch_req_{id}", "custom_id": id, "response": response, "error": error}
    )


def _refusal(status: int, message: str) -> dict[str, Any]:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return {"status_code": status, "request_id": "r", "body": {"error": error}}


def _error(status: int, message: str) -> web.Response:
    body = {"error": {"message": message, "type": "server_error", "param": None, "code": status}}
    return web.json_response(body, status=status)


# --- the process ---------------------------------------------------------------------------------


@dataclass
class RunningBatchServer:
    """A server in a process of its own; leaving the context ends it."""

    port: int
    log_path: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """The base URL, `/v1` included."""
        return f"http://127.0.0.1:{self.port}/v1"

    def log(self) -> list[Event]:
        """Everything logged so far."""
        whole, _, _ = self.log_path.read_bytes().rpartition(b"\n")
        return [msgspec.json.decode(line, type=Event) for line in whole.split(b"\n") if line]

    def count(self, event: str) -> int:
        """How often something happened."""
        return sum(each.event == event for each in self.log())

    def submitted(self) -> Counter[str]:
        """How often each request was submitted."""
        return Counter(id for event in self.log() for id in event.requests)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _end(self.process)


def start_batch_server(tmp_path: Path, script: Script | None = None) -> RunningBatchServer:
    """Start a server and wait until it listens; its log lies in a new folder below `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="batches-", dir=tmp_path))
    (folder / "script.json").write_bytes(msgspec.json.encode(script or Script()))
    log_path = folder / "log.jsonl"
    command = [sys.executable, __file__, "--log", str(log_path)]
    command += ["--script", str(folder / "script.json")]
    with (folder / "stderr.txt").open("wb") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        return RunningBatchServer(_port(process, within_s=30.0), log_path, process)
    except BaseException as error:
        _end(process)
        error.add_note((folder / "stderr.txt").read_text(errors="replace")[-2000:])
        raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--script", type=Path, required=True)
    arguments = parser.parse_args()
    script = msgspec.json.decode(arguments.script.read_bytes(), type=Script)
    with arguments.log.open("a") as log:
        asyncio.run(serve(BatchServer(script, log).application(), 0, end_with_stdin=True))


if __name__ == "__main__":
    main()
