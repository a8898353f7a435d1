"""Members that are filled in: what the mapping would make, and what the writer would publish."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from ldes_server.log_view import leaf
from ldes_server.model import Head, PageId
from loadtests.filling import EVERY, START, Stock
from loadtests.publisher import payload, stamped, write_pilot
from smartflanders.pilots import load_plan
from streams.record import Entry, Payload
from vocab.model import load_model

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BASE = "https://data.example.org"


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    """Write the pilot of one source."""
    write_pilot(tmp_path, sources=1)
    return tmp_path


def test_filled_members_are_those_of_the_mapping(pilot: Path) -> None:
    """Of the first reading of each car park the bytes, names and places are what the mapping makes at that time."""
    (source,) = load_plan([pilot]).sources
    made = Stock(pilot, base_url=BASE, entities=30).placed(Head(count=240), 30, now=NOW).members
    moment = START + 8 * EVERY
    body = stamped(payload(0, 30), moment)
    heard = Payload(source=source.name, received_at=moment, media_type="application/json", body=body)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    members = normalise([Entry(0, moment, heard.to_record())], mapper, Memory()).members
    assert [(each.id, each.entity, each.observed_at, each.point, each.body) for each in made] == [
        (each.id, each.entity, each.observed_at, each.point, each.body) for each in members
    ]


def test_filled_batches_follow_each_other_as_the_writers_do(pilot: Path) -> None:
    """Numbers are dense, times never decrease and differ between leaves, identities never repeat, values differ."""
    stock = Stock(pilot, base_url=BASE, entities=100)
    size = stock.stream.page_size
    first = stock.placed(Head(position=7), 2 * size + 10, now=NOW)
    # The clock of the machine may go back between two batches.
    second = stock.placed(first.head, 2 * size, now=NOW - timedelta(hours=1))
    members = first.members + second.members
    assert second.base == first.head == replace(first.base, count=2 * size + 10, published_at=members[509].published_at)
    assert [each.sequence for each in members] == list(range(4 * size + 10))
    times = [each.published_at for each in members]
    assert times == sorted(times)
    assert all(times[edge - 1] < times[edge] for edge in range(size, len(times), size))
    assert leaf(PageId(level=0, index=2), members[2 * size : 3 * size], size=size) is not None
    assert len({each.id for each in members}) == len(members)
    assert len({each.entity for each in members}) == 100
    assert len({json.loads(each.body)["freeSpaces"] for each in members if each.entity == members[0].entity}) > 3
