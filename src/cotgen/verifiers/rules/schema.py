"""JSON schema: the validating keywords of draft 2020-12, without references.

A keyword that is not known is an error, not a pass: a schema that is half understood would accept
wrong answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

Schema = Any
"""Parsed JSON with Decimal for numbers; a schema is an object, true or false."""


class SchemaError(ValueError):
    """A schema that cannot be followed, and why."""


_NOTES = frozenset(
    {"title", "description", "default", "examples", "$schema", "$id", "$comment", "format"}
)
"""Keywords that assert nothing; draft 2020-12 makes `format` a note too."""
_INNER = frozenset({"items", "additionalProperties", "propertyNames", "contains", "not"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPS = frozenset({"properties", "patternProperties"})
_COUNTS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_LONGEST_PATTERN, _LONGEST_MATCHED = 1_000, 10_000


def check(schema: Schema) -> None:
    """Raise SchemaError unless every keyword is known and well formed."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise SchemaError("a schema is an object, true or false")
    for keyword, value in schema.items():
        _check_keyword(keyword, value)


def _check_keyword(keyword: str, value: Any) -> None:
    wanted = next((kind for kind, words in _KEYWORDS.items() if keyword in words), None)
    if wanted is None:
        raise SchemaError(f"the keyword {keyword!r} is not known")
    if not _WELL_FORMED[wanted](value):
        raise SchemaError(f"{keyword} must be {wanted}")
    if keyword in _INNER:
        check(value)
    elif keyword in _LISTS | _MAPS:
        for inner in value.values() if isinstance(value, dict) else value:
            check(inner)
    if keyword in ("pattern", "patternProperties"):
        for pattern in [value] if keyword == "pattern" else value:
            _pattern(pattern)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_types(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in _TYPES for name in names)


_KEYWORDS = {
    "a schema": _INNER,
    "a list of schemas": _LISTS,
    "an object": _MAPS,
    "a count": _COUNTS,
    "a number": _BOUNDS - {"multipleOf"},
    "a number above 0": {"multipleOf"},
    "a list": {"enum"},
    "a list of texts": {"required"},
    "a text": {"pattern"},
    "true or false": {"uniqueItems"},
    "a type or a list of types": {"type"},
    "anything": _NOTES | {"const"},
}
_WELL_FORMED: dict[str, Callable[[Any], bool]] = {
    "a schema": lambda value: isinstance(value, dict | bool),
    "a list of schemas": lambda value: isinstance(value, list) and bool(value),
    "an object": lambda value: isinstance(value, dict),
    "a count": lambda value: _is_number(value) and value >= 0 and value % 1 == 0,
    "a number": _is_number,
    "a number above 0": lambda value: _is_number(value) and value > 0,
    "a list": lambda value: isinstance(value, list),
    "a list of texts": lambda value: (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    ),
    "a text": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "a type or a list of types": _is_types,
    "anything": lambda value: True,
}


def _pattern(pattern: Any) -> re.Pattern[str]:
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        raise SchemaError("a pattern must be a short text")
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise SchemaError(f"the pattern {pattern[:40]!r}: {error}") from error


def fault(schema: Schema, value: Any, place: str = "it") -> str:
    """Why a value does not fit a checked schema; '' if it fits."""
    if isinstance(schema, bool):
        return "" if schema else f"{place} is not allowed"
    return next((found for found in _faults(schema, value, place) if found), "")


def _faults(schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    yield _type_fault(schema, value, place)
    if "const" in schema and not same(schema["const"], value):
        yield f"{place} is not the constant"
    if "enum" in schema and not any(same(each, value) for each in schema["enum"]):
        yield f"{place} is none of the values allowed"
    yield from _combined_faults(schema, value, place)
    if isinstance(value, Decimal):
        yield from _number_faults(schema, value, place)
    elif isinstance(value, str):
        yield from _text_faults(schema, value, place)
    elif isinstance(value, list):
        yield from _list_faults(schema, value, place)
    elif isinstance(value, dict):
        yield from _object_faults(schema, value, place)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, Decimal),
    "integer": lambda value: isinstance(value, Decimal) and value == value.to_integral_value(),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _type_fault(schema: dict[str, Any], value: Any, place: str) -> str:
    names = schema.get("type", [])
    names = names if isinstance(names, list) else [names]
    fits = not names or any(_TYPES[name](value) for name in names)
    return "" if fits else f"{place} is no {' or '.join(names)}"


