"""What the tiny teacher reads: single problems, several in a row, several attempts of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
PACKED = 9 / 32
"""Share of batches with several problems or several attempts in a row."""
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


Maker = Callable[[Random], Text]


def draw_worked(draw: Random) -> Worked:
    """A problem from all that the grammar can do, more broadly than the levels do."""
    comparison = draw.random() < COMPARISONS
    steps = draw.choices(range(2, 7), _LEVEL_WEIGHTS)[0]
    difficulty = Difficulty(
        steps,
        largest=round(math.exp(draw.uniform(math.log(20), math.log(999)))),
        factor=draw.choice((5, 9, 9, 9, 9, 12)),
        backwards=draw.choice((0.2, 0.5)),
        shuffled=0.1,
        distractor=0.1,
    )
    return draw_problem(draw, "comparison" if comparison else "running", difficulty, "teacher")


def single(draw: Random) -> Text:
    """One problem with its solution."""
    worked = draw_worked(draw)
    return Text(_user(draw, worked) + _assistant(worked.solution(_style(draw))), (True,))


def in_a_row(draw: Random) -> Text:
    """Two to seven problems, each with its solution."""
    texts = [single(draw) for _ in range(draw.randint(2, 7))]
    return Text("".join(text.text for text in texts), (True,) * len(texts))


def attempts(draw: Random) -> Text:
    """One problem with two to six attempts: wrong ones to be read, correct ones to be learned."""
    worked = draw_worked(draw)
    parts, learned = [_user(draw, worked)], list[bool]()
    count = draw.randint(2, 6)
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
        packed = round(WINDOW * PACKED)
        short = _batches(draw, tokenizer, (single,), WINDOW - packed)
        long = _batches(draw, tokenizer, (in_a_row, attempts), packed)
        window = short + long
        draw.shuffle(window)
        yield window
        number += 1


def _batches(
    draw: Random, tokenizer: Tokenizer, makers: Sequence[Maker], count: int
) -> list[Batch]:
    """So many batches of about BATCH_TOKENS tokens, each of texts of like length."""
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    total = 0
    while total < count * BATCH_TOKENS:
        texts = [makers[n % len(makers)](draw) for n in range(64)]
        encodings = tokenizer.encode_batch_fast([text.text for text in texts])
        for text, encoding in zip(texts, encodings, strict=True):
            ids = np.array(encoding.ids[:CONTEXT])
            rows.append((ids, _labels(ids, text.learned)))
            total += -(-len(ids) // 16) * 16
    rows.sort(key=lambda row: len(row[0]))
    # Cut by tokens, so that every batch costs about the same.
    cuts = np.cumsum([len(row[0]) for row in rows]) * count // (sum(len(r[0]) for r in rows) + 1)
    return [
        _pad([row for row, cut in zip(rows, cuts, strict=True) if cut == n]) for n in range(count)
    ]


def _labels(ids: np.ndarray, learned: tuple[bool, ...]) -> np.ndarray:
    """Labels of the learned responses, their end included; position t predicts token t + 1."""
    labels = np.full(len(ids), -100)
    starts = np.flatnonzero(ids == ASSISTANT)
    for start, learn in zip(starts, learned, strict=False):
        if learn:
            ends = np.flatnonzero(ids[start:] == END)
            end = start + ends[0] if len(ends) else len(ids) - 1
            labels[start:end] = ids[start + 1 : end + 1]
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
