"""Reading replies; what happens over a real connection is in test_faults.py."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgen.errors import TeacherError
from cotgen.records import Completion
from cotgen.store.journal import Entry
from cotgen.teachers.wire.replies import completions, shares, unread


def body(*choices: dict[str, Any], **others: Any) -> bytes:
    return json.dumps({"choices": choices, **others}).encode()


def choice(content: Any, **others: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"} | others


def texts(data: bytes, n: int = 8) -> list[str]:
    return [completion.text for completion in completions(data, n)]


def test_choices_come_in_the_order_of_their_index() -> None:
    assert texts(body(choice("b", index=1), choice("a", index=0))) == ["a", "b"]


def test_more_choices_than_asked_for_are_left() -> None:
    assert texts(body(choice("a"), choice("b")), n=1) == ["a"]


@pytest.mark.parametrize(
    "usage", [None, {}, {"completion_tokens": None}, {"prompt_tokens": "x"}, 3]
)
def test_a_strange_usage_costs_no_text(usage: Any) -> None:
    assert completions(body(choice("a"), usage=usage), 1) == [Completion("a")]


def test_an_index_that_is_null_and_content_in_parts_are_read() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert texts(body(choice(parts, index=None))) == ["ab"]


def test_lone_surrogates_are_replaced() -> None:
    assert texts(body(choice("a\ud800b"), choice("c"))) == ["a\ufffdb", "c"]


ANY_TEXT = st.text(st.characters(), min_size=1)  # lone surrogates too


@given(st.lists(ANY_TEXT, min_size=1, max_size=4), ANY_TEXT, st.sampled_from([None, 1]))
def test_what_is_journaled_unread_is_what_reading_gives(
    contents: list[str], thought: str, indent: int | None
) -> None:
    choices = [choice(content) for content in contents]
    choices[0]["message"]["reasoning"] = thought
    data = json.dumps({"choices": choices}, indent=indent).encode()
    journaled(data, len(contents))
    with_characters = json.dumps({"choices": choices}, ensure_ascii=False)
    journaled(with_characters.encode("utf-8", "replace"), len(contents))


def journaled(data: bytes, n: int) -> None:
    line = msgspec.json.encode(Entry("k", 0, "s", "t", tuple(unread(data, n))))
    assert b"\n" not in line
    read = msgspec.json.decode(line, type=Entry[Completion])
    assert list(read.completions) == completions(data, n)


@pytest.mark.parametrize(
    "odd",
    [
        {"stop_reason": {"a": 1}},
        {"stop_reason": 1.5},
        {"finish_reason": 3},
        {"index": "0"},
        {"index": 0.5},
        {"message": {"content": "a", "reasoning": {"effort": "high"}}},
        {"message": {"content": "a", "reasoning": False}},
        {"message": {"content": [{"type": "x", "text": None}, {"text": "a"}]}},
    ],
)
def test_an_odd_field_beside_a_text_costs_no_text(odd: dict[str, Any]) -> None:
    assert texts(body(choice("a") | odd)) == ["a"]


def test_what_is_nested_too_deeply_is_a_passing_failure() -> None:
    deep = b'{"choices": [], "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(TeacherError, match="nested too deeply"):
        completions(deep, 1)


def test_a_lone_surrogate_costs_neither_usage_nor_logprobs() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    logprobs = {"content": [{"token": "\ud800", "logprob": -1.0}]}
    data = body(choice("a\ud800", logprobs=logprobs), usage=usage, system_fingerprint="v1")
    (made,) = completions(data, 1)
    assert (made.text, made.tokens, made.prompt_tokens) == ("a\ufffd", 5, 7)
    assert (made.logprobs, made.fingerprint) == ((-1.0,), "v1")


@pytest.mark.parametrize("content", [5, True, {"a": 1}, ["a"]])
def test_a_content_that_is_no_text_is_a_passing_failure(content: Any) -> None:
    with pytest.raises(TeacherError, match="not a chat completion") as caught:
        unread(body(choice("a"), choice(content)), 2)
    assert caught.value.retryable


def test_an_empty_choice_beside_others_is_kept() -> None:
    assert texts(body(choice("a"), choice(None), choice("c"))) == ["a", "", "c"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (body(choice("é")).decode("unicode_escape").encode("latin-1"), "not UTF-8"),
        (b"<html>", "not a chat completion"),
        (b"", "not a chat completion"),
        (b'{"choices": [{"mess', "not a chat completion"),
        (b"[" * 100_000, "not a chat completion"),
        (body(), "no choices"),
        (body(choice(None)), "no text"),
        (body(choice("")), "no text"),
        (b'{"object": "error", "message": "busy"}', "not a chat completion"),
    ],
)
def test_what_is_no_full_reply_is_a_passing_failure(data: bytes, message: str) -> None:
    with pytest.raises(TeacherError, match=message) as caught:
        completions(data, 2)
    assert caught.value.retryable


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls"])
def test_only_an_end_that_the_model_chose_counts(reason: str) -> None:
    (completion,) = completions(body(choice("a", finish_reason=reason)), 1)
    assert completion.finish == "length"


def test_tokens_are_split_by_length_and_add_up() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 11}
    made = completions(body(choice("aa"), choice("a" * 8), choice("a"), usage=usage), 3)
    assert [completion.prompt_tokens for completion in made] == [7, 0, 0]
    assert sum(completion.tokens for completion in made) == 11
    assert shares(10, [1, 1, 1]) == [3, 3, 4]
    assert shares(5, [0, 0]) == [0, 5]
