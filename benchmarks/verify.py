"""The math verifier beside Math-Verify: labels, speed and latency on the same pairs, in one run.

    python benchmarks/verify.py [--data FOLDER] [--cases FILE …] [--sample 500] [--all-pairs]

Math-Verify is no dependency of cotgen. Where it is not installed, cotgen's figures stand alone;
`pip install "math-verify==0.9.0" "latex2sympy2_extended[antlr4_13_2]"` brings it, best into an
environment of its own. It is called at the best settings that we found: gold in a box, an answer
marked in another way than by a box put into one, boxes first, option letters read, both
directions of sets and relations, 5 s for each step.

Pairs: the cases of tests/verifiers, by kind; recorded GSM8K and MATH attempts with their recorded
labels; MATH-500's golds against themselves; and against each other, where whatever is accepted
under another spelling is listed (`--all-pairs`: all 249,500, otherwise a sample; Math-Verify always
on the sample). A false positive is a wrong answer accepted, or one that is written to be
unverifiable; a false negative is a right one not accepted, for whatever reason. Each pair is judged
once, in one process; what a tool imports or starts once is done before.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

from cotgen import verify

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
PIP = 'pip install "math-verify==0.9.0" "latex2sympy2_extended[antlr4_13_2]"'
LISTED = 40
"""Disagreements and acceptances shown at most, of each set."""


class Pair(NamedTuple):
    """What is judged, what it should be, and what kind of answer it is."""

    gold: str
    attempt: str
    outcome: str
    kind: str
    why: str = ""


class Judged(NamedTuple):
    """A pair, what a tool said of it, and the seconds that took."""

    pair: Pair
    outcome: str
    seconds: float

    @property
    def is_false_positive(self) -> bool:
        """A wrong answer was accepted."""
        return self.outcome == "correct" != self.pair.outcome

    @property
    def is_false_negative(self) -> bool:
        """A right answer was not accepted."""
        return self.pair.outcome == "correct" != self.outcome


Tool = Callable[[str, str], str]
"""Gold and attempt to an outcome."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    default_cases = sorted((ROOT / "tests" / "verifiers").glob("cases*.jsonl"))
    parser.add_argument("--cases", type=Path, nargs="*", default=default_cases)
    parser.add_argument("--sample", type=int, default=500, help="gold pairs for both tools")
    parser.add_argument("--all-pairs", action="store_true", help="cotgen on all gold pairs")
    arguments = parser.parse_args()

    tools = _tools()
    golds = _golds(arguments.data)
    crossed = list(permutations(golds, 2))
    sample = random.Random(1).sample(crossed, min(arguments.sample, len(crossed)))
    sets = {
        "cases": [pair for path in arguments.cases for pair in _cases(path)],
        "GSM8K attempts": list(_gsm8k(arguments.data)),
        "MATH attempts": list(_math(arguments.data)),
        "MATH-500 golds, each": [Pair(gold, _boxed(gold), "correct", "gold") for gold in golds],
        "MATH-500 golds, crossed": [_crossed(*pair) for pair in sample],
    }
    made = {
        name: {tool: _judged(pairs, judge) for tool, judge in tools.items()}
        for name, pairs in sets.items()
        if pairs
    }
    _print_labels(made)
    if "cases" in made:
        _print_kinds(made["cases"])
    _print_speed(made)
    for name in made:
        _print_errors(name, made[name])
    if arguments.all_pairs and golds:
        _print_all_pairs(crossed, tools["cotgen"])


# --- the tools ------------------------------------------------------------------------------------


def _tools() -> dict[str, Tool]:
    tools: dict[str, Tool] = {"cotgen": _ours}
    theirs = _math_verify()
    if theirs is None:
        print(f"Math-Verify is not installed here: cotgen alone. {PIP}\n", file=sys.stderr)
    else:
        tools["Math-Verify"] = theirs
    for tool in tools.values():
        # Numbers, then something symbolic: imports and processes are there before the clock runs.
        tool("1", "\\boxed{2}")
        tool("\\sqrt{x^2}", "\\boxed{x}")
    return tools


