"""Reading what a chat endpoint answers. Whatever is not a full reply is a passing failure."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec

from cotgen.errors import TeacherError
from cotgen.records import Completion, Finish, clean


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    reasoning: str | None = None  # vLLM since 2026
    reasoning_content: str | None = None  # DeepSeek, older vLLM


_NULL = msgspec.Raw(b"null")


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    text: str | None = None  # /completions has no message
    index: int | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
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


_decode = msgspec.json.Decoder(_Reply).decode
_decode_usage = msgspec.json.Decoder(_Usage | None).decode
_decode_logprobs = msgspec.json.Decoder(_Logprobs | None).decode


def completions(body: bytes, n: int) -> list[Completion]:
    """The completions of a reply in the order of their index, `n` at most."""
    reply = _read(body)
    choices = reply.choices
    if len(choices) > 1:
        choices = sorted(choices, key=_index)[:n]
    if not choices:
        raise _bad("the reply holds no choices")
    texts = [_texts(choice) for choice in choices]
    # An empty choice beside others was paid for, and is kept as an attempt without an answer. One
    # that was cut off may be empty: hidden reasoning can use up all of max_tokens.
    finishes = [_finish(choice.finish_reason) for choice in choices]
    if not any(map(any, texts)) and set(finishes) == {"stop"}:
        raise _bad("the reply holds no text")
    prompt_tokens, completion_tokens = _usage(reply.usage)
    tokens = shares(completion_tokens, [len(text) + len(why) for text, why in texts])
    fingerprint = clean(reply.system_fingerprint or "")
    return [
        Completion(
            text=text,
            finish=finishes[number],
            reasoning=reasoning,
            tokens=tokens[number],
            prompt_tokens=prompt_tokens if number == 0 else 0,
            logprobs=_logprobs(choice.logprobs),
            stop_reason="" if choice.stop_reason is None else clean(str(choice.stop_reason)),
            fingerprint=fingerprint,
        )
        for number, (choice, (text, reasoning)) in enumerate(zip(choices, texts, strict=True))
    ]


def _read(body: bytes) -> _Reply:
    try:
        return _decode(body)
    except UnicodeDecodeError as error:
        raise _bad(f"the reply is not UTF-8: {error}") from error
    except msgspec.DecodeError as error:
        start = body[:60].decode("utf-8", "replace")
        try:
            # Python's reader takes lone surrogates, which msgspec refuses and `clean` replaces.
            # Such a reply's usage is not counted: its text is what matters.
            reply = json.loads(body)
            for choice in reply["choices"]:
                choice.pop("logprobs", None)
            return _Reply(msgspec.convert(reply["choices"], type=list[_Choice]))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise _bad(f"not a chat completion ({error}): {start!r}") from error


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
    if raw is _NULL or bytes(raw) == b"null":
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
    return choice.index or 0


def _texts(choice: _Choice) -> tuple[str, str]:
    message = choice.message
    reasoning = message.reasoning or message.reasoning_content
    content = message.content or choice.text or ""
    if isinstance(content, list):
        content = "".join(part.text for part in content)
    return clean(content), clean(reasoning) if reasoning else ""


def _finish(reason: str | None) -> Finish:
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
