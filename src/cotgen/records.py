"""Everything that flows: small, frozen, typed. Stages add records and never edit earlier ones.

Every field is written on every line and none is null, so that `jq`, pandas and
`datasets.load_dataset("json")` infer one schema for a whole table. (`datasets` looks at the first
10 MB: where a list is empty in all of them, give it `features=`.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import msgspec

Split = Literal["train", "test", "unknown"]
AnswerKind = Literal[
    "unknown", "number", "expression", "tuple", "set", "choice", "code", "text", "date"
]
Finish = Literal["stop", "length", "pruned"]
Outcome = Literal["correct", "incorrect", "unverifiable", "unfinished"]
LinkKind = Literal["attempt", "reflection", "revision"]
Role = Literal["system", "user", "assistant"]
Thing = Literal["problem", "attempt"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all records share: they cannot change and refuse fields they do not know."""


class ReadyMade(ABC):
    """A part of a record that brings its own JSON, cheaper than the objects it stands for."""

    @abstractmethod
    def json(self) -> bytes:
        """What encoding the objects would give, byte for byte."""


def own_json(value: ReadyMade) -> msgspec.Raw:
    """For encoders of records: the `enc_hook` that asks parts for their own JSON."""
    return msgspec.Raw(value.json())


class Problem(Record, frozen=True):
    """A question and its gold answer."""

    id: str
    question: str
    answer: str
    answer_kind: AnswerKind = "unknown"
    level: str = ""
    tags: tuple[str, ...] = ()
    split: Split = "unknown"
    source: str = ""
    license: str = ""


class BadLine(Record, frozen=True):
    """A line of a problem source that holds no problem: where it stands, and what is wrong."""

    where: str
    error: str


class Message(Record, frozen=True, gc=False):
    """One turn of the conversation that a teacher is shown."""

    role: Role
    content: str


class Sampling(Record, frozen=True):
    """How a teacher shall sample: `n` completions, numbered from `first`.

    A sample's seed and its place in the journal follow from its number, so asking for samples
    8–15 after 0–7 never repeats one.
    """

    n: int = 1
    first: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 4096
    stop: tuple[str, ...] = ()


class Completion(Record, frozen=True, gc=False):
    """What one teacher call returned for one sample.

    `tokens` are this sample's; `prompt_tokens` are those paid for its prompt: where one request
    returned several samples, the first carries them all and the others 0, so that sums are exact.
    `logprobs` are those of the sampled tokens, an end token included; empty unless asked for.
    `stop_reason` is the stop text that ended it and `fingerprint` the version of model and engine,
    where the server tells.
    """

    text: str
    finish: Finish = "stop"
    reasoning: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    logprobs: tuple[float, ...] = ()
    stop_reason: str = ""
    fingerprint: str = ""

    def read(self) -> Completion:
        """As of `Unread`."""
        return self


class Unread(Record, frozen=True, gc=False):
    """A completion whose text is as the server spelled it, two strings of JSON: whoever only
    journals it need not read it. Its JSON is that of a `Completion`."""

    text: msgspec.Raw
    finish: Finish
    reasoning: msgspec.Raw
    tokens: int
    prompt_tokens: int
    logprobs: tuple[float, ...]
    stop_reason: str
    fingerprint: str

    def read(self) -> Completion:
        """The completion."""
        return Completion(
            _read_string(self.text),
            self.finish,
            _read_string(self.reasoning),
            self.tokens,
            self.prompt_tokens,
            self.logprobs,
            self.stop_reason,
            self.fingerprint,
        )


_read_string = msgspec.json.Decoder(str).decode
Sample = Completion | Unread


class Step(Record, frozen=True, gc=False):
    """One unit of an attempt, with the white space that ends it."""

    text: str


class Origin(Record, frozen=True, gc=False):
    """Where an attempt came from. The recipe that is saved with its run says the rest."""

    teacher: str = ""
    model: str = ""
    prompt: str = ""
    prompt_digest: str = ""
    sample: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 0
    prompt_tokens: int = 0
    tokens: int = 0


class Attempt(Record, frozen=True):
    """One path through a problem. The first `thought_steps` steps are the thought (0: none).

    Joined, the steps are the text byte for byte. `flaw` says why it cannot be told what of it is
    the thought (`two_thoughts`, `tag_collision`): such an attempt is neither correct nor wrong.
    `flag` says what is odd about one that can be told (`empty_thought`): the first step is then a
    think block with nothing in it, neither thought nor solution.
    """

    steps: tuple[Step, ...]
    finish: Finish = "stop"
    thought_steps: int = 0
    flaw: str = ""
    origin: Origin = Origin()
    flag: Literal["", "empty_thought"] = ""

    @property
    def text(self) -> str:
        """The whole attempt, thought and solution."""
        # A list is joined twice as fast as a generator, and this is read for every row.
        return "".join([step.text for step in self.steps])

    @property
    def thought(self) -> str:
        """What was thought before the solution; empty for an attempt without a think block."""
        return "".join(step.text for step in self.steps[: self.thought_steps])

    @property
    def solution(self) -> str:
        """What a verifier reads: the attempt without its thought."""
        return "".join(step.text for step in self.steps[self.before :])

    @property
    def before(self) -> int:
        """How many steps stand before the solution."""
        return 1 if self.flag else self.thought_steps


