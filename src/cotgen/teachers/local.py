"""A Hugging Face model that runs in this process, with torch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from cotgen.errors import RecipeError, TeacherError
from cotgen.protocols import Ask, Component, Price, Request
from cotgen.records import Completion, Sampling
from cotgen.teachers.engine.endings import Endings

if TYPE_CHECKING:
    from cotgen.teachers.engine.loading import Loaded


class LocalTeacher(Component):
    """Any causal language model with a chat template, from a folder or the Hugging Face Hub.

    Sampling is what the recipe says and no more: a model's own generation settings (top_k,
    penalties) are not used. A sample's randomness follows from its seed alone. For Llama models of
    at most 200 million parameters on a CPU, what is computed for a sample depends on that sample
    alone: on one machine it is the same whatever else is in the batch. Other models, GPUs and other
    machines may round differently, and then a sample differs once in a great while.
    """

    incidental = frozenset({"batch", "concurrency"})
    paid: ClassVar[bool] = True
    retries: ClassVar[int] = 0
    price: ClassVar[Price | None] = None

    kind: Literal["local"] = "local"
    model: str
    """`tiny` (comes with cotgen), a model's folder, or its id on the Hugging Face Hub."""
    revision: str | None = None
    """The branch, tag or commit of a model on the Hub."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto: a GPU if torch sees one."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """In what precision; auto: float32 on a CPU, on a GPU that of the model's file."""
    batch: PositiveInt = 256
    """Samples that are decoded together; fewer need less memory."""
    logprobs: bool = False
    """Keep the log-probability that the model itself (temperature 1) gives each of its tokens."""
    concurrency: PositiveInt = 256
    """Requests that wait for their place in the batch at once."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Ask]:
        """Load the model and start decoding. Raises RecipeError if it cannot be loaded."""
        try:
            from cotgen.teachers.engine.loading import load
            from cotgen.teachers.engine.loop import Loop
        except ImportError as error:
            raise RecipeError(
                f"teachers.*.kind: local needs {error.name}: pip install 'cotgen[local]'"
            ) from error

        loaded = load(self.model, self.revision, self.device, self.dtype)
        loop = Loop(loaded.network, self.batch, self.logprobs)

        async def ask(request: Request) -> list[Completion]:
            prompt = loaded.writer.tokens(request.messages)
            endings = _endings(loaded, request.sampling, len(prompt))
            return await loop.complete(prompt, request.sampling, request.seed, endings)

        async with loop.running():
            yield ask


def _endings(loaded: Loaded, sampling: Sampling, length: int) -> Endings:
    """How a completion may end. Raises TeacherError if the prompt leaves it no room."""
    context = loaded.network.context
    if length >= context:
        raise TeacherError(
            f"the prompt has {length} tokens, and the model reads {context} at most, answer "
            "included",
            retryable=False,
        )
    limit = min(sampling.max_tokens, context - length)
    return Endings(loaded.ends, sampling.stop, limit, loaded.writer.text)
