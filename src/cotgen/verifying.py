"""Judging answers from Python, without a recipe: one at a time, or many in all cores."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial

from pydantic import ValidationError

from cotgen.errors import RecipeError, WorkerError
from cotgen.records import Problem, TimedVerdict, Verdict
from cotgen.verifiers.math import MathVerifier
from cotgen.verifiers.mathematics import symbolic
from cotgen.workers import Job, ordered

Pair = tuple[str, str]
"""A gold and an attempt."""


class UnknownSetting(RecipeError, TypeError):
    """A setting that the verifier does not have."""


class BadSetting(RecipeError, ValueError):
    """A number that is no sensible one."""


FIRST_BATCH, LARGEST_BATCH = 128, 1_024
BATCH_CHARACTERS = 1_000_000
"""Pairs are sent to a process by so many, or fewer where they are long."""
_BATCH_MS = 20.0
"""What a batch should take: short enough to share work out evenly, long enough to be worth it."""
MOST_WORKERS = 1_024
_BEYOND_NUMBERS = frozenset(("algebra", "numeric"))
"""Methods of judgements on expressions: of the next ones, some may need sympy."""
_SLACK_S = 0.5
"""What a judgement may take beyond its time before its process is ended."""


def verify(gold: str, attempt: str, **settings: object) -> TimedVerdict:
    """Whether an attempt's answer is the gold one: the same judgement as `verifier: {kind: math}`.

    `gold` is an answer, or a solution that marks one; `attempt` is what a teacher wrote. Settings
    are those of `cotgen kinds verifiers`. It may be called from any thread and any process, keeps
    to `timeout_s`, and judges any text: what cannot be judged is `unverifiable`, with the reason.

    The first judgement on expressions starts, in the background, the process that a later one may
    need. Only a judgement that needs it before it stands has to wait for it.
    """
    verdict = _judged(_verifier(settings), whole(gold), whole(attempt))
    if verdict.method in _BEYOND_NUMBERS:
        # For a caller with no stack left, the next judgement does it.
        with suppress(RecursionError, MemoryError):
            symbolic._helper().start()
    return verdict


def verify_many(
    pairs: Iterable[Pair], workers: int | None = None, **settings: object
) -> Iterator[TimedVerdict]:
    """The verdicts on pairs of gold and attempt, in their order, made by `workers` processes.

    Pairs are taken as verdicts are, so that a stream of any length fits in memory. Without
    `workers` there is a process for each core. They start with the first pair and end with the
    iterator. What `pairs` raises is raised after the verdicts on the pairs that it gave.
    """
    if workers is not None and not (isinstance(workers, int) and 1 <= workers <= MOST_WORKERS):
        raise BadSetting(
            f"workers: a whole number, at least 1, at most {MOST_WORKERS:,} (got {workers!r})"
        )
    verifier = _verifier(settings)
    return _streamed(pairs, verifier, workers or len(os.sched_getaffinity(0)))


def _verifier(settings: dict[str, object]) -> MathVerifier:
    try:
        return _made(**settings)
    except TypeError:
        return _made.__wrapped__(**settings)  # A list, say, cannot be remembered.


@lru_cache(maxsize=64)
def _made(**settings: object) -> MathVerifier:
    allowed = sorted(MathVerifier.model_fields.keys() - {"kind"})
    if unknown := sorted(settings.keys() - set(allowed)):
        raise UnknownSetting(f"no setting {', '.join(unknown)}: there are {', '.join(allowed)}")
    try:
        return MathVerifier.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecipeError(f"{where}: {first['msg']} (got {first['input']!r})") from None


def _judged(verifier: MathVerifier, gold: str, attempt: str) -> TimedVerdict:
    """The verdict, timed. A bug of ours must not end a training run: it is a reason."""
    started = time.perf_counter()
    try:
        verdict = verifier.verify(Problem("", "", gold), attempt)
    except Exception as error:  # noqa: BLE001
        verdict = Verdict("unverifiable", method="error", reason=f"{type(error).__name__}: {error}")
    return _timed(verdict, (time.perf_counter() - started) * 1000)


def _timed(verdict: Verdict, milliseconds: float) -> TimedVerdict:
    return TimedVerdict(
        verdict.outcome,
        verdict.predicted,
        verdict.method,
        verdict.reason,
        verdict.span,
        verdict.canonical,
        verdict.canonical_gold,
        milliseconds,
    )


_SURROGATE = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    """The text, with U+FFFD for each lone surrogate: of the same length, and fit for any file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    except AttributeError:
        raise TypeError(f"gold and attempt must be texts (got {type(text).__name__})") from None
    return text


# --- many -----------------------------------------------------------------------------------------


def _streamed(
    pairs: Iterable[Pair], verifier: MathVerifier, workers: int
) -> Iterator[TimedVerdict]:
    job = Job(partial(_judge_batch, verifier), tuple[list[Pair]], verifier.timeout_s)
    source = _Source(pairs)
    requests = ((batch,) for batch in source.batches())
    for verdicts in ordered(job, list[TimedVerdict], requests, size=workers):
        batch = source.sent.popleft()
        if isinstance(verdicts, WorkerError):
            yield from _one_by_one(job, batch)
        else:
            source.learn(verdicts)
            yield from verdicts
    if source.failure is not None:
        raise source.failure


def _one_by_one(job: Job[list[TimedVerdict]], batch: list[Pair]) -> Iterator[TimedVerdict]:
    """A process died of one pair of these: the others are judged all the same."""
    singles = (([pair],) for pair in batch)
    for verdicts in ordered(job, list[TimedVerdict], singles, size=1):
        if isinstance(verdicts, WorkerError):
            yield TimedVerdict("unverifiable", method="worker", reason=str(verdicts))
        else:
            yield from verdicts


class _Source:
    """The pairs in batches, which grow and shrink with what a pair takes."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._pairs = pairs
        self._size = FIRST_BATCH
        self.sent: deque[list[Pair]] = deque()
        self.failure: Exception | None = None

    def batches(self) -> Iterator[list[Pair]]:
        batch: list[Pair] = []
        characters = 0
        try:
            for gold, attempt in self._pairs:
                if type(gold) is type(attempt) is str and gold.isascii() and attempt.isascii():
                    batch.append((gold, attempt))  # As `whole` says of most, at less cost.
                else:
                    batch.append((whole(gold), whole(attempt)))
                characters += len(gold) + len(attempt)
                if len(batch) >= self._size or characters > BATCH_CHARACTERS:
                    self.sent.append(batch)
                    yield batch
                    batch, characters = [], 0
        except Exception as error:  # noqa: BLE001 - raised after the verdicts on what was given
            self.failure = error
        if batch:
            self.sent.append(batch)
            yield batch

    def learn(self, verdicts: list[TimedVerdict]) -> None:
        """Choose the size of the next batches; one odd batch at most halves or doubles it."""
        taken = sum(verdict.milliseconds for verdict in verdicts)
        fitting = int(len(verdicts) * _BATCH_MS / taken) if taken else LARGEST_BATCH
        wanted = max(self._size // 2, min(self._size * 2, fitting))
        self._size = max(1, min(LARGEST_BATCH, wanted))


def _judge_batch(verifier: MathVerifier, batch: list[Pair]) -> list[TimedVerdict]:
    """In a worker process, which ends by its own alarm: each pair has the whole time."""
    verdicts = []
    for gold, attempt in batch:
        signal.setitimer(signal.ITIMER_REAL, verifier.timeout_s + _SLACK_S)
        verdicts.append(_judged(verifier, gold, attempt))
    return verdicts
