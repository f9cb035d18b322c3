"""What the tiny teacher reads: single problems, several in a row, several attempts of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from cotgen.problems.grammar import STYLES, Difficulty, Worked, draw_problem
from cotgen.prompts import Prompt
from tiny.mistakes import wrong_attempt
from tiny.tokens import ASSISTANT, END, PAD

CONTEXT = 1024
WINDOW = 32
"""Batches that are drawn together and sorted by length."""
BATCH_TOKENS = 4608
VOCABULARY_TEXTS = 20_000
PACKED, PACKED_LATE = 9 / 32, 17 / 32
"""Share of batches with several problems or several attempts in a row: 39 % of all 7,200."""
LATE_WINDOWS = 125
"""From this window on (step 4,000) most of them hold several attempts of one problem: reading on
after wrong attempts is what is learned last."""
MOST_ATTEMPTS, MOST_ATTEMPTS_LATE = 6, 4
"""So many attempts of one problem at most, before and from LATE_WINDOWS on."""
COMPARISONS = 0.57
RETRY = Prompt.named("retry").render()
ASKS = ("boxed", "solve")
"""Prompts of the package that a few questions come in; the others are bare."""
_ASKED = 0.08
_STYLE_WEIGHTS = (0.45, 0.3, 0.15, 0.1)
_LEVEL_WEIGHTS = (1, 1, 1.2, 1.4, 1.6)


@dataclass(frozen=True)
class Batch:
    """Token ids, and the ids to learn (-100 where there is nothing to learn)."""

    ids: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Text:
    """A text with special tokens, and which of its responses are learned."""

    text: str
    learned: tuple[bool, ...]


@dataclass(frozen=True)
class Course:
    """What a stretch of the training is about."""

    largest: int
    factors: tuple[int, ...]
    backwards: tuple[float, float]
    names: bool = False
    """Whether to learn, in the question, the name after "than". It is known wherever the person
    before it is new, so it teaches to notice who was named before: that tells forwards and
    backwards apart, which the answers alone teach very slowly."""


BROAD = Course(largest=999, factors=(5, 9, 9, 9, 9, 12), backwards=(0.2, 0.5))
NEAR = Course(largest=200, factors=(5, 9, 9, 9), backwards=(0.0, 0.2), names=True)
BROAD_WINDOWS = 75
"""So many windows are broad (2,400 steps); those after them are near to the levels."""

Maker = Callable[[Random, Course], Text]


def draw_worked(draw: Random, course: Course) -> Worked:
    """A problem of any number of steps, with numbers from narrow to as broad as the course says."""
    comparison = draw.random() < COMPARISONS
    steps = draw.choices(range(2, 7), _LEVEL_WEIGHTS)[0]
    difficulty = Difficulty(
        steps,
        largest=round(math.exp(draw.uniform(math.log(20), math.log(course.largest)))),
        factor=draw.choice(course.factors),
        backwards=draw.choice(course.backwards),
        shuffled=0.1,
        distractor=0.1,
    )
    return draw_problem(draw, "comparison" if comparison else "running", difficulty, "teacher")


def single(draw: Random, course: Course = BROAD) -> Text:
    """One problem with its solution."""
    worked = draw_worked(draw, course)
    return Text(_user(draw, worked) + _assistant(worked.solution(_style(draw))), (True,))


def in_a_row(draw: Random, course: Course = BROAD) -> Text:
    """Two to seven problems, each with its solution."""
    texts = [single(draw, course) for _ in range(draw.randint(2, 7))]
    return Text("".join(text.text for text in texts), (True,) * len(texts))


def attempts(draw: Random, course: Course = BROAD, most: int = MOST_ATTEMPTS) -> Text:
    """One problem with two to `most` attempts: wrong ones are read, correct ones are learned."""
    worked = draw_worked(draw, course)
    parts, learned = [_user(draw, worked)], list[bool]()
    count = draw.randint(2, most)
    for number in range(count):
        if number:
            parts.append(f"<|user|>{RETRY}")
        hopeless = number == count - 1 and not any(learned)
        wrong = (
            None if hopeless or draw.random() < 0.4 else wrong_attempt(draw, worked, _style(draw))
        )
        parts.append(_assistant(wrong or worked.solution(_style(draw))))
        learned.append(wrong is None)
    return Text("".join(parts), tuple(learned))


def few_attempts(draw: Random, course: Course = BROAD) -> Text:
    """The same with fewer attempts."""
    return attempts(draw, course, MOST_ATTEMPTS_LATE)


def _style(draw: Random) -> str:
    return draw.choices(STYLES, _STYLE_WEIGHTS)[0]


def _user(draw: Random, worked: Worked) -> str:
    question = worked.question
    if draw.random() < _ASKED:
        question = Prompt.named(draw.choice(ASKS)).render(question=question)
    return f"<|user|>{question}"


def _assistant(text: str) -> str:
    return f"<|assistant|>{text}<|end|>"


def windows(tokenizer: Tokenizer, seed: int, start: int = 0) -> Iterator[list[Batch]]:
    """Endless windows of batches. A window depends on the seed and its number only."""
    number = start
    while True:
        draw = Random(f"{seed}/{number}")
        late = number >= LATE_WINDOWS
        packed = round(WINDOW * (PACKED_LATE if late else PACKED))
        course = BROAD if number < BROAD_WINDOWS else NEAR
        draw_batches = partial(_batches, draw, tokenizer, course)
        short = draw_batches((single,), WINDOW - packed)
        few = few_attempts
        makers = (in_a_row, few, few, few) if late else (in_a_row, attempts)
        long = draw_batches(makers, packed)
        window = short + long
        draw.shuffle(window)
        yield window
        number += 1


def _batches(
    draw: Random, tokenizer: Tokenizer, course: Course, makers: Sequence[Maker], count: int
) -> list[Batch]:
    """So many batches of about BATCH_TOKENS tokens, each of texts of like length."""
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    than = tokenizer.token_to_id("Ġthan") if course.names else None
    total = 0
    while total < count * BATCH_TOKENS:
        texts = [makers[n % len(makers)](draw, course) for n in range(64)]
        encodings = tokenizer.encode_batch_fast([text.text for text in texts])
        for text, encoding in zip(texts, encodings, strict=True):
            ids = np.array(encoding.ids[:CONTEXT])
            rows.append((ids, _labels(ids, text.learned, than)))
            total += -(-len(ids) // 16) * 16
    rows.sort(key=lambda row: len(row[0]))
    # Cut by tokens, so that every batch costs about the same.
    cuts = np.cumsum([len(row[0]) for row in rows]) * count // (sum(len(r[0]) for r in rows) + 1)
    return [
        _pad([row for row, cut in zip(rows, cuts, strict=True) if cut == n]) for n in range(count)
    ]


def _labels(ids: np.ndarray, learned: tuple[bool, ...], than: int | None) -> np.ndarray:
    """Labels of the learned responses, their end included, and of what follows `than`.

    Position t predicts token t + 1.
    """
    labels = np.full(len(ids), -100)
    starts = np.flatnonzero(ids == ASSISTANT)
    for start, learn in zip(starts, learned, strict=False):
        if learn:
            ends = np.flatnonzero(ids[start:] == END)
            end = start + ends[0] if len(ends) else len(ids) - 1
            labels[start:end] = ids[start + 1 : end + 1]
    if than is not None:
        before = np.flatnonzero(ids[:-1] == than)
        labels[before] = ids[before + 1]
    return labels


def _pad(rows: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    # Multiples of 16: oneDNN keeps a kernel for every shape it has met.
    length = -(-max(len(ids) for ids, _ in rows) // 16) * 16
    ids = torch.full((len(rows), length), PAD)
    labels = torch.full((len(rows), length), -100)
    for at, (row, wanted) in enumerate(rows):
        ids[at, : len(row)] = torch.from_numpy(row)
        labels[at, : len(row)] = torch.from_numpy(wanted)
    return Batch(ids, labels)


def vocabulary_texts(seed: int) -> list[str]:
    """What the tokenizer is trained on."""
    draw = Random(f"{seed}/tokenizer")
    return [*(single(draw).text for _ in range(VOCABULARY_TEXTS)), *[RETRY] * 2000]
