"""The history of some entities in a stream of several blocks: whole, in order, by time, and a bounded part at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from ldes_server.coverage import BLOCK
from ldes_server.model import Head, Published
from ldes_server.postgres_store import PostgresStore
from ldes_server.trail import Trail, bounds_of, step
from loadtests.filling import Stock
from loadtests.publisher import write_pilot

_ENTITIES = 500
_COUNT = 2 * BLOCK + 3000


async def _walk(store: PostgresStore, trail: Trail, head: Head, *, limit: int) -> tuple[list[Published], int]:
    """Return all members of a trail, and in how many steps they came."""
    found: list[Published] = []
    onward: int | None = None
    steps = 0
    while True:
        bounds = bounds_of(head, newest_first=trail.newest_first, onward=onward)
        read = await step(store.trails, "load", trail, bounds, limit=limit)
        assert len(read.members) <= limit
        found += read.members
        steps += 1
        if read.onward is None:
            return found, steps
        onward = read.onward


def _numbers(members: Sequence[Published]) -> list[int]:
    return [member.sequence for member in members]


@pytest.mark.slow
async def test_a_trail_is_walked_whole_in_bounded_steps(database_url: str, tmp_path: Path) -> None:
    """By whatever steps, up and down, each member of the entity in the window must come once, and nothing else."""
    write_pilot(tmp_path, sources=1)
    stock = Stock(tmp_path, base_url="https://data.example.org", entities=_ENTITIES)
    async with PostgresStore(database_url) as store:
        await stock.open(store)
        await stock.fill(store, _COUNT, batch=500)
        head = await store.head("load")
        entity = (await store.trails.trail("load", range(7, 8), Trail(), limit=1))[0].entity
        expected = list(range(7, _COUNT, _ENTITIES))
        for limit, most in ((1000, 16), (7, 16), (1000, 1)):
            for newest_first in (True, False):
                trail = Trail(entities=(entity,), newest_first=newest_first, most_blocks=most)
                found, steps = await _walk(store, trail, head, limit=limit)
                assert _numbers(found) == (expected[::-1] if newest_first else expected)
                assert steps >= (3 if most == 1 else 1)
        await _by_time(store, head, entity, expected)


async def _by_time(store: PostgresStore, head: Head, entity: str, expected: Sequence[int]) -> None:
    """Ask for two members of the first block; once its extent is written down, only that block may be looked at."""
    wanted = (
        await store.trails.trail("load", range(expected[3], expected[4] + 1), Trail(entities=(entity,)), limit=9)
    )[::-1]
    low, high = wanted[0].observed_at, wanted[-1].observed_at
    trail = Trail(entities=(entity,), low=low, high=high)
    assert _numbers((await _walk(store, trail, head, limit=1000))[0]) == _numbers(wanted)[::-1]
    assert list(await store.trails.blocks("load", range(3), trail, limit=9)) == [2, 1, 0]
    await store.coverage("load")
    # The block that is not full has no extent yet.
    assert list(await store.trails.blocks("load", range(3), trail, limit=9)) == [2, 0]
    assert _numbers((await _walk(store, trail, head, limit=1000))[0]) == _numbers(wanted)[::-1]
    nothing = Trail(entities=(entity,), high=low - timedelta(days=9000))
    assert (await _walk(store, nothing, head, limit=10))[0] == []
