"""The allowance of a judgement: nothing is worked out once it is used up, whoever asks."""

from __future__ import annotations

import time

import pytest

from cotgen import verify
from cotgen.verifiers import math
from cotgen.verifiers.mathematics import algebra, effort
from cotgen.verifiers.mathematics.compare import compare
from cotgen.verifiers.mathematics.nodes import Unreadable
from cotgen.verifiers.mathematics.read import read

ROOTS = "+".join(rf"\sum_{{k=1}}^{{{i}}} \sqrt{{k}}" for i in range(2, 62))
SHIFTED = "+".join(rf"\sum_{{j=0}}^{{{i - 1}}} \sqrt{{j+1}}" for i in range(2, 62))
LONG = (rf"\pm {ROOTS}\pm 1", rf"\boxed{{\pm ({SHIFTED})\pm 1}}")


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    math._decide_once.cache_clear()
    math._read_once.cache_clear()
    algebra._remembered.cache_clear()


def test_what_takes_too_many_steps_ends_the_whole_judgement() -> None:
    started = time.process_time()
    verdict = verify(*LONG)
    assert (verdict.outcome, verdict.method) == ("unverifiable", "limit")
    assert verdict.reason == "takes too many steps"
    assert time.process_time() - started < 1


def test_a_gold_that_takes_too_many_steps_to_read_is_still_equal_to_itself() -> None:
    text = rf"\sum_{{i=1}}^{{5000}} \frac{{i^{{30}}+1}}{{i^{{7}}+{ROOTS}}}"
    assert read(text).problem == "takes too many steps"
    assert verify(text, rf"\boxed{{{text}}}").outcome == "correct"


def test_the_clock_ends_what_was_counted_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(effort, "PROCESSOR_S", 0.05)
        slow.setattr(effort, "COMPARING", 10**9)
        started = time.process_time()
        verdict = verify(*LONG)
        assert (verdict.outcome, verdict.reason) == ("unverifiable", "takes too much time")
        assert time.process_time() - started < 0.3
    # Another time there may be more of it: such a verdict is not remembered.
    assert verify(*LONG).reason == "takes too many steps"


def test_no_tier_takes_a_used_up_allowance_for_not_shown() -> None:
    assert not issubclass(effort.Exhausted, Unreadable | ValueError | ArithmeticError)
    assert not issubclass(effort.OutOfTime, Unreadable | ValueError | ArithmeticError)


def test_what_is_spent_inside_is_not_forgotten() -> None:
    with effort.limited(100):
        with effort.limited(1_000):
            effort.spend(60)
        assert effort.spent() == 60
        with pytest.raises(effort.Exhausted), effort.limited(1_000):
            effort.spend(60)
        with pytest.raises(effort.Exhausted):
            effort.spend(1)
    effort.spend(1_000)  # Outside of a judgement nobody counts.
    assert effort.spent() == 0


def test_a_judgement_takes_the_same_steps_whatever_came_before() -> None:
    one, two = (read(text) for text in (r"\sqrt{2}, \frac{1}{1+\sqrt{3}}, 7^{1/3}", r"2, 3, 4"))

    def steps() -> int:
        with effort.limited(effort.COMPARING):
            compare(one, two)
            return effort.spent()

    first = steps()
    assert first > 100
    assert steps() == first
    compare(two, read(r"\sqrt{2}, x"))
    assert steps() == first