def _ours(gold: str, attempt: str) -> str:
    return verify(gold, attempt).outcome


def _math_verify() -> Tool | None:
    try:
        import math_verify  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    configs = (
        math_verify.LatexExtractionConfig(boxed_match_priority=0),
        math_verify.ExprExtractionConfig(),
        math_verify.StringExtractionConfig(),
    )

    def judge(gold: str, attempt: str) -> str:
        try:
            expected = math_verify.parse(_in_box(gold), configs, parsing_timeout=5)
            given = math_verify.parse(_in_box(attempt), configs, parsing_timeout=5)
            same = math_verify.verify(
                expected, given, timeout_seconds=5, allow_set_relation_comp=True
            )
        except Exception:  # noqa: BLE001 - an exception of theirs accepts nothing
            return "unverifiable"
        return "correct" if same else "incorrect"

    return judge


_MARKED = re.compile(r"^[ \t]*(?:####|\**A:\**)[ \t]*(\S.*)", re.MULTILINE)


def _in_box(text: str) -> str:
    """The text, with its answer in a box if it marks it as GSM8K does, or is nothing but one."""
    if "\\boxed" in text or "\\fbox" in text:
        return text
    marked = _MARKED.findall(text)
    if marked:
        return _boxed(marked[-1].strip())
    return _boxed(text) if len(text) < 200 and "\n" not in text.strip() else text


# --- the pairs ------------------------------------------------------------------------------------


def _boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        print(f"no {path}: left out\n", file=sys.stderr)
        return
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _cases(path: Path) -> Iterator[Pair]:
    for case in _lines(path):
        kind = case.get("kind", "other")
        yield Pair(case["gold"], case["solution"], case["outcome"], kind, case["why"])


def _gsm8k(data: Path) -> Iterator[Pair]:
    for row in _lines(data / "gsm8k" / "example_model_solutions.jsonl"):
        gold = _MARKED.findall(row["ground_truth"])[-1]
        for attempt in row.values():
            if isinstance(attempt, dict):
                outcome = "correct" if attempt["is_correct"] else "incorrect"
                yield Pair(gold, attempt["solution"], outcome, "GSM8K")


def _math(data: Path) -> Iterator[Pair]:
    for row in _lines(data / "math" / "math_cot_100.jsonl"):
        for attempt, score in zip(row["code"], row["score"], strict=True):
            yield Pair(row["gt"], attempt, "correct" if score else "incorrect", "MATH")


def _golds(data: Path) -> list[str]:
    return [row["answer"] for row in _lines(data / "math" / "test500.jsonl")]


def _crossed(gold: str, other: str) -> Pair:
    """Other problems may have the same answer: only another spelling counts as another answer."""
    same = _bare(gold) == _bare(other)
    return Pair(gold, _boxed(other), "correct" if same else "incorrect", "crossed")


def _bare(gold: str) -> str:
    """A gold without what may be left out: all that the equal golds of MATH-500 differ in."""
    plain = gold.removeprefix("x=").removesuffix("^\\circ").removesuffix("\\mbox{ cm}^2")
    plain = plain.removeprefix("\\$").replace("\\frac14", "\\frac{1}{4}").replace(",\\!", "")
    plain = plain.replace(" ", "")
    return plain if "(" in plain else ",".join(sorted(plain.split(",")))


# --- measuring and printing -----------------------------------------------------------------------


def _judged(pairs: Iterable[Pair], tool: Tool) -> list[Judged]:
    judged = []
    for pair in pairs:
        started = time.perf_counter()
        outcome = tool(pair.gold, pair.attempt)
        judged.append(Judged(pair, outcome, time.perf_counter() - started))
    return judged


Made = dict[str, dict[str, list[Judged]]]
"""What each tool made of each set."""


