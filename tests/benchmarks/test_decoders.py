"""Decoders against the shortest way to the same values with the same library, in processor time."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from google.transit import gtfs_realtime_pb2
from lxml import etree
from pyoxigraph import RdfFormat, parse

from ingest.decoders.items import Break, Format, Wanted
from ingest.decoders.table import decode
from ingest.paths import parse_each

pytestmark = pytest.mark.benchmark


def vehicles() -> bytes:
    """Write the positions of 2,000 vehicles, as De Lijn sends them every quarter of a minute."""
    feed = gtfs_realtime_pb2.FeedMessage()
    feed.header.gtfs_realtime_version = "2.0"
    for number in range(2000):
        entity = feed.entity.add(id=str(number))
        vehicle = entity.vehicle
        vehicle.trip.trip_id, vehicle.trip.start_date = f"317{number}", "20261101"
        vehicle.position.latitude, vehicle.position.longitude = 51 + number / 3000, 3.7 + number / 7000
        vehicle.position.bearing, vehicle.timestamp, vehicle.vehicle.id = number % 360, 1793523600, str(number)
    written: bytes = feed.SerializeToString()
    return written


def rows() -> bytes:
    """Write a month of bicycle counts of a province."""
    counts = (f"{it % 140},IN,FIETSERS,2026-06-01 00:{it % 60:02d}:00.0,{it % 50}" for it in range(50_000))
    return "\n".join(["site,way,kind,from,count", *counts]).encode()


def page() -> bytes:
    """Write a page of 250 versions in Turtle."""
    members = (
        f"<https://x.example/feed> <https://w3id.org/tree#member> <https://x.example/{it}#1> . <https://x.example/{it}#1> "
        f"<http://purl.org/dc/terms/isVersionOf> <https://x.example/{it}> ; <https://x.example/ns#capacity> [ a "
        f'<https://x.example/ns#Free> ; <https://x.example/ns#value> {it} ] ; <https://x.example/ns#name> "P{it}"@nl .'
        for it in range(250)
    )
    return "\n".join(members).encode()


def series() -> bytes:
    """Write the newest values of 1,500 series as KiWIS answers."""
    section = {"columns": "Timestamp,Value,Quality Code", "data": [["2026-11-01T09:00:00.000+01:00", 1.52, 130]] * 4}
    return json.dumps([{"ts_id": str(number), "station_name": "Zuid", **section} for number in range(1500)]).encode()


def lanes() -> bytes:
    """Write a minute of lanes, whose classes are the items."""
    classes = "".join(f'<meetdata klasse_id="{it}"><n>{it}</n><v>88</v></meetdata>' for it in range(1, 6))
    points = "".join(f'<meetpunt id="{it}">{classes}</meetpunt>' for it in range(4000))
    return f"<miv>{points}</miv>".encode()


def _rows_by_hand(body: bytes) -> list[Any]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def _graph_by_hand(body: bytes) -> list[Any]:
    return list(parse(body, format=RdfFormat.TURTLE))


def _feed_by_hand(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(gtfs_realtime_pb2.FeedMessage.FromString(body))
    return found


# What is read, with which `each`, in which form, by what shortest way, and the least share of that way's rate.
CASES: tuple[tuple[str, Callable[[], bytes], str, str, Callable[[bytes], object], float], ...] = (
    ("gtfs-realtime", vehicles, "entity[*].vehicle[*]", "protobuf's own MessageToDict", _feed_by_hand, 1.0),
    ("csv", rows, "[*]", "csv.DictReader", _rows_by_hand, 0.3),
    ("rdf", page, "tree:member[*]", "pyoxigraph's statements", _graph_by_hand, 0.1),
    ("kiwis", series, "[*].data[*]", "orjson.loads, rows without names", orjson.loads, 0.05),
    ("xml", lanes, "miv.meetpunt[*].meetdata[*]", "lxml's tree", etree.fromstring, 0.1),
)


def spent(work: Callable[[], object]) -> float:
    """Return the processor seconds of something: the best of five."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_items_a_second_against_the_shortest_way(
    case: tuple[str, Callable[[], bytes], str, str, Callable[[bytes], object], float],
) -> None:
    """Each decoder makes its items at a fair share of the rate at which its library reads the document at all."""
    name, make, each, shortest, by_hand, least = case
    body = make()
    media_type = {"rdf": "text/turtle"}.get(name, "application/octet-stream")
    wanted = Wanted(each=(parse_each(each, nested=True),), format=Format(name=name))
    found = list(decode(body, media_type, wanted))
    assert len(found) >= 250
    assert not any(isinstance(it, Break) for it in found)
    ours = spent(lambda: list(decode(body, media_type, wanted)))
    theirs = spent(lambda: by_hand(body))
    print(f"\n{name:14} {len(found) / ours:9,.0f} items/s, {theirs / ours:.2f} of the rate of {shortest}")
    assert theirs / ours >= least
