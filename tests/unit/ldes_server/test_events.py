"""Events: what a listener is sent, and the ring they share."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ldes_server.events import HEARTBEAT, Ring, end, event, events, gap, hello, rewound
from ldes_server.model import Published

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONTEXT = b"https://example.org/models/parking"


def member(sequence: int, body: bytes = b'{"@id":"https://example.org/1","name":"x"}') -> Published:
    """Make a member."""
    return Published(sequence=sequence, published_at=NOON, id="1", entity="e", observed_at=NOON, point=None, body=body)


def fields(text: bytes) -> dict[str, str]:
    """Read one event."""
    assert text.endswith(b"\n\n")
    assert b"\n\n" not in text[:-2]
    return dict(line.split(": ", 1) for line in text.decode().splitlines() if line)


def test_a_member_is_one_line_of_json_ld() -> None:
    """The id is the sequence number; the data is the member as pages have it, with its context, in one line."""
    found = fields(event(member(7), CONTEXT))
    assert (found["id"], found["event"]) == ("7", "member")
    assert json.loads(found["data"]) == {
        "@context": CONTEXT.decode(),
        "@id": "https://example.org/1",
        "name": "x",
        "generatedAtTime": "2026-11-23T12:00:00.000Z",
        "sequence": 7,
    }


def test_line_breaks_between_tokens_do_not_break_the_event() -> None:
    """A body that is written over several lines is still one line of data, and says the same."""
    body = b'{"@id":"https://example.org/1",\r\n "name":\n"a\\nb"}'
    found = fields(event(member(0, body), CONTEXT))
    assert json.loads(found["data"])["name"] == "a\nb"


def test_other_events_carry_where_to_resume() -> None:
    """A greeting and a gap move the id that a client comes back with; a heartbeat is a comment; an end says why."""
    assert fields(hello(after=-1, retry=1500)) == {"retry": "1500", "id": "-1"}
    found = fields(gap(3, 9))
    assert (found["id"], json.loads(found["data"])) == ("8", {"from": 3, "to": 8, "reason": "no longer kept"})
    found = fields(rewound(99, 20))
    assert (found["id"], json.loads(found["data"])) == ("19", {"from": 20, "to": 98, "reason": "not published yet"})
    assert fields(end("slow"))["event"] == "end"
    assert HEARTBEAT.startswith(b":")


def test_what_is_missing_before_members_is_said_first() -> None:
    """Whoever waits for a member that is gone gets a gap and then the members; without a gap the members alone."""
    two = [member(5), member(6)._replace(id="2")]
    assert events(two, CONTEXT, start=5) == event(two[0], CONTEXT) + event(two[1], CONTEXT)
    assert events(two, CONTEXT, start=2) == gap(2, 5) + events(two, CONTEXT, start=5)


@given(
    st.integers(0, 50),
    st.lists(st.lists(st.binary(min_size=1, max_size=9), max_size=6), max_size=20),
    st.integers(1, 60),
)
def test_a_ring_gives_the_end_of_the_log_from_any_place(start: int, batches: list[list[bytes]], capacity: int) -> None:
    """Taking again and again from any number that the ring has gives exactly the events from there to the end."""
    ring, log = Ring(start, capacity=capacity), list[bytes]()
    for batch in batches:
        ring.extend(batch)
        log += batch
        assert ring.high == start + len(log)
        held = log[ring.low - start :]
        assert sum(map(len, held)) <= capacity or len(held) == 1
    for place in range(ring.low, ring.high):
        found, following = b"", place
        while following < ring.high:
            data, after = ring.take(following, most=capacity // 2)
            assert after > following
            found, following = found + data, after
        assert found == b"".join(log[place - start :])
    ring.restart(1000)
    assert (ring.low, ring.high) == (1000, 1000)
