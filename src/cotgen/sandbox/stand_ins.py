"""Inside the judge's process: what stands for the program and its objects.

Calls go to the program's process; plain values come back as copies, anything else as a `Remote`.
What a Remote says about itself where the tests compare it (`==`, `<`, `in`, arithmetic) is the
program's word: it is taken, but a pass by it is doubtful.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import socket
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from cotgen.sandbox import wire
from cotgen.sandbox.report import Report


class Raised(NamedTuple):
    """Where an exception of the program came from."""

    names: list[str]
    text: str
    errno: int | None


class Stop(BaseException):
    """The tests cannot go on. No test can catch it by `except Exception`."""

    def __init__(self, finding: str, detail: str) -> None:
        super().__init__(detail)
        self.finding = finding
        self.detail = detail


class Program:
    """The program's process, as the tests see it.

    `last` says what the last call gave, `opaque` whether that was an object and no plain value;
    `doubt` is why a pass would be the program's own word, `lost` what copies did not carry over.
    `oracles` are the functions that the tests call themselves.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._functions: list[Callable[..., Any]] = []
        self._exceptions: dict[str, type[BaseException]] = {}
        self.calls = 0
        self.chosen = 0
        self.last = ""
        self.doubt = ""
        self.met_objects = False
        self.opaque = False
        self.stopped: Stop | None = None
        self.lost = ""
        self.oracles: frozenset[str] = frozenset()
        self._clock = 0
        self._handed: list[int] = []
        self._born: dict[int, int] = {}

    def load(self) -> Report | None:
        """Wait until the program has been loaded; a report if it cannot be."""
        reply = self._receive()
        if reply[0] == "chosen":
            self.chosen = int(reply[1])
            reply = self._receive()
        if reply[0] == "syntax":
            return Report("syntax", detail=str(reply[1]))
        if reply[0] == "raise":
            return Report("raised", "loading the program", str(reply[2]), _number(reply[3]))
        return None

    def find(self, names: list[str]) -> Iterator[tuple[str, object]]:
        """Stand-ins for those names that the program defines."""
        self._send(["names", names])
        reply = self._receive()
        if reply[0] == "raise":
            raise self._error(reply)
        with self._readable():
            found = list(zip(names, ([str(kind), *rest] for kind, *rest in reply[1]), strict=True))
        for name, (kind, *rest) in found:
            if kind in ("module", "library"):
                yield from _imported(name, kind, rest[0])
            elif kind == "exception":
                yield name, self._exception(rest[0])
            elif kind == "value":
                met = self.met_objects
                yield name, self._named(name, self._decode(rest[0]))
                self.met_objects = met  # Functions are no objects that tests look into.

    def _named(self, name: str, value: object) -> object:
        """A function by its name, so that a failing test can name it."""
        if not isinstance(value, Remote) or not value._cotgen_callable:
            return value
        value._cotgen_name = name
        return value

    def call(self, target: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call something in the program's process; what it raises is raised here."""
        if self.stopped:
            raise self.stopped
        self.calls += target[0] != "verb"
        encoded = [self._encode(arg) for arg in args]
        pairs = [[key, self._encode(arg)] for key, arg in kwargs.items()]
        self._clock += 1
        receiver = args[0] if target[0] == "verb" else None
        number = receiver._cotgen_number if isinstance(receiver, Remote) else target[1]
        born = self._born.get(number, 0)
        self._send(["call", target, encoded, pairs])
        while (reply := self._receive())[0] == "callback":
            if born < self._handed[reply[1]] < self._clock:
                self.doubt = (
                    self.doubt or "the program kept a function of the tests for later calls"
                )
            self._send(self._call_back(*reply[1:]))
        self.opaque = False
        if reply[0] == "raise":
            if "StopIteration" in reply[1] and target != ["verb", "next"]:
                # Inside a loop of the tests it would end the loop, and pass for a result.
                self.doubt = self.doubt or "the program raised StopIteration into the tests"
            raise self._error(reply)
        if reply[0] == "unsendable":
            raise self._stop("unreadable", f"what the program returned: {reply[1]}")
        with self._readable():
            for place, changed in reply[2]:
                arg = kwargs[place] if isinstance(place, str) else args[place]
                if sum(arg is other for other in (*args, *kwargs.values())) > 1 or _shared(arg):
                    self.lost = "the program changes an argument that shares parts with others"
                _write_back(arg, self._decode(changed))
            return self._decode(reply[1])

    def _call_back(self, number: int, args: list[Any], kwargs: list[Any]) -> list[Any]:
        function = self._functions[number]
        try:
            value = function(
                *map(self._decode, args), **{key: self._decode(arg) for key, arg in kwargs}
            )
            return ["value", self._encode(value)]
        except Exception as error:  # noqa: BLE001 - it goes through the program, as it would in one process
            return ["raise", type(error).__name__, str(error)]

    def _error(self, reply: list[Any]) -> BaseException:
        """The program's exception as the nearest builtin one, or as a stand-in class."""
        _, names, text, number, plain = reply
        with self._readable():
            kind = self._exception(names)
            args, attributes = self._decode(plain)
        try:
            error = kind(*args)
        except Exception:  # noqa: BLE001 - a class that wants other arguments
            error = kind.__new__(kind)
        if kind.__module__ != "builtins":
            # Of the program's own classes only plain attributes and the text are known.
            self.met_objects = True
            error.__dict__.update(attributes)
            kind.cotgen_text = str(text).partition(": ")[2]  # type: ignore[attr-defined]
        error.cotgen_raised = Raised(names, str(text), _number(number))  # type: ignore[attr-defined]
        return error

    def _exception(self, names: list[str]) -> type[BaseException]:
        own: list[str] = []
        base: type[BaseException] = Exception
        for name in names:
            known = self._exceptions.get(name) or vars(builtins).get(name)
            if isinstance(known, type) and issubclass(known, BaseException):
                base = known
                break
            own.append(str(name))
        for name in reversed(own):
            base = self._exceptions[name] = type(name, (base,), {"__str__": _text})
        return base

    def _encode(self, value: object) -> wire.Encoded:
        try:
            return wire.Encoder(self._keep).encode(value)
        except wire.Unsendable as error:
            raise self._stop("unusable", str(error)) from None

    def _keep(self, value: object) -> wire.Encoded:
        if isinstance(value, Remote):
            return ["m", value._cotgen_number]
        if isinstance(value, _FUNCTIONS):
            # Only calls are answered: the program cannot look into a function of the tests.
            name = getattr(value, "__name__", "")
            if name in self.oracles and not isinstance(value, types.BuiltinFunctionType):
                self.doubt = self.doubt or f"the tests hand the program {name}, their own measure"
            self._functions.append(value)
            self._handed.append(self._clock + 1)
            return ["p", len(self._functions) - 1]
        raise wire.Unsendable(
            f"the tests hand the program a {type(value).__name__}, which cannot leave their process"
        )

    def _decode(self, encoded: wire.Encoded) -> Any:
        try:
            return wire.decode(encoded, self._object)
        except wire.Garbled as error:
            raise self._stop("unreadable", str(error)) from None

    def _object(self, tag: str, rest: list[Any]) -> object:
        if tag == "p":
            return self._functions[rest[0]]
        if tag != "r":
            raise wire.Garbled(f"unknown tag {tag!r}")
        self.met_objects = self.opaque = True
        number, own, can_call, kind = rest
        self._born.setdefault(int(number), self._clock)
        return Remote(self, int(number), bool(own), bool(can_call), str(kind))

    def _send(self, message: object) -> None:
        try:
            wire.send(self._connection, message)
        except wire.Gone:
            raise self._stop("gone", "the program's process ended") from None
        except wire.Unsendable as error:
            raise self._stop("unusable", str(error)) from None

    def _receive(self) -> list[Any]:
        try:
            reply = wire.receive(self._connection)
        except wire.Gone:
            raise self._stop("gone", "the program's process ended") from None
        except wire.Garbled as error:
            raise self._stop("unreadable", str(error)) from None
        if not isinstance(reply, list) or len(reply) < _LENGTHS.get(_tag(reply), 99):
            raise self._stop("unreadable", "the program's process sent what is no reply")
        return reply

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """A reply that is not made as ours are was forged: it says nothing."""
        try:
            yield
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise self._stop("unreadable", f"the program sent no valid reply: {error}") from None

    def _stop(self, finding: str, detail: str) -> Stop:
        self.stopped = Stop(finding, detail)
        return self.stopped

    def doubted(self, kind: str, verb: str) -> None:
        """Note that an object of the program was asked to judge itself."""
        self.doubt = self.doubt or f"the program's own class {kind} decides its `{verb}`"


_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial,
    type(str.upper), type(str.__add__), type(dict.fromkeys),
)  # fmt: skip


