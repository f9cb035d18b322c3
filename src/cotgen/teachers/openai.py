"""Any OpenAI-compatible endpoint: OpenAI, vLLM, llama.cpp, most providers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from cotgen.errors import RecipeError
from cotgen.protocols import Ask, Component, Finding, Price, Request
from cotgen.records import Completion, Message, Sampling, Unread
from cotgen.teachers.batch.ledger import pending
from cotgen.teachers.batch.terms import Terms
from cotgen.teachers.wire.pace import Pace
from cotgen.teachers.wire.refusals import Refused, classified
from cotgen.teachers.wire.replies import unread

OPENAI = "https://api.openai.com/v1"


class OpenAITeacher(Component):
    """A chat endpoint that speaks OpenAI's protocol, asked by us or by the `openai` package.

    A server that answers fewer samples than one request asks for (`n`) is noticed, and asked one
    request a sample from then on. Several addresses of one model (`base_urls`) share the work:
    the least busy one is asked, a dead one is left alone until it answers again.

    With `mode: batch` the requests of all searches are gathered and sent through the Batch API: at
    a lower price, answered within a day. A run that is stopped finds its batches again.
    """

    incidental = frozenset(
        {
            "base_url", "base_urls", "api_key_env", "transport", "api_version", "headers_env",
            "concurrency", "fanout", "retries", "timeout_s", "outage_s", "requests_per_minute",
            "tokens_per_minute", "price", "mode", "batch_requests", "batch_mb",
        }
    )  # fmt: skip
    paid: ClassVar[bool] = True

    kind: Literal["openai"] = "openai"
    model: str
    """The model's name, as the server calls it."""
    base_url: str | None = None
    """The address up to `/v1`; none: OpenAI's own."""
    base_urls: tuple[str, ...] = ()
    """Several addresses of the same model, in place of `base_url`."""
    api: Literal["chat", "completions"] = "chat"
    """Send messages, or send the last message's text as a raw prompt (base models)."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; a server of one's own may need none."""
    headers_env: dict[str, str] = {}
    """Further headers, each with the environment variable that holds its value."""
    transport: Literal["http", "sdk"] = "http"
    """Our own requests, or the `openai` package's (Azure; several times slower)."""
    api_version: str = ""
    """Azure's API version; makes `transport: sdk` use Azure's client with `base_url`."""
    concurrency: PositiveInt | Literal["auto"] = "auto"
    """Requests in flight at once; `auto` climbs while the rate grows and gives way to 429. With
    `mode: batch`: searches that wait for batches at once; `auto` is one full batch."""
    fanout: Literal["auto", "n", "single"] = "auto"
    """All samples of a prompt in one request (`n`), one request each (`single`), or `n` until the
    server is seen to answer fewer."""
    retries: Annotated[int, Field(ge=0)] = 6
    """How often a request that failed for a passing reason (429, 5xx, a cut line) is sent again;
    one that may have been paid for (a timeout) is sent again once."""
    timeout_s: PositiveFloat = 1800
    """Seconds without a byte after which a request counts as failed."""
    outage_s: PositiveFloat = 600
    """Seconds to wait for an endpoint that has answered before to come back."""
    requests_per_minute: PositiveFloat | None = None
    """The provider's limit on requests, kept to evenly but for bursts of five seconds' worth."""
    tokens_per_minute: PositiveFloat | None = None
    """The provider's limit on tokens, of prompts and completions together."""
    seeds: Literal["send", "none"] = "send"
    """Send a seed for each sample, or none: some engines fail on them. Without seeds another run
    samples other attempts; this run's are kept all the same."""
    logprobs: bool = False
    """Keep the log-probabilities of the sampled tokens in the journal."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the limit on tokens; OpenAI's reasoning models know only the second."""
    extra_body: dict[str, Any] = {}
    """Further fields of the request (`{top_k: 20}`), sent as they are; null for a field that the
    model refuses (`{top_p: null}`)."""
    price: Price | None = None
    """USD per million tokens, `{input: 0.15, output: 0.60}`: for estimates and the cost printed.
    With `mode: batch` give the price of batches (OpenAI: half)."""
    mode: Literal["online", "batch"] = "online"
    """Ask and wait for each answer, or send requests in batches: cheaper, within a day."""
    batch_requests: PositiveInt = 50_000
    """Requests in one batch at most; several batches are under way at once."""
    batch_mb: PositiveInt = 200
    """Megabytes (10⁶ bytes) of requests in one batch at most."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.base_url and self.base_urls:
            raise ValueError("give base_url or base_urls, not both")
        for url in self.addresses:
            check_address(url)
        check_extra(self.extra_body)
        if self.transport == "sdk" and (self.base_urls or self.api == "completions"):
            raise ValueError("transport: sdk takes one base_url and api: chat")
        if self.api_version and self.transport != "sdk":
            raise ValueError("api_version needs transport: sdk")
        if self.mode == "batch" and (self.transport == "sdk" or self.base_urls):
            raise ValueError("mode: batch takes one base_url and transport: http")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the endpoints are."""
        return tuple(url.rstrip("/") for url in self.base_urls or (self.base_url or OPENAI,))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """Open the connections. Raises RecipeError if a key is needed and its variable is unset."""
        if self.mode == "batch":
            raise RecipeError(f"teachers: {self.model}: mode: batch needs the folder of a run")
        async with self._transport() as wired:
            yield Live(self, wired)

    @asynccontextmanager
    async def connect_in(self, folder: Path) -> AsyncIterator[Ask]:
        """As `connect`; the batches that are under way are noted in `folder`."""
        if self.mode == "batch":
            from cotgen.teachers.batch import api, desk  # They bring aiohttp.

            key, headers = self.key(), self.headers()
            headers = {"Authorization": f"Bearer {key}", **headers}
            secret = self.api_key_env, self._secret()
            async with (
                api.opened(self.addresses[0], headers, self.model, secret) as batches,
                desk.opened(self._terms(), batches, folder) as live,
            ):
                yield live
            return
        if count := pending(folder):
            raise RecipeError(
                f"teachers: {self.model}: {count} batches are under way, and their requests would "
                f"be paid again: use mode: batch until they are in, or delete {folder}"
            )
        async with self.connect() as online:
            yield online

    def _terms(self) -> Terms:
        auto = self.concurrency == "auto"
        return Terms(
            model=self.model,
            key_env=self.api_key_env,
            endpoint="/v1" + self._path,
            body=self.body,
            holds=self.batch_requests if auto else int(self.concurrency),
            most_requests=self.batch_requests,
            most_bytes=self.batch_mb * 1_000_000,
            outage_s=self.outage_s,
        )

    @property
    def _path(self) -> str:
        return "/chat/completions" if self.api == "chat" else "/completions"

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[_Wired]:
        key, headers = self.key(), self.headers()
        if self.transport == "sdk":
            from cotgen.teachers.wire.sdk import packaged

            url = self.base_url and self.addresses[0]
            async with packaged(url, self.api_version, key, headers, self.timeout_s) as post:
                yield _Wired(post)
            return
        from cotgen.teachers.wire.http import wired

        # A server that repeats the header repeats the key.
        secrets = self._secret(), *headers.values()
        headers = {"Authorization": f"Bearer {key}", **headers}
        limits = self.timeout_s, self.outage_s
        async with wired(self.addresses, self._path, headers, limits, secrets) as wire:

            async def send(body: dict[str, Any]) -> bytes | Refused:
                return await wire.post(msgspec.json.encode(body))

            yield _Wired(send, wire.queued, wire.models)

    async def probe(self) -> AsyncIterator[Finding]:
        """What the endpoint can do: some ten tiny requests. Several addresses are asked in turn."""
        from cotgen.teachers.wire.probes import ASKED, Prober, base_of, listed

        request = Request(ASKED, (Message("user", ASKED),), Sampling(), 0)
        for url in self.addresses:
            alone = {"base_url": url, "base_urls": (), "outage_s": 1.0, "timeout_s": 60.0}
            one = self.model_copy(update=alone)
            async with one._transport() as wired:
                yield Finding("address", "yes", url)
                yield listed(await wired.models(url), self.model)
                base = base_of(self.body(request), self.max_tokens_field)
                async for finding in Prober(wired.post, base).findings():
                    yield finding

    def key(self) -> str:
        """The API key; `none` for a server that needs none."""
        key = self._secret()
        if not key.isascii() or not key.isprintable():
            # The HTTP library would quote it in its complaint.
            raise RecipeError(
                f"teachers: {self.model}: the environment variable {self.api_key_env} holds "
                "characters that no key has"
            )
        if not key and OPENAI in self.addresses:
            raise RecipeError(
                f"teachers: {self.model}: the environment variable {self.api_key_env} is not set "
                "(name another with api_key_env, or give the base_url of a server without keys)"
            )
        return key or "none"

    def headers(self) -> dict[str, str]:
        """The further headers, with their values from the environment."""
        unset = [name for name in self.headers_env.values() if not os.environ.get(name)]
        if unset:
            raise RecipeError(
                f"teachers: {self.model}: headers_env: not set in the environment: "
                + ", ".join(unset)
            )
        values = {header: os.environ[name].strip() for header, name in self.headers_env.items()}
        for header, value in values.items():
            if not value.isascii() or not value.isprintable():
                raise RecipeError(
                    f"teachers: {self.model}: headers_env: {self.headers_env[header]} holds "
                    "characters that no header has"
                )
        return values

    def _secret(self) -> str:
        return os.environ.get(self.api_key_env, "").strip()

    def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON. All settings are sent: a server's own defaults would change the
        data silently."""
        sampling, messages = request.sampling, request.messages
        body: dict[str, Any] = {
            "model": self.model,
            "n": sampling.n,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self.max_tokens_field: sampling.max_tokens,
        }
        if self.api == "chat":
            body["messages"] = messages
        else:
            # An answer that was begun comes last and is gone on with.
            body["prompt"] = "\n\n".join(message.content for message in messages)
        if self.api == "chat" and messages[-1].role == "assistant":
            # Both are sent: vLLM refuses the first while the second keeps its default.
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if sampling.stop:
            body["stop"] = sampling.stop
        if self.seeds == "send":
            body["seed"] = request.seed
        if self.logprobs:
            body["logprobs"] = True if self.api == "chat" else 1
        return body | self.extra_body


_OURS = frozenset(
    {
        "model", "messages", "prompt", "n", "temperature", "top_p", "max_tokens",
        "max_completion_tokens", "stop", "seed", "stream",
    }
)  # fmt: skip


def check_extra(fields: Mapping[str, object]) -> None:
    """Raise ValueError for fields that settings decide: attempts would be recorded as sampled in a
    way that they were not."""
    if wrong := sorted(name for name in _OURS & fields.keys() if fields[name] is not None):
        raise ValueError(f"extra_body: {', '.join(wrong)}: settings of their own decide these")


def check_address(url: str) -> None:
    """Raise ValueError for what cannot be asked, or would put a secret into the recipe."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        _ = parts.port
    except (ValueError, UnicodeError) as error:
        raise ValueError(f"base_url: {url!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"base_url: {url!r} is no address (http://host:port/v1)")
    if parts.username or parts.password or parts.query:
        raise ValueError(
            "base_url: no user, password or query: recipes are kept; use api_key_env or headers_env"
        )


async def _untold(*_: object) -> None:
    """The package cannot ask for metrics and lists."""


@dataclass(frozen=True)
class _Wired:
    """What a transport can be asked."""

    post: Callable[[dict[str, Any]], Awaitable[bytes | Refused]]
    queued: Callable[[], Awaitable[int | None]] = _untold
    models: Callable[[str], Awaitable[bytes | None]] = _untold


class Live:
    """A connected teacher."""

    def __init__(self, teacher: OpenAITeacher, wired: _Wired) -> None:
        self._teacher = teacher
        self._post = wired.post
        self.queued = wired.queued
        limits = teacher.requests_per_minute, teacher.tokens_per_minute
        self._pace = Pace(*limits) if any(limits) else None

    async def __call__(self, request: Request) -> list[Completion]:
        """Ask once. Raises TeacherError; RecipeError where the user must do something."""
        return [each.read() for each in await self.unread(request)]

    async def unread(self, request: Request) -> list[Unread]:
        """As a call, for who only journals the answer."""
        if self._pace is None:
            return await self._ask(request)
        n = request.sampling.n
        characters = sum(len(message.content) for message in request.messages)
        estimate = await self._pace.wait(characters, n, request.sampling.max_tokens)
        tokens = 0
        try:
            found = await self._ask(request)
            tokens = sum(each.tokens + each.prompt_tokens for each in found)
            return found
        finally:
            self._pace.settle(estimate, tokens, n if tokens else 0)

    async def _ask(self, request: Request) -> list[Unread]:
        n = request.sampling.n
        answer = await self._post(self._teacher.body(request))
        if isinstance(answer, Refused):
            raise classified(answer, self._teacher.model, self._teacher.api_key_env, n)
        return unread(answer, n)
