import json
from pathlib import Path
from random import Random

import pyarrow
import pyarrow.parquet
import pytest
from rows import (
    Columns,
    Kind,
    read_rows,
    tags_outside_fences,
    thought_text,
    trained_text,
    validate,
    validate_file,
)


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


USER, WRONG, AGAIN = say("user", "2 + 2?"), say("assistant", "5"), say("user", "Try again.")
SYSTEM, RIGHT = say("system", "Be brief."), say("assistant", "4")
SFT: Columns = {"prompt": [SYSTEM, USER, WRONG, AGAIN], "completion": [RIGHT]}
SINGLE: Columns = {"prompt": "2 + 2?\n<think>\n5\n</think>\n\n", "completion": "4"}
DPO: Columns = {"prompt": [USER], "chosen": [RIGHT], "rejected": [WRONG]}


def single(thought: str, completion: str, question: str = "2 + 2?\n") -> Columns:
    return {"prompt": f"{question}<think>\n{thought}\n</think>\n\n", "completion": completion}


VIOLATIONS: list[tuple[str, Kind, Columns, str]] = [
    ("missing column", "sft", {"prompt": [USER]}, "column completion: missing"),
    ("extra column", "sft", {**SFT, "messages": []}, "column messages: not in this format"),
    ("missing rejected", "dpo", {"prompt": [USER], "chosen": [RIGHT]}, "column rejected: missing"),
    ("mixed shapes", "sft", {**SFT, "completion": "4"}, "neither both strings nor both"),
    ("null completion", "sft", {**SFT, "completion": None}, "neither both strings nor both"),
    ("no messages", "sft", {**SFT, "prompt": []}, "prompt: empty"),
    ("extra message key", "sft", {**SFT, "prompt": [{**USER, "name": "x"}]}, "role and content"),
    ("missing content", "sft", {**SFT, "prompt": [{"role": "user"}]}, "role and content"),
    ("message is a string", "sft", {**SFT, "prompt": ["2 + 2?"]}, "role and content"),
    ("unknown role", "sft", {**SFT, "prompt": [say("human", "2 + 2?")]}, "unknown role"),
    (
        "null content",
        "sft",
        {**SFT, "prompt": [{"role": "user", "content": None}]},
        "not a string",
    ),
    ("empty user turn", "sft", {**SFT, "prompt": [say("user", "")]}, "prompt[0]: empty content"),
    (
        "blank completion",
        "sft",
        {**SFT, "completion": [say("assistant", " \n")]},
        "completion[0]: empty",
    ),
    ("ends with assistant", "sft", {**SFT, "prompt": [USER, WRONG]}, "not the user's"),
    ("two user turns", "sft", {**SFT, "prompt": [USER, AGAIN]}, "do not alternate"),
    (
        "starts with assistant",
        "sft",
        {**SFT, "prompt": [SYSTEM, WRONG, USER]},
        "do not alternate",
    ),
    ("late system message", "sft", {**SFT, "prompt": [USER, WRONG, SYSTEM, USER]}, "alternate"),
    ("only a system message", "sft", {**SFT, "prompt": [SYSTEM]}, "not the user's"),
    ("two completions", "sft", {**SFT, "completion": [RIGHT, RIGHT]}, "2 messages instead of one"),
    ("user completion", "sft", {**SFT, "completion": [USER]}, "not the assistant's"),
    ("empty prompt text", "sft", {**SINGLE, "prompt": ""}, "prompt: empty"),
    ("blank completion text", "sft", {**SINGLE, "completion": " \n"}, "completion: empty"),
    ("no think block", "sft", {**SINGLE, "prompt": "2 + 2?"}, "0 <think> outside"),
    ("unclosed think", "sft", {**SINGLE, "prompt": "?\n<think>\n5\n"}, "0 </think> outside"),
    ("second open tag", "sft", single("5 <think>", "4"), "2 <think> outside"),
    ("close tag in the answer", "sft", single("5", "4 </think>"), "2 </think> outside"),
    ("tag in the question", "sft", single("5", "4", "What is <think>?\n"), "2 <think> outside"),
    ("tag behind an open fence", "sft", single("```\n</think>", "4"), "2 </think> outside"),
    ("fence around the close tag", "sft", single("```\n5", "```\n4"), "0 </think> outside"),
    (
        "text after the block",
        "sft",
        {**SINGLE, "prompt": "?\n<think>\n5\n</think>\n\nSo "},
        "does not end with a think block",
    ),
    (
        "one newline too few",
        "sft",
        {**SINGLE, "prompt": "?\n<think>\n5\n</think>\n"},
        "does not end with a think block",
    ),
    (
        "no newline after the open tag",
        "sft",
        {**SINGLE, "prompt": "?\n<think>5\n</think>\n\n"},
        "do not form one block",
    ),
    (
        "tags the wrong way round",
        "sft",
        {"prompt": "?\n5\n</think>\n\n", "completion": "<think>\n4"},
        "do not form one block",
    ),
    ("no question", "sft", single("5", "4", ""), "no question"),
    ("string prompt", "dpo", {**DPO, "prompt": "2 + 2?"}, "prompt: not a message list"),
    ("ends with assistant", "dpo", {**DPO, "prompt": [USER, WRONG]}, "not the user's"),
    ("two chosen", "dpo", {**DPO, "chosen": [WRONG, RIGHT]}, "chosen: 2 messages"),
    ("chosen by the user", "dpo", {**DPO, "chosen": [USER]}, "chosen: a message that is not"),
    ("rejected by the user", "dpo", {**DPO, "rejected": [USER]}, "rejected: a message that is"),
    ("no rejected", "dpo", {**DPO, "rejected": []}, "rejected: empty"),
    ("empty rejected", "dpo", {**DPO, "rejected": [say("assistant", "")]}, "rejected[0]: empty"),
    ("equal pair", "dpo", {**DPO, "rejected": [RIGHT]}, "chosen, rejected: equal"),
]


