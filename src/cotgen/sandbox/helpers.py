"""Inside the judge's process: which names of test code are helpers, and whose word decides a test.

Tests often use a function that they do not define (`isclose`, `np`, `Counter`). Were it taken from
the program, the program would decide its own test and learn the expected value. So the library's
are taken from here, and a test that mixes the results of two functions of the program proves
nothing: nobody can say which of them is under test.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

_MODULES = {"np": "numpy", "numpy": "numpy", "pytest": "pytest"}
_HOMES = ("math", "collections", "fractions", "decimal", "itertools", "functools", "copy", "pytest",
          "operator", "statistics", "cmath", "numpy")  # fmt: skip
_ROUNDS = 8
_UNKNOWN = "?"
"""What a parameter holds: perhaps a result of the program, perhaps not."""


def module_for(name: str, tree: ast.Module) -> Any:
    """The library module that test code means by a name which it has not imported, else None."""
    home = _MODULES.get(name, name)
    if name not in _MODULES and home not in sys.stdlib_module_names:
        return None
    attributes: list[str] = []
    bare = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_name(node.value, name):
            attributes.append(node.attr)
        bare += _is_name(node, name)
    if bare != len(attributes):
        return None  # Called or handed on: no module is.
    module = _imported(home)
    return module if all(hasattr(module, attribute) for attribute in attributes) else None


def member_for(name: str) -> Any:
    """The library's function or class of a name, else None."""
    for home in _HOMES:
        found = getattr(_imported(home), name, None)
        if callable(found) and not name.startswith("_"):
            return found
    return None


def _imported(home: str) -> Any:
    try:
        return importlib.import_module(home)
    except Exception:  # noqa: BLE001 - a package that is broken here
        return None


def is_class(name: str) -> bool:
    """Whether test code means a class, as far as its name tells."""
    return name.lstrip("_")[:1].isupper()


class Flow(NamedTuple):
    """What of the program an expression holds: results of its functions and methods, and objects
    of its classes, by name."""

    results: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        return self.results | self.objects

    def __or__(self, other: Flow) -> Flow:
        return Flow(self.results | other.results, self.objects | other.objects)

    def __bool__(self) -> bool:
        return bool(self.all)


_NONE = Flow()


def mixed(tree: ast.Module, names: Iterable[str], alias: dict[str, str]) -> frozenset[str]:
    """Names of the program that meet another's result in one call, comparison or operation.

    `alias` says which other names stand for one of them (`candidate`).
    """
    flows = _Flows(frozenset(names) - {"solution"}, alias)
    if len(flows.names) < 2:
        return frozenset()
    flows.follow(tree)
    return frozenset(flows.mixed - {_UNKNOWN})


