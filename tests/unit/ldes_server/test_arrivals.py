"""Arrivals: what a record of the member topic says is what its member said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ldes_server.arrivals import read
from streams.record import Member, Point

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

points = st.builds(Point, longitude=st.floats(-180, 180), latitude=st.floats(-90, 90))


@given(st.none() | points, st.integers(0, 10**9), st.sampled_from(["", "payload/7", "é"]))
def test_a_member_is_read_as_it_was_packed(point: Point | None, milliseconds: int, transaction: str) -> None:
    """Id, entity, time, place, transaction and body of a member come back from its record, and the body parsed."""
    member = Member(
        id="s/members/é",
        entity="https://example.org/é",
        observed_at=NOON + timedelta(milliseconds=milliseconds),
        point=point,
        body='{"@id":"https://example.org/s/é","name":"a"}'.encode(),
        transaction=transaction,
    )
    found = read(member.to_record())
    assert found is not None
    assert found[:-1] == (*(member.id, member.entity, member.observed_at), point, transaction, member.body)
    assert found.parsed == {"@id": "https://example.org/s/é", "name": "a"}


def test_an_empty_point_is_none() -> None:
    """Kafka makes an absent value of a header empty: such a member has no place, and is one all the same."""
    member = Member(id="a", entity="https://example.org/e", observed_at=NOON, body=b'{"@id":"https://example.org/a"}')
    record = member.to_record()
    found = read(record._replace(headers={**record.headers, "point": b""}))
    assert found is not None
    assert found.point is None
