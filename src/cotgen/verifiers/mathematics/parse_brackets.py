"""What stands in brackets: groups, tuples, intervals, sets, absolute values, matrices."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from cotgen.verifiers.mathematics.build import scalar
from cotgen.verifiers.mathematics.cursor import Cursor, Joined, key_of
from cotgen.verifiers.mathematics.nodes import (
    SCALARS,
    Function,
    Intersection,
    Matrix,
    Node,
    Number,
    Power,
    Relation,
    Root,
    Sequence,
    Sum,
    Text,
    Union,
    Unreadable,
    Where,
    symbols,
)
from cotgen.verifiers.mathematics.parse_indices import combinations

CLOSING = {"(": ")", "[": "]", "\\{": "\\}"}
FENCES = {
    "\\lfloor": ("\\rfloor", "floor"),
    "\\lceil": ("\\rceil", "ceil"),
    "\\lvert": ("\\rvert", "abs"),
    "\\lVert": ("\\rVert", "?norm"),
}
_MATRICES = frozenset(("matrix", "pmatrix", "bmatrix", "Bmatrix", "array", "smallmatrix"))
_DETERMINANTS = frozenset(("vmatrix", "Vmatrix"))
_CASES = frozenset(("cases", "rcases", "dcases"))
_ALIGNED = frozenset(("aligned", "align", "gathered", "gather", "split", "equation", "alignedat"))
_INEQUALITIES = frozenset(("<", "<=", ">", ">=", "!="))
_BARS = {"|": "|", "\\vert": "\\vert", "\\|": "\\|"}


def together(items: list[Node], joined: Joined) -> Node:
    """What members without brackets make; inequalities joined by a word are one condition."""
    if len(items) == 1:
        return items[0]
    conditions = all(
        isinstance(item, Relation) and _INEQUALITIES.issuperset(item.signs) for item in items
    )
    if conditions and joined and len(set(map(symbols, items))) == 1:
        return Union(tuple(items)) if joined == "or" else Intersection(tuple(items))
    items = _under_one_modulus(items)
    if joined == "or" and _says_of_several(items):
        return Union(tuple(items))
    return Sequence("", "", tuple(items))


def _under_one_modulus(items: list[Node]) -> list[Node]:
    """`n \\equiv 2, 3 \\pmod 4`: the modulus at the end is that of each."""
    by, name = _modulus(items[-1]), items[0].sides[0] if isinstance(items[0], Relation) else None
    if by is None or any(_modulus(item) is not None for item in items[:-1]):
        return items
    found: list[Node] = []
    for item in items:
        value = item.sides[-1] if isinstance(item, Relation) else item
        if isinstance(item, Relation) and (item.signs != ("=",) or item.sides[0] != name):
            return items
        if not isinstance(value, SCALARS):
            return items
        under = value if _modulus(value) else Function("residue", (value, by))
        found.append(under if name is None else Relation((name, under), ("=",)))
    return found


def _modulus(node: Node) -> Node | None:
    last = node.sides[-1] if isinstance(node, Relation) else node
    is_class = isinstance(last, Function) and last.name == "residue"
    return last.args[1] if isinstance(last, Function) and is_class else None


def _says_of_several(items: list[Node]) -> bool:
    """Whether there are equations for several names, of which only one has to hold."""
    names = {item.sides[0] for item in items if isinstance(item, Relation)}
    return len(names) > 1 and all(isinstance(item, Relation) for item in items)


def grouped(items: list[Node], ends: list[int]) -> list[Node]:
    """`1,2; 3,4` are two pairs: where both signs separate, the semicolon parts groups."""
    if not ends or len(ends) == len(items) - 1:
        return items
    starts = [0, *ends, len(items)]
    groups = [tuple(items[low:high]) for low, high in pairwise(starts)]
    if len(set(map(len, groups))) > 1:
        return items
    if any(isinstance(item, Relation) for item in items):
        return [Sequence("", "", group) for group in groups]
    return [Sequence("(", ")", group) for group in groups]


def bracketed(parser: Cursor) -> Node:
    """Parentheses around one value group it; all other brackets make a sequence."""
    opened = key_of(parser.token)
    if opened == "\\{":
        return _set(parser, opened)
    parser.step()
    bars, parser.bars = parser.bars, 0
    items = parser.items()
    parser.bars = bars
    closed = key_of(parser.step())
    if closed not in (")", "]", "["):
        raise Unreadable(f"{opened!r} is not closed")
    if len(items) == 1:
        if (opened, closed) not in (("(", ")"), ("[", "]")):
            raise Unreadable(f"{opened!r} is closed by {closed!r}")
        return items[0]
    if opened == "]" and closed not in ("[", "]", ")"):
        raise Unreadable("brackets that do not match")
    return Sequence(opened, closed, tuple(items))  # type: ignore[arg-type]


def _set(parser: Cursor, opened: str) -> Node:
    stop = parser.closing(opened, CLOSING[opened])
    parser.step()
    if parser.take(CLOSING[opened]):
        return Sequence("{", "}", ())
    bar = _such_that(parser, stop)
    if bar is not None:
        node = _where(parser.apart(parser.at, bar), parser.apart(bar + 1, stop))
        parser.at = stop + 1
        return node
    items = parser.items()
    parser.expect(CLOSING[opened])
    return Sequence("{", "}", tuple(items))


def _such_that(parser: Cursor, stop: int) -> int | None:
    """Where the sign stands that parts a name from the conditions it has to meet."""
    named = parser.token.kind in ("name", "command") or parser.key() == "("
    for index in range(parser.at + 1, stop):
        token = parser.tokens[index]
        if token.kind in ("sign", "command") and key_of(token) in ("\\mid", "|", ":", "\\vert"):
            return index if named else None
        if token.kind == "sign" and token.text == "," and parser.key() != "(":
            return None
    return None


def _where(head: Node, body: Node) -> Node:
    conditions = body.items if isinstance(body, Sequence) and not body.open else (body,)
    match conditions:
        case (Relation((name, first), (("=" | "!=") as sign,)), *others) if (
            others and name == head and all(isinstance(each, SCALARS) for each in others)
        ):
            # `x \\ne 1, 2` leaves out both values, `x = 1, 2` is either.
            if sign == "=":
                return Sequence("{", "}", (first, *others))
            conditions = tuple(Relation((name, each), (sign,)) for each in (first, *others))
    if isinstance(head, Relation) and head.signs == ("in",):
        return Where(head.sides[0], (head, *conditions))
    return Where(head, conditions)


def braces(parser: Cursor) -> Node:
    """TeX's own braces group."""
    parser.expect("{")
    if parser.key() == "}" and parser.ahead(1) in ("_", "^"):
        parser.step()
        return combinations(parser)
    items, joined = parser.joined_items()
    parser.expect("}")
    return together(items, joined)


