"""Inside the judge's process: test code, run with stand-ins for what the program defines."""

from __future__ import annotations

import ast
import builtins
import importlib
import random
import re
import sys
import types
from contextlib import suppress
from typing import Any

from cotgen.sandbox.helpers import is_builtin, member_for, mixed, module_for
from cotgen.sandbox.program import run_prompt
from cotgen.sandbox.report import Report
from cotgen.sandbox.stand_ins import Program, Raised, Remote, Stop


class Asserts:
    """Test code: plain assertions, a `check(candidate)` function or `test_…` functions."""

    def __init__(self, program: Program, code: str, context: str, entry_point: str) -> None:
        self._program = program
        self._code = code
        self._context = context
        self._entry_point = entry_point
        self._names: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        self._shaky = ""
        self._candidate: Any = None
        self._helpers: frozenset[str] = frozenset()

    def run(self) -> Report | None:
        """Execute the tests; None if all of them passed."""
        try:
            tree = ast.parse(self._code, "<tests>")
            code = compile(tree, "<tests>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return Report("unusable", detail=f"the tests do not compile: {error}")
        self._shaky = reaching(tree)
        random.seed(0)  # Tests that draw at random shall draw alike each time.
        try:
            self._prepare(tree)
            if self._program.doubt:
                return Report("doubtful", detail=self._program.doubt)
            exec(code, self._names)
            skipped = self._call_functions(tree)
        except Stop:
            raise
        except BaseException as error:  # noqa: BLE001 - a test may raise anything
            return self._failure(error)
        if self._program.stopped:
            raise self._program.stopped
        if not self._program.calls:
            return Report("unusable", detail="the tests never call the program")
        if skipped:
            return Report("unusable", detail=f"{skipped} wants arguments that are not known here")
        if self._shaky or self._program.lost:
            return Report("unusable", detail=self._shaky or self._program.lost)
        return None

    def _prepare(self, tree: ast.Module) -> None:
        """Fill the namespace: what the prompt defines, the library's names, then the program's.

        The prompt's own functions stand, and so do builtins and the library, so that a program
        cannot replace those that tests rely on.
        """
        run_prompt(self._context, self._names)
        used, bound = _names_of(tree)
        # Classes of the prompt are taken from the program, whose objects are made of them.
        kept = {name for name, value in self._names.items()
                if not (isinstance(value, type) and value.__module__ == "__main__")}  # fmt: skip
        asked = {name for name in used - bound - kept if not is_builtin(name)}
        entry = {self._entry_point} - {""}
        alias = _aliases(tree, self._entry_point)
        asked = (asked - alias.keys()) | entry
        found = dict(self._program.find(sorted(asked)))
        own = {name for name in asked if isinstance(found.get(name), Remote)}
        library = _modules(tree, asked - entry)
        for name in sorted(own & library.keys()):
            self._doubt(f"the tests use {name}, which is a library's or the program's own")
        for name in mixed(tree, asked - library.keys(), alias) - entry - own:
            if (member := member_for(name)) is not None:
                library[name] = member
        self._helpers = mixed(tree, asked - library.keys(), alias)
        if self._helpers <= found.keys() and self._helpers:
            names = ", ".join(sorted(self._helpers))
            self._doubt(f"the tests judge one part of the program by another ({names})")
        self._program.oracles = _called(tree)
        self._candidate = found.get(self._entry_point, self._names.get(self._entry_point))
        if is_builtin(self._entry_point) and "check" in bound:
            found.pop(self._entry_point, None)
        self._names |= found | library
        self._names.setdefault("candidate", self._candidate)
        module = types.ModuleType("solution")
        module.__dict__.update(self._names)
        sys.modules["solution"] = module
        for runner in {"unittest", "pytest"} & used:
            with suppress(ImportError):
                # Test functions and classes are run below.
                vars(importlib.import_module(runner))["main"] = lambda *_, **__: None

    def _doubt(self, why: str) -> None:
        self._program.doubt = self._program.doubt or why

    def _call_functions(self, tree: ast.Module) -> str:
        """Call `check` with the function under test, and test functions and classes that nothing
        calls. Returns the name of a test function that cannot be called."""
        called = {node.func.id for node in ast.walk(tree)
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
        skipped = ""
        for node in tree.body:
            name = getattr(node, "name", "")
            if name in called:
                continue
            if isinstance(node, ast.ClassDef):
                skipped = self._call_methods(node) or skipped
            elif isinstance(node, ast.FunctionDef) and name == "check" and node.args.args:
                if not callable(self._candidate):
                    raise NameError(f"name {self._entry_point!r} is not defined")
                self._names["check"](self._candidate)
            elif isinstance(node, ast.FunctionDef) and name.startswith("test"):
                if node.args.args or node.decorator_list:
                    skipped = name
                else:
                    self._names[name]()
            elif isinstance(node, ast.AsyncFunctionDef) and name.startswith("test"):
                skipped = name
        return skipped

    def _call_methods(self, node: ast.ClassDef) -> str:
        """Run the test methods of a class, as unittest or pytest do."""
        kind = self._names.get(node.name)
        tests = [part for part in node.body
                 if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
                 and part.name.startswith("test")]  # fmt: skip
        for test in tests:
            odd = isinstance(test, ast.AsyncFunctionDef) or test.decorator_list
            if odd or len(test.args.args) != 1 or not isinstance(kind, type):
                return f"{node.name}.{test.name}"
            if {"setUpClass", "setup_class", "setup", "setup_method"} & set(vars(kind)):
                return f"{node.name}.{test.name}"
            if hasattr(kind, "debug"):
                kind(test.name).debug()
            else:
                getattr(kind(), test.name)()
        return ""

    def _failure(self, error: BaseException) -> Report:
        statement = self._statement(error)
        test = f"{statement} ({self._program.last})" if self._program.last else statement
        if self._shaky or self._program.lost:
            return Report("unusable", test, self._shaky or self._program.lost)
        raised: Raised | None = getattr(error, "cotgen_raised", None)
        if raised is not None:
            return Report("raised", statement, raised.text, raised.errno)
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        if self._program.doubt:
            return Report("doubtful", test, self._program.doubt)
        if isinstance(error, AssertionError) and not self._looks_into_objects(statement):
            return Report("failed", statement, self._program.last or text)
        if isinstance(error, NameError) and error.name in self._helpers:
            return Report("unusable", test, f"the tests do not define their helper: {error}")
        if isinstance(error, NameError):
            return Report("failed", statement, f"the program does not define it: {error}")
        unsure = isinstance(error, ImportError | MemoryError | RecursionError | SystemExit)
        if unsure or not self._program.calls:
            return Report("unusable", test, text)
        if self._program.met_objects:
            doubt = "the program gave an object that is no plain value, which tests see from afar"
            return Report("doubtful", test, f"{test}: {text}: {doubt}")
        return Report("failed", statement, f"{text}; {self._program.last}")

    def _looks_into_objects(self, statement: str) -> bool:
        """Whether a test may have failed because a stand-in is not the object itself."""
        asks_kind = self._program.met_objects and _KINDS.search(statement) is not None
        return asks_kind or self._program.opaque

    def _statement(self, error: BaseException) -> str:
        """The text of the test that was running."""
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<tests>":
                line = trace.tb_lineno
            trace = trace.tb_next
        if not line:
            return "before the first test"
        for node in ast.walk(ast.parse(self._code)):
            if not isinstance(node, ast.stmt) or hasattr(node, "body"):
                continue
            if node.lineno <= line <= (node.end_lineno or line):
                source = ast.get_source_segment(self._code, node) or ""
                return " ".join(source.split())[:300]
        return f"line {line} of the tests"


_KINDS = re.compile(r"\b(?:isinstance|issubclass|type|callable|hasattr|dir|vars|getattr)\b")
_REACHING = frozenset({
    "stdout", "stdin", "stderr", "redirect_stdout", "redirect_stderr", "StringIO",
    "mock", "Mock", "MagicMock", "patch", "monkeypatch", "capsys", "capfd", "caplog", "assertLogs",
    "assertWarns", "warns", "catch_warnings", "seed", "setstate", "environ", "chdir", "open",
    "tempfile", "NamedTemporaryFile", "tmp_path", "inspect", "signature", "getsource", "__code__",
    "__annotations__", "__doc__", "__defaults__", "FunctionType", "GeneratorType", "id",
    "setrecursionlimit", "getrefcount", "weakref", "setcontext", "getcontext", "localcontext",
})  # fmt: skip


_COMMON = frozenset({"id", "open", "signature"})
"""Of these, attributes of any object: only the names themselves count."""


def reaching(tree: ast.Module) -> str:
    """What in test code relies on sharing a process with the program; empty if nothing does."""
    for node in ast.walk(tree):
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        if isinstance(node, ast.Attribute) and name in _COMMON:
            continue
        if isinstance(node, ast.alias | ast.ImportFrom):
            name = getattr(node, "name", None) or getattr(node, "module", None)
        if isinstance(name, str) and name.rpartition(".")[2] in _REACHING:
            return f"the tests use {name}, which reaches into the program's own process"
        if isinstance(node, ast.Compare) and _by_identity(node):
            return f"the tests compare identities ({ast.unparse(node)[:100]}), which copies lose"
    return ""


def _by_identity(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    known = any(
        isinstance(side, ast.Constant)
        or (isinstance(side, ast.Name) and side.id in vars(builtins))
        or (isinstance(side, ast.Call) and getattr(side.func, "id", "") == "type")
        for side in sides
    )
    return not known and any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)


def _modules(tree: ast.Module, names: set[str]) -> dict[str, Any]:
    """The library modules among names that tests use without importing them."""
    modules = {name: module_for(name, tree) for name in names}
    return {name: module for name, module in modules.items() if module is not None}


def _aliases(tree: ast.Module, entry_point: str) -> dict[str, str]:
    """The names that stand for the function under test, or for another that is imported."""
    aliases = {"candidate": entry_point}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "check" and node.args.args:
            aliases[node.args.args[0].arg] = entry_point
        elif isinstance(node, ast.ImportFrom) and node.module == "solution":
            aliases |= {part.asname: part.name for part in node.names if part.asname}
    return {alias: name for alias, name in aliases.items() if name}


def _called(tree: ast.Module) -> frozenset[str]:
    """The names of functions that test code calls itself."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {str(getattr(node, "id", None) or getattr(node, "attr", "")) for node in calls}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=ast.Lambda()):
                bound = {getattr(target, "id", "") for target in targets}
                names |= {"<lambda>"} if names & bound else set()
    return frozenset(names)


def _names_of(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that test code reads, and those that it binds itself.

    A name imported from `solution` is the program's, so it is read, not bound.
    """
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="solution") | ast.Import(names=[ast.alias(name="solution")]):
                used |= {alias.name for alias in node.names}
            case ast.ImportFrom() | ast.Import():
                bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                bound.add(node.name)
            case ast.Attribute(value=ast.Name(id="solution"), attr=name):
                used.add(name)
    return used, bound
