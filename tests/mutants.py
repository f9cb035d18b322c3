"""Small seeded changes of a program, and a plain judge of HumanEval programs to compare ours with.

The plain judge runs everything in one namespace, as HumanEval's own harness does, without any
protection: it is for the benchmark's own programs and changes of them only.
"""

from __future__ import annotations

import ast
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HUMANEVAL = Path(__file__).resolve().parents[2] / "shared/data/humaneval/HumanEval.jsonl.gz"
if not HUMANEVAL.exists():
    HUMANEVAL = Path("/work/shared/data/humaneval/HumanEval.jsonl.gz")

_COMPARES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
}  # fmt: skip


def humaneval() -> list[dict[str, Any]]:
    """The 164 problems."""
    with gzip.open(HUMANEVAL, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def mutants(source: str, function: str, seed: int) -> Iterator[str]:
    """The program with one change at a time in one function, in a seeded order."""
    places = range(len(_changeable_in(ast.parse(source), function)))
    for place in random.Random(seed).sample(places, len(places)):
        tree = ast.parse(source)
        _change(_changeable_in(tree, function)[place])
        yield ast.unparse(ast.fix_missing_locations(tree))


def _changeable_in(tree: ast.Module, function: str) -> list[ast.AST]:
    return [
        node
        for defined in tree.body
        if isinstance(defined, ast.FunctionDef) and defined.name == function
        for node in ast.walk(defined)
        if _changeable(node)
    ]


def _changeable(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in _COMPARES
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return type(node.op) in _OPERATORS
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    return isinstance(node, ast.Return | ast.BoolOp) and node is not None


def _change(node: ast.AST) -> None:
    match node:
        case ast.Compare():
            node.ops[0] = _COMPARES[type(node.ops[0])]()
        case ast.BinOp() | ast.AugAssign():
            node.op = _OPERATORS[type(node.op)]()
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value) | float(value)):
            node.value = value + 1
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.Return():
            node.value = ast.Constant(None)


_PLAIN = """
import json, signal, sys
def late(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
out = sys.stdout
sys.stdout = open("/dev/null", "w")
for line in sys.stdin:
    program, test, entry_point = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        names = {}
        exec(program + "\\n" + test, names)
        names["check"](names[entry_point])
        verdict = "passes"
    except TimeoutError:
        verdict = "late"
    except BaseException:
        verdict = "fails"
    signal.setitimer(signal.ITIMER_REAL, 0)
    out.write(verdict + "\\n")
    out.flush()
"""


def judged_plainly(cases: list[tuple[str, str, str]]) -> list[str]:
    """passes · fails · late for each (program, test, entry point), as HumanEval's harness says."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    command = [sys.executable, "-I", "-c", _PLAIN]
    ran = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=250)
    verdicts = ran.stdout.split()
    assert len(verdicts) == len(cases), ran.stderr
    return verdicts
