"""Rules on JSON: the same value as the gold, or a value that fits a schema."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Self

from pydantic import Field, JsonValue, model_validator

from cotgen.records import Problem, Verdict
from cotgen.verifiers.rules.predicate import Predicate, broken, holds, unclear
from cotgen.verifiers.rules.schema import SchemaError, check, fault, same

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?```", re.DOTALL | re.IGNORECASE)
_LONGEST, _MOST_DIGITS, _DEEPEST = 1_000_000, 4_000, 100


class JsonEqual(Predicate):
    """The answer is JSON for the same value as the gold; 1 and 1.0 are the same value."""

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether both are JSON for the same value."""
        gold, given = parsed(problem.answer), parsed(answer)
        if isinstance(gold, _Unread):
            return unclear(f"the gold is no JSON: {gold}")
        if isinstance(given, _Unread):
            return unclear(f"the answer is no JSON: {given}")
        return holds() if same(gold, given) else broken("another value than the gold")


class JsonSchema(Predicate):
    """The answer is JSON that fits a schema (the validating keywords of draft 2020-12, no $ref)."""

    expected: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    """The schema; the gold is the schema if this is absent."""

    @model_validator(mode="after")
    def _is_schema(self) -> Self:
        if self.expected is not None:
            try:
                check(self.expected)
            except SchemaError as error:
                raise ValueError(f"schema: {error}") from error
        return self

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Whether `answer` fits the schema."""
        schema = parsed(problem.answer) if self.expected is None else _exact(self.expected)
        if isinstance(schema, _Unread):
            return unclear(f"the gold is no JSON: {schema}")
        value = parsed(answer)
        if isinstance(value, _TooBig):
            return unclear(value)
        if isinstance(value, _Unread):
            return broken(f"no JSON: {value}")
        try:
            check(schema)
            found = fault(schema, value)
        except SchemaError as error:
            return unclear(f"the schema is not understood: {error}")
        return broken(found) if found else holds()


class _Unread(str):
    """Why a text is no JSON."""


class _TooBig(_Unread):
    """Why a text is not read, whatever it is."""


def parsed(text: str) -> Any:
    """A JSON text, alone or as the only fenced block, with exact numbers; else why it is none."""
    if len(text) > _LONGEST:
        return _TooBig(f"longer than {_LONGEST} characters")
    text = text.strip()
    if "```" in text:
        blocks = _FENCED.findall(text)
        if len(blocks) != 1:
            return _Unread("there is not just one fenced block")
        text = blocks[0]
    try:
        value = json.loads(
            text,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refused,
            object_pairs_hook=_object,
        )
    except RecursionError:
        return _TooBig("nested too deeply")
    except ValueError as error:
        return _Unread(str(error)[:200])
    return value if _depth_is_fine(value) else _TooBig("nested too deeply")


def _number(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS or len(text.lower().partition("e")[2]) > 4:
        raise ValueError("a number is too long")
    return Decimal(text)


def _refused(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key stands twice")
    return members


def _depth_is_fine(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        if not inner:
            return True
        level = inner
    return False


def _exact(value: JsonValue) -> Any:
    """A value from a recipe with the exact numbers that parsed JSON has."""
    return parsed(json.dumps(value))
