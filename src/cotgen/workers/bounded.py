"""Bounded concurrency over a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def bounded(items: Iterable[T], work: Callable[[T], Awaitable[None]], at_once: int) -> None:
    """Do `work` for each item, at most `at_once` at a time, taking items only as places free up.

    The first exception cancels the rest and is raised by itself, not inside a group.
    """
    stream = iter(items)

    async def consume() -> None:
        for item in stream:
            await work(item)
            # Work that never waits would keep signals and progress from being served.
            await asyncio.sleep(0)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(consume())
    except BaseExceptionGroup as error:
        raise first_of(error) from None


def first_of(error: BaseException) -> BaseException:
    """The first exception inside nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
