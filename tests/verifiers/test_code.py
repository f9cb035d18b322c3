"""The code verifier: right programs pass, wrong ones fail, cheats and attacks never pass."""

from __future__ import annotations

import itertools
import json
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from mutants import HUMANEVAL, humaneval, judged_plainly, mutants
from pydantic import ValidationError

from cotgen.records import Problem, Verdict
from cotgen.sandbox.client import Tier
from cotgen.sandbox.tiers import STRONGEST_FIRST, weakness_of
from cotgen.verifiers import CodeVerifier

ADD = "assert add(1, 2) == 3\nassert add(10, 5) == 15"


@pytest.fixture(params=STRONGEST_FIRST)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each sandbox that this machine offers."""
    wanted: Tier = request.param
    if weakness_of(wanted):
        pytest.skip(f"the sandbox cannot be tested here: {weakness_of(wanted)}")
    return wanted


def judged(
    program: str,
    tests: object,
    *,
    question: str = "Write it.",
    fenced: bool = True,
    **settings: object,
) -> Verdict:
    """The verdict on a program; tests that are no text are written as JSON."""
    answer = tests if isinstance(tests, str) else json.dumps(tests)
    text = textwrap.dedent(program)
    solution = f"So:\n```python\n{text}\n```\nThat is all." if fenced else text
    verifier = CodeVerifier.model_validate({"kind": "code", "cpu_s": 1} | settings)
    verdict = verifier.verify(Problem(id="p", question=question, answer=answer), solution)
    if "this machine offers no sufficient sandbox" in verdict.reason:
        pytest.skip(verdict.reason)
    return verdict


# The table below holds programs that are right: (program, tests).

RIGHT = {
    "a function": ("def add(a, b): return a + b", ADD),
    "a lambda": ("add = lambda a, b: a + b", ADD),
    "a check function": (
        "def add(a, b): return a + b",
        {"asserts": "def check(candidate):\n    assert candidate(1, 2) == 3", "entry_point": "add"},
    ),
    "test functions": (
        "def add(a, b): return a + b",
        "from solution import add\n\ndef test_one():\n    assert add(1, 2) == 3",
    ),
    "a builtin's name": (
        "def sum(a, b): return a + b", {"asserts": "assert sum(1, 2) == 3", "entry_point": "sum"},
    ),
    "a helper of the library that the tests do not import": (
        "def half(n): return n / 2",
        "assert math.isclose(half(3), 1.5)\nassert isclose(half(5), 2.5)\n"
        "assert Counter([half(2)]) == Counter([1.0])",
    ),
    "two functions of the program": (
        "def add(a, b): return a + b\ndef sub(a, b): return a - b",
        "assert add(1, 2) == 3 and sub(3, 1) == 2\nassert sub(1, 1) == 0",
    ),
    "a function of the tests for an object of the program": (
        "def memo(f):\n    seen = {}\n    def g(x):\n        if x not in seen: seen[x] = f(x)\n"
        "        return seen[x]\n    return g",
        "def square(x): return x * x\nm = memo(square)\nassert m(3) == 9\nassert m(3) == 9",
    ),
    "an end by exit": (
        "print(6)\nexit()\nprint(7)", {"stdio": [{"stdin": "", "stdout": "6"}]},
    ),
    "an end by quit": (
        "def main():\n    print(6)\n    quit(0)\nmain()", {"stdio": [{"stdin": "", "stdout": "6"}]},
    ),
    "a handler of the end": (
        "import atexit\natexit.register(lambda: print(6))",
        {"stdio": [{"stdin": "", "stdout": "6"}]},
    ),
    "an output held back": (
        "import io, sys\nsys.stdout = io.StringIO()\nprint(6)\n"
        "sys.__stdout__.write(sys.stdout.getvalue())",
        {"stdio": [{"stdin": "", "stdout": "6"}]},
    ),
    "a file of its own for the output": (
        "f = open(1, 'w')\nf.write('6')", {"stdio": [{"stdin": "", "stdout": "6"}]},
    ),
    "its input by path": (
        "import pathlib\nprint(open('/dev/stdin').readline().strip())\n"
        "print(pathlib.Path('/dev/stdin').read_text() == '')",
        {"stdio": [{"stdin": "6", "stdout": "6\nTrue"}]},
    ),
    "a queue changed in place": (
        "def turn(items): items.reverse()",
        "from collections import deque\nq = deque([1, 2])\nturn(q)\nassert q == deque([2, 1])",
    ),
    "rows changed in place": (
        "def turn(rows):\n    for row in rows: row.reverse()",
        "grid = [[1, 2], [3, 4]]\nturn(grid)\nassert grid == [[2, 1], [4, 3]]",
    ),
    "a change in place": (
        "def turn(items): items.reverse()",
        "items = [1, 2, 3]\nturn(items)\nassert items == [3, 2, 1]",
    ),
    "a class": (
        """
        class Stack:
            def __init__(self): self.items = []
            def push(self, item): self.items.append(item)
            def pop(self): return self.items.pop()
            def __len__(self): return len(self.items)
        """,
        "s = Stack()\ns.push(4)\ns.push((1, 2))\nassert len(s) == 2\nassert s.pop() == (1, 2)\n"
        "assert s.items == [4]\nassert isinstance(s, Stack)",
    ),
    "a generator": (
        "def count(n):\n    for i in range(n): yield i",
        "assert list(count(3)) == [0, 1, 2]\nassert sum(count(4)) == 6",
    ),
    "a function of a function": (
        "def twice(f, x): return f(f(x))",
        "assert twice(lambda x: x + 3, 1) == 7",
    ),
    "a closure": (
        "def adder(n):\n    return lambda x: x + n",
        "assert adder(2)(3) == 5",
    ),
    "a builtin exception": (
        "def root(x):\n    if x < 0: raise ValueError('negative')\n    return x ** 0.5",
        "try:\n    root(-1)\n    assert False\nexcept ValueError as error:\n"
        "    assert str(error) == 'negative'\nassert root(4) == 2",
    ),
    "an exception of its own": (
        "class Empty(Exception): pass\ndef first(x):\n    if not x: raise Empty()\n    return x[0]",
        "try:\n    first([])\n    assert False\nexcept Empty:\n    pass\nassert first([1]) == 1",
    ),
    "exact kinds": (
        """
        import collections, datetime, decimal, fractions
        Point = collections.namedtuple("Point", "x y")
        def kinds():
            return [1, 1.5, True, None, "é", b"x", (1,), {1}, frozenset({2}), {(1, 2): [3]}, 2**200,
                    1j, range(3), fractions.Fraction(1, 3), decimal.Decimal("0.1"), Point(1, 2),
                    collections.Counter("aab"), datetime.date(2024, 2, 29), ..., -0.0]
        """,
        "from fractions import Fraction\nfrom decimal import Decimal\n"
        "from collections import Counter\nimport datetime, math\nk = kinds()\n"
        "assert k[:19] == [1, 1.5, True, None, 'é', b'x', (1,), {1}, {2}, {(1, 2): [3]}, 2**200,"
        " 1j, range(3), Fraction(1, 3), Decimal('0.1'), (1, 2), Counter('aab'),"
        " datetime.date(2024, 2, 29), ...]\n"
        "assert type(k[1]) is float and k[2] is True and math.copysign(1, k[19]) == -1\n"
        "assert math.isnan(float('nan'))",
    ),
    "a module of its own": ("import math\ndef area(r): return math.pi * r * r",
                            "assert math.isclose(area(1), math.pi)"),
    "calls with JSON values": (
        "def pair(a, b=0): return (a, [b])",
        {"calls": [{"args": [1], "kwargs": {"b": 2}, "expected": [1, [2]]}], "entry_point": "pair"},
    ),
    "calls as expressions": (
        "def join(words, sep=''): return sep.join(words)",
        {"calls": [{"call": "join(['a', 'b'], sep='-')", "expected": "a-b"}]},
    ),
    "a method of Solution": (
        "class Solution:\n    def add(self, a, b): return a + b",
        {"calls": [{"args": [1, 2], "expected": 3}], "entry_point": "add"},
    ),
    "floats within the tolerance": (
        "def third(): return 1 / 3",
        {"calls": [{"call": "third()", "expected": 0.3333}], "tolerance": 1e-3},
    ),
    "standard input": (
        "import sys\nfor line in sys.stdin: print(sum(map(int, line.split())))",
        {"stdio": [{"stdin": "1 2\n3 4\n", "stdout": "3\n7\n"}, {"stdin": "", "stdout": ""}]},
    ),
    "a main guard": (
        "def main(): print(int(input()) * 2)\nif __name__ == '__main__': main()",
        {"stdio": [{"stdin": "4", "stdout": "8"}]},
    ),
    "keyword arguments changed in place": (
        "def turn(items): items.sort()", "x = [2, 1]\nturn(items=x)\nassert x == [1, 2]",
    ),
    "classes of Python itself": (
        "def make(kind, text): return kind(text)\ndef kind(x): return type(x)",
        "assert make(int, '3') == 3\nassert kind(1) == int\nassert kind('') is str",
    ),
    "an exception with attributes": (
        """
        class Refused(Exception):
            def __init__(self, code): self.code = code
            def __str__(self): return f"code {self.code}"
        def ask(): raise Refused(5)
        """,
        "try:\n    ask()\n    assert False\nexcept Refused as error:\n"
        "    assert error.code == 5\n    assert str(error) == 'code 5'",
    ),
    "unittest": (
        "def add(a, b): return a + b",
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test_add(self): self.assertEqual(add(1, 2), 3)\n"
        "if __name__ == '__main__': unittest.main()",
    ),
    "a class of tests": (
        "def add(a, b): return a + b",
        "class TestAdd:\n    def test_add(self): assert add(1, 2) == 3",
    ),
    "a class of the library": (
        "from collections import Counter\ndef count(x): return Counter(x)",
        "assert count('aab') == Counter('aab')",
    ),
    "linked nodes": (
        """
        class Node:
            def __init__(self, value, next=None): self.value, self.next = value, next
        def turned(head):
            last = None
            while head: head.next, last, head = last, head, head.next
            return last
        """,
        "head = turned(Node(1, Node(2)))\nassert head.value == 2 and head.next.value == 1\n"
        "assert head.next.next is None",
    ),
    "an enumeration": (
        "from enum import Enum\nclass Light(Enum):\n    RED = 1\ndef now(): return Light.RED",
        "assert now() == Light.RED\nassert now().value == 1",
    ),
    "threads": (
        "import threading\ndef add(a, b):\n    out = []\n"
        "    t = threading.Thread(target=lambda: out.append(a + b))\n"
        "    t.start()\n    t.join()\n    return out[0]",
        ADD,
    ),
    "prints and recursion": (
        "import sys\nsys.setrecursionlimit(20000)\n"
        "def depth(n):\n    print(n)\n    return 0 if n == 0 else 1 + depth(n - 1)",
        "assert depth(5000) == 5000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_is_correct(name: str, tier: Tier) -> None:
    program, tests = RIGHT[name]
    verdict = judged(program, tests, sandbox=tier)
    assert (verdict.outcome, verdict.reason) == ("correct", "")


# Programs that are wrong: (program, tests, method, what the reason holds).

WRONG = {
    "the last test alone": (
        "def add(a, b): return 3", ADD,
        "tests", "fails assert add(10, 5) == 15: add(10, 5) returned 3",
    ),
    "an exception": ("def add(a, b): return a / 0", ADD, "runtime", "ZeroDivisionError"),
    "nothing defined": ("def plus(a, b): return a + b", ADD, "tests", "'add' is not defined"),
    "a syntax error": ("def add(a, b) return a + b", ADD, "syntax", "line 1"),
    "an import error": ("from math import add", ADD, "runtime", "ImportError"),
    "nothing returned": ("def add(a, b): print(a + b)", ADD, "tests", "returned None"),
    "an endless loop": ("def add(a, b):\n    while True: pass", ADD, "timeout", "1 s of CPU"),
    "too much memory": (
        "def add(a, b): return len([0] * 10**9) and a + b", ADD, "memory", "more than it may use",
    ),
    "a crash": (
        "import ctypes\ndef add(a, b): return ctypes.string_at(0)", ADD, "runtime", "SIGSEGV",
    ),
    "a call": (
        "def add(a, b): return a - b",
        {"calls": [{"call": "add(1, 2)", "expected": 3}]},
        "tests", "call 1 of 1, add(1, 2): expected 3, got -1",
    ),
    "a printed line": (
        "print(int(input()) + 1)",
        {"stdio": [{"stdin": "1", "stdout": "2"}, {"stdin": "5", "stdout": "7"}]},
        "tests", "input 2 of 2 ('5'): expected '7', got '6\\n'",
    ),
    "a crash while printing": (
        "print(2)\nraise ValueError('no')", {"stdio": [{"stdin": "", "stdout": "2"}]}, "runtime",
        "ValueError: no",
    ),
    "no input left": (
        "print(input())", {"stdio": [{"stdin": "", "stdout": "x"}]}, "runtime", "EOF",
    ),
    "too much output": (
        "while True: print('x' * 1000)", {"stdio": [{"stdin": "", "stdout": "x"}]}, "output", "kB",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_is_incorrect_and_the_reason_says_why(name: str, tier: Tier) -> None:
    program, tests, method, reason = WRONG[name]
    verdict = judged(program, tests, sandbox=tier)
    assert (verdict.outcome, verdict.method) == ("incorrect", method)
    assert reason in verdict.reason


# Programs of which nothing is known: (program, tests, method).

UNDECIDED = {
    "a module that is not here": ("import nomodule\ndef add(a, b): return a + b", ADD, "sandbox"),
    "waiting": (
        "import time\ndef add(a, b):\n    time.sleep(60)\n    return a + b", ADD, "timeout",
    ),
    "a forbidden act": (
        "import subprocess\ndef add(a, b): return int(subprocess.check_output(['echo', '3']))",
        ADD, "forbidden",
    ),
    "an object that judges itself": (
        "class N:\n    def __init__(s, n): s.n = n\n    def __eq__(s, o): return s.n == o\n"
        "def add(a, b): return N(a + b)",
        ADD, "doubt",
    ),
    "another layout": (
        "print('1\\n2')", {"stdio": [{"stdin": "", "stdout": "1 2"}]}, "doubt",
    ),
    "tests that read what is printed": (
        "def hello(): print('hi')",
        "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n"
        "    hello()\nassert out.getvalue() == 'hi\\n'",
        "gold",
    ),
    "tests that compare identities": (
        "def same(x): return x", "x = [1]\nassert same(x) is x", "gold",
    ),
    "tests that seed the program": (
        "import random\ndef draw(): return random.random()",
        "import random\nrandom.seed(5)\nassert draw() == 0.6229016948897019",
        "gold",
    ),
    "tests with fixtures": (
        "def add(a, b): return a + b",
        "def test_file(tmp_path): assert add(1, 2) == 3\nassert add(1, 2) == 3",
        "gold",
    ),
    "an object where a value is wanted": (
        "class V: pass\ndef three(): return V()", "assert three() == 3", "doubt",
    ),
    "a generator where a list is wanted": (
        "def up(n):\n    yield n", "assert up(3) == [3]", "doubt",
    ),
    "an object that equals all, from the library": (
        "from unittest.mock import _ANY as f", "assert f() == 5", "doubt",
    ),
    "processes of its own": (
        "import multiprocessing\ndef add(a, b):\n"
        "    with multiprocessing.Pool(1) as pool: return pool.apply(int, ('3',))",
        ADD, "forbidden",
    ),
    "parts that an argument shares with the tests": (
        "def sort_it(rows):\n    for row in rows: row.sort()",
        "b = [3, 1]\na = [b, [2]]\nsort_it(a)\nassert b == [1, 3]", "gold",
    ),
    "an argument that holds a part twice": (
        "def mark(rows): rows[0][0] = 1",
        "a = [[0]] * 2\nmark(a)\nassert a == [[1], [1]]", "gold",
    ),
    "a list in a tuple": (
        "def sort_it(pair): pair[0].sort()",
        "t = ([3, 1], 2)\nsort_it(t)\nassert t[0] == [1, 3]", "gold",
    ),
    "an unknown helper": ("def f(n): return 77123", "assert similar(f(5), 77123)", "gold"),
    "one for true": (
        "def yes(): return 1", {"calls": [{"call": "yes()", "expected": True}]}, "doubt",
    ),
    "the last digit of a float": (
        "def f(): return 0.1 + 0.2", {"calls": [{"call": "f()", "expected": 0.3}]}, "doubt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_says_nothing_about_the_program_is_unverifiable(name: str, tier: Tier) -> None:
    program, tests, method = UNDECIDED[name]
    verdict = judged(program, tests, sandbox=tier, timeout_s=3)
    assert (verdict.outcome, verdict.method) == ("unverifiable", method)
    assert verdict.reason


# Cheats and attacks. None adds two numbers; none may be called correct.

FORGE = """
import json, os, struct
def frame(value):
    text = json.dumps(value).encode()
    return struct.pack(">I", len(text)) + text
