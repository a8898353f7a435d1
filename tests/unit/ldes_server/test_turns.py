"""Turns: one at a time for each key, and nothing is remembered of those who are done."""

from __future__ import annotations

import asyncio

from ldes_server.turns import Turns


async def test_one_at_a_time_for_each_key() -> None:
    """Of five who want the same, one is at work at any moment; another key waits for nobody; afterwards no lock is kept."""
    turns, inside, most = Turns(), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with turns.of("leaf"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            async with turns.of("other"):
                pass
            inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1
    assert len(turns) == 0
