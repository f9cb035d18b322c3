"""Fuzz the math verifier: golds and attempts grown from the cases by seeded, guided mutation.

    python benchmarks/fuzz_verifier.py --minutes 30 --seed 1

A pair whose judgement goes from one line of the verifiers to another as none did before (an arc),
or leads to a new kind of verdict (outcome, method and reason), joins the pool that is mutated
further, so that the search goes where the code has not been. What must hold of any text:

- `executed`: no file appears and no variable is set, whatever code a text holds;
- `exception`: nothing is raised, neither outright nor inside (verdict by method `error`);
- `crash`: the process of the symbolic tier ends neither by a signal nor by an exception;
- `memory`: no process ever holds more than a worker may;
- `slow`: no verdict takes more than a second of CPU, or longer than its deadline and half a second;
- `asymmetric`: gold and answer may change places without turning `correct` into `incorrect`,
  unless a gold of many digits is met by what rounds to it;
- `self`: an answer is never `incorrect` beside itself;
- `dress`: blanks, \\left and \\right, \\displaystyle, braces or a line's end never turn `correct`
  into `incorrect`, or the other way round.

Violations are made small, printed, and appended to `--out` as JSON lines; the exit code tells
whether there were any. An answer that is accepted although one sign, letter or digit was altered
breaks no rule (0·5 is 0·6) but is worth a look: those are printed too.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import gc
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import TYPE_CHECKING

from cotgen import verify
from cotgen.records import Verdict
from cotgen.verifiers.mathematics import symbolic

if TYPE_CHECKING:
    from _typeshed import TraceFunction

CASES = Path(__file__).resolve().parents[1] / "tests" / "verifiers"
TIMEOUT_S, CPU_S, HANG_S, SHRINK_S = 5.0, 1.0, 60, 15
PEAK_MB = 1_024
LONGEST, LONGEST_KEPT, POOL = 20_000, 2_000, 20_000
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\d+|[^\W\d_]+|\s+|.", re.DOTALL)
MARK = re.compile(r"####|answer|\*\*|boxed|[<`{]|^\s*A:", re.IGNORECASE | re.MULTILINE)
"""What a bare gold may hold that makes it a solution with a marked answer."""
NUMBERS = re.compile(r"\d+")
VARYING = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")

WRITTEN = r"""
0 1 2 5 10 1000 999999999 0.5 .5 5. 1,000 1e5 1e-5 1/2 -3 x y i e \pi \infty \frac12 \frac{1}{2}
\sqrt2 \sqrt[3]{2} \binom52 ! !! % \% ^\circ ° ' '' ^ ^2 ^{ _ _2 _{ { } ( ) [ ] \{ \} \left( \right)
\left| \right| | || + - * / = < > \le \ge \ne \approx \pm \mp \cdot \times \div , ; : . ... \ldots &
\\ \cup \cap \in \setminus \emptyset \mathbb{R} \sin \cos \ln \log \log_2 \gcd \lfloor \rfloor
\lceil \rceil \overline{3} \dot{3} \bar \begin{pmatrix} \end{pmatrix} \begin{cases} \end{cases}
\text{cm} \text{or} \text{and} \text{if} \mathrm{m} \$ $ € £ km m/s kg hours dollars dozen million
percent degrees yes no true none DNE A (A) (B) noon p.m. 4:30 July Monday five twenty-one half or
and not \boxed{ } \boxed{5} \fbox{ #### A: answer is: <think> </think> <answer> </answer> ** ```
{"answer": "} \quad \, \! ~ \displaystyle \textbf{ − – ＋ ５ ½ ² √ ∞ ± ≤ π ∅ ∪ × ÷ ∈ ℝ ٤ ₂ ⁻¹ x=
"""
BLANKS = (" ", "\n", "\n\n", "\u00a0", "\u200b", "\u202e", "\u0338", "\x00", "\ud800", "\ufdfa")
HARMFUL = r"""
__import__('os').system('touch CANARY')
open('CANARY','w')
exec("open('CANARY','w')")
exec(bytes([111,112,101,110,40,39,67,39,44,39,119,39,41]))
eval(compile("open('CANARY','w')",'a','exec'))
[open(__import__('posix').environ['COTGEN_CANARY'],'w')]
(lambda f=open('CANARY','w'): 5)()
[y:=open('CANARY','w'),5][1]
getattr(__builtins__,'ev'+'al')("open('CANARY','w')")
[c for c in ().__class__.__base__.__subclasses__() if c.__name__=='_wrap_close'][0].__init__.__globals__['system']('touch CANARY')
Symbol('x').__class__.__init__.__globals__['__builtins__']['open']('CANARY','w')
f"{open('CANARY','w')}"
{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}
__import__('os').environ.update(COTGEN_RAN='1')
__import__('os')._exit(3)
\pi+open('CANARY','w')
\write18{touch CANARY}
\input{|"touch CANARY"}
\operatorname{open}('CANARY','w')
$(touch CANARY)
`touch CANARY`
5; touch CANARY
"""  # noqa: E501
"""What other graders run, or might. The run's folder is empty and must stay so."""
PIECES = (*WRITTEN.split(), *BLANKS, *HARMFUL.strip().splitlines())
AROUND = r"""
\frac{…}{2} \sqrt{…} (…) \left(…\right) |…| {…} \text{…} \{…\} […) -(…) 2^{…} \sin(…) $…$ \boxed{…}
x=… …! …\% \$… …^\circ …^2 1,… …,5 \lfloor(…)\rfloor \overline{…} \pm… …_2 **…** answer:….
<think>…</think> \begin{pmatrix}…\end{pmatrix}
"""
WRAPS = tuple(wrap.split("…") for wrap in AROUND.split())


@dataclass
class Violation:
    """A rule that did not hold, of the smallest texts for which it was found not to hold."""

    rule: str
    texts: tuple[str, ...]
    detail: str


@dataclass
class Seen:
    """What a run has found out so far."""

    verdicts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    late: list[tuple[float, str, str]] = field(default_factory=list)
    longest_wall_s: float = 0.0
    longest_cpu_s: float = 0.0
    violations: dict[str, Violation] = field(default_factory=dict)
    accepted: dict[str, tuple[str, str]] = field(default_factory=dict)


class Hang(BaseException):
    """A verdict is past its deadline. No `except Exception` of the verifier's may hold it up."""


def ring(_number: int, _frame: object) -> None:
    raise Hang


VERIFIERS = str(Path(symbolic.__file__).parents[1])


class Arcs:
    """The steps from line to line that judgements took in cotgen.verifiers, as (file, from, to)."""

    def __init__(self) -> None:
        self.reached: set[tuple[str, int, int]] = set()
        self._is_ours: dict[str, bool] = {}

    def enter(self, frame: FrameType, _event: str, _arg: object) -> TraceFunction | None:
        """For `sys.settrace`: frames of other code are left alone, which costs little."""
        file = frame.f_code.co_filename
        ours = self._is_ours.get(file)
        if ours is None:
            ours = self._is_ours[file] = file.startswith(VERIFIERS)
        if not ours:
            return None
        reached, last = self.reached, frame.f_lineno

        def step(frame: FrameType, event: str, _arg: object) -> TraceFunction:
            nonlocal last
            if event == "line":
                reached.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step


class Judge:
    """`verify`, watched: it counts, takes the time, and leaves its last pair in a file."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.arcs = seen, Arcs()
        self.last = Path(tempfile.gettempdir(), f"fuzz_verifier_last_{os.getpid()}.json")
        self._file = os.open(self.last, os.O_CREAT | os.O_WRONLY)

    def traced(self, gold: str, attempt: str) -> tuple[Verdict, bool]:
        """The verdict, and whether it took a way that none took before."""
        before = len(self.arcs.reached)
        verdict = self(gold, attempt, arcs=self.arcs)
        return verdict, len(self.arcs.reached) > before

    def __call__(
        self, gold: str, attempt: str, *, arcs: Arcs | None = None, again: bool = False
    ) -> Verdict:
        pair = json.dumps([gold, attempt]).encode()
        os.pwrite(self._file, pair, 0)
        os.ftruncate(self._file, len(pair))
        # For what hangs in C, where `ring` is not heard: the file tells the pair.
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        cpu, wall = time.process_time(), time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S + 0.5)
        verdict: Verdict
        try:
            if arcs:
                sys.settrace(arcs.enter)
            verdict = verify(gold, attempt, timeout_s=TIMEOUT_S)
        except Hang:
            verdict = Verdict("unverifiable", method="hang", reason="past its deadline")
        except Exception as error:  # noqa: BLE001 - the finding
            verdict = Verdict("unverifiable", method="error", reason=repr(error))
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        is_late = wall - TIMEOUT_S > 0.5
        if not again and ((arcs and max(cpu, wall) > CPU_S / 10) or (is_late and cpu < CPU_S)):
            # Tracing may have made it slow, or a machine that stood still: it counts what it costs
            # without.
            if is_late:
                self.seen.late.append((wall, gold, attempt))
            forget()
            return self(gold, attempt, again=True)
        self._note(gold, attempt, verdict, cpu, wall)
        return verdict

    def _note(self, gold: str, attempt: str, verdict: Verdict, cpu: float, wall: float) -> None:
        self.seen.verdicts += 1
        self.seen.longest_cpu_s = max(self.seen.longest_cpu_s, cpu)
        self.seen.longest_wall_s = max(self.seen.longest_wall_s, wall)
        seconds = max(cpu, wall - TIMEOUT_S + CPU_S - 0.5)
        if seconds > (self.seen.slowest[-1][0] if len(self.seen.slowest) >= 10 else 0.02):
            self.seen.slowest.append((seconds, gold, attempt))
            self.seen.slowest = sorted(self.seen.slowest, reverse=True)[:10]
        if verdict.method == "error":
            self.violation("exception", (gold, attempt), verdict.reason)
        if CRASHED(verdict.reason):
            self.violation("crash", (gold, attempt), verdict.reason)
        if seconds > CPU_S:
            self.violation("slow", (gold, attempt), f"{seconds:.1f} s, {kind(verdict)}")

    def violation(self, rule: str, texts: tuple[str, ...], detail: str) -> None:
        self.seen.violations.setdefault(
            f"{rule}: {VARYING.sub('…', detail)}", Violation(rule, texts, detail)
        )


CRASHED = re.compile("the symbolic comparison .*: (failed|.*died|no helper process)").match


def forget() -> None:
    """Empty what the verifiers remember, so that a judgement costs what a first one does."""
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper) and str(
            getattr(thing, "__module__", "")
        ).startswith("cotgen.verifiers"):
            thing.cache_clear()


def kind(verdict: Verdict) -> str:
    return f"{verdict.outcome} by {verdict.method}: {VARYING.sub('…', verdict.reason)}"[:120]


def box(text: str) -> str:
    return f"\\boxed{{{text}}}"


def balanced(text: str) -> bool:
    """Whether a box around the text ends where the text does."""
    depth = 0
    for token in re.findall(r"\\.|[{}]", text, re.DOTALL):
        depth += (token == "{") - (token == "}")
        if depth < 0:
            return False
    return depth == 0 and not text.endswith("\\")


# --- the rules ------------------------------------------------------------------------------------

OPPOSITE = {"correct", "incorrect"}
Rule = Callable[[Judge, tuple[str, ...]], str]
"""What is wrong with the texts, or nothing."""


def asymmetric(judge: Judge, texts: tuple[str, ...]) -> str:
    one, two = texts
    there, back = judge(box(one), box(two)), judge(box(two), box(one))
    # A gold of many digits was rounded; an answer of many digits is still not the exact gold.
    rounded = "rounded" in (there.method, back.method)
    wrong = {there.outcome, back.outcome} == OPPOSITE and not rounded
    return f"{kind(there)} | {kind(back)}" if wrong else ""


def itself(judge: Judge, texts: tuple[str, ...]) -> str:
    gold = box(texts[0]) if MARK.search(texts[0]) else texts[0]
    verdict = judge(gold, box(texts[0]))
    return kind(verdict) if verdict.outcome == "incorrect" else ""


def dress(judge: Judge, texts: tuple[str, ...]) -> str:
    gold, answer = texts
    plain = judge(gold, box(answer))
    for dressed in dresses(answer):
        other = judge(gold, box(dressed))
        if {plain.outcome, other.outcome} == OPPOSITE:
            return f"{dressed!r}: {kind(plain)} | {kind(other)}"
    return ""


def ending(judge: Judge, texts: tuple[str, ...]) -> str:
    gold, attempt = texts
    plain, other = judge(gold, attempt), judge(gold, attempt + "\n")
    wrong = {plain.outcome, other.outcome} == OPPOSITE
    return f"{kind(plain)} | {kind(other)}" if wrong else ""


def exception(judge: Judge, texts: tuple[str, ...]) -> str:
    verdict = judge(*texts)
    return verdict.reason if verdict.method == "error" else ""


def crash(judge: Judge, texts: tuple[str, ...]) -> str:
    forget()
    verdict = judge(*texts)
    return verdict.reason if CRASHED(verdict.reason) else ""


def executed(judge: Judge, texts: tuple[str, ...]) -> str:
    """The run's folder is the working directory. What is found there is removed again."""
    for text in texts:
        judge(text, text)
    found = sorted(path.name for path in Path.cwd().iterdir())
    for name in found:
        Path(name).unlink()
    if os.environ.pop("COTGEN_RAN", ""):
        found.append("COTGEN_RAN")
    return f"appeared: {', '.join(found)}" if found else ""


def slow(judge: Judge, texts: tuple[str, ...]) -> str:
    forget()
    started = time.process_time()
    verdict = judge(*texts)
    seconds = time.process_time() - started
    return f"{seconds:.1f} s, {kind(verdict)}" if seconds > CPU_S else ""


RULES: dict[str, Rule] = {
    "executed": executed,
    "exception": exception,
    "crash": crash,
    "slow": slow,
    "asymmetric": asymmetric,
    "self": itself,
    "dress": dress,
    "ending": ending,
}


def dresses(text: str) -> Iterator[str]:
    """The text, written otherwise in ways that TeX shows alike; words stay as they are."""
    yield f" {text} "
    if "\\text" in text or "\\mathrm" in text or '"' in text:
        return
    yield re.sub(
        r"\s*((?<![eE])\+|=|<|>|\\cdot(?![a-z])|\\times(?![a-z])|\\cup(?![a-z]))\s*", r" \1 ", text
    )
    yield f"\\displaystyle {text}"
    yield f"{{{text}}}"
    is_grouping = pairs(text, "(", ")") and not NO_GROUP.search(text)
    if is_grouping and "\\" not in re.findall(r"(.)[()]", text):
        yield text.replace("(", "\\left(").replace(")", "\\right)")
    if "\\left" in text and text.count("\\left") == text.count("\\right"):
        yield re.sub(r"\\(left|right)(?=[()\[\]|\\])(?!\\[a-z])", "", text)


NO_GROUP = re.compile(r"\d\(\d+\)|(?:^|\s)\(\w{1,3}\)\s")
"""Brackets around a period or a label, which nobody writes with \\left."""


def pairs(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for letter in text:
        depth += (letter == opening) - (letter == closing)
        if depth < 0:
            return False
    return depth == 0 and opening in text


# --- the texts ------------------------------------------------------------------------------------


class Texts:
    """The pool of golds, answers and attempts, and what is made of them."""

    def __init__(self, draw: Random, limit: int) -> None:
        self.draw = draw
        self.pairs = list(dict.fromkeys(recorded()))
        if limit < len(self.pairs):
            self.pairs = draw.sample(self.pairs, limit)
        self.recorded = len(self.pairs)

    def pair(self) -> tuple[str, str]:
        # What was found is fewer and leads further than what was given.
        pool = self.pairs
        if len(pool) > self.recorded and self.draw.random() < 0.5:
            pool = pool[self.recorded :]
        gold, attempt = self.draw.choice(pool)
        roll = self.draw.random()
        if roll < 0.15:
            return gold, self.draw.choice(self.pairs)[1]
        if roll < 0.4:
            return self.mutant(gold), attempt
        if roll < 0.8:
            return gold, self.mutant(attempt)
        return self.mutant(gold), self.mutant(gold)

    def mutant(self, text: str) -> str:
        for _ in range(self.draw.choice((1, 1, 1, 2, 3, 6))):
            text = self._mutated(text)[:LONGEST]
        return text

    def _mutated(self, text: str) -> str:
        draw, tokens = self.draw, TOKEN.findall(text)
        start = draw.randint(0, len(tokens))
        stop = min(len(tokens), start + draw.choice((0, 1, 1, 2, 3, len(tokens))))
        head, middle, tail = (
            "".join(tokens[a:b]) for a, b in ((0, start), (start, stop), (stop, None))
        )
        way = draw.randrange(7)
        if way == 0:
            middle = draw.choice(PIECES)
        elif way == 1:
            middle += draw.choice(PIECES)
        elif way == 2:
            opening, closing = draw.choice(WRAPS)
            times = draw.choice((1, 1, 1, 1, 2, 3, 30, 300))
            middle = opening * times + middle + closing * times
        elif way == 3:
            middle *= draw.choice((0, 2, 2, 3, 10, 1_000))
        elif way == 4:
            gold, attempt = draw.choice(self.pairs)
            other = TOKEN.findall(draw.choice((gold, attempt)))
            cut = draw.randint(0, len(other))
            middle = "".join(other[cut : cut + draw.randint(1, 8)])
        elif way == 5:
            middle, tail = tail, middle
        else:
            middle = changed_digit(middle, draw)
        return head + middle + tail

    def keep(self, pair: tuple[str, str]) -> None:
        if len(self.pairs) < POOL and len(pair[0]) + len(pair[1]) < LONGEST_KEPT:
            self.pairs.append(pair)


def recorded() -> Iterator[tuple[str, str]]:
    """Golds with their answers, out of the box where they stand alone in one; no giants."""
    for path in sorted(CASES.glob("cases*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            case = json.loads(line)
            if len(line) < LONGEST_KEPT:
                yield case["gold"], inner(case["solution"])


def inner(attempt: str) -> str:
    found = re.fullmatch(r"[^{}]*\\boxed\{(.*)\}[^{}]*", attempt, re.DOTALL)
    return found[1] if found and balanced(found[1]) else attempt


def changed_digit(text: str, draw: Random) -> str:
    places = [place for place, letter in enumerate(text) if letter.isascii() and letter.isdigit()]
    if not places:
        return text
    place = draw.choice(places)
    return text[:place] + str((int(text[place]) + draw.randint(1, 9)) % 10) + text[place + 1 :]


SAYS_ELSE = r"""
+→- -→+ (→[ )→] [→( ]→) <→\le␣ >→\ge␣ \le→< \ge→\le␣ =→\ne␣ x→y a→b b→a n→m i→j e→f A→B B→A \pi→e
\sin→\cos␣ \cup→\cap␣ /→ \sqrt→ \frac→ ^→_ \infty→-\infty␣ \pm→ !→ %→ |→ yes→no not→
and→or cm→m km→m hours→minutes cos→sin
"""
ALTERED = dict(pair.replace("␣", " ").split("→") for pair in SAYS_ELSE.split())


def altered(text: str, draw: Random) -> str:
    """The text with one token that says something else, or a number with another sign."""
    tokens = TOKEN.findall(text)
    places = [place for place, token in enumerate(tokens) if token in ALTERED]
    if not places:
        return f"-{text}" if NUMBERS.search(text) else text
    place = draw.choice(places)
    return "".join([*tokens[:place], ALTERED[tokens[place]], *tokens[place + 1 :]])


# --- the run --------------------------------------------------------------------------------------


def fuzz(judge: Judge, texts: Texts, until: float, rounds: int) -> None:
    for _ in range(rounds):
        if time.monotonic() >= until:
            return
        play(judge, texts)


def play(judge: Judge, texts: Texts) -> None:
    """One round: a pair, judged as it is and in a box, and the rules that it must keep."""
    gold, attempt = pair = texts.pair()
    first, is_new = judge.traced(gold, attempt)
    checks = [("ending", pair), ("self", (gold,)) if balanced(gold) else ("ending", pair)]
    if balanced(gold) and balanced(attempt):
        first, is_new_boxed = judge.traced(gold, box(attempt))
        is_new |= is_new_boxed
        checks = [("self", (attempt,)), ("dress", pair), ("asymmetric", pair)]
        look(judge, gold, texts.draw)
    if is_new or not judge.seen.kinds[kind(first)]:
        texts.keep(pair)
    judge.seen.kinds[kind(first)] += 1
    for rule, given in [*checks, ("executed", ())]:
        if detail := RULES[rule](judge, given):
            judge.violation(rule, given or pair, detail)


def warm(judge: Judge, texts: Texts) -> None:
    """Reach what the recorded pairs reach: only what goes beyond is a find."""
    for gold, attempt in texts.pairs:
        judge.traced(gold, attempt)
        judge.traced(gold, box(attempt))


def shrink(judge: Judge) -> None:
    """Each violation by the smallest texts that were found to show it in a few seconds."""
    for found in list(judge.seen.violations.values()):
        rule = RULES[found.rule]
        found.texts = smallest(judge, rule, found.texts)
        found.detail = rule(judge, found.texts) or found.detail


def look(judge: Judge, gold: str, draw: Random) -> None:
    """Note an answer that is accepted although something in it is another than in the gold."""
    other = changed_digit(gold, draw) if draw.random() < 0.5 else altered(gold, draw)
    if other != gold and balanced(other) and judge(gold, box(other)).outcome == "correct":
        judge.seen.accepted.setdefault(NUMBERS.sub("…", gold), (gold, other))


def smallest(judge: Judge, rule: Rule, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts without each token, or run of tokens, that the violation does not need."""
    until = time.monotonic() + SHRINK_S
    for index in range(len(texts)):
        size = max(1, len(TOKEN.findall(texts[index])) // 2)
        while size and time.monotonic() < until:
            tokens, start = TOKEN.findall(texts[index]), 0
            while start < len(tokens) and time.monotonic() < until:
                shorter = "".join(tokens[:start] + tokens[start + size :])
                given = (*texts[:index], shorter, *texts[index + 1 :])
                fits = balanced(shorter) or not balanced(texts[index])
                if fits and shorter.strip() and rule(judge, given):
                    texts, tokens = given, TOKEN.findall(shorter)
                else:
                    start += size
            size //= 2
    return texts


def weigh(judge: Judge) -> str:
    """The most memory that this process, and the symbolic tier's with its forks, ever held."""
    symbolic._helper().close()  # Only what has ended tells its peak, and that of its own forks.
    # Not ru_maxrss: it starts at what the parent held when it spawned this process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) / 1024
    # A child starts as a copy of this process, so that its figure is never less than ours was.
    helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    text = f"peak memory {own:.0f} MB, of the symbolic tier's processes at most {helper:.0f} MB"
    if own > PEAK_MB or helper > symbolic._MEMORY_MB:
        judge.violation("memory", (), text)
    return text


def report(seen: Seen) -> None:
    outcomes: Counter[str] = Counter()
    for name, count in seen.kinds.items():
        outcomes[name.split()[0]] += count
    print(", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    print("\nslowest (s, gold, attempt)")
    for cost, gold, attempt in seen.slowest:
        print(f"  {cost:.2f}  {gold[:80]!r}  {attempt[:80]!r}")
    for wall, gold, attempt in seen.late:
        print(f"  late once, not again: {wall:.1f}  {gold[:80]!r}  {attempt[:80]!r}")
    print(f"\naccepted although altered ({len(seen.accepted)})")
    for gold, other in sorted(seen.accepted.values(), key=lambda pair: len(pair[0]))[:200]:
        print(f"  {gold[:70]!r}  {other[:70]!r}")
    print(f"\nviolations ({len(seen.violations)})")
    for found in seen.violations.values():
        print(f"  {found.rule}: {[text[:120] for text in found.texts]}\n    {found.detail[:240]}")
    counts = Counter(found.rule for found in seen.violations.values())
    print("violations by rule:", ", ".join(f"{rule} {counts[rule]}" for rule in (*RULES, "memory")))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=10**9, help="pairs; some ten verdicts each")
    parser.add_argument("--recorded", type=int, default=10**9, help="cases to start from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where violations are appended as JSON lines")
    return parser.parse_args()


def run(given: argparse.Namespace) -> Seen:
    """In an empty folder of its own, as the working directory."""
    judge, started = Judge(Seen()), time.monotonic()
    seen, texts = judge.seen, Texts(Random(given.seed), given.recorded)
    print(f"the pair being judged is in {judge.last}", flush=True)
    warm(judge, texts)
    at_start = len(judge.arcs.reached)
    print(f"{at_start} arcs after the {texts.recorded} recorded pairs", flush=True)
    fuzz(judge, texts, started + 60 * given.minutes, given.rounds)
    seconds = time.monotonic() - started
    print(f"{seen.verdicts} verdicts in {seconds:.0f} s, {len(seen.kinds)} kinds")
    arcs, pool = len(judge.arcs.reached), len(texts.pairs)
    print(f"arcs {at_start} at the start, {arcs} at the end; pool {texts.recorded}, then {pool}")
    print(f"longest verdict {seen.longest_wall_s:.2f} s, {seen.longest_cpu_s:.2f} s of CPU")
    shrink(judge)
    print(weigh(judge))
    report(seen)
    judge.last.unlink()
    return seen


def main() -> int:
    given = options()
    out = given.out and given.out.resolve()
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    signal.signal(signal.SIGALRM, ring)
    faulthandler.register(signal.SIGPROF, chain=True)  # The dump, then the end.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["COTGEN_CANARY"] = str(Path(folder, "CANARY"))
        seen = run(given)
        os.chdir("/")
    if out:
        with out.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(vars(found)) + "\n" for found in seen.violations.values())
    return bool(seen.violations)


if __name__ == "__main__":
    sys.exit(main())
