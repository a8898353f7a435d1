"""The hub with small limits, over real sockets: whoever listens gets the log from where it began, whatever happens."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ldes_server.live import Hub, Limits
from ldes_server.model import Published
from ldes_server.outlet import HIGH, open_outlet
from streams.errors import StoreError

NAME = "parking"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SMALL = Limits(ring=400, tail=3, batch=4, readers=1, pace=timedelta(0), retry=timedelta(milliseconds=10))
PATIENT = timedelta(seconds=60)


class Memory:
    """A history in memory, which may lose its beginning, and may not answer."""

    def __init__(self, size: int = 60) -> None:
        self.members: list[Published] = []
        self.first = 0
        self.broken = False
        self._size = size

    def publish(self, count: int) -> None:
        """Add members with bodies of about the size."""
        for sequence in range(len(self.members), len(self.members) + count):
            body = b'{"@id":"%d","x":"%s"}' % (sequence, b"x" * self._size)
            it = Published(
                sequence=sequence, published_at=NOON, id="", entity="", observed_at=NOON, point=None, body=body
            )
            self.members.append(it)

    async def after(self, stream: str, sequence: int, *, limit: int) -> Sequence[Published]:
        """Read."""
        assert stream == NAME
        await asyncio.sleep(0)
        if self.broken:
            raise StoreError("it is away", where="memory", fix="wait", retriable=True)
        return self.members[max(sequence + 1, self.first) :][:limit]


class Ear:
    """A listener's side of a connection: what it has read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, start: int) -> None:
        self.start = start
        self.writer = writer
        self.text = b""
        self.ended = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._reader = reader

    async def read(self) -> None:
        """Read to the end, resting while told to."""
        while True:
            await self.go_on.wait()
            data = await self._reader.read(1 << 16)
            self.text += data
            if not data:
                self.writer.close()
                self.ended.set()
                return

    @property
    def heard(self) -> list[int]:
        """The numbers of the members, in order."""
        return [int(found) for found in re.findall(rb"id: (\d+)\nevent: member", self.text)]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """What was said to be missing."""
        return [(int(a), int(b)) for a, b in re.findall(rb'event: gap\ndata: {"from":(\d+),"to":(\d+)', self.text)]

    @property
    def last_event(self) -> bytes:
        """The last event."""
        return self.text.rstrip(b"\n").rpartition(b"\n\n")[2]


class House:
    """A hub that runs, and the ears of all who joined."""

    def __init__(self, hub: Hub, store: Memory, group: asyncio.TaskGroup) -> None:
        self.hub = hub
        self.store = store
        self.stop = asyncio.Event()
        self._group = group

    async def listen(self, start: int) -> Ear:
        """Join from a number on."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader, writer = await asyncio.open_connection(sock=theirs, limit=1 << 12)
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        ear = Ear(reader, writer, start)
        self._group.create_task(ear.read(), name="ear")
        outlet = open_outlet(transport, paused=False)
        self.hub.join(NAME, outlet, start=start, count=len(self.store.members))
        return ear

    def publish(self, count: int) -> None:
        """Publish, and tell."""
        self.store.publish(count)
        self.hub.changed(NAME)

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for something."""
        async with asyncio.timeout(20):
            while not what():  # noqa: ASYNC110 - the condition is of the test's own making
                await asyncio.sleep(0.005)


@asynccontextmanager
async def house(store: Memory, limits: Limits = SMALL) -> AsyncIterator[House]:
    """Run a hub; at the end every stream has ended."""
    hub = Hub({NAME: "https://example.org/models/parking"}, store, limits=limits)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = House(hub, store, group)
        group.create_task(hub.run(running.stop), name="hub")
        await running.until(lambda: hub.has_room)
        yield running
        running.stop.set()


@pytest.mark.parametrize("seed", range(12))
async def test_everybody_gets_the_log_from_where_they_began(seed: int) -> None:
    """Joining anywhere, resting, leaving and bursts in any order: each hears its numbers once, in order, to the end."""
    dice = random.Random(seed)
    store = Memory(size=dice.choice([60, 3000]))
    store.publish(dice.randrange(0, 40))
    async with house(store) as running:
        ears: list[Ear] = []
        for _ in range(60):
            turn = dice.randrange(4)
            if turn == 0:
                ears.append(await running.listen(dice.randint(0, len(store.members))))
            elif turn == 1:
                running.publish(dice.randint(1, 9))
            elif turn == 2 and ears:
                ear = dice.choice(ears)
                ear.go_on.clear() if ear.go_on.is_set() else ear.go_on.set()
            else:
                await asyncio.sleep(dice.choice([0, 0, 0.002]))
        for ear in ears:
            ear.go_on.set()
        running.publish(1)
        await running.until(lambda: all(ear.heard[-1:] == [len(store.members) - 1] for ear in ears))
    for ear in ears:
        assert ear.heard == list(range(ear.start, len(store.members)))
        assert ear.last_event == b'event: end\ndata: {"reason":"stopped"}'


