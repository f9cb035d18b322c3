"""Inside the sandbox: the process that runs an attempt's program.

It holds the program and nothing else: no test, no expected value. Whatever the program does to
this process (patch builtins, read frames, forge replies, exit), all it can do is say what a call
returned; the judge, another process, compares.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import gc
import io
import operator
import os
import socket
import sys
import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from cotgen.sandbox import wire


class NoProgram(Exception):
    """None of the texts is a program; `error` is the syntax error of the first one."""

    def __init__(self, error: str) -> None:
        super().__init__(error)


def choose(
    texts: Sequence[str], wanted: Sequence[str], sure: bool = True
) -> tuple[int, types.CodeType]:
    """The first text that is a program and defines a wanted name. Where none does, any program, if
    the texts are `sure` to be meant as programs. Raises NoProgram."""
    fallback: tuple[int, types.CodeType] | None = None
    first_error = "no program"
    for number, text in enumerate(texts):
        try:
            tree = ast.parse(text, "<program>")
            code = compile(tree, "<program>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            if number == 0:
                first_error = _syntax(error)
            continue
        if not wanted or _defines(tree, wanted):
            return number, code
        fallback = fallback or (number, code)
    if not sure or fallback is None:
        raise NoProgram(first_error)
    return fallback


def _syntax(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}"


def _defines(tree: ast.Module, wanted: Sequence[str]) -> bool:
    """Whether a wanted name is bound to more than a docstring (a prompt that was not completed)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name in wanted and not all(map(_is_empty, node.body)):
                return True
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id in wanted:
                return True
        elif isinstance(node, ast.alias) and (node.asname or node.name) in wanted:
            return True
    return False