def vector(parser: Cursor) -> Node:
    """`<1,2>`: a column."""
    opened = key_of(parser.step())
    parser.angles += opened == "<"
    items = parser.items()
    parser.angles -= opened == "<"
    parser.expect(">" if opened == "<" else "\\rangle")
    if len(items) < 2:
        raise Unreadable("angle brackets around one value")
    return Matrix(tuple((item,) for item in items))


def absolute(parser: Cursor) -> Node:
    """`|x|`; of a matrix it is the determinant, and two bars on each side are a norm."""
    opened = key_of(parser.step())
    parser.bars += 1
    inner = parser.expression(0)
    parser.bars -= 1
    parser.expect(_BARS[opened])
    if opened == "\\|" and (length := _length(inner)) is not None:
        return length
    if isinstance(inner, Matrix):
        return Function("det", (inner,))
    return Function("?norm" if opened == "\\|" or _is_vector(inner) else "abs", (scalar(inner),))


def _is_vector(node: Node) -> bool:
    return isinstance(node, Function) and node.name == "mark vec"


def _length(node: Node) -> Node | None:
    """The length of a vector that is written out."""
    match node:
        case Sequence("(" | "<", _, items):
            parts = items
        case Matrix(rows) if len(rows) == 1 or len(rows[0]) == 1:
            parts = tuple(entry for row in rows for entry in row)
        case _:
            return None
    squares = (Power(Function("abs", (scalar(part),)), Number(Fraction(2))) for part in parts)
    return Root(Sum(tuple(squares)), 2)


def fenced(parser: Cursor) -> Node:
    """`\\lfloor x \\rfloor` and its kin."""
    closing, name = FENCES[key_of(parser.step())]
    inner = parser.expression(0)
    parser.expect(closing)
    if name == "?norm" and (length := _length(inner)) is not None:
        return length
    if isinstance(inner, Matrix) and name == "abs":
        return Function("det", (inner,))
    return Function(name, (scalar(inner),))


