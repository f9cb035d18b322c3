"""A small chat-completions server that answers arithmetic, and fails on request.

    python tests/server.py --port 0 --log FILE [--faults FILE] [--latency-ms 5] [--ignore-n]

Sample i of a request is a pure function of its question and of seed + i, so any two servers agree.
Every request leaves two lines in the log, written before a client can act on what they say: when
it `arrived`, and how it ended (`served`, `fault`, or `gone` when nobody waited for the answer).
In tests: `with start_server(tmp_path) as server: ...`.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import hashlib
import operator
import os
import re
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Literal, Self, TextIO, TypedDict, Unpack

import msgspec
from aiohttp import web

FaultKind = Literal[
    "429",
    "500",
    "503",
    "reset_before",
    "reset_mid",
    "malformed",
    "empty_choices",
    "html",
    "slow",
    "null_content",
    "null_length",
    "bad_request",
    "bad_prompt",
]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to fail, and the share of the requests that meet it.

    `bad_request` takes its share of the keys, and those for good: they are poison. `bad_prompt`
    takes its share of the prompts, whatever else is asked.
    """

    kind: FaultKind
    share: float
    retry_after: float | str | None = None
    """The Retry-After header of 429 and 503, as it is written here."""
    seconds: float = 0.5
    """How late `slow` answers."""
    rst: bool = False
    """Whether a reset sends RST (connection reset by peer) instead of closing politely."""


class FaultScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests fail how; a key is spared after `max_per_key` passing faults."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0
    max_per_key: int = 2

    def __post_init__(self) -> None:
        for faults in (self.poison, self.passing, self.bad_prompts):
            if sum(fault.share for fault in faults) > 1 + 1e-9:
                raise ValueError("the shares of the faults add up to more than 1")

    @property
    def poison(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind == "bad_request"]

    @property
    def bad_prompts(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind == "bad_prompt"]

    @property
    def passing(self) -> list[Fault]:
        lasting = ("bad_request", "bad_prompt")
        return [fault for fault in self.faults if fault.kind not in lasting]

    def choose(self, key: str, arrival: int, suffered: int, prompt: str = "") -> Fault | None:
        """The fault of a key's `arrival`-th request (from 0), after `suffered` passing faults."""
        fault = _pick(self.bad_prompts, Random(f"{self.seed}|prompt|{prompt}").random())
        if fault is None:
            fault = _pick(self.poison, Random(f"{self.seed}|poison|{key}").random())
        if fault is None and suffered < self.max_per_key:
            fault = _pick(self.passing, Random(f"{self.seed}|{key}|{arrival}").random())
        return fault


def _pick(faults: list[Fault], draw: float) -> Fault | None:
    for fault in faults:
        draw -= fault.share
        if draw < 0:
            return fault
    return None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the log. `request` numbers the requests of one server process."""

    event: Literal["arrived", "served", "fault", "gone"]
    request: int
    time: float
    """`time.monotonic()`: the same clock in every process of the machine."""
    key: str = ""
    """Digest of everything asked for; '' for a request that could not be read."""
    samples: tuple[str, ...] = ()
    """For each choice, a digest of messages, sampling and the choice's own seed, whatever n was.

    Those of `served` were answered; the others were asked for.
    """
    seed: int | None = None
    n: int = 1
    arrival: int = 0
    """How many requests with this key came before."""
    fault: str = ""
    """The fault's kind (also of a slow request that was served), or `invalid`."""