def write(path: Path, rows: list[Columns]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("sft", SFT),
        ("sft", {"prompt": [USER], "completion": [RIGHT]}),
        ("sft", SINGLE),
        ("sft", single("5\n\n</thought> <Think>", "4 < think >")),
        ("sft", single("```xml\n<think></think>\n```\n5", "4\n~~~\n</think>\n~~~")),
        ("sft", single("````\n```\n<think>\n````", "4")),
        ("sft", single(" \n5\n\n", "\n\n 4 \n")),
        ("dpo", DPO),
        ("dpo", {**DPO, "chosen": [say("assistant", "4 ")], "rejected": [RIGHT]}),
    ],
)
def test_good_rows_pass(kind: Kind, row: Columns) -> None:
    assert validate(kind, row) == []


@pytest.mark.parametrize(("name", "kind", "row", "problem"), VIOLATIONS)
def test_each_violation_is_reported_with_its_line(
    name: str, kind: Kind, row: Columns, problem: str, tmp_path: Path
) -> None:
    good = SFT if kind == "sft" else DPO
    found = validate_file(kind, write(tmp_path / "rows.jsonl", [good, good, row, good]))
    assert found, name
    assert all(line.startswith("line 3: ") for line in found)
    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "not JSON"),
        ('{"prompt": ', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"prompt": "a", "prompt": "b", "completion": "c"}', "a key stands twice"),
    ],
)
def test_a_line_that_holds_no_row_is_reported(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(SFT)}\n{line}\n{json.dumps(SFT)}\n")
    (found,) = validate_file("sft", path)
    assert found.startswith("line 2: ")
    assert problem in found
    with pytest.raises(ValueError, match="line 2"):
        read_rows(path)


def test_bytes_that_are_not_utf8_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "\xff"}\n')
    (found,) = validate_file("sft", path)
    assert found.startswith("line 1: not JSON")


