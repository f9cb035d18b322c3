"""The symbolic tier: what sympy shows to be equal, in a process that can be killed.

Confirms only: a difference that simplifies to zero. Slow, hence last, only for small answers, and
within the time that one judgement may spend on it. This side never imports sympy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cotgen.errors import CotgenError
from cotgen.verifiers.mathematics.nodes import (
    Constant,
    Function,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    Unreadable,
    children,
    size,
    symbols,
)

if TYPE_CHECKING:
    from cotgen.workers.helper import Helper

MAX_SIZE = 50
MAX_NESTED = 5
"""Functions within functions, exponents among them: sympy takes seconds for a few more."""
MAX_PACKED = 8_000
PROCESSOR_S = 0.5
"""What all comparisons of one judgement may use together, in processor time: a busy machine makes
them slower, not undecided."""
_MEMORY_MB = 1_024
_LONGEST_S = 5.0
_MODULE = Path(__file__).with_name("simplify.py")


_PATIENCE = 10
"""How many times as long as for its answers a judgement waits in line behind other threads'
questions and for the process to start: that makes it slower, not undecided."""


class Budget:
    """What one judgement has left for this tier, and why it got no answer, if it did not.

    Only while its own questions are worked on does its time run.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self.patience_s = _PATIENCE * within_s
        self.processor_s = PROCESSOR_S
        self.trouble = ""


@contextmanager
def limited(within_s: float) -> Iterator[Budget]:
    """One budget for all comparisons that this thread makes inside, with so many seconds for
    answers."""
    _current.budget = budget = Budget(within_s)
    try:
        yield budget
    finally:
        del _current.budget


_current = threading.local()


def equal(one: Node, two: Node) -> bool:
    """Whether sympy shows two expressions to be equal. False means: not shown."""
    if size(one) + size(two) > MAX_SIZE or max(_nested(one), _nested(two)) > MAX_NESTED:
        return False
    try:
        request = msgspec.msgpack.encode((_packed(one), _packed(two)))
    except Unreadable:
        return False
    budget: Budget = getattr(_current, "budget", None) or Budget(_LONGEST_S)
    return len(request) <= MAX_PACKED and _shown(request, budget)


def _nested(node: Node) -> int:
    """How many functions stand within each other."""
    exponential = isinstance(node, Power) and not isinstance(node.exponent, Number)
    own = isinstance(node, Function) or exponential
    return own + max(map(_nested, children(node)), default=0)


def _shown(request: bytes, budget: Budget) -> bool:
    if budget.trouble:
        # One expression took it all; the others of this answer would fare no better.
        return False
    asked = time.monotonic()
    try:
        answer = _helper().ask(
            request,
            within_s=budget.within_s,
            processor_s=budget.processor_s,
            patience_s=budget.patience_s,
        )
    except CotgenError as error:
        budget.trouble = str(error)
        return False
    budget.processor_s -= answer.seconds
    budget.patience_s -= answer.waited_s
    budget.within_s -= time.monotonic() - asked - answer.waited_s
    if answer.reason or min(budget.processor_s, budget.within_s, budget.patience_s) <= 0:
        budget.trouble = answer.reason or "out of time"
    return answer.data == b"1"


_shared: dict[Path, Helper] = {}


def _helper() -> Helper:
    """Made when it is first needed: most judgements never come here."""
    found = _shared.get(_MODULE)
    if found is None:
        from cotgen.workers.helper import Helper

        # No lock, which a fork could inherit held; of two threads' helpers one is never started.
        found = _shared.setdefault(_MODULE, Helper(_MODULE, memory_mb=_MEMORY_MB))
    return found


def _packed(node: Node) -> list[Any]:
    match node:
        case Number(value):
            return ["number", f"{value.numerator:x}", f"{value.denominator:x}"]
        case Symbol(name):
            return ["symbol", name]
        case Constant(name):
            return ["constant", name]
        case Sum(terms):
            return ["sum", *map(_packed, terms)]
        case Product(factors):
            return ["product", *map(_packed, factors)]
        case Quotient(over, under):
            return ["quotient", _packed(over), _packed(under)]
        case Power(base, exponent):
            return ["power", _packed(base), _packed(exponent)]
        case Root(radicand, index):
            return ["root", _packed(radicand), index]
        case Function(name, args) if not _is_of_unknown(node):
            return ["function", name, *map(_packed, args)]
        case _:
            raise Unreadable("no expression")


def _is_of_unknown(node: Function) -> bool:
    """Whether it is the derivative of a name that may be an unknown function, as in `dy/dx`."""
    if node.name != "derivative":
        return False
    body, name, _ = node.args
    return not symbols(name) <= symbols(body)
