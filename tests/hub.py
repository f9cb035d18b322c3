"""A stand-in for the Hugging Face Hub that speaks enough of its API to push and to load datasets.

In tests: `with Hub() as hub: ...`, and `hub.environment(folder)` for a process that shall use it.
It stores small files in Git and Parquet as LFS blobs, as the Hub does without Xet; it takes Xet's
uploads too, but cannot give them back. Every request
is kept in `hub.requests`, and `hub.faults` says which requests fail, how, and how often;
`hub.meddle` is called before each with its `METHOD /path`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml
from aiohttp import web

TOKEN = "hf_standInTokenThatMustNeverBeSeenAnywhere"

FaultKind = Literal[
    "429", "500", "503", "garbage", "hang", "cut_before", "cut_inside", "cut_after", "echo_token"
]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """Requests whose `METHOD /path` matches fail `times` times, after `skip` that do not.

    `cut_inside` breaks the connection amid the request's body, `cut_after` when the work is done
    but nothing is said of it. `hang` never answers. `met` is set when the first one fails.
    """

    match: str
    kind: FaultKind
    times: int = 1
    skip: int = 0
    met: threading.Event = field(default_factory=threading.Event)

    def takes(self, line: str) -> bool:
        if not self.times or not re.search(self.match, line):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    sent: int
    token: str

    @property
    def writes(self) -> bool:
        """Whether it would change something; asking in a body does not."""
        return self.method not in ("GET", "HEAD") and "paths-info" not in self.path


@dataclass(frozen=True)
class File:
    data: bytes
    lfs: bool
    stated: str = ""

    @property
    def sha256(self) -> str:
        return self.stated or hashlib.sha256(self.data).hexdigest()

    @property
    def blob(self) -> str:
        data = self.data
        if self.lfs:
            data = f"version https://git-lfs…\noid sha256:{self.sha256}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        about = {"type": "file", "path": path, "size": len(self.data), "oid": self.blob}
        lfs = {"oid": self.sha256, "size": len(self.data), "pointerSize": 134}
        return {**about, "lfs": lfs} if self.lfs else about


@dataclass(frozen=True)
class Commit:
    oid: str
    files: dict[str, File]
    message: str = "initial commit"


@dataclass
class Repo:
    private: bool
    branches: dict[str, list[Commit]]

    @classmethod
    def new(cls, private: bool) -> Repo:
        attributes = File(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", lfs=False)
        return cls(private, {"main": [_commit({".gitattributes": attributes}, "initial commit")]})

    def at(self, revision: str) -> Commit:
        if revision in self.branches:
            return self.branches[revision][-1]
        for commits in self.branches.values():
            for commit in commits:
                if commit.oid == revision:
                    return commit
        raise _missing("RevisionNotFound", revision)


def _commit(files: dict[str, File], message: str, parent: str = "") -> Commit:
    about = f"{parent}|{message}|{sorted((path, file.blob) for path, file in files.items())}"
    return Commit(hashlib.sha1(about.encode()).hexdigest(), files, message)


def _missing(code: str, what: str) -> web.HTTPNotFound:
    headers = {"X-Error-Code": code, "X-Error-Message": f"{what} not found"}
    return web.HTTPNotFound(headers=headers)


class Hub:
    """The server, in a thread of this process."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.meddle: Callable[[str], None] = lambda line: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def environment(self, folder: Path, *, xet: bool = False) -> dict[str, str]:
        """The environment of a process that uses this Hub and keeps its things in a folder."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        return kept | {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "0" if xet else "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds."""
        held = self.repos[repo].at(revision).files
        return {path: file.data for path, file in held.items()}

    def commits(self, repo: str, revision: str = "main") -> list[Commit]:
        """The commits of a branch without the first, which only opens the repository."""
        return self.repos[repo].branches[revision][1:]

    def put(self, repo: str, path: str, data: bytes) -> None:
        """Somebody else's commit."""
        found = self.repos.setdefault(repo, Repo.new(private=False))
        last = found.branches["main"][-1]
        files = {**last.files, path: File(data, lfs=path.endswith(".parquet"))}
        found.branches["main"].append(_commit(files, f"put {path}", last.oid))

    def written(self) -> list[str]:
        """The requests that wrote, as `METHOD /path`."""
        return [f"{each.method} {each.path}" for each in self.requests if each.writes]

    # the server

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application(middlewares=[self._faulty], client_max_size=1 << 30)
        api, repo = "/api/datasets/{org}/{name}", "/{org}/{name}"
        app.add_routes(
            [
                web.post("/api/validate-yaml", self._validate_yaml),
                web.post("/api/repos/create", self._create),
                web.get(api, self._info),
                web.get(api + "/revision/{rev}", self._info),
                web.post(api + "/branch/{rev}", self._branch),
                web.get(api + "/tree/{rev}", self._tree),
                web.get(api + "/tree/{rev}/{path:.*}", self._tree),
                web.post(api + "/paths-info/{rev}", self._paths_info),
                web.post(api + "/preupload/{rev}", self._preupload),
                web.post(api + "/commit/{rev}", self._committed),
                web.get(api + "/xet-write-token/{rev}", self._xet_token),
                web.get("/v1/chunks/{space}/{hash}", self._xet_unknown),
                web.post("/v1/xorbs/{space}/{hash}", self._xet_block),
                web.post("/v1/shards", self._xet_shards),
                web.post("/datasets" + repo + ".git/info/lfs/objects/batch", self._batch),
                web.put("/lfs/{oid}", self._upload),
                web.post("/lfs/{oid}/verify", self._verify),
                web.get("/datasets" + repo + "/resolve/{rev}/{path:.*}", self._resolve),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.meddle(line)
        fault = next((each for each in self.faults if each.takes(line)), None)
        if fault is None or fault.kind == "cut_after":
            await request.read()
        size = request.content_length or 0
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append(Request(request.method, request.path, size, token))
        if fault is not None:
            fault.met.set()
            return await self._fail(request, handler, fault.kind)
        if request.path.startswith("/api") and token != TOKEN:
            return web.Response(status=401)
        return await handler(request)

    async def _fail(
        self, request: web.Request, handler: Handler, kind: FaultKind
    ) -> web.StreamResponse:
        if kind == "cut_inside":
            await request.content.read(100)
        if kind == "cut_after":
            await handler(request)
        if kind == "hang":
            await asyncio.sleep(60)
        if kind.startswith("cut") or kind == "hang":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if kind == "garbage":
            return web.Response(text="<html>who am I</html>")
        if kind == "echo_token":
            said = f"no place for {request.headers['Authorization']}"
            return web.json_response({"error": said}, status=400, headers={"X-Error-Message": said})
        return web.Response(status=int(kind), text="<html>busy</html>")

    async def _validate_yaml(self, request: web.Request) -> web.Response:
        content = (await request.json())["content"]
        front = yaml.safe_load(content.split("---\n")[1])
        known = {"config_name", "data_files", "default"}
        errors = [
            {"message": f"configs: {config}"}
            for config in front["configs"]
            if set(config) - known or not config["data_files"]
        ]
        return web.json_response({"errors": errors, "warnings": []}, status=400 if errors else 200)

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        id = f"{asked['organization']}/{asked['name']}"
        assert asked["type"] == "dataset"
        if id in self.repos:
            return web.json_response({"error": "exists"}, status=409)
        self.repos[id] = Repo.new(asked.get("visibility") == "private")
        return web.json_response({"url": f"{self.url}/datasets/{id}"})

    def _repo(self, request: web.Request) -> Repo:
        id = f"{request.match_info['org']}/{request.match_info['name']}"
        if id not in self.repos:
            raise _missing("RepoNotFound", id)
        return self.repos[id]

    def _at(self, request: web.Request) -> Commit:
        return self._repo(request).at(request.match_info.get("rev", "main"))

    async def _info(self, request: web.Request) -> web.Response:
        commit = self._at(request)
        siblings = [{"rfilename": path} for path in commit.files]
        id = f"{request.match_info['org']}/{request.match_info['name']}"
        about = {"id": id, "sha": commit.oid, "private": self._repo(request).private}
        return web.json_response({**about, "siblings": siblings, "tags": [], "disabled": False})

    async def _branch(self, request: web.Request) -> web.Response:
        branches = self._repo(request).branches
        name = request.match_info["rev"]
        if name in branches:
            return web.json_response({"error": "exists"}, status=409)
        branches[name] = list(branches["main"])
        return web.json_response({})

    async def _tree(self, request: web.Request) -> web.Response:
        files = self._at(request).files
        folder = request.match_info.get("path", "").strip("/")
        recursive = request.query.get("recursive", "").lower() in ("true", "1")
        entries, folders = [], set()
        for path, file in sorted(files.items()):
            if folder and not path.startswith(f"{folder}/"):
                continue
            inside = path[len(folder) + 1 :] if folder else path
            if "/" in inside:
                folders.add(f"{folder}/{inside.split('/')[0]}".strip("/"))
            if recursive or "/" not in inside:
                entries.append(file.entry(path))
        if folder and not entries and not folders:
            raise _missing("EntryNotFound", folder)
        listed = [{"type": "directory", "path": each, "oid": "0" * 40} for each in sorted(folders)]
        return web.json_response([*listed, *entries])

    async def _paths_info(self, request: web.Request) -> web.Response:
        files = self._at(request).files
        asked = (await request.post()).getall("paths", [])
        found = [files[str(path)].entry(str(path)) for path in asked if str(path) in files]
        return web.json_response(found)

    async def _preupload(self, request: web.Request) -> web.Response:
        files = self._at(request).files
        answers = []
        for asked in (await request.json())["files"]:
            path = asked["path"]
            held = files.get(path)
            oid = (held.sha256 if held.lfs else held.blob) if held else None
            mode = "lfs" if path.endswith(".parquet") else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return web.json_response({"files": answers})

    async def _batch(self, request: web.Request) -> web.Response:
        objects = []
        for asked in (await request.json())["objects"]:
            oid, href = asked["oid"], f"{self.url}/lfs/{asked['oid']}"
            actions = {"upload": {"href": f"{href}?X-Signature=s3cret"},
                       "verify": {"href": f"{href}/verify"}}  # fmt: skip
            owed = {} if oid in self.blobs else {"actions": actions}
            objects.append({"oid": oid, "size": asked["size"], **owed})
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _upload(self, request: web.Request) -> web.Response:
        data = await request.read()
        oid = request.match_info["oid"]
        if hashlib.sha256(data).hexdigest() != oid:
            return web.Response(status=400, text="that is not the file")
        self.blobs[oid] = data
        return web.Response()

    async def _verify(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["oid"] in self.blobs else 404)

    # Xet, as far as a client that only sends asks for it: what it sends cannot be put together
    # again here, so a file that came this way has its digest and size, and no content.

    async def _xet_token(self, request: web.Request) -> web.Response:
        headers = {"X-Xet-Cas-Url": self.url, "X-Xet-Access-Token": "a",
                   "X-Xet-Token-Expiration": "9999999999"}  # fmt: skip
        return web.json_response(
            {"casUrl": self.url, "accessToken": "a", "exp": 9999999999}, headers=headers
        )

    async def _xet_unknown(self, request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def _xet_block(self, request: web.Request) -> web.Response:
        return web.json_response({"was_inserted": True})

    async def _xet_shards(self, request: web.Request) -> web.Response:
        return web.json_response({"result": 1})

    async def _committed(self, request: web.Request) -> web.Response:
        commits = self._repo(request).branches[request.match_info["rev"]]
        files, header = dict(commits[-1].files), {}
        for line in (await request.text()).splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "header":
                header = value
            elif step["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), lfs=False)
            elif step["key"] == "lfsFile":
                oid = value["oid"]
                files[value["path"]] = File(self.blobs.get(oid, b""), lfs=True, stated=oid)
            elif step["key"] == "deletedFile":
                del files[value["path"]]
        if header.get("parentCommit", commits[-1].oid) != commits[-1].oid:
            return web.json_response({"error": "a commit has happened since"}, status=412)
        commits.append(_commit(files, header["summary"], commits[-1].oid))
        return web.json_response(
            {
                "commitUrl": f"{self.url}/datasets/o/n/commit/{commits[-1].oid}",
                "commitOid": commits[-1].oid,
                "hookOutput": "",
            }
        )

    async def _resolve(self, request: web.Request) -> web.Response:
        commit = self._at(request)
        path = request.match_info["path"]
        if path not in commit.files:
            raise _missing("EntryNotFound", path)
        file = commit.files[path]
        etag = file.sha256 if file.lfs else file.blob
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        wanted = request.http_range
        body = file.data[wanted]
        status = 206 if "Range" in request.headers else 200
        if status == 206:
            start = wanted.start or 0
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(file.data)}"
        return web.Response(body=body, status=status, headers=headers)


if __name__ == "__main__":
    with Hub() as here, contextlib.suppress(KeyboardInterrupt):
        sys.stdout.write(f"{here.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