def test_unicode_line_separators_do_not_shift_line_numbers(tmp_path: Path) -> None:
    row = {**DPO, "prompt": [say("user", "a\u2028b\x85c\rd")]}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in (row, row, {})))
    assert {line[:8] for line in validate_file("dpo", path)} == {"line 3: "}


def test_parquet_rows_are_validated_by_row_number(tmp_path: Path) -> None:
    bad = {**DPO, "rejected": [RIGHT]}
    path = write(tmp_path / "rows.parquet", [DPO, bad, DPO])
    assert validate_file("dpo", path) == ["line 2: chosen, rejected: equal"]
    assert read_rows(path) == [DPO, bad, DPO]


def test_a_parquet_file_with_a_column_too_many_is_reported_on_every_row(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", [{**SINGLE, "id": "p1"}] * 2)
    assert [line[:8] for line in validate_file("sft", path)] == ["line 1: ", "line 2: "]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither \.jsonl nor \.parquet"):
        validate_file("sft", tmp_path / "rows.csv")


def test_the_loss_covers_the_completion_alone() -> None:
    assert trained_text(SFT) == "4"
    assert trained_text(single("5", " 4\n")) == " 4\n"
    with pytest.raises(ValueError, match="not a prompt-completion row"):
        trained_text(DPO)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("<think>", ["<think>"]),
        ("```\n<think>\n```", []),
        ("```\n<think>\n```\n</think>", ["</think>"]),
        ("```\n<think>", ["<think>"]),
        ("   ~~~ xml\n<think>\n~~~~  \n", []),
        ("~~~\n<think>\n```", ["<think>"]),
        ("````\n<think>\n```", ["<think>"]),
        ("    ```\n<think>\n    ```", ["<think>"]),
        ("a ```\n<think>\n```", ["<think>"]),
        ("``` `x`\n<think>\n```", ["<think>"]),
        ("```\n```\n<think>\n", ["<think>"]),
        ("~~~\n```\n<think>\n```", []),
        ("`<think>`", ["<think>"]),
    ],
)
def test_only_closed_fences_hide_tags(text: str, tags: list[str]) -> None:
    assert [name for name, _ in tags_outside_fences(text)] == tags


PIECES = [
    " ", "\n", "\n\n", "\r\n", "\t", "5", "x = 2", "\u2028", "é", "```", "~~~~", "`a`", "<b>",
    "\n```\n<think>\n```\n", "\n~~~\n</think>\n~~~\n", "\n```py\nx\n```\n", "< think>",
]  # fmt: skip
TAGS = ["<think>", "</think>"]


def scribble(random: Random, pieces: list[str]) -> str:
    return "".join(random.choices(pieces, k=random.randint(1, 8)))


@pytest.mark.parametrize("seed", range(200))
def test_random_texts_without_loose_fences_pass_and_read_back(seed: int) -> None:
    random = Random(seed)
    loose = {"```", "~~~~"}
    pieces = [piece for piece in PIECES if piece not in loose]
    thought, answer = scribble(random, pieces) + "5", scribble(random, pieces) + "4"
    row = single(thought, answer)
    assert validate("sft", row) == []
    assert trained_text(row) == answer
    assert thought_text(row) == thought
    chat: Columns = {"prompt": [say("user", thought)], "completion": [say("assistant", answer)]}
    assert validate("sft", chat) == []
    assert trained_text(chat) == answer


@pytest.mark.parametrize("seed", range(200))
def test_a_single_row_that_passes_reads_back_whatever_it_holds(seed: int) -> None:
    random = Random(seed)
    thought, answer = scribble(random, PIECES + TAGS), scribble(random, PIECES + TAGS)
    row = single(thought, answer)
    if validate("sft", row) == []:
        assert thought_text(row) == thought
        assert trained_text(row) == answer
    loose = [f"{thought}{tag}{answer}" for tag in TAGS]
    plain = [text for text in loose if "`" not in text and "~" not in text]
    assert all(validate("sft", single(text, "4")) for text in plain)
