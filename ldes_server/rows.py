"""Rows of the schema `ldes` to values, and members to rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ldes_server.keys import key_of
from ldes_server.model import Head, Published
from streams.record import Point

# The order of ldes.members, so that COPY needs no reordering.
COLUMNS = (
    "sequence", "published_at", "observed_at", "longitude", "latitude", "key", "stream", "id", "entity", "body", "deleted",
)  # fmt: skip


async def copy_members(connection: Any, stream: int, members: Sequence[Published]) -> None:
    """Copy members into the rows of the stream with this id."""
    records = _rows(stream, members)
    await connection.copy_records_to_table("members", schema_name="ldes", columns=COLUMNS, records=records)


def columns_of(members: Iterable[Published]) -> list[list[object]]:
    """Return members as the columns of `COLUMNS`, that of the stream left out; as many lists when there are none."""
    rows = [(*row[:6], *row[7:]) for row in _rows(0, members)]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in COLUMNS[1:]]


def _rows(stream: int, members: Iterable[Published]) -> Iterator[tuple[object, ...]]:
    # Made while the driver sends: the server copies the first ones before the last is made.
    for sequence, published_at, name, entity, observed_at, point, body, deleted in members:
        west, south = (point.longitude, point.latitude) if point else (None, None)
        yield sequence, published_at, observed_at, west, south, key_of(name), stream, name, entity, body, deleted


def head_of(row: Any) -> Head:
    """Read the head of a stream."""
    return Head(
        count=row["count"],
        published_at=row["published_at"],
        position=row["position"],
        first=row["first"],
        views=row["views"],
        gone=row["gone"],
    )


def published(row: Any) -> Published:
    """Read a member; the columns come in the order that all queries of members share."""
    sequence, published_at, member_id, entity, observed_at, longitude, latitude, deleted, body = row
    return Published(
        sequence=sequence,
        published_at=published_at,
        id=member_id,
        entity=entity,
        observed_at=observed_at,
        point=None if longitude is None else Point(longitude=longitude, latitude=latitude),
        body=body,
        deleted=deleted,
    )