class _Flows:
    """Follows the program's results through test code, in no order: a variable holds all that is
    ever put into it."""

    def __init__(self, names: frozenset[str], alias: dict[str, str]) -> None:
        self._alias = alias
        self.names = names
        self.mixed: set[str] = set()
        self._held: dict[str, Flow] = {}

    def follow(self, tree: ast.Module) -> None:
        for _ in range(_ROUNDS):
            before = dict(self._held)
            for node in ast.walk(tree):
                self._bind(node)
            if self._held == before:
                break
        for node in ast.walk(tree):
            self._judge(node)

    def _name(self, node: ast.AST) -> str:
        """The program's name that a node is, or nothing."""
        match node:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="solution"), attr=name):
                name = self._alias.get(name, name)
            case _:
                return ""
        return name if name in self.names else ""

    def _bind(self, node: ast.AST) -> None:
        for target, value in _bindings(node):
            self._put(target, self._flow(value))
        match node:
            case ast.Call(func=ast.Attribute(value=base)):
                self._put(base, self._union(_given(node)))
            case ast.Expr(value=value) | ast.Assign(value=value):
                self._spoil(value)
            case ast.FunctionDef(name=name, args=args):
                self._function(name, args, node)
            case ast.Lambda(args=args):
                self._parameters(args)

    def _function(self, name: str, args: ast.arguments, node: ast.FunctionDef) -> None:
        """A function of the tests gives what it returns."""
        self._parameters(args)
        for part in ast.walk(node):
            if isinstance(part, ast.Return | ast.Yield) and part.value is not None:
                self._hold(name, self._flow(part.value))

    def _parameters(self, args: ast.arguments) -> None:
        defaults = self._union([*args.defaults, *filter(None, args.kw_defaults)])
        for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
            if arg is not None and arg.arg not in ("self", "cls") and arg.arg not in self._alias:
                self._hold(arg.arg, defaults | Flow(frozenset({_UNKNOWN})))

    def _spoil(self, value: ast.expr) -> None:
        """A function that is called as a statement may change what it is given."""
        if isinstance(value, ast.Call):
            name = self._name(value.func)
            for arg in _given(value):
                if name and not is_class(name) and isinstance(arg, ast.Name):
                    self._hold(arg.id, Flow(frozenset({name})))

    def _put(self, target: ast.expr, flow: Flow) -> None:
        while isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
            target = target.value
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._put(part, flow)
        elif isinstance(target, ast.Name) and flow and not self._name(target):
            self._hold(target.id, flow)

    def _hold(self, name: str, flow: Flow) -> None:
        self._held[name] = self._held.get(name, _NONE) | flow

    def _union(self, nodes: Iterable[ast.AST]) -> Flow:
        flow = _NONE
        for node in nodes:
            flow = flow | self._flow(node)
        return flow

    def _flow(self, node: ast.AST) -> Flow:
        """What an expression holds."""
        name = self._name(node)
        match node:
            case ast.Name():
                if name:
                    return _NONE if is_class(name) else Flow(frozenset({name}))
                return self._held.get(node.id, _NONE)
            case ast.Attribute() if name:
                return _NONE if is_class(name) else Flow(frozenset({name}))
            case ast.Lambda(body=body):
                return self._flow(body)
            case ast.Attribute(value=ast.Name() as base) if self._name(base):
                own = self._name(base)
                return _NONE if is_class(own) else Flow(frozenset({own}))
            case ast.Attribute(value=base) | ast.Subscript(value=base):
                return Flow(self._flow(base).all)
            case ast.Call(func=function):
                return self._call(node, function)
        return self._union(ast.iter_child_nodes(node))

    def _call(self, node: ast.Call, function: ast.expr) -> Flow:
        name, given = self._name(function), self._union(_given(node))
        if name and is_class(name):
            return given | Flow(objects=frozenset({name}))
        if name:
            return Flow(given.results | {name})
        if isinstance(function, ast.Attribute) and (own := self._name(function.value)):
            return Flow(given.results | {own})
        return given | self._flow(function)

    def _judge(self, node: ast.AST) -> None:
        """Note a node that brings results of different names together."""
        match node:
            case ast.Compare(left=left, comparators=others):
                self._meet([self._side(side) for side in (left, *others)])
            case ast.BinOp(left=left, right=right):
                self._meet([self._side(left), self._side(right)])
            case ast.Call(func=function):
                name = self._name(function)
                if isinstance(function, ast.Attribute):
                    name = name or self._name(function.value)
                given = [self._flow(arg) for arg in _given(node)]
                if name:
                    strange = frozenset().union(*(flow.results for flow in given)) - {name}
                    self.mixed |= strange | {name} if strange else set()
                else:
                    # An object takes other objects, but no other function's results.
                    base = self._flow(function)
                    given = [Flow(flow.results) for flow in given] if base.all else given
                    self._meet([base, *given])

    def _side(self, node: ast.expr) -> Flow:
        """What one side of an operator holds: here a class or constant of the program counts."""
        name = self._name(node)
        return Flow(frozenset({name})) if name else self._flow(node)

    def _meet(self, sides: list[Flow]) -> None:
        full = [side for side in sides if side]
        if any(side.results for side in full) and len({side.all for side in full}) > 1:
            self.mixed |= frozenset().union(*(side.all for side in full))


def _bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """What a node assigns, and what to."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return [(target, value) for target in targets]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return [(target, value)]
        case ast.AugAssign() | ast.NamedExpr():
            return [(node.target, node.value)]
        case ast.For() | ast.comprehension():
            return [(node.target, node.iter)]
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            return [(target, value)]
    return []


def _given(node: ast.Call) -> Iterator[ast.expr]:
    yield from node.args
    yield from (keyword.value for keyword in node.keywords)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def is_builtin(name: str) -> bool:
    """Whether Python itself defines a name."""
    return hasattr(builtins, name)
