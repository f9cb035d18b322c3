"""Judging answers from Python, without a recipe: one at a time, or many in all cores."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial

from pydantic import ValidationError

from cotgen.errors import RecipeError, WorkerError
from cotgen.records import Problem, TimedVerdict, Verdict
from cotgen.verifiers.math import MathVerifier
from cotgen.workers import Job, ordered

Pair = tuple[str, str]
"""A gold and an attempt."""


class UnknownSetting(RecipeError, TypeError):
    """A setting that the verifier does not have."""


BATCH = 128
BATCH_CHARACTERS = 1_000_000
"""Pairs are sent to a process by this many, or fewer where they are long."""
_SLACK_S = 0.5
"""What a judgement may take beyond its time before its process is ended."""


def verify(gold: str, attempt: str, **settings: object) -> TimedVerdict:
    """Whether an attempt's answer is the gold one: the same judgement as `verifier: {kind: math}`.

    `gold` is an answer, or a solution that marks one; `attempt` is what a teacher wrote. Settings
    are those of `cotgen kinds verifiers`. It may be called from any thread and any process, keeps
    to `timeout_s`, and judges any text: what cannot be judged is `unverifiable`, with the reason.
    """
    return _judged(_verifier(settings), whole(gold), whole(attempt))


def verify_many(
    pairs: Iterable[Pair], workers: int | None = None, **settings: object
) -> Iterator[TimedVerdict]:
    """The verdicts on pairs of gold and attempt, in their order, made by `workers` processes.

    Pairs are taken as verdicts are, so that a stream of any length fits in memory. Without
    `workers` there is a process for each core. They start with the first pair and end with the
    iterator.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: at least 1 (got {workers})")
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
    sent: deque[list[Pair]] = deque()

    def requests() -> Iterator[tuple[list[Pair]]]:
        for batch in _batches(pairs):
            sent.append(batch)
            yield (batch,)

    for verdicts in ordered(job, list[TimedVerdict], requests(), size=workers):
        batch = sent.popleft()
        if isinstance(verdicts, WorkerError):
            yield from _one_by_one(job, batch)
        else:
            yield from verdicts


def _one_by_one(job: Job[list[TimedVerdict]], batch: list[Pair]) -> Iterator[TimedVerdict]:
    """A process died of one pair of these: the others are judged all the same."""
    singles = (([pair],) for pair in batch)
    for verdicts in ordered(job, list[TimedVerdict], singles, size=1):
        if isinstance(verdicts, WorkerError):
            yield TimedVerdict("unverifiable", method="worker", reason=str(verdicts))
        else:
            yield from verdicts


def _batches(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    batch: list[Pair] = []
    characters = 0
    for gold, attempt in pairs:
        batch.append((whole(gold), whole(attempt)))
        characters += len(gold) + len(attempt)
        if len(batch) == BATCH or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _judge_batch(verifier: MathVerifier, batch: list[Pair]) -> list[TimedVerdict]:
    """In a worker process, which ends by its own alarm: each pair has the whole time."""
    verdicts = []
    for gold, attempt in batch:
        signal.setitimer(signal.ITIMER_REAL, verifier.timeout_s + _SLACK_S)
        verdicts.append(_judged(verifier, gold, attempt))
    return verdicts
