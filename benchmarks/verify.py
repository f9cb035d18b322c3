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
unverifiable; a false negative is a right one not accepted, for whatever reason. Agreement is exact:
the very outcome that is written. A case that is written as open may also be left undecided, and is
then counted apart.

Speed is that of one process, in wall time; what a tool imports or starts once is done before. Our
cases are judged once. The other sets are short, so both tools judge them five times over, and the
least time of a pair is its time: what else the machine does counts for neither. cotgen remembers
golds, answers and decisions, which come again within a set as they do in a run (MATH: 800 attempts
at 77 problems): its memory is emptied before each set and each repetition, and it is also timed
with its memory emptied before every single pair. sympy's own memory, which serves Math-Verify, is
never emptied.

Then: the first symbolic verdict of a fresh process; and `verify_many` on many distinct pairs with
one process and with more, beside what the machine itself allows as many processes that have nothing
to do with each other.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import multiprocessing
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any, NamedTuple

from cotgen import verify, verify_many
from cotgen.verifiers.mathematics import symbolic
from cotgen.workers.forks import may_fork

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
PIP = 'pip install "math-verify==0.9.0" "latex2sympy2_extended[antlr4_13_2]"'
REPEATED = 5
"""Times that each set but the cases is judged."""
LISTED = 40
"""Disagreements and acceptances shown at most, of each set."""


class Pair(NamedTuple):
    """What is judged, what it should be, and what kind of answer it is."""

    gold: str
    attempt: str
    outcome: str
    kind: str
    why: str = ""
    open: bool = False


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

    @property
    def is_open(self) -> bool:
        """Undecided, where that was expected."""
        return self.pair.open and self.outcome == "unverifiable"

    @property
    def is_right(self) -> bool:
        """The outcome that is written or recorded."""
        return self.outcome == self.pair.outcome

    @property
    def is_wrong_label(self) -> bool:
        """A decision against what is written; undecided is none."""
        return not self.is_right and self.outcome != "unverifiable"


Tool = Callable[[str, str], str]
"""Gold and attempt to an outcome."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    default_cases = [ROOT / "tests" / "verifiers" / "cases.jsonl"]
    parser.add_argument("--cases", type=Path, nargs="*", default=default_cases)
    parser.add_argument("--sample", type=int, default=500, help="gold pairs for both tools")
    parser.add_argument("--all-pairs", action="store_true", help="cotgen on all gold pairs")
    parser.add_argument(
        "--bulk", type=int, default=100_000, help="distinct pairs for verify_many; 0: leave it out"
    )
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
        name: {
            tool: _repeated(pairs, judge, 1 if name == "cases" else REPEATED)
            for tool, judge in tools.items()
        }
        for name, pairs in sets.items()
        if pairs
    }
    _print_labels(made)
    if "cases" in made:
        _print_kinds(made["cases"])
    _print_speed(made)
    _print_speed_unremembered(sets)
    _print_first_symbolic()
    if arguments.bulk and sets["GSM8K attempts"] + sets["MATH attempts"]:
        _print_scaling(_bulk(arguments.data, arguments.bulk))
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
        is_open = case.get("open", False)
        yield Pair(
            case["gold"], case["solution"], case["outcome"], case["kind"], case["why"], is_open
        )


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


def _repeated(pairs: list[Pair], tool: Tool, times: int) -> list[Judged]:
    """Each pair's outcome and its least time."""
    rounds = []
    for _ in range(times):
        _forget()
        rounds.append(_judged(pairs, tool))
    return [
        each[0]._replace(seconds=min(one.seconds for one in each))
        for each in zip(*rounds, strict=True)
    ]


Made = dict[str, dict[str, list[Judged]]]
"""What each tool made of each set."""


def _print_labels(made: Made) -> None:
    print(f"{'labels':<28}{_HEADING}")
    for name, by_tool in made.items():
        for tool, judged in by_tool.items():
            print(f"{name if tool == 'cotgen' else '':<28}{_labels(judged)}   {tool}")
    print()


def _labels(judged: list[Judged]) -> str:
    right = 100 * sum(each.is_right for each in judged) / len(judged)
    positives = sum(each.is_false_positive for each in judged)
    negatives = sum(each.is_false_negative for each in judged)
    refused = sum(each.is_wrong_label and each.outcome == "incorrect" for each in judged)
    undecided = sum(each.outcome == "unverifiable" for each in judged)
    counts = f"{positives:>5}{refused:>9}{negatives:>6}{sum(e.is_open for e in judged):>6}"
    return f"{len(judged):>8,}{right:>9.2f}{counts}{undecided:>12}"


_HEADING = (
    f"{'pairs':>8}{'exact %':>9}{'FP':>5}{'refused':>9}{'FN':>6}{'open':>6}{'not judged':>12}"
)
"""FP and refused are the wrong labels: accepted, or called incorrect, against what is written."""


def _print_kinds(by_tool: dict[str, list[Judged]]) -> None:
    print(f"{'cases by kind':<28}{_HEADING}")
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


def _print_speed_unremembered(sets: dict[str, list[Pair]]) -> None:
    """Cotgen's speed where no gold, answer or decision is known from an earlier attempt."""
    print(f"{'cotgen, empty memory':<28}{'pairs/s':>9}")
    for name, pairs in sets.items():
        if not pairs:
            continue
        spent = 0.0
        for pair in pairs:
            _forget()
            started = time.perf_counter()
            _ours(pair.gold, pair.attempt)
            spent += time.perf_counter() - started
        print(f"{name:<28}{len(pairs) / spent:>9,.0f}")
    print()


