"""Comparison chains: each person is compared with the one before, forwards or backwards."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from cotgen.problems.grammar.levels import Difficulty
from cotgen.problems.grammar.words import PEOPLE, THINGS
from cotgen.problems.grammar.worked import Earlier, Operation, Step, Telling, Worked


class Theme(NamedTuple):
    """What is compared: `has` is the verb of a statement, `does … have` that of a question."""

    name: str
    things: tuple[str, ...]
    has: str
    do: tuple[str, str]
    have: str


_THEMES = (
    Theme("owning", THINGS, "has", ("does", "do"), "have"),
    Theme("owning", THINGS, "has", ("does", "do"), "have"),
    Theme("scoring", ("points",), "scored", ("did", "did"), "score"),
    Theme("saving", ("dollars",), "saved", ("did", "did"), "save"),
)

_SAYS: dict[str, tuple[str, ...]] = {
    "more": ("{p} {v} {n} more {x} than {q}.", "{p} {v} {n} {x} more than {q}."),
    "fewer": ("{p} {v} {n} fewer {x} than {q}.", "{p} {v} {n} {x} less than {q}."),
    "times": (
        "{p} {v} {n} times as many {x} as {q}.",
        "Compared with {q}, {p} {v} {n} times as many {x}.",
    ),
    "half": ("{p} {v} half as many {x} as {q}.", "Compared with {q}, {p} {v} half as many {x}."),
}
"""What a sentence says of p and q; said forwards, p is the new person."""

_WEIGHTS = {"more": 4.0, "fewer": 4.0, "times": 1.6, "half": 0.8}
_FORWARDS: dict[str, Operation] = {"more": "+", "fewer": "-", "times": "*", "half": "/"}
_BACKWARDS: dict[str, Operation] = {"more": "-", "fewer": "+", "times": "/", "half": "*"}


class Link(NamedTuple):
    """How a person compares with the one before."""

    relation: str
    backwards: bool
    phrase: int

    @property
    def operation(self) -> Operation:
        """What leads from the known number to the new one."""
        return (_BACKWARDS if self.backwards else _FORWARDS)[self.relation]


def draw_comparison(draw: Random, difficulty: Difficulty) -> Worked | None:
    """A problem, or None where the drawn comparisons found no numbers that suit them."""
    theme = draw.choice(_THEMES)
    together = difficulty.steps >= 3 and draw.random() < 0.3
    links = [_link(draw, difficulty) for _ in range(difficulty.steps - together)]
    numbers = _numbers(draw, links, difficulty)
    if numbers is None:
        return None
    people = [person.name for person in draw.sample(PEOPLE, len(links) + 1)]
    things = draw.choice(theme.things)
    stated = [
        _sentence(theme, link, (people[at], people[at + 1]), (number, things))
        for at, (link, number) in enumerate(zip(links, numbers[1:], strict=True))
    ]
    shuffled = difficulty.steps >= 3 and draw.random() < difficulty.shuffled
    if shuffled:
        draw.shuffle(stated)
    question = _question(theme, people, things, together)
    sentences = [f"{people[0]} {theme.has} {numbers[0]} {things}.", *stated, question]
    steps = _steps(theme, links, numbers, people, things)
    if together:
        steps.append(_sum(theme, people, things, len(steps)))
    told = (f"{link.relation}{link.backwards:d}{link.phrase}" for link in links)
    structure = ("comparison", theme.name, f"{together}", f"{shuffled}", *told)
    return Worked(" ".join(sentences), tuple(steps), structure)


def _link(draw: Random, difficulty: Difficulty) -> Link:
    relation = draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    backwards = draw.random() < difficulty.backwards
    return Link(relation, backwards, draw.randrange(len(_SAYS[relation])))


def _numbers(draw: Random, links: list[Link], difficulty: Difficulty) -> list[int] | None:
    """The first person's number, and the number in each comparison."""
    for _ in range(30):
        value = draw.randint(6, difficulty.largest)
        numbers = [value]
        for link in links:
            number = _number(draw, link, value, difficulty)
            if number is None:
                break
            numbers.append(number)
            value = _after(link.operation, value, number)
        else:
            return numbers
    return None


def _number(draw: Random, link: Link, value: int, difficulty: Difficulty) -> int | None:
    if link.relation == "half":
        number = 2
    elif link.operation == "*":
        number = draw.randint(2, difficulty.factor)
    elif link.operation == "/":
        divisors = [k for k in range(2, difficulty.factor + 1) if value % k == 0]
        if not divisors:
            return None
        number = draw.choice(divisors)
    elif link.operation == "+":
        number = draw.randint(2, difficulty.largest)
    else:
        number = draw.randint(2, max(2, min(difficulty.largest, value - 2)))
    if link.operation == "/" and value % number:
        return None
    return number if 2 <= _after(link.operation, value, number) <= difficulty.limit else None


def _after(operation: Operation, value: int, number: int) -> int:
    if operation == "/":
        return value // number
    return {"+": value + number, "-": value - number, "*": value * number}[operation]


def _sentence(theme: Theme, link: Link, known_new: tuple[str, str], what: tuple[int, str]) -> str:
    known, new = known_new
    p, q = (known, new) if link.backwards else (new, known)
    return _SAYS[link.relation][link.phrase].format(p=p, q=q, v=theme.has, n=what[0], x=what[1])


def _question(theme: Theme, people: list[str], things: str, together: bool) -> str:
    if together:
        pair = f"{people[-2]} and {people[-1]}"
        return f"How many {things} {theme.do[1]} {pair} {theme.have} together?"
    return f"How many {things} {theme.do[0]} {people[-1]} {theme.have}?"


def _steps(
    theme: Theme, links: list[Link], numbers: list[int], people: list[str], things: str
) -> list[Step]:
    steps: list[Step] = []
    for at, (link, number) in enumerate(zip(links, numbers[1:], strict=True)):
        has = f"{people[at + 1]} {theme.has}"
        left: int | Earlier = Earlier(at - 1) if at else numbers[0]
        steps.append(Step(left, link.operation, number, Telling(has, has, has, things)))
    return steps


def _sum(theme: Theme, people: list[str], things: str, done: int) -> Step:
    """The last step of a question about the last two people."""
    verb = "have" if theme.have == "have" else theme.has
    pair = f"together {people[-2]} and {people[-1]} {verb}"
    telling = Telling(pair[0].upper() + pair[1:], pair, pair, things)
    return Step(Earlier(done - 2), "+", Earlier(done - 1), telling)
