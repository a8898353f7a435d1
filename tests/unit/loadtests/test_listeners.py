"""A listener: how it cuts what comes into events, and what it notes of them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from loadtests.listeners import Ear, Heard
from loadtests.listening import affordable
from loadtests.speakers import example


async def greeted(heard: Heard) -> Ear:
    """Make a listener that has its greeting."""
    ear = Ear(b"", heard)
    ear.data_received(b"HTTP/1.1 200 OK\r\n\r\n: welcome\n\n")
    await asyncio.wait_for(ear.greeted.wait(), 1)
    return ear


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
async def test_events_are_heard_however_they_are_cut(size: int) -> None:
    """Whatever the pieces in which bytes come, each event is heard once, and late by the time since its stamp."""
    heard = Heard()
    ear = await greeted(heard)
    data = b"".join(example(number, 30) for number in range(5)) + b": nothing new\n\n"
    for start in range(0, len(data), size):
        ear.data_received(data[start : start + size])
    assert (len(heard.late), heard.wrong, ear.last) == (5, [], 4)
    assert all(-0.001 < late < 5 for late in heard.late)
    stamp = datetime(2020, 1, 1, tzinfo=UTC)
    ear.data_received(b'id: 5\nevent: member\ndata: {"generatedAtTime":"2020-01-01T00:00:00.000Z"}\n\n')
    assert heard.late[-1] == pytest.approx(time.time() - stamp.timestamp(), abs=5)


async def test_a_number_missing_or_twice_is_wrong() -> None:
    """A gap, a repetition and a lost connection are noted; where a listener begins is free."""
    heard = Heard()
    ear = await greeted(heard)
    for number in (7, 8, 10, 10):
        ear.data_received(example(number, 1))
    ear.connection_lost(None)
    assert (heard.wrong, heard.lost) == ([(8, 10), (10, 10)], 1)


def test_there_is_room_for_some_listeners() -> None:
    """The limit on open files is raised where it may be, and at least one listener is always affordable."""
    assert affordable(3) == 3
    assert 1 <= affordable(10_000_000) <= 10_000_000