def _text(error: Any) -> str:
    return str(error.cotgen_text)


def _imported(name: str, kind: str, home: str) -> Iterator[tuple[str, object]]:
    """A library module that the program imported, or what it imported from one under its own name,
    as it is here: the program's word would not do. `unittest` holds objects that equal all."""
    if home.partition(".")[0] not in sys.stdlib_module_names or home.startswith("unittest"):
        return
    try:
        module = importlib.import_module(home)
    except ImportError:
        return
    if kind == "module":
        yield name, module
    elif hasattr(module, name):
        yield name, getattr(module, name)


def _tag(reply: object) -> str:
    return reply[0] if isinstance(reply, list) and reply and isinstance(reply[0], str) else ""


_LENGTHS = {"chosen": 2, "syntax": 2, "raise": 5, "loaded": 1, "names": 2, "callback": 4,
            "unsendable": 2, "value": 3}  # fmt: skip


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _write_back(arg: Any, changed: Any) -> None:
    """Let a test see what the program did to its argument."""
    if isinstance(arg, list | bytearray):
        arg[:] = changed
    elif isinstance(arg, deque):
        arg.clear()
        arg.extend(changed)
    elif isinstance(arg, dict | set):
        arg.clear()
        arg.update(changed)


def _shared(arg: Any) -> bool:
    """Whether a part of a changed argument can be reached in another way, which sees no change.

    What else holds a part shows in its count of references.
    """
    if isinstance(arg, tuple):
        return True  # It cannot be written back, as a part of it has changed.
    parts: Any = arg.values() if isinstance(arg, dict) else arg
    for part in parts:
        held = sys.getrefcount(part)  # By the argument, by the loop and by this call.
        if isinstance(part, _NESTED):
            if held > 3 or _shared(part):
                return True
        elif isinstance(part, tuple) and any(isinstance(item, _NESTED) for item in part):
            return True
    return False