class Turn(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class Chat(msgspec.Struct, frozen=True):
    """The request body, as far as it matters here."""

    model: str
    messages: tuple[Turn, ...]
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: str | tuple[str, ...] | None = None
    stream: bool | None = None

    @property
    def wanted(self) -> int:
        return 1 if self.n is None else self.n

    @property
    def limit(self) -> int | None:
        return self.max_tokens or self.max_completion_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else self.stop or ()

    @property
    def key(self) -> str:
        return _digest(self)

    @property
    def prompt(self) -> str:
        return "\n".join(turn.content for turn in self.messages)

    def sample(self, index: int) -> str:
        if self.seed is None:
            return f"{_digest(msgspec.structs.replace(self, n=None))}/{index}"
        return _digest(msgspec.structs.replace(self, n=None, seed=self.seed + index))


def _digest(chat: Chat) -> str:
    return hashlib.sha256(msgspec.json.encode(chat)).hexdigest()[:16]


class Settings(msgspec.Struct, frozen=True):
    latency_ms: float = 5.0
    honour_n: bool = True
    most_n: int = 0
    """Requests for more samples are refused with 400; 0: none are."""
    api_key: str = ""
    """Requests with another key are refused with 401; '': none are."""
    reasoning_field: str = ""
    model: str = "scripted"
    correct_share: float = 0.55
    length_share: float = 0.02


class Answer(msgspec.Struct, frozen=True):
    """One choice: reasoning lines, then the line that states the answer, if it came to that."""

    reasoning: str
    solution: str
    finish: Literal["stop", "length"]

    @property
    def text(self) -> str:
        return "\n".join(part for part in (self.reasoning, self.solution) if part)


class ChatServer:
    """The handlers, with all that they remember: how often each key came and failed."""

    def __init__(self, settings: Settings, script: FaultScript, log: TextIO) -> None:
        self.settings = settings
        self.script = script
        self.log = log
        self.requests = 0
        self.arrivals: Counter[str] = Counter()
        self.suffered: Counter[str] = Counter()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_get("/v1/models", self.models)
        application.router.add_post("/v1/chat/completions", self.complete)
        return application

    async def models(self, request: web.Request) -> web.Response:
        model = {"id": self.settings.model, "object": "model", "created": 0, "owned_by": "tests"}
        return web.json_response({"object": "list", "data": [model]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        arrived = Event("arrived", self.requests, time.monotonic())
        try:
            chat = msgspec.json.decode(await request.read(), type=Chat)
            problem = self.problem_with(chat)
        except msgspec.DecodeError as error:
            problem = str(error)
        if refused := self.refused_key(request):
            self.write(arrived)
            self.end(arrived, request, "invalid")
            return _error(401, refused)
        if problem:
            self.write(arrived)
            self.end(arrived, request, "invalid")
            return _error(400, problem)
        arrived = self.arrive(arrived, chat)
        fault = self.script.choose(
            arrived.key, arrived.arrival, self.suffered[arrived.key], chat.prompt
        )
        if fault in self.script.passing:
            self.suffered[arrived.key] += 1
        await asyncio.sleep(self.latency_s(arrived, fault))
        if fault is not None and fault.kind != "slow":
            self.end(arrived, request, fault.kind)
            return await self.fail(request, chat, fault)
        answers = self.answers(chat)
        served = msgspec.structs.replace(
            arrived, samples=arrived.samples[: len(answers)], fault=fault.kind if fault else ""
        )
        self.end(served, request)
        return _json(self.body(chat, answers))

    def problem_with(self, chat: Chat) -> str:
        if self.settings.most_n and chat.wanted > self.settings.most_n:
            return f"n: more than {self.settings.most_n} is not supported"
        return _problem_with(chat)

    def refused_key(self, request: web.Request) -> str:
        """As careless as some servers: the key is repeated in full."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        wanted = self.settings.api_key
        return f"Incorrect API key provided: {given}" if wanted and given != wanted else ""

    def arrive(self, blank: Event, chat: Chat) -> Event:
        key = chat.key
        event = msgspec.structs.replace(
            blank,
            key=key,
            samples=tuple(chat.sample(index) for index in range(chat.wanted)),
            seed=chat.seed,
            n=chat.wanted,
            arrival=self.arrivals[key],
        )
        self.arrivals[key] += 1
        self.write(event)
        return event

    def end(self, event: Event, request: web.Request, fault: str = "") -> None:
        kind: Literal["served", "fault", "gone"] = "fault" if fault else "served"
        if request.transport is None or request.transport.is_closing():
            kind = "gone"
        self.write(
            msgspec.structs.replace(
                event, event=kind, time=time.monotonic(), fault=fault or event.fault
            )
        )

    def write(self, event: Event) -> None:
        self.log.write(msgspec.json.encode(event).decode() + "\n")
        self.log.flush()

    def latency_s(self, event: Event, fault: Fault | None) -> float:
        # Uneven on purpose, so that concurrent answers overtake each other.
        factor = 0.5 + Random(f"{event.key}|{event.arrival}").random()
        late = fault.seconds if fault is not None and fault.kind == "slow" else 0.0
        return factor * self.settings.latency_ms / 1000 + late

    def answers(self, chat: Chat) -> list[Answer]:
        count = chat.wanted if self.settings.honour_n else 1
        first = 0 if chat.seed is None else chat.seed
        question = _question(chat.messages)
        return [
            _limited(solve(question, first + index, self.settings), chat) for index in range(count)
        ]

    async def fail(self, request: web.Request, chat: Chat, fault: Fault) -> web.StreamResponse:
        body = self.body(chat, self.answers(chat))
        match fault.kind:
            case "429" | "500" | "503":
                retry = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                return _error(int(fault.kind), "scripted fault", retry)
            case "bad_request" | "bad_prompt":
                return _error(400, "scripted poison: this prompt is too long")
            case "html":
                page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
                return web.Response(text=page, content_type="text/html")
            case "malformed":
                whole = msgspec.json.encode(body)
                return web.Response(body=whole[: len(whole) // 2], content_type="application/json")
            case "empty_choices":
                return _json({**body, "choices": []})
            case "null_content":
                return _json({**body, "choices": [_null(n) for n in range(chat.wanted)]})
            case "null_length":
                # Hidden reasoning used up max_tokens.
                return _json({**body, "choices": [_null(n, "length") for n in range(chat.wanted)]})
            case _:
                return await _drop(request, msgspec.json.encode(body), fault)

    def body(self, chat: Chat, answers: list[Answer]) -> dict[str, object]:
        prompt = sum(len(turn.content.split()) for turn in chat.messages)
        completion = sum(len(answer.text.split()) for answer in answers)
        return {
            "id": f"chatcmpl-{chat.key}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": chat.model,
            "choices": [self.choice(index, answer) for index, answer in enumerate(answers)],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }

    def choice(self, index: int, answer: Answer) -> dict[str, object]:
        message: dict[str, str | None] = {"role": "assistant", "content": answer.text}
        if self.settings.reasoning_field:
            # As vLLM does: a thought that was cut off leaves no content at all.
            message |= {
                self.settings.reasoning_field: answer.reasoning,
                "content": answer.solution or None,
            }
        return {
            "index": index,
            "message": message,
            "finish_reason": answer.finish,
            "logprobs": None,
        }


def _problem_with(chat: Chat) -> str:
    if not any(turn.role == "user" for turn in chat.messages):
        return "messages: no user message"
    if chat.wanted < 1:
        return "n: less than 1"
    return "stream: not supported" if chat.stream else ""


def _null(index: int, finish: Literal["stop", "length"] = "stop") -> dict[str, object]:
    message = {"role": "assistant", "content": None}
    return {"index": index, "message": message, "finish_reason": finish, "logprobs": None}


def _json(body: dict[str, object]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    kind = "invalid_request_error" if status == 400 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": status}
    return web.json_response({"error": error}, status=status, headers=headers)


async def _drop(request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    if fault.kind == "reset_mid":
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if fault.rst and raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response


# --- what the teacher says -----------------------------------------------------------------------

Operator = Literal["+", "-", "*", "/"]
_OPERATORS: dict[type[ast.operator], tuple[Operator, Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}
_SPAN = re.compile(r"(?<![\w.])[-(]*\d[\d ()+\-*/]*[\d)](?!\.?\w)")
_ASKS = re.compile(r"what is|calculate|compute|evaluate", re.IGNORECASE)
_STORY = re.compile(r"Start with (-?\d+)\.((?: (?:Add|Subtract|Multiply by) \d+\.)+)")
_VERBS = {"Add": "+", "Subtract": "-", "Multiply": "*"}
_OPENERS = (
    "We need to work out {}.",
    "Let me compute {}.",
    "The question asks for {}.",
    "Okay, so I have to find {}.",
    "First I write down the expression: {}.",
    "Start from {}.",
)
_REMARKS = (
    "I do it one operation at a time.",
    "Let me be careful with the digits.",
    "Nothing else is needed here.",
    "I go from the inside out.",
    "That looks plausible in size.",
    "",
    "",
)
_STEPS = (
    "{left} {op} {right} = {value}.",
    "So {left} {op} {right} gives {value}.",
    "Now {left} {op} {right}, which is {value}.",
    "I get {value} for {left} {op} {right}.",
)


def _question(messages: Iterable[Turn]) -> str:
    """The last user message; where that asks nothing ("try again"), all of them."""
    said = [turn.content for turn in messages if turn.role == "user"]
    return said[-1] if expression(said[-1]) else "\n".join(said)


def expression(text: str) -> str:
    """The first expression to compute in `text`, after the last "What is" if there is one."""
    story = _STORY.search(text)
    if story is not None:
        return _told(*story.groups())
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("×", "*").replace("\\times", "*"))
    text = re.sub(r"(?<=\d) x (?=\d)", " * ", text)
    asked = [match.end() for match in _ASKS.finditer(text)]
    for part in [text[asked[-1] :], text] if asked else [text]:
        for match in _SPAN.finditer(part):
            if isinstance(_parse(match.group()), ast.BinOp):
                return match.group()
    return ""


def _told(start: str, steps: str) -> str:
    """The expression of a `generated` problem: "Start with 5. Add 2. Multiply by 3."."""
    found = start
    for verb, operand in re.findall(r"(\w+)[a-z ]* (\d+)\.", steps):
        left = found if found == start else f"({found})"
        found = f"{left} {_VERBS[verb]} {operand}"
    return found


def value_of(text: str) -> str:
    """The right answer of an expression that `expression` found."""
    return str(_evaluate(_parse(text), []))


def solve(question: str, seed: int, settings: Settings) -> Answer:
    """What the teacher says to `question` under `seed`."""
    random = Random(f"{seed}|{question}")
    cut = random.random() < settings.length_share
    right = random.random() < settings.correct_share
    asked = expression(question)
    if asked:
        lines, answer = _reason(_parse(asked), right, random)
    else:
        lines, answer = ["I cannot find anything to compute here."], str(random.randrange(100))
    lines.insert(0, random.choice(_OPENERS).format(asked or "an answer"))
    lines.insert(random.randint(1, len(lines)), random.choice(_REMARKS))
    reasoning = "\n".join(line for line in lines if line)
    if cut:
        return Answer(_words(reasoning, random.randint(3, 8)), "", "length")
    return Answer(reasoning, f"The answer is \\boxed{{{answer}}}.", "stop")


def _parse(text: str) -> ast.expr | None:
    """The expression's tree, or None if it is not of the four operations."""
    try:
        tree = ast.parse(text, mode="eval").body
        _evaluate(tree, [])
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None
    return tree


def _reason(tree: ast.expr | None, right: bool, random: Random) -> tuple[list[str], str]:
    truth = _evaluate(tree, [])
    operations = sum(isinstance(node, ast.BinOp) for node in ast.walk(tree)) if tree else 0
    slips = [Fraction(0)] * operations
    if not right:
        slips[random.randrange(operations)] = _slip(truth, random)
    steps: list[tuple[Fraction, Operator, Fraction, Fraction]] = []
    answer = _evaluate(tree, steps, iter(slips))
    lines = []
    for left, op, other, value in steps:
        shown = f"({other})" if other < 0 else str(other)
        line = random.choice(_STEPS).format(left=left, op=op, right=shown, value=value)
        lines += [*_split(left, op, other, random), line]
    if not right and answer == truth:
        # The slip vanished (times 0): miscopy the result instead.
        answer += _slip(truth, random)
    return lines, str(answer)


def _split(left: Fraction, op: Operator, right: Fraction, random: Random) -> list[str]:
    """Sometimes a line that takes the right side apart into tens and ones."""
    tens, ones = right // 10 * 10, right % 10
    if op == "/" or right < 11 or not ones or random.random() < 0.5:
        return []
    if op == "*":
        parts = f"{left} * {tens} = {left * tens} and {left} * {ones} = {left * ones}"
    else:
        half = left + tens if op == "+" else left - tens
        parts = f"{left} {op} {tens} = {half}, and {ones} remain"
    return [f"Split {right} into {tens} and {ones}: {parts}."]


def _slip(truth: Fraction, random: Random) -> Fraction:
    """An error that people make: off by one, a carry forgotten, two digits swapped."""
    digits = str(abs(truth.numerator))
    swapped = int(digits[:-2] + digits[-2:][::-1]) - abs(truth.numerator)
    return Fraction(random.choice([1, -1, 2, 10, -10, 100, swapped or 9]))


def _evaluate(
    tree: ast.expr | None,
    steps: list[tuple[Fraction, Operator, Fraction, Fraction]],
    slips: Iterator[Fraction] | None = None,
) -> Fraction:
    match tree:
        case ast.Constant(value=int() as value):
            return Fraction(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, steps, slips)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            a, b = _evaluate(left, steps, slips), _evaluate(right, steps, slips)
            sign, apply = _OPERATORS[type(op)]
            result = apply(a, b) + (next(slips) if slips else 0)
            steps.append((a, sign, b, result))
            return result
        case _:
            raise ValueError("not arithmetic")


def _limited(answer: Answer, chat: Chat) -> Answer:
    """Apply `stop` and `max_tokens`, a token being a word."""
    if not chat.stops and chat.limit is None:
        return answer
    text = answer.text
    for stop in chat.stops:
        text = text.split(stop, 1)[0] if stop else text
    finish = answer.finish if text == answer.text else "stop"
    if chat.limit is not None and len(text.split()) > chat.limit:
        text, finish = _words(text, chat.limit), "length"
    if text == answer.text:
        return answer
    if text.startswith(answer.reasoning):
        solution = text.removeprefix(answer.reasoning).removeprefix("\n")
        return Answer(answer.reasoning, solution, finish)
    return Answer(text, "", finish)


def _words(text: str, count: int) -> str:
    """The first `count` words, with the white space between them."""
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    return text[: ends[min(count, len(ends)) - 1]] if ends else ""


# --- the process ---------------------------------------------------------------------------------


class Options(TypedDict, total=False):
    """What `start_server` can be told."""

    faults: FaultScript
    port: int
    latency_ms: float
    honour_n: bool
    most_n: int
    api_key: str
    reasoning_field: str
    model: str
    correct_share: float
    length_share: float


@dataclass
class Server:
    """A server in a process of its own; leaving the context ends it."""

    port: int
    log_path: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """The base URL that OpenAI clients take, `/v1` included."""
        return f"http://127.0.0.1:{self.port}/v1"

    def log(self) -> list[Event]:
        """Everything logged so far; works after `stop`, too."""
        whole, _, _ = self.log_path.read_bytes().rpartition(b"\n")
        return [msgspec.json.decode(line, type=Event) for line in whole.split(b"\n") if line]

    def stop(self) -> None:
        """End the process at once; requests in flight are dropped."""
        _end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start_server(tmp_path: Path, **options: Unpack[Options]) -> Server:
    """Start a server and wait until it listens; its log lies in a new folder below `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="server-", dir=tmp_path))
    script = folder / "faults.json"
    script.write_bytes(msgspec.json.encode(options.get("faults", FaultScript())))
    log_path = folder / "log.jsonl"
    command = [sys.executable, __file__, "--log", str(log_path), "--faults", str(script)]
    command += ["--end-with-stdin", "--honour-n" if options.get("honour_n", True) else "--ignore-n"]
    flags = {k: v for k, v in options.items() if k not in ("faults", "honour_n")}
    for name, value in flags.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with (folder / "stderr.txt").open("wb") as stderr:
        # The server ends when its stdin does, so it cannot outlive a test run that was killed.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        return Server(_port(process, within_s=30.0), log_path, process)
    except BaseException as error:
        _end(process)
        error.add_note((folder / "stderr.txt").read_text(errors="replace")[-2000:])
        raise


def in_flight(events: Iterable[Event], moment: float) -> list[Event]:
    """The requests that had arrived and not ended at `moment` (`time.monotonic()`)."""
    waiting: dict[int, Event] = {}
    for event in events:
        if event.time > moment:
            continue
        if event.event == "arrived":
            waiting[event.request] = event
        else:
            waiting.pop(event.request, None)
    return list(waiting.values())


def samples_served(events: Iterable[Event]) -> Counter[str]:
    """How often each sample was answered; more than once means it was paid for twice."""
    return Counter(id for event in events if event.event == "served" for id in event.samples)


def _port(process: subprocess.Popen[bytes], within_s: float) -> int:
    stdout = process.stdout
    if stdout is None:
        raise RuntimeError("the server's stdout is not piped")
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        ready = selector.select(within_s)
    words = stdout.readline().decode().split() if ready else []
    if words[:2] != ["listening", "on"]:
        raise RuntimeError(f"the server did not start within {within_s:g} s")
    return int(words[2])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


async def serve(application: web.Application, port: int, end_with_stdin: bool) -> None:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    # Bound by hand, so that two servers can never share a port.
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    await web.SockSite(runner, listener).start()
    ended = asyncio.Event()
    if end_with_stdin:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    sys.stdout.write(f"listening on {listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()
    # No farewell: whoever asked is dead, and the log is flushed line by line.
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = Settings()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--fault-script", "--faults", dest="faults", type=Path)
    parser.add_argument("--latency-ms", type=float, default=defaults.latency_ms)
    parser.add_argument("--honour-n", action="store_true", default=True)
    parser.add_argument("--ignore-n", action="store_false", dest="honour_n")
    parser.add_argument("--most-n", type=int, default=defaults.most_n)
    parser.add_argument("--api-key", default=defaults.api_key)
    parser.add_argument("--reasoning-field", metavar="NAME", default="")
    parser.add_argument("--model", default=defaults.model)
    parser.add_argument("--correct-share", type=float, default=defaults.correct_share)
    parser.add_argument("--length-share", type=float, default=defaults.length_share)
    parser.add_argument("--end-with-stdin", action="store_true")
    arguments = parser.parse_args()
    settings = msgspec.convert(vars(arguments), type=Settings)
    script = FaultScript()
    if arguments.faults is not None:
        script = msgspec.json.decode(arguments.faults.read_bytes(), type=FaultScript)
    with arguments.log.open("a") as log:
        application = ChatServer(settings, script, log).application()
        asyncio.run(serve(application, arguments.port, arguments.end_with_stdin))


if __name__ == "__main__":
    main()
