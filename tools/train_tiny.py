"""Train the tiny teacher: `python tools/train_tiny.py` makes the folder that cotgen ships.

The data is drawn from the grammar as it is needed. A run that was stopped goes on from its
checkpoint, and ends as it would have ended: a batch depends on the seed and its number only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path
from random import Random

# Before torch: two OpenMP threads that spin starve each other on a busy machine.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from tiny.batches import WINDOW, windows
from tiny.folder import write_folder
from tiny.model import TinyLlama
from tiny.optimizer import optimizers
from tiny.tokens import train_tokenizer

SHIPPED = Path(__file__).parents[1] / "src/cotgen/teachers/tiny"
WARMUP = 100
LAST_RATE = 0.02


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the folder goes")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--decay", type=int, default=1500, help="steps of linear decay at the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=None, help="kept every 200 steps")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    train(parser.parse_args())


def train(options: argparse.Namespace) -> None:
    """Train, and write the folder."""
    torch.set_num_threads(2)
    tokenizer = train_tokenizer(_texts(options.seed))
    model = TinyLlama(tokenizer.get_vocab_size(), _precision(options.precision))
    model.init(options.seed)
    optimizer = optimizers(model)
    rates = [o.param_groups[0]["lr"] for o in optimizer]
    step, tokens, spent = _restore(options.checkpoint, model, optimizer)
    started = time.monotonic() - spent[0], _cpu_s() - spent[1]
    stream = (b for w in windows(tokenizer, options.seed, step // WINDOW) for b in w)
    for _ in range(step % WINDOW):
        next(stream)
    recent: list[float] = []
    while step < options.steps:
        batch = next(stream)
        for o, rate in zip(optimizer, rates, strict=True):
            o.param_groups[0]["lr"] = rate * _share(step, options.steps, options.decay)
        loss = model.loss(batch.ids, batch.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optimizer:
            o.step()
            o.zero_grad()
        step, tokens = step + 1, tokens + batch.ids.numel()
        recent.append(loss.item())
        if step % 50 == 0 or step == options.steps:
            spent = time.monotonic() - started[0], _cpu_s() - started[1]
            mean = sum(recent) / len(recent)
            print(
                f"step {step} loss {mean:.4f} tokens {tokens / 1e6:.2f}M "
                f"wall {spent[0]:.0f} s cpu {spent[1]:.0f} s",
                flush=True,
            )
            recent.clear()
            if options.checkpoint and (step % 200 == 0 or step == options.steps):
                _save(options.checkpoint, model, optimizer, (step, tokens, spent))
    write_folder(options.out, tokenizer, model)
    print(json.dumps({"steps": step, "tokens": tokens, "wall_s": spent[0], "cpu_s": spent[1]}))


def _texts(seed: int) -> list[str]:
    from tiny.batches import single

    draw = Random(f"{seed}/tokenizer")
    plain = [single(draw).text for _ in range(20_000)]
    from tiny.batches import RETRY

    return [*plain, *[RETRY] * 2000]


def _precision(name: str) -> torch.dtype:
    if name == "auto":
        flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        name = "bf16" if "avx512_bf16" in flags else "fp32"
    return torch.bfloat16 if name == "bf16" else torch.float32


def _share(step: int, steps: int, decay: int) -> float:
    """The share of the full rate: a warm-up, a plain, and a linear descent."""
    if step < WARMUP:
        return (step + 1) / WARMUP
    left = (steps - step) / max(1, decay)
    return 1.0 if left >= 1 else LAST_RATE + (1 - LAST_RATE) * left


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _restore(path, model, optimizer):  # noqa: ANN001, ANN202
    if path is None or not path.exists():
        return 0, 0, (0.0, 0.0)
    state = torch.load(path)
    model.load_state_dict(state["model"])
    for o, saved in zip(optimizer, state["optimizers"], strict=True):
        o.load_state_dict(saved)
    return state["at"]


def _save(path, model, optimizer, at) -> None:  # noqa: ANN001
    state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizer], "at": at}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()
