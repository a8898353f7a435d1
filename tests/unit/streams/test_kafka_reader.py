"""Entries out of Kafka's records, also of those that somebody else wrote."""

from __future__ import annotations

from types import SimpleNamespace

from streams.kafka_reader import EPOCH, entries_of
from streams.record import Record


def test_what_kafka_lets_be_absent_is_empty() -> None:
    """A record without key, value or a header's value (Kafka allows each) is an entry with empty bytes there."""
    absent = SimpleNamespace(offset=4, timestamp=0, key=None, value=None, headers=(("id", None), ("point", b"4 51")))
    whole = SimpleNamespace(offset=5, timestamp=0, key=b"k", value=b"v", headers=(("id", b"a"),))
    first, second = entries_of([absent, whole])
    assert first.record == Record(key=b"", value=b"", headers={"id": b"", "point": b"4 51"})
    assert second.record == Record(key=b"k", value=b"v", headers={"id": b"a"})
    assert (first.offset, second.offset, first.at) == (4, 5, EPOCH)
