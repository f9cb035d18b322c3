"""Any OpenAI-compatible chat endpoint, through the `openai` package."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import Field, PositiveFloat, PositiveInt

from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Ask, Component, Price, Request
from cotgen.records import Completion, Finish, clean

if TYPE_CHECKING:
    import openai


class OpenAITeacher(Component):
    """A chat endpoint that speaks OpenAI's protocol: OpenAI, vLLM, llama.cpp, most providers.

    A server that answers fewer samples than one request asks for (`n`) is noticed, and asked one
    request a sample from then on.
    """

    incidental = frozenset(
        {"base_url", "api_key_env", "concurrency", "retries", "timeout_s", "price"}
    )
    paid: ClassVar[bool] = True

    kind: Literal["openai"] = "openai"
    model: str
    """The model's name, as the server calls it."""
    base_url: str | None = None
    """The address up to `/v1`; none: OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; a server of one's own may need none."""
    concurrency: PositiveInt = 64
    """Requests in flight at once."""
    retries: Annotated[int, Field(ge=0)] = 6
    """How often a request that failed for a passing reason (429, 5xx, a cut line) is sent again."""
    timeout_s: PositiveFloat = 1800
    """Seconds without a byte after which a request counts as failed."""
    seeds: Literal["send", "none"] = "send"
    """Send a seed for each sample, or none: some engines fail on them."""
    extra_body: dict[str, Any] = {}
    """Further fields of the request, sent as they are."""
    price: Price | None = None
    """USD per million tokens, `{input: 0.15, output: 0.60}`: for estimates and the cost printed."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """Open the client. Raises RecipeError if a key is needed and its variable is unset."""
        import openai  # Takes a second to import.

        timeout = openai.Timeout(self.timeout_s, connect=10)
        # Retries are wiring's: they must count, wait and journal in one place.
        client = openai.AsyncOpenAI(
            api_key=self._key(), base_url=self.base_url, max_retries=0, timeout=timeout
        )
        async with client:

            async def ask(request: Request) -> list[Completion]:
                return await self._ask(client, request)

            yield ask

    def _key(self) -> str:
        key = self._secret()
        if not key.isascii() or not key.isprintable():
            # The HTTP library would quote it in its complaint.
            raise RecipeError(
                f"teachers: {self.model}: the environment variable {self.api_key_env} holds "
                "characters that no key has"
            )
        if not key and self.base_url is None:
            raise RecipeError(
                f"teachers: {self.model}: the environment variable {self.api_key_env} is not set "
                "(name another with api_key_env, or give the base_url of a server without keys)"
            )
        return key or "none"

    def _secret(self) -> str:
        return os.environ.get(self.api_key_env, "").strip()

    def _said(self, error: openai.APIStatusError) -> str:
        """The server's message, without the key: some servers repeat it."""
        said, secret = str(error.message).replace("\n", " "), self._secret()
        return (said.replace(secret, "[key]") if secret else said)[:300]

    async def _ask(self, client: openai.AsyncOpenAI, request: Request) -> list[Completion]:
        import openai

        try:
            response = await client.chat.completions.with_raw_response.create(**self._body(request))
            body = response.content
        except openai.APIStatusError as error:
            raise self._from_status(error, request.sampling.n) from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise TeacherError(f"{_named(error)}: {_named(cause)}", retryable=True) from error
        except openai.OpenAIError as error:
            raise TeacherError(_named(error), retryable=True) from error
        return completions(body, request.sampling.n)

    def _body(self, request: Request) -> dict[str, Any]:
        """All settings are sent: a server's own defaults would change the data silently."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [msgspec.structs.asdict(message) for message in request.messages],
            "n": sampling.n,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "extra_body": dict(self.extra_body),
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if self.seeds == "send":
            body["seed"] = request.seed
        return body

    def _from_status(self, error: openai.APIStatusError, n: int) -> TeacherError | RecipeError:
        status, said = error.status_code, self._said(error)
        if status == 401:
            return RecipeError(
                f"teachers: {self.model}: the server refused the key in {self.api_key_env} "
                f"(HTTP 401: {said})"
            )
        if status == 429 and error.code == "insufficient_quota":
            return RecipeError(f"teachers: {self.model}: the account has no credit left: {said}")
        if status == 404:
            return RecipeError(
                f"teachers: {self.model}: the server knows no such model or address "
                f"(HTTP 404 from {error.request.url}: {said})"
            )
        retryable = status in (408, 409, 425, 429) or status >= 500
        wait = _retry_after(error.response.headers)
        return TeacherError(
            f"HTTP {status}: {said}",
            retryable=retryable,
            retry_after_s=wait,
            # Some servers refuse n > 1 instead of ignoring it.
            fewer=status in (400, 422) and n > 1,
        )


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    reasoning: str | None = None  # vLLM since 2026
    reasoning_content: str | None = None  # DeepSeek, older vLLM


class _Choice(msgspec.Struct):
    message: _Message
    index: int | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    usage: msgspec.Raw = msgspec.Raw(b"null")


def completions(body: bytes, n: int) -> list[Completion]:
    """Read a reply. Whatever is not a full reply is a passing failure of the server."""
    reply = _read_reply(body)
    choices = sorted(reply.choices, key=lambda choice: choice.index or 0)[:n]
    if not choices:
        raise TeacherError("the reply holds no choices", retryable=True)
    texts = [_texts(choice.message) for choice in choices]
    # An empty choice beside others was paid for, and is kept as an attempt without an answer. One
    # that was cut off may be empty: hidden reasoning can use up all of max_tokens.
    ended = all(_finish(choice.finish_reason) == "stop" for choice in choices)
    if ended and not any(text or reasoning for text, reasoning in texts):
        raise TeacherError("the reply holds no text", retryable=True)
    prompt_tokens, completion_tokens = _usage(reply.usage)
    tokens = shares(completion_tokens, [len(text) + len(why) for text, why in texts])
    return [
        Completion(
            text=text,
            finish=_finish(choice.finish_reason),
            reasoning=reasoning,
            tokens=tokens[number],
            prompt_tokens=prompt_tokens if number == 0 else 0,
        )
        for number, (choice, (text, reasoning)) in enumerate(zip(choices, texts, strict=True))
    ]


def _read_reply(body: bytes) -> _Reply:
    try:
        return msgspec.json.decode(body, type=_Reply)
    except UnicodeDecodeError as error:
        raise TeacherError(f"the reply is not UTF-8: {error}", retryable=True) from error
    except msgspec.DecodeError as error:
        start = body[:60].decode("utf-8", "replace")
        try:
            # Python's reader takes lone surrogates, which msgspec refuses and `clean` replaces.
            # Such a reply's usage is not counted: its text is what matters.
            reply = json.loads(body)
            return _Reply(msgspec.convert(reply["choices"], type=list[_Choice]))
        except (ValueError, LookupError, TypeError, RecursionError):
            raise TeacherError(
                f"not a chat completion ({error}): {start!r}", retryable=True
            ) from error


def _usage(raw: msgspec.Raw) -> tuple[int, int]:
    """Tokens of prompt and completions; a server that counts in its own way costs no text."""
    try:
        usage = msgspec.json.decode(raw, type=_Usage | None) or _Usage()
    except msgspec.DecodeError:
        usage = _Usage()
    return usage.prompt_tokens or 0, usage.completion_tokens or 0


def _texts(message: _Message) -> tuple[str, str]:
    reasoning = message.reasoning or message.reasoning_content or ""
    content = message.content or ""
    if isinstance(content, list):
        content = "".join(part.text for part in content)
    return clean(content), clean(reasoning)


def _finish(reason: str | None) -> Finish:
    """Only an end that the model chose counts; a filter or a tool call cut the attempt short."""
    return "stop" if reason in (None, "stop", "eos") else "length"


def shares(total: int, weights: list[int]) -> list[int]:
    """Split a request's tokens over its samples by length, so that the parts add up exactly."""
    whole = sum(weights) or 1
    bounds, seen = [0], 0
    for weight in weights:
        seen += weight
        bounds.append(total * seen // whole)
    bounds[-1] = total
    return [after - before for before, after in pairwise(bounds)]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait a server asks for, given in seconds or as a date."""
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
