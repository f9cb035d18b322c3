"""YAML as everything here is read: recipes, settings on the command line, cards of the Hub."""

from __future__ import annotations

from typing import Any

import yaml

from cotgen.errors import RecipeError

_DEEPEST = 100
"""Mappings and lists in one another. Python's own limit is not far, and it names no line."""
_MOST_VALUES = 1_000_000

_BOOLEAN = "tag:yaml.org,2002:bool"

_BAD_VALUES = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What PyYAML lets out of values that are no dates (`2026-13-01`) or what their tag says."""


class NotYaml(RecipeError):
    """A text is not YAML, or not such as is read here. Says where in it; the caller names the
    file."""


def read_yaml(text: str) -> Any:
    """The plain values of a text that may be hostile. Raises NotYaml.

    No tag builds an object, no key stands twice, and only scalars are keys.
    """
    try:
        found = yaml.load(text, _Yaml)
        if _written_out(found, {}) > _MOST_VALUES:
            raise NotYaml(f"with its aliases written out it holds over {_MOST_VALUES:,} values")
    except RecursionError as error:
        raise NotYaml("nested too deep") from error
    except yaml.YAMLError as error:
        raise NotYaml(str(error)) from error
    except _BAD_VALUES as error:
        raise NotYaml(f"a value cannot be read ({error})") from error
    return found


def _written_out(value: Any, known: dict[int, int]) -> int:
    """How many values it holds where each alias counts as what it stands for: a few lines of
    aliases of aliases are more than any memory holds. One that holds itself has no end."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = _MOST_VALUES + 1  # Until it is known: as if it had no end.
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(value)]


class _Yaml(yaml.SafeLoader):
    """YAML that cannot exhaust the stack or lose a key."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            mark = parent.start_mark if parent else None
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {_DEEPEST}", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _mapping(loader: _Yaml, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    seen: dict[Any, yaml.Mark] = {}
    for key_node, _ in node.value:
        if key_node.tag == _BOOLEAN and key_node.value.lower() not in ("true", "false"):
            key_node.tag = loader.DEFAULT_SCALAR_TAG  # YAML 1.1 takes the key `on` for true.
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.MarkedYAMLError(
                problem=f"{key!r} cannot be a key", problem_mark=key_node.start_mark
            )
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
            )
        seen[key] = key_node.start_mark
    return dict(loader.construct_pairs(node, deep=True))


_Yaml.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
