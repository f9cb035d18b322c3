"""The viewer's server: read-only, for this machine, and for no other site's pages."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from cotgen.errors import CotgenError, RecipeError
from cotgen.view import pages
from cotgen.view.filters import wanted
from cotgen.view.index import Index, Signature, signature
from cotgen.view.looker import Missing
from cotgen.view.replies import ListPage, RunPage
from cotgen.view.search import Search

log = logging.getLogger(__name__)

PORT, PORTS = 8642, 20
"""The default port, and how many after it are tried where it is taken."""
_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SLICE_S = 0.004
"""Reading the run gives way after so long: a request waits for one slice at most."""
_SEARCH_S = 0.02
"""How long a request searches; the page asks again until the search is done."""
_SEARCHES = 8
_PAUSE_S = 2.0
"""A run that grows is read anew so often at most; a large one less often."""


class Viewer:
    """A run, read anew in the background when its files have changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index: Index | None = None
        self.next: Index | None = None
        self.version = 0
        self.error = ""
        self._not_before = 0.0
        self._damaged: Signature | None = None
        """The files that could not be read: they are not tried again as long as they are these."""
        self._task: asyncio.Task[None] | None = None
        self._searches: OrderedDict[str, Search] = OrderedDict()
        self._page: RunPage | None = None
        Index(folder).close()  # Not the folder of a run: say so before a page is opened.

    def refresh(self) -> None:
        """Begin to read the run if it was not read as it is now."""
        if self.next or time.monotonic() < self._not_before:
            return
        known = (self.index and self.index.signature, self._damaged)
        if signature(self.folder) not in known:
            self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            self.next = index = Index(self.folder)
            slice_began = time.perf_counter()
            for _ in index.read():
                if time.perf_counter() - slice_began > _SLICE_S:
                    # Who never sleeps is served last by a busy machine; nothing hurries while
                    # an earlier state is there to look at.
                    await asyncio.sleep(_SLICE_S if self.index else _SLICE_S / 4)
                    slice_began = time.perf_counter()
        except CotgenError as error:
            self.error = str(error)
            if self.next:
                self._damaged = self.next.signature
                self.next.close()
        else:
            before, self.index, self.error = self.index, index, ""
            self.version += 1
            self._searches.clear()
            self._page = pages.run_page(index, self.folder)
            if before:
                before.close()
        finally:
            self.next = None
            spent = time.monotonic() - began
            self._not_before = time.monotonic() + max(_PAUSE_S, 3 * spent)

    def page(self) -> RunPage:
        """The run as a whole, or how far it was read."""
        progress = self.next.progress if self.next else 1.0
        if self._page is None:
            name = self.folder.absolute().name
            waiting = min(progress, 0.99) if not self.error else 1.0
            return RunPage(name, str(self.folder), 0, waiting, self.error)
        return msgspec.structs.replace(
            self._page, version=self.version, reading=progress, error=self.error
        )

    def opened(self) -> Index:
        """The run, once it was read."""
        if self.index is None:
            raise web.HTTPServiceUnavailable(text=self.error or "the run is still being read")
        return self.index

    def search(self, query: str) -> Search:
        """A query, which goes on where an earlier request left it."""
        search = self._searches.pop(query, None) or Search(self.opened().texts, query)
        self._searches[query] = search
        while len(self._searches) > _SEARCHES:
            self._searches.popitem(last=False)
        search.advance(_SEARCH_S)
        return search

    def listed(self, address: Mapping[str, str]) -> ListPage:
        """A page of the list of problems."""
        ask = wanted(address)
        page = pages.list_page(self.opened(), ask, self.search(ask.q), address)
        page.version = self.version
        return page

    async def close(self) -> None:
        """Stop reading and let go of the files."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for index in (self.index, self.next):
            if index:
                index.close()


def application(folder: Path, host: str = "127.0.0.1") -> web.Application:
    """The viewer of a run as an application; `host` is what it will listen on."""
    viewer = Viewer(folder)
    app = web.Application(middlewares=[_guard(host), _told])
    app.on_response_prepare.append(_add_headers)

    def reply(make: Callable[[Mapping[str, str]], object]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            body = msgspec.json.encode(make(request.query))
            kind = {"Content-Type": "application/json; charset=utf-8"}
            return web.Response(body=body, headers={**kind, "Cache-Control": "no-store"})

        return handle

    def run(address: Mapping[str, str]) -> RunPage:
        viewer.refresh()
        return viewer.page()

    async def text(request: web.Request) -> web.StreamResponse:
        return await _stream(request, pages.whole_text(viewer.opened(), request.query))

    makers: dict[str, Callable[[Mapping[str, str]], object]] = {
        "run": run,
        "problems": viewer.listed,
        "problem": lambda ask: pages.problem_page(viewer.opened(), ask.get("id", "")),
        "attempts": lambda ask: pages.attempt_pages(viewer.opened(), ask),
        "difference": lambda ask: pages.difference_page(viewer.opened(), ask),
        "chains": lambda ask: pages.chain_pages(viewer.opened(), ask),
        "rows": lambda ask: pages.row_pages(viewer.opened(), ask),
    }
    for name, make in makers.items():
        app.router.add_get(f"/api/{name}", reply(make))
    app.router.add_get("/api/text", text)
    for address, handler in _files().items():
        app.router.add_get(address, handler)

    async def start(_: web.Application) -> None:
        viewer.refresh()

    async def stop(_: web.Application) -> None:
        await viewer.close()

    app.on_startup.append(start)
    app.on_cleanup.append(stop)
    return app


def _files() -> dict[str, Handler]:
    """Every file of the page under its address: nothing else of the disk can be asked for."""
    found = {}
    for path in sorted(_STATIC.rglob("*")):
        if path.suffix in _TYPES:
            name = path.relative_to(_STATIC).as_posix()
            found["/" if name == "index.html" else f"/static/{name}"] = _file(path)
    return found


def _file(path: Path) -> Handler:
    body, kind = path.read_bytes(), _TYPES[path.suffix]
    charset = "" if path.suffix == ".woff2" else "; charset=utf-8"
    kept = "max-age=86400" if "vendor" in path.parts else "no-cache"
    headers = {"Content-Type": kind + charset, "Cache-Control": kept}

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    return handle


async def _stream(request: web.Request, parts: Iterable[tuple[str, str]]) -> web.StreamResponse:
    """The parts as JSON Lines, sent as they are read."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
    await response.prepare(request)
    if request.method != "HEAD":
        for part in parts:
            await response.write(msgspec.json.encode(part) + b"\n")
            await asyncio.sleep(0)  # Other requests shall not wait for a long text.
    await response.write_eof()
    return response


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    response.headers["Server"] = "cotgen"


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what an address can get wrong into an answer."""
    try:
        return await handler(request)
    except Missing as error:
        raise web.HTTPNotFound(text=str(error)) from None
    except RecipeError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    except CotgenError as error:  # A damaged line.
        raise web.HTTPInternalServerError(text=str(error)) from None


def _guard(listening: str) -> Middleware:
    """Answer only who means this server.

    A page of another site can make a browser ask us: by an address of its own name that leads here
    (DNS rebinding), which the Host header gives away, or directly, which Origin and Sec-Fetch-Site
    do. The port may be another one, as behind `ssh -L`.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise web.HTTPMethodNotAllowed(request.method, ("GET", "HEAD"))
        if not _is_ours(request.headers.get("Host", ""), listening):
            raise web.HTTPMisdirectedRequest(text="this server does not answer to that name")
        origin = request.headers.get("Origin")
        own = f"{request.scheme}://{request.headers.get('Host', '')}"
        site = request.headers.get("Sec-Fetch-Site", "none")
        opened = request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if origin not in (None, own) or not (site in ("same-origin", "none") or opened):
            raise web.HTTPForbidden(text="this server answers no other site's pages")
        return await handler(request)

    return guard


