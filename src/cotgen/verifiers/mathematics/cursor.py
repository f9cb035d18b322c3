"""Where the parser stands in the tokens of one answer, and what it offers to each part of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from cotgen.verifiers.mathematics.nodes import Node, TooBig, Unreadable
from cotgen.verifiers.mathematics.tokens import Token

MAX_DEPTH = 40

Joined = Literal["", "and", "or"]
_JOINERS: dict[str, Joined] = {"and": "and", "or": "or", "\\&": "and"}
_JOINING_COMMANDS: dict[str, Joined] = {"lor": "or", "vee": "or", "land": "and", "wedge": "and"}


_SAME = {
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\lparen": "(",
    "\\rparen": ")",
    "\\colon": ":",
    "\\bigcup": "\\cup",
    "\\bigcap": "\\cap",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\mathbin": "",
}


_QUALIFYING = frozenset(("forall", "in", "mathbb"))


def key_of(token: Token) -> str:
    """How a sign or a command is looked up."""
    if token.kind != "command":
        return token.text
    key = "\\" + token.text
    return _SAME.get(key, key)


class Cursor(ABC):
    """A place in the tokens. `depth`, `bars` and `angles` count what is open around it.

    `group_ends`: before which members of the last list a semicolon stands.
    """

    def __init__(self, tokens: list[Token], *, slash_takes_product: bool) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.angles = 0
        self.group_ends: list[int] = []
        self._closings: tuple[list[Token], dict[str, dict[int, int]]] | None = None
        self.slash_takes_product = slash_takes_product
        self.slash_is_ambiguous = False

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def key(self) -> str:
        """How the next token is looked up; words, numbers and names are never operators."""
        token = self.token
        return key_of(token) if token.kind in ("sign", "command") else ""

    def step(self) -> Token:
        """The next token, which is then behind the cursor; the last one stays."""
        token = self.token
        if self.at < len(self.tokens) - 1:
            self.at += 1
        return token

    def take(self, key: str) -> bool:
        """Step over a sign if it comes next."""
        if self.key() != key:
            return False
        self.at += 1
        return True

    def expect(self, key: str) -> None:
        """Step over a sign that must come next."""
        if not self.take(key):
            raise Unreadable(f"expected {key!r}, found {self.token.text!r}"[:80])

    def deeper(self) -> None:
        """One level down; the caller goes up again by itself."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooBig(f"nested deeper than {MAX_DEPTH}")

    def ahead(self, steps: int) -> str:
        """How a later sign or command is looked up."""
        at = min(self.at + steps, len(self.tokens) - 1)
        token = self.tokens[at]
        return key_of(token) if token.kind in ("sign", "command") else ""

    def closing(self, opened: str, closed: str) -> int:
        """Where the bracket that opens next is closed; every bracket is looked up but once."""
        if self._closings is None or self._closings[0] is not self.tokens:
            self._closings = (self.tokens, {})
        tables = self._closings[1]
        if opened not in tables:
            tables[opened] = self._pairs(opened, closed)
        if self.at not in tables[opened]:
            raise Unreadable(f"{opened!r} is not closed")
        return tables[opened][self.at]

    def _pairs(self, opened: str, closed: str) -> dict[int, int]:
        pairs: dict[int, int] = {}
        waiting: list[int] = []
        for index, token in enumerate(self.tokens):
            key = key_of(token) if token.kind in ("sign", "command") else ""
            if key == opened:
                waiting.append(index)
            elif key == closed and waiting:
                pairs[waiting.pop()] = index
        return pairs

    def begins_qualifier(self) -> bool:
        """Whether `for all n` or `where …` comes next, which says what a name stands for."""
        token = self.token
        if token.kind == "command":
            return token.text == "forall"
        words = token.text.lower().split() if token.kind in ("word", "text") else []
        after = self.tokens[min(self.at + 1, len(self.tokens) - 1)].text.lower().split()
        first, second = (*words, *after, "", "")[:2]
        return first == "where" or (
            first == "for" and second in ("all", "any", "every", "each", "some")
        )

    def is_plain_qualifier(self) -> bool:
        """Whether what follows only names sets: `for all n ≥ 3` would be a condition."""
        return all(
            token.kind in ("name", "word", "text", "letters", "end")
            or (token.kind == "command" and token.text in _QUALIFYING)
            or (token.kind == "sign" and token.text in ",{}^+")
            for token in self.tokens[self.at :]
        ) and not any(
            {"for", "when", "if", "otherwise"} & set(token.text.lower().split())
            for token in self.tokens[self.at + 2 :]
        )

    def items(self) -> list[Node]:
        """Members separated by commas, semicolons, `and` or `or`."""
        return self.joined_items()[0]

    def joined_items(self) -> tuple[list[Node], Joined]:
        """Members, and the word that joins all of them, if there is one."""
        found, words = [self.expression(0)], set[Joined]()
        self.group_ends = []
        ends: list[int] = []
        while (word := self.separator()) is not None:
            if self.tokens[self.at - 1].text == ";":
                ends.append(len(found))
            found.append(self.expression(0))
            words.add(word)
        self.group_ends = ends
        return found, words.pop() if len(words) == 1 else ""

    def separator(self) -> Joined | None:
        """Step over all that separates two members; what was it?"""
        start, word = self.at, None
        while self.key() in (",", ";") or self.joiner():
            word = self.joiner() or word
            self.at += 1
        return (word or "") if self.at > start else None

    def joiner(self) -> Joined | None:
        """Whether `and` or `or` comes next."""
        token = self.token
        if token.kind in ("word", "text"):
            return _JOINERS.get(token.text.lower().strip(" ,"))
        return _JOINING_COMMANDS.get(token.text) if token.kind == "command" else None

    @abstractmethod
    def expression(self, power: int) -> Node:
        """What comes next, as long as it binds tighter than `power`."""

    @abstractmethod
    def term(self) -> Node:
        """What comes next up to a plus, a minus, a relation or a separator."""

    @abstractmethod
    def read(self, tokens: list[Token]) -> Node:
        """Some tokens, read as an answer of their own."""

    def apart(self, start: int, stop: int) -> Node:
        """The tokens between two places, read as an answer of their own."""
        return self.read(self.tokens[start:stop])

    @abstractmethod
    def group(self) -> Node:
        """An argument: a braced group, else one atom with its sign."""

    @abstractmethod
    def bracketed(self) -> Node:
        """What stands in brackets."""

    @abstractmethod
    def factor(self) -> Node:
        """One factor of an implicit product, with its powers."""

    @abstractmethod
    def factor_follows(self) -> bool:
        """Whether a factor comes next without a sign between."""

    @abstractmethod
    def implicit(self, left: Node) -> Node:
        """A product with the factor that comes next."""
