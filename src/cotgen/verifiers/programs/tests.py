"""The tests of a code problem, as its `answer` states them.

The answer is one of two:

- Python test code: plain `assert` statements, `test_…` functions, or a `check(candidate)` function
  as HumanEval has it;
- a JSON object with any of the keys below; all its tests must pass. A JSON list of texts is
  short for `{"asserts": […]}`.

    {"asserts": "assert add(1, 2) == 3"}            test code, as a text or a list of texts
    {"calls": [{"call": "add(1, 2)", "expected": 3}]}
    {"calls": [{"args": [1, 2], "expected": 3}], "entry_point": "add"}
    {"stdio": [{"stdin": "1 2\\n", "stdout": "3\\n"}]}
    "entry_point"  the function under test; else the last one that the prompt defines. Needed where
                   it has a builtin's name, which tests otherwise take from Python
    "prompt"       the code that attempts complete; else the question, if it is code
    "tolerance"    how far floats may lie apart, absolute or relative (calls and stdio); none if 0
"""

from __future__ import annotations

import builtins
import re
from functools import lru_cache
from typing import Any

import msgspec

from cotgen.records import Record

_LONGEST = 8_000_000
_DEF = re.compile(r"^(?:async )?def ([A-Za-z_]\w*)", re.MULTILINE)
_CODE = re.compile(r"^(?:(?:async )?def|class) [A-Za-z_]\w*", re.MULTILINE)
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
_BOUND = re.compile(r"(?<![\w.])(?:def|class) ([A-Za-z_]\w*)")
_IMPORTED = re.compile(r"^[ \t]*from solution import ([\w, ]+)", re.MULTILINE)


class Call(Record, frozen=True):
    """A call of a function and the value that it must return, as JSON states it."""

    expected: Any
    call: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}


class Exchange(Record, frozen=True):
    """What a program reads, and what it must print."""

    stdin: str
    stdout: str


class Tests(Record, frozen=True):
    """All tests of one problem."""

    asserts: str | tuple[str, ...] = ""
    calls: tuple[Call, ...] = ()
    stdio: tuple[Exchange, ...] = ()
    entry_point: str = ""
    prompt: str = ""
    tolerance: float = 0.0

    @property
    def code(self) -> str:
        """The test code as one text."""
        return self.asserts if isinstance(self.asserts, str) else "\n".join(self.asserts)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of which the program must define one; none if any program will do."""
        if self.entry_point:
            return (self.entry_point,)
        called = [call.call.partition("(")[0].strip().partition(".")[0] for call in self.calls]
        if self.code:
            own = set(_BOUND.findall(self.code)) | set(dir(builtins))
            called += [name for name in _CALLED.findall(self.code) if name not in own]
            for names in _IMPORTED.findall(self.code):
                called += [name.strip() for name in names.split(",")]
        return tuple(dict.fromkeys(name for name in called if name))


def read_tests(answer: str, question: str) -> Tests | str:
    """The tests of a problem, or what is wrong with them."""
    if len(answer) > _LONGEST:
        return f"longer than {_LONGEST:,} characters"
    tests = _read(answer)
    if isinstance(tests, str):
        return tests
    prompt = tests.prompt or (question if _CODE.search(question) else "")
    defined = _DEF.findall(prompt)
    entry_point = tests.entry_point or (defined[-1] if defined else "")
    tests = msgspec.structs.replace(tests, prompt=prompt, entry_point=entry_point)
    return _flaw(tests) or tests


@lru_cache(maxsize=256)
def _read(answer: str) -> Tests | str:
    text = answer.strip()
    try:
        if text.startswith("{"):
            return msgspec.json.decode(text, type=Tests)
        if text.startswith("["):
            return Tests(asserts=msgspec.json.decode(text, type=tuple[str, ...]))
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        return f"not the JSON of tests: {error}"
    return Tests(asserts=answer)


def _flaw(tests: Tests) -> str:
    """What makes tests unusable, as far as it shows without running them."""
    if not (tests.code.strip() or tests.calls or tests.stdio):
        return "it holds no tests"
    if tests.code.strip() and "assert" not in tests.code and "raise" not in tests.code:
        return "the test code asserts nothing"
    if re.search(r"^def check\(", tests.code, re.MULTILINE) and not tests.entry_point:
        return "check(candidate) needs an entry_point, and the question is no prompt that names it"
    for number, call in enumerate(tests.calls, 1):
        if not call.call and not tests.entry_point:
            return f"calls: number {number} names no function, and there is no entry_point"
        if call.call and (call.args or call.kwargs):
            return f"calls: number {number} has both call and args"
    return ""
