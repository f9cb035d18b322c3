"""What a run may spend: the recipe's limits, and the budget that every request must pass.

A limit ends sampling, not work: what is in flight is awaited and kept, and what was bought is
still judged and written. Requests in flight are counted before they are answered, at what they
will probably cost, so that a limit is not first noticed when it is exceeded.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, get_args

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from cotgen.errors import CotgenError, LimitReached
from cotgen.protocols import Price, Request
from cotgen.records import Sample
from cotgen.store.journal import Spent

log = logging.getLogger(__name__)

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def duration_s(value: Any) -> Any:
    """Seconds of `6h`, `1h30m`, `90m`, `45s`; numbers are seconds already."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if not found:
        raise ValueError("write a duration (6h, 1h30m, 90m, 45s) or a number of seconds")
    return float(sum(int(n or 0) * s for n, s in zip(found.groups(), _UNITS.values(), strict=True)))


Duration = Annotated[float, BeforeValidator(duration_s), Field(allow_inf_nan=False)]


class Spending(BaseModel):
    """How much may be bought. What counts is what came back, by the journal."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    cost_usd: Annotated[float, Field(gt=0)] | None = None
    """USD, at the teachers' prices; every teacher that can have a price must name one."""
    tokens: PositiveInt | None = None
    """Tokens of prompts and completions together."""
    requests: PositiveInt | None = None
    """Requests sent, those that failed too."""
    attempts: PositiveInt | None = None
    """Completions."""

    @property
    def any_spending(self) -> bool:
        """Whether a request can be one too many."""
        return any(getattr(self, measure) is not None for measure in MEASURES)


class Limits(Spending):
    """Where sampling ends, and the run with exit code 4. What is in flight is awaited and kept,
    what was bought is judged and written, and the next run goes on. Free to change in a run."""

    deadline: Annotated[Duration, Field(gt=0)] | None = None
    """How long sampling may take from the start on (`6h`, `90m`, or seconds), by a clock that
    nobody can change. Judging and writing go on a tenth longer, at least a minute."""
    per: Literal["start", "run"] = "start"
    """Whether each start of the run has all this to spend, or all its starts together (by its
    journal). The deadline is always each start's."""
    grace_s: Annotated[float, Field(ge=0)] = 25
    """How long requests in flight may take to end when the run is stopped by a signal or its
    deadline; what is not there by then is given up."""


