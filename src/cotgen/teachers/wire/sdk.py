"""Requests through the `openai` package: for Azure and for authentication of its own.

5–40 times the client's work of a request of ours (facts.md §1), so only where it is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from cotgen.errors import TeacherError
from cotgen.teachers.wire.refusals import SHORTEST_SECRET, Refused, described

if TYPE_CHECKING:
    import openai

Post = Callable[[dict[str, Any]], Awaitable[bytes | Refused]]
_OWN = frozenset(
    ("model", "messages", "n", "temperature", "top_p", "max_tokens", "stop", "seed", "logprobs")
)
"""Fields that the package knows by name; the others are its `extra_body`."""


@asynccontextmanager
async def packaged(
    base_url: str | None, api_version: str, key: str, headers: Mapping[str, str], timeout_s: float
) -> AsyncIterator[Post]:
    """Open the package's client; Azure's if an API version is given."""
    import openai  # Takes a second to import.

    # Retries are wiring's: they must count, wait and journal in one place.
    secrets = [each for each in (key, *headers.values()) if len(each) >= SHORTEST_SECRET]
    settings: dict[str, Any] = {
        "api_key": key,
        "max_retries": 0,
        "timeout": openai.Timeout(timeout_s, connect=10),
        "default_headers": dict(headers),
    }
    client: openai.AsyncOpenAI
    if api_version:
        client = openai.AsyncAzureOpenAI(
            azure_endpoint=base_url or "", api_version=api_version, **settings
        )
    else:
        client = openai.AsyncOpenAI(base_url=base_url, **settings)
    async with client:

        async def post(body: dict[str, Any]) -> bytes | Refused:
            return await _post(client, body, secrets)

        yield post


async def _post(
    client: openai.AsyncOpenAI, body: dict[str, Any], secrets: Sequence[str]
) -> bytes | Refused:
    import openai

    body = msgspec.to_builtins(body)
    own = {name: value for name, value in body.items() if name in _OWN}
    extra = {name: value for name, value in body.items() if name not in _OWN}
    create = client.chat.completions.with_raw_response.create
    try:
        response = await create(**own, extra_body=extra)
    except openai.APIStatusError as error:
        # Read as our own transport reads it: the package looks for a code only.
        said, code = described(error.response.content)
        for secret in secrets:  # Some servers repeat what they were sent.
            said = said.replace(secret, "[key]")
        url, headers = str(error.request.url), error.response.headers
        return Refused(error.status_code, said, url, code, dict(headers))
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        unreached = type(cause).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout")
        if isinstance(error, openai.APITimeoutError) and not unreached:
            raise TeacherError(
                "timeout: no byte came in time", retryable=True, kind="timeout", costly=True
            ) from error
        kind = "no connection" if unreached else "connection lost"
        said = f"{kind}: {type(cause).__name__}: {cause}"[:300]
        raise TeacherError(said, retryable=True, kind=kind, costly=not unreached) from error
    content: bytes = response.content
    return content