def _is_empty(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def run_prompt(prompt: str, names: dict[str, Any]) -> None:
    """Execute the prompt that programs complete, if it is Python: its imports and helpers count."""
    for text in (prompt, f"{prompt}\n    pass"):
        try:
            code = compile(text, "<prompt>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            continue
        exec(code, names)
        return


def run_script(text: str, note: Callable[[str], None]) -> int:
    """Run a program as `python program.py` would; returns its exit status."""
    try:
        _, code = choose([text], [])
    except NoProgram as error:
        note(str(error))
        return 1
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    offer_exit()
    offer_streams()
    atexit._clear()
    stdout, status = sys.stdout, 0
    try:
        exec(code, module.__dict__)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:  # noqa: BLE001 - the program's own, whatever it is
        note(describe(error))
        status = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        flush_all(stdout)
    except BaseException as error:  # noqa: BLE001
        note(describe(error))
        status = status or 1
    return status


def offer_exit() -> None:
    """Define `exit` and `quit`, which Python's `site` would have defined."""

    def leave(code: object = None) -> None:
        raise SystemExit(code)

    vars(builtins).update(exit=leave, quit=leave)


def offer_streams() -> None:
    """Let a program open its standard streams by their paths, which the sandbox does not have."""
    opened = io.open

    def open_(file: Any, *args: Any, **kwargs: Any) -> Any:
        path = os.fspath(file) if isinstance(file, os.PathLike) else file
        number = _STREAMS.get(path) if isinstance(path, str) else None
        return opened(file if number is None else os.dup(number), *args, **kwargs)

    builtins.open = io.open = open_


_STREAMS = {
    path: number
    for number, name in enumerate(("stdin", "stdout"))
    for path in (f"/dev/{name}", f"/dev/fd/{number}", f"/proc/self/fd/{number}")
}


def flush_all(stdout: Any) -> None:
    """Write out what files hold back, as Python does when it ends."""
    files = [
        file for file in gc.get_objects() if type(file) in (io.TextIOWrapper, io.BufferedWriter)
    ]
    files.sort(key=lambda file: type(file) is io.BufferedWriter)
    with suppress(Exception):
        sys.stdout.flush()
    for file in [*files, stdout]:
        if not file.closed and file.writable():
            file.flush()


def describe(error: BaseException) -> str:
    """An exception in a line: its class, number and text."""
    try:
        number = getattr(error, "errno", None)
        name = type(error).__name__
        return f"{name}{f' (errno {number})' if isinstance(number, int) else ''}: {error}"[:500]
    except BaseException:  # noqa: BLE001 - its __str__ is the program's too
        return "an exception without a text"


class Served:
    """The program's namespace, its objects by number, and the loop that answers the judge."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._module = types.ModuleType(wire.PROGRAM_MODULE)
        self._kept: list[object] = []
        self._numbers: dict[int, int] = {}

    def serve(self, work: dict[str, Any]) -> None:
        """Load the program, say how that went, then answer until the judge is gone."""
        try:
            reply = self._load(**work)
        except BaseException as error:  # noqa: BLE001 - the program's own, whatever it is
            reply = _raised(error)
        wire.send(self._connection, reply)
        while True:
            reply = self._answer(*wire.receive(self._connection))
            try:
                wire.send(self._connection, reply)
            except (wire.Unsendable, MemoryError):
                wire.send(self._connection, ["unsendable", "a value is too large to be sent"])

    def _answer(self, verb: str, *rest: Any) -> list[Any]:
        try:
            return self._names(rest[0]) if verb == "names" else self._call(*rest)
        except wire.Unsendable as error:
            return ["unsendable", str(error)]
        except wire.Gone:
            raise
        except BaseException as error:  # noqa: BLE001 - the program's own, whatever it is
            return _raised(error)

    def _load(
        self, context: str, texts: Sequence[str], wanted: Sequence[str], sure: bool
    ) -> list[Any]:
        try:
            number, code = choose(texts, wanted, sure)
        except NoProgram as error:
            return ["syntax", str(error)]
        sys.modules[wire.PROGRAM_MODULE] = self._module
        names = self._module.__dict__
        names["__builtins__"] = builtins
        offer_exit()
        run_prompt(context, names)
        wire.send(self._connection, ["chosen", number])
        exec(code, names)
        return ["loaded"]

    def _names(self, wanted: list[str]) -> list[Any]:
        return ["names", [self._kind(name) for name in wanted]]

    def _kind(self, name: str) -> list[Any]:
        """What a name stands for: the judge makes its own stand-in of it."""
        value = self._find(name)
        if value is _MISSING:
            return ["missing"]
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        home = str(getattr(value, "__module__", None))
        library = home.partition(".")[0] in sys.stdlib_module_names - {"__main__"}
        if library and getattr(value, "__name__", None) == name:
            return ["library", home]
        if isinstance(value, type) and issubclass(value, BaseException):
            return ["exception", _lineage(value)]
        try:
            return ["value", self._encode(value)]
        except wire.Unsendable:
            return ["missing"]

    def _find(self, name: str) -> object:
        """A name of the program, or a method of its `Solution` class, as some sites want it."""
        names = self._module.__dict__
        if name in names:
            return names[name]
        solution = names.get("Solution")
        if isinstance(solution, type) and hasattr(solution, name):
            return getattr(solution(), name)
        return _MISSING

    def _call(
        self, target: list[Any], encoded_args: list[Any], encoded_kwargs: list[Any]
    ) -> list[Any]:
        args = [wire.decode(arg, self._given) for arg in encoded_args]
        kwargs = {key: wire.decode(arg, self._given) for key, arg in encoded_kwargs}
        every: dict[int | str, Any] = dict(enumerate(args)) | kwargs
        before = {place: self._encode(arg) for place, arg in every.items() if type(arg) in _MUTABLE}
        returned = self._target(target)(*args, **kwargs)
        try:
            value = self._encode(returned)
            after = [[place, self._encode(every[place])] for place in before]
        except MemoryError:
            raise wire.Unsendable("a value is too large to be sent") from None
        changed = [[place, arg] for place, arg in after if arg != before[place]]
        return ["value", value, changed]

    def _target(self, target: list[Any]) -> Callable[..., Any]:
        kind, which = target
        if kind == "name":
            found: Any = self._find(which)
        elif kind == "object":
            found = self._kept[which]
        else:
            found = _VERBS[which]
        return found  # type: ignore[no-any-return]

    def _encode(self, value: object) -> wire.Encoded:
        return wire.Encoder(self._keep).encode(value)

    def _keep(self, value: object) -> wire.Encoded:
        """Keep an object of the program here and send its number, and whether it wants to judge
        its own equality."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._kept)
            self._kept.append(value)
        own = type(value).__eq__ is not object.__eq__ and not isinstance(value, type)
        return ["r", number, own, callable(value), type(value).__name__]

    def _given(self, tag: str, rest: list[Any]) -> object:
        """What the judge's tags stand for: an object of the program, or a function of the tests."""
        if tag == "m":
            return self._kept[rest[0]]
        if tag == "p":
            return self._callback(rest[0])
        raise wire.Garbled(f"unknown tag {tag!r}")

    def _callback(self, number: int) -> Callable[..., Any]:
        def function(*args: object, **kwargs: object) -> object:
            pairs = [[key, self._encode(arg)] for key, arg in kwargs.items()]
            wire.send(self._connection, ["callback", number, list(map(self._encode, args)), pairs])
            verb, *rest = wire.receive(self._connection)
            if verb == "value":
                return wire.decode(rest[0], self._given)
            raise _EXCEPTIONS.get(rest[0], RuntimeError)(rest[1])

        return function


_MISSING = object()
_MUTABLE = (list, dict, set, bytearray, tuple, deque, defaultdict, OrderedDict, Counter)
"""What may change, itself or in its parts, while a function of the program has it."""
_EXCEPTIONS: dict[str, type[Exception]] = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception)
}
_VERBS: dict[str, Callable[..., Any]] = {
    name: getattr(builtins, name)
    for name in ("getattr", "setattr", "delattr", "iter", "next", "len", "str", "repr", "bool",
                 "int", "float", "hash", "isinstance", "format", "reversed")
} | {
    name: getattr(operator, name)
    for name in ("getitem", "setitem", "delitem", "contains", "eq", "ne", "lt", "le", "gt", "ge",
                 "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_",
                 "xor", "neg", "pos", "abs", "index")
}  # fmt: skip


def _raised(error: BaseException) -> list[Any]:
    """An exception for the judge: its classes, a line for a person, errno and plain arguments."""
    number = getattr(error, "errno", None)
    try:
        plain = wire.Encoder(_refuse).encode([list(error.args), dict(vars(error))])
    except BaseException:  # noqa: BLE001 - objects, or a program that meddles with its exceptions
        plain = wire.Encoder(_refuse).encode([[], {}])
    number = number if isinstance(number, int) else None
    return ["raise", _lineage(type(error)), describe(error), number, plain]


def _refuse(value: object) -> wire.Encoded:
    raise wire.Unsendable(type(value).__name__)


def _lineage(kind: type[BaseException]) -> list[str]:
    """The names of an exception class and its parents, down to a builtin one."""
    return [parent.__name__ for parent in kind.__mro__ if parent is not object]
