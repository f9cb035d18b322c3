"""From a folder or a hub id to a tokenizer and a network, with an error for each way it fails."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import jinja2
import msgspec
import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as _transformers_logging

from cotgen.errors import RecipeError
from cotgen.records import Message, clean
from cotgen.teachers.engine.anymodel import AnyModel
from cotgen.teachers.engine.llama import Llama
from cotgen.teachers.engine.network import Network

_quiet: Any = _transformers_logging
TINY = "tiny"
"""The name of the model that comes with cotgen."""

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]


class Writer:
    """A tokenizer: messages to tokens by the model's chat template, and tokens to text."""

    def __init__(self, tokenizer: Any, model: str) -> None:
        self._tokenizer = tokenizer
        self._model = model

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt that asks for the next answer."""
        turns = [msgspec.structs.asdict(message) for message in messages]
        begun = messages[-1].role == "assistant"  # An answer that is to be gone on with.
        try:
            tokens: list[int] = self._tokenizer.apply_chat_template(
                turns,
                add_generation_prompt=not begun,
                continue_final_message=begun,
                tokenize=True,
                return_dict=False,
            )
        except jinja2.TemplateError as error:
            raise _mistake(self._model, f"its chat template refuses the prompt: {error}") from error
        return tokens

    def text(self, tokens: Sequence[int]) -> str:
        """What some tokens of an answer say."""
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return clean(text)


class Loaded:
    """A model that is ready to be asked."""

    def __init__(self, network: Network[Any, Any], writer: Writer, ends: frozenset[int]) -> None:
        self.network = network
        self.writer = writer
        self.ends = ends
        """The tokens with which the model ends."""


def load(model: str, revision: str | None, device: Device, dtype: Dtype) -> Loaded:
    """Load a model. Raises RecipeError with what is wrong and what to do about it."""
    source = _source(model)
    place = _place(device)
    if not Path(source).is_dir():
        _reach(model, revision)
    _quiet.disable_progress_bar()
    tokenizer = _opened(AutoTokenizer, source, revision, model)
    if not tokenizer.chat_template:
        raise _mistake(
            model,
            "it has no chat template, so it cannot be asked anything: name a model that was "
            "tuned for conversation, or put a chat_template.jinja into its folder",
        )
    kind = {"auto": torch.float32 if place == "cpu" else "auto"}.get(dtype) or getattr(torch, dtype)
    network, info = _opened(
        AutoModelForCausalLM, source, revision, model, dtype=kind, output_loading_info=True
    )
    absent = sorted({str(name) for name in (*info["missing_keys"], *info["mismatched_keys"])})
    if absent:
        # Transformers would go on with random numbers.
        raise _mistake(
            model, f"its weights are incomplete: {', '.join(absent[:3])} missing or of wrong shape"
        )
    network = network.eval().to(place)
    with torch.inference_mode():
        chosen = Llama(network) if Llama.fits(network) else AnyModel(network)
    return Loaded(chosen, Writer(tokenizer, model), _ends(network, tokenizer))


def _source(model: str) -> str:
    """The folder, or else the hub id, that `model` names."""
    folder = Path(str(files("cotgen.teachers"))) / TINY if model == TINY else Path(model)
    folder = folder.expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise _mistake(model, "this folder holds no model: there is no config.json in it")
        return str(folder)
    if folder.exists():
        raise _mistake(model, "this is a file; name the folder of a model (with a config.json)")
    if model == TINY or model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise _mistake(
            model, f"there is no folder {folder} (and a Hugging Face id looks like owner/name)"
        )
    return model


def _reach(model: str, revision: str | None) -> None:
    """Ask the Hub once whether it has the model: transformers would go on trying for a minute."""
    if isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str):
        return
    try:
        HfApi().model_info(model, revision=revision, timeout=10)
    except Exception as error:  # Of four families: the Hub's, httpx's, the system's, ValueError.
        what = (
            "there is no such folder here, and the Hugging Face Hub does not give it: no "
            f"connection, no such model, or one that wants a token in HF_TOKEN ({_said(error)})"
        )
        raise _mistake(model, what) from error


def _place(device: Device) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "teachers.*.device: cuda, but torch sees no GPU (auto takes one if there is one)"
        )
    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _opened(factory: Any, source: str, revision: str | None, model: str, **options: Any) -> Any:
    """`from_pretrained`, which fails in a hundred ways. Code that comes with a model never runs."""
    try:
        return factory.from_pretrained(
            source, revision=revision, trust_remote_code=False, **options
        )
    except Exception as error:  # tokenizers raises bare ones; a damaged file, nearly any.
        what = f"it cannot be loaded, its files may be damaged or incomplete ({_said(error)})"
        raise _mistake(model, what) from error


def _ends(network: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that the model or its tokenizer calls an end."""
    named = [tokenizer.eos_token_id]
    for settings in (network.generation_config, network.config.get_text_config()):
        ends = getattr(settings, "eos_token_id", None)
        named += ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in named if end is not None)


def _mistake(model: str, what: str) -> RecipeError:
    return RecipeError(f"teachers.*.model: {model}: {what}")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
