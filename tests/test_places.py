"""Places for requests: in order of rank, and as many as a server can take."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from cotgen.workers import Climb, Places, most_connections


def test_whoever_began_first_is_served_first() -> None:
    async def main() -> list[int]:
        places, served = Places(1), list[int]()

        async def work(rank: int) -> None:
            await places.take(rank)
            served.append(rank)
            await asyncio.sleep(0)
            places.give_back()

        await places.take(0)
        waiting = [asyncio.create_task(work(rank)) for rank in (3, 1, 2, 1)]
        await asyncio.sleep(0)
        places.give_back()
        await asyncio.gather(*waiting)
        return served

    assert asyncio.run(main()) == [1, 1, 2, 3]


def test_never_more_than_the_limit_and_a_cancelled_one_leaves_its_place() -> None:
    async def main() -> int:
        places, most = Places(3), 0

        async def work(rank: int) -> None:
            nonlocal most
            await places.take(rank)
            try:
                most = max(most, places.taken)
                await asyncio.sleep(0.001)
            finally:
                places.give_back()

        tasks = [asyncio.create_task(work(rank)) for rank in range(60)]
        await asyncio.sleep(0.003)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert places.taken == 0
        return most

    assert asyncio.run(main()) == 3


def climbed(answer: Callable[[int], Awaitable[bool]], seconds: float, most: int = 2048) -> int:
    """The limit after so long on a server that answers `answer(in flight)`: False is a 429."""

    async def main() -> int:
        places = Places(Climb.START)
        climb = Climb(places, most)

        async def work() -> None:
            while True:
                await places.take(0)
                try:
                    accepted = await answer(places.taken)
                finally:
                    places.give_back()
                if accepted:
                    climb.answered(1)
                else:
                    climb.refused()
                    await asyncio.sleep(0.05)

        tasks = [asyncio.create_task(work()) for _ in range(1500)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return places.limit

    return asyncio.run(main())


def test_the_limit_climbs_to_where_the_rate_stops_growing() -> None:
    async def answer(in_flight: int) -> bool:
        """A server that works on 300 at once and makes the others wait."""
        await asyncio.sleep(0.1 * max(1.0, in_flight / 300))
        return True

    assert 200 <= climbed(answer, 4.0) <= 800


def test_the_limit_gives_way_to_a_server_that_says_so() -> None:
    async def answer(in_flight: int) -> bool:
        await asyncio.sleep(0.02)
        return in_flight <= 20

    assert climbed(answer, 4.0) < Climb.START


def test_the_limit_never_passes_the_most_allowed() -> None:
    async def answer(in_flight: int) -> bool:
        await asyncio.sleep(0.02)
        return True

    assert climbed(answer, 1.5, most=100) == 100


def test_what_the_server_says_of_its_queue_decides() -> None:
    async def main() -> tuple[int, int]:
        places = Places(64)
        climb = Climb(places, 1000)
        await asyncio.gather(*(places.take(0) for _ in range(64)))
        waiting = asyncio.create_task(places.take(0))
        await asyncio.sleep(0)
        climb.told(waiting=0)
        more = places.limit
        climb.told(waiting=40)
        waiting.cancel()
        return more, places.limit

    more, less = asyncio.run(main())
    assert more > 64
    assert less == more - 40


@pytest.mark.skipif(sys.platform == "win32", reason="no rlimits")
def test_the_limit_on_files_is_raised_and_bounds_the_connections() -> None:
    told = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (128, 500));"
        "from cotgen.workers import most_connections as m; print(m(), r.getrlimit(r.RLIMIT_NOFILE))"
    )
    output = subprocess.run(
        [sys.executable, "-c", told], check=True, capture_output=True, text=True, env=os.environ
    ).stdout
    assert output.split() == ["436", "(500,", "500)"]
    assert most_connections() >= 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1
