"""Programs, judged by their tests in a sandbox."""

from __future__ import annotations

import errno
import re
import time
from typing import Any, Literal, NamedTuple, Self

import msgspec
from pydantic import Field, model_validator

from cotgen.errors import RecipeError
from cotgen.protocols import Component, Deadline
from cotgen.records import Outcome, Problem, Verdict, clean
from cotgen.sandbox.client import (
    Exit,
    Judgement,
    LateError,
    Limits,
    Sandbox,
    SandboxError,
    Scripted,
)
from cotgen.sandbox.compare import Likeness, same_output
from cotgen.sandbox.lending import lent
from cotgen.sandbox.tiers import Choice, NoSandbox, choose
from cotgen.sandbox.wire import FAILED
from cotgen.verifiers.programs.attempts import (
    LONGEST,
    LONGEST_ATTEMPT,
    Candidate,
    Found,
    find_program,
    joined,
)
from cotgen.verifiers.programs.tests import Tests, read_tests

_MARGIN_S = 1.0
"""Wall time kept for ourselves before whoever waits for the verdict gives up."""


class CodeVerifier(Component):
    """Accept a Python program that passes all tests of its problem (see verifiers/programs/tests.py
    for how the answer states them); reject one that fails a test, crashes or exceeds its CPU time
    or memory. What says nothing about the program is `unverifiable`: a machine too slow, a missing
    module, a forbidden act, unusable tests, an object that would judge its own equality.
    """

    incidental = frozenset({"sandbox"})

    kind: Literal["code"] = "code"
    timeout_s: Deadline = 10.0
    """Seconds for all tests of one attempt; a later verdict is `unverifiable`."""
    cpu_s: int = Field(default=4, ge=1)
    """Seconds of CPU time for the program (for each input, where it reads one): more is a failed
    test. CPU time does not depend on what else the machine does."""
    memory_mb: int = Field(default=512, ge=16, le=1500)
    """Megabytes for the program; more is a failed test."""
    output_kb: int = Field(default=1024, ge=1)
    """Kilobytes that the program may print for one input; more is a failed test."""
    sandbox: Choice = "auto"
    """`auto` takes the strongest that this machine offers and refuses if none suffices;
    `none` runs programs unprotected, with your rights."""

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.timeout_s < self.cpu_s + 2 * _MARGIN_S:
            least = self.cpu_s + 2 * _MARGIN_S
            raise ValueError(f"timeout_s: must be at least cpu_s + 2 = {least:g}")
        return self

    def ready(self) -> None:
        """Raise RecipeError if this machine has no sandbox: asked before anything is paid."""
        try:
            choose(self.sandbox)
        except NoSandbox as error:
            raise RecipeError(f"verifier.sandbox: {error}") from None

    def verify(self, problem: Problem, solution: str) -> Verdict:
        """Judge the program that `solution` gives to `problem`."""
        deadline = time.monotonic() + self.timeout_s - _MARGIN_S
        tests = read_tests(problem.answer, problem.question)
        if isinstance(tests, str):
            return Verdict("unverifiable", method="gold", reason=f"unusable gold: {tests}")
        if len(solution) > LONGEST_ATTEMPT:
            return _none(f"no answer: an attempt of more than {LONGEST_ATTEMPT:,} characters")
        found = find_program(solution, tests.prompt, printing=not tests.wanted)
        if not found.candidates:
            return _none("no answer: the attempt holds no program")
        if max(len(candidate.text) for candidate in found.candidates) > LONGEST:
            return _none(f"no answer: a program of more than {LONGEST:,} characters")
        try:
            with lent(choose(self.sandbox)) as sandbox:
                verdict = _Trial(self, sandbox, deadline, tests, found).judge()
                parts = joined(solution) if "raises NameError" in verdict.reason else ""
                if not parts:
                    return verdict
                # Explained in parts, perhaps: then what the last one lacks stands in an earlier.
                whole = Found([Candidate(parts, (0, len(solution)))], sure=True, fenced=True)
                if _Trial(self, sandbox, deadline, tests, whole).judge().outcome != "correct":
                    return verdict
                return _none("no single program: only all parts of the attempt together pass")
        except LateError as error:
            return Verdict("unverifiable", method="timeout", reason=f"timed out: {error}")
        except SandboxError as error:
            return Verdict("unverifiable", method="sandbox", reason=str(error))


def _none(reason: str) -> Verdict:
    return Verdict("unverifiable", method="extraction", reason=reason)


