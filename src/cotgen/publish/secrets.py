"""Keys, tokens and private keys in what is to be published: found, named, never repeated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotgen.publish.rows import batches, texts

# The prefixes that providers give their keys so that they are found; the lengths keep words out.
KINDS = {
    "an Anthropic key": r"sk-ant-[A-Za-z0-9_-]{20,}",
    "an OpenRouter key": r"sk-or-v1-[0-9a-f]{40,}",
    "an OpenAI key": r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}",
    "an API key (sk-…)": r"sk-[A-Za-z0-9]{32,}",
    "a Hugging Face token": r"(?:hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,})",
    "a GitHub token": r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    "a GitLab token": r"glpat-[A-Za-z0-9_-]{20,}",
    "an AWS key": r"(?:AKIA|ASIA)[A-Z2-7]{16}",
    "a Google key": r"(?:AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{30,})",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{20,}",
    "a Stripe key": r"[sr]k_live_[A-Za-z0-9]{20,}",
    "a Groq key": r"gsk_[A-Za-z0-9]{40,}",
    "an xAI key": r"xai-[A-Za-z0-9]{60,}",
    "a Replicate token": r"r8_[A-Za-z0-9]{37}",
    "a Perplexity key": r"pplx-[A-Za-z0-9]{40,}",
    "an NVIDIA key": r"nvapi-[A-Za-z0-9_-]{50,}",
    "an npm token": r"npm_[A-Za-z0-9]{36}",
    "a PyPI token": r"pypi-AgE[A-Za-z0-9_-]{50,}",
    "a SendGrid key": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "a signed token (JWT)": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a password in an address": r"[a-z][a-z0-9+.]*://[^\s/:@]{1,100}:[^\s/:@]{3,100}@[A-Za-z0-9]",
}
PRIVATE_KEY = r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
# Arrow's engine (RE2) reads hundreds of megabytes in a second; it knows no lookbehind.
ANY = rf"\b(?:{'|'.join(KINDS.values())})|{PRIVATE_KEY}"
_SHORTEST_SECRET = 8


def named_secrets(recipe: dict[str, Any]) -> dict[str, str]:
    """The values of the environment variables that a recipe names for its keys, by name."""
    teachers = recipe.get("teachers") or {}
    names = {str(name) for each in teachers.values() if (name := (each or {}).get("api_key_env"))}
    values = {name: os.environ.get(name, "") for name in sorted(names | {"HF_TOKEN"})}
    return {name: value for name, value in values.items() if len(value) >= _SHORTEST_SECRET}


def secret_in(text: str, own: dict[str, str]) -> str:
    """What kind of secret a text holds; '' for none. `own`: values that must not be in it."""
    if re.search(PRIVATE_KEY, text):
        return "a private key"
    for kind, pattern in KINDS.items():
        if re.search(rf"\b{pattern}", text, re.ASCII):
            return kind
    return next((f"the value of {name}" for name, value in own.items() if value in text), "")


def secrets_in_rows(path: Path, own: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Each row of a file that holds a secret, with its kind."""
    pattern = "|".join([ANY, *map(_literal, own.values())])
    first = 0
    for batch in batches(path):
        if any(_matches(column, pattern) for column in batch.columns):
            for number, row in enumerate(batch.to_pylist()):
                if kind := _first(secret_in(text, own) for text in strings(row)):
                    yield first + number, kind
        first += batch.num_rows


def _matches(column: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return any(
        pc.any(pc.match_substring_regex(each, pattern)).as_py() is True for each in texts(column)
    )


def _literal(text: str) -> str:
    return "".join(letter if letter.isalnum() else f"\\x{{{ord(letter):x}}}" for letter in text)


def strings(value: object) -> Iterator[str]:
    """All texts of a row."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def _first(kinds: Iterator[str]) -> str:
    return next((kind for kind in kinds if kind), "")
