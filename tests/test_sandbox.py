"""The sandbox: what gets out of it, what stays in it, and what dies with its owner."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from typer.testing import CliRunner

from cotgen import load_recipe, run
from cotgen.cli import app
from cotgen.errors import RecipeError
from cotgen.sandbox import tiers
from cotgen.sandbox.client import Exit, Judgement, LateError, Limits, Sandbox, SandboxError, Tier
from cotgen.sandbox.compare import Likeness, alike, same_output
from cotgen.sandbox.lending import close_all, lent
from cotgen.sandbox.report import Report
from cotgen.sandbox.tiers import STRONGEST_FIRST, NoSandbox, choose, weakness_of

LIMITS = Limits(cpu_s=1, memory_mb=128, output_kb=64, wall_s=8)


@pytest.fixture(params=STRONGEST_FIRST)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each sandbox that this machine offers."""
    wanted: Tier = request.param
    if weakness_of(wanted):
        pytest.skip(f"the sandbox cannot be tested here: {weakness_of(wanted)}")
    return wanted


def run_tests(sandbox: Sandbox, program: str, asserts: str) -> Judgement:
    """Assertions run against a program."""
    work: dict[str, Any] = {"context": "", "texts": [program], "wanted": [], "sure": True}
    tests = {"tests": {"asserts": asserts}, "context": "", "entry_point": ""}
    return sandbox.run_tests(work, tests, LIMITS)


def printed(sandbox: Sandbox, program: str, stdin: bytes = b"") -> str:
    """What a program prints."""
    ran = sandbox.run_script(program, stdin, LIMITS)
    assert ran.exit.status == 0, ran
    return ran.output.decode()


def test_a_script_reads_and_prints(tier: Tier) -> None:
    with Sandbox(tier) as sandbox:
        assert printed(sandbox, "print(input()[::-1])", b"abc\n") == "cba\n"


def test_one_sandbox_serves_many_runs(tier: Tier) -> None:
    with Sandbox(tier) as sandbox:
        for number in range(50):
            assert printed(sandbox, f"print({number})") == f"{number}\n"