class _Ruling(NamedTuple):
    """What one run showed."""

    outcome: Outcome
    method: str = "tests"
    reason: str = ""


class _Trial:
    """One program before its tests."""

    def __init__(
        self, rules: CodeVerifier, sandbox: Sandbox, deadline: float, tests: Tests, found: Found
    ) -> None:
        self._rules = rules
        self._sandbox = sandbox
        self._deadline = deadline
        self._tests = tests
        self._found = found
        self._candidate = found.candidates[0]

    def judge(self) -> Verdict:
        """All tests, until one fails."""
        ruling = _Ruling("correct")
        if self._tests.code.strip() or self._tests.calls:
            ruling = self._call()
        for number, _ in enumerate(self._tests.stdio):
            if ruling.outcome == "incorrect":
                break
            ruling = _worse(ruling, self._print(number))
        return Verdict(
            outcome=ruling.outcome,
            predicted=clean(self._candidate.text),
            method=ruling.method,
            reason=clean(ruling.reason),
            span=self._candidate.span,
        )

    def _limits(self) -> Limits:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise LateError(f"not done after {self._rules.timeout_s - _MARGIN_S:g} s")
        rules = self._rules
        return Limits(rules.cpu_s, rules.memory_mb, rules.output_kb, wall_s=left)

    def _call(self) -> _Ruling:
        """Tests that call the program's functions."""
        tests = self._tests
        program: dict[str, Any] = {
            "context": tests.prompt,
            "texts": [candidate.text for candidate in self._found.candidates],
            "wanted": tests.wanted,
            "sure": self._found.sure,
        }
        judged: dict[str, Any] = {
            "tests": {
                "asserts": tests.code,
                "calls": msgspec.to_builtins(tests.calls),
                "tolerance": tests.tolerance,
            },
            "context": tests.prompt,
            "entry_point": tests.entry_point,
        }
        tested = self._sandbox.run_tests(program, judged, self._limits())
        if tested.report is not None:
            # The number comes from the program's own process.
            chosen = min(max(tested.report.chosen, 0), len(self._found.candidates) - 1)
            self._candidate = self._found.candidates[chosen]
            ruling = self._ruling(tested)
            later = [candidate.text for candidate in self._found.candidates[:chosen]]
            passed_over = self._found.fenced and any(map(self._redefines, later))
            if ruling.outcome == "correct" and passed_over:
                reason = "a later program of the attempt does not compile"
                return _Ruling("unverifiable", "extraction", f"no single answer: {reason}")
            return ruling
        return self._ruling(tested)

    def _redefines(self, text: str) -> bool:
        """Whether a text that was passed over was meant to be the program."""
        prompt = self._tests.prompt
        if prompt and text.startswith(prompt):
            return False
        names = "|".join(map(re.escape, self._tests.wanted))
        return bool(names) and re.search(rf"(?:def|class)[ \t]+(?:{names})\b", text) is not None

    def _ruling(self, tested: Judgement) -> _Ruling:
        report, end = tested.report, tested.program
        if report is None:
            return _Ruling(
                "unverifiable", "gold", f"the tests' own process ended ({_ending(tested.judge)})"
            )
        during = f" in {report.test}" if report.test else ""
        fate = report.detail if not during else f"{report.test}: {report.detail}"
        match report.finding:
            case "passed":
                return _Ruling("correct")
            case "failed":
                return _Ruling("incorrect", "tests", f"fails {fate}")
            case "doubtful":
                return _Ruling("unverifiable", "doubt", report.detail)
            case "syntax" if self._found.fenced:
                return _Ruling("incorrect", "syntax", f"does not compile: {report.detail}")
            case "syntax":
                return _Ruling("unverifiable", "extraction", "no answer: no program was found")
            case "raised":
                return _raised(report.detail, report.errno, during)
            case "gone":
                return self._gone(end, during)
            case "unreadable":
                return _Ruling("unverifiable", "tests", fate)
        return _Ruling("unverifiable", "gold", f"unusable tests: {fate}")

    def _gone(self, end: Exit, during: str) -> _Ruling:
        """The program's process ended before its tests did."""
        if end.exhausted:
            return self._exhausted(during)
        if end.status == FAILED:
            reason = f"the program broke the process that it runs in{during}"
            return _Ruling("unverifiable", "sandbox", reason)
        if end.status >= 0:
            reason = f"the program ended itself (exit status {end.status}){during}"
            return _Ruling("incorrect", "runtime", reason)
        if -end.status in _CRASHES:
            return _Ruling("incorrect", "runtime", f"the program crashed ({_ending(end)}){during}")
        reason = f"the program's process was lost ({_ending(end)}){during}"
        return _Ruling("unverifiable", "sandbox", reason)

    def _exhausted(self, during: str) -> _Ruling:
        reason = f"timeout: more than {self._rules.cpu_s} s of CPU time{during}"
        return _Ruling("incorrect", "timeout", reason)

    def _print(self, number: int) -> _Ruling:
        """One test that feeds the program's input and reads its output."""
        exchange = self._tests.stdio[number]
        expected = exchange.stdout
        if len(expected.encode("utf-8", "replace")) > self._rules.output_kb << 10:
            return _Ruling("unverifiable", "gold", "the expected output is above output_kb")
        limits = self._limits()
        ran = self._sandbox.run_script(self._candidate.text, clean(exchange.stdin).encode(), limits)
        test = f"input {number + 1} of {len(self._tests.stdio)} ({_cut(exchange.stdin)})"
        trouble = self._trouble(ran, test)
        if trouble is not None:
            return trouble
        printed = ran.output.decode("utf-8", "replace")
        likeness = same_output(expected, printed, self._tests.tolerance)
        if likeness is Likeness.alike:
            return _Ruling("correct")
        reason = f"{test}: expected {_cut(expected)}, got {_cut(printed)}"
        if likeness is Likeness.near:
            return _Ruling("unverifiable", "doubt", f"{reason}, which may differ in form alone")
        return _Ruling("incorrect", "tests", f"fails {reason}")

    def _trouble(self, ran: Scripted, test: str) -> _Ruling | None:
        """What kept a script from printing its answer."""
        during = f" in {test}"
        if ran.flooded:
            reason = f"the program prints more than {self._rules.output_kb} kB{during}"
            return _Ruling("incorrect", "output", reason)
        if ran.exit.status == 0:
            return None
        if ran.exit.status < 0 or (ran.exit.status == FAILED and not ran.note):
            return self._gone(ran.exit, during)
        name, _, rest = ran.note.partition(" (errno ")
        number = int(rest.partition(")")[0]) if rest.partition(")")[0].isdigit() else None
        if name.partition(":")[0] in _SYNTAX:
            if not self._found.fenced:
                return _Ruling("unverifiable", "extraction", "no answer: no program was found")
            return _Ruling("incorrect", "syntax", f"does not compile: {ran.note}")
        note = ran.note or f"exit status {ran.exit.status}"
        return _raised(note, number, during)


