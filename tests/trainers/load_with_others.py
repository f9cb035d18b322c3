"""Other trainers' loaders read our files as they lie, with the settings beside them: masks and all.
LLaMA-Factory 0.9.5, verl 0.9.1, OpenRLHF 0.11.2, Axolotl 0.19.0.

    load_with_others.py RUN MODEL

RUN is a run of recipes/trainers.yaml. It takes an environment with those four packages (see
loaders.txt) and without cotgen. Only their code reads the files; what their masks cover is compared
with the attempts of the run, found by each row's origin. No training step is taken: LLaMA-Factory
wants torchaudio, OpenRLHF flash-attn, and neither has a build without CUDA.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import yaml

log = logging.getLogger("loaders")
END = "<|end|>"
LONG = {"max_length": 4096, "max_prompt_length": 4096}
"""Lengths beside the files are estimates unless the recipe names a tokenizer; ours is unusual."""


def main(run: Path, model: Path) -> None:
    """Load every dataset with its trainer's loader; an exception is a failure."""
    os.environ.update(HF_HUB_OFFLINE="1", WANDB_MODE="disabled", HF_DATASETS_CACHE="/tmp/loaders")
    sys.modules["torchaudio"] = stand_in("torchaudio")  # Imported for sounds; we have none.
    logging.basicConfig(level=logging.ERROR)
    log.setLevel(logging.INFO)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    texts = attempts(run.resolve())
    model = model.resolve()
    os.chdir(run / "datasets")
    for name, check in DATASETS.items():
        told = Told(name, texts, tokenizer, model)
        rows = check(told)
        assert rows == len(told.attempts), f"{name}: {len(told.attempts)} rows, {rows} arrived"
        log.info("%-26s %4d rows, as they shall be", name, rows)


def stand_in(name: str) -> ModuleType:
    """An empty module."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    return module


class Told:
    """What the run says about a dataset: its settings, and the texts of each row's attempts."""

    def __init__(self, name: str, texts: dict[str, str], tokenizer: Any, model: Path) -> None:
        self.name, self.tokenizer, self.model = name, tokenizer, model
        self.settings = yaml.safe_load(Path(f"{name}.yaml").read_text(encoding="utf-8"))
        origins = lines(Path(f"{name}.origin.jsonl"))
        self.attempts = [[texts[id] for id in origin["attempts"]] for origin in origins]
        self.rows = list(lines(Path(f"{name}.jsonl")))

    def read(self, ids: Any, labels: Any) -> str:
        """The text of the tokens that the loss covers, without the end token."""
        covered = [int(id) for id, label in zip(ids, labels, strict=True) if label]
        return without_end(self.tokenizer.decode(covered))


def without_end(text: str) -> str:
    """A reply as its attempt is."""
    return text.strip().removesuffix(END).strip()


def same(found: Iterator[str], wanted: list[str]) -> int:
    """How many texts there are; each must be the one that is wanted."""
    rows = 0
    for text, want in zip(found, wanted, strict=True):
        assert text == want.strip(), f"row {rows}: {text!r} is trained, {want!r} should be"
        rows += 1
    return rows


def llama_factory_sft(told: Told) -> int:
    """The loss covers the correct attempt."""
    rows = llama_factory(told, "sft")
    found = (told.read(row["input_ids"], [x != -100 for x in row["labels"]]) for row in rows)
    return same(found, [each[-1] for each in told.attempts])


def llama_factory_dpo(told: Told) -> int:
    """Chosen is the first attempt of the origin, rejected the second."""
    rows = llama_factory(told, "rm")
    return both(
        told, rows, ("chosen_input_ids", "chosen_labels"), ("rejected_input_ids", "rejected_labels")
    )


def both(told: Told, rows: Any, chosen: tuple[str, str], rejected: tuple[str, str]) -> int:
    """Both replies of every row, by the keys of their tokens and labels."""
    for place, (ids, labels) in enumerate((chosen, rejected)):
        found = (told.read(row[ids], [x != -100 for x in row[labels]]) for row in rows)
        same(found, [each[place] for each in told.attempts])
    return len(told.attempts)


def llama_factory_kto(told: Told) -> int:
    """Every reply has its own label."""
    rows = llama_factory(told, "kto")
    assert [row["kto_tags"] for row in rows] == [row["label"] for row in told.rows]
    found = (told.read(row["input_ids"], [x != -100 for x in row["labels"]]) for row in rows)
    return same(found, [each[-1] for each in told.attempts])


