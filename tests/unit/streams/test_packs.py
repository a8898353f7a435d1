"""Packs: what goes into the rows of the log comes out of them, in order and with its numbers."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from streams.packs import PACK_BYTES, PACK_RECORDS, pack, pack_headers, unpack, unpack_headers
from streams.record import Entry, Record

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

headers = st.dictionaries(st.sampled_from(["id", "point", "naïef", ""]), st.binary(max_size=12), max_size=4)
records = st.builds(Record, key=st.binary(max_size=9), value=st.binary(max_size=99), headers=headers)


@given(st.lists(records, max_size=30))
def test_records_survive_their_packs(given: list[Record]) -> None:
    """Whatever records hold, and whichever of them lack which headers, they come back in order, numbered to the last."""
    entries: list[Entry] = []
    for packed in pack(given):
        assert packed.size == sum(len(each.key) + len(each.value) for each in given[len(entries) :][: packed.records])
        entries += unpack(len(entries) + packed.records - 1, NOON, packed)
    assert [entry.record for entry in entries] == given
    assert [entry.offset for entry in entries] == list(range(len(given)))
    assert {entry.at for entry in entries} <= {NOON}


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=100), max_size=6))
def test_headers_survive_their_framing(headers: dict[str, bytes]) -> None:
    """Whatever headers hold, they come back."""
    assert unpack_headers(pack_headers(headers)) == headers


def test_packs_are_bounded() -> None:
    """A pack ends with so many records, or with the one that passes so many bytes."""
    small = [Record(key=b"", value=b"x")] * (2 * PACK_RECORDS + 1)
    assert [packed.records for packed in pack(small)] == [PACK_RECORDS, PACK_RECORDS, 1]
    large = [Record(key=b"", value=bytes(PACK_BYTES // 2))] * 5
    assert [packed.records for packed in pack(large)] == [2, 2, 1]


def test_one_record_is_kept_as_it_is() -> None:
    """A pack of one record is the row that releases before packs wrote: framed headers, key, value."""
    alone = Record(key=b"k", value=b"v" * 1000, headers={"id": b"a"})
    (packed,) = pack([alone])
    assert (packed.headers, packed.key, packed.value) == (b"\x00\x02\x00\x00\x00\x01ida", b"k", b"v" * 1000)


def test_likeness_is_packed_away() -> None:
    """Members that look like each other take a small part of their bytes."""
    alike = [Record(key=b"%d" % number, value=b'{"free":%d,"of":"car park"}' % number * 20) for number in range(400)]
    (packed,) = pack(alike)
    assert len(packed.value) < packed.size / 4