_SYNTAX = frozenset({"SyntaxError", "IndentationError", "TabError"})
_CRASHES = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}
_FORBIDDEN = frozenset({
    errno.EPERM, errno.EACCES, errno.EROFS, errno.EFBIG, errno.ENOSPC, errno.EMFILE, errno.ENOSYS,
})  # fmt: skip

_FORBIDDEN_TEXTS = ("can't start new thread", "sem_open", "Function not implemented")


def _raised(text: str, number: int | None, during: str) -> _Ruling:
    """The program raised: its own fault, unless the sandbox made it."""
    kind = text.partition(":")[0].partition(" ")[0]
    # A path from the root, or none at all (shared memory), may exist outside the sandbox.
    missing = number == errno.ENOENT and re.search(r"directory(?:$|: b?['\"]/)", text.strip())
    if number in _FORBIDDEN or missing or any(part in text for part in _FORBIDDEN_TEXTS):
        return _Ruling("unverifiable", "forbidden", f"forbidden act: {text}{during}")
    if kind == "ModuleNotFoundError":
        return _Ruling("unverifiable", "sandbox", f"a module is missing here: {text}{during}")
    if kind == "MemoryError":
        return _Ruling("incorrect", "memory", f"memory: more than it may use{during}")
    return _Ruling("incorrect", "runtime", f"raises {text}{during}")


def _worse(first: _Ruling, second: _Ruling) -> _Ruling:
    """Of two rulings the one that decides: incorrect, then unverifiable, then correct."""
    order: tuple[Outcome, ...] = ("incorrect", "unverifiable", "correct")
    return min(first, second, key=lambda ruling: order.index(ruling.outcome))


def _ending(end: Exit) -> str:
    if end.status >= 0:
        return f"exit status {end.status}"
    return _CRASHES.get(-end.status, f"signal {-end.status}")


def _cut(text: str) -> str:
    shown = repr(text[:80])
    return shown if len(text) <= 80 else f"{shown}…"