def llama_factory(told: Told, stage: str) -> Any:
    """The rows as LLaMA-Factory's trainers get them."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args

    settings = {key: value for key, value in told.settings.items() if not key.startswith("pref_")}
    more: dict[str, object] = {
        "stage": stage,
        "template": "default",
        "output_dir": "/tmp/loaders/out",
    }
    more |= {"model_name_or_path": str(told.model), "overwrite_cache": True, "report_to": "none"}
    more |= {"finetuning_type": "full", "bf16": False, "use_cpu": True}
    models, data, training, _, _ = get_train_args(settings | more)
    template = get_template_and_fix_tokenizer(told.tokenizer, data)
    kinds = {"stage": stage, "tokenizer": told.tokenizer}
    return get_dataset(template, models, data, training, **kinds)["train_dataset"]


def verl_sft(told: Told) -> int:
    """The loss covers the correct attempt."""
    from omegaconf import OmegaConf
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

    config = OmegaConf.create({**told.settings["data"], **LONG, "pad_mode": "no_padding"})
    # The tiny model's template has no think switch and no system turn, which is what it warns of.
    config.ignore_input_ids_mismatch = True
    rows = MultiTurnSFTDataset(config.train_files, told.tokenizer, config)
    found = (
        told.read(row["input_ids"], row["loss_mask"])
        for row in map(rows.__getitem__, range(len(rows)))
    )
    return same(found, [each[-1] for each in told.attempts])


def verl_rl(told: Told) -> int:
    """Prompts and ground truths arrive."""
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset

    more = {"filter_overlong_prompts_workers": 1, "return_raw_chat": True}
    config = OmegaConf.create({**told.settings["data"], **LONG, **more})
    rows = RLHFDataset(config.train_files, told.tokenizer, config)
    for number, wanted in enumerate(told.rows):
        row = rows[number]
        assert row["reward_model"] == wanted["reward_model"]
        assert list(row["raw_prompt"]) == wanted["prompt"]
    return len(rows)


def openrlhf_sft(told: Told) -> int:
    """The response is the correct attempt."""
    from openrlhf.datasets.sft_dataset import SFTDataset

    rows = SFTDataset(table(told), told.tokenizer, 4096, strategy(told), num_processors=1)
    return same(map(without_end, rows.responses), [each[-1] for each in told.attempts])


def openrlhf_rm(told: Told) -> int:
    """Chosen and rejected are the attempts of the origin."""
    from openrlhf.datasets import RewardDataset

    rows = RewardDataset(table(told), told.tokenizer, 4096, strategy(told), num_processors=1)
    same(map(without_end, rows.rejects), [each[1] for each in told.attempts])
    return same(map(without_end, rows.chosens), [each[0] for each in told.attempts])


def openrlhf_rl(told: Told) -> int:
    """Prompts end where the assistant begins; labels are the golds."""
    from openrlhf.datasets import PromptDataset

    rows = PromptDataset(table(told), told.tokenizer, strategy(told))
    for number, wanted in enumerate(told.rows):
        assert wanted["label"] in map(str, rows[number])
    return len(rows)


def table(told: Told) -> Any:
    """The rows as `datasets` reads them."""
    from datasets import load_dataset

    return load_dataset("json", data_files=f"{told.name}.jsonl", split="train")


def strategy(told: Told) -> Any:
    """What OpenRLHF makes of its options, `data.…` of the settings among them."""
    options = {key.removeprefix("data."): value for key, value in told.settings.items()}
    data = SimpleNamespace(**options)
    return SimpleNamespace(args=SimpleNamespace(data=data), is_rank_0=lambda: False)


def axolotl_sft(told: Told) -> int:
    """The loss covers the correct attempt, whatever else the assistant said."""
    from axolotl.prompt_strategies.chat_template import load

    made = load(told.tokenizer, config(told), told.settings["datasets"][0])
    rows = (made.tokenize_prompt(row) for row in told.rows)
    found = (told.read(row["input_ids"], [x != -100 for x in row["labels"]]) for row in rows)
    return same(found, [each[-1] for each in told.attempts])


def axolotl_dpo(told: Told) -> int:
    """Chosen and rejected are the attempts of the origin."""
    from axolotl.prompt_strategies.dpo.chat_template import default

    transform = default(config(told))
    made = transform[0] if isinstance(transform, tuple) else transform
    rows = [made(row, tokenizer=told.tokenizer) for row in told.rows]
    same((without_end(row["rejected"]) for row in rows), [each[1] for each in told.attempts])
    return same((without_end(row["chosen"]) for row in rows), [each[0] for each in told.attempts])


def axolotl_rm(told: Told) -> int:
    """Each sequence ends in its attempt."""
    from axolotl.prompt_strategies.bradley_terry.chat_template import load

    made = load(told.tokenizer, config(told), told.settings["datasets"][0])
    for row, (chosen, rejected) in zip(told.rows, told.attempts, strict=True):
        read = made.tokenize_prompt(dict(row))
        for ids, wanted in ((read["chosen_ids"], chosen), (read["rejected_ids"], rejected)):
            assert without_end(told.tokenizer.decode(ids)).endswith(wanted.strip())
    return len(told.rows)


def config(told: Told) -> Any:
    """Axolotl's settings, with the defaults that its command line would fill in."""
    from axolotl.utils.dict import DictDefault

    more = {"chat_template": "tokenizer_default", "train_on_inputs": False}
    return DictDefault({**told.settings, **more})


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


Check = Callable[[Told], int]
DATASETS: dict[str, Check] = {
    "sft-folded-llama_factory": llama_factory_sft,
    "dpo-llama_factory": llama_factory_dpo,
    "kto-llama_factory": llama_factory_kto,
    "sft-folded-verl": verl_sft,
    "rl-verl": verl_rl,
    "sft-multiturn-openrlhf": openrlhf_sft,
    "rm-openrlhf": openrlhf_rm,
    "rl-openrlhf": openrlhf_rl,
    "sft-multiturn-axolotl": axolotl_sft,
    "sft-single-axolotl": axolotl_sft,
    "dpo-axolotl": axolotl_dpo,
    "rm-axolotl": axolotl_rm,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
