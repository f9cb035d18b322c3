"""A node with its parts changed: the one place that knows how each kind is put together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cotgen.verifiers.mathematics import effort
from cotgen.verifiers.mathematics.nodes import (
    Choice,
    Constant,
    Function,
    Intersection,
    Matrix,
    Node,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Ratio,
    Relation,
    Root,
    Sequence,
    Sum,
    Symbol,
    Union,
    Where,
    Without,
)

Change = Callable[[Node], Node]
STEPS_PER_NODE = 2


def rebuilt(node: Node, change: Change) -> Node:
    """The node with each of the nodes directly below it changed."""
    effort.spend(STEPS_PER_NODE)
    match node:
        case Sum(terms):
            return Sum(tuple(map(change, terms)))
        case Product(factors):
            return Product(tuple(map(change, factors)))
        case Quotient(over, under):
            return Quotient(change(over), change(under))
        case Power(base, exponent):
            return Power(change(base), change(exponent))
        case Root(radicand, index):
            return Root(change(radicand), index)
        case Function(name, args):
            return Function(name, tuple(map(change, args)))
        case PlusMinus(term):
            return PlusMinus(change(term))
        case Quantity(value, unit):
            return Quantity(change(value), unit)
        case _:
            return _rebuilt_structure(node, change)


def _rebuilt_structure(node: Node, change: Change) -> Node:
    match node:
        case Sequence(opened, closed, items):
            return Sequence(opened, closed, tuple(map(change, items)))
        case Relation(sides, signs):
            return Relation(tuple(map(change, sides)), signs)
        case Union(parts) | Intersection(parts):
            return type(node)(tuple(map(change, parts)))
        case Where(name, conditions):
            return Where(change(name), tuple(map(change, conditions)))
        case Without(whole, part):
            return Without(change(whole), change(part))
        case Matrix(rows):
            return Matrix(tuple(tuple(map(change, row)) for row in rows))
        case Ratio(items):
            return Ratio(tuple(map(change, items)))
        case Choice(_, content) if content is not None:
            return replace(node, content=change(content))
        case _:
            return node


def replaced(node: Node, name: Symbol | Constant, by: Node) -> Node:
    """The node with another one in the place of a name."""
    if node == name:
        return by
    return rebuilt(node, lambda child: replaced(child, name, by))
