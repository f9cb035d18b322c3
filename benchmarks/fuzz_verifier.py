"""Fuzz the math verifier: golds and attempts grown from the cases by seeded mutation.

    python benchmarks/fuzz_verifier.py --minutes 30 --seed 1

A text that leads to a new kind of verdict (outcome, method and reason) joins the pool that is
mutated further, so that the search goes where the code has not been. What must hold of any text:

- `exception`: nothing is raised, neither outright nor inside (verdict by method `error`);
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

from cotgen import verify
from cotgen.records import Verdict

CASES = Path(__file__).resolve().parents[1] / "tests" / "verifiers"
TIMEOUT_S, CPU_S, HANG_S, SHRINK_S = 5.0, 1.0, 60, 15
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
PIECES = (*WRITTEN.split(), *BLANKS)
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
    violations: dict[str, Violation] = field(default_factory=dict)
    accepted: dict[str, tuple[str, str]] = field(default_factory=dict)


class Hang(BaseException):
    """A verdict is past its deadline. No `except Exception` of the verifier's may hold it up."""


def ring(_number: int, _frame: object) -> None:
    raise Hang


class Judge:
    """`verify`, watched: it counts, takes the time, and leaves its last pair in a file."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.last = Path(tempfile.gettempdir(), f"fuzz_verifier_last_{os.getpid()}.json")
        self._file = os.open(self.last, os.O_CREAT | os.O_WRONLY)

    def __call__(self, gold: str, attempt: str) -> Verdict:
        pair = json.dumps([gold, attempt]).encode()
        os.pwrite(self._file, pair, 0)
        os.ftruncate(self._file, len(pair))
        # For what hangs in C, where no alarm is heard: the file tells the pair.
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        cpu, wall = time.process_time(), time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S + 0.5)
        verdict: Verdict
        try:
            verdict = verify(gold, attempt, timeout_s=TIMEOUT_S)
        except Hang:
            verdict = Verdict("unverifiable", method="hang", reason="past its deadline")
        except Exception as error:  # noqa: BLE001 - the finding
            verdict = Verdict("unverifiable", method="error", reason=repr(error))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        faulthandler.cancel_dump_traceback_later()
        self._note(gold, attempt, verdict, max(cpu, wall - TIMEOUT_S + CPU_S - 0.5))
        return verdict

    def _note(self, gold: str, attempt: str, verdict: Verdict, seconds: float) -> None:
        self.seen.verdicts += 1
        if seconds > (self.seen.slowest[-1][0] if len(self.seen.slowest) >= 10 else 0.02):
            self.seen.slowest.append((seconds, gold, attempt))
            self.seen.slowest = sorted(self.seen.slowest, reverse=True)[:10]
        if verdict.method == "error":
            self.violation("exception", (gold, attempt), verdict.reason)
        if seconds > CPU_S:
            self.violation("slow", (gold, attempt), f"{seconds:.1f} s, {kind(verdict)}")

    def violation(self, rule: str, texts: tuple[str, ...], detail: str) -> None:
        self.seen.violations.setdefault(
            f"{rule}: {VARYING.sub('…', detail)}", Violation(rule, texts, detail)
        )


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


def slow(judge: Judge, texts: tuple[str, ...]) -> str:
    started = time.process_time()
    verdict = judge(*texts)
    seconds = time.process_time() - started
    return f"{seconds:.1f} s, {kind(verdict)}" if seconds > CPU_S else ""


RULES: dict[str, Rule] = {
    "exception": exception,
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
    if pairs(text, "(", ")") and "\\" not in re.findall(r"(.)[()]", text):
        yield text.replace("(", "\\left(").replace(")", "\\right)")
    if "\\left" in text and text.count("\\left") == text.count("\\right"):
        yield re.sub(r"\\(left|right)(?=[()\[\]|\\])(?!\\[a-z])", "", text)


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

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self.pairs = list(dict.fromkeys(recorded()))

    def pair(self) -> tuple[str, str]:
        gold, attempt = self.draw.choice(self.pairs)
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


def fuzz(judge: Judge, texts: Texts, until: float) -> None:
    seen = judge.seen
    while time.monotonic() < until:
        gold, attempt = pair = texts.pair()
        first = judge(gold, attempt)
        checks = [("ending", pair), ("self", (gold,)) if balanced(gold) else ("ending", pair)]
        if balanced(gold) and balanced(attempt):
            first = judge(gold, box(attempt))
            checks = [("self", (attempt,)), ("dress", pair), ("asymmetric", pair)]
            look(judge, gold, texts.draw)
        if not seen.kinds[kind(first)]:
            texts.keep(pair)
        seen.kinds[kind(first)] += 1
        for rule, given in checks:
            if detail := RULES[rule](judge, given):
                judge.violation(rule, given, detail)


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


def report(seen: Seen, started: float) -> None:
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{seen.verdicts} verdicts in {seconds:.0f} s, {len(seen.kinds)} kinds, peak {peak:.0f} MB"
    )
    outcomes: Counter[str] = Counter()
    for name, count in seen.kinds.items():
        outcomes[name.split()[0]] += count
    print(", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    print("\nslowest (s, gold, attempt)")
    for cost, gold, attempt in seen.slowest:
        print(f"  {cost:.2f}  {gold[:80]!r}  {attempt[:80]!r}")
    print(f"\naccepted although altered ({len(seen.accepted)})")
    for gold, other in sorted(seen.accepted.values(), key=lambda pair: len(pair[0]))[:200]:
        print(f"  {gold[:70]!r}  {other[:70]!r}")
    print(f"\nviolations ({len(seen.violations)})")
    for found in seen.violations.values():
        print(f"  {found.rule}: {[text[:120] for text in found.texts]}\n    {found.detail[:240]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where violations are appended as JSON lines")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    signal.signal(signal.SIGALRM, ring)
    seen = Seen()
    judge, started = Judge(seen), time.monotonic()
    print(f"the pair being judged is in {judge.last}", flush=True)
    fuzz(judge, Texts(Random(options.seed)), started + 60 * options.minutes)
    shrink(judge)
    report(seen, started)
    judge.last.unlink()
    if options.out:
        with options.out.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(vars(found)) + "\n" for found in seen.violations.values())
    return bool(seen.violations)


if __name__ == "__main__":
    sys.exit(main())
