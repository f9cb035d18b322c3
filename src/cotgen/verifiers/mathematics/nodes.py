"""What an answer can be once it is read: frozen nodes, nothing that can be executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from operator import attrgetter
from typing import Any, Literal

from cotgen.errors import CotgenError
from cotgen.verifiers.mathematics import effort


class Unreadable(CotgenError):
    """An answer that cannot be read or worked with; the message says why."""


class TooBig(Unreadable):
    """A limit was reached before the work was begun."""


class Undefined(Unreadable):
    """An expression without a value that all agree on, such as 0^0."""


class DivisionByZero(Undefined):
    """An expression that surely has no value: equal to nothing."""


@dataclass(frozen=True, slots=True)
class Number:
    """An exact rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number with a name."""

    name: Literal["pi", "e", "i", "oo"]


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms added up."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Factors multiplied."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Quotient:
    """One over the other."""

    over: Node
    under: Node


@dataclass(frozen=True, slots=True)
class Power:
    """A base raised to an exponent."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Root:
    """The real `index`-th root where there is one, else the principal one."""

    radicand: Node
    index: int


@dataclass(frozen=True, slots=True)
class Function:
    """A known function (`sin`, `log`, `floor`, `percent`, …) or an unknown one such as `f`."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class PlusMinus:
    """Both signs of a term: one plus-minus sign gives two values."""

    term: Node


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list without brackets, a tuple, an interval or a set: the brackets tell."""

    open: Literal["", "(", "[", "{", "]"]
    close: Literal["", ")", "]", "}", "["]
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Sides joined by `=`, `<`, `<=`, `>`, `>=`, `!=`, `in` or `~`, one fewer than the sides."""

    sides: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """Sets united."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    """What sets have in common."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """All values of a name that meet the conditions, `\\{x \\mid x > 2\\}`."""

    name: Node
    conditions: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """A set without the elements of another."""

    whole: Node
    part: Node


@dataclass(frozen=True, slots=True)
class Reals:
    """All real numbers."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Another set of numbers with a name: `Z`, `N`, `Q`, `C`, `Z+`."""

    name: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Numbers in proportion, `2:3:5`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Based:
    """Digits that carry their base."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with its unit as it was written."""

    value: Node
    unit: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day; `half` is `a`, `p` or empty where the text does not tell."""

    hour: int
    minute: int
    half: str


@dataclass(frozen=True, slots=True)
class Date:
    """A day or a whole month; the year or the day is None where the text names none."""

    year: int | None
    month: int
    day: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The letter of an option, with the option's text where that was given."""

    letter: str
    content: Node | None


@dataclass(frozen=True, slots=True)
class Text:
    """Words without articles and punctuation."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A formula that can only be compared as it is written."""

    tokens: tuple[str, ...]


Node = (
    Number
    | Symbol
    | Constant
    | Sum
    | Product
    | Quotient
    | Power
    | Root
    | Function
    | PlusMinus
    | Sequence
    | Relation
    | Union
    | Intersection
    | Where
    | Without
    | Reals
    | Numbers
    | Matrix
    | Ratio
    | Based
    | Quantity
    | Clock
    | Date
    | Choice
    | Text
    | Verbatim
)

SCALARS = (Number, Symbol, Constant, Sum, Product, Quotient, Power, Root, Function)


BOUND = "#"
"""How the names that a sum, a product, an integral or a limit binds begin."""


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below a node. Whoever walks a tree comes here, and pays for each step."""
    effort.spend(1)
    parts = _PARTS.get(type(node))
    return () if parts is None else parts(node)


def _entries(matrix: Matrix) -> tuple[Node, ...]:
    return tuple(entry for row in matrix.rows for entry in row)


_PARTS: dict[type, Callable[[Any], tuple[Node, ...]]] = {
    Sum: attrgetter("terms"),
    Product: attrgetter("factors"),
    Quotient: attrgetter("over", "under"),
    Power: attrgetter("base", "exponent"),
    Root: lambda root: (root.radicand,),
    Function: attrgetter("args"),
    PlusMinus: lambda both: (both.term,),
    Sequence: attrgetter("items"),
    Relation: attrgetter("sides"),
    Union: attrgetter("parts"),
    Intersection: attrgetter("parts"),
    Where: lambda where: (where.name, *where.conditions),
    Without: attrgetter("whole", "part"),
    Matrix: _entries,
    Ratio: attrgetter("items"),
    Quantity: lambda quantity: (quantity.value,),
    Choice: lambda choice: () if choice.content is None else (choice.content,),
}
"""By class: what is asked most often is looked up, not tried one after the other."""


def symbols(node: Node) -> frozenset[str]:
    """The names of the variables in a node; those that a sum or an integral binds are no one's."""
    if isinstance(node, Symbol):
        return frozenset() if node.name.startswith(BOUND) else frozenset({node.name})
    return frozenset[str]().union(*map(symbols, children(node)))


def size(node: Node) -> int:
    """How many nodes there are, this one included."""
    return 1 + sum(map(size, children(node)))


def contains(node: Node, kind: type | tuple[type, ...]) -> bool:
    """Whether a node of this kind is in it."""
    return isinstance(node, kind) or any(contains(child, kind) for child in children(node))
