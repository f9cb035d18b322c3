"""One loop that decodes the samples of all requests together.

Samples start in waves and advance in step; a wave is looked at every STRIDE tokens, and what ended
makes room for the next. Between two steps the event loop has its turn, so that nothing else of a
run waits longer than a step takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Generic

import torch
from torch import Tensor

from cotgen.errors import RecipeError
from cotgen.records import Completion, Sampling
from cotgen.teachers.engine.endings import Ending, Endings
from cotgen.teachers.engine.network import STRIDE, Network, PromptT, RowsT
from cotgen.teachers.engine.sampling import Draws, key, log_probabilities


class Loop(Generic[PromptT, RowsT]):
    """The batch of one network; `complete` is answered while it is `running`."""

    def __init__(self, network: Network[PromptT, RowsT], batch: int, logprobs: bool) -> None:
        self.prompt_tokens = 0
        """Tokens of prompts that were read."""
        self._network = network
        self._batch = batch
        self._logprobs = logprobs
        self._waiting: deque[_Call[PromptT]] = deque()
        self._starting: list[_Call[PromptT]] = []
        self._waves: list[_Wave[PromptT, RowsT]] = []
        self._woken = asyncio.Event()
        self._failure: BaseException | None = None
        self._draws = _draws([], network.device)
        self._tokens = torch.empty(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Decode as long as the context is open."""
        decoding = asyncio.create_task(self._run())
        decoding.add_done_callback(self._end)
        try:
            yield
        finally:
            decoding.cancel()
            await asyncio.wait([decoding])

    async def complete(
        self, prompt: Sequence[int], sampling: Sampling, seed: int, endings: Endings
    ) -> list[Completion]:
        """All samples of one request, in order."""
        if self._failure:
            raise self._failure
        call: _Call[PromptT] = _Call(prompt, sampling, seed, endings)
        self._waiting.append(call)
        self._woken.set()
        return await call.done

    async def _run(self) -> None:
        while True:
            if not self._waves and not self._waiting:
                self._woken.clear()
                await self._woken.wait()
                await asyncio.sleep(0)  # What arrives together shall start together.
            await self._admit()
            if self._waves:
                with self._computing():
                    self._step()
            await asyncio.sleep(0)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Without gradients, and on a CPU with as many threads as are of use to the network."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._network.threads or before)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)

    def _end(self, decoding: asyncio.Task[None]) -> None:
        """Tell everyone who waits that nothing more will come."""
        error = None if decoding.cancelled() else decoding.exception()
        if isinstance(error, torch.OutOfMemoryError):
            error = RecipeError(f"teachers.*.batch: {self._batch} rows need too much GPU memory")
        self._failure = error or RuntimeError("the teacher was closed")
        running = (sample.call for wave in self._waves for sample in wave.samples)
        for call in [*self._waiting, *self._starting, *running]:
            if not call.done.done():
                call.done.set_exception(self._failure)

    async def _admit(self) -> None:
        """Start a wave of what fits: the oldest request, and those of its kin."""
        free = self._batch - sum(len(wave.samples) for wave in self._waves)
        if not self._waiting or (self._waves and free < max(1, self._batch // 4)):
            return
        taken = self._take(free)
        self._starting = [call for call, _ in taken]
        for call in self._starting:
            if call.read is None:
                with self._computing():
                    call.read = self._network.read(call.prompt)
                self.prompt_tokens += len(call.prompt)
                await asyncio.sleep(0)
        if taken:
            with self._computing():
                self._open(taken)

    def _take(self, free: int) -> list[tuple[_Call[PromptT], list[_Sample[PromptT]]]]:
        """Calls with the samples that start now. A call whose samples all start leaves."""
        taken: list[tuple[_Call[PromptT], list[_Sample[PromptT]]]] = []
        kin = self._network.kin(len(self._waiting[0].prompt))
        rest: deque[_Call[PromptT]] = deque()
        for call in self._waiting:
            alike = not taken or (kin is not None and self._network.kin(len(call.prompt)) == kin)
            if call.done.done():  # Nobody waits for it any more.
                continue
            if free == 0 or not alike:
                rest.append(call)
                continue
            samples = call.start(free)
            free -= len(samples)
            taken.append((call, samples))
            if call.is_owed:
                rest.append(call)
        self._waiting = rest
        return taken

    def _open(self, taken: list[tuple[_Call[PromptT], list[_Sample[PromptT]]]]) -> None:
        """Draw the first tokens of new samples and let them join."""
        read = [call.read for call, _ in taken if call.read is not None]
        counts = [len(samples) for _, samples in taken]
        rows = self._network.open([prompt for _, prompt in read], counts)
        logits = torch.cat(
            [logits.expand(count, -1) for (logits, _), count in zip(read, counts, strict=True)]
        )
        wave = _Wave(rows, [sample for _, samples in taken for sample in samples])
        wave.write(*self._drawn(logits, _draws([wave], logits.device)))
        self._waves.append(wave)
        if wave.is_due:
            self._look_at(wave)
        self._regroup()

    def _step(self) -> None:
        logits = self._network.step([wave.rows for wave in self._waves], self._tokens)
        tokens, logprobs = self._drawn(logits, self._draws)
        self._draws.numbers.add_(1)
        self._tokens = tokens
        start = 0
        for wave in self._waves:
            part = slice(start, start + len(wave.samples))
            wave.write(tokens[part], logprobs[part])
            start = part.stop
        due = [wave for wave in self._waves if wave.is_due]
        for wave in due:
            self._look_at(wave)
        if due:
            self._regroup()

    def _drawn(self, logits: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        tokens = draws.next(logits)
        return tokens, log_probabilities(logits, tokens) if self._logprobs else tokens

    def _look_at(self, wave: _Wave[PromptT, RowsT]) -> None:
        """Hand out what ended; only the other rows go on."""
        going = [at for at, sample in enumerate(wave.collect(self._logprobs)) if sample.goes_on()]
        wave.samples = [wave.samples[at] for at in going]
        if going:
            wave.rows = self._network.keep(wave.rows, torch.tensor(going))
            wave.last = wave.last[torch.tensor(going, device=wave.last.device)]

    def _regroup(self) -> None:
        self._waves = [wave for wave in self._waves if wave.samples]
        self._draws = _draws(self._waves, self._network.device)
        if self._waves:
            self._tokens = torch.cat([wave.last for wave in self._waves])


class _Call(Generic[PromptT]):
    """A request in the loop."""

    def __init__(
        self, prompt: Sequence[int], sampling: Sampling, seed: int, endings: Endings
    ) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.endings = endings
        self.read: tuple[Tensor, PromptT] | None = None
        self.done: asyncio.Future[list[Completion]] = asyncio.get_running_loop().create_future()
        self._seed = seed
        self._started = 0
        self._completions: dict[int, Completion] = {}

    @property
    def is_owed(self) -> bool:
        """Whether samples wait for their start."""
        return self._started < self.sampling.n

    def start(self, most: int) -> list[_Sample[PromptT]]:
        """The next samples."""
        numbers = range(self._started, min(self.sampling.n, self._started + most))
        self._started = numbers.stop
        return [_Sample(self, number, key(self._seed + number)) for number in numbers]

    def finish(self, sample: _Sample[PromptT], ending: Ending) -> None:
        """Take one finished sample; the last one answers the request."""
        self._completions[sample.number] = Completion(
            text=ending.text,
            finish=ending.finish,
            tokens=ending.tokens,
            prompt_tokens=0 if sample.number else len(self.prompt),
            logprobs=tuple(sample.logprobs[: ending.tokens]),
        )
        if len(self._completions) == self.sampling.n and not self.done.done():
            self.done.set_result([self._completions[at] for at in range(self.sampling.n)])


@dataclass(eq=False)
class _Sample(Generic[PromptT]):
    """One completion in the making."""

    call: _Call[PromptT]
    number: int
    key: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    fresh: int = 0

    @property
    def left(self) -> int:
        """Tokens that it may still write."""
        return self.call.endings.limit - len(self.tokens)

    def goes_on(self) -> bool:
        """Whether it is neither finished, which the call is told, nor wanted by nobody."""
        ending = self.call.endings.find(self.tokens, self.fresh)
        if ending is not None:
            self.call.finish(self, ending)
        return ending is None and not self.call.done.done()


class _Wave(Generic[PromptT, RowsT]):
    """Samples that started together and advance in step."""

    def __init__(self, rows: RowsT, samples: list[_Sample[PromptT]]) -> None:
        self.rows = rows
        self.samples = samples
        self.last = torch.empty(0)
        self._written: list[Tensor] = []
        self._logprobs: list[Tensor] = []
        self._due = 1 + STRIDE  # The first token comes from the prompt, before any step.

    @property
    def pending(self) -> int:
        """Tokens written since the last look."""
        return len(self._written)

    @property
    def is_due(self) -> bool:
        """Whether there is no room left, or nobody has more to write."""
        return self.pending >= min(self._due, max(sample.left for sample in self.samples))

    def write(self, tokens: Tensor, logprobs: Tensor) -> None:
        """Note one more token of each sample."""
        self.last = tokens
        self._written.append(tokens)
        self._logprobs.append(logprobs)

    def collect(self, logprobs: bool) -> Iterator[_Sample[PromptT]]:
        """Move what was written to the samples."""
        fresh: list[list[int]] = torch.stack(self._written, dim=1).tolist()
        chances: list[list[float]] = torch.stack(self._logprobs, dim=1).tolist() if logprobs else []
        self._written, self._logprobs, self._due = [], [], STRIDE
        for at, sample in enumerate(self.samples):
            sample.tokens += fresh[at]
            sample.fresh = len(fresh[at])
            if logprobs:
                sample.logprobs += chances[at]
            yield sample


def _draws(waves: Sequence[_Wave[PromptT, RowsT]], device: torch.device) -> Draws:
    """How the next token of every sample is drawn."""
    rows = [
        (sample, len(sample.tokens) + wave.pending) for wave in waves for sample in wave.samples
    ]
    samplings = [sample.call.sampling for sample, _ in rows]
    return Draws(
        torch.tensor([sample.key for sample, _ in rows], dtype=torch.long, device=device),
        torch.tensor([number for _, number in rows], dtype=torch.long, device=device),
        torch.tensor([each.temperature for each in samplings], device=device),
        torch.tensor([each.top_p for each in samplings], device=device),
    )
