"""What a reader holds while nobody lets it go on, and a writer while its store is blocked, with 120 MB waiting."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import psutil
import pytest

from smartflanders.logs_of import open_log
from streams.kafka_options import KafkaOptions
from streams.kafka_reader import MAX_READ_BYTES
from streams.log import Log
from streams.record import Member, members_topic
from streams.settings import load_settings
from tests.conftest import environ_of
from tests.support.running import ROOT

pytestmark = pytest.mark.slow

# A batch in hand and the next one in the making are at most 16 MiB of values each; as many again for answers of the
# server before they are unpacked, and for the allocator (docs/decisions.md).
BOUND = 5 * MAX_READ_BYTES
STREAM = "gent-parking"
BODY, APPEND, APPENDS = 2000, 2000, 30
PATIENCE = 90


def members(number: int) -> list[Member]:
    """Make one append of members that hardly compress."""
    made = []
    chance = random.Random(number)
    for key in range(number * APPEND, (number + 1) * APPEND):
        noise = chance.randbytes(BODY // 2).hex()
        body = f'{{"@id":"https://example.org/{key}","noise":"{noise}"}}'.encode()
        now = datetime(2026, 11, 23, tzinfo=UTC)
        member = Member(id=f"{STREAM}/members/{key}", entity=f"https://example.org/{key}", observed_at=now, body=body)
        made.append(member)
    return made


async def fill(log: Log) -> int:
    """Append 120 MB of members; return the offset of the last one."""
    last = -1
    for number in range(APPENDS):
        last = await log.append(members_topic(STREAM), [member.to_record() for member in members(number)])
    return last


@pytest.fixture(params=["postgres", "kafka"])
def environ(request: pytest.FixtureRequest, database_url: str) -> dict[str, str]:
    """Choose either log."""
    chosen = {"SF_DATABASE_URL": database_url, "SF_BASE_URL": "http://127.0.0.1:1"}
    if request.param == "kafka":
        chosen |= environ_of(cast("KafkaOptions", request.getfixturevalue("kafka_options")))
    return chosen


@pytest.fixture
async def log(environ: Mapping[str, str]) -> AsyncIterator[Log]:
    """Open that log."""
    async with open_log(load_settings(environ), environ["SF_DATABASE_URL"], kept={}) as opened:
        yield opened


@contextmanager
def process(*arguments: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a module of ours as a process of its own."""
    argv, pipe = [sys.executable, "-m", *arguments], subprocess.PIPE
    env = {**os.environ, **environ}
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True, bufsize=1) as started:
        try:
            yield started
        finally:
            started.kill()


def line(of: subprocess.Popen[str]) -> str:
    """Read the next line that a process says."""
    assert of.stdout is not None
    return of.stdout.readline().strip()


def peak(of: subprocess.Popen[str], seconds: float) -> int:
    """Watch a process's memory for a while and return the most, in bytes."""
    end, most, watched = time.monotonic() + seconds, 0, psutil.Process(of.pid)
    while time.monotonic() < end:
        most = max(most, watched.memory_info().rss)
        time.sleep(0.02)
    return most


async def written(connection: Any, least: int) -> int:
    """Wait until the writer has come so far, and return how far it is."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await connection.fetchval("SELECT position FROM ldes.streams WHERE name = $1", STREAM)
            if found is not None and found >= least:
                return int(found)
            await asyncio.sleep(0.05)


async def test_a_reader_that_pauses_holds_little(environ: Mapping[str, str], log: Log) -> None:
    """A reader holds the same however much waits behind it, while it pauses and while it goes on slowly."""
    await fill(log)
    with process("tests.support.paused_reader", members_topic(STREAM), environ=environ) as reader:
        assert line(reader) == "ready"
        before, seen, most = peak(reader, 0.1), 0, 0
        for number in range(4):
            assert reader.stdin is not None
            reader.stdin.write("\n")
            size = int(line(reader))
            assert MAX_READ_BYTES // 2 < size <= MAX_READ_BYTES + 2 * BODY
            seen += size
            # Long enough for a reader that reads ahead to show it: the broker is on this machine.
            most = max(most, peak(reader, 2.0 if number == 0 else 0.2))
    print(f"reader: {before / 2**20:.0f} MB, at most {(most - before) / 2**20:.0f} MB more, {seen / 2**20:.0f} MB seen")
    assert most - before < BOUND


async def test_a_blocked_store_blocks_the_writer(environ: Mapping[str, str], log: Log) -> None:
    """While somebody locks the stream the writer waits with one batch in hand; then it goes on."""
    connection = await asyncpg.connect(environ["SF_DATABASE_URL"])
    pilot = str(ROOT / "deploy" / "pilots" / "gent" / "parking" / "garages.yaml")
    try:
        with process("smartflanders.cli", "write", "--pilot", pilot, environ=environ) as writer:
            assert line(writer) == "ready write"
            await written(connection, -1)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT FROM ldes.streams WHERE name = $1 FOR UPDATE", STREAM)
            before = peak(writer, 0.2)
            last = await fill(log)
            most = peak(writer, 2.0)
            assert await written(connection, -1) == -1
            await transaction.rollback()
            assert await written(connection, last // 4) > -1
    finally:
        await connection.close()
    print(f"writer: {before / 2**20:.0f} MB, at most {(most - before) / 2**20:.0f} MB more while it was blocked")
    assert most - before < BOUND
