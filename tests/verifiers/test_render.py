"""Canonical forms: one text for what was read."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cotgen.verifiers.mathematics.nodes import (
    Choice,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    Text,
)
from cotgen.verifiers.mathematics.read import read
from cotgen.verifiers.mathematics.render import LONGEST, render


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.50", "1/2"),
        ("\\frac{-3}{4}", "-3/4"),
        ("1{,}234", "1234"),
        ("x - 3", "x-3"),
        ("-x", "-x"),
        ("2(x+1)^2", "2*(x+1)^2"),
        ("\\frac{x+1}{y}", "(x+1)/y"),
        ("\\sqrt[3]{x}", "root(x,3)"),
        ("(1, \\frac12]", "(1,1/2]"),
        ("x = 2, y = 3", "x=2,y=3"),
        ("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "[1,2;3,4]"),
        ("2^{-x}", "2^(-x)"),
        ("\\sin(2x)", "sin(2*x)"),
        ("5 \\pm \\sqrt2", "5±sqrt(2)"),
        ("\\text{east}", "east"),
    ],
)
def test_an_answer_has_one_spelling(text: str, canonical: str) -> None:
    assert render(read(text).readings[0]) == canonical


X, TWO, THREE = Symbol("x"), Number(Fraction(2)), Number(Fraction(3))


def test_brackets_keep_different_trees_apart() -> None:
    trees: list[Node] = [
        Product((Sum((X, TWO)), THREE)),
        Sum((X, Product((TWO, THREE)))),
        Power(Product((TWO, X)), THREE),
        Product((TWO, Power(X, THREE))),
        Quotient(X, Quotient(TWO, THREE)),
        Quotient(Quotient(X, TWO), THREE),
        Power(Number(Fraction(1, 2)), X),
        Power(Number(Fraction(-2)), TWO),
        Root(Sum((X, TWO)), 2),
        Choice("A", TWO),
        Choice("A", None),
    ]
    assert len({render(tree) for tree in trees}) == len(trees)


def test_what_is_long_is_cut_and_ends_in_an_ellipsis() -> None:
    nodes: tuple[Node, ...] = (
        Number(Fraction(10**100_000, 7)),
        Sum(tuple(X for _ in range(5_000))),
        Text(("word",) * 5_000),
    )
    for node in nodes:
        text = render(node)
        assert len(text) == LONGEST
        assert text.endswith("…")
