"""The writer's transaction beside COPY of the same rows into the same table without bookkeeping, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from ingest.mapping import compile_mapping
from ldes_server.model import Head
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import place
from loadtests.end_to_end import QUERIES, STREAM
from loadtests.million import batches
from loadtests.publisher import write_pilot
from loadtests.sampling import processor_seconds
from smartflanders.embedded import EmbeddedPostgres
from smartflanders.pilots import load_plan
from streams.migrate import migrate
from streams.record import Entry, Record
from vocab.model import load_model

BATCH = 2000
_BASE = "https://data.example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One batch: the seconds of the writer's transaction and of COPY by the clock, and by processor, client and server."""

    append: float
    copy: float
    append_processor: float
    copy_processor: float


async def turns(folder: Path, count: int) -> list[Turn]:
    """Store so many batches of 2,000 members of one stream with the chronological view, and copy each right after.

    The database waits for its disk, as the platform's does. The first batch finds cold caches and is left out.
    """
    pilot = folder / "pilot"
    write_pilot(pilot, sources=1)
    plan = load_plan([pilot])
    (source,), (stream,) = plan.sources, plan.streams
    mapper = compile_mapping(source, load_model(source.model), base_url=_BASE)
    found = []
    with EmbeddedPostgres(folder / "database") as server:
        await migrate(server.dsn)
        connection = await asyncpg.connect(server.dsn)
        try:
            await connection.execute(QUERIES["same"])
            async with PostgresStore(server.dsn) as store:
                head, after = Head(), 0
                for records in batches(source, mapper, (count + 1) * BATCH):
                    # What a writer knows nothing of is placed without a look for twins.
                    placed = place(_entries(records, after), stream, head=head, known=())
                    began = _now(server)
                    await store.append(STREAM, placed)
                    appended = _now(server)
                    rows = [tuple(row) for row in await connection.fetch(QUERIES["batch"], STREAM, head.count)]
                    copying = _now(server)
                    await connection.copy_records_to_table("same", records=rows)
                    copied = _now(server)
                    found.append(_turn(began, appended, copying, copied))
                    head, after = placed.head, after + len(records)
        finally:
            await connection.close()
    return found[1:]


def _entries(records: Sequence[Record], after: int) -> list[Entry]:
    at = datetime.now(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return [Entry(offset=after + number, at=at, record=record) for number, record in enumerate(records)]


def _now(server: EmbeddedPostgres) -> tuple[float, float]:
    """Return the clock, and the processor time of this process and the server."""
    assert server.pid is not None
    return time.perf_counter(), time.process_time() + processor_seconds(server.pid)


def _turn(*moments: tuple[float, float]) -> Turn:
    (began, spent), (appended, after_append), (copying, before_copy), (copied, after_copy) = moments
    return Turn(
        append=appended - began,
        copy=copied - copying,
        append_processor=after_append - spent,
        copy_processor=after_copy - before_copy,
    )
