"""Inside the sandbox: the process that runs the tests of a problem.

It holds the tests and their expected values; the program runs in another process and is called
through stand-ins. Comparisons are made here, on plain values, so a program cannot pass by changing
what equality, `assert` or a builtin means.
"""

from __future__ import annotations

import ast
import socket
from typing import Any

from cotgen.sandbox.assertions import Asserts
from cotgen.sandbox.compare import Likeness, alike
from cotgen.sandbox.report import Report
from cotgen.sandbox.stand_ins import Program, Stop, short, shown


def judge(
    connection: socket.socket, tests: dict[str, Any], context: str, entry_point: str
) -> Report:
    """Run all tests of a problem against the program behind the connection."""
    program = Program(connection)
    try:
        report = program.load()
        if report is None and tests.get("calls"):
            report = _calls(program, tests["calls"], tests.get("tolerance", 0.0), entry_point)
        if report is None and tests.get("asserts"):
            report = Asserts(program, tests["asserts"], context, entry_point).run()
    except Stop as stop:
        report = Report(stop.finding, program.last, stop.detail)
    except Exception as error:  # noqa: BLE001 - forged replies, or a fault of ours
        report = Report("unreadable", program.last, f"{type(error).__name__}: {error}")
    if report is None:
        report = Report("doubtful", detail=program.doubt) if program.doubt else Report("passed")
    return report._replace(
        chosen=program.chosen, test=report.test[:600], detail=report.detail[:600]
    )


def _calls(
    program: Program, calls: list[dict[str, Any]], tolerance: float, entry_point: str
) -> Report | None:
    """Call after call, each result compared with the value that the problem states."""
    try:
        wanted = [_wanted(call, entry_point) for call in calls]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        return Report("unusable", detail=f"calls: {error}")
    found = dict(program.find(sorted({name for name, _, _ in wanted})))
    for number, (call, (name, args, kwargs)) in enumerate(zip(calls, wanted, strict=True), 1):
        test = f"call {number} of {len(calls)}, {name}({shown(args, kwargs)})"
        function = found.get(name)
        if not callable(function):
            return Report("failed", test, f"the program defines no function {name}")
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            raised = getattr(error, "cotgen_raised", None)
            if raised is None:
                raise
            return Report("raised", test, raised.text, raised.errno)
        expected = call["expected"]
        finding = alike(expected, value, tolerance)
        detail = f"expected {short(expected)}, got {short(value)}"
        if finding is Likeness.different:
            return Report("failed", test, detail)
        if finding is Likeness.near:
            program.doubt = program.doubt or f"{test}: {detail}, which may differ in form alone"
    return None


def _wanted(call: dict[str, Any], entry_point: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The function and arguments of a call, which may be stated as an expression with literals."""
    if not call["call"]:
        return entry_point, tuple(call["args"]), call["kwargs"]
    node = ast.parse(call["call"].strip(), mode="eval").body
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError(f"{call['call']!r} is no call of a function by its name")
    args = tuple(map(ast.literal_eval, node.args))
    return node.func.id, args, {str(key.arg): ast.literal_eval(key.value) for key in node.keywords}
