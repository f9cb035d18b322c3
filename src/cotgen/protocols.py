"""What a component offers and may ask for: the extension API, on one page.

A component is a frozen settings model with one verb. It never imports another component: what it
needs of them it is handed as `Services`. Live things (clients, engines) exist only inside
`connect()`, so that settings stay picklable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from cotgen.records import (
    Attempt,
    BadLine,
    Chain,
    Completion,
    Group,
    Message,
    Problem,
    Record,
    Sampling,
    Thing,
    Verdict,
)

Section = Literal["teachers", "verifier"]

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
"""What may name a run, a teacher or a dataset: it becomes the name of a file or a folder."""
Deadline = Annotated[float, Field(gt=0, le=3_600)]
"""Seconds for one verdict: an hour is what any timer can keep, and far too long for an answer."""
Share = Annotated[float, Field(ge=0, le=1)]

Draw = Callable[[str], Random]
"""The random draws that belong to an id: equal for equal recipe seeds, on every machine."""


class Component(BaseModel):
    """The frozen settings of one kind. Unknown keys are errors; a docstring explains each key."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
        populate_by_name=True,
    )

    needs: ClassVar[tuple[Section, ...]] = ()
    """The recipe's sections that this kind relies on."""
    incidental: ClassVar[frozenset[str]] = frozenset()
    """Settings that cannot change what is made (address, concurrency): free to change in a run."""

    def relies_on(self) -> tuple[Section, ...]:
        """The sections that these settings rely on: `needs`, unless a setting asks for more."""
        return self.needs


class Problems(Protocol):
    """Where problems come from."""

    @property
    def limit(self) -> int | None:
        """Only the first so many problems; a run may grow by raising it."""

    @property
    def on_bad_line(self) -> Literal["stop", "skip"]:
        """Whether a BadLine stops the run."""

    @property
    def remote(self) -> bool:
        """Read once over a network; other sources are read again by each run, to notice changes."""

    def load(self) -> Iterable[Problem | BadLine]:
        """Stream the problems in the source's order."""


class Request(Record, frozen=True):
    """One call of a teacher. `question` is the plain question, for teachers that look answers up;
    `seed` belongs to sample `sampling.first`, the following samples take the following seeds. `key`
    stands for all that decides what a sample may be but its number: what is asked again, in a later
    run too, has the same."""

    question: str
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    key: str = ""


class Finding(Record, frozen=True):
    """What `cotgen doctor` found out about one thing."""

    what: str
    verdict: Literal["yes", "no", "unknown"]
    said: str = ""


class Ask(Protocol):
    """A live teacher."""

    async def __call__(self, request: Request) -> list[Completion]:
        """Answer one request with 1 to `sampling.n` completions, in sample order.

        A teacher that returns fewer than n is asked again for the others. Raises TeacherError.
        """


class Price(BaseModel):
    """What a teacher costs, in USD per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def of(self, prompt_tokens: int, tokens: int) -> Decimal:
        """USD for so many tokens read and written, exactly."""
        read, written = Decimal(str(self.input)), Decimal(str(self.output))
        return (prompt_tokens * read + tokens * written).scaleb(-6)


class Teacher(Protocol):
    """An LLM that generates."""

    @property
    def price(self) -> Price | None:
        """What tokens cost, if they cost anything."""

    @property
    def concurrency(self) -> int | Literal["auto"]:
        """Requests in flight at once; `auto` finds out how many are best."""

    @property
    def paid(self) -> bool:
        """Whether completions cost money or time, and so must be journaled before use."""

    @property
    def retries(self) -> int:
        """How often a request that failed for a passing reason is sent again."""

    def connect(self) -> AbstractAsyncContextManager[Ask]:
        """Open the teacher for the duration of a run."""


@runtime_checkable
class Stateful(Protocol):
    """A teacher that has work under way elsewhere, which the next run must find again."""

    def connect_in(self, folder: Path) -> AbstractAsyncContextManager[Ask]:
        """As `connect`, with a folder of the teacher's own in the run; it need not exist yet."""


class Verifier(Protocol):
    """A judge of final answers: plain, pure and run in a process that is killed when it is late."""

    @property
    def timeout_s(self) -> float:
        """Seconds for one answer; a later verdict is `unverifiable`."""

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the answer that `solution` gives to `problem`."""


Generate = Callable[[Sequence[Message], Sampling], Awaitable[list[Completion]]]
"""n completions in sample order. Retries, journal, seeds and limits are inside."""
Verify = Callable[[Problem, str], Awaitable[Verdict]]
"""A verdict from a worker process; late or dead workers give `unverifiable`."""


@dataclass(frozen=True)
class Services:
    """What the recipe's other sections offer a component while it works on one line."""

    generate: Generate
    verify: Verify
    draw: Draw


