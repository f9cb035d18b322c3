"""Measure the tiny teacher: `python tools/evaluate_tiny.py` prints what docs/tiny-teacher.md says.

Per family and level: pass@1 at temperature 0.8, greedy and pass@16 on held-out structures, with
95 % bootstrap intervals over problems; the first mistakes of wrong attempts; and the loss of a
correct attempt by itself, after other problems, and after other attempts of its problem.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch
from tiny.batches import RETRY
from tiny.folder import read_folder
from tiny.judging import answer_of, is_coherent, mistake_of
from tiny.model import TinyLlama
from tiny.sampler import sample
from tiny.tokens import ASSISTANT
from tokenizers import Tokenizer

from cotgen.problems.grammar import (
    FAMILIES,
    LEVELS,
    Family,
    Level,
    Worked,
    difficulty,
    draw_problem,
)

SHIPPED = Path(__file__).parents[1] / "src/cotgen/teachers/tiny"
N = 16
Teacher = tuple[Tokenizer, TinyLlama]


@dataclass(frozen=True)
class Case:
    """A held-out problem with the teacher's attempts."""

    family: Family
    level: Level
    worked: Worked
    attempts: list[str]
    greedy: str

    @property
    def right(self) -> list[bool]:
        """Which attempts end in the gold answer."""
        return [answer_of(text) == self.worked.answer for text in self.attempts]

    @property
    def wrong(self) -> list[str]:
        """The attempts that do not."""
        return [t for t, ok in zip(self.attempts, self.right, strict=True) if not ok]


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--problems", type=int, default=100, help="per family and level")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loss-problems", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    teacher = read_folder(options.folder)
    started = time.process_time()
    cases = _attempted(teacher, options.problems, options.seed)
    spent = time.process_time() - started
    _print_accuracy(cases)
    _print_mistakes(cases)
    _print_losses(teacher, cases, options.loss_problems)
    made = sum(len(case.attempts) + 1 for case in cases)
    print(f"\n{made} attempts in {spent:.0f} CPU-s: {made / spent:.0f} attempts per CPU-s")


def _attempted(teacher: Teacher, problems: int, seed: int) -> list[Case]:
    drawn: list[tuple[Family, Level, Worked]] = []
    for family in FAMILIES:
        for level in LEVELS:
            draw = Random(f"{seed}/{family}/{level}")
            hard = difficulty(family, level)
            drawn += [
                (family, level, draw_problem(draw, family, hard, "test")) for _ in range(problems)
            ]
    prompts = [f"<|user|>{worked.question}<|assistant|>" for _, _, worked in drawn]
    warm = sample(teacher, prompts, N, 0.8, seed)
    cold = sample(teacher, prompts, 1, 0.0)
    return [
        Case(family, level, worked, attempts, greedy)
        for (family, level, worked), attempts, [greedy] in zip(drawn, warm, cold, strict=True)
    ]


def _print_accuracy(cases: list[Case]) -> None:
    print("| family | level | steps | pass@1, T 0.8 | greedy | pass@16 | mixed | texts of 16 |")
    print("|---|---|---|---|---|---|---|---|")
    for family in (*FAMILIES, "both"):
        for level in (*LEVELS, "all"):
            some = [c for c in cases if family in (c.family, "both") and level in (c.level, "all")]
            steps = str(int(level) + 1) if level != "all" else "2–6"
            print(f"| {family} | {level} | {steps} | {_figures(some)} |")


def _figures(cases: list[Case]) -> str:
    right = np.array([case.right for case in cases])
    greedy = np.array([answer_of(case.greedy) == case.worked.answer for case in cases])
    texts = np.mean([len(set(case.attempts)) for case in cases])
    mixed = np.mean(right.any(1) & ~right.all(1))
    columns = [_interval(right.mean(1)), _interval(greedy), _interval(np.any(right, axis=1))]
    return " | ".join([*columns, f"{100 * mixed:.0f}", f"{texts:.1f}"])


