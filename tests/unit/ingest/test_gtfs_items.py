"""GTFS-Realtime: every field of a feed is in its items, and what is broken costs its own entity only."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.transit import gtfs_realtime_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decoders.items import Break, Item
from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, sample, values

STOPS = "entity[*].trip_update.stop_time_update[*]"
TEXT = st.text("abcXYZ:é", max_size=8)
EVENT = st.builds(
    lambda delay, time: gtfs_realtime_pb2.TripUpdate.StopTimeEvent(delay=delay, time=time),
    st.integers(-600, 30_000),
    st.integers(0, 2**40),
)
TRIP = st.builds(
    lambda name, date: gtfs_realtime_pb2.TripDescriptor(trip_id=name, start_date=date), TEXT, st.just("20190709")
)
STOP = st.builds(
    lambda sequence, event, relationship: gtfs_realtime_pb2.TripUpdate.StopTimeUpdate(
        stop_sequence=sequence, departure=event, schedule_relationship=relationship
    ),
    st.none() | st.integers(0, 99),
    st.none() | EVENT,
    st.none() | st.sampled_from([0, 1, 2]),
)
UPDATE = st.builds(
    lambda trip, stops: gtfs_realtime_pb2.TripUpdate(trip=trip, stop_time_update=stops),
    TRIP,
    st.lists(STOP, max_size=4),
)
VEHICLE = st.builds(
    lambda latitude, trip, status: gtfs_realtime_pb2.VehiclePosition(
        trip=trip, position=gtfs_realtime_pb2.Position(latitude=latitude, longitude=3.7), current_status=status
    ),
    st.floats(-90, 90, width=32),
    st.none() | TRIP,
    st.sampled_from([0, 1, 2]),
)
ENTITY = st.builds(
    lambda name, update, vehicle: gtfs_realtime_pb2.FeedEntity(id=name, trip_update=update, vehicle=vehicle),
    TEXT,
    st.none() | UPDATE,
    st.none() | VEHICLE,
)


def feed(entities: list[Any], **header: Any) -> bytes:
    """Write a feed as an operator does."""
    head = gtfs_realtime_pb2.FeedHeader(gtfs_realtime_version="2.0", **header)
    written: bytes = gtfs_realtime_pb2.FeedMessage(header=head, entity=entities).SerializeToString()
    return written


def gtfs(body: bytes, *each: str) -> list[Item | Break]:
    """Decode a feed."""
    return read(body, *each, media_type="application/x-protobuf")


def as_read(message: Any) -> Any:
    """Read a message with the library's own writer of JSON, its whole numbers as such."""
    found = MessageToDict(message, preserving_proto_field_name=True)

    def mended(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: mended(it, name) for name, it in value.items()}
        if isinstance(value, list):
            return [mended(it, key) for it in value]
        # Its JSON writes 64-bit numbers as texts.
        return int(value) if key in ("time", "timestamp") else value

    return mended(found)


@settings(max_examples=60, deadline=None)
@given(entities=st.lists(ENTITY, max_size=5))
def test_items_are_what_the_library_reads(entities: list[Any]) -> None:
    """Whatever is in a feed, its entities are what the library's own conversion to JSON says of them."""
    found = values(gtfs(feed(entities, timestamp=1562672408), "entity[*]"))
    wanted = [as_read(entity) for entity in entities]
    for ours, theirs in zip(found, wanted, strict=True):
        for item in (ours, theirs):
            position = item.get("vehicle", {}).get("position")
            if position is not None:
                # Both write single precision shortly; that is the same number.
                position["latitude"] = struct.pack("f", position["latitude"])
                position["longitude"] = struct.pack("f", position["longitude"])
        assert ours == theirs


@settings(max_examples=60, deadline=None)
@given(entities=st.lists(ENTITY, max_size=5))
def test_lists_inside_entities_have_their_entity_around_them(entities: list[Any]) -> None:
    """Stops and vehicles are as many as the feed has, in its order, each with the trip and the entity it is of."""
    body = feed(entities)
    stops = [(entity.id, it.stop_sequence) for entity in entities for it in entity.trip_update.stop_time_update]
    assert [(it["^"]["id"], it.get("stop_sequence", 0)) for it in values(gtfs(body, STOPS))] == stops
    vehicles = [entity.id for entity in entities if entity.HasField("vehicle")]
    assert [it["^"]["id"] for it in values(gtfs(body, "entity[*].vehicle[*]"))] == vehicles


