"""The load scenario's parts: what its publisher sends, and how long its payloads were waited for."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from loadtests.end_to_end import waits
from loadtests.publisher import Publisher, write_pilot
from smartflanders.pilots import load_plan
from streams.record import Entry, Payload
from vocab.model import load_model

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def polled(publisher: Publisher, source: int) -> bytes:
    """Ask the publisher once, as a collector does."""
    async with publisher.serving() as origin:
        request = urllib.request.Request(f"{origin}/publisher.example.org/{source}")
        with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
            body: bytes = answer.read()
            return body


async def test_every_item_of_a_payload_becomes_a_member(tmp_path: Path) -> None:
    """The pilot has no fault, and each item that the publisher sends is news to its mapping."""
    write_pilot(tmp_path, sources=2)
    plan = load_plan([tmp_path])
    assert [stream.name for stream in plan.streams] == ["load"]
    publisher = Publisher(lambda: 30)
    publisher.prepare(2, 30)
    body = await polled(publisher, 1)
    source = plan.sources[1]
    mapper = compile_mapping(source, load_model(source.model), base_url="https://data.example.org")
    received = datetime.now(UTC)
    payload = Payload(source=source.name, received_at=received, media_type="application/json", body=body)
    outcome = normalise([Entry(0, received, payload.to_record())], mapper, Memory())
    assert (len(outcome.members), outcome.rejections) == (30, [])
    assert publisher.items == 30
    assert {member.observed_at for member in outcome.members} == {publisher.sent[0][0]}


async def test_a_publisher_sends_what_is_wanted() -> None:
    """Payloads hold as many items as are wanted when they are asked for, and each carries the time it was sent."""
    wanted = [2, 3]
    publisher = Publisher(lambda: wanted.pop(0))
    for items in wanted:
        publisher.prepare(1, items)
    assert [len(json.loads(await polled(publisher, 0))["items"]) for _ in range(2)] == [2, 3]
    assert [count for _, count in publisher.sent] == [2, 5]


def test_a_payload_is_waited_for_until_it_or_a_later_one_is_seen() -> None:
    """What shows a later payload shows the earlier ones, an older page seen afterwards changes nothing."""
    at = [NOON + timedelta(seconds=second) for second in range(10)]
    seen = [(at[2], at[0]), (at[4], at[3]), (at[5], at[1]), (at[7], at[6])]
    assert waits([at[0], at[1], at[3], at[6]], seen) == [2, 3, 1, 1]
    assert waits([at[8]], seen) == []
