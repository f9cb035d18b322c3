"""Reading what a chat endpoint answers. Whatever is not a full reply is a passing failure."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec

from cotgen.errors import TeacherError
from cotgen.records import Completion, Finish, Unread, clean


class _Part(msgspec.Struct):
    text: str | None = None


_NULL, _EMPTY = msgspec.Raw(b"null"), msgspec.Raw(b'""')
_QUOTE, _QUOTES = ord('"'), 2
"""What stands around a string of JSON, and how many of it."""


class _Message(msgspec.Struct):
    content: msgspec.Raw = _NULL  # a string, or a list of parts
    reasoning: msgspec.Raw = _NULL  # vLLM since 2026
    reasoning_content: msgspec.Raw = _NULL  # DeepSeek, older vLLM


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    text: msgspec.Raw = _NULL  # /completions has no message
    # Whatever these are, they cost no text.
    index: Any = None
    finish_reason: Any = None
    stop_reason: Any = None
    logprobs: msgspec.Raw = _NULL


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    usage: msgspec.Raw = _NULL
    system_fingerprint: str | None = None


class _Token(msgspec.Struct):
    logprob: float


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None  # chat
    token_logprobs: list[float | None] | None = None  # completions


_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(_Reply).decode
_decode_text = msgspec.json.Decoder(str | list[_Part] | None).decode
_decode_usage = msgspec.json.Decoder(_Usage | None).decode
_decode_logprobs = msgspec.json.Decoder(_Logprobs | None).decode


def completions(body: bytes, n: int) -> list[Completion]:
    """The completions of a reply in the order of their index, `n` at most."""
    return [each.read() for each in unread(body, n)]


def unread(body: bytes, n: int) -> list[Unread]:
    """As `completions`, with texts that were looked at, and found to be text, but not read."""
    reply = _read(body)
    choices = reply.choices
    if len(choices) > 1:
        choices = sorted(choices, key=_index)[:n]
    if not choices:
        raise _bad("the reply holds no choices")
    texts = [_texts(choice) for choice in choices]
    sizes = [len(text) + len(why) - 2 * _QUOTES for text, why in texts]
    # An empty choice beside others was paid for, and is kept as an attempt without an answer. One
    # that was cut off may be empty: hidden reasoning can use up all of max_tokens.
    finishes = [_finish(choice.finish_reason) for choice in choices]
    if not any(sizes) and set(finishes) == {"stop"}:
        raise _bad("the reply holds no text")
    prompt_tokens, completion_tokens = _usage(reply.usage)
    tokens = shares(completion_tokens, sizes)
    prompts = [prompt_tokens] + [0] * (len(choices) - 1)
    fingerprint = clean(reply.system_fingerprint or "")
    return [
        Unread(
            text,
            finish,
            reasoning,
            used,
            prompt,
            () if choice.logprobs is _NULL else _logprobs(choice.logprobs),
            "" if choice.stop_reason is None else _stop_reason(choice.stop_reason),
            fingerprint,
        )
        for choice, (text, reasoning), finish, used, prompt in zip(
            choices, texts, finishes, tokens, prompts, strict=True
        )
    ]


def _read(body: bytes) -> _Reply:
    try:
        if not body.isascii():
            body.decode()  # What is only looked at need not be UTF-8, a journal must.
        return _decode(body)
    except UnicodeDecodeError as error:
        raise _bad(f"the reply is not UTF-8: {error}") from error
    except RecursionError as error:
        raise _bad("the reply is nested too deeply") from error
    except msgspec.DecodeError as error:
        start = body[:60].decode("utf-8", "replace")
        try:
            # Python's reader takes lone surrogates, which msgspec refuses.
            reply = _cleaned(json.loads(body))
            if not isinstance(reply.get("system_fingerprint", ""), str):
                del reply["system_fingerprint"]
            return _decode(_encode(reply))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise _bad(f"not a chat completion ({error}): {start!r}") from error


def _cleaned(value: Any) -> Any:
    """A value of JSON without lone surrogates."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(each) for key, each in value.items()}
    return value


def _bad(said: str) -> TeacherError:
    """A reply that was paid for and is of no use."""
    return TeacherError(said, retryable=True, kind="bad reply", costly=True)


def _usage(raw: msgspec.Raw) -> tuple[int, int]:
    """Tokens of prompt and completions; a server that counts in its own way costs no text."""
    try:
        usage = _decode_usage(raw) or _Usage()
    except msgspec.DecodeError:
        usage = _Usage()
    return usage.prompt_tokens or 0, usage.completion_tokens or 0


def _logprobs(raw: msgspec.Raw) -> tuple[float, ...]:
    """Log-probabilities of the sampled tokens, where they were sent in a known shape."""
    if bytes(raw) == b"null":
        return ()
    try:
        found = _decode_logprobs(raw) or _Logprobs()
    except msgspec.DecodeError:
        return ()
    if found.content is not None:
        return tuple(token.logprob for token in found.content)
    # The first token of an echoed prompt has none.
    return tuple(value for value in found.token_logprobs or () if value is not None)


def _index(choice: _Choice) -> int:
    return choice.index if isinstance(choice.index, int) else 0


def _stop_reason(said: object) -> str:
    return clean(str(said)) if isinstance(said, str | int) else ""


def _texts(choice: _Choice) -> tuple[msgspec.Raw, msgspec.Raw]:
    message = choice.message
    text = _string(message.content) or _string(choice.text) or _EMPTY
    if message.reasoning is _NULL and message.reasoning_content is _NULL:
        return text, _EMPTY  # The usual case, once for each sample.
    return text, _thought(message.reasoning) or _thought(message.reasoning_content) or _EMPTY


def _thought(raw: msgspec.Raw) -> msgspec.Raw | None:
    """As `_string`; some servers send something else under that name (`{"effort": …}`)."""
    try:
        return _string(raw)
    except TeacherError:
        return None


def _string(raw: msgspec.Raw) -> msgspec.Raw | None:
    """A string as it is spelled, if there is one with something in it; parts are put together."""
    if len(raw) > len(b"null") and memoryview(raw)[0] == _QUOTE:
        return raw
    try:
        found = _decode_text(raw)
    except msgspec.DecodeError as error:
        raise _bad(f"not a chat completion ({error})") from error
    text = "".join(part.text or "" for part in found) if isinstance(found, list) else found
    return msgspec.Raw(_encode(text)) if text else None


def _finish(reason: object) -> Finish:
    """Only an end that the model chose counts; a filter or a tool call cut the attempt short, and
    where no reason is given nobody knows (methods.md §1)."""
    return "stop" if reason in ("stop", "eos", "end_turn", "stop_sequence") else "length"


def shares(total: int, weights: list[int]) -> list[int]:
    """Split a request's tokens over its samples by length, so that the parts add up exactly."""
    if len(weights) == 1:
        return [total]
    whole = sum(weights) or 1
    bounds, seen = [0], 0
    for weight in weights:
        seen += weight
        bounds.append(total * seen // whole)
    bounds[-1] = total
    return [after - before for before, after in pairwise(bounds)]
