"""The signs of mathematics: how tightly they bind, and what they make of what they join."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cotgen.verifiers.mathematics.build import minus, quotient, scalar, total
from cotgen.verifiers.mathematics.cursor import Cursor
from cotgen.verifiers.mathematics.nodes import (
    Function,
    Intersection,
    Node,
    PlusMinus,
    Ratio,
    Union,
    Without,
)
from cotgen.verifiers.mathematics.parse_brackets import (
    CLOSING,
    FENCES,
    absolute,
    braces,
    bracketed,
    fenced,
    vector,
)
from cotgen.verifiers.mathematics.parse_indices import combinations

RELATIONS = (
    {
        "=": "=",
        "<": "<",
        ">": ">",
        "\\le": "<=",
        "\\leq": "<=",
        "\\leqslant": "<=",
        "\\ge": ">=",
        "\\geq": ">=",
        "\\geqslant": ">=",
        "\\leqq": "<=",
        "\\geqq": ">=",
        "\\lt": "<",
        "\\gt": ">",
        "\\ne": "!=",
        "\\neq": "!=",
        "\\in": "in",
        "\\approx": "~",
        "\\simeq": "~",
        "\\doteq": "~",
        "\\equiv": "=",
    }
    | {
        f"\\{name}": name
        for name in (
            *(
                "notin",
                "subset",
                "subseteq",
                "supset",
                "supseteq",
                "parallel",
                "perp",
                "cong",
                "sim",
            ),
            *("propto", "to", "implies", "iff", "leftrightarrow", "mapsto", "mid", "nmid"),
        )
    }
    | {
        "\\rightarrow": "to",
        "\\longrightarrow": "to",
        "\\Rightarrow": "implies",
        "\\Longrightarrow": "implies",
        "\\Leftrightarrow": "iff",
        "\\Longleftrightarrow": "iff",
    }
)
RELATION, SET, RATIO, SUM, PRODUCT, SIGN, IMPLICIT, POWER, POSTFIX = range(10, 100, 10)
CHOOSE = 5
UNIT = RELATION + 1
MODULUS = RELATION + 2
SIGNS = {
    "\\choose": CHOOSE,
    "\\over": CHOOSE,
    "\\pmod": MODULUS,
    "\\mod": MODULUS,
    "\\bmod": PRODUCT,
    "\\cap": SET,
    "\\degree": POSTFIX,
    "\\ast": PRODUCT,
    "+": SUM,
    "-": SUM,
    "\\pm": SUM,
    "\\mp": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "\\cdot": PRODUCT,
    "\\times": PRODUCT,
    "\\div": PRODUCT,
    "\\cup": SET,
    "\\setminus": SET,
    "\\backslash": SET,
    "\\\\": 0,
    ":": RATIO,
    "^": POWER,
    "!": POSTFIX,
    "\\%": POSTFIX,
    "%": POSTFIX,
    "'": POSTFIX,
} | dict.fromkeys(RELATIONS, RELATION)

PREFIX: Mapping[str, Callable[[Cursor], Node]] = (
    dict.fromkeys((*CLOSING, "]"), bracketed)
    | dict.fromkeys(("|", "\\vert", "\\|"), absolute)
    | dict.fromkeys(("<", "\\langle"), vector)
    | dict.fromkeys(("_", "^"), combinations)
    | dict.fromkeys(FENCES, fenced)
    | {"{": braces}
)


def _plus_minus(left: Node, right: Node) -> Node:
    return total(left, PlusMinus(scalar(right)))


def _union(left: Node, right: Node) -> Node:
    return Union((*(left.parts if isinstance(left, Union) else (left,)), right))


def _intersection(left: Node, right: Node) -> Node:
    return Intersection((*(left.parts if isinstance(left, Intersection) else (left,)), right))


def _ratio(left: Node, right: Node) -> Node:
    return Ratio((*(left.items if isinstance(left, Ratio) else (scalar(left),)), scalar(right)))


def _function_of_two(name: str) -> Callable[[Node, Node], Node]:
    return lambda left, right: Function(name, (scalar(left), scalar(right)))


INFIX: dict[str, Callable[[Node, Node], Node]] = {
    "+": total,
    "-": minus,
    "\\pm": _plus_minus,
    "\\mp": _plus_minus,
    "\\cup": _union,
    "\\cap": _intersection,
    ":": _ratio,
    "\\setminus": Without,
    "\\backslash": Without,
    "\\choose": _function_of_two("binomial"),
    "\\over": quotient,
    "\\bmod": _function_of_two("mod"),
}
