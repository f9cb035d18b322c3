"""A stand-in for `vllm serve`: takes its flags, has its /health and /metrics, and dies as it does.

    python standin.py MODEL --host 127.0.0.1 --port 8000 …

It answers as tests/server.py does. How it dies stands in the environment (`STANDIN`, a JSON of
`Ways`). A child in a session of its own must not outlive it, like vLLM's engine process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import msgspec
from aiohttp import web
from server import ChatServer, FaultScript, Settings

SEED_CRASH = "RuntimeError: CPU Generator does not use offset"


class Ways(msgspec.Struct, frozen=True):
    """What happens to an engine. `folder` keeps its log and its starts."""

    folder: str
    latency_ms: float = 5.0
    slow_start_s: float = 0.0
    """From the second start on."""
    dies_at_start: str = ""
    dies_on: str = ""
    """Any request whose prompt holds this."""
    dies_of_seeds: bool = False
    ill_on: str = ""
    """In its first life: the request fails and health is lost, but the process stays."""


class Start(msgspec.Struct, frozen=True):
    """One start of the stand-in."""

    pids: tuple[int, ...]
    arguments: tuple[str, ...]


def starts(folder: Path) -> list[Start]:
    """Every start so far, in order."""
    path = folder / "starts.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Start) for line in lines]


class Engine(ChatServer):
    def __init__(self, ways: Ways, first: bool, log: TextIO) -> None:
        super().__init__(Settings(latency_ms=ways.latency_ms), FaultScript(), log)
        self.ways = ways
        self.first = first
        self.ill = False

    def application(self) -> web.Application:
        application = super().application()
        application.router.add_get("/health", self.health)
        application.router.add_get("/metrics", self.metrics)
        return application

    async def health(self, request: web.Request) -> web.Response:
        return web.Response(status=503 if self.ill else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(text='vllm:num_requests_waiting{engine="0"} 3.0\n')

    async def complete(self, request: web.Request) -> web.StreamResponse:
        chat = json.loads(await request.read())
        prompt = chat["messages"][-1]["content"]
        ways = self.ways
        if ways.dies_on and ways.dies_on in prompt:
            await self.die("torch.AcceleratorError: CUDA error: an illegal memory access")
        if ways.dies_of_seeds and "seed" in chat:
            await self.die(SEED_CRASH)
        if self.first and ways.ill_on and ways.ill_on in prompt:
            self.ill = True
        if self.ill:
            return web.json_response({"error": {"message": "EngineDeadError"}}, status=500)
        return await super().complete(request)

    async def die(self, said: str) -> None:
        # A moment, in which other requests arrive.
        await asyncio.sleep(0.05)
        sys.stderr.write(f"{said}\nEngineDeadError: EngineCore encountered an issue.\n")
        sys.stderr.flush()
        os._exit(1)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments, _ = parser.parse_known_args()
    ways = msgspec.json.decode(os.environ["STANDIN"], type=Ways)
    folder = Path(ways.folder)
    first = not starts(folder)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with (folder / "starts.jsonl").open("ab") as file:
        start = Start((os.getpid(), child.pid), tuple(sys.argv[1:]))
        file.write(msgspec.json.encode(start) + b"\n")
    if ways.dies_at_start:
        sys.exit(f"Loading the model\n{ways.dies_at_start}")
    if not first:
        await asyncio.sleep(ways.slow_start_s)
    with (folder / "log.jsonl").open("a") as log:
        runner = web.AppRunner(Engine(ways, first, log).application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