_NESTED = (list, dict, set, bytearray, deque)


class Remote:
    """An object of the program, which stays in the program's process."""

    _cotgen_name = ""

    def __init__(self, home: Program, number: int, own: bool, can_call: bool, kind: str) -> None:
        fields = self.__dict__
        fields["_cotgen_home"] = home
        fields["_cotgen_number"] = number
        fields["_cotgen_own"] = own
        fields["_cotgen_callable"] = can_call
        fields["_cotgen_kind"] = kind

    def _cotgen_do(self, verb: str, *args: object) -> Any:
        return self._cotgen_home.call(["verb", verb], (self, *args), {})

    def __call__(self, *args: object, **kwargs: object) -> Any:
        home: Program = self._cotgen_home
        name = self._cotgen_name or self._cotgen_kind
        home.last = f"{name}({shown(args, kwargs)}) did not return"
        try:
            value = home.call(["object", self._cotgen_number], args, kwargs)
        except BaseException as error:
            raised = getattr(error, "cotgen_raised", None)
            if raised:
                home.last = f"{name}({shown(args, kwargs)}) raised {raised.text}"
            raise
        home.last = f"{name}({shown(args, kwargs)}) returned {short(value)}"
        return value

    def __getattr__(self, name: str) -> Any:
        # Not numpy's either: they would have it read memory where the program says.
        if name.startswith(("_cotgen", "__array")) or name in ("__wrapped__", "__test__"):
            raise AttributeError(name)
        value = self._cotgen_do("getattr", name)
        if isinstance(value, Remote):
            value.__dict__["_cotgen_name"] = f"{self._cotgen_name or self._cotgen_kind}.{name}"
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_cotgen_name":
            self.__dict__[name] = value
        else:
            self._cotgen_do("setattr", name, value)

    def __delattr__(self, name: str) -> None:
        self._cotgen_do("delattr", name)

    def __getitem__(self, key: object) -> Any:
        return self._cotgen_do("getitem", key)

    def __setitem__(self, key: object, value: object) -> None:
        self._cotgen_do("setitem", key, value)

    def __delitem__(self, key: object) -> None:
        self._cotgen_do("delitem", key)

    def __len__(self) -> int:
        return int(self._cotgen_do("len"))

    def __bool__(self) -> bool:
        return bool(self._cotgen_do("bool"))

    def __iter__(self) -> Iterator[Any]:
        steps = self._cotgen_do("iter")
        return steps if isinstance(steps, Remote) else iter(steps)

    def __next__(self) -> Any:
        return self._cotgen_do("next")

    def __str__(self) -> str:
        return str(self._cotgen_do("str"))

    def __repr__(self) -> str:
        return str(self._cotgen_do("repr"))

    def __hash__(self) -> int:
        return hash(self._cotgen_number)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Remote) and bool(value._cotgen_do("isinstance", self))

    def __enter__(self) -> Any:
        return self._cotgen_do("getattr", "__enter__")()

    def __exit__(self, *error: object) -> bool:
        return bool(self._cotgen_do("getattr", "__exit__")(None, None, None))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Remote):
            if other._cotgen_number == self._cotgen_number:
                return True
            own = self._cotgen_own or other._cotgen_own
        else:
            own = self._cotgen_own
        if not own:
            return False
        self._cotgen_home.doubted(self._cotgen_kind, "==")
        return isinstance(other, Remote) and bool(self._cotgen_do("eq", other))


