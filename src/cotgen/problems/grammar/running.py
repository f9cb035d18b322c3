"""Running quantities: somebody has a number of things, and one event after another changes it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple

from cotgen.problems.grammar.levels import Difficulty
from cotgen.problems.grammar.words import BAKED, PEOPLE, THINGS, Person
from cotgen.problems.grammar.worked import Earlier, Operation, Step, Telling, Worked

Kind = Literal["gain", "loss", "times", "double", "halve", "share", "group_gain", "group_loss"]

_WEIGHTS: dict[Kind, float] = {
    "gain": 5, "loss": 5, "times": 2, "double": 1, "halve": 1.2, "share": 1.8,
    "group_gain": 2.5, "group_loss": 2.5,
}  # fmt: skip
_OPERATIONS: dict[Kind, Operation] = {
    "gain": "+", "loss": "-", "times": "*", "double": "*", "halve": "/", "share": "/",
    "group_gain": "+", "group_loss": "-",
}  # fmt: skip


class Event(NamedTuple):
    """A sentence, and the deed as the solution names it.

    In both `{n}` is the number, `{x}` the things, `{f}` a friend, `{him}` the person; a sentence
    starts with `{S}`, the person's name or pronoun. A group has `{k}` times `{m}`, and `total` says
    what they come to.
    """

    says: str
    deed: str
    total: str = ""


class Theme(NamedTuple):
    """A little world: how its problems start, go on and ask."""

    name: str
    things: tuple[str, ...]
    starts: tuple[str, ...]
    questions: tuple[str, ...]
    events: dict[Kind, tuple[Event, ...]]


_ITEMS = Theme(
    "items",
    THINGS,
    (
        "{S} has {n} {x}.",
        "{S} starts the day with {n} {x}.",
        "There are {n} {x} in a box that belongs to {S}.",
    ),
    (
        "How many {x} does {S} have now?",
        "How many {x} are left with {S}?",
        "How many {x} does {S} have in the end?",
    ),
    {
        "gain": (
            Event("{S} finds {n} more {x}.", "finding {n} {x}"),
            Event("{S} borrows {n} {x} from {f}.", "borrowing {n} {x}"),
            Event("{f} gives {him} {n} {x}.", "getting {n} {x} from {f}"),
            Event("{f} returns {n} {x} to {him}.", "getting back {n} {x}"),
            Event("{S} buys {n} {x} at the market.", "buying {n} {x}"),
        ),
        "loss": (
            Event("{S} loses {n} {x} on the way.", "losing {n} {x}"),
            Event("{S} lends {n} {x} to {f}.", "lending {n} {x}"),
            Event("{S} gives {f} {n} {x}.", "giving {n} {x} to {f}"),
            Event("{S} returns {n} {x} to {f}.", "giving back {n} {x}"),
            Event("{f} borrows {n} of the {x}.", "lending {n} {x} to {f}"),
        ),
        "times": (
            Event("{S} trades until there are {n} times as many {x}.", "growing {n} times"),
            Event("The number of {x} grows to {n} times what it was.", "growing {n} times"),
        ),
        "double": (
            Event("{S} doubles the number of {x}.", "doubling the {x}"),
            Event("A gift from {f} doubles the number of {x}.", "doubling the {x}"),
        ),
        "halve": (
            Event("{S} gives half of the {x} to {f}.", "giving away half"),
            Event("Half of the {x} are stolen.", "losing half"),
        ),
        "share": (
            Event(
                "{S} sorts the {x} evenly into {n} boxes and keeps one box.",
                "keeping one of {n} boxes",
            ),
            Event(
                "{S} shares the {x} equally among {n} people, one of them {him}self.",
                "sharing among {n} people",
            ),
        ),
        "group_gain": (
            Event("{S} buys {k} bags with {m} {x} in each bag.", "adding {n} {x}", "the bags hold"),
            Event("{k} friends bring {him} {m} {x} each.", "adding {n} {x}", "the friends bring"),
        ),
        "group_loss": (
            Event(
                "{S} gives {m} {x} to each of {k} friends.",
                "giving away {n} {x}", "the friends get",
            ),
            Event(
                "{S} sells {k} bags with {m} {x} in each bag.",
                "selling {n} {x}", "the bags hold",
            ),
        ),
    },
)  # fmt: skip

_MONEY = Theme(
    "money",
    ("dollars",),
    (
        "{S} has {n} {x}.",
        "{S} has saved {n} {x}.",
        "There are {n} {x} in the purse of {S}.",
    ),
    (
        "How many {x} does {S} have now?",
        "How much money is left with {S}?",
        "How much money does {S} have in the end?",
    ),
    {
        "gain": (
            Event("{S} earns {n} {x}.", "earning {n} {x}"),
            Event("{S} is paid {n} {x} by {f}.", "being paid {n} {x}"),
            Event("{S} borrows {n} {x} from {f}.", "borrowing {n} {x}"),
            Event("{f} repays {him} {n} {x}.", "being repaid {n} {x}"),
        ),
        "loss": (
            Event("{S} spends {n} {x}.", "spending {n} {x}"),
            Event("{S} pays {n} {x} to {f}.", "paying {n} {x}"),
            Event("{S} lends {n} {x} to {f}.", "lending {n} {x}"),
            Event("{S} repays {f} {n} {x}.", "repaying {n} {x}"),
        ),
        "times": (Event("{S} saves until there are {n} times as many {x}.", "growing {n} times"),),
        "double": (Event("{S} doubles the money at work.", "doubling the money"),),
        "halve": (
            Event("{S} spends half of the money.", "spending half"),
            Event("{S} gives half of the money to {f}.", "giving away half"),
        ),
        "share": (
            Event(
                "{S} shares the money equally among {n} people, one of them {him}self.",
                "sharing among {n} people",
            ),
        ),
        "group_gain": (
            Event("{S} works {k} hours for {m} {x} an hour.", "adding {n} {x}", "the hours pay"),
            Event("{S} sells {k} chairs for {m} {x} each.", "adding {n} {x}", "the chairs bring"),
        ),
        "group_loss": (
            Event("{S} buys {k} tickets for {m} {x} each.", "spending {n} {x}", "the tickets cost"),
            Event(
                "{S} pays {m} {x} to each of {k} helpers.",
                "spending {n} {x}", "the helpers get",
            ),
        ),
    },
)  # fmt: skip

_BAKERY = Theme(
    "bakery",
    BAKED,
    (
        "{S} runs a bakery and has {n} {x}.",
        "{S} bakes {n} {x} in the morning.",
        "On the shelf of {S} there are {n} {x}.",
    ),
    (
        "How many {x} are left with {S}?",
        "How many {x} does {S} have in the evening?",
        "How many {x} does {S} have now?",
    ),
    {
        "gain": (
            Event("{S} bakes {n} more {x}.", "baking {n} {x}"),
            Event("{f} brings {him} {n} {x}.", "getting {n} {x} from {f}"),
            Event("A customer returns {n} {x}.", "getting back {n} {x}"),
        ),
        "loss": (
            Event("{S} sells {n} {x}.", "selling {n} {x}"),
            Event("{f} buys {n} of the {x}.", "selling {n} {x} to {f}"),
            Event("{S} throws away {n} old {x}.", "throwing away {n} {x}"),
            Event("{S} returns {n} {x} to {f}.", "giving back {n} {x}"),
        ),
        "times": (Event("{S} bakes until there are {n} times as many {x}.", "growing {n} times"),),
        "double": (Event("{S} doubles the number of {x}.", "doubling the {x}"),),
        "halve": (
            Event("{S} sells half of the {x}.", "selling half"),
            Event("Half of the {x} go to {f}.", "giving away half"),
        ),
        "share": (
            Event(
                "{S} sorts the {x} evenly onto {n} trays and keeps one tray.",
                "keeping one of {n} trays",
            ),
        ),
        "group_gain": (
            Event(
                "{S} bakes {k} trays with {m} {x} on each tray.",
                "adding {n} {x}", "the trays hold",
            ),
        ),
        "group_loss": (
            Event(
                "{S} sells {k} boxes with {m} {x} in each box.",
                "selling {n} {x}", "the boxes hold",
            ),
            Event("{k} customers buy {m} {x} each.", "selling {n} {x}", "the customers buy"),
        ),
    },
)  # fmt: skip

_THEMES = (_ITEMS, _ITEMS, _MONEY, _BAKERY)
_LINKS = ("", "", "Then ", "Later, ", "After that, ")
_DISTRACTORS = (
    "{S} is {n} years old.",
    "The walk there takes {n} minutes.",
    "The room has {n} windows.",
    "It is day {n} of the month.",
)


def draw_running(draw: Random, difficulty: Difficulty) -> Worked | None:
    """A problem, or None where the drawn events found no numbers that suit them."""
    theme = draw.choice(_THEMES)
    kinds = _kinds(draw, difficulty.steps)
    picks = [draw.randrange(len(theme.events[kind])) for kind in kinds]
    numbers = _numbers(draw, kinds, difficulty)
    if numbers is None:
        return None
    person, friend = draw.sample(PEOPLE, 2)
    things = draw.choice(theme.things)
    start, question = draw.randrange(len(theme.starts)), draw.randrange(len(theme.questions))
    sentences = [theme.starts[start].format(S=person.name, n=numbers[0][0], x=things)]
    steps: list[Step] = []
    for kind, pick, given in zip(kinds, picks, numbers[1:], strict=True):
        event = theme.events[kind][pick]
        words = {"x": things, "f": friend.name, "him": person.him}
        sentences.append(_sentence(draw, event, words, given, person))
        steps += _steps(kind, event, words, given, (person, numbers[0][0], len(steps)))
    distractor = ""
    if draw.random() < difficulty.distractor:
        distractor = draw.choice(_DISTRACTORS)
        place = draw.randint(1, len(sentences))
        sentences.insert(place, distractor.format(S=person.name, n=draw.randint(2, 30)))
    sentences.append(theme.questions[question].format(S=person.name, x=things))
    structure = ("running", theme.name, str(start), str(question), distractor)
    told = (f"{kind}{pick}" for kind, pick in zip(kinds, picks, strict=True))
    return Worked(" ".join(sentences), tuple(steps), (*structure, *told))


def _kinds(draw: Random, steps: int) -> list[Kind]:
    kinds: list[Kind] = []
    while steps:
        kind = draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        cost = 2 if kind.startswith("group") else 1
        if cost <= steps:
            kinds.append(kind)
            steps -= cost
    return kinds


def _numbers(
    draw: Random, kinds: Sequence[Kind], difficulty: Difficulty
) -> list[tuple[int, ...]] | None:
    """The start, and the numbers of each event, so that every value is whole and at least 2."""
    for _ in range(30):
        value = draw.randint(6, difficulty.largest)
        numbers: list[tuple[int, ...]] = [(value,)]
        for kind in kinds:
            given = _given(draw, kind, value, difficulty)
            if given is None:
                break
            numbers.append(given)
            value = _after(kind, value, given)
        else:
            return numbers
    return None


def _given(draw: Random, kind: Kind, value: int, difficulty: Difficulty) -> tuple[int, ...] | None:
    """Numbers for an event that leave a value from 2 to the limit; None if there are none."""
    largest, limit, factor = difficulty.largest, difficulty.limit, difficulty.factor
    given: tuple[int, ...]
    if kind in ("gain", "loss"):
        given = (draw.randint(2, largest if kind == "gain" else max(2, min(largest, value - 2))),)
    elif kind in ("double", "halve"):
        given = (2,)
    elif kind == "times":
        given = (draw.randint(3, factor),)
    elif kind == "share":
        divisors = [k for k in range(3, factor + 1) if value % k == 0]
        given = (draw.choice(divisors),) if divisors else (0,)
    else:
        given = (draw.randint(2, factor), draw.randint(2, max(3, min(99, largest // 3))))
    after = _after(kind, value, given)
    exact = kind not in ("halve", "share") or (given[0] > 0 and value % given[0] == 0)
    return given if exact and 2 <= after <= limit else None


def _after(kind: Kind, value: int, given: tuple[int, ...]) -> int:
    number = given[0] * given[1] if kind.startswith("group") else given[0]
    operation = _OPERATIONS[kind]
    if operation == "/":
        return value // number if number else 0
    return {"+": value + number, "-": value - number, "*": value * number}[operation]


def _sentence(
    draw: Random, event: Event, words: dict[str, str], given: tuple[int, ...], person: Person
) -> str:
    subject = person.name if draw.random() < 0.4 else person.he
    group = {"k": given[0], "m": given[1]} if event.total else {"n": given[0]}
    text = event.says.format(S=subject, **words, **group)
    link = draw.choice(_LINKS)
    if text.startswith(("The ", "A ", "Half ")) and link:
        text = text[0].lower() + text[1:]
    text = link + text
    return text[0].upper() + text[1:]


def _steps(
    kind: Kind,
    event: Event,
    words: dict[str, str],
    given: tuple[int, ...],
    place: tuple[Person, int, int],
) -> list[Step]:
    """The one or two steps of an event; `place` is whose, from which start, after how many."""
    person, start, done = place
    things = words["x"]
    left: int | Earlier = Earlier(done - 1) if done else start
    deed = event.deed.format(n="{right}", **words)
    telling = Telling(
        f"After {deed}, {person.name} has", f"{person.name} now has", f"{deed} gives", things
    )
    if not event.total:
        return [Step(left, _OPERATIONS[kind], given[0], telling)]
    total = event.total[0].upper() + event.total[1:]
    group = Telling(total, event.total, event.total, things)
    return [
        Step(given[0], "*", given[1], group),
        Step(left, _OPERATIONS[kind], Earlier(done), telling),
    ]
