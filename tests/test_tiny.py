"""The tiny teacher's tools: its folder, its training, its judging."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import pytest
import torch
from tiny.batches import (
    BROAD,
    BROAD_WINDOWS,
    CONTEXT,
    LATE_WINDOWS,
    RETRY,
    WINDOW,
    Maker,
    attempts,
    few_attempts,
    in_a_row,
    single,
    windows,
)
from tiny.folder import read_folder
from tiny.judging import answer_of, is_coherent, mistake_of
from tiny.mistakes import wrong_attempt
from tiny.sampler import sample
from tiny.tokens import ASSISTANT
from train_tiny import SHIPPED, STEPS, train

from cotgen.problems.grammar import STYLES
from cotgen.problems.word_problems import WordProblems


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads wait for each other, where the cores are busy."""
    torch.set_num_threads(1)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches and a tokenizer of few texts: what is tested is the way, not the teacher."""
    monkeypatch.setattr("tiny.batches.BATCH_TOKENS", 1024)
    monkeypatch.setattr("tiny.batches.VOCABULARY_TEXTS", 1000)


def _options(out: Path, **changes: object) -> argparse.Namespace:
    usual: dict[str, object] = {
        "out": out, "steps": 6, "decay": 3, "seed": 0, "checkpoint": None, "precision": "fp32",
        "threads": 1,
    }  # fmt: skip
    return argparse.Namespace(**{**usual, **changes})


@pytest.mark.usefixtures("small")
def test_a_few_steps_of_training_make_a_folder_and_lower_the_loss(tmp_path: Path) -> None:
    train(_options(tmp_path / "a", steps=1))
    train(_options(tmp_path / "b", steps=8))
    text = single(Random(0)).text
    before, after = (_loss(tmp_path / name, text) for name in "ab")
    assert after < before
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {path.name for path in SHIPPED.iterdir()} - {"README.md"}


def _loss(folder: Path, text: str) -> float:
    tokenizer, model = read_folder(folder)
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.inference_mode():
        return float(model.loss(ids[:, :-1], ids[:, 1:]))


@pytest.mark.usefixtures("small")
def test_a_run_that_was_stopped_ends_as_it_would_have_ended(
    tmp_path: Path,
) -> None:
    train(_options(tmp_path / "whole"))
    # Written at the last step, whatever it is; a plain before the descent knows nothing of its end.
    kept = tmp_path / "kept.pt"
    train(_options(tmp_path / "half", steps=3, decay=0, checkpoint=kept))
    train(_options(tmp_path / "rest", checkpoint=kept))
    whole, rest = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "rest")
    )
    assert whole == rest


def test_the_shipped_folder_is_small_and_says_how_to_sample() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 4_000_000
    said = json.loads((SHIPPED / "generation_config.json").read_text(encoding="utf-8"))
    assert (said["do_sample"], said["temperature"], said["top_k"]) == (True, 0.8, 0)


def test_the_shipped_teacher_solves_some_held_out_problems_and_fails_others() -> None:
    problems = list(WordProblems(limit=30, split="test", seed=99).load())
    prompts = [f"<|user|>{problem.question}<|assistant|>" for problem in problems]
    texts = sample(read_folder(SHIPPED), prompts, 4, 0.8)
    right = [
        str(answer_of(text)) == problem.answer
        for problem, some in zip(problems, texts, strict=True)
        for text in some
    ]
    assert 0.3 < sum(right) / len(right) < 0.85


def test_transformers_reads_the_folder_and_agrees() -> None:
    import transformers

    tokenizer, model = read_folder(SHIPPED)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(SHIPPED, dtype=torch.float32)
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(SHIPPED)
    turns = [
        {"role": "user", "content": "Tom has 5 apples."},
        {"role": "assistant", "content": "5 + 2 = 7"},
        {"role": "user", "content": RETRY},
    ]
    text = f"<|user|>Tom has 5 apples.<|assistant|>5 + 2 = 7<|end|><|user|>{RETRY}<|assistant|>"
    ids = their_tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    assert ids[0].tolist() == tokenizer.encode(text).ids
    with torch.inference_mode():
        torch.testing.assert_close(
            theirs(ids).logits, model.logits(model(ids)), atol=1e-3, rtol=1e-3
        )


def test_sampling_agrees_with_reading_the_whole_text() -> None:
    teacher = tokenizer, model = read_folder(SHIPPED)
    problems = list(WordProblems(limit=5, split="test").load())
    prompts = [f"<|user|>{problem.question}<|assistant|>" for problem in problems]
    for prompt, [text] in zip(prompts, sample(teacher, prompts, 1, 0.0), strict=True):
        ids = torch.tensor([tokenizer.encode(prompt + text + "<|end|>").ids])
        written = len(tokenizer.encode(text + "<|end|>").ids)
        with torch.inference_mode():
            best = model.logits(model(ids[:, :-1])[0]).argmax(-1)
        assert best[-written:].tolist() == ids[0, -written:].tolist()


def test_made_up_mistakes_are_wrong_and_coherent() -> None:
    draw = Random(0)
    kinds = set()
    for _, worked in WordProblems(limit=200).worked():
        text = wrong_attempt(draw, worked, draw.choice(STYLES))
        if text is not None:
            assert answer_of(text) != worked.answer
            assert is_coherent(text)
            kinds.add(mistake_of(worked, text))
    assert {"wrong operation", "arithmetic slip", "wrong operand"} <= kinds


@pytest.mark.parametrize(("maker", "most"), [(attempts, 6), (few_attempts, 4)])
def test_only_correct_attempts_are_learned(maker: Maker, most: int) -> None:
    draw = Random(0)
    counts = set[int]()
    for _ in range(50):
        text = maker(draw, BROAD)
        answers = [answer_of(part) for part in text.text.split("<|assistant|>")[1:]]
        right = {a for a, learned in zip(answers, text.learned, strict=True) if learned}
        wrong = {a for a, learned in zip(answers, text.learned, strict=True) if not learned}
        assert len(right) == 1
        assert not right & wrong
        assert text.text.count(RETRY) == len(answers) - 1
        counts.add(len(answers))
    assert counts == set(range(2, most + 1))


def test_several_problems_stand_in_a_row() -> None:
    text = in_a_row(Random(0))
    assert text.text.count("<|user|>") == len(text.learned) >= 2


@pytest.mark.usefixtures("small")
def test_a_quarter_to_two_fifths_of_the_batches_hold_several_responses() -> None:
    tokenizer, _ = read_folder(SHIPPED)
    than = tokenizer.token_to_id("Ġthan")
    shares = {}
    for start in (0, BROAD_WINDOWS, LATE_WINDOWS):
        window = next(windows(tokenizer, 0, start))
        several = sum(bool(((batch.ids == ASSISTANT).sum(1) > 1).any()) for batch in window)
        shares[start] = several / WINDOW
        assert max(batch.ids.shape[1] for batch in window) <= CONTEXT
        names = any(bool((batch.labels[batch.ids == than] >= 0).any()) for batch in window)
        assert names == (start >= BROAD_WINDOWS)
    late = 1 - LATE_WINDOWS * WINDOW / STEPS
    assert 0.25 <= shares[BROAD_WINDOWS] * (1 - late) + shares[LATE_WINDOWS] * late <= 0.4