@settings(max_examples=60, deadline=None)
@given(entities=st.lists(ENTITY, min_size=1, max_size=4), data=st.data())
def test_a_feed_that_breaks_off_keeps_what_was_before(entities: list[Any], data: st.DataObject) -> None:
    """Of a truncated feed the whole entities are items, and the break says where it ends."""
    body = feed(entities)
    kept = data.draw(st.integers(len(feed([])) + 1, len(body) - 1))
    whole = sum(len(feed(entities[:count])) <= kept for count in range(1, len(entities) + 1))
    found = gtfs(body[:kept], "entity[*]")
    assert len(values(found)) == whole
    assert len(breaks(found)) == (len(feed(entities[:whole])) != kept)


def test_a_broken_entity_costs_itself() -> None:
    """An entity whose bytes are none is one break with its number; the next one is read."""
    good = [gtfs_realtime_pb2.FeedEntity(id="a"), gtfs_realtime_pb2.FeedEntity(id="c")]
    broken = b"\x12\x03\x0a\x7f\x01"
    body = feed(good[:1]) + broken + feed(good)[len(feed(good[:1])) :]
    found = gtfs(body, "entity[*]")
    assert [it["id"] for it in values(found)] == ["a", "c"]
    assert [(it.path, it.reason) for it in breaks(found)] == [("$.entity[1]", Reason.MALFORMED)]


def test_what_the_specification_does_not_know_is_its_number() -> None:
    """A choice of tomorrow is kept as a number, and a field of tomorrow is skipped."""
    trip = gtfs_realtime_pb2.TripDescriptor(trip_id="t", schedule_relationship="CANCELED")
    entity = gtfs_realtime_pb2.FeedEntity(id="a", trip_update=gtfs_realtime_pb2.TripUpdate(trip=trip))
    found = values(gtfs(feed([entity]) + b"\x98\x3f\x01" + b"\xa1\x3f" + bytes(8), "entity[*]"))
    assert found[0]["trip_update"]["trip"] == {"trip_id": "t", "schedule_relationship": "CANCELED"}


@pytest.mark.parametrize(
    ("body", "each", "said"),
    [
        (b"\x00\x01\x02", "entity[*]", "breaks off at byte 0"),
        (b"\x12\x03\x0a\x01a", "entity[*]", "no header"),
        (b'{"fault": "quota"}', "entity[*]", "breaks off"),
        (feed([]), "results[*]", "write each: entity[*]"),
        (b"<html>502</html>", "entity[*]", "HTML"),
        (b"\x0a\x02\x0a\x7f", "entity[*]", "no GTFS-Realtime feed"),
        (b"\xff" * 40, "entity[*]", "breaks off at byte 0"),
    ],
)
def test_what_is_no_feed_says_so(body: bytes, each: str, said: str) -> None:
    """Other bytes, other messages and error pages are one break each."""
    found = gtfs(body, each)
    assert values(found) == []
    assert [said in it.detail for it in breaks(found)] == [True]


def test_a_server_without_media_type_is_understood() -> None:
    """A feed is known by its header where the server says octet-stream only."""
    body = feed([gtfs_realtime_pb2.FeedEntity(id="a")], timestamp=1)
    found = read(body, "entity[*]", media_type="application/octet-stream")
    assert values(found) == [{"id": "a"}]
    assert isinstance(found[0], Item)
    assert found[0].root["header"] == {"gtfs_realtime_version": "2.0", "timestamp": 1}


@pytest.mark.parametrize("name", ["feed-20190709.pb", "nmbs-20190316.pb", "nmbs-cancellation-20190604.pb"])
def test_recorded_feeds_are_read_whole(name: str) -> None:
    """Every entity and every stop of three recorded feeds is an item with the library's values."""
    body = sample(f"gtfs-rt/{name}")
    message = gtfs_realtime_pb2.FeedMessage.FromString(body)
    found = gtfs(body, "entity[*]")
    assert values(found) == [as_read(entity) for entity in message.entity]
    assert isinstance(found[0], Item)
    assert found[0].root["header"].get("timestamp", 0) == message.header.timestamp
    stops = sum(len(entity.trip_update.stop_time_update) for entity in message.entity)
    assert len(gtfs(body, STOPS)) == stops > 200


def test_single_precision_is_written_as_people_would() -> None:
    """A coordinate of a vehicle is not lengthened by its way through four bytes."""
    position = gtfs_realtime_pb2.Position(latitude=51.0536, longitude=3.7303, speed=math.inf)
    entity = gtfs_realtime_pb2.FeedEntity(id="a", vehicle=gtfs_realtime_pb2.VehiclePosition(position=position))
    (found,) = values(gtfs(feed([entity]), "entity[*].vehicle[*]"))
    assert found["position"] == {"latitude": 51.0536, "longitude": 3.7303, "speed": math.inf}