def test_a_run_sees_no_environment(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGEN_TEST_SECRET", "swordfish")
    with Sandbox(tier) as sandbox:
        assert "swordfish" not in printed(sandbox, "import os\nprint(dict(os.environ))")


def test_a_scratch_folder_is_empty_for_each_run_and_bounded(tier: Tier) -> None:
    program = (
        "import os\nprint(os.listdir('.'))\n"
        "open('kept', 'w').write('x')\nprint(open('kept').read())\n"
        "try:\n    for n in range(99): open(f'f{n}', 'wb').write(bytes(10**6))\n"
        "except OSError as error: print('full')"
    )
    with Sandbox(tier) as sandbox:
        if not sandbox.scratch:
            pytest.skip("this machine allows no scratch folder: namespaces are refused")
        for _ in range(2):
            assert printed(sandbox, program) == "[]\nx\nfull\n"
    assert not Path("/tmp/scratch/kept").exists()


def test_without_namespaces_the_attacks_fail_too() -> None:
    if weakness_of("landlock"):
        pytest.skip(f"landlock cannot be tested here: {weakness_of('landlock')}")
    with Sandbox("landlock", namespaces=False) as sandbox:
        assert tiers._attack(sandbox) == ""
        assert not sandbox.scratch
        ran = sandbox.run_script("open('here', 'w')", b"", LIMITS)
        assert "errno 13" in ran.note


class Open:
    """Says of the attacks that one succeeded. None is made: unconfined they would be real."""

    def run_tests(self, *_: object) -> Judgement:
        detail = "attacks(1) returned ['read a file']"
        return Judgement(Report("failed", detail=detail), Exit(0, 0.0), Exit(0, 0.0))


def test_the_self_test_sees_an_open_sandbox() -> None:
    assert tiers._attack(cast(Sandbox, Open())) == "a program could ['read a file']"


class Clumsy:
    """Says of the attacks that they failed of themselves."""

    def run_tests(self, *_: object) -> Judgement:
        detail = "NameError: name 'socket' is not defined"
        return Judgement(Report("raised", detail=detail), Exit(0, 0.0), Exit(0, 0.0))


def test_attacks_that_fail_of_themselves_prove_nothing() -> None:
    assert tiers._attack(cast(Sandbox, Clumsy())).startswith("the self-test failed: NameError")


# Another process for its victim, and another parent: this one is not attacked, nor is the machine's
# first.
UNCONFINED = """
import subprocess, sys
code, folder, port, name = sys.argv[1:]
victim = subprocess.Popen(["/bin/sleep", "60"])
try:
    exec(code.replace("os.getppid(), 1}", "os.getppid()}"))
    for done in attacks(folder, int(port), name, victim.pid, 1 << 20):
        print(done)
finally:
    victim.kill()
    victim.wait()
"""
IN_BETWEEN = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


def test_each_attack_succeeds_where_nothing_confines_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", "utf-8")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(str(tmp_path / "socket"))
        facts = [str(tmp_path), str(tcp.getsockname()[1]), str(tmp_path / "socket")]
        command = [sys.executable, "-c", IN_BETWEEN, UNCONFINED, tiers.ATTACKS, *facts]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    labels = set(re.findall(r'attempt\("([^"]+)"', tiers.ATTACKS)) | {"see the environment"}
    assert len(labels) > 15
    assert set(done.stdout.splitlines()) == labels


def test_what_runs_programs_is_not_loaded_where_they_are_judged() -> None:
    code = (
        "import sys\n"
        "from cotgen.records import Problem\n"
        "from cotgen.verifiers.code import CodeVerifier\n"
        "text = '```python\\ndef f():\\n    return 1\\n```'\n"
        "print(CodeVerifier().verify(Problem('p', '', 'assert f() == 1'), text).outcome)\n"
        "print(*(name for name in sys.modules if name.startswith('cotgen.sandbox.')))"
    )
    outcome, loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert outcome == "correct"
    assert "cotgen.sandbox.client" in loaded.split()
    runners = ("server", "program", "assertions", "judge", "stand_ins")
    assert not {f"cotgen.sandbox.{name}" for name in runners} & set(loaded.split())


# Counts a word in all memory that it can read, without holding it. Where nothing is closed off,
# that is all that a program is forked with.
SEARCH = """
import re
def search():
    found = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for low, high in re.findall(r"(?m)^(\\w+)-(\\w+) rw", maps.read()):
            memory.seek(int(low, 16))
            try:
                data = memory.read(int(high, 16) - int(low, 16))
            except OSError:
                continue
            found += len(re.findall(b"sword[f]ish-[k]ept", data))
    return found
"""


def test_what_earlier_runs_held_is_in_no_later_run() -> None:
    with Sandbox("none") as sandbox:
        program = "word = 'swordfish-kept'\nprint(word)\ndef f(): return word"
        assert printed(sandbox, program, b"swordfish-kept") == "swordfish-kept\n"
        run_tests(sandbox, program, "assert f() == 'swordfish-kept'")
        assert printed(sandbox, f"{SEARCH}\nprint(search())") == "0\n"
        own = f"{SEARCH}\nword = 'sword' + input()\nprint(search() > 0)"
        assert printed(sandbox, own, b"fish-kept") == "True\n"


def test_the_program_never_holds_the_tests() -> None:
    asserts = "expected = 'swordfish-kept'\nassert search() == 0"
    with Sandbox("none") as sandbox:
        report = run_tests(sandbox, SEARCH, asserts).report
    assert report is not None
    assert (report.finding, report.detail) == ("passed", "")


def test_a_late_run_ends_and_the_sandbox_goes_on(tier: Tier) -> None:
    with Sandbox(tier) as sandbox:
        started = time.monotonic()
        with pytest.raises(LateError):
            sandbox.run_script("import time; time.sleep(60)", b"", LIMITS._replace(wall_s=0.3))
        assert time.monotonic() - started < 3
        assert printed(sandbox, "print(1)") == "1\n"


def test_an_endless_output_ends_the_run(tier: Tier) -> None:
    with Sandbox(tier) as sandbox:
        ran = sandbox.run_script("while True: print('x' * 100)", b"", LIMITS)
        assert ran.flooded
        assert len(ran.output) < 1 << 20
        assert printed(sandbox, "print(1)") == "1\n"


def test_a_program_that_spins_is_stopped_by_its_cpu_time(tier: Tier) -> None:
    with Sandbox(tier) as sandbox:
        ran = sandbox.run_script("while True: pass", b"", LIMITS)
        assert ran.exit.status == -signal.SIGKILL
        assert ran.exit.exhausted
        assert 0.9 <= ran.exit.cpu_s < 2.5


def test_a_large_input_and_output_go_through(tier: Tier) -> None:
    program = "import sys\ntext = sys.stdin.read()\nprint(len(text))\nprint('y' * 1_000_000)"
    with Sandbox(tier) as sandbox:
        ran = sandbox.run_script(program, b"x" * 5_000_000, LIMITS._replace(output_kb=2000))
        assert ran.output == b"5000000\n" + b"y" * 1_000_000 + b"\n"


class Running(NamedTuple):
    """A process: pids come back, start times do not."""

    pid: int
    parent: int
    started: str


def _running() -> dict[int, Running]:
    found: dict[int, Running] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            _, _, rest = folder.joinpath("stat").read_text("utf-8").rpartition(") ")
        except OSError:
            continue
        fields = rest.split()
        if fields[0] != "Z":
            pid = int(folder.name)
            found[pid] = Running(pid, int(fields[1]), fields[19])
    return found


def _descendants(pid: int) -> list[Running]:
    """All processes below one, those nearest to it first."""
    running = _running()
    found: list[Running] = []
    parents = {pid}
    while parents:
        below = [process for process in running.values() if process.parent in parents]
        found += below
        parents = {process.pid for process in below}
    return found


def _alive(processes: list[Running]) -> list[Running]:
    running = _running()
    return [
        process
        for process in processes
        if process.pid in running and running[process.pid].started == process.started
    ]


_OWNER = """
import sys
from cotgen.sandbox.client import Limits, Sandbox
with Sandbox(sys.argv[1], namespaces=sys.argv[2] == "yes") as sandbox:
    print("begun", flush=True)
    sandbox.run_script("while True: pass", b"", Limits(cpu_s=60, wall_s=60))
"""


@pytest.mark.parametrize("namespaces", ["yes", "no"])
@pytest.mark.parametrize("victim", ["owner", "server"])
def test_nothing_survives_its_owner_or_its_server(victim: str, namespaces: str, tier: Tier) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, tier, namespaces],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"begun\n"
        time.sleep(0.5)
        before = _descendants(owner.pid)
        program = before[-1]
        os.kill(owner.pid if victim == "owner" else program.parent, signal.SIGKILL)
        deadline = time.monotonic() + 5
        # Those above the server end with their owner's next look at it.
        doomed = before if victim == "owner" else [program]
        while _alive(doomed) and time.monotonic() < deadline:
            time.sleep(0.02)
        left = _alive(doomed)
        owner.kill()
    assert len(before) >= 2
    assert left == []


