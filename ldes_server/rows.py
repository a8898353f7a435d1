"""Rows of the schema `ldes` to values, and members to rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ldes_server.database import identity
from ldes_server.model import Head, Published
from streams.record import Point

# The order of ldes.members, so that COPY needs no reordering.
COLUMNS = (
    "sequence", "published_at", "observed_at", "longitude", "latitude", "identity", "stream", "id", "entity", "body", "deleted",
)  # fmt: skip


async def copy_members(connection: Any, stream: int, members: Sequence[Published]) -> None:
    """Copy members into the rows of the stream with this id."""
    records = [
        (
            member.sequence,
            member.published_at,
            member.observed_at,
            member.point.longitude if member.point else None,
            member.point.latitude if member.point else None,
            identity(member.id),
            stream,
            member.id,
            member.entity,
            member.body,
            member.deleted,
        )
        for member in members
    ]
    await connection.copy_records_to_table("members", schema_name="ldes", columns=COLUMNS, records=records)


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
