from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from listed import HOSTILE, decisions, dropped, problem_with

from cotgen.filters import LanguageFilter
from cotgen.records import Group

ENGLISH = (
    "First we count the apples that Ann had in the morning, and then we add those that her brother "
    "brought home from the market in the afternoon. That makes seven apples for the whole family."
)
GERMAN = (
    "Zuerst zählen wir die Äpfel, die Anna am Morgen hatte, und dann kommen die dazu, die ihr "
    "Bruder am Nachmittag vom Markt nach Hause gebracht hat. Das sind zusammen sieben Äpfel."
)
CHINESE = "首先我们数一数早上安有多少个苹果，然后加上她哥哥下午从市场带回家的苹果。一共是七个苹果。"
RUSSIAN = "Сначала посчитаем яблоки, которые были у Анны утром, а потом прибавим остальные."
QUESTION = "Ann has 3 apples and her brother brings 4 more. How many apples do they have together?"


def asked(question: str, *texts: str) -> Group:
    return problem_with("p", *texts, question=question)


@pytest.mark.parametrize(
    "foreign", [CHINESE, RUSSIAN, "사과는 모두 일곱 개입니다. 그래서 답은 칠입니다."]
)
def test_another_script_is_foreign(foreign: str) -> None:
    (found,) = decisions(LanguageFilter(identify=False), asked(QUESTION, f"{ENGLISH} {foreign}"))
    assert found.reason == "foreign_script"
    assert foreign[:6] in found.evidence


def test_the_script_of_the_question_is_at_home() -> None:
    filter = LanguageFilter()
    assert dropped(filter, asked(f"{CHINESE}？", CHINESE, f"设 x = 3。{CHINESE}")) == []
    assert dropped(filter, asked(f"{RUSSIAN} Сколько?", RUSSIAN)) == []
    assert dropped(filter, asked("リンゴは全部でいくつですか。", "合計七個。")) == []


def test_a_small_share_is_borne() -> None:
    text = ENGLISH * 3 + "苹果"
    assert dropped(LanguageFilter(), asked(QUESTION, text)) == []
    assert dropped(LanguageFilter(max_share=0), asked(QUESTION, text)) == ["p@t/0"]


@pytest.mark.parametrize(
    "symbols",
    [
        "Let α, β and γ be the angles; then α + β + γ = π and Δx → 0, ∑ λᵢ = 𝒪(𝑛²), ℵ₀, µs, Ω.",
        r"\[\text{苹果的数量是七个}\] and $令人$ \(数量\) $$苹果的数量$$",
        "```python\nprint('苹果的数量是七个，一共七个苹果')\n```",
        "`苹果的数量是七个`",
        "∀ε>0 ∃δ>0: |x−a|<δ ⇒ |f(x)−f(a)|<ε. 🙂 ✓ → ≤ ≥ ½ № ™",
    ],
)
def test_mathematics_and_code_are_no_language(symbols: str) -> None:
    assert dropped(LanguageFilter(max_share=0), asked(QUESTION, f"{ENGLISH} {symbols}")) == []


def test_another_language_of_one_script_is_foreign() -> None:
    (found,) = decisions(LanguageFilter(), asked(QUESTION, f"{ENGLISH}\n\n{GERMAN}", ENGLISH))
    assert (found.id, found.reason) == ("p@t/0", "foreign_language")
    assert "is de, not en" in found.evidence


def test_an_attempt_wholly_in_another_language_is_foreign_to_a_long_question() -> None:
    assert dropped(LanguageFilter(), asked(f"{ENGLISH} {QUESTION}", GERMAN)) == ["p@t/0"]


def test_languages_can_be_named() -> None:
    both = f"{ENGLISH}\n\n{GERMAN}"
    assert dropped(LanguageFilter(languages=("en", "de")), asked(QUESTION, both)) == []
    assert dropped(LanguageFilter(languages=("fr",)), asked(QUESTION, ENGLISH)) == ["p@t/0"]


def test_without_identifying_only_scripts_count() -> None:
    assert dropped(LanguageFilter(identify=False), asked(QUESTION, f"{ENGLISH}\n\n{GERMAN}")) == []


def test_recorded_english_attempts_stay(shared_data: Path) -> None:
    groups = []
    lines = (shared_data / "math/test500.jsonl").read_text(encoding="utf-8").splitlines()
    for number, row in enumerate(map(json.loads, lines)):
        groups.append(problem_with(f"p{number}", row["solution"], question=row["problem"]))
    assert dropped(LanguageFilter(), *groups) == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    dropped(LanguageFilter(), asked(QUESTION, f"{text} {ENGLISH} {text}"))
    assert time.process_time() - started < 6