def test_a_server_outlives_the_thread_that_started_it(tier: Tier) -> None:
    made: list[Sandbox] = []
    thread = threading.Thread(target=lambda: made.append(Sandbox(tier)))
    thread.start()
    thread.join()
    with made[0] as sandbox:
        time.sleep(0.1)
        assert printed(sandbox, "print(1)") == "1\n"


def test_threads_get_sandboxes_of_their_own_and_they_are_used_again(tier: Tier) -> None:
    seen: set[int] = set()

    def work() -> None:
        for number in range(5):
            with lent(tier) as sandbox:
                seen.add(id(sandbox))
                assert printed(sandbox, f"print({number})") == f"{number}\n"

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(seen) <= 4
    close_all()


def test_a_sandbox_whose_server_died_is_replaced(tier: Tier) -> None:
    close_all()
    with lent(tier) as sandbox:
        sandbox._server.kill()
        sandbox._server.wait()
    with lent(tier) as other:
        assert other is not sandbox
        assert printed(other, "print(1)") == "1\n"
    close_all()


def test_a_run_on_a_dead_server_is_a_fault_of_the_sandbox(tier: Tier) -> None:
    with Sandbox(tier) as sandbox:
        sandbox._control.shutdown(socket.SHUT_RDWR)
        with pytest.raises(SandboxError):
            sandbox.run_script("print(1)", b"", LIMITS)


def test_limits_that_cannot_be_set_are_a_fault_of_the_sandbox() -> None:
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from cotgen.sandbox.client import *\n"
        "try: Sandbox('none').run_script('print(1)', b'', Limits(memory_mb=4000))\n"
        "except SandboxError: print('refused')"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert ran.stdout == "refused\n", ran.stderr