def _combined_faults(schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    for inner in schema.get("allOf", []):
        yield fault(inner, value, place)
    if "anyOf" in schema and all(fault(inner, value, place) for inner in schema["anyOf"]):
        yield f"{place} fits none of anyOf"
    if "oneOf" in schema:
        fitting = sum(not fault(inner, value, place) for inner in schema["oneOf"])
        if fitting != 1:
            yield f"{place} fits {fitting} of oneOf"
    if "not" in schema and not fault(schema["not"], value, place):
        yield f"{place} fits what it must not"


def _number_faults(schema: dict[str, Any], value: Decimal, place: str) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{place} is below {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{place} is above {schema['maximum']}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield f"{place} is not above {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield f"{place} is not below {schema['exclusiveMaximum']}"
    if "multipleOf" in schema:
        try:
            rest = value % schema["multipleOf"]
        except InvalidOperation as error:
            raise SchemaError("multipleOf of too large a number") from error
        if rest:
            yield f"{place} is no multiple of {schema['multipleOf']}"


def _text_faults(schema: dict[str, Any], value: str, place: str) -> Iterator[str]:
    yield _count_fault(schema, ("minLength", "maxLength"), len(value), f"{place}: characters")
    if "pattern" in schema:
        if len(value) > _LONGEST_MATCHED:
            raise SchemaError("a text is too long for a pattern")
        if not _pattern(schema["pattern"]).search(value):
            yield f"{place} does not match {schema['pattern'][:80]!r}"


def _list_faults(schema: dict[str, Any], value: list[Any], place: str) -> Iterator[str]:
    yield _count_fault(schema, ("minItems", "maxItems"), len(value), f"{place}: members")
    first = schema.get("prefixItems", [])
    for number, each in enumerate(value):
        inner = first[number] if number < len(first) else schema.get("items", True)
        yield fault(inner, each, f"{place}[{number}]")
    if "contains" in schema and all(fault(schema["contains"], each) for each in value):
        yield f"{place} has no member that fits contains"
    if schema.get("uniqueItems") and len({_key(each) for each in value}) < len(value):
        yield f"{place} has a member twice"


def _object_faults(schema: dict[str, Any], value: dict[str, Any], place: str) -> Iterator[str]:
    counts = ("minProperties", "maxProperties")
    yield _count_fault(schema, counts, len(value), f"{place}: keys")
    missing = [key for key in schema.get("required", []) if key not in value]
    if missing:
        yield f"{place} lacks {missing[0]!r}"
    patterns = [
        (_pattern(pattern), inner) for pattern, inner in schema.get("patternProperties", {}).items()
    ]
    for key, each in value.items():
        where = f"{place}.{key[:40]}"
        inners = [inner for pattern, inner in patterns if pattern.search(key[:_LONGEST_MATCHED])]
        if key in schema.get("properties", {}):
            inners.append(schema["properties"][key])
        for inner in inners or [schema.get("additionalProperties", True)]:
            yield fault(inner, each, where)
        yield fault(schema.get("propertyNames", True), key, f"the key {key[:40]!r}")


def _count_fault(schema: dict[str, Any], keys: tuple[str, str], count: int, what: str) -> str:
    least, most = (schema.get(key) for key in keys)
    if least is not None and count < least:
        return f"{what}: {count}, fewer than {least}"
    if most is not None and count > most:
        return f"{what}: {count}, more than {most}"
    return ""


def same(one: Any, two: Any) -> bool:
    """JSON's equality: 1 and 1.0 are the same, 1 and true are not."""
    return _key(one) == _key(two)


def _key(value: Any) -> object:
    if isinstance(value, dict):
        return "object", frozenset((key, _key(each)) for key, each in value.items())
    if isinstance(value, list):
        return "array", tuple(_key(each) for each in value)
    return type(value).__name__, value
