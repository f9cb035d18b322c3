"""Train the tiny teacher: `python tools/train_tiny.py` makes the folder that cotgen ships.

The data is drawn from the grammar as it is needed. A run that was stopped goes on from its
checkpoint and ends as it would have ended: a batch depends on the seed and its number only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Before torch: two OpenMP threads that spin starve each other on a busy machine.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from tiny.batches import WINDOW, Batch, vocabulary_texts, windows
from tiny.folder import write_folder
from tiny.model import TinyLlama
from tiny.optimizer import optimizers
from tiny.tokens import train_tokenizer
from tokenizers import Tokenizer

SHIPPED = Path(__file__).parents[1] / "src/cotgen/teachers/tiny"
STEPS = 7200
WARMUP = 100
LAST_RATE = 0.02


@dataclass
class Progress:
    """How far a run has come, and what it has cost."""

    step: int = 0
    tokens: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the folder goes")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--decay", type=int, default=1600, help="steps of linear decay at the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=None, help="written every 200 steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    train(parser.parse_args())


def train(options: argparse.Namespace) -> None:
    """Train, and write the folder."""
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer(vocabulary_texts(options.seed))
    model = TinyLlama(tokenizer.get_vocab_size(), _precision(options.precision))
    model.init(options.seed)
    run = _Run(model, options)
    run.go(tokenizer)
    write_folder(options.out, tokenizer, model)
    print(json.dumps(vars(run.progress)))


class _Run:
    """A model in training, with its optimizers and its place in the data."""

    def __init__(self, model: TinyLlama, options: argparse.Namespace) -> None:
        self.progress = Progress()
        self._model, self._options = model, options
        self._optimizers = optimizers(model)
        self._rates = [o.param_groups[0]["lr"] for o in self._optimizers]
        if options.checkpoint and options.checkpoint.exists():
            self._restore(torch.load(options.checkpoint))

    def go(self, tokenizer: Tokenizer) -> None:
        """Train to the last step."""
        progress, steps = self.progress, self._options.steps
        before = time.monotonic() - progress.wall_s, _cpu_s() - progress.cpu_s
        recent: list[float] = []
        for batch in _batches(tokenizer, self._options.seed, progress.step):
            if progress.step >= steps:
                return
            recent.append(self._learn(batch))
            progress.step += 1
            progress.tokens += batch.ids.numel()
            if progress.step % 50 == 0 or progress.step == steps:
                progress.wall_s = time.monotonic() - before[0]
                progress.cpu_s = _cpu_s() - before[1]
                self._report(sum(recent) / len(recent))
                recent.clear()

    def _learn(self, batch: Batch) -> float:
        share = _share(self.progress.step, self._options.steps, self._options.decay)
        for optimizer, rate in zip(self._optimizers, self._rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * share
        loss = self._model.loss(batch.ids, batch.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()

    def _report(self, loss: float) -> None:
        now, path = self.progress, self._options.checkpoint
        print(
            f"step {now.step} loss {loss:.4f} tokens {now.tokens / 1e6:.2f}M "
            f"wall {now.wall_s:.0f} s cpu {now.cpu_s:.0f} s",
            flush=True,
        )
        if path and (now.step % 200 == 0 or now.step == self._options.steps):
            part = path.with_suffix(".part")
            torch.save(self._state(), part)
            part.replace(path)

    def _state(self) -> dict[str, object]:
        return {
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "progress": vars(self.progress),
        }

    def _restore(self, state: dict[str, object]) -> None:
        self._model.load_state_dict(state["model"])  # type: ignore[arg-type]
        saved: list[dict[str, object]] = state["optimizers"]  # type: ignore[assignment]
        for optimizer, its in zip(self._optimizers, saved, strict=True):
            optimizer.load_state_dict(its)
        self.progress = Progress(**state["progress"])  # type: ignore[arg-type]


def _batches(tokenizer: Tokenizer, seed: int, start: int) -> Iterator[Batch]:
    """The batches from a step on."""
    skip = start % WINDOW
    for window in windows(tokenizer, seed, start // WINDOW):
        yield from window[skip:]
        skip = 0


def _precision(name: str) -> torch.dtype:
    """bf16 where the CPU multiplies in it, which is twice as fast; else fp32."""
    if name == "auto":
        cpu = Path("/proc/cpuinfo")
        fast = cpu.exists() and "avx512_bf16" in cpu.read_text(encoding="utf-8")
        name = "bf16" if fast else "fp32"
    return torch.bfloat16 if name == "bf16" else torch.float32


def _share(step: int, steps: int, decay: int) -> float:
    """The share of the full rate: a warm-up, a plain, and a linear descent."""
    warm = min(1.0, (step + 1) / WARMUP)
    left = min(1.0, (steps - step) / max(1, decay))
    return warm * (LAST_RATE + (1 - LAST_RATE) * left)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