class Search(Protocol):
    """A way to spend teacher calls on one problem."""

    async def search(self, problem: Problem, services: Services) -> list[Attempt]:
        """Return the attempts in an order that depends on nothing but the recipe."""

    def relies_on(self) -> tuple[Section, ...]:
        """The recipe's sections whose services the search is handed."""

    def wants_more(self, attempts: int) -> bool:
        """Whether a finished search of so many attempts is owed more (the recipe asks for more).

        One that ends by itself with fewer has enough, and is never asked.
        """

    def most_calls(self, problem: Problem) -> list[tuple[list[Message], Sampling]]:
        """The calls that one problem makes at most, for estimates."""


@runtime_checkable
class AsksOnce(Protocol):
    """A search whose attempts follow from the completions of one call: another process can make
    them."""

    @property
    def n(self) -> int:
        """How many completions it asks for."""

    @property
    def asks_once(self) -> bool:
        """Whether attempts follow from one call with these settings."""

    def call(self, problem: Problem, draw: Draw) -> tuple[list[Message], Sampling]:
        """What it asks."""

    def attempts(self, completions: list[Completion]) -> list[Attempt]:
        """What it makes of the answer."""

    def wants_more(self, attempts: int) -> bool:
        """As of `Search`."""


class ChainBuilder(Protocol):
    """A builder of long chains out of the attempts of one problem."""

    async def build(self, group: Group, services: Services) -> list[Chain]:
        """Return the chains in the order of the correct attempts that they end in."""


class RowOrigin(Record, frozen=True, gc=False):
    """Where a dataset row came from. `methods` are the verdict methods of `attempts`, `rewards`
    what gave the numbers for their steps ('' where there are none)."""

    problem: str
    attempts: tuple[str, ...]
    teachers: tuple[str, ...]
    methods: tuple[str, ...]
    rewards: tuple[str, ...]
    made_by: tuple[str, ...]
    split: str
    source: str
    license: str


class Refusal(Record, frozen=True):
    """A row that an emitter did not write, and why (`duplicate`, `tag_collision`, …)."""

    reason: str


class Row(Record, frozen=True, gc=False):
    """One line of a dataset: its columns, and where they came from.

    `sequences` are the texts that a trainer reads as one sequence, message by message (two
    sequences for a pair): what lengths are counted on. `numbered` is the column whose `index`
    becomes the row's number, and whose `split` names the validation split in its rows.
    """

    columns: dict[str, Any]
    origin: RowOrigin
    sequences: tuple[tuple[str, ...], ...] = ()
    numbered: str = ""


class Emitter(Protocol):
    """A dataset format."""

    @property
    def file_name(self) -> str:
        """The dataset's name, unique in a recipe."""

    @property
    def allow_test(self) -> bool:
        """Whether problems of a test split may be emitted."""

    @property
    def columns(self) -> type:
        """The TypedDict of a row: the schema of the Parquet file."""

    def emit(self, group: Group, draw: Draw) -> Iterator[Row | Refusal]:
        """The rows that a group gives, in a fixed order."""


class Decision(Record, frozen=True):
    """A problem or an attempt is dropped, and why.

    `reason` is a word for counting (`near_duplicate`, `too_long`, …). `match` names what it was
    found to match, an attempt, a problem or a line of a file; `evidence` is for a person to read.
    """

    id: str
    thing: Thing
    reason: str
    match: str = ""
    evidence: str = ""


class Groups(Protocol):
    """The groups that a filter decides on, streamed: a run need not fit into memory."""

    def __iter__(self) -> Iterator[Group]:
        """What earlier filters left of each problem, in problem order; each time from the start."""

    def whole(self, problem: str) -> Group:
        """All that is known of a problem, with the attempts that earlier filters dropped."""


class Filter(Protocol):
    """Keeps or drops problems and attempts: pure, and the same for the same groups."""

    @property
    def alone(self) -> bool:
        """Whether it decides on each problem without looking at others, so that one pass over the
        groups does for several filters."""

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files outside the run that decisions depend on."""

    def decide(self, groups: Groups, draw: Draw) -> Iterator[Decision]:
        """What is dropped. What no decision names stays."""
