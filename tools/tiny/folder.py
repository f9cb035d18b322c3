"""The tiny teacher as a Hugging Face folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from tiny.batches import CONTEXT
from tiny.model import EPSILON, HEADS, HIDDEN, INNER, LAYERS, THETA, TinyLlama
from tiny.tokens import CHAT_TEMPLATE, END, PAD


def write_folder(folder: Path, tokenizer: Tokenizer, model: TinyLlama) -> None:
    """Write everything that `transformers` and vLLM need; the model card is written by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: w.detach().half().contiguous() for name, w in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    _json(folder / "config.json", _config(tokenizer.get_vocab_size()))
    _json(folder / "tokenizer_config.json", _TOKENIZER)
    _json(folder / "generation_config.json", _GENERATION)


def read_folder(folder: Path) -> tuple[Tokenizer, TinyLlama]:
    """The tokenizer and the network, in fp32."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = TinyLlama(tokenizer.get_vocab_size())
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name: w.to(torch.float32) for name, w in weights.items()})
    return tokenizer, model.eval()


def _config(vocabulary: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "dtype": "float16",
        "eos_token_id": END,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INNER,
        "max_position_embeddings": CONTEXT,
        "mlp_bias": False,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": HEADS,
        "pad_token_id": PAD,
        "rms_norm_eps": EPSILON,
        "rope_parameters": {"rope_theta": THETA, "rope_type": "default"},
        "rope_theta": THETA,
        "tie_word_embeddings": True,
        "use_cache": True,
        "vocab_size": vocabulary,
    }


_TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": CONTEXT,
    "eos_token": "<|end|>",
    "pad_token": "<|pad|>",
    "clean_up_tokenization_spaces": False,
}

_GENERATION = {
    "do_sample": True,
    "temperature": 0.8,
    "top_k": 0,
    "top_p": 1.0,
    "eos_token_id": END,
    "pad_token_id": PAD,
    "max_new_tokens": 256,
}


def _json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