async def test_who_stands_still_is_cut_off_and_can_resume() -> None:
    """A listener that takes nothing costs a bounded buffer, is ended after a while, and finds the rest on return."""
    store = Memory(size=2_000)
    limits = Limits(ring=1 << 20, pace=timedelta(0), patience=timedelta(seconds=1))
    async with house(store, limits) as running:
        still, quick = await running.listen(0), await running.listen(0)
        still.go_on.clear()
        for _ in range(40):
            running.publish(5)
            await asyncio.sleep(0.005)
        await running.until(lambda: quick.text.count(b"event: member") == 200)
        await asyncio.sleep(1.2)
        still.go_on.set()
        await still.ended.wait()
        # What had been written when it was given up is whole and in order; at most the buffers came on top.
        assert still.last_event == b'event: end\ndata: {"reason":"slow"}'
        assert still.heard == list(range(len(still.heard)))
        assert len(still.text) < 3 * HIGH
        rest = await running.listen(len(still.heard))
        await running.until(lambda: rest.heard[-1:] == [199])
        assert [*still.heard, *rest.heard] == list(range(200))


async def test_silence_is_broken_by_heartbeats() -> None:
    """When nothing is published a comment comes every heartbeat, and none while members come."""
    limits = Limits(heartbeat=timedelta(milliseconds=100), pace=timedelta(0))
    async with house(Memory(), limits) as running:
        ear = await running.listen(0)
        for _ in range(8):
            running.publish(1)
            await asyncio.sleep(0.03)
        assert ear.text.count(b": heartbeat") <= 2
        before = ear.text.count(b": heartbeat")
        await running.until(lambda: ear.text.count(b": heartbeat") >= before + 3)
        assert ear.heard == list(range(8))


async def test_what_retention_took_is_said() -> None:
    """Who asks for what is gone hears which numbers are missing, then all that is kept."""
    store = Memory()
    store.publish(50)
    store.first = 30
    async with house(store) as running:
        early, late = await running.listen(4), await running.listen(30)
        await running.until(lambda: early.heard[-1:] == late.heard[-1:] == [49])
    assert (early.gaps, early.heard) == ([(4, 29)], list(range(30, 50)))
    assert (late.gaps, late.heard) == ([], list(range(30, 50)))


async def test_retention_may_overtake_everybody() -> None:
    """When even those who are level miss members that were never read in time, each is told, and goes on."""
    store = Memory()
    store.publish(5)
    async with house(store) as running:
        ear = await running.listen(0)
        await running.until(lambda: ear.heard == [0, 1, 2, 3, 4])
        store.publish(20)
        store.first = 15
        running.hub.changed(NAME)
        await running.until(lambda: ear.heard[-1:] == [24])
    assert ear.gaps == [(5, 14)]
    assert ear.heard == [*range(5), *range(15, 25)]


async def test_a_store_that_is_away_ends_only_who_needs_it() -> None:
    """Who is level waits for the store to come back; who needs history from it is ended, to come again."""
    store = Memory()
    store.publish(30)
    async with house(store) as running:
        level = await running.listen(30)
        await asyncio.sleep(0.05)
        store.broken = True
        behind = await running.listen(0)
        await behind.ended.wait()
        assert behind.last_event == b'event: end\ndata: {"reason":"store"}'
        store.broken = False
        running.publish(3)
        await running.until(lambda: level.heard == [30, 31, 32])


async def test_there_is_room_for_so_many() -> None:
    """HTTP-12: a hub that is full has no room, and has it again when somebody leaves, or none once it has stopped."""
    async with house(Memory(), Limits(listeners=2)) as running:
        ears = [await running.listen(0) for _ in range(2)]
        assert not running.hub.has_room
        ears[0].writer.close()
        await running.until(lambda: running.hub.has_room)
    assert not running.hub.has_room