def _judging(verb: str, shown: str) -> Callable[..., Any]:
    """An operator whose result the program's own object decides: a pass by it is doubtful."""

    def method(self: Remote, *others: object) -> Any:
        self._cotgen_home.doubted(self._cotgen_kind, shown)
        return self._cotgen_do(verb, *others)

    return method


def _reflected(verb: str, shown: str) -> Callable[..., Any]:
    def method(self: Remote, other: object) -> Any:
        self._cotgen_home.doubted(self._cotgen_kind, shown)
        return self._cotgen_home.call(["verb", verb], (other, self), {})

    return method


for _name in ("lt", "le", "gt", "ge", "contains", "neg", "pos", "abs", "int", "float", "index"):
    setattr(Remote, f"__{_name}__", _judging(_name, _name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_",
              "xor"):  # fmt: skip
    _bare = _name.rstrip("_")
    setattr(Remote, f"__{_bare}__", _judging(_name, _bare))
    setattr(Remote, f"__r{_bare}__", _reflected(_name, _bare))


def shown(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    shown = [short(arg) for arg in args] + [f"{key}={short(arg)}" for key, arg in kwargs.items()]
    return ", ".join(shown)[:200]


def short(value: object) -> str:
    """A value for a person to read. Objects of the program are not asked."""
    if isinstance(value, Remote):
        return f"<{value._cotgen_kind} object>"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - huge integers, objects in lists
        return f"a {type(value).__name__}"
    return text if len(text) <= 120 else text[:117] + "..."