def _interval(values: np.ndarray) -> str:
    """A mean in percent, with its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return f"{100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _print_mistakes(cases: list[Case]) -> None:
    print("\n| first mistake of the wrong attempts, % | both | running | comparison |")
    print("|---|---|---|---|")
    counts = {
        family: Counter(
            mistake_of(c.worked, text)
            for c in cases
            if family in (c.family, "both")
            for text in c.wrong
        )
        for family in ("both", *FAMILIES)
    }
    for mistake, _ in counts["both"].most_common():
        shares = (f"{100 * c[mistake] / max(1, c.total()):.1f}" for c in counts.values())
        print(f"| {mistake} | {' | '.join(shares)} |")
    print("| wrong attempts | " + " | ".join(str(c.total()) for c in counts.values()) + " |")
    wrong = [text for case in cases for text in case.wrong]
    print(f"\ncoherent among the wrong: {100 * np.mean([is_coherent(t) for t in wrong]):.1f} %")
    right = [(c, t) for c in cases for t, ok in zip(c.attempts, c.right, strict=True) if ok]
    astray = np.mean([mistake_of(c.worked, t) != "answer is not the last value" for c, t in right])
    print(f"right answer by another path: {100 * astray:.1f} % of the right attempts")


def _print_losses(teacher: Teacher, cases: list[Case], problems: int) -> None:
    """The loss per token of one correct attempt in six contexts, on the same problems."""
    draw = Random(0)
    usable = [case for case in cases if len(case.wrong) >= 3 and any(case.right)]
    usable = draw.sample(usable, min(problems, len(usable)))
    losses: dict[str, list[float]] = {}
    for case in usable:
        for context, text in _contexts(draw, case, cases).items():
            losses.setdefault(context, []).append(_loss(teacher, text))
    alone = float(np.mean(losses["alone"]))
    print(f"\n| context of a correct attempt ({len(usable)} problems) | loss per token | ratio |")
    print("|---|---|---|")
    for context, values in losses.items():
        print(f"| {context} | {np.mean(values):.4f} | {np.mean(values) / alone:.2f} |")


def _contexts(draw: Random, case: Case, cases: list[Case]) -> dict[str, str]:
    """A correct attempt of the teacher in contexts that never hold its own text."""
    right = [t for t, ok in zip(case.attempts, case.right, strict=True) if ok]
    correct = draw.choice(right)
    others = [text for text in case.attempts if text != correct]
    question = f"<|user|>{case.worked.question}"
    final = f"<|assistant|>{correct}<|end|>"
    before = [
        f"<|user|>{other.worked.question}<|assistant|>{other.worked.solution()}<|end|>"
        for other in draw.sample([other for other in cases if other is not case], 3)
    ]
    wrong = draw.sample(case.wrong, 3)
    return {
        "alone": question + final,
        "after 1 other problem": before[0] + question + final,
        "after 3 other problems": "".join(before) + question + final,
        "after 3 others of its 16 attempts": question + _earlier(draw.sample(others, 3)) + final,
        "after 1 wrong attempt of its own": question + _earlier(wrong[:1]) + final,
        "after 3 wrong attempts of its own": question + _earlier(wrong) + final,
    }


def _earlier(attempts: list[str]) -> str:
    return "".join(f"<|assistant|>{text}<|end|><|user|>{RETRY}" for text in attempts)


@torch.inference_mode()
def _loss(teacher: Teacher, text: str) -> float:
    """Mean loss over the last response, its end included."""
    tokenizer, model = teacher
    ids = torch.tensor([tokenizer.encode(text).ids])
    start = int((ids[0] == ASSISTANT).nonzero()[-1])
    scores = model.logits(model(ids[:, :-1])[0, start:])
    return float(torch.nn.functional.cross_entropy(scores, ids[0, start + 1 :]))


if __name__ == "__main__":
    main()