class Verdict(Record, frozen=True):
    """A verifier's judgement of an attempt.

    `predicted` is the answer as extracted, `method` how it was decided, `reason` why it is not
    correct (or not decided), for a person to read. `span` is where the answer starts and ends in
    the text that was judged, (-1, -1) where there is none. `canonical` and `canonical_gold` are
    both answers as they were read, in one spelling, cut if they are long; empty if unread.
    """

    outcome: Outcome
    predicted: str = ""
    method: str = ""
    reason: str = ""
    span: tuple[int, int] = (-1, -1)
    canonical: str = ""
    canonical_gold: str = ""


class TimedVerdict(Verdict, frozen=True):
    """A verdict with the time it took, which no table holds: it differs from run to run."""

    milliseconds: float = 0.0


class Rewards(Record, frozen=True):
    """One number in [0, 1] for each step of an attempt, and what gave them."""

    per_step: tuple[float, ...]
    source: str = ""


class Link(Record, frozen=True):
    """One part of a chain; `trained` says whether the loss covers it."""

    kind: LinkKind
    text: str
    trained: bool
    attempt: str = ""


class Chain(Record, frozen=True):
    """A long chain of thought that ends in a correct attempt.

    `attempts` are the attempt ids in the order shown, `wrong` counts the wrong ones among them.
    `nearest` is the closest wrong attempt of the problem and `distance` its edit distance in
    characters, stated even where no wrong attempt is shown; '' and -1 if the problem has none.
    """

    attempts: tuple[str, ...]
    wrong: int
    nearest: str
    distance: int
    links: tuple[Link, ...]

    @property
    def correct(self) -> str:
        """The id of the attempt that the chain ends in."""
        return self.attempts[-1]


class Judged(Record, frozen=True):
    """An attempt with all that is known of it."""

    id: str
    attempt: Attempt
    teacher: str
    verdict: Verdict | None = None
    rewards: Rewards | None = None

    def is_(self, outcome: Outcome) -> bool:
        """Whether the attempt was judged so; an attempt that was not judged is nothing."""
        return self.verdict is not None and self.verdict.outcome == outcome


class Group(Record, frozen=True):
    """Everything known about one problem; what chain builders and emitters read."""

    problem: Problem
    judged: tuple[Judged, ...]
    chains: tuple[Chain, ...] = ()

    def having(self, outcome: Outcome) -> Iterator[Judged]:
        """The attempts with this outcome, in attempt order."""
        return (judged for judged in self.judged if judged.is_(outcome))

    def contrasting(self) -> list[Judged]:
        """The wrong attempts that can stand against correct ones: the first of each text.

        One that equals a correct attempt up to white space is left out: it teaches nothing, and
        one of the two verdicts is doubtful.
        """
        wrong = list(self.having("incorrect"))
        seen = {_squeezed(judged) for judged in self.having("correct")} if wrong else set()
        first: dict[str, Judged] = {}
        for judged in wrong:
            if _squeezed(judged) not in seen:
                first.setdefault(judged.attempt.text, judged)
        return list(first.values())

    def by_id(self, id: str) -> Judged:
        """The attempt with this id."""
        return next(judged for judged in self.judged if judged.id == id)


def _squeezed(judged: Judged) -> str:
    return " ".join(judged.attempt.text.split())


class Searched(Record, frozen=True):
    """A line of `attempts.jsonl`: what one teacher's search of one problem gave.

    `enough`: the search stopped by itself before it had all attempts that the recipe allows.
    """

    id: str
    problem: str
    teacher: str
    attempts: tuple[Attempt, ...] = ()
    error: str = ""
    enough: bool = False


class Verified(Record, frozen=True):
    """A line of `verdicts.jsonl`; the id is the attempt's, `<problem>@<teacher>/<number>`.

    `inputs` is a digest of the gold and the attempt that were judged: if either changes, the
    verdict no longer stands and is made again.
    """

    id: str
    inputs: str
    outcome: Outcome
    predicted: str
    method: str
    reason: str
    # A run of an earlier version has lines without these.
    span: tuple[int, int] = (-1, -1)
    canonical: str = ""
    canonical_gold: str = ""

    @property
    def verdict(self) -> Verdict:
        """The judgement without the id."""
        return Verdict(
            self.outcome,
            self.predicted,
            self.method,
            self.reason,
            self.span,
            self.canonical,
            self.canonical_gold,
        )


class Rewarded(Record, frozen=True):
    """A line of `rewards.jsonl`; the id is the attempt's, `per_step` has one number for each step.

    `inputs` is the digest that the attempt's verdict names too, `source` what gave the numbers (the
    kind of a reward, or the name of an imported dataset).
    """

    id: str
    inputs: str
    per_step: tuple[float, ...]
    source: str

    @property
    def rewards(self) -> Rewards:
        """The numbers and their source, without the id."""
        return Rewards(self.per_step, self.source)


class Chained(Record, frozen=True):
    """A line of `chains.jsonl`: the chains of one problem.

    `inputs` is a digest of the verdicts they were built from: when a later run adds or mends an
    attempt, the line is made again.
    """

    id: str
    inputs: str
    chains: tuple[Chain, ...] = ()


class Filtered(Record, frozen=True):
    """A line of `filtered.jsonl`: a problem or an attempt that no chain and no dataset gets.

    `filter` is the filter's name in the recipe, `reason` a word for counting, `match` what the
    thing was found to match, `evidence` for a person to read.
    """

    id: str
    thing: Thing
    filter: str
    reason: str
    match: str = ""
    evidence: str = ""


def clean(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 file can hold, by U+FFFD."""
    if text.isascii():
        return text  # Known without looking at it.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
