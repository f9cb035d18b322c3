"""A small Llama with random weights, in the shape of the teacher that comes with cotgen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPECIAL = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ 'user' if m.role == 'system' else m.role }}|>"
    "{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LINES = [
    f"{name} has {n} {thing}. Then {name} buys {n + 7} more, so there are {2 * n + 7} {thing} left."
    for name in ("Ella", "Tom", "Nora", "Hugo", "Mei")
    for thing in ("muffins", "coins", "beads", "toys")
    for n in range(10, 60)
]


def save(folder: Path, ends: int = 1, layers: int = 4, key_heads: int = 4) -> None:
    """Write the model. It says nothing sensible; each of `ends` tokens ends a completion."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    untyped: Any = transformers
    untyped.utils.logging.disable_progress_bar()
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        LINES,
        trainers.BpeTrainer(vocab_size=768, special_tokens=SPECIAL, initial_alphabet=alphabet),
    )
    tokenizer = untyped.PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|end|>", chat_template=TEMPLATE
    )
    tokenizer.save_pretrained(folder)
    config = untyped.LlamaConfig(
        vocab_size=768, hidden_size=128, intermediate_size=384, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=key_heads, max_position_embeddings=1024,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=3, pad_token_id=0,
        initializer_range=0.1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = untyped.LlamaForCausalLM(config)
    model.generation_config.eos_token_id = [3, *range(100, 99 + ends)]
    model.half().save_pretrained(folder)