def _is_ours(host: str, listening: str) -> bool:
    """Whether a Host header names this server: `localhost`, its loopback addresses, the address it
    listens on; and, where it listens to other machines, any plain address, which no name server
    can have given out."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    name = name.strip("[]").lower()
    if name in ("localhost", "127.0.0.1", "::1", listening.lower()):
        return True
    return not is_private(listening) and (_is_address(name) or name == socket.gethostname().lower())


def is_private(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def serve(folder: Path, host: str, port: int | None, announce: Callable[[str], None]) -> None:
    """Serve a run until Ctrl-C or SIGTERM; `announce` is told the address once it answers.

    Without a port the first free one from 8642 on is taken.
    """
    asyncio.run(_serve(folder, host, port, announce))


async def _serve(
    folder: Path, host: str, port: int | None, announce: Callable[[str], None]
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(application(folder, host), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        bound = await _listen(runner, host, port)
        shown = "localhost" if host in ("0.0.0.0", "::") else host
        announce(f"http://{f'[{shown}]' if ':' in shown else shown}:{bound}/")
        await stopped.wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int | None) -> int:
    tried = [port] if port is not None else range(PORT, PORT + PORTS)
    reason = ""
    for each in tried:
        site = web.TCPSite(runner, host, each)
        try:
            await site.start()
        except OSError as error:
            reason = str(error.strerror or error)
            await site.stop() if site in runner.sites else None
            continue
        return int(runner.addresses[0][1])
    raise RecipeError(f"cannot listen on {host}, port {tried[0]}: {reason}. Choose another --port")
