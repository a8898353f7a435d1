"""A topic of somebody's Kafka as a source: every record once, over ends of either side; keys, tombstones and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.connectors import open_connector
from ingest.transports.kafka import KafkaSourceOptions
from streams.errors import SourceError, Trouble
from streams.record import Payload, parse_time
from tests.conftest import start_kafka
from tests.support.broker import Kafka
from tests.support.publishers import KafkaPublisher


async def taken(options: KafkaSourceOptions, *, at_least: int, cursor: bytes = b"") -> list[Payload]:
    """Poll, each time with the newest cursor, until so many payloads came."""
    found: list[Payload] = []
    async with asyncio.timeout(90), open_connector("demo", options) as connector:
        while len(found) < at_least:
            found += (await connector.poll(found[-1].cursor if found else cursor)).payloads
    return found


def bodies(payloads: Sequence[Payload], partition: int) -> list[bytes]:
    """List the bodies of a partition, in order."""
    return [each.body for each in payloads if each.message["partition"] == partition]


async def test_all_partitions_are_read_and_each_goes_on_where_it_was(kafka: Kafka) -> None:
    """From any cursor a new run brings exactly what comes behind it, in the order of each partition."""
    theirs = KafkaPublisher(kafka.servers, partitions=3)
    theirs.write([(b"k%d" % number, b"%d" % number, number % 3) for number in range(3000)])
    found = await taken(theirs.options(), at_least=3000)
    assert [bodies(found, part) for part in range(3)] == [[b"%d" % n for n in range(p, 3000, 3)] for p in range(3)]
    middle = found[1700]
    rest = await taken(theirs.options(), at_least=1299, cursor=middle.cursor)
    assert sorted(each.body for each in rest) == sorted(each.body for each in found[1701:])


async def test_keys_headers_and_time_come_along(kafka: Kafka) -> None:
    """What bindings may read of a record: key, headers, place and time; bytes that are no text in hexadecimal."""
    theirs = KafkaPublisher(kafka.servers)
    theirs.write([(b"p1", b"{}", 0), (b"\xff\x00", None, 0), (None, b"[]", 0)], site=b"Gent")
    first, second, third = await taken(theirs.options(media_type="text/csv"), at_least=3)
    said = dict(first.message)
    assert abs((datetime.now(UTC) - parse_time(said.pop("timestamp"))).total_seconds()) < 3600
    place = {"topic": theirs.topic, "partition": 0, "headers": {"site": "Gent"}}
    assert said == {**place, "offset": 0, "key": "p1"}
    assert (second.body, second.message["key"], second.message["tombstone"]) == (b"", "ff00", True)
    assert "key" not in third.message
    assert third.media_type == "text/csv"


async def test_a_start_at_the_end_leaves_the_past_alone(kafka: Kafka) -> None:
    """With `start: end` the first run begins with news; the cursor rules from then on."""
    theirs = KafkaPublisher(kafka.servers)
    theirs.publish(b"old")
    async with open_connector("demo", theirs.options(start="end")) as connector:
        assert (await connector.poll(b"")).payloads == ()
        theirs.publish(b"new")
        async with asyncio.timeout(60):
            while not (found := (await connector.poll(b"")).payloads):
                pass
    assert [each.body for each in found] == [b"new"]
    theirs.publish(b"newer")
    rest = await taken(theirs.options(start="end"), at_least=1, cursor=found[0].cursor)
    assert [each.body for each in rest] == [b"newer"]


async def test_login_and_encryption(guarded_kafka: Kafka) -> None:
    """SASL over TLS reads; a wrong password, a user without rights and an unknown authority are refusals by name."""
    theirs = KafkaPublisher(guarded_kafka.servers)
    theirs.publish(b"{}")
    door = guarded_kafka.guarded["SASL_SSL"]
    right = {"servers": door, "tls": True, "ca": guarded_kafka.certificate, "user": "gent", "password": "hush"}
    (found,) = await taken(theirs.options(**right), at_least=1)
    assert found.body == b"{}"
    for wrong in ({"password": "guess"}, {"user": "stranger", "password": "alone"}, {"ca": None}):
        with pytest.raises(SourceError) as caught:
            await taken(theirs.options(**{**right, **wrong}), at_least=1)
        assert caught.value.kind is Trouble.REFUSED, caught.value
        assert "in the source file" in caught.value.fix


@pytest.mark.slow
async def test_a_cluster_that_goes_is_named_and_read_on_when_it_is_back(tmp_path: Path) -> None:
    """Killed while it is read, the poll fails as unreachable; started again, the next run misses and doubles nothing."""
    with start_kafka(tmp_path / "cluster") as own:
        theirs = KafkaPublisher(own.servers)
        theirs.publish(b"before")
        async with asyncio.timeout(180), open_connector("demo", theirs.options()) as connector:
            while not (found := (await connector.poll(b"")).payloads):
                pass
            own.brokers[0].kill()
            with pytest.raises(SourceError) as caught:
                await _until_it_fails(connector.poll, found[0].cursor)
            assert caught.value.kind is Trouble.UNREACHABLE
            await asyncio.to_thread(own.brokers[0].restart)
            theirs.publish(b"after")
        assert [each.body for each in await taken(theirs.options(), at_least=1, cursor=found[0].cursor)] == [b"after"]


async def _until_it_fails(poll: object, cursor: bytes) -> None:
    assert callable(poll)
    while True:
        await poll(cursor)
