"""Records that should not be there, written straight into a topic with a bare client of the log beneath."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
from aiokafka import AIOKafkaProducer

from streams.packs import pack_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """A record as somebody else may write it: Kafka also takes none at all for its key, its value and its headers."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Mapping[str, bytes | None] = field(default_factory=dict)


_STAMPED = {"received_at": b"2026-11-23T12:00:00Z", "media_type": b"application/xml", "cursor": b"{}"}
_MEMBER = {"id": b"x/members/1", "observed_at": b"2026-11-23T12:00:00Z"}
ANYWHERE = (
    Poison(),
    Poison(key=b"\xff\xfe", value=b"\x00" * 100, headers={"id": None, "offset": None, "received_at": None}),
)
RAW = (
    *ANYWHERE,
    Poison(key=b"x", value=b"not deflated", headers={**_STAMPED, "encoding": b"deflate"}),
    Poison(key=b"x", value=b"<miv><meetpunt", headers=_STAMPED),
    Poison(key=b"x", value=b"[" * 100_000, headers={**_STAMPED, "media_type": b"application/json"}),
)
MEMBERS = (
    *ANYWHERE,
    Poison(key=b"https://example.org/e", value=b"<html>", headers=_MEMBER),
    Poison(key=b"https://example.org/e", value=b'{"@id":"x"}', headers=_MEMBER),
    Poison(key=b"https://example.org/e", value=b'{"@id":"https://example.org/ > <a"}', headers=_MEMBER),
    Poison(key=b"https://example.org/e", value=b'{"@id":"https://example.org/a","@id":7}', headers=_MEMBER),
    Poison(key=b"https://example.org/e", value=b'{"@id":"https://example.org/a","sequence":1}', headers=_MEMBER),
)
STATE = (*ANYWHERE, Poison(key=b"x", value=b"sfm1\x00\x01", headers={"offset": b"1"}))


def write(records: Sequence[Poison], topic: str, *, dsn: str, brokers: str | None) -> None:
    """Append records to a topic of the log, on Kafka where brokers are named."""
    asyncio.run(_to_postgres(records, topic, dsn) if brokers is None else _to_kafka(records, topic, brokers))


async def _to_kafka(records: Sequence[Poison], topic: str, brokers: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=brokers.split(",")) as producer:
        for record in records:
            batch = producer.create_batch()
            headers = list(record.headers.items())
            batch.append(key=record.key, value=record.value, timestamp=None, headers=headers)
            batch.close()
            await (await producer.send_batch(batch, topic, partition=0))


async def _to_postgres(records: Sequence[Poison], topic: str, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for record in records:
            headers = pack_headers({name: value or b"" for name, value in record.headers.items()})
            await connection.execute(
                "WITH place AS (UPDATE log.topics SET next = next + 1 WHERE name = $1 RETURNING id, next - 1 AS number)"
                " INSERT INTO log.packs (number, at, topic, headers, key, value)"
                " SELECT number, clock_timestamp(), id, $2, $3, $4 FROM place",
                *(topic, headers, record.key or b"", record.value or b""),
            )
    finally:
        await connection.close()
