"""Named predicates on an answer, for `kind: rule`: the menu of rules."""

from __future__ import annotations

from cotgen.verifiers.rules.documents import JsonEqual, JsonSchema
from cotgen.verifiers.rules.game24 import Game24
from cotgen.verifiers.rules.lists import SortedList
from cotgen.verifiers.rules.predicate import Predicate
from cotgen.verifiers.rules.texts import Contains, Length, Regex

RULES: dict[str, type[Predicate]] = {
    "game24": Game24,
    "json_schema": JsonSchema,
    "json_equal": JsonEqual,
    "sorted_list": SortedList,
    "regex": Regex,
    "contains": Contains,
    "length": Length,
}

__all__ = ["RULES", "Predicate"]