SYMBOLIC = (r"\sqrt{x^2+2x+1}", r"\boxed{|x+1|}")
_FIRST = """
import json, resource, sys, time
pair = json.loads(sys.argv[1])
started = time.perf_counter()
from cotgen import verify
loaded = time.perf_counter()
first = verify(*pair)
judged = time.perf_counter()
assert verify(*pair).method == first.method == "symbolic", first
from cotgen.verifiers.mathematics import symbolic
symbolic._helper().close()
own, theirs = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
spent = sum(each.ru_utime + each.ru_stime for each in (own, theirs))
print(json.dumps([loaded - started, judged - loaded, spent]))
"""


def _print_first_symbolic() -> None:
    """A fresh process that has to start sympy's before it can say anything, three times."""
    print(f"{'fresh process, seconds':<28}{'import':>9}{'verdict':>9}{'CPU, all':>9}")
    for _ in range(3):
        command = [sys.executable, "-c", _FIRST, json.dumps(SYMBOLIC)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(f"{'first symbolic verdict':<28}" + "".join(f"{s:>9.2f}" for s in json.loads(said)))
    print()


def _bulk(data: Path, count: int) -> list[tuple[str, str]]:
    """Distinct pairs: the recorded ones, with their digits exchanged for others in gold and attempt
    alike, in random order. A seed makes them the same in every process."""
    recorded = [(pair.gold, pair.attempt) for pair in (*_gsm8k(data), *_math(data))]
    draw = random.Random(4)
    made: dict[tuple[str, str], None] = {}
    while len(made) < count:
        digits = "".join(draw.sample("123456789", 9))
        exchanged = str.maketrans("123456789", digits)
        made.update(dict.fromkeys((g.translate(exchanged), a.translate(exchanged))
                                  for g, a in recorded))  # fmt: skip
    pairs = list(made)[:count]
    draw.shuffle(pairs)
    return pairs


def _print_scaling(pairs: list[tuple[str, str]]) -> None:
    """`verify_many` with one process and with more, beside the same work in bare processes.

    An empty loop in as many processes at once tells how many processors are there to be had. The
    best of three rounds counts; the processor time is that of all workers, and of the caller.
    """
    cores = len(os.sched_getaffinity(0))
    crews = sorted({1, 2, cores} if cores > 1 else {1})
    started = "forks" if may_fork() else "fresh processes"
    best: dict[tuple[str, int], float] = defaultdict(float)
    spent: dict[int, str] = {}
    for _, workers in product(range(3), crews):
        for what in ("loop", "verify"):
            rate = len(pairs) / _in_parts(workers, what, pairs)
            best[what, workers] = max(best[what, workers], rate)
        rate, spent[workers] = _in_bulk(workers, pairs)
        best["verify_many", workers] = max(best["verify_many", workers], rate)
    print(
        f"{f'{len(pairs):,} distinct pairs':<28}{'pairs/s':>9}{'×':>7}{'plain verify':>14}{'×':>7}"
        f"{'empty loop ×':>14}{'CPU s':>14}   {started}"
    )
    for workers in crews:
        columns = {what: best[what, workers] for what in ("verify_many", "verify", "loop")}
        many, plain, loop = (f"{rate / best[what, 1]:.2f}" for what, rate in columns.items())
        print(
            f"{f'verify_many, {workers} of {cores} cores':<28}{columns['verify_many']:>9,.0f}"
            f"{many:>7}{columns['verify']:>14,.0f}{plain:>7}{loop:>14}{spent[workers]:>14}"
        )
    print()


def _in_bulk(workers: int, pairs: list[tuple[str, str]]) -> tuple[float, str]:
    _forget()
    before, started = os.times(), time.perf_counter()
    judged = sum(1 for _ in verify_many(pairs, workers=workers))
    seconds, after = time.perf_counter() - started, os.times()
    theirs = sum(after[2:4]) - sum(before[2:4])
    return judged / seconds, f"{theirs:.2f} + {sum(after[:2]) - sum(before[:2]):.2f}"


def _in_parts(parts: int, what: str, pairs: list[tuple[str, str]]) -> float:
    """The seconds that the slowest of so many processes takes, each with its part of the work."""
    context = multiprocessing.get_context("fork")
    ready, taken = context.Barrier(parts), context.SimpleQueue()
    running = [
        context.Process(target=_part, args=(what, pairs[part::parts], ready, taken))
        for part in range(parts)
    ]
    for each in running:
        each.start()
    slowest = max(float(taken.get()) for _ in running)
    for each in running:
        each.join()
    return slowest


_TURNS = 600
"""Turns of an empty loop for each pair: about as long as judging it."""


def _part(what: str, pairs: list[tuple[str, str]], ready: Any, taken: Any) -> None:
    _forget()
    ready.wait()
    started = time.perf_counter()
    if what == "verify":
        for pair in pairs:
            verify(*pair)
    else:
        for _ in range(_TURNS * len(pairs)):
            pass
    taken.put(time.perf_counter() - started)
    symbolic._helper().close()  # It ends with the interpreter, which ends without this one.


def _forget() -> None:
    """Empty every memory of the verifier: those of decisions, of readings and of single parts."""
    for cached in _MEMORIES:
        cached.cache_clear()


def _memories() -> list[Any]:
    modules = [module for name, module in sys.modules.items() if name.startswith(_VERIFIERS)]
    found = [each for module in modules for each in vars(module).values()]
    return [each for each in found if isinstance(each, functools._lru_cache_wrapper)]


_VERIFIERS = "cotgen.verifiers"
_MEMORIES = _memories()


def _rate(judged: list[Judged]) -> float:
    return len(judged) / sum(each.seconds for each in judged)


def _print_errors(name: str, by_tool: dict[str, list[Judged]]) -> None:
    """Every pair that cotgen labels otherwise than written or recorded."""
    wrong = [each for each in by_tool["cotgen"] if not each.is_right and not each.is_open]
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