def environment(parser: Cursor) -> Node:
    """`\\begin{pmatrix} … \\end{pmatrix}`."""
    name = _environment_name(parser)
    if name in _ALIGNED:
        return _lines(parser)
    if name not in _MATRICES | _DETERMINANTS | _CASES:
        raise Unreadable(f"unknown environment {name[:30]!r}")
    if name == "array" and parser.key() == "{":
        while key_of(parser.step()) != "}":
            if parser.token.kind == "end":
                raise Unreadable("an array is not closed")
    rows: list[tuple[Node, ...]] = []
    while not parser.take("\\end"):
        rows.append(_row(parser, pieces=name in _CASES))
    if _environment_name(parser) != name or len({len(row) for row in rows}) != 1:
        raise Unreadable("a matrix of uneven rows")
    if name in _CASES:
        return _cases(rows)
    matrix = Matrix(tuple(rows))
    return Function("det", (matrix,)) if name in _DETERMINANTS else matrix


def _lines(parser: Cursor) -> Node:
    """Lines of equations: the signs that align them mean nothing."""
    start = parser.at
    places = range(start, len(parser.tokens))
    end = next((at for at in places if _key_at(parser, at) == "\\end"), None)
    if end is None:
        raise Unreadable("an environment is not closed")
    lines: list[Node] = []
    for stop in (*(at for at in range(start, end) if _key_at(parser, at) == "\\\\"), end):
        kept = [at for at in range(start, stop) if _key_at(parser, at) != "&"]
        if kept:
            lines.append(parser.read([parser.tokens[at] for at in kept]))
        start = stop + 1
    parser.at = end + 1
    _environment_name(parser)
    return together(lines, "")


def _key_at(parser: Cursor, at: int) -> str:
    token = parser.tokens[at]
    return key_of(token) if token.kind in ("sign", "command") else ""


def _cases(rows: list[tuple[Node, ...]]) -> Node:
    """A system of equations, or the pieces of a function, which equal only themselves."""
    entries = tuple(entry for row in rows for entry in row)
    listed = len(rows[0]) == 1 or _are_equations(entries)
    return Sequence("", "", entries) if listed else Function("?cases", entries)


def _row(parser: Cursor, *, pieces: bool) -> tuple[Node, ...]:
    entries = [_entry(parser)]
    while parser.take("&") or (pieces and _goes_on(entries) and parser.take(",")):
        _skip_if(parser)
        entries.append(_entry(parser))
    if parser.take("\\\\"):
        _skip_distance(parser)
    elif parser.key() != "\\end":
        raise Unreadable("a matrix is not closed")
    return tuple(entries)


def _goes_on(entries: list[Node]) -> bool:
    """Whether a comma parts the value of a piece from its condition, or two equations."""
    return (len(entries) == 1 and isinstance(entries[0], SCALARS)) or _are_equations(entries)


def _are_equations(entries: Iterable[Node]) -> bool:
    return all(isinstance(entry, Relation) and entry.signs == ("=",) for entry in entries)


_IF = frozenset(("if", "for", "when", "where"))
_OTHERWISE = frozenset(("otherwise", "else", "elsewhere"))


def _skip_if(parser: Cursor) -> None:
    """The word before the condition of a piece."""
    if _said(parser) in _IF:
        parser.step()


def _said(parser: Cursor) -> str:
    token = parser.token
    return token.text.lower().strip(" ,.") if token.kind in ("word", "text") else ""


def _entry(parser: Cursor) -> Node:
    """An entry; a comma or a full stop may stand before the sign that aligns the next."""
    if _said(parser) in _OTHERWISE:
        parser.step()
        entry: Node = Text(("otherwise",))
    else:
        entry = parser.expression(0)
    if parser.key() in (",", ".", ";") and parser.ahead(1) in ("&", "\\\\", "\\end"):
        parser.step()
    return entry


def _skip_distance(parser: Cursor) -> None:
    """The distance in `\\\\[2pt]`."""
    if parser.key() == "[" and parser.tokens[parser.at + 1].kind == "number":
        stop = parser.closing("[", "]")
        unit = parser.tokens[stop - 1]
        if unit.kind != "number" and stop - parser.at <= 4:
            parser.at = stop + 1


def _environment_name(parser: Cursor) -> str:
    parser.expect("{")
    name = ""
    while parser.token.kind in ("name", "word", "text"):
        name += parser.step().text
    parser.take("*")
    parser.expect("}")
    return name
