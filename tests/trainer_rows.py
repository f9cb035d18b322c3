"""A validator and reader of every trainer's rows, written from formats.md §5 to 11 and 13 alone.

It shares no code with `cotgen.emitters`, so that it can disagree with them. TRL's own SFT and DPO
rows are validated by `rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

COLUMNS: dict[tuple[str, str], set[str]] = {
    ("cpt", "trl"): {"text"},
    ("cpt", "llama_factory"): {"text"},
    ("sft", "trl"): {"prompt", "completion"},
    ("sft", "llama_factory"): {"messages"},
    ("sft", "verl"): {"messages"},
    ("sft", "openrlhf"): {"input", "output"},
    ("sft", "axolotl"): {"messages"},
    ("dpo", "trl"): {"prompt", "chosen", "rejected"},
    ("dpo", "llama_factory"): {"messages", "chosen", "rejected"},
    ("dpo", "openrlhf"): {"prompt", "chosen", "rejected"},
    ("dpo", "axolotl"): {"messages", "chosen", "rejected"},
    ("rm", "trl"): {"prompt", "chosen", "rejected"},
    ("rm", "llama_factory"): {"messages", "chosen", "rejected"},
    ("rm", "openrlhf"): {"prompt", "chosen", "rejected"},
    ("rm", "axolotl"): {"system", "input", "chosen", "rejected"},
    ("kto", "trl"): {"prompt", "completion", "label"},
    ("kto", "llama_factory"): {"messages", "label"},
    ("orm", "trl"): {"prompt", "completion", "label"},
    ("orm", "llama_factory"): {"messages", "label"},
    ("prm", "trl"): {"prompt", "completions", "labels"},
    ("prm", "axolotl"): {"prompt", "completions", "labels"},
    ("rl", "trl"): {"prompt", "answer", "source"},
    ("rl", "verl"): {"data_source", "prompt", "ability", "reward_model", "extra_info"},
    ("rl", "openrlhf"): {"input", "label"},
}
"""formats.md §5: every pair that is not here is refused."""

_TURN_KEYS = (
    {"role", "content"},
    {"role", "content", "train"},
    {"role", "content", "train", "train_detail"},
)


def validate(kind: str, format: str, row: Row) -> list[str]:
    """What is wrong with a row; nothing if it is fine."""
    if set(row) != COLUMNS[kind, format]:
        return [f"columns {sorted(row)} instead of {sorted(COLUMNS[kind, format])}"]
    if kind == "prm":
        return _step_problems(row)
    problems = [problem for name in row for problem in _column(name, row[name])]
    single = {"chosen", "rejected"} & set(row)
    if single and format in ("llama_factory", "axolotl"):
        want = str if (kind, format) == ("rm", "axolotl") else dict
        problems += [
            f"{name}: not one {want}" for name in single if not isinstance(row[name], want)
        ]
    if single and row["chosen"] == row["rejected"]:
        problems.append("chosen, rejected: equal")
    if "messages" in row and not problems:
        last = "user" if single else "assistant"
        if row["messages"][-1]["role"] != last:
            problems.append(f"messages: the last one is not the {last}'s")
    if (kind, format) == ("rl", "verl"):
        problems += _verl_problems(row)
    return problems


def trained_text(format: str, row: Row) -> str:
    """The text that an SFT trainer's loss covers."""
    if format in ("llama_factory", "verl"):  # Every assistant turn: neither knows a mask.
        return "".join(turn["content"] for turn in row["messages"] if turn["role"] == "assistant")
    if format == "axolotl":
        return "".join(_axolotl_text(turn) for turn in row["messages"])
    reply = row["output" if format == "openrlhf" else "completion"]
    return reply if isinstance(reply, str) else "".join(turn["content"] for turn in reply)


def shown_text(format: str, row: Row) -> str:
    """All that the model reads of an SFT row, message by message."""
    parts = [row["messages"]] if "messages" in row else list(row.values())
    return "\n\n".join(
        part if isinstance(part, str) else "\n\n".join(turn["content"] for turn in part)
        for part in parts
    )


def _axolotl_text(turn: Row) -> str:
    if not turn.get("train", turn["role"] == "assistant"):
        return ""
    text: str = turn["content"]
    spans = turn.get("train_detail") or [
        {"begin_offset": 0, "end_offset": len(text) - 1, "train": True}
    ]
    # Both offsets belong to the span; together the spans are the text.
    assert [span["begin_offset"] for span in spans[1:]] == [
        span["end_offset"] + 1 for span in spans[:-1]
    ]
    assert (spans[0]["begin_offset"], spans[-1]["end_offset"]) == (0, len(text) - 1)
    return "".join(
        text[span["begin_offset"] : span["end_offset"] + 1] for span in spans if span["train"]
    )


def _step_problems(row: Row) -> list[str]:
    """Plain texts, a bool for each step, and nothing after the first wrong step."""
    prompt, steps, labels = row["prompt"], row["completions"], row["labels"]
    problems = [] if isinstance(prompt, str) and prompt.strip() else ["prompt: no text"]
    if not steps or not all(isinstance(step, str) and step.strip() for step in steps):
        problems.append("completions: not a list of texts")
    if [type(label) for label in labels] != [bool] * len(steps):
        problems.append("labels: not a bool for each step")
    if False in labels[:-1]:
        problems.append("labels: a step after the first wrong one")
    return problems


def _column(name: str, value: object) -> list[str]:
    if name == "label":
        good = isinstance(value, bool) or (isinstance(value, str) and value.strip())
        return [] if good else ["label: neither a bool nor a text"]
    if name in ("reward_model", "extra_info"):
        return [] if isinstance(value, dict) else [f"{name}: no object"]
    if isinstance(value, str):
        return [] if value.strip() or name in ("system", "source") else [f"{name}: empty"]
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, list) or not turns:
        return [f"{name}: no messages"]
    return _turn_problems(name, turns)


def _turn_problems(name: str, turns: list[Any]) -> list[str]:
    problems = [f"{name}: {turn}" for turn in turns if set(turn) not in _TURN_KEYS]
    problems += [f"{name}: empty" for turn in turns if not turn.get("content", "").strip()]
    roles = [turn.get("role") for turn in turns]
    if name in ("prompt", "messages", "input") and roles[0] == "system":
        roles = roles[1:]
    first = "user" if name in ("prompt", "messages", "input") else "assistant"
    other = "assistant" if first == "user" else "user"
    if roles != [(first, other)[index % 2] for index in range(len(roles))]:
        problems.append(f"{name}: roles {roles}")
    return problems


def _verl_problems(row: Row) -> list[str]:
    truth = row["reward_model"]
    problems = [] if set(truth) == {"style", "ground_truth"} else ["reward_model: keys"]
    problems += [] if truth["style"] == "rule" else ["reward_model: style"]
    problems += [] if truth["ground_truth"].strip() else ["reward_model: no ground truth"]
    extra = row["extra_info"]
    if set(extra) != {"split", "index", "answer", "question"}:
        problems.append("extra_info: keys")
    if extra["split"] == "test":
        problems.append("extra_info: a test problem")
    return problems
