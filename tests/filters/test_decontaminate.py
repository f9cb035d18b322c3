from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from random import Random

import pytest
from listed import HOSTILE, decisions, dropped, problem_with
from pydantic import ValidationError

from cotgen.errors import RecipeError
from cotgen.filters import DecontaminateFilter

# Written here in the manner of GSM8K's test questions; it is in no benchmark.
LEAK = (
    "Marisol's goose lays nineteen eggs in a week. She fries two for supper each evening and "
    "trades the rest at the harbour for $3 an egg. How many dollars does she bring home in a week?"
)
OTHER = "A train of twelve wagons leaves at noon and loses a wagon at every third of its stations."


def benchmark(folder: Path, *questions: str, name: str = "test.jsonl") -> Path:
    path = folder / name
    rows = [json.dumps({"question": question, "answer": "?"}) for question in questions]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def against(path: Path, **settings: object) -> DecontaminateFilter:
    return DecontaminateFilter.model_validate(
        {"files": [{"path": path}], "test_sets": []} | settings
    )


def test_a_planted_question_is_dropped_with_the_line_and_the_words(tmp_path: Path) -> None:
    path = benchmark(tmp_path, OTHER, LEAK)
    (found,) = decisions(
        against(path),
        problem_with("mine", question="What is 2 + 2?"),
        problem_with("leak", question=LEAK),
    )
    assert (found.id, found.thing, found.reason) == ("leak", "problem", "benchmark")
    assert found.match == f"{path}:2"
    assert found.evidence == "marisol s goose lays nineteen eggs in a week she fries two for"


def test_case_spacing_punctuation_and_form_do_not_hide_a_leak(tmp_path: Path) -> None:
    hidden = "So: " + LEAK.upper().replace(" ", " \n ").replace(".", "!!!").replace("F", "Ｆ")
    assert dropped(against(benchmark(tmp_path, LEAK)), problem_with("p", question=hidden)) == ["p"]


def test_thirteen_words_are_a_leak_and_twelve_are_none(tmp_path: Path) -> None:
    filter, words = against(benchmark(tmp_path, LEAK)), LEAK.split()
    for start in range(len(words) - 13):
        thirteen = " ".join(["Once", *words[start : start + 13], "ended"])
        # Without "Marisol's", which counts as two words.
        twelve = " ".join(["Once", *words[start + 1 : start + 13], "ended"])
        assert dropped(filter, problem_with("p", question=thirteen)) == ["p"]
        assert dropped(filter, problem_with("p", question=twelve)) == []


def test_short_questions_must_be_wholly_equal(tmp_path: Path) -> None:
    filter = against(benchmark(tmp_path, "What is 17 times 23?"))
    assert dropped(filter, problem_with("p", question="what is 17 TIMES 23")) == ["p"]
    assert dropped(filter, problem_with("p", question="What is 17 times 23 today?")) == []
    assert dropped(filter, problem_with("p", question="")) == []


def test_it_finds_what_comparing_all_words_finds(tmp_path: Path) -> None:
    draw = Random(0)
    words = [f"w{number}" for number in range(6)]
    texts = [" ".join(draw.choices(words, k=draw.randint(3, 12))) for _ in range(300)]
    path = benchmark(tmp_path, *texts[:100])

    def grams(text: str) -> set[tuple[str, ...]]:
        parts = text.split()
        return {tuple(parts[at : at + 5]) for at in range(len(parts) - 4)}

    known = set().union(*map(grams, texts[:100]))
    leaks = [
        str(number)
        for number, text in enumerate(texts[100:])
        if grams(text) & known or (len(text.split()) < 5 and text in texts[:100])
    ]
    groups = [problem_with(str(number), question=text) for number, text in enumerate(texts[100:])]
    assert 0 < len(leaks) < 200
    assert dropped(against(path, n=5), *groups) == leaks


def test_attempts_are_looked_at_if_asked_for(tmp_path: Path) -> None:
    group = problem_with("p", "It is 4.", f"This reminds me: {LEAK} So it is 4.")
    path = benchmark(tmp_path, LEAK, "It is 4.")
    assert dropped(against(path), group) == []
    (found,) = decisions(against(path, attempts=True), group)
    assert (found.id, found.thing, found.match) == ("p@t/1", "attempt", f"{path}:1")


def test_a_question_of_a_known_test_set_is_dropped_by_name() -> None:
    # HumanEval/53, of which cotgen holds a digest only.
    question = (
        '\n\ndef add(x: int, y: int):\n    """Add two numbers x and y\n'
        '    >>> add(2, 3)\n    5\n    >>> add(5, 7)\n    12\n    """\n'
    )
    (found,) = decisions(DecontaminateFilter(), problem_with("p", question=question))
    assert (found.reason, found.match) == ("test_set", "humaneval")
    others = DecontaminateFilter(test_sets=("math-500",))
    assert dropped(others, problem_with("p", question=question)) == []


def test_fields_and_packed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"data": {"problem": OTHER}, "solution": LEAK}) + "\n")
    filter = DecontaminateFilter.model_validate(
        {"files": [{"path": path, "fields": ["data.problem", "solution"]}]}
    )
    assert dropped(filter, problem_with("p", question=LEAK)) == ["p"]
    assert filter.reads == (path,)


def test_a_bad_benchmark_names_its_line_and_what_is_missing(tmp_path: Path) -> None:
    path = benchmark(tmp_path, LEAK)
    with pytest.raises(RecipeError, match=rf"{path}:1: no text at problem"):
        dropped(against(path, files=[{"path": path, "fields": ["problem"]}]), problem_with("p"))
    path.write_text("{}\n[1,\n")
    with pytest.raises(RecipeError, match=rf"{path}:1"):
        dropped(against(path), problem_with("p"))


def test_unknown_test_sets_and_nothing_to_compare_with_are_mistakes() -> None:
    with pytest.raises(ValidationError, match="gsm8k-test, humaneval, math-500"):
        DecontaminateFilter(test_sets=("gsm8k",))
    with pytest.raises(ValidationError, match="name files"):
        DecontaminateFilter(test_sets=())
    with pytest.raises(ValidationError, match="name some"):
        DecontaminateFilter(attempts=True)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(text: str, tmp_path: Path) -> None:
    started = time.process_time()
    filter = against(benchmark(tmp_path, text, LEAK), attempts=True)
    dropped(filter, problem_with("p", text, question=f"{text} {LEAK}"))
    assert time.process_time() - started < 6


def test_recorded_test_questions_are_found_in_their_file(shared_data: Path) -> None:
    path = shared_data / "gsm8k/test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    groups = [problem_with(str(n), question=row["question"]) for n, row in enumerate(rows[:200])]
    assert dropped(against(path), *groups) == [str(n) for n in range(200)]
    assert dropped(DecontaminateFilter(), *groups) == [str(n) for n in range(200)]
