"""What a chat endpoint can do, found out by asking: a few tiny requests."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import msgspec

from cotgen.errors import TeacherError
from cotgen.protocols import Finding
from cotgen.records import Completion
from cotgen.teachers.wire.refusals import Refused
from cotgen.teachers.wire.replies import completions

Post = Callable[[dict[str, Any]], Awaitable[bytes | Refused]]
ASKED = "Name three animals, in a random order."
_TOKENS = 24


class Prober:
    """Asks one question in several ways; `base` holds what every request holds."""

    def __init__(self, post: Post, base: dict[str, Any]) -> None:
        self._post = post
        self._base = base

    async def findings(self) -> AsyncIterator[Finding]:
        """One finding a question. Where the first is not answered, the others are not asked."""
        began = time.monotonic()
        answer = await self._ask()
        if isinstance(answer, str):
            yield Finding("answers", "no", answer)
            return
        yield Finding("answers", "yes", f"in {time.monotonic() - began:.2f} s")
        [first] = answer
        thought = "in a field of its own" if first.reasoning else "none, or inline"
        yield Finding("reasoning", "yes" if first.reasoning else "unknown", thought)
        yield Finding("token counts", _yes(first.tokens > 0), f"{first.tokens} for this answer")
        for probe in (self._n, self._seed, self._logprobs, self._stop, self._json):
            yield await probe()

    async def _n(self) -> Finding:
        answer = await self._ask(n=2)
        if isinstance(answer, str):
            return Finding("n samples a request", "no", answer)
        count = len(answer)
        return Finding("n samples a request", _yes(count == 2), f"{count} of 2 came back")

    async def _seed(self) -> Finding:
        texts: list[str] = []
        for seed in (1, 1, 2):
            answer = await self._ask(seed=seed)
            if isinstance(answer, str):
                return Finding("seed", "no", f"{answer}; set seeds: none")
            texts.append(answer[0].reasoning + answer[0].text)
        if texts[0] != texts[1]:
            return Finding("seed", "no", "one seed gave two different texts")
        if texts[0] == texts[2]:
            return Finding("seed", "unknown", "two seeds gave the same text")
        return Finding("seed", "yes", "one seed, one text; another, another")

    async def _logprobs(self) -> Finding:
        answer = await self._ask(logprobs=True if "messages" in self._base else 1)
        if isinstance(answer, str):
            return Finding("logprobs", "no", answer)
        return Finding("logprobs", _yes(bool(answer[0].logprobs)), "")

    async def _stop(self) -> Finding:
        answer = await self._ask(stop=["a"], max_tokens=4 * _TOKENS)
        if isinstance(answer, str):
            return Finding("stop", "no", answer)
        held = answer[0].finish == "stop" and "a" not in answer[0].text
        return Finding("stop", _yes(held), "" if held else f"went on: {answer[0].text[:40]!r}")

    async def _json(self) -> Finding:
        wanted: dict[str, object] = {"response_format": {"type": "json_object"}}
        # OpenAI refuses JSON mode to prompts that do not name it. One that asked for JSON would get
        # it without any mode.
        text = f"{ASKED} Answer in a sentence, unless you can write JSON only."
        if "messages" in self._base:
            wanted["messages"] = [{"role": "user", "content": text}]
        else:
            wanted["prompt"] = text
        answer = await self._ask(**wanted, max_tokens=4 * _TOKENS)
        if isinstance(answer, str):
            return Finding("JSON mode", "no", answer)
        if answer[0].finish == "length":
            return Finding("JSON mode", "unknown", "cut off before its end")
        return Finding("JSON mode", _yes(_is_object(answer[0].text)), answer[0].text[:40])

    async def _ask(self, **changed: object) -> list[Completion] | str:
        """The completions, or what was said instead."""
        body = {**self._base, **changed}
        if "max_completion_tokens" in body and "max_tokens" in changed:
            body["max_completion_tokens"] = body.pop("max_tokens")
        try:
            answer = await self._post(body)
            if isinstance(answer, Refused):
                return f"HTTP {answer.status}: {answer.said[:120]}"
            return completions(answer, int(body["n"]))
        except TeacherError as error:
            return str(error)[:160]


def base_of(body: dict[str, Any], tokens_field: str) -> dict[str, Any]:
    """A tiny request made from a teacher's own."""
    base = {**body, "n": 1, "temperature": 1.0, tokens_field: _TOKENS}
    for field in ("seed", "stop", "logprobs"):
        base.pop(field, None)
    return base


class _Models(msgspec.Struct):
    data: list[dict[str, Any]]


def listed(body: bytes | None, model: str) -> Finding:
    """Whether the server's list of models holds this one."""
    if body is None:
        return Finding("knows the model", "unknown", "no list of models")
    try:
        names = [str(each.get("id")) for each in msgspec.json.decode(body, type=_Models).data]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Finding("knows the model", "unknown", "its list of models cannot be read")
    if not names:  # `transformers serve` answers for models that it does not list.
        return Finding("knows the model", "unknown", "its list of models is empty")
    others = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return Finding("knows the model", _yes(model in names), "" if model in names else others)


def _yes(condition: bool) -> Literal["yes", "no"]:
    return "yes" if condition else "no"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
