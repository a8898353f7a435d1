"""The collecting loop's waiting: interrupted at once, and never longer than asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from ingest.collect import _packed, _pause
from streams.record import Payload


async def test_stopping_interrupts_the_waiting() -> None:
    """A pause of an hour ends when the stop event is set."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    async with asyncio.timeout(5):
        await _pause(stop, timedelta(hours=1))


async def test_the_waiting_ends_by_itself() -> None:
    """A pause ends after its time, and one of no time at once, with nothing stopped."""
    stop = asyncio.Event()
    async with asyncio.timeout(5):
        await _pause(stop, timedelta(milliseconds=20))
        await _pause(stop, timedelta(0))
    assert not stop.is_set()


def test_payloads_are_packed_in_order() -> None:
    """Records come out in the order of the payloads, each with its cursor."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    payloads = [
        Payload(source="demo", received_at=now, media_type="text/csv", body=b"x", cursor=cursor)
        for cursor in (b"1", b"2", b"3")
    ]
    assert [record.headers["cursor"] for record in _packed(payloads)] == [b"1", b"2", b"3"]
