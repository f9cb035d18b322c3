"""Attempts a CPU-second: the `local` teacher beside `transformers.generate`, in one run.

    python benchmarks/local.py [--model FOLDER] [--prompts FILE.jsonl] [--attempts 3200]

Without the model that comes with cotgen, a random one of its shape is measured, of which nine
tokens of 768 end an attempt (85 tokens on average, with a long tail). Both sides sample the same
prompts at temperature 0.8 in one thread, 16 samples of each prompt; loading is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonlines
import random_llama
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import cotgen.teachers
from cotgen.protocols import Request
from cotgen.records import Message, Sampling
from cotgen.teachers.local import LocalTeacher

TINY = Path(cotgen.teachers.__file__).parent / "tiny"
SAMPLES = 16
TEMPERATURE = 0.8
MOST_TOKENS = 200
PEER_ATTEMPTS = 512


@dataclass
class Figures:
    """What a run came to."""

    attempts: int = 0
    tokens: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time that passes."""
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        yield
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.perf_counter() - wall_s

    def show(self, name: str) -> None:
        """One line of the table."""
        print(
            f"{name:<34}{self.attempts:>9,}{self.tokens / self.attempts:>9.1f}"
            f"{self.attempts / self.cpu_s:>15.1f}{self.tokens / self.cpu_s:>14,.0f}"
            f"{self.attempts / self.wall_s:>14.1f}"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="a model's folder; default: tiny")
    parser.add_argument("--prompts", type=Path, help="a JSONL file with a `question` in each row")
    parser.add_argument("--attempts", type=int, default=3200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or TINY
        if not model.is_dir():
            random_llama.save(model := Path(folder), ends=9)
            print("a random model of the tiny one's shape")
        prompts = _prompts(arguments.prompts, -(-arguments.attempts // SAMPLES))
        print(f"{'':<34}attempts   tokens   attempts/CPU-s   tokens/CPU-s   attempts/s")
        for batch in (64, 256):
            asyncio.run(_ours(model, prompts, batch)).show(f"cotgen, batch {batch}")
        for batch in (64, 256):
            peer = _generate(model, prompts[: PEER_ATTEMPTS // SAMPLES], batch)
            peer.show(f"transformers.generate, batch {batch}")


def _prompts(path: Path | None, count: int) -> list[str]:
    if path is None:
        lines = random_llama.LINES
        return [
            " ".join(lines[(7 * at + part) % len(lines)] for part in (0, 3)) for at in range(count)
        ]
    with jsonlines.open(path) as rows:
        questions = [str(row["question"]) for row in rows]
    return [questions[at % len(questions)] for at in range(count)]


async def _ours(model: Path, prompts: list[str], batch: int) -> Figures:
    figures = Figures()
    teacher = LocalTeacher(model=str(model), batch=batch, device="cpu")
    sampling = Sampling(n=SAMPLES, temperature=TEMPERATURE, max_tokens=MOST_TOKENS)
    places = asyncio.Semaphore(teacher.concurrency)
    async with teacher.connect() as ask:

        async def one(number: int, prompt: str) -> None:
            async with places:
                messages = (Message("user", prompt),)
                for made in await ask(Request(prompt, messages, sampling, 4096 * number)):
                    figures.attempts += 1
                    figures.tokens += made.tokens

        with figures.timed():
            await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(prompts)))
    return figures


def _generate(folder: Path, prompts: list[str], batch: int) -> Figures:
    figures = Figures()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ends = set(torch.tensor(model.generation_config.eos_token_id).flatten().tolist())
    width = batch // SAMPLES
    for start in range(0, len(prompts), width):
        with figures.timed(), torch.inference_mode():
            inputs = tokenizer.apply_chat_template(
                [[{"role": "user", "content": text}] for text in prompts[start : start + width]],
                add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True,
            )  # fmt: skip
            made = model.generate(
                **inputs, do_sample=True, temperature=TEMPERATURE, top_k=0, top_p=1.0,
                max_new_tokens=MOST_TOKENS, num_return_sequences=SAMPLES, pad_token_id=0,
            )[:, inputs["input_ids"].shape[1] :]  # fmt: skip
            tokenizer.batch_decode(made, skip_special_tokens=True)
        for row in made.tolist():
            end = next((at + 1 for at, token in enumerate(row) if token in ends), len(row))
            figures.attempts += 1
            figures.tokens += end
    return figures


if __name__ == "__main__":
    main()
