"""The writer's decisions: what a batch of log entries adds to a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.model import Head, Published, Stream
from ldes_server.writer import claimed, place
from streams.record import Entry, Member, Record
from vocab.model import Model

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STREAM = Stream(
    name="s",
    model=cast("Model", None),  # places are decided without looking into the model
    title={},
    description={},
    publisher_name="",
    publisher_iri="",
    licence="",
    page_size=3,
    fan=2,
)


def member(key: object = 0, **changes: object) -> Member:
    """Make a member; `key` tells members apart."""
    made = Member(
        id=f"s/members/{key}",
        entity="https://example.org/e",
        observed_at=NOON,
        body=json.dumps({"@id": f"https://example.org/s/members/{key}"}, separators=(",", ":")).encode(),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


def entry(offset: int, made: Member | Record, at: datetime = NOON) -> Entry:
    """Put a member or any record at an offset of the log."""
    return Entry(offset=offset, at=at, record=made.to_record() if isinstance(made, Member) else made)


def times(seconds: Sequence[float]) -> list[Entry]:
    """Make a log whose clock shows these seconds, one member each."""
    return [entry(n, member(n), NOON + timedelta(seconds=second)) for n, second in enumerate(seconds)]


def test_members_are_numbered_densely_from_the_head() -> None:
    """The first new member takes the head's count, the head moves on, the position is the last entry's offset."""
    head = Head(count=7, published_at=NOON, position=40)
    placed = place([entry(41, member("a")), entry(44, member("b"))], STREAM, head=head, known=())
    assert [each.sequence for each in placed.members] == [7, 8]
    assert placed.base == head
    assert placed.head == Head(count=9, published_at=placed.members[-1].published_at, position=44)


def test_a_member_is_published_as_it_came() -> None:
    """Id, entity, observed time, place and body reach the store unchanged."""
    made = member(0, id="s/members/x/é ü'\"\\%2F", body='{"@id":"https://example.org/é","name":"a \\"b\\""}'.encode())
    [published] = place([entry(0, made)], STREAM, head=Head(), known=()).members
    assert (published.id, published.entity, published.observed_at, published.point, published.body) == (
        made.id, made.entity, made.observed_at, made.point, made.body,
    )  # fmt: skip


def test_identities_are_published_once() -> None:
    """What is known, and what repeats inside the batch, is counted and not published (LDES-27)."""
    entries = [entry(n, member(key)) for n, key in enumerate("abacb")]
    placed = place(entries, STREAM, head=Head(), known={"s/members/c"})
    assert [each.id for each in placed.members] == ["s/members/a", "s/members/b"]
    assert placed.duplicates == 3
    assert placed.head.position == 4


def test_a_batch_of_duplicates_only_moves_the_position() -> None:
    """When nothing is new, count and time stay and the position moves on, so the batch is not read again."""
    head = Head(count=1, published_at=NOON, position=0)
    placed = place([entry(1, member("a"))], STREAM, head=head, known={"s/members/a"})
    assert placed.head == replace(head, position=1)
    assert placed.members == ()


@pytest.mark.parametrize(
    "record",
    [
        Record(key=b"", value=b""),
        Record(key=b"e", value=b'{"@id":"x"}'),
        member().to_record()._replace(key=b"\xff"),
        member().to_record()._replace(key=b""),
        member().to_record()._replace(key=b"https://example.org/" + b"e" * 2000),
        member().to_record()._replace(value=b"<html>"),
        member().to_record()._replace(value=b'{"@id":"https://example.org/a" oops}'),
        member().to_record()._replace(value=b'{"@id":"x\xff"}'),
        member().to_record()._replace(value=b'{"@id":"x"}'),
        member().to_record()._replace(value=b'{"@id":""}'),
        member().to_record()._replace(value=b'{"@id":"https://example.org/ > <a"}'),
        member().to_record()._replace(value=b'{"@id":"https://example.org/a","@id":"https://example.org/b"}'),
        member().to_record()._replace(value=b'{"@id":"https://example.org/a","@id":7}'),
        member().to_record()._replace(value=b'{"@id":"https://example.org/a","sequence":3}'),
        member()
        .to_record()
        ._replace(value=b'{"@id":"https://example.org/a","generatedAtTime":"2026-01-01T00:00:00Z"}'),
        member().to_record()._replace(value=b'{"@id":"https://example.org/a","@context":{}}'),
        member().to_record()._replace(headers={"id": b"s/1", "observed_at": b"yesterday"}),
        member().to_record()._replace(headers={"id": b"s/1", "observed_at": b"2026-01-01T00:00:00"}),
        member().to_record()._replace(headers={"id": b"s/1", "observed_at": b"0001-01-01T00:00:00+23:00"}),
        member().to_record()._replace(headers={"id": b"s\0/1", "observed_at": b"2026-01-01T00:00:00Z"}),
        member().to_record()._replace(headers={"id": b"s/1", "observed_at": b"2026-01-01T00:00:00Z", "point": b"4"}),
    ],
)
def test_what_is_no_member_never_blocks_the_stream(record: Record) -> None:
    """A record that no page could show is named by its offset, and its neighbours are published."""
    entries = [entry(5, member("a")), entry(6, record), entry(7, member("b"))]
    claimed(entries)
    placed = place(entries, STREAM, head=Head(position=4), known=())
    assert placed.foreign == (6,)
    assert [each.sequence for each in placed.members] == [0, 1]
    assert placed.head.position == 7
    assert placed.duplicates == 0


def test_claimed_ids_are_those_of_the_members() -> None:
    """The ids looked up before placing are those that placing compares."""
    assert claimed([entry(0, member("a")), entry(1, member("é"))]) == {"s/members/a", "s/members/é"}


def test_publication_time_is_the_log_time_in_milliseconds() -> None:
    """The log's append time is cut to the milliseconds that survive on the wire."""
    at = NOON.replace(microsecond=123999)
    [published] = place([entry(0, member(), at)], STREAM, head=Head(), known=()).members
    assert published.published_at == NOON.replace(microsecond=123000)


def test_a_clock_that_steps_back_does_not_take_the_stream_along() -> None:
    """When the log's clock steps back, publication time stands still instead (LDES-29)."""
    head = Head(count=1, published_at=NOON + timedelta(hours=1), position=0)
    placed = place([entry(1, member("a"))], STREAM, head=head, known=())
    assert placed.members[0].published_at == NOON + timedelta(hours=1)


def test_leaves_never_share_a_moment() -> None:
    """The first member of a leaf is published at least a millisecond after the last one of the leaf before."""
    placed = place(times([0] * 7), STREAM, head=Head(), known=())
    milliseconds = [(each.published_at - NOON) / timedelta(milliseconds=1) for each in placed.members]
    assert milliseconds == [0, 0, 0, 1, 1, 1, 2]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.integers(1, 39))
def test_order_does_not_depend_on_batches(seconds: list[float], cut: int) -> None:
    """Any clock and any cut into batches give the same publication: dense, never back, strict between leaves."""
    entries = times(seconds)
    whole = place(entries, STREAM, head=Head(), known=())
    parts: list[Published] = []
    head = Head()
    for part in (entries[:cut], entries[cut:]):
        if part:
            placed = place(part, STREAM, head=head, known=())
            parts += placed.members
            head = placed.head
    assert tuple(parts) == whole.members
    assert head == whole.head
    for before, after in pairwise(parts):
        assert after.sequence == before.sequence + 1
        assert after.published_at >= before.published_at
        assert after.published_at > before.published_at or after.sequence % STREAM.page_size
