"""MQTT packets: read however they are cut, refused where they are none, written as the standard says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.connectors.mqtt_packets import (
    CUT,
    V5,
    V311,
    Connected,
    Ended,
    Login,
    Message,
    Packet,
    Parser,
    Pong,
    ProtocolError,
    Subscribed,
    acknowledge,
    connect,
    matches,
    reason,
    subscribe,
)


def text(word: str) -> bytes:
    """Write a text with its length, as MQTT does."""
    return len(word.encode()).to_bytes(2, "big") + word.encode()


def sized(body: bytes) -> bytes:
    """Write a length below two million, then the body: the standard's own pseudo code."""
    rest, said = len(body), b""
    while True:
        digit, rest = rest % 128, rest // 128
        said += bytes((digit + 128 if rest else digit,))
        if not rest:
            return said + body


def published(topic: str, body: bytes, *, number: int = 7, flags: int = 0x02, properties: bytes | None = b"") -> bytes:
    """Write a PUBLISH; without `properties` one of version 3.1.1."""
    head = text(topic) + (number.to_bytes(2, "big") if flags & 0x06 else b"")
    return bytes((0x30 | flags,)) + sized(head + (b"" if properties is None else sized(properties)) + body)


STREAM = b"".join(
    (
        b"\x20\x03\x01\x00\x00",
        b"\x90\x05\x00\x01\x00\x01\x87",
        published("a/b", b"{}"),
        published("a/long", b"x" * 20_000, number=65_535, flags=0x0B),
        published("q0", b"", flags=0x00),
        b"\xd0\x00",
        b"\xe0\x02\x8e\x00",
    )
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_packets_are_read_however_they_are_cut(cuts: list[int]) -> None:
    """Wherever the network cuts the bytes, the same packets come out, in order."""
    parser = Parser(version=V5, limit=2**20)
    places = [0, *sorted(cuts), len(STREAM)]
    found: list[Packet] = []
    for start, end in pairwise(places):
        found += parser.feed(STREAM[start:end])
    assert found[:2] == [Connected(session=True, code=0, keep_alive=0), Subscribed((1, 0x87))]
    assert found[2] == Message("a/b", b"{}", 7, False, False, {}, 2)
    assert found[3] == Message("a/long", b"x" * 20_000, 65_535, True, True, {}, 20_000)
    assert found[4:] == [Message("q0", b"", 0, False, False, {}, 0), Pong(), Ended(0x8E)]


def test_properties_reach_the_message() -> None:
    """MQTT 5, 3.3.2.3: content type, those of users by name, numbers as numbers; what follows them is the body."""
    properties = b"\x03" + text("text/csv") + b"\x26" + text("site") + text("Gent") + b"\x26" + text("n") + text("2")
    properties += b"\x01\x01" + b"\x02\x00\x00\x01\x00" + b"\x09\x00\x02\xff\x00" + b"\x0b\x81\x01"
    (message,) = Parser(version=V5, limit=1000).feed(published("t", b"1;2", properties=properties))
    assert isinstance(message, Message)
    assert message.body == b"1;2"
    assert message.properties == {
        "content_type": "text/csv",
        "user": {"site": "Gent", "n": "2"},
        "payload_format": 1,
        "message_expiry": 256,
        "correlation_data": "ff00",
        "subscription": 129,
    }


def test_version_3_has_no_properties() -> None:
    """In 3.1.1 the body begins behind the packet's number, and CONNACK is two bytes."""
    parser = Parser(version=V311, limit=1000)
    found = parser.feed(b"\x20\x02\x00\x05" + published("t", b"\x00{}", properties=None))
    assert found == [Connected(session=False, code=5, keep_alive=0), Message("t", b"\x00{}", 7, False, False, {}, 3)]
    assert reason(5) == "not authorised"


@pytest.mark.parametrize("size", [11, 200_000, 400_000])
def test_a_message_that_is_too_long_is_cut_and_the_next_one_is_whole(size: int) -> None:
    """Its beginning, its number and its true size are kept, in bounded memory, and reading goes on behind it."""
    parser = Parser(version=V5, limit=10)
    data = published("t", b"y" * size) + published("t", b"next")
    found = [packet for start in range(0, len(data), 1000) for packet in parser.feed(data[start : start + 1000])]
    assert [(each.size, each.number) for each in found if isinstance(each, Message)] == [(size, 7), (4, 7)]
    assert [len(each.body) for each in found if isinstance(each, Message)] == [min(size, CUT), 4]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\xff\xff\xff\xff\xff",
        b"\x30\x02\x00\x09",
        b"\x32\x03\x00\x01a",
        b"\x30\x05\x00\x01a\x02\x7f",
        b"\x30\x05\x00\x01\xff\x00x",
        b"\x20\x00",
        b"\x00\x00",
    ],
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    """Another protocol, a length without end, a topic, number or property beyond the packet, and no UTF-8."""
    with pytest.raises(ProtocolError):
        Parser(version=V5, limit=1000).feed(data)


def test_what_we_write_is_as_the_standard_says() -> None:
    """CONNECT keeps the session and gives its life and our limit; SUBSCRIBE asks for QoS 1; PUBACKs stand in a row."""
    login = Login(version=V5, client_id="c", keep_alive=60, session=86_400, in_flight=10_000, user="u", password="p")
    head = text("MQTT") + b"\x05\xc0\x00\x3c" + b"\x08\x11\x00\x01\x51\x80\x21\x27\x10"
    assert connect(login) == b"\x10" + sized(head + text("c") + text("u") + text("p"))
    plain = Login(version=V311, client_id="c", keep_alive=60, session=0, in_flight=1)
    assert connect(plain) == b"\x10\x0d" + text("MQTT") + b"\x04\x00\x00\x3c" + text("c")
    assert subscribe(["a/+", "#"], qos=1, version=V311) == b"\x82" + sized(
        b"\x00\x01" + text("a/+") + b"\x01\x00\x01#\x01"
    )
    assert subscribe(["a"], qos=1, version=V5) == b"\x82\x07\x00\x01\x00" + text("a") + b"\x11"
    assert acknowledge([1, 65_535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"


@pytest.mark.parametrize(
    ("topic_filter", "topic", "fits"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/+", "/a", True),
        ("#", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("$share/group/a/+", "a/b", True),
        ("$share/group/a/+", "b/b", False),
        ("a", "A", False),
    ],
)
def test_filters_match_as_the_standard_says(topic_filter: str, topic: str, fits: bool) -> None:
    """MQTT 5, 4.7 and 4.8.2: wildcards by level, topics of the server apart, the group of a shared one left out."""
    assert matches(topic_filter, topic) is fits
