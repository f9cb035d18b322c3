"""How values travel between a program and its judge: tagged JSON in frames with a length.

Plain data keeps its exact types. What is not plain data (objects and functions of the program)
stays where it is and travels as a number. No side ever runs what the other one sent.
"""

from __future__ import annotations

import builtins
import datetime
import json
import socket
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

RUN, STOP = b"r", b"k"
"""The first byte of what the owner says to its server: a run follows; stop the one that is on."""
FAILED = 70
"""The exit status of a child in which our own part failed."""
LARGEST = 64 << 20
"""Bytes of a frame at most."""
_LENGTH = struct.Struct(">I")
_TYPES: dict[str, type] = {
    name: value for name, value in vars(builtins).items() if isinstance(value, type)
}
_DEEPEST = 150
_MOST = 2_000_000
_SAFE = 1 << 53

Encoded = Any
Keep = Callable[[object], Encoded]
Find = Callable[[str, list[Any]], object]


class Gone(Exception):
    """The other side has closed the connection, or died."""


class Unsendable(Exception):
    """A value that cannot travel: too large, too deep, or bound to its process."""


class Garbled(Exception):
    """The other side sent what is no value."""


def send(connection: socket.socket, message: object) -> None:
    """Write one frame. Raises Gone, Unsendable."""
    try:
        payload = json.dumps(message, separators=(",", ":")).encode("ascii")
    except (RecursionError, ValueError) as error:
        raise Unsendable(f"a value cannot be sent: {error}") from None
    if len(payload) > LARGEST:
        raise Unsendable("a value is too large to be sent")
    try:
        connection.sendall(_LENGTH.pack(len(payload)) + payload)
    except OSError as error:
        raise Gone(str(error)) from None


def receive(connection: socket.socket) -> Any:
    """Read one frame. Raises Gone, Garbled."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > LARGEST:
        raise Garbled("a frame is too large")
    payload = _exactly(connection, length)
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"a frame is no JSON: {error}") from None


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        try:
            part = connection.recv(min(length - len(parts), 1 << 20))
        except OSError as error:
            raise Gone(str(error)) from None
        if not part:
            raise Gone("the connection was closed")
        parts += part
    return bytes(parts)


class Encoder:
    """Turns one value into tagged JSON; `keep` says what stands for objects that stay."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._count = 0

    def encode(self, value: Any, depth: int = 0) -> Encoded:
        """The value as JSON. Raises Unsendable."""
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise Unsendable("a value is too large or nested too deeply to be compared")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -_SAFE < value < _SAFE else ["i", hex(value)]
        if kind is float:
            return ["f", value.hex()]
        if kind in _SEQUENCES:
            return [_SEQUENCES[kind], [self.encode(item, depth + 1) for item in value]]
        if kind in _MAPPINGS:
            pairs = ([self.encode(part, depth + 1) for part in pair] for pair in value.items())
            return [_MAPPINGS[kind], list(pairs)]
        if isinstance(value, type) and _TYPES.get(value.__name__) is value:
            return ["k", [value.__name__]]
        if kind in _OTHERS:
            tag, parts = _OTHERS[kind]
            return [tag, parts(value)]
        return self._derived(value, depth)

    def _derived(self, value: Any, depth: int) -> Encoded:
        """Values of library classes derived from plain ones count as these (a numpy float, a named
        tuple); those of the program's own classes stay objects."""
        if type(value).__module__ not in _PROGRAM:
            for kind in _PLAIN:
                if isinstance(value, kind):
                    plain: Any = kind
                    return self.encode(plain(value), depth)
        elif isinstance(value, tuple) and hasattr(type(value), "_fields"):
            return self.encode(tuple(value), depth)
        return self._keep(value)


PROGRAM_MODULE = "program"
_PROGRAM = (PROGRAM_MODULE, "__main__")
_PLAIN: tuple[type[Any], ...] = (int, float, str, tuple, list, dict, set, frozenset, bytes)
_SEQUENCES: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "S", deque: "q"}
_MAPPINGS: dict[type, str] = {dict: "d", defaultdict: "d", OrderedDict: "o", Counter: "C"}
_OTHERS: dict[type, tuple[str, Callable[[Any], list[Any]]]] = {
    complex: ("c", lambda value: [value.real.hex(), value.imag.hex()]),
    bytes: ("b", lambda value: [value.hex()]),
    bytearray: ("B", lambda value: [value.hex()]),
    range: ("R", lambda value: [hex(value.start), hex(value.stop), hex(value.step)]),
    slice: ("L", lambda value: [value.start, value.stop, value.step]),
    Decimal: ("D", lambda value: [str(value)]),
    Fraction: ("F", lambda value: [hex(value.numerator), hex(value.denominator)]),
    datetime.datetime: ("T", lambda value: [value.isoformat()]),
    datetime.date: ("y", lambda value: [value.isoformat()]),
    datetime.time: ("h", lambda value: [value.isoformat()]),
    datetime.timedelta: ("u", lambda value: [value.days, value.seconds, value.microseconds]),
    type(...): ("e", lambda value: []),
}


def decode(encoded: Encoded, find: Find) -> Any:
    """The value that tagged JSON stands for; `find` gives what stands for a tag of its own.

    Raises Garbled.
    """
    try:
        return _decode(encoded, find)
    except Garbled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the other side sent
        raise Garbled(f"no value: {type(error).__name__}: {error}") from None


def _decode(encoded: Encoded, find: Find) -> Any:
    if not isinstance(encoded, list):
        return encoded
    tag, rest = encoded[0], encoded[1:]
    if tag in _BUILD_SEQUENCE:
        return _BUILD_SEQUENCE[tag]([_decode(item, find) for item in rest[0]])
    if tag in _BUILD_MAPPING:
        return _BUILD_MAPPING[tag](
            (_decode(key, find), _decode(item, find)) for key, item in rest[0]
        )
    if tag in _BUILD_OTHER:
        return _BUILD_OTHER[tag](*(rest[0] if isinstance(rest[0], list) else rest))
    return find(tag, rest)


_BUILD_SEQUENCE: dict[str, Callable[[list[Any]], Any]] = {
    tag: kind for kind, tag in _SEQUENCES.items()
}
_BUILD_MAPPING: dict[str, Callable[[Any], Any]] = {
    "d": dict,
    "o": OrderedDict,
    "C": lambda pairs: Counter(dict(pairs)),
}
_BUILD_OTHER: dict[str, Callable[..., Any]] = {
    "i": lambda digits: int(digits, 16),
    "f": float.fromhex,
    "c": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "b": bytes.fromhex,
    "B": bytearray.fromhex,
    "R": lambda *ends: range(*(int(end, 16) for end in ends)),
    "L": slice,
    "D": Decimal,
    "F": lambda *parts: Fraction(*(int(part, 16) for part in parts)),
    "T": datetime.datetime.fromisoformat,
    "y": datetime.date.fromisoformat,
    "h": datetime.time.fromisoformat,
    "u": datetime.timedelta,
    "e": lambda: ...,
    "k": lambda name: _TYPES[name],
}