def _print_labels(made: Made) -> None:
    print(f"{'labels':<28}{'pairs':>8}{'right %':>9}{'FP':>5}{'FN':>6}{'not judged':>12}")
    for name, by_tool in made.items():
        for tool, judged in by_tool.items():
            print(f"{name if tool == 'cotgen' else '':<28}{_labels(judged)}   {tool}")
    print()


def _labels(judged: list[Judged]) -> str:
    positives = sum(each.is_false_positive for each in judged)
    negatives = sum(each.is_false_negative for each in judged)
    right = 100 * (1 - (positives + negatives) / len(judged))
    undecided = sum(each.outcome == "unverifiable" for each in judged)
    return f"{len(judged):>8,}{right:>9.2f}{positives:>5}{negatives:>6}{undecided:>12}"


def _print_kinds(by_tool: dict[str, list[Judged]]) -> None:
    print(f"{'cases by kind':<28}{'pairs':>8}{'right %':>9}{'FP':>5}{'FN':>6}{'not judged':>12}")
    kinds = sorted({each.pair.kind for judged in by_tool.values() for each in judged})
    for kind in kinds:
        for tool, judged in by_tool.items():
            of_kind = [each for each in judged if each.pair.kind == kind]
            print(f"{kind if tool == 'cotgen' else '':<28}{_labels(of_kind)}   {tool}")
    print()


def _print_speed(made: Made) -> None:
    print(f"{'one process':<28}{'pairs/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for name, by_tool in made.items():
        rates = {tool: _rate(judged) for tool, judged in by_tool.items()}
        for tool, judged in by_tool.items():
            times = sorted(each.seconds * 1000 for each in judged)
            p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
            faster = rates["cotgen"] / rates[tool]
            print(
                f"{name if tool == 'cotgen' else '':<28}{rates[tool]:>9,.0f}{p50:>9.3f}{p99:>9.2f}"
                f"{times[-1]:>9.1f}   {tool}" + (f": {faster:,.0f} × slower" * (tool != "cotgen"))
            )
    print()


def _rate(judged: list[Judged]) -> float:
    return len(judged) / sum(each.seconds for each in judged)


def _print_errors(name: str, by_tool: dict[str, list[Judged]]) -> None:
    """Every pair that cotgen labels otherwise than written or recorded."""
    wrong = [each for each in by_tool["cotgen"] if each.is_false_positive or each.is_false_negative]
    if not wrong:
        return
    print(f"{name}: cotgen differs in {len(wrong)}")
    grouped: Counter[tuple[str, ...]] = Counter()
    for each in wrong:
        predicted = verify(each.pair.gold, each.pair.attempt).predicted
        label = f"{each.pair.outcome} → {each.outcome}"
        grouped[(label, each.pair.gold[:50], predicted[:50], each.pair.why)] += 1
    for (label, gold, predicted, why), times in grouped.most_common(LISTED):
        print(f"  {times} × {label}: gold {gold!r}, answer {predicted!r} {why}")
    print()


def _print_all_pairs(crossed: list[tuple[str, str]], tool: Tool) -> None:
    started = time.perf_counter()
    accepted: dict[tuple[str, str], int] = defaultdict(int)
    longest = 0.0
    outcomes: Counter[str] = Counter()
    for each in _judged((_crossed(*pair) for pair in crossed), tool):
        outcomes[each.outcome] += 1
        longest = max(longest, each.seconds)
        if each.is_false_positive:
            accepted[each.pair.gold, each.pair.attempt] += 1
    seconds = time.perf_counter() - started
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
    print(f"all {len(crossed):,} gold pairs: {told}; {seconds:,.0f} s, longest {longest:.2f} s")
    print(f"accepted under another spelling: {sum(accepted.values())}")
    for (gold, attempt), times in sorted(accepted.items())[:LISTED]:
        print(f"  {times} × gold {gold!r}, answer {attempt!r}")


if __name__ == "__main__":
    main()
