from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import random_llama
import torch
import transformers

from cotgen import parse_recipe, run
from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Ask, Request
from cotgen.records import Completion, Message, Sampling
from cotgen.teachers.engine.anymodel import AnyModel
from cotgen.teachers.engine.endings import Endings
from cotgen.teachers.engine.llama import Llama
from cotgen.teachers.engine.loading import Dtype, load
from cotgen.teachers.engine.loop import Loop
from cotgen.teachers.engine.sampling import Draws, key, uniforms
from cotgen.teachers.local import LocalTeacher


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """References are tiny too: with two threads they wait more than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SHORT = Sampling(n=4, max_tokens=50)


def _request(text: str, sampling: Sampling = SHORT, seed: int = 0) -> Request:
    return Request(text, (Message("user", text),), sampling, seed + sampling.first)


def _ask(teacher: LocalTeacher, *requests: Request, at_once: int = 64) -> list[list[Completion]]:
    """Answers in the order of the requests."""

    async def ask_all() -> list[list[Completion]]:
        places = asyncio.Semaphore(at_once)
        async with teacher.connect() as ask:

            async def one(request: Request) -> list[Completion]:
                async with places:
                    return await ask(request)

            return list(await asyncio.gather(*map(one, requests)))

    return asyncio.run(ask_all())


def _reference(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def _prompts(count: int) -> list[str]:
    """Prompts of one to five sentences."""
    return [
        " ".join(random_llama.LINES[(13 * at + part) % 1000] for part in range(1 + at % 5))
        for at in range(count)
    ]


# What is computed.


@pytest.mark.parametrize("key_heads", [4, 2])
def test_logits_are_those_of_transformers(tmp_path: Path, key_heads: int) -> None:
    random_llama.save(tmp_path, layers=3, key_heads=key_heads)
    reference = _reference(tmp_path)
    with torch.inference_mode():
        network = Llama(reference)
        texts = [torch.randint(0, 768, (length,)).tolist() for length in (1, 40, 64)]
        logits, prompts = zip(*map(network.read, texts), strict=True)
        rows = network.open(prompts, [1, 2, 3])
        texts = [texts[at].copy() for at in (0, 1, 1, 2, 2, 2)]
        made = torch.stack([logits[at] for at in (0, 1, 1, 2, 2, 2)])
        for step in range(36):
            for at, text in enumerate(texts if step % 5 in (0, 1) else []):
                expected = reference(torch.tensor([text])).logits[0, -1]
                assert torch.allclose(made[at], expected, atol=1e-4)
            if step and step % 16 == 0:
                rows = network.keep(rows, torch.arange(1, len(texts)))
                made, texts = made[1:], texts[1:]
            tokens = torch.randint(0, 768, (len(texts),))
            made = network.step([rows], tokens)
            for text, token in zip(texts, tokens.tolist(), strict=True):
                text.append(token)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near(llama: Path, dtype: Dtype) -> None:
    tokens = list(range(50, 90))
    exact = _reference(llama)(torch.tensor([tokens])).logits[0, -1]
    network = load(str(llama), None, "cpu", dtype).network
    with torch.inference_mode():
        first, prompt = network.read(tokens[:30])
        rows = network.open([prompt], [1])
        for token in tokens[30:]:
            first = network.step([rows], torch.tensor([token]))
    assert first.dtype == torch.float32
    assert torch.allclose(first[0], exact, atol=0.1)


def test_greedy_completions_are_those_of_generate(llama: Path) -> None:
    prompts = _prompts(8)
    sampling = Sampling(n=1, temperature=0, max_tokens=40)
    made = _ask(LocalTeacher(model=str(llama)), *(_request(text, sampling) for text in prompts))
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    model = _reference(llama)
    for text, (completion,) in zip(prompts, made, strict=True):
        turns = [{"role": "user", "content": text}]
        inputs = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        whole = model.generate(**inputs, do_sample=False, max_new_tokens=40, pad_token_id=0)
        written = whole[0, inputs["input_ids"].shape[1] :].tolist()
        assert completion.tokens == len(written)
        assert completion.prompt_tokens == inputs["input_ids"].shape[1]
        ends = model.generation_config.eos_token_id
        assert completion.finish == ("stop" if written[-1] in ends else "length")
        said = written[:-1] if written[-1] in ends else written
        assert completion.text == tokenizer.decode(said, skip_special_tokens=True)


def test_log_probabilities_are_the_models_own(llama: Path) -> None:
    loaded = load(str(llama), None, "cpu", "auto")
    prompt = loaded.writer.tokens([Message("user", "How many coins?")])
    seen: list[list[int]] = []

    def spy(tokens: Sequence[int]) -> str:
        seen.append(list(tokens))
        return ""

    sampling = Sampling(n=1, temperature=0.7, max_tokens=30)
    made = _complete(loaded.network, prompt, sampling, Endings(frozenset(), (), 30, spy))
    tokens = seen[-1]
    logits = _reference(llama)(torch.tensor([prompt + tokens])).logits[0].log_softmax(-1)
    expected = [logits[len(prompt) - 1 + at, token].item() for at, token in enumerate(tokens)]
    assert made[0].logprobs == pytest.approx(expected, abs=1e-4)
    assert len(made[0].logprobs) == made[0].tokens == 30


def _complete(
    network: Any, prompt: list[int], sampling: Sampling, endings: Endings
) -> list[Completion]:
    async def complete() -> list[Completion]:
        loop = Loop(network, batch=8, logprobs=True)
        async with loop.running():
            made = await loop.complete(prompt, sampling, 0, endings)
        assert loop.prompt_tokens == len(prompt)  # Read once, whatever n is.
        return made

    return asyncio.run(complete())


def test_the_samples_of_a_request_share_the_reading_of_its_prompt(llama: Path) -> None:
    loaded = load(str(llama), None, "cpu", "auto")
    prompt = loaded.writer.tokens([Message("user", _prompts(5)[-1])])
    endings = Endings(loaded.ends, (), 20, loaded.writer.text)
    made = _complete(loaded.network, prompt, Sampling(n=20), endings)  # Two and a half batches.
    assert [each.prompt_tokens for each in made] == [len(prompt), *[0] * 19]


def test_without_being_asked_for_no_log_probabilities_are_kept(llama: Path) -> None:
    ((first, *_),) = _ask(LocalTeacher(model=str(llama)), _request("Hi"))
    assert first.logprobs == ()


# What is drawn.


def test_draws_are_uniform_and_independent_of_their_neighbours() -> None:
    keys = torch.tensor([key(seed) for seed in range(1000)])[:, None]
    draws = uniforms(keys, torch.arange(200)).flatten()
    counts = torch.histc(draws, bins=100, min=0, max=1)
    assert ((counts - 2000) ** 2 / 2000).sum() < 149  # χ² with 99 degrees of freedom, p = 0.001
    grid = draws.view(1000, 200)
    assert grid.std(0).mean() == pytest.approx(12**-0.5, rel=0.01)
    for shifted in (grid[1:], grid[:, 1:]):
        other = grid[: len(shifted), : shifted.shape[1]]
        both = torch.stack([shifted.flatten(), other.flatten()])
        assert abs(torch.corrcoef(both)[0, 1]) < 0.01
    assert draws.min() >= 0
    assert draws.max() < 1


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.0, 0.7), (2.0, 0.95)]
)
def test_tokens_are_drawn_as_often_as_they_are_likely(temperature: float, top_p: float) -> None:
    torch.manual_seed(0)
    logits = 2 * torch.randn(200)
    likely = (logits.double() / temperature).softmax(-1)
    best = likely.sort(descending=True)
    out = best.indices[best.values.cumsum(0) - best.values >= top_p]
    likely[out] = 0
    expected = 100_000 * likely / likely.sum()
    rows = 100_000
    draws = Draws(
        torch.tensor([key(seed) for seed in range(rows)]),
        torch.zeros(rows, dtype=torch.long),
        torch.full((rows,), temperature),
        torch.full((rows,), top_p),
    )
    drawn = torch.bincount(draws.next(logits.expand(rows, -1)), minlength=200)
    assert drawn[out].sum() == 0
    common = expected >= 5
    square = ((drawn - expected) ** 2 / expected)[common].sum()
    freedom = int(common.sum()) - 1
    assert square < freedom + 4 * (2 * freedom) ** 0.5


def test_each_row_has_its_own_temperature_and_nucleus() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 768) * torch.tensor([0.1, 3, 3, 0.1, 3, 3])[:, None]
    keys = torch.tensor([key(seed) for seed in range(6)])
    temperature = torch.tensor([1.0, 0.0, 0.8, 1.0, 1.3, 1e-6])
    top_p = torch.tensor([1.0, 1.0, 0.9, 0.5, 1e-6, 1.0])
    numbers = torch.arange(6)
    together = Draws(keys, numbers, temperature, top_p).next(logits)
    for at in range(6):
        row = slice(at, at + 1)
        alone = Draws(keys[row], numbers[row], temperature[row], top_p[row]).next(logits[row])
        assert together[at] == alone[0]
    assert all(together[at] == logits[at].argmax() for at in (1, 4, 5))


def test_completions_do_not_depend_on_the_batch(llama: Path) -> None:
    samplings = [
        Sampling(n=8, temperature=heat, top_p=top_p, max_tokens=50, stop=stop)
        for heat, top_p, stop in ((1.0, 1.0, ()), (0.8, 0.9, ("7",)), (1.5, 1.0, (" has", "in")))
    ]
    requests = [
        _request(text, samplings[at % 3], 4096 * at) for at, text in enumerate(_prompts(24))
    ]
    teacher = LocalTeacher(model=str(llama), logprobs=True)
    together = _ask(teacher, *requests)
    for batch, at_once in ((7, 64), (64, 3), (40, 64)):
        order = list(range(len(requests)))
        Random(batch).shuffle(order)
        other = teacher.model_copy(update={"batch": batch})
        answers = _ask(other, *(requests[at] for at in order), at_once=at_once)
        assert dict(zip(order, answers, strict=True)) == dict(enumerate(together))


def test_samples_asked_for_later_are_those_asked_for_at_once(llama: Path) -> None:
    teacher = LocalTeacher(model=str(llama))
    (whole,) = _ask(teacher, _request("How many?", Sampling(n=8, max_tokens=50)))
    late = Sampling(n=4, first=4, max_tokens=50)
    single = Sampling(n=1, first=2, max_tokens=50)
    (last,), (third,) = (_ask(teacher, _request("How many?", each)) for each in (late, single))
    assert [each.text for each in last] == [each.text for each in whole[4:]]
    assert third[0].text == whole[2].text
    assert len({each.text for each in whole}) == 8


# Where completions end.


def _spelled(tokens: Sequence[int]) -> str:
    return bytes(tokens).decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("text", "stop", "limit", "expected"),
    [
        ("so it is 4$ and", (), 50, (12, "so it is 4", "stop")),  # $ is the end token
        ("so it is 4 and", (), 50, None),
        ("so it is 4 and", (), 8, (8, "so it is", "length")),
        ("so it is$", (), 8, (8, "so it is", "length")),
        ("so it is$", (), 9, (9, "so it is", "stop")),
        ("so it is 4", ("is",), 50, (8, "so it ", "stop")),
        ("so it is 4", ("4", "it is", "o it"), 50, (5, "s", "stop")),
        ("so it is 4", ("it is 4",), 50, (10, "so ", "stop")),
        ("so it $is 4", ("is",), 50, (7, "so it ", "stop")),
        ("so it is 4", ("is",), 7, (7, "so it i", "length")),
        ("so it is 4", ("is",), 8, (8, "so it ", "stop")),
        ("so € is", ("€",), 50, (6, "so ", "stop")),
        ("$", (), 50, (1, "", "stop")),
    ],
)
@pytest.mark.parametrize("stride", [1, 3, 16])
def test_endings(text: str, stop: tuple[str, ...], limit: int, expected: Any, stride: int) -> None:
    endings = Endings(frozenset({ord("$")}), stop, limit, _spelled)
    tokens = list(text.encode())
    found = None
    for start in range(0, len(tokens), stride):
        seen = tokens[: start + stride]
        found = endings.find(seen, len(seen) - start)
        if found:
            break
    if expected and text.startswith("so it is 4$"):
        expected = (11, *expected[1:])
    assert found == expected


def test_stop_strings_end_a_completion_and_are_cut_off(llama: Path) -> None:
    teacher = LocalTeacher(model=str(llama), logprobs=True)
    (plain,) = _ask(teacher, _request("Go", Sampling(n=16, max_tokens=80)))
    stop = (plain[0].text[9:12], "e")
    (cut,) = _ask(teacher, _request("Go", Sampling(n=16, max_tokens=80, stop=stop)))
    for before, after in zip(plain, cut, strict=True):
        places = [place for each in stop if (place := before.text.find(each)) >= 0]
        if places:
            assert after.text == before.text[: min(places)]
            assert (after.finish, len(after.logprobs)) == ("stop", after.tokens)
            assert after.tokens <= before.tokens
        else:
            assert after == before


def test_completions_end_at_max_tokens(llama: Path) -> None:
    for most in (1, 2, 17):
        (made,) = _ask(
            LocalTeacher(model=str(llama)), _request("Go", Sampling(n=8, max_tokens=most))
        )
        assert {each.tokens for each in made if each.finish == "length"} == {most}
        assert all(each.tokens <= most for each in made)


def test_completions_end_with_the_context(llama: Path) -> None:
    text = "7" * 1000
    loaded = load(str(llama), None, "cpu", "auto")
    length = len(loaded.writer.tokens([Message("user", text)]))
    room = loaded.network.context - length
    assert 0 < room < 30
    sampling = Sampling(n=8, max_tokens=500)
    (made,) = _ask(LocalTeacher(model=str(llama)), _request(text, sampling))
    assert {each.tokens for each in made if each.finish == "length"} == {room}


# What runs beside it.


def test_other_work_has_its_turn_between_two_tokens(llama: Path) -> None:
    async def count() -> int:
        turns = 0
        async with LocalTeacher(model=str(llama)).connect() as ask:
            asking = asyncio.ensure_future(ask(_request("Go", Sampling(n=64, max_tokens=50))))
            while not asking.done():
                turns += 1
                await asyncio.sleep(0)
        return turns

    assert asyncio.run(count()) >= 48


def test_a_request_that_nobody_waits_for_leaves_the_batch(llama: Path) -> None:
    async def give_up(ask: Ask) -> None:
        asking = asyncio.ensure_future(ask(_request("Go", Sampling(n=300, max_tokens=900))))
        await asyncio.sleep(0.1)
        asking.cancel()

    async def both() -> list[Completion]:
        async with LocalTeacher(model=str(llama)).connect() as ask:
            await give_up(ask)
            return await ask(_request("Go"))

    assert [asyncio.run(both())] == _ask(LocalTeacher(model=str(llama)), _request("Go"))


def test_a_failure_reaches_everyone_who_waits(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Llama, "step", fail)
    outcomes: list[BaseException | list[Completion]] = []

    async def ask_all() -> None:
        async with LocalTeacher(model=str(llama)).connect() as ask:
            asked = [ask(_request(text)) for text in _prompts(10)]
            outcomes.extend(await asyncio.gather(*asked, return_exceptions=True))
            outcomes.extend(await asyncio.gather(ask(_request("?")), return_exceptions=True))

    asyncio.run(ask_all())
    assert len(outcomes) == 11
    assert all(isinstance(each, RecipeError) and "batch" in str(each) for each in outcomes)


# Other models.


def test_any_model_draws_the_same_as_our_own_loop(llama: Path) -> None:
    loaded = load(str(llama), None, "cpu", "auto")
    prompt = loaded.writer.tokens([Message("user", "How many?")])
    endings = Endings(loaded.ends, ("ow",), 60, loaded.writer.text)
    sampling = Sampling(n=12, temperature=0.9, top_p=0.95)
    ours = _complete(loaded.network, prompt, sampling, endings)
    theirs = _complete(AnyModel(_reference(llama)), prompt, sampling, endings)
    assert [each.text for each in theirs] == [each.text for each in ours]
    for one, other in zip(ours, theirs, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_models_of_another_architecture_go_through_transformers(
    llama: Path, tmp_path: Path
) -> None:
    folder = _copy(llama, tmp_path)
    config = transformers.GPT2Config(
        vocab_size=768, n_positions=64, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=3, eos_token_id=3,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    teacher = LocalTeacher(model=str(folder), batch=6)
    sampling = Sampling(n=4, max_tokens=100)
    requests = [_request(text[:90], sampling, 64 * at) for at, text in enumerate(_prompts(6))]
    made = _ask(teacher, *requests)
    assert {len(each) for each in made} == {4}
    assert all(
        each.tokens + answers[0].prompt_tokens == 64
        for answers in made
        for each in answers
        if each.finish == "length"
    )
    assert _ask(teacher, *requests, at_once=1) == made
    assert isinstance(load(str(folder), None, "cpu", "auto").network, AnyModel)


# What can be wrong.


def _copy(llama: Path, folder: Path) -> Path:
    return Path(shutil.copytree(llama, folder / "copy"))


def _mistake(model: str | Path, **settings: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        _ask(LocalTeacher(model=str(model), **settings), _request("Hi"))
    message = str(caught.value)
    assert message.startswith("teachers.*.")
    return message


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no folder" in _mistake(tmp_path / "absent")
    assert "looks like owner/name" in _mistake("gpt7")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert "no config.json" in _mistake(tmp_path)


def test_a_file_in_the_place_of_a_folder(llama: Path) -> None:
    assert "this is a file" in _mistake(llama / "model.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file(llama: Path, tmp_path: Path, name: str) -> None:
    path = _copy(llama, tmp_path) / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged or incomplete" in _mistake(path.parent)


def test_a_missing_weights_file(llama: Path, tmp_path: Path) -> None:
    folder = _copy(llama, tmp_path)
    (folder / "model.safetensors").unlink()
    assert "model.safetensors" in _mistake(folder)


def test_weights_that_are_missing_are_not_invented(llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = _copy(llama, tmp_path) / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    assert "model.layers.1.mlp.down_proj.weight" in _mistake(path.parent)


def test_a_model_without_a_chat_template(llama: Path, tmp_path: Path) -> None:
    folder = _copy(llama, tmp_path)
    (folder / "chat_template.jinja").unlink()
    assert "no chat template" in _mistake(folder)


def test_a_chat_template_that_refuses(llama: Path, tmp_path: Path) -> None:
    folder = _copy(llama, tmp_path)
    refusal = "{{ raise_exception('no system messages') }}"
    (folder / "chat_template.jinja").write_text(refusal, encoding="utf-8")
    assert "no system messages" in _mistake(folder)


def test_an_unknown_kind_of_model(llama: Path, tmp_path: Path) -> None:
    path = _copy(llama, tmp_path) / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"model_type": "abacus"}), encoding="utf-8")
    assert "abacus" in _mistake(path.parent)


def test_a_hub_id_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "the Hugging Face Hub does not give it" in _mistake("nobody/no-such-model")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(llama: Path) -> None:
    assert "no GPU" in _mistake(llama, device="cuda")


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("cotgen.teachers.engine"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'cotgen[local]'" in _mistake("tiny")


def test_a_prompt_that_is_longer_than_the_context(llama: Path) -> None:
    with pytest.raises(TeacherError, match=r"20\d\d tokens, and the model reads 1024") as caught:
        _ask(LocalTeacher(model=str(llama)), _request("7" * 2000))
    assert not caught.value.retryable


# In a run.


def _recipe(name: str, llama: Path, n: int) -> Any:
    return parse_recipe(
        {
            "name": name,
            "seed": 7,
            "problems": {"kind": "generated", "limit": 6},
            "teachers": {"llama": {"kind": "local", "model": str(llama)}},
            "search": {"kind": "sample", "n": n, "max_tokens": 50},
            "verifier": {"kind": "exact"},
        }
    )


def test_a_run_that_grows_is_a_run_that_was_large_from_the_start(llama: Path, in_tmp: Path) -> None:
    run(_recipe("grown", llama, 3))
    run(_recipe("grown", llama, 8))
    run(_recipe("large", llama, 8))
    grown, large = (
        Path(f"outputs/{name}/attempts.jsonl").read_text(encoding="utf-8").splitlines()
        for name in ("grown", "large")
    )
    assert len(grown) == 6
    for one, other in zip(grown, large, strict=True):
        assert _texts(one) == _texts(other)


def _texts(line: str) -> list[list[str]]:
    assert "logprobs" not in line
    return [[step["text"] for step in attempt["steps"]] for attempt in json.loads(line)["attempts"]]


def test_an_answer_that_was_begun_is_gone_on_with() -> None:
    question = Message("user", "Sam has 5 apples. Sam buys 3 apples. How many apples are there?")
    begun = Message("assistant", "5 + 3 = 9")
    teacher = LocalTeacher(model="tiny")
    sampling = Sampling(n=4, max_tokens=60, temperature=0.3)
    [found] = _ask(teacher, Request("q", (question, begun), sampling, 1))
    # A slip is carried on: the teacher has read it as its own.
    assert all("\\boxed{9}" in each.text for each in found)
    assert not any(each.text.startswith("5 + 3") for each in found)
