"""TRL's own trainers take five steps on our files as they lie, and train what they shall.

    train_with_trl.py RUN MODEL [DATASET…]

Without names: all but `prm`, whose trainer TRL 1.13 was the last to have. Runs in an environment
that has TRL and not cotgen. Settings are read from the YAML file beside
each dataset by TRL's own parser, rows by `datasets`; nothing of ours stands in between. What the
loss covers is read from the collated batches of a whole epoch and compared with the attempts of
the run itself, found by the row's origin.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import trl
from datasets import Dataset
from transformers import AutoModelForTokenClassification, AutoTokenizer

STEPS = 5
END = "<|end|>"
log = logging.getLogger("trainers")


def main(run: Path, model: Path, names: list[str]) -> None:
    """Train the datasets named, or all; an exception is a failure."""
    os.environ.update(HF_HUB_OFFLINE="1", WANDB_MODE="disabled")
    logging.basicConfig(level=logging.WARNING)
    log.setLevel(logging.INFO)
    tokenizer = AutoTokenizer.from_pretrained(model)
    run, model = run.resolve(), model.resolve()
    texts = attempts(run)
    os.chdir(run / "datasets")
    for name in names or [name for name in DATASETS if name != "prm"]:
        module, kind, check = DATASETS[name]
        found = importlib.import_module(module)
        trainer, config = getattr(found, f"{kind}Trainer"), getattr(found, f"{kind}Config")
        made = trained(name, trainer, config, model)
        rows = check(Told(tokenizer, texts, name), made)
        wanted = sum(1 for _ in lines(Path(f"{name}.jsonl")))
        assert rows == wanted, f"{name}: {wanted} rows were written, {rows} arrived"
        log.info("%-14s %-13s %3d rows, 5 steps, loss as it shall be", name, trainer.__name__, rows)


def trained(name: str, trainer: Any, config: Any, model: Path) -> Any:
    """A trainer after five steps on a dataset and its settings."""
    kinds = (trl.ScriptArguments, config, trl.ModelConfig, trl.DatasetMixtureConfig)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--config", f"{name}.yaml", "--model_name_or_path", str(model)]
        options += ["--output_dir", folder, "--max_steps", str(STEPS), "--report_to", "none"]
        options += ["--use_cpu", "true", "--bf16", "false", "--save_strategy", "no"]
        options += ["--gradient_checkpointing", "false", "--per_device_train_batch_size", "2"]
        options += ["--disable_tqdm", "true"]
        _, args, _, data = trl.TrlParser(kinds).parse_args_and_config(options)
        dataset: Dataset = trl.get_dataset(data)["train"]
        made = trainer(
            model=_stepwise(model) if name == "prm" else str(model),
            args=args,
            train_dataset=dataset,
            processing_class=AutoTokenizer.from_pretrained(model),
        )
        result = made.train()
    assert result.global_step == STEPS
    assert math.isfinite(result.training_loss), f"{name}: loss {result.training_loss}"
    return made


def _stepwise(model: Path) -> Any:
    """The model with a head of two classes: PRMTrainer takes no name of a model."""
    return AutoModelForTokenClassification.from_pretrained(model, num_labels=2)


class Told:
    """What the run says about the rows of a dataset: the texts of each row's attempts."""

    def __init__(self, tokenizer: Any, texts: dict[str, str], name: str) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self.rows = list(lines(Path(f"{name}.jsonl")))
        origins = lines(Path(f"{name}.origin.jsonl"))
        self.attempts = [[texts[id] for id in origin["attempts"]] for origin in origins]

    def read(self, ids: Any, mask: Any) -> str:
        """The text of the tokens that a mask covers."""
        return self.text(ids[mask.bool()])

    def text(self, ids: Any) -> str:
        """The text of some tokens, a token that begins a text aside."""
        text: str = self._tokenizer.decode(ids)
        return text.removeprefix(self._tokenizer.bos_token or "")

    def whole(self, row: dict[str, Any], reply: str) -> str:
        """A row as a sequence, written without TRL: the tiny model's template is that simple."""
        prompt, told = row["prompt"], row[reply]
        if isinstance(prompt, str):
            return f"{prompt}{told}{END}"
        ends = {"user": "", "assistant": END}
        return "".join(
            f"<|{turn['role']}|>{turn['content']}{ends[turn['role']]}" for turn in prompt + told
        )


def sft(told: Told, trainer: Any) -> int:
    """The loss covers the correct attempt and its end, and nothing else."""
    correct = {
        told.whole(row, "completion"): attempts[-1]
        for row, attempts in zip(told.rows, told.attempts, strict=True)
    }
    rows = 0
    for ids, batch, at in sequences(trainer):
        labels = batch["labels"][at]
        covered = labels != -100
        assert (labels[covered] == ids[covered]).all()
        text = told.read(ids, batch["attention_mask"][at])
        assert told.read(ids, covered) == correct[text] + END, text
        first = int(covered.nonzero()[0])
        assert covered[first : first + int(covered.sum())].all(), "the loss has gaps"
        rows += 1
    return rows


