"""The calls of the Batch API, each made once; who asks decides what is tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.request import getproxies

import aiohttp
import msgspec

from cotgen.errors import RecipeError, StoreError, TeacherError
from cotgen.teachers.wire.refusals import Refused, classified, described

_CONNECT_S, _SILENT_S = 10.0, 120.0
_CLOCKS_DIFFER_S = 3600
_CHUNK = 1 << 18
T = TypeVar("T")


class Gone(RecipeError):
    """The server knows no such batch or file."""


class Counts(msgspec.Struct):
    """How many requests of a batch are done."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class _Mistake(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        line = f" (line {self.line})" if self.line else ""
        return f"{self.code}: {self.message}{line}"


class _Mistakes(msgspec.Struct):
    data: list[_Mistake] | None = None


class Status(msgspec.Struct):
    """What the server says of a batch."""

    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: Counts | None = None
    errors: _Mistakes | None = None
    metadata: dict[str, Any] | None = None
    created_at: int | None = None

    @property
    def mistakes(self) -> list[_Mistake]:
        """Why it was refused."""
        return (self.errors and self.errors.data) or []

    def __str__(self) -> str:
        counts = self.request_counts or Counts()
        done = counts.completed + counts.failed
        return f"{self.id} {self.status} {done:,}/{counts.total:,}"


class _File(msgspec.Struct):
    id: str
    filename: str = ""
    created_at: int | None = None


class _Files(msgspec.Struct):
    data: list[_File]
    has_more: bool = False


class _Batches(msgspec.Struct):
    data: list[Status]
    has_more: bool = False


P = TypeVar("P", _Files, _Batches)


class BatchApi:
    """A live connection. Raises TeacherError for what may pass, RecipeError for what will not."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, model: str, key: tuple[str, str]
    ) -> None:
        self._session = session
        self._url = url
        self._model = model
        self._key_env, self._secret = key

    async def upload(self, path: Path) -> str:
        """Send a batch's input; returns the file's id."""
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("purpose", "batch")
            form.add_field("file", file, filename=path.name, content_type="application/jsonl")
            return (await self._call("POST", "/files", _File, data=form)).id

    async def create(self, file: str, endpoint: str, name: str) -> Status:
        """Submit an uploaded input: from here on it is paid for."""
        body = {
            "input_file_id": file,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": {"cotgen": name},
        }
        return await self._call("POST", "/batches", Status, json=body)

    async def status(self, batch: str) -> Status:
        """How a batch does."""
        return await self._call("GET", f"/batches/{batch}", Status)

    async def find_file(self, filename: str, since: int) -> str | None:
        """An input that was uploaded by this name."""
        async for page in self._pages("/files", _Files, purpose="batch", limit=1000):
            for file in page.data:
                if file.filename == filename:
                    return file.id
            if _is_before(page.data[-1].created_at, since):
                return None
        return None

    async def find_batch(self, name: str, since: int) -> Status | None:
        """A batch that was created by this name and not refused."""
        async for page in self._pages("/batches", _Batches, limit=100):
            for batch in page.data:
                if (batch.metadata or {}).get("cotgen") == name and batch.status != "failed":
                    return batch
            if _is_before(page.data[-1].created_at, since):
                return None
        return None

    async def download(self, file: str, into: IO[bytes]) -> None:
        """Append a file's content to `into`."""
        async with self._asked("GET", f"/files/{file}/content") as response:
            async for chunk in response.content.iter_chunked(_CHUNK):
                try:
                    into.write(chunk)
                except OSError as error:
                    said = f"{into.name}: cannot be written ({error.strerror})"
                    raise StoreError(said) from error

    async def _pages(self, path: str, shape: type[P], **query: str | int) -> AsyncIterator[P]:
        """The pages of a list, newest first."""
        while True:
            page = await self._call("GET", path, shape, params=query)
            if not page.data:
                return
            yield page
            if not page.has_more:
                return
            query["after"] = page.data[-1].id

    async def _call(self, method: str, path: str, shape: type[T], **given: Any) -> T:
        async with self._asked(method, path, **given) as response:
            read = await response.read()
        try:
            return msgspec.json.decode(read, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            said = f"{method} {path}: not an answer of a Batch API ({error}): {read[:60]!r}"
            raise TeacherError(said, retryable=True, kind="bad reply") from error

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, **given: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self._url + path, **given) as response:
                if response.status >= 300:
                    raise self._refusal(method, response, await response.read())
                yield response
        except TimeoutError as error:
            said = f"{method} {path}: no byte came in time"
            raise TeacherError(said, retryable=True, kind="timeout") from error
        except aiohttp.ClientConnectorCertificateError as error:
            said = f"certificate refused: {error.certificate_error}"[:300]
            raise RecipeError(f"teachers: {self._model}: {said}") from error
        except (aiohttp.ClientError, OSError) as error:
            said = f"{method} {path}: connection lost: {type(error).__name__}: {error}"[:300]
            raise TeacherError(said, retryable=True, kind="connection lost") from error

    def _refusal(
        self, method: str, response: aiohttp.ClientResponse, read: bytes
    ) -> TeacherError | RecipeError:
        said, code = described(read)
        # Some servers repeat the key.
        said = said.replace(self._secret, "[key]") if self._secret else said
        headers = {name.lower(): value for name, value in response.headers.items()}
        refused = Refused(response.status, said, str(response.url), code, headers)
        if response.status == 404:
            about = f"(HTTP 404 from {method} {refused.url}: {said[:300]})"
            return Gone(f"teachers: {self._model}: the server knows no such thing {about}")
        error = classified(refused, self._model, self._key_env, n=1)
        if isinstance(error, TeacherError) and not error.retryable:
            # It concerns the whole batch: nothing would be better next time.
            return RecipeError(f"teachers: {self._model}: {method} {refused.url}: {error}")
        return error


def _is_before(created_at: int | None, since: int) -> bool:
    """Whether something was certainly made before; the server's clock may differ from ours."""
    return created_at is not None and created_at < since - _CLOCKS_DIFFER_S


@asynccontextmanager
async def opened(
    url: str, headers: Mapping[str, str], model: str, key: tuple[str, str]
) -> AsyncIterator[BatchApi]:
    """Open connections; `key` is the environment variable that holds the key, and the key."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
    async with aiohttp.ClientSession(
        timeout=timeout,
        headers=dict(headers),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=bool(getproxies()),
    ) as session:
        yield BatchApi(session, url, model, key)