def test_auto_takes_the_strongest_that_withstands_the_attacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak = {"bubblewrap": "bwrap is not installed", "landlock": ""}
    monkeypatch.setattr(tiers, "weakness_of", lambda tier: weak[tier])
    assert choose("auto") == "landlock"
    assert choose("none") == "none"
    with pytest.raises(NoSandbox, match="bwrap is not installed"):
        choose("bubblewrap")


RECIPE = """
name: programs
problems: {kind: jsonl, path: PATH, gold: whole}
teachers: {recorded: {kind: replay, path: PATH, attempts: [program]}}
search: {kind: sample, n: 1, prompt: question}
verifier: {kind: any_of, of: [{kind: code, sandbox: SANDBOX}]}
"""


def _recipe(folder: Path, sandbox: str) -> Path:
    program = "add = lambda a, b: a + b"
    row = {"question": "Add.", "answer": "assert add(1, 2) == 3", "program": program}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    text = RECIPE.replace("PATH", str(folder / "rows.jsonl")).replace("SANDBOX", sandbox)
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return folder / "recipe.yaml"


def test_a_run_is_refused_before_it_starts_where_no_sandbox_suffices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "weakness_of", lambda tier: "it leaks")
    recipe = load_recipe(_recipe(tmp_path, "auto"))
    with pytest.raises(RecipeError, match=r"no sufficient sandbox.*apt install bubblewrap"):
        run(recipe, outputs=tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()
    for command in ("run", "check"):
        result = CliRunner().invoke(app, [command, str(tmp_path / "recipe.yaml")])
        assert result.exit_code == 2
        assert "no sufficient sandbox" in result.output


@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_a_run_of_programs_ends_in_verdicts(tmp_path: Path, sandbox: str) -> None:
    if sandbox == "auto" and all(map(weakness_of, STRONGEST_FIRST)):
        pytest.skip("this machine offers no sandbox")
    summary = run(load_recipe(_recipe(tmp_path, sandbox)), outputs=tmp_path / "outputs")
    assert summary.verdicts["correct"] == 1


@pytest.mark.parametrize(("expected", "value", "likeness"), [
    (2, 2.0, "alike"), (2, 3, "different"), (10**30, 10**30 + 1, "different"), (True, 1, "near"),
    (True, False, "different"), (None, 0, "different"), (0.3, 0.1 + 0.2, "near"),
    (0.3, 0.4, "different"), ([1, [2]], (1, (2,)), "alike"), ([1, 2], [1], "different"),
    ({"1": 2}, {1: 2}, "near"), ({"a": 2}, {"a": 2}, "alike"), ({"a": 2}, {"a": 3}, "different"),
    ([1, 2], {1, 2}, "near"), ("1", 1, "different"), ([True], [1], "near"),
    ([True, 2], [1, 3], "different"), (float("inf"), 10**400, "different"),
])  # fmt: skip
def test_values_compare_by_kind_and_value(expected: object, value: object, likeness: str) -> None:
    assert alike(expected, value, 0.0) is Likeness(likeness)


@pytest.mark.parametrize(("expected", "output", "tolerance", "likeness"), [
    ("1 2\n3", "1 2 \n3\n\n", 0, "alike"), ("1 2\n3", "1 2 3", 0, "near"),
    ("YES", "yes", 0, "near"), ("YES", "NO", 0, "different"), ("0.5", "0.50", 0, "near"),
    ("0.5", "0.50", 1e-6, "alike"), ("0.333333", "0.3333333333", 0, "near"),
    ("0.333333", "0.3333333333", 1e-5, "alike"), ("1000000007", "1000000008", 1e-3, "different"),
    ("", "x", 0, "different"), ("", "\n", 0, "alike"), ("  *\n ***", "*\n***", 0, "near"),
    ("1 2", "1\n2", 1e-6, "near"), ("1000000007", "1000000008.0", 1e-3, "near"),
    ("9007199254740993", "9007199254740992.0", 1e-6, "near"), ("3", "3.0", 1e-6, "alike"),
    ("12", "1_2", 1e-6, "different"), ("12", "\u0661\u0662", 1e-6, "different"),
    ("12", "\uff11\uff12", 0, "different"), ("3", "4.5", 1e-6, "different"),
    ("1" * 49, "1e48", 1e-6, "different"), ("nan", "NaN", 0, "near"),
])  # fmt: skip
def test_outputs_compare_by_lines(
    expected: str, output: str, tolerance: float, likeness: str
) -> None:
    assert same_output(expected, output, tolerance) is Likeness(likeness)