def cpt(told: Told, trainer: Any) -> int:
    """The loss covers everything."""
    texts = {f"{row['text']}{END}" for row in told.rows}
    rows = 0
    for ids, batch, at in sequences(trainer):
        assert told.read(ids, batch["labels"][at] != -100) in texts
        rows += 1
    return rows


def dpo(told: Told, trainer: Any) -> int:
    """The first half of a batch is the chosen attempts, the second the rejected ones."""
    wanted = {
        told.whole(row, reply): attempts[side]
        for row, attempts in zip(told.rows, told.attempts, strict=True)
        for side, reply in enumerate(("chosen", "rejected"))
    }
    chosen = {told.whole(row, "chosen") for row in told.rows}
    rows = 0
    for ids, batch, at in sequences(trainer):
        text = told.read(ids, batch["attention_mask"][at])
        assert (text in chosen) == (at < len(batch["input_ids"]) // 2)
        assert told.read(ids, batch["completion_mask"][at]) == wanted[text] + END
        rows += 1
    assert rows % 2 == 0
    return rows // 2


def kto(told: Told, trainer: Any) -> int:
    """Each attempt has its own label."""
    wanted = {
        told.whole(row, "completion"): (attempts[0], row["label"])
        for row, attempts in zip(told.rows, told.attempts, strict=True)
    }
    rows = 0
    for ids, batch, at in sequences(trainer):
        attempt, label = wanted[told.read(ids, batch["attention_mask"][at])]
        assert told.read(ids, batch["completion_mask"][at]) == attempt + END
        assert bool(batch["label"][at]) == label
        rows += 1
    return rows


def reward(told: Told, trainer: Any) -> int:
    """Whole sequences are compared, the first half of a batch with the second."""
    pairs = {(told.whole(row, "chosen"), told.whole(row, "rejected")) for row in told.rows}
    seen = [
        (batch["input_ids"].shape[0] // 2, at, told.read(ids, batch["attention_mask"][at]))
        for ids, batch, at in sequences(trainer)
    ]
    rows, start = 0, 0
    while start < len(seen):
        half = seen[start][0]
        for at in range(start, start + half):
            assert (seen[at][2], seen[at + half][2]) in pairs
        rows, start = rows + half, start + 2 * half
    return rows


def prm(told: Told, trainer: Any) -> int:
    """Each step's label sits on the token that ends it, and nothing else has one.

    The steps are the first of the attempt that the row's origin names, up to the first wrong one.
    """
    wanted: dict[str, list[tuple[str, bool]]] = {}
    for row, (attempt,) in zip(told.rows, told.attempts, strict=True):
        steps = row["completions"]
        assert attempt.startswith("\n".join(steps))
        assert False not in row["labels"][:-1]
        ends = ["\n".join(steps[: number + 1]) + "\n" for number in range(len(steps))]
        texts = [row["prompt"] + end for end in ends]
        wanted[texts[-1]] = list(zip(texts, row["labels"], strict=True))
    rows = 0
    for ids, batch, at in sequences(trainer):
        labels = batch["labels"][at]
        ids = ids[batch["attention_mask"][at].bool()]
        places = (labels != -100).nonzero().flatten().tolist()
        found = [(told.text(ids[: place + 1]), bool(labels[place])) for place in places]
        assert found == wanted[told.text(ids)]
        rows += 1
    return rows


def margins(told: Told, trainer: Any) -> int:
    """Pairs as without margins, and each pair's own margin in the batch."""
    wanted = {told.whole(row, "chosen") + told.whole(row, "rejected"): row for row in told.rows}
    for batch in trainer.get_train_dataloader():
        texts = [
            told.read(ids, mask)
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        ]
        half = len(texts) // 2
        for at, margin in enumerate(batch["margin"].tolist()):
            row = wanted[texts[at] + texts[at + half]]
            assert math.isclose(margin, row["margin"], rel_tol=1e-6)
    return reward(told, trainer)


def sequences(trainer: Any) -> Iterator[tuple[Any, dict[str, Any], int]]:
    """Every sequence of an epoch as it was collated: its tokens, its batch, its place there."""
    for batch in trainer.get_train_dataloader():
        for at, ids in enumerate(batch["input_ids"]):
            yield ids, batch, at


def attempts(run: Path) -> dict[str, str]:
    """The text of every attempt of the run, by its id."""
    return {
        f"{search['id']}/{number}": "".join(step["text"] for step in attempt["steps"])
        for search in lines(run / "attempts.jsonl")
        for number, attempt in enumerate(search["attempts"])
    }


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


Check = Callable[[Told, Any], int]
DATASETS: dict[str, tuple[str, str, Check]] = {
    "sft": ("trl", "SFT", sft),
    "sft-multiturn": ("trl", "SFT", sft),
    "sft-folded": ("trl", "SFT", sft),
    "sft-single": ("trl", "SFT", sft),
    "cpt": ("trl", "SFT", cpt),
    "dpo": ("trl", "DPO", dpo),
    "kto": ("trl", "KTO", kto),
    "rm": ("trl", "Reward", reward),
    "rm-margin": ("trl", "Reward", margins),
    "prm": ("trl.experimental.prm", "PRM", prm),
}
"""Where each dataset's trainer and settings are, and what its batches must show."""

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