"""
ATTACKS = {
    "exit when loaded": "import sys; sys.exit(0)",
    "hard exit when loaded": "import os; os._exit(0)",
    "exit when called": "import sys\ndef add(a, b): sys.exit(0)",
    "hard exit when called": "import os\ndef add(a, b): os._exit(0)",
    "an object that equals everything": (
        "class E:\n    def __eq__(s, o): return True\n    __ne__ = lambda s, o: False\n"
        "    __hash__ = None\ndef add(a, b): return E()"
    ),
    "a number that equals everything": (
        "class E(int):\n    def __eq__(s, o): return True\ndef add(a, b): return E()"
    ),
    "a list that equals everything": (
        "class E(list):\n    def __eq__(s, o): return True\ndef add(a, b): return E()"
    ),
    "a metaclass that equals everything": (
        "class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return 0\n"
        "class E(metaclass=M): pass\ndef add(a, b): return E"
    ),
    "an object that lies about its class": (
        "class E:\n    __class__ = int\n    def __eq__(s, o): return True\n"
        "    def __index__(s): return 3\ndef add(a, b): return E()"
    ),
    "patched builtins": (
        "import builtins\nbuiltins.AssertionError = type('A', (BaseException,), {})\n"
        "builtins.int.__class__\nbuiltins.isinstance = lambda *a: True\n"
        "builtins.abs = lambda x: 0\nbuiltins.repr = lambda x: '3'\n"
        "builtins.exec = lambda *a: None\nbuiltins.compile = lambda *a, **k: None\n"
        "def add(a, b): return 0"
    ),
    "a patched integer": (
        "import ctypes, gc\n"
        "d = gc.get_referents(int.__dict__)[0]\nd['__eq__'] = lambda s, o: True\n"
        "ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))\ndef add(a, b): return 0"
    ),
    "a patched harness": (
        "import sys\nfor name, module in list(sys.modules.items()):\n"
        "    if name.startswith('cotgen'):\n"
        "        for key in list(vars(module)):\n"
        "            if callable(vars(module)[key]): vars(module)[key] = lambda *a, **k: None\n"
        "def add(a, b): return 0"
    ),
    "a patched judge": (
        "import cotgen.sandbox.judge as j, cotgen.sandbox.compare as c\n"
        "j.judge = lambda *a: j.Report('passed')\nj._Asserts.run = lambda s: None\n"
        "c.alike = lambda *a: c.Likeness.alike\ndef add(a, b): return 0"
    ),
    "replaced modules": (
        "import sys\nfor name in list(sys.modules): sys.modules[name] = None\n"
        "def add(a, b): return 0"
    ),
    "looking into frames": """
        import sys
        def add(a, b):
            frame = sys._getframe()
            while frame:
                for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
                    if isinstance(value, str) and f"add({a}, {b}) ==" in value:
                        return int(value.split(f"add({a}, {b}) ==")[1].split()[0])
                    if isinstance(value, dict) and "expected" in value: return value["expected"]
                frame = frame.f_back
        """,
    "searching all objects": """
        import gc
        def add(a, b):
            gc.collect()
            seen, todo = set(), gc.get_objects()
            while todo and len(seen) < 200_000:
                value = todo.pop()
                if id(value) in seen: continue
                seen.add(id(value))
                if isinstance(value, str) and "assert " + f"add({a}" in value:
                    return int(value.split(f"add({a}, {b}) ==")[1].split()[0])
                todo.extend(gc.get_referents(value))
        """,
    "searching memory": """
        import ctypes, re
        def add(a, b):
            text = open("/proc/self/maps").read()
            for low, high in re.findall(r"^(\\w+)-(\\w+) rw", text, re.M):
                data = ctypes.string_at(int(low, 16), int(high, 16) - int(low, 16))
                at = data.find(b"assert " + f"add({a}".encode())
                if at >= 0: return int(data[at:at + 40].split(b"==")[1].split()[0])
        """,
    "reading the tests": """
        import os
        def add(a, b):
            for top in ("/", "/tmp", ".", "/work", os.path.expanduser("~")):
                for folder, _, files in os.walk(top):
                    for file in files[:50]:
                        text = open(os.path.join(folder, file), errors="ignore").read()
                        if "assert " + f"add({a}" in text: return 3
        """,
    "reading the command lines": """
        import os
        def add(a, b):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if "assert" in open(f"/proc/{pid}/cmdline").read(): return 3
        """,
    "reading a secret": "import os\ndef add(a, b): return int(os.environ['COTGEN_TEST_SECRET'])",
    "printing a result": (
        "import sys\nprint('{\"finding\": \"passed\"}')\nprint('OK', file=sys.stderr)\n"
        "def add(a, b): return 0"
    ),
    "a forged report on every file": (
        FORGE
        + "report = json.dumps(dict(finding='passed', test='', detail='', errno=None, chosen=0))\n"
        "for file in range(64):\n"
        "    try: os.write(file, report.encode())\n    except OSError: pass\n"
        "def add(a, b): return 0"
    ),
    "forged replies on every file": (
        FORGE + "for file in range(3, 64):\n    try:\n"
        "        os.write(file, frame(['chosen', 0]) + frame(['loaded']))\n"
        "        os.write(file, frame(['passed']) * 5)\n    except OSError: pass\n"
        "def add(a, b): return 0"
    ),
    "a forged report and a hard exit": (
        FORGE + 'for file in range(64):\n    try: os.write(file, b\'{"finding": "passed"}\')\n'
        "    except OSError: pass\nos._exit(0)"
    ),
    "closing every file": "import os\nos.closerange(0, 64)\ndef add(a, b): return 0",
    "a thread that answers later": """
        import threading, os, time
        def late():
            time.sleep(0.05)
            os._exit(0)
        threading.Thread(target=late, daemon=True).start()
        def add(a, b): time.sleep(0.2)
        """,
    "a fork that answers": """
        import os
        def add(a, b):
            if os.fork() == 0: return 3
            os._exit(0)
        """,
    "a daemon": """
        import os
        if os.fork(): os._exit(0)
        os.setsid()
        if os.fork(): os._exit(0)
        def add(a, b): return 0
        """,
    "a fork bomb": "import os\ndef add(a, b):\n    while True: os.fork()",
    "many threads": """
        import threading, time
        def add(a, b):
            while True: threading.Thread(target=time.sleep, args=(60,)).start()
        """,
    "another program": "import os\ndef add(a, b): os.execv('/bin/true', ['true'])",
    "a shell": "import os\ndef add(a, b): return os.system('echo 3')",
    "killing everything": """
        import os, signal
        def add(a, b):
            for pid in (-1, 0, 1, os.getppid(), *range(2, 400)):
                if pid != os.getpid():
                    try: os.kill(pid, signal.SIGKILL)
                    except OSError: pass
            return 0
        """,
    "tracing others": """
        import ctypes
        def add(a, b):
            c = ctypes.CDLL(None, use_errno=True)
            return sum(c.ptrace(16, pid, 0, 0) == 0 for pid in range(1, 400)) and 3
        """,
    "a TCP connection": "import socket\ndef add(a, b): socket.create_connection(('127.0.0.1', 22))",
    "a datagram": (
        "import socket\ndef add(a, b):\n"
        "    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))"
    ),
    "writing outside": (
        "import os\ndef add(a, b):\n    open(os.path.expanduser('~/cotgen-was-here'), 'w')"
    ),
    "writing into the library": (
        "import os, json\ndef add(a, b): open(os.path.dirname(json.__file__) + '/evil.py', 'w')"
    ),
    "filling the disk": """
        def add(a, b):
            for number in range(1000):
                with open(f"file{number}", "wb") as file: file.write(b"x" * 10**6)
            return 0
        """,
    "a memory bomb": "def add(a, b):\n    x = []\n    while True: x.append(bytearray(10**7))",
    "a file of no memory": (
        "import os\ndef add(a, b): os.write(os.memfd_create('x'), b'x'); return 0"
    ),
    "loading a huge constant": "x = 10 ** 10 ** 8\ndef add(a, b): return 0",
    "deep nesting": "def add(a, b): return " + "(" * 5000 + "0" + ")" * 5000,
    "a deep recursion in C": """
        def add(a, b):
            x = []
            for _ in range(10**6): x = [x]
            return x
        """,
    "a huge value": "def add(a, b): return 'x' * (200 << 20)",
    "a value that doubles": (
        "def add(a, b):\n    x = [0]\n    for _ in range(60): x = [x, x]\n    return x"
    ),
    "an endless generator": "def add(a, b):\n    while True: yield 3",
    "an assertion of its own": "def add(a, b): raise AssertionError",
    "an exception that cannot be read": (
        "class E(Exception):\n    def __str__(s): raise s\n    args = property(lambda s: 1 / 0)\n"
        "def add(a, b): raise E"
    ),
    "an exception class without end": (
        "def add(a, b): raise type('E' * 10**6, (Exception,), {})('x' * 10**6)"
    ),
    "a mended signal": """
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        def add(a, b):
            while True: pass
        """,
    "exit handlers": (
        "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): raise SystemExit"
    ),
    "a patched import": (
        "import builtins\nbuiltins.__import__ = lambda *a, **k: 3\ndef add(a, b): return 0"
    ),
    "trace functions": (
        "import sys\nsys.settrace(lambda *a: 1 / 0)\nsys.setprofile(lambda *a: None)\n"
        "def add(a, b): return 0"
    ),
    "a raised limit": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (-1, -1))\n"
        "def add(a, b): return 0"
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_cheat_is_never_correct(name: str, tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGEN_TEST_SECRET", "3")
    tests = {"asserts": ADD, "calls": [{"call": "add(7, 8)", "expected": 15}]}
    verdict = judged(ATTACKS[name], tests, sandbox=tier, memory_mb=128, timeout_s=4)
    assert verdict.outcome in ("incorrect", "unverifiable"), verdict
    assert verdict.method not in ("gold", "extraction"), verdict
    assert not Path("~/cotgen-was-here").expanduser().exists()
    # The sandbox still works, and nothing of the attack is left in it.
    assert judged("def add(a, b): return a + b", tests, sandbox=tier).outcome == "correct"


@pytest.mark.parametrize("test", [
    "assert abs(add(1, 2) - 3) < 1e-6", "assert add(1, 2) < 4", "assert 3 in add(1, 2)",
    "assert not add(1, 2) != 3", "assert add(1, 2) * 2 == 6", "assert float(add(1, 2)) == 3.0",
    "assert [add(1, 2)] == [3]", "assert {add(1, 2)} == {3}", "assert add(1, 2) is not None == 3",
])  # fmt: skip
def test_an_object_with_operators_of_its_own_cannot_pass(test: str) -> None:
    program = "class E:\n" + "".join(
        f"    __{name}__ = lambda s, *o: {result}\n"
        for name, result in [
            ("eq", True), ("ne", False), ("lt", True), ("gt", True), ("contains", True),
            ("sub", 0), ("rsub", 0), ("mul", 6), ("rmul", 6), ("float", 3.0), ("hash", "hash(3)"),
        ]
    )  # fmt: skip
    verdict = judged(program + "def add(a, b): return E()", test)
    assert verdict.outcome in ("incorrect", "unverifiable")


# A program that would decide its own test: what it takes the place of, and tests that fail it.
HELPED = {
    "a module": ("class math: isclose = staticmethod(yes)",
                 "assert math.isclose(f(5), 77123, rel_tol=1e-3)"),
    "numpy": ("class np: allclose = staticmethod(yes)", "assert np.allclose(f(5), 77123)"),
    "a function of the library": ("isclose = yes", "assert isclose(f(5), 77123)"),
    "a class of the library": ("def Counter(x): return 1", "assert f(5) == Counter('aab')"),
    "an expected value": ("EXPECTED = 1", "assert f(5) == EXPECTED"),
    "memory that numpy reads": (
        "class A:\n    __array_interface__ = dict(shape=(0,), typestr='<f8', version=3,"
        " data=(0, True))\ndef f(n): return A()",
        "import numpy as np\nassert np.allclose(f(5), [77123.0])",
    ),
    "approx": ("def approx(x): return 1", "assert f(5) == approx(77123)"),
    "a helper by any name": ("same = yes", "assert same(f(5), 77123)"),
    "a result in a variable": ("same = yes", "r = f(5)\nassert same(r, 77123)"),
    "a changed argument": ("same = yes", "a = [5]\nf(a)\nassert same(a, [77123])"),
    "an imported helper": (
        "same = yes", "import solution\nassert solution.same(solution.f(5), 77123)",
    ),
    "a helper imported by another name": (
        "same = yes", "from solution import f, same as alike\nassert alike(f(5), 77123)",
    ),
    "a helper handed on": ("same = yes", "assert all(map(same, [f(5)], [77123]))"),
    "a class": ("class Same:\n    def __init__(s, x): pass\n    ok = yes",
                "assert Same(f(5)).ok(77123)"),
    "a method": ("same = yes",
                 "class TestF:\n    def test_f(self): assert same(f(5), 77123)"),
    "a function of the tests": (
        "same = yes", "def try_it(g, x, want): return same(g(x), want)\nassert try_it(f, 5, 77123)",
    ),
    "a helper in check": (
        "same = yes",
        {"asserts": "def check(candidate):\n    assert same(candidate(5), 77123)",
         "entry_point": "f"},
    ),
    "an oracle that it was handed": (
        "def use(g, n):\n    global f\n    f = g\n    return g(n)\ndef f2(n): return f(n)",
        "def ref(n): return n * n + 1\nassert use(ref, 2) == 5\nassert f2(5) == ref(5)",
    ),
    "an oracle that it keeps": (
        "def use(g, n):\n    global kept\n    kept = g\n    return g(n)\ndef f2(n): return kept(n)",
        "assert use(lambda n: n * n + 1, 2) == 5\nassert f2(5) == 26",
    ),
    "a builtin": ("len = lambda x: 4", "assert len('abc') == 4"),
    "a builtin that is the entry point": (
        "def sum(x): return 1",
        {"asserts": "def check(candidate):\n    assert candidate([1, 2]) == sum([1, 2])",
         "entry_point": "sum"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HELPED)
def test_a_program_cannot_decide_its_own_test(name: str, tier: Tier) -> None:
    helper, tests = HELPED[name]
    program = f"seen = []\ndef yes(*a, **k): return True\ndef f(n): return 1\n{helper}"
    verdict = judged(program, tests, sandbox=tier)
    assert verdict.outcome in ("incorrect", "unverifiable"), verdict


def test_an_expected_value_never_reaches_the_program(tier: Tier) -> None:
    for helper in ("isclose", "similar"):
        program = (
            f"seen = []\ndef {helper}(a, b, **k):\n    seen.append(b)\n    return True\n"
            "def f(n): return seen[-1] if seen else 1"
        )
        tests = f"assert {helper}(f(5), 77123)\nassert f(5) == 77123"
        assert judged(program, tests, sandbox=tier).outcome == "unverifiable"


@pytest.mark.parametrize("ending", ["exit()", "quit()", "import sys; sys.exit(0)"])
def test_a_clean_end_passes_no_assertion(ending: str, tier: Tier) -> None:
    for program in (ending, f"def add(a, b): {ending}"):
        assert judged(program, ADD, sandbox=tier).outcome == "incorrect"


def test_ending_a_loop_of_the_tests_is_no_pass() -> None:
    tests = "assert all(map(lambda x: add(x, 1) == x + 1, range(5)))"
    verdict = judged("def add(a, b): raise StopIteration", tests)
    assert verdict.outcome in ("incorrect", "unverifiable")


def test_a_helper_of_the_prompt_cannot_be_replaced() -> None:
    question = (
        "def double(x):\n    return 2 * x\n\n\ndef halve(x: int) -> int:\n"
        '    """The number that doubled is x."""\n'
    )
    tests = (
        "def check(candidate):\n    for x in range(5):\n"
        "        assert double(candidate(2 * x)) == 2 * x"
    )
    cheat = "def double(x):\n    return x\n\ndef halve(x):\n    return x\n"
    assert judged(cheat, tests, question=question).outcome == "incorrect"
    right = "def halve(x):\n    return x // 2\n"
    assert judged(right, tests, question=question).outcome == "correct"


def test_the_last_block_that_defines_the_function_is_the_program() -> None:
    text = (
        "First try:\n```python\ndef add(a, b):\n    return a - b\n```\nBetter:\n"
        "```python\ndef add(a, b):\n    return a + b\n```\n```python\nprint(add(1, 2))\n```\n"
        "prints\n```\n3\n```\n"
    )
    verdict = judged(text, ADD, fenced=False)
    assert verdict.outcome == "correct"
    assert verdict.predicted == text[slice(*verdict.span)] == "def add(a, b):\n    return a + b\n"


def test_a_later_program_that_does_not_compile_leaves_no_single_answer() -> None:
    text = (
        "```python\ndef add(a, b): return a + b\n```\nBetter:\n"
        "```python\ndef add(a, b) return a + b\n```"
    )
    assert judged(text, ADD, fenced=False).outcome == "unverifiable"


def test_a_program_in_parts_is_no_wrong_program() -> None:
    text = (
        "```python\nimport math\n```\nThen:\n"
        "```python\ndef add(a, b): return math.floor(a + b)\n```"
    )
    assert judged(text, ADD, fenced=False).outcome == "unverifiable"
    assert judged(text.replace("+", "-"), ADD, fenced=False).outcome == "incorrect"


@pytest.mark.parametrize("text", [
    "Here is the code:\n\ndef add(a, b):\n    return a + b\n\nThis works, as you see.",
    "import math\ndef add(a, b):\n    return math.floor(a + b)",
])  # fmt: skip
def test_a_program_without_fences_is_found(text: str) -> None:
    assert judged(text, ADD, fenced=False).outcome == "correct"


def test_a_broken_program_without_fences_may_be_prose() -> None:
    assert judged("def add(a, b):\n    return a +", ADD, fenced=False).outcome == "unverifiable"


def test_a_program_in_another_language_is_no_program() -> None:
    text = "```cpp\nint add(int a, int b) { return a + b; }\n```"
    assert judged(text, ADD, fenced=False).method == "extraction"


@pytest.mark.parametrize("text", [
    "I cannot do this.", "", "Yes", "```json\n{}\n```", "The answer is \\boxed{3}.",
])  # fmt: skip
@pytest.mark.parametrize("tests", [ADD, '{"stdio": [{"stdin": "", "stdout": "3"}]}'])
def test_an_attempt_without_a_program_is_unverifiable(text: str, tests: str) -> None:
    verdict = judged(text, tests, fenced=False)
    assert (verdict.outcome, verdict.method) == ("unverifiable", "extraction")


@pytest.mark.parametrize("text", [
    "    return a + b\n", "return a + b", "\n    return a + b\n\nprint(add(1, 1))\n",
    "def add(a, b):\n    return a + b",
    "from typing import Any\n\ndef add(a, b) -> Any:\n  return a + b",
    "```python\n    return a + b\n```",
    "~~~\nreturn a + b\n~~~",
    "1. So:\n   ```py\n   return a + b\n   ```",
    "```python\nreturn a + b",
])  # fmt: skip
def test_a_prompt_is_completed_in_every_usual_form(text: str) -> None:
    prompt = 'def add(a: int, b: int) -> int:\n    """The sum."""\n'
    tests = "def check(candidate):\n    assert candidate(1, 2) == 3"
    verdict = judged(text, tests, question=prompt, fenced=False)
    assert (verdict.outcome, verdict.reason) == ("correct", "")
    wrong = judged(text.replace("+", "-"), tests, question=prompt, fenced=False)
    assert wrong.outcome == "incorrect"


@pytest.mark.parametrize("solution", [
    "```python\n" * 100_000, "`" * 500_000, "~~~\n" * 100_000, "x" * 5_000_000,
    "def f(:\n" * 50_000,
    "\0", "```python\n\0\n```", "```python\n\ud800 = 1\n```", "```python\n'\ud800'\n```",
    "if a" + ":" * 100_000, "for x in " + ": " * 100_000, " " * 500_000 + "def",
    "\u202edef f(): pass",
    "```python\n" + "-" * 100_000 + "1\n```", "```python\n" + "not " * 50_000 + "1\n```",
    "```python\n" + "a." * 60_000 + "b\n```", "```python\nf" + "()" * 50_000 + "\n```",
    "```python\n" + "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 300)) + "\n```",
    "```python\nx = " + "9" * 150_000 + "\n```", "```python\n" + "x = 1\n" * 30_000 + "```",
    "```python\nprint('\ud800')\n```", "```python\nprint('\\ud800')\n```",
])  # fmt: skip
@pytest.mark.parametrize("tests", [ADD, '{"stdio": [{"stdin": "\\ud800", "stdout": "\\ud800"}]}'])
def test_a_hostile_text_ends_in_a_verdict_that_can_be_written(solution: str, tests: str) -> None:
    started = time.monotonic()
    verdict = judged(solution, tests, fenced=False, timeout_s=4)
    assert time.monotonic() - started < 4.5
    assert verdict.outcome in ("incorrect", "unverifiable")
    msgspec.json.encode(verdict)


@pytest.mark.parametrize(("tests", "reason"), [
    ("", "holds no tests"),
    ("print(add(1, 2))", "asserts nothing"),
    ("{", "not the JSON of tests"),
    ({"calls": [{"args": [1]}]}, "missing required field `expected`"),
    ({"stdin": ""}, "unknown field `stdin`"),
    ({"calls": [{"expected": 1}]}, "names no function"),
    ({"stdio": [{"stdin": 1, "stdout": ""}]}, "Expected `str`, got `int`"),
    ("def check(candidate):\n    assert candidate(1)", "needs an entry_point"),
    ("assert add(1, 2) == ", "do not compile"),
    ("assert 1 + 1 == 2", "never call the program"),
    ("import nomodule\nassert add(1, 2) == 3", "nomodule"),
    ("assert helper() == 1 if False else 1 / 0", "ZeroDivisionError"),
    ({"calls": [{"call": "add(x)", "expected": 1}]}, "calls:"),
    ('{"calls": ' + "[" * 100_000, "not the JSON of tests"),
    ("while True: pass\nassert add(1, 2) == 3", "tests"),
])  # fmt: skip
def test_unusable_tests_are_unverifiable_and_named(tests: object, reason: str) -> None:
    verdict = judged("def add(a, b): return a + b", tests, timeout_s=3)
    assert verdict.outcome == "unverifiable"
    assert reason in verdict.reason or verdict.method == "timeout"


def test_tests_that_draw_at_random_draw_alike() -> None:
    tests = "import random\nassert add(1, 2) == 3\nassert random.random() == pick()"
    program = "import random\nrandom.seed(0)\nvalue = random.random()\ndef pick(): return value\n"
    assert judged(program + "def add(a, b): return a + b", tests).outcome == "correct"


def test_sets_keep_their_order_from_process_to_process() -> None:
    program = "def first(): return list({'a', 'b', 'c', 'd', 'e'})"
    seen = set()
    for _ in range(2):
        for name in "abcde":
            tests = f"assert first()[0] == {name!r}"
            if judged(program, tests).outcome == "correct":
                seen.add(name)
    assert len(seen) == 1


def test_the_time_for_a_verdict_leaves_room_for_the_program() -> None:
    with pytest.raises(ValidationError, match="at least cpu_s"):
        CodeVerifier(timeout_s=4, cpu_s=4)


needs_humaneval = pytest.mark.skipif(
    not HUMANEVAL.exists() or all(map(weakness_of, STRONGEST_FIRST)),
    reason=f"HumanEval ({HUMANEVAL}) or a sandbox is not on this machine",
)


@needs_humaneval
@pytest.mark.parametrize("form", ["whole", "completion"])
def test_all_canonical_solutions_of_humaneval_pass(form: str, tier: Tier) -> None:
    verifier = CodeVerifier(sandbox=tier)
    for row in humaneval():
        problem = Problem(id=row["task_id"], question=row["prompt"], answer=row["test"].strip())
        whole = f"```python\n{row['prompt']}{row['canonical_solution']}\n```"
        verdict = verifier.verify(problem, whole if form == "whole" else row["canonical_solution"])
        assert verdict.outcome == "correct", (row["task_id"], verdict)


@needs_humaneval
def test_humaneval_mutants_are_judged_as_by_its_own_harness() -> None:
    rows = humaneval()
    cases = [
        (row, mutant)
        for number, row in enumerate(rows)
        for mutant in itertools.islice(
            mutants(row["prompt"] + row["canonical_solution"], row["entry_point"], number), 3
        )
    ]
    plain = judged_plainly([(mutant, row["test"], row["entry_point"]) for row, mutant in cases])
    verifier = CodeVerifier()
    failed: set[str] = set()
    for (row, mutant), said in zip(cases, plain, strict=True):
        if said == "late":
            continue
        problem = Problem(id=row["task_id"], question=row["prompt"], answer=row["test"])
        verdict = verifier.verify(problem, f"```python\n{mutant}\n```")
        expected = "correct" if said == "passes" else "incorrect"
        assert verdict.outcome == expected, (row["task_id"], mutant, verdict)
        if said == "fails":
            failed.add(row["task_id"])
    assert len(failed) >= 160


@needs_humaneval
def test_a_mutant_of_every_humaneval_problem_fails() -> None:
    verifier = CodeVerifier()
    for number, row in enumerate(humaneval()):
        source = row["prompt"] + row["canonical_solution"]
        problem = Problem(id=row["task_id"], question=row["prompt"], answer=row["test"])
        outcomes = (
            verifier.verify(problem, f"```python\n{mutant}\n```").outcome
            for mutant in itertools.islice(mutants(source, row["entry_point"], number), 12)
        )
        assert "incorrect" in outcomes, row["task_id"]