Measure = Literal["cost_usd", "tokens", "requests", "attempts"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


class Use(msgspec.Struct):
    """What limits count. USD are exact: integer tokens times the prices as they are written."""

    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    requests: int = 0
    attempts: int = 0

    def less(self, before: Use) -> Use:
        """What was spent since."""
        return Use(*(getattr(self, name) - getattr(before, name) for name in MEASURES))


Prices = Mapping[str, Price | None]


def used(spent: Mapping[str, Spent], prices: Prices) -> Use:
    """What a journal says was spent, by teacher. Teachers without a price cost nothing."""
    found = Use()
    for name, each in spent.items():
        price = prices.get(name)
        found.cost_usd += price.of(each.prompt_tokens, each.tokens) if price else 0
        found.tokens += each.prompt_tokens + each.tokens
        found.requests += each.requests
        found.attempts += each.completions
    return found


class Allowance(NamedTuple):
    """Limits with what was spent of them before this start; `name` is their key in the recipe."""

    limits: Spending
    before: Use = Use()
    name: str = "limits"


class Admitted(NamedTuple):
    """A request that may be sent, for so many samples. What it reserves is given back by
    `Budget.answered` or `Budget.failed`."""

    teacher: str
    samples: int
    prompt_tokens: int
    max_tokens: int


class _Seen:
    """What a teacher's answers were like so far, and what it is working on."""

    def __init__(self) -> None:
        self.replies = self.samples = self.tokens = self.squares = 0
        self.characters = self.prompt_tokens = 0
        self.flying = self.flying_squares = self.flying_prompts = self.flying_most = 0

    @property
    def knows(self) -> bool:
        """Whether it was seen often enough to tell the next answers from these."""
        return self.replies >= _ENOUGH and self.samples > 0

    @property
    def mean(self) -> float:
        """Tokens of a completion."""
        return self.tokens / self.samples

    def variance(self, more: int) -> float:
        """Of the tokens of all samples in flight and so many more. The samples of one request are
        of one problem, alike in length; and the mean itself is as uncertain as replies are few."""
        deviation = max(0.0, self.squares - self.samples * self.mean**2)
        # As if some more had been seen that deviate by the mean: two alike prove nothing.
        each = (deviation + _DOUBT * self.mean**2) / (self.samples + _DOUBT)
        return each * (self.flying_squares + more**2 + (self.flying + more) ** 2 / self.replies)

    def expect(self, spent: Spent) -> None:
        """What a journal tells of earlier answers. It knows their mean only: most deviate less."""
        self.replies, self.samples, self.tokens = spent.requests, spent.completions, spent.tokens
        self.squares = 2 * spent.tokens**2 // max(1, spent.completions)

    def note(self, completions: Sequence[Sample], characters: int) -> None:
        """One more reply."""
        self.replies += 1
        for each in completions:
            self.samples += 1
            self.tokens += each.tokens
            self.squares += each.tokens**2
        self.prompt_tokens += sum(each.prompt_tokens for each in completions)
        self.characters += characters

    def fly(self, admitted: Admitted, sign: int) -> None:
        """One more request in flight, or one less."""
        self.flying += sign * admitted.samples
        self.flying_squares += sign * admitted.samples**2
        self.flying_prompts += sign * admitted.prompt_tokens
        self.flying_most += sign * admitted.samples * admitted.max_tokens


_ENOUGH, _DOUBT = 2, 8
"""Replies before a teacher's answers are judged by those before, and as how many samples more the
first doubt counts."""
_SURE, _SURE_ALONE = 4.0, 2.0
"""So many standard deviations above what is likely are set aside for what is in flight."""
_TEMPLATE_TOKENS = 16
"""What a chat template may add to a message."""


class Budget:
    """What may still be asked of all teachers together; after `halt` nothing.

    Near a limit a request is admitted if, with all that is in flight, it cannot exceed the limit
    (each sample at `max_tokens`) or is unlikely to (the mean of the answers so far and four
    standard deviations); until then it waits for those in flight. One that a limit could never
    hold is cut down to the samples that fit. A teacher that has hardly answered yet is asked for
    one sample in any case: without it nothing is known. So a limit can be exceeded by one sample,
    or by answers that are far longer than those before; never by more than what is in flight.
    """

    def __init__(self, prices: Prices, allowances: Sequence[Allowance] = ()) -> None:
        self.used = Use()
        self.unaccounted = 0
        """Requests that may have been billed, though nothing came back."""
        self.unsaved = 0
        """Completions that came in and could not be written to the journal."""
        self.halted: CotgenError | None = None
        self.on_halt: Callable[[CotgenError], None] = lambda _: None
        self._lost = Use()
        self._prices = prices
        self._allowances = [each for each in allowances if each.limits.any_spending]
        self._seen: defaultdict[str, _Seen] = defaultdict(_Seen)
        self._turn = asyncio.Lock()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._changed, self._closed = asyncio.Event(), asyncio.Event()

    def count_before(self, spent: Mapping[str, Spent]) -> None:
        """Count what the run's journal holds against limits of the run as a whole, and learn from
        it how long answers are."""
        for name, each in spent.items():
            if each.tokens:
                self._seen[name].expect(each)
        before = used(spent, self._prices)
        self._allowances = [
            each._replace(before=before) if getattr(each.limits, "per", "start") == "run" else each
            for each in self._allowances
        ]

    def halt(self, why: CotgenError) -> None:
        """Admit nothing any more. The first reason counts."""
        if self.halted is None:
            self.halted = why
            self._changed.set()
            self._closed.set()
            self.on_halt(why)

    async def pause(self, seconds: float) -> None:
        """Wait to ask again; raises what halted the budget in the meantime."""
        try:
            await asyncio.wait_for(self._closed.wait(), seconds)
        except TimeoutError:
            return
        self._refuse()

    async def admit(self, teacher: str, request: Request) -> Admitted:
        """Wait until a request fits; raises LimitReached if it never will, or what halted all."""
        self._refuse()
        if not self._allowances:
            return self._admitted(teacher, request, request.sampling.n)
        # Two queues: teachers that wait take turns, however many requests each has.
        async with self._turns[teacher], self._turn:
            while True:
                self._refuse()
                if samples := self._room(teacher, request):
                    return self._admitted(teacher, request, samples)
                self._changed.clear()
                await self._changed.wait()

    def answered(self, admitted: Admitted, fresh: Sequence[Sample], request: Request) -> int:
        """A request was answered: what it cost is known. Returns its tokens, read and written."""
        self._land(admitted)
        tokens = sum([each.tokens for each in fresh])
        prompt_tokens = sum([each.prompt_tokens for each in fresh])
        price = self._prices.get(admitted.teacher)
        self.used.cost_usd += price.of(prompt_tokens, tokens) if price else 0
        self.used.tokens += prompt_tokens + tokens
        self.used.attempts += len(fresh)
        if self._allowances:
            self._learn(admitted, fresh, request, tokens)
        return prompt_tokens + tokens

    def _learn(
        self, admitted: Admitted, fresh: Sequence[Sample], request: Request, tokens: int
    ) -> None:
        if tokens:
            self._seen[admitted.teacher].note(fresh, _characters(request))
        else:
            # A server that does not count: the limit goes by what the texts look like.
            written = sum(len(each.text) + len(each.reasoning) for each in fresh)
            self._lose(admitted, written // _CHARACTERS_A_TOKEN + 1)

    def failed(self, admitted: Admitted, *, costly: bool) -> None:
        """A request was not answered. `costly`: it may be billed all the same."""
        self._land(admitted)
        if costly:
            self.unaccounted += 1
            seen = self._seen[admitted.teacher]
            each = seen.mean if seen.knows else admitted.max_tokens
            self._lose(admitted, math.ceil(admitted.samples * each))

    def _refuse(self) -> None:
        if self.halted is not None:
            raise self.halted

    def _admitted(self, teacher: str, request: Request, samples: int) -> Admitted:
        seen = self._seen[teacher]
        prompt = self._prompt_tokens(seen, request) if self._allowances else 0
        admitted = Admitted(teacher, samples, prompt, request.sampling.max_tokens)
        seen.fly(admitted, +1)
        self.used.requests += 1
        return admitted

    def _land(self, admitted: Admitted) -> None:
        self._seen[admitted.teacher].fly(admitted, -1)
        self._changed.set()

    def _lose(self, admitted: Admitted, tokens: int) -> None:
        """Count against the limits what no journal will show."""
        price = self._prices.get(admitted.teacher)
        self._lost.tokens += admitted.prompt_tokens + tokens
        self._lost.cost_usd += price.of(admitted.prompt_tokens, tokens) if price else 0

    @staticmethod
    def _prompt_tokens(seen: _Seen, request: Request) -> int:
        characters = _characters(request)
        if seen.knows and seen.characters:
            return math.ceil(characters * seen.prompt_tokens / seen.characters)
        # No tokenizer makes more tokens than there are bytes.
        encoded = sum(len(each.content.encode("utf-8", "replace")) for each in request.messages)
        return encoded + _TEMPLATE_TOKENS * len(request.messages)

    def _room(self, teacher: str, request: Request) -> int:
        """How many samples may be asked for now; 0: wait. Raises LimitReached."""
        wanted = request.sampling.n
        exceeded = self._exceeded(teacher, request, wanted)
        if not exceeded:
            return wanted
        if any(seen.flying for seen in self._seen.values()):
            return 0
        certain = self._seen[teacher].knows or exceeded[1] in ("requests", "attempts")
        if certain and not self._exceeded(teacher, request, wanted, anew=True):
            self._end(exceeded)
        fits, above = 0, wanted
        while above - fits > 1:
            middle = (fits + above) // 2
            if self._exceeded(teacher, request, middle):
                above = middle
            else:
                fits = middle
        if fits:
            return fits
        if not self._seen[teacher].knows and not self._exceeded(teacher, request, 0):
            return 1
        self._end(exceeded)

    def _end(self, exceeded: tuple[Allowance, Measure]) -> NoReturn:
        error = LimitReached(self._told(*exceeded))
        self.halt(error)
        raise error

    def _exceeded(
        self, teacher: str, request: Request, samples: int, *, anew: bool = False
    ) -> tuple[Allowance, Measure] | None:
        """The limit that so many samples more could exceed; with 0, one that is reached. `anew`:
        if nothing had been spent in this start."""
        for allowance in self._allowances:
            for measure in MEASURES:
                most = getattr(allowance.limits, measure)
                if most is None:
                    continue
                before = Decimal(getattr(allowance.before, measure))
                count = before if anew else self._count(allowance, measure)
                left = float(Decimal(str(most)) - count)
                if left <= 0 or self._expected(measure, teacher, request, samples) > left:
                    return allowance, measure
        return None

    def _count(self, allowance: Allowance, measure: Measure) -> Decimal:
        parts = (allowance.before, self.used, self._lost)
        return sum((Decimal(getattr(part, measure)) for part in parts), Decimal(0))

    def _expected(self, measure: Measure, teacher: str, request: Request, samples: int) -> float:
        """What a request for so many samples would use, with all that is in flight."""
        if measure == "requests":
            return 1 if samples else 0  # Those in flight are counted.
        if measure == "attempts":
            return samples + sum(seen.flying for seen in self._seen.values())
        if not samples:
            return 0
        sure = likely = variance = 0.0
        for name, seen in {teacher: self._seen[teacher], **self._seen}.items():
            more = samples if name == teacher else 0
            reading, writing = self._weights(measure, name)
            prompts = seen.flying_prompts + (self._prompt_tokens(seen, request) if more else 0)
            most = (seen.flying_most + more * request.sampling.max_tokens) * writing
            sure += prompts * reading + most
            likely += prompts * reading
            if seen.knows:
                likely += (seen.flying + more) * seen.mean * writing
                variance += seen.variance(more) * writing**2
            else:
                likely += most
        # Alone in flight it can exceed the limit by little: less must be left unspent for it.
        alone = not any(seen.flying for seen in self._seen.values())
        return min(sure, likely + (_SURE_ALONE if alone else _SURE) * math.sqrt(variance))

    def _weights(self, measure: Measure, teacher: str) -> tuple[float, float]:
        """What a token of a prompt and of a completion counts."""
        if measure == "tokens":
            return 1.0, 1.0
        price = self._prices.get(teacher)
        return (price.input / 1e6, price.output / 1e6) if price else (0.0, 0.0)

    def _told(self, allowance: Allowance, measure: Measure) -> str:
        most = getattr(allowance.limits, measure)
        count = self._count(allowance, measure) - Decimal(getattr(self._lost, measure))
        if measure == "cost_usd":
            said = f"${_plain(count)} of ${_plain(Decimal(str(most)))} are spent"
        else:
            said = f"{int(count):,} of {most:,} {measure} are used"
        lost = Decimal(getattr(self._lost, measure))
        if lost and measure == "cost_usd":
            said += f", about ${lost:.4f} more perhaps, by answers that were lost or not counted"
        elif lost:
            said += f", about {int(lost):,} more perhaps, by answers that were lost or not counted"
        return f"{allowance.name}.{measure} is reached: {said}"


_CHARACTERS_A_TOKEN = 3


def _characters(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _plain(usd: Decimal) -> str:
    """To the cent at least, and no digit left out."""
    whole = format(usd.normalize(), "f")
    return f"{usd:.2f}" if len(whole.partition(".")[2]) < 2 else whole
