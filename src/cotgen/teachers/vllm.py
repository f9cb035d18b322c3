"""vLLM, started and kept alive by cotgen."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from cotgen.errors import RecipeError
from cotgen.protocols import Ask, Component, Finding, Price
from cotgen.teachers.managed.flags import Flag, command_line, joined, keywords, spelled
from cotgen.teachers.openai import OpenAITeacher, check_extra

if TYPE_CHECKING:
    from cotgen.teachers.managed.life import Begin
    from cotgen.teachers.managed.piped import PipePlan
    from cotgen.teachers.managed.served import Plan

log = logging.getLogger(__name__)

TINY = "tiny"
_OURS = frozenset(
    {
        "model", "host", "port", "served-model-name", "api-key", "max-model-len", "seed",
        "enable-prefix-caching", "data-parallel-size", "revision",
    }
)  # fmt: skip
"""Flags that other settings decide."""
_NEUTRAL = {
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""What a server that we did not start would else take from the model's own `generation_config`: it
would change the data silently (facts.md §9)."""


class VllmTeacher(Component):
    """A model that vLLM serves: cotgen starts the server, keeps it alive and stops it at the end.

    When the engine dies it is started again, and what was in flight is asked again. A problem that
    was in flight in three deaths is quarantined: its line is an error, which the next run owes.
    vLLM may live in an environment of its own (`python`). A server that runs already is given as
    `base_url`; then none is started, as with `kind: openai`.
    """

    incidental = frozenset(
        {
            "mode", "base_url", "api_key_env", "python", "command", "env", "tuning",
            "prefix_caching", "max_model_len", "data_parallel", "chunk", "start_s", "restarts",
            "log_file", "concurrency", "fanout", "retries", "timeout_s", "seeds", "price",
        }
    )  # fmt: skip
    paid: ClassVar[bool] = True

    kind: Literal["vllm"] = "vllm"
    model: str
    """A model's folder, its id on the Hugging Face Hub, or `tiny` (comes with cotgen)."""
    revision: str | None = None
    """The branch, tag or commit of a model on the Hub."""
    mode: Literal["server", "in_process"] = "server"
    """Ask over HTTP, or, where no server is allowed, `vllm.LLM` in a process of its own: chunk by
    chunk, so that the longest sample of a chunk holds up the others. Tried on a CPU only."""
    base_url: str | None = None
    """The address (up to `/v1`) of a server that runs already; nothing is started then."""
    api: Literal["chat", "completions"] = "chat"
    """Send messages, or send the last message's text as a raw prompt (base models)."""
    api_key_env: str = "VLLM_API_KEY"
    """The environment variable that holds the server's key, if it wants one."""
    python: str | None = None
    """The Python of the environment that has vLLM; none: cotgen's own."""
    command: tuple[str, ...] = ()
    """What to start in place of `vllm serve`; the model and the flags are put behind it."""
    env: dict[str, str] = {}
    """Further environment variables of the engine. They are saved with the run: no secrets."""
    args: dict[str, Flag] | tuple[str, ...] = {}
    """Further flags that bear on what is made: `{quantization: fp8}` for `--quantization fp8`, true
    and false for `--x` and `--no-x`; or words, as they stand on the command line."""
    tuning: dict[str, Flag] = {}
    """Further flags of speed and memory (`{max_num_seqs: 512}`), free to change in a run."""
    prefix_caching: bool = True
    """Compute a prompt once for all of its samples."""
    max_model_len: PositiveInt | None = None
    """Tokens of prompt and answer at most; less needs less memory, what does not fit is refused.
    None: the model's own limit."""
    data_parallel: PositiveInt = 1
    """Copies of the model that share the work, each on GPUs of its own."""
    chunk: PositiveInt = 256
    """With `mode: in_process`, the requests of one chunk."""
    start_s: PositiveFloat = 1800
    """Seconds that the engine may need to be ready; a model may have to be downloaded first."""
    restarts: Annotated[int, Field(ge=0)] = 3
    """After so many new starts without an answer between them the engine is given up."""
    log_file: Path | None = None
    """Where the engine's log goes; none: a temporary file, which stays if the engine dies."""
    concurrency: PositiveInt | Literal["auto"] = "auto"
    """Requests in flight at once; `auto` goes by the length of the server's queue."""
    fanout: Literal["auto", "n", "single"] = "auto"
    """All samples of a prompt in one request, or one request each (`single`): better for long
    thoughts, since a dying engine loses no sample that has ended."""
    retries: Annotated[int, Field(ge=0)] = 6
    """How often a request that failed for a passing reason is sent again."""
    timeout_s: PositiveFloat = 3600
    """Seconds without a byte after which a request counts as failed."""
    seeds: Literal["auto", "send", "none"] = "auto"
    """Send a seed for each sample, or none, or send them until the engine is seen to die of them.
    Without seeds another run samples other attempts; this run's are kept all the same."""
    logprobs: bool = False
    """Keep the log-probabilities of the sampled tokens in the journal."""
    extra_body: dict[str, Any] = {}
    """Further fields of each request (`{top_k: 20}`), sent as they are."""
    price: Price | None = None
    """USD per million tokens, if your GPUs shall count as cost."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for name in (*self.args, *self.tuning) if isinstance(self.args, dict) else self.tuning:
            if spelled(name) in _OURS:
                raise ValueError(f"{name} is no flag to give: a setting of its own decides it")
        check_extra(self.extra_body)
        if self.mode == "server":
            return self
        if self.base_url or self.command:
            raise ValueError("mode: in_process asks no server: it takes no base_url and no command")
        if self.api != "chat" or self.extra_body or not isinstance(self.args, dict):
            raise ValueError(
                "mode: in_process takes api: chat, no extra_body, and args as a mapping"
            )
        if self.data_parallel > 1:
            raise ValueError("mode: in_process: data_parallel needs a server")
        return self

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """Start the engine and wait until it is ready. Raises RecipeError if it does not start."""
        if self.base_url:
            async with self._client(self.base_url, self.seeds != "none").connect() as ask:
                yield ask
            return
        from cotgen.teachers.managed.keeper import Keeper
        from cotgen.teachers.managed.piped import piping
        from cotgen.teachers.managed.served import serving

        path = self._log_path()
        begin: Begin
        if self.mode == "server":
            begin = partial(serving, await self._plan(path))
        else:
            begin = partial(piping, self._pipe_plan(path))
        keeper = Keeper(self.model, begin, self.restarts, self.seeds)
        async with keeper.running():
            yield keeper
        if path != self.log_file and not keeper.deaths:
            path.unlink()

    async def probe(self) -> AsyncIterator[Finding]:
        """What the server can do: it is started for that, and stopped."""
        if self.base_url:
            async for finding in self._client(self.base_url, self.seeds != "none").probe():
                yield finding
        elif self.mode == "in_process":
            async with self.connect():
                yield Finding("starts", "yes", "vllm.LLM")
        else:
            from cotgen.teachers.managed.life import NotStarted
            from cotgen.teachers.managed.served import serving

            seeded, path = self.seeds != "none", self._log_path()
            try:
                async with serving(await self._plan(path), seeded) as server:
                    async for finding in self._client(server.url, seeded).probe():
                        yield finding
                if path != self.log_file:
                    path.unlink()
            except NotStarted as error:
                yield Finding("starts", "no", str(error))

    def _client(self, url: str, seeded: bool, outage_s: float = 600) -> OpenAITeacher:
        return OpenAITeacher(
            model=self.model,
            base_url=url,
            api=self.api,
            api_key_env=self.api_key_env,
            timeout_s=self.timeout_s,
            outage_s=outage_s,
            seeds="send" if seeded else "none",
            logprobs=self.logprobs,
            extra_body={**(_NEUTRAL if self.base_url else {}), **self.extra_body},
        )

    async def _plan(self, path: Path) -> Plan:
        from cotgen.teachers.managed.program import interpreter, serve_command
        from cotgen.teachers.managed.served import HOST, Plan

        model = _source(self.model)
        program = [*self.command, model]
        if not self.command:
            program = await serve_command(interpreter(self.python), model)

        def command(port: int, seeded: bool) -> list[str]:
            address: dict[str, Flag] = {
                "host": HOST,
                "port": port,
                "served-model-name": self.model,
                "disable-uvicorn-access-log": True,
            }
            flags = joined(address, self._flags(seeded))
            words = () if isinstance(self.args, dict) else self.args
            return [*program, *command_line(flags), *words]

        # A dead endpoint is the keeper's business: no request shall wait for it.
        return Plan(
            command,
            lambda url, seeded: self._client(url, seeded, outage_s=1e-3).connect(),
            self._environment(),
            path,
            self.start_s,
        )

    def _pipe_plan(self, path: Path) -> PipePlan:
        from cotgen.teachers.managed.piped import PipePlan
        from cotgen.teachers.managed.program import interpreter

        return PipePlan(
            interpreter(self.python),
            lambda seeded: {"model": _source(self.model), **keywords(self._flags(seeded))},
            self.chunk,
            self.logprobs,
            self._environment(),
            path,
            self.start_s,
        )

    def _flags(self, seeded: bool) -> dict[str, Flag]:
        """The engine's flags; what the user says of one outranks what we say."""
        # A model's own sampling settings would change the data silently.
        flags: dict[str, Flag] = {
            "generation-config": "vllm",
            "enable-prefix-caching": self.prefix_caching,
        }
        if self.max_model_len:
            flags["max-model-len"] = self.max_model_len
        if self.data_parallel > 1:
            flags["data-parallel-size"] = self.data_parallel
        if self.revision:
            flags["revision"] = self.revision
        if not seeded:
            # vLLM's own seed is 0: each start would repeat what an earlier one has sampled.
            flags["seed"] = SystemRandom().randrange(2**31)
        return joined(flags, self.args if isinstance(self.args, dict) else {}, self.tuning)

    def _environment(self) -> dict[str, str]:
        key = os.environ.get(self.api_key_env, "").strip()
        ours = {"VLLM_NO_USAGE_STATS": "1", **({"VLLM_API_KEY": key} if key else {})}
        return {**os.environ, **ours, **self.env}

    def _log_path(self) -> Path:
        if self.log_file is not None:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            return self.log_file
        handle, name = tempfile.mkstemp(prefix="cotgen-vllm-", suffix=".log")
        os.close(handle)
        log.info("%s: the engine's log is %s", self.model, name)
        return Path(name)


def _source(model: str) -> str:
    """The folder, or else the hub id, that `model` names."""
    if model == TINY:
        return str(Path(str(files("cotgen.teachers"))) / TINY)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder)
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise RecipeError(
            f"teachers.*.model: {model}: there is no such folder (and a Hugging Face id looks like "
            "owner/name)"
        )
    return model
