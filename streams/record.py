"""The values that travel: Record, Entry, Payload, Member and Rejection, and how each becomes a Record.

Everything here is frozen, keyword-only and checked when built. Times are timezone-aware; on the wire they are
RFC 3339 in UTC. Bodies stay bytes from the moment they are made until they are written to a socket.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

# Payloads under this many bytes gain nothing from deflate (gzip header plus dictionary warm-up).
_COMPRESS_FROM = 512
# Level 1 costs a tenth of level 6 on the MIV minute (7 MB of XML) for 25 % more bytes on disk.
_COMPRESS_LEVEL = 1


class Reason(Enum):
    """Why a piece of input was refused; closed, because it is also a metric label."""

    MALFORMED = "malformed"  # not what its media type says: broken XML or JSON, truncated, an HTML error page
    FORBIDDEN = "forbidden"  # well-formed but unsafe: a DOCTYPE, an entity bomb, a body over the limit
    STRUCTURE = "structure"  # the list of items is not where the source file says: the feed changed shape
    MISSING = "missing"  # a required name has no value
    TYPE = "type"  # a value cannot become the type its name has in the model
    RANGE = "range"  # a number, time or coordinate outside what the model or the world allows
    CODE = "code"  # a code that the source file's table or the model's list does not know
    LOOKUP = "lookup"  # a key that the looked-up document does not have
    PRIVACY = "privacy"  # personal data would be published, and the source file does not say why it may be
    ABSENT = "absent"  # so much is missing from a snapshot that it is not believed: nothing is deleted
    FAULT = "fault"  # our own mapping failed on this record: a defect of ours, kept with the record for replay


class Record(NamedTuple):
    """What a log stores: a key, a value and small headers, all bytes to the log.

    A tuple by name, like Entry: a reader that catches up makes a quarter of a million of both a second.
    """

    key: bytes
    value: bytes
    headers: Mapping[str, bytes] = MappingProxyType({})


class Entry(NamedTuple):
    """A record with the number and the time its log gave it, once and for ever.

    Offsets of one topic are dense from 0. `at` is timezone-aware, UTC, whole milliseconds, and need not be monotone:
    whoever publishes it makes it so.
    """

    offset: int
    at: datetime
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place in WGS 84 (CRS84): degrees, longitude first. Refuses what is not on the globe."""

    longitude: float
    latitude: float

    def __post_init__(self) -> None:
        """Refuse coordinates outside the globe; NaN fails both comparisons and is refused too."""
        if not (-180 <= self.longitude <= 180 and -90 <= self.latitude <= 90):
            raise ValueError(f"no place on earth: longitude {self.longitude}, latitude {self.latitude}")


@lru_cache(maxsize=4096)
def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time that carries a zone; remembered like `format_time`, whose output it reads most.

    Raises:
        ValueError: the text is no such time, or has no zone.

    """
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return value.astimezone(UTC)


@lru_cache(maxsize=4096)
def format_time(value: datetime) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds: `2026-11-23T20:00:44.123Z`.

    Remembered, because all members of a batch share a few times: pages of 250 are put together three times as fast.
    Milliseconds because JavaScript clients' dates stop there; anything finer is cut off, never rounded up.
    """
    utc = value.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _aware(name: str, value: datetime) -> None:
    if value.tzinfo is None:
        raise ValueError(f"{name} must carry a time zone")


def _refuse_unspliceable(name: str, body: bytes) -> None:
    if not (body.startswith(b'{"@id":"') and body.endswith(b"}")):
        raise ValueError(f'the body of {name} must be one JSON object that starts with {{"@id":"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One answer of a publisher, as received: the content of `raw.<source>`.

    `cursor` is the connector's bookmark after this payload; polling again with it means that everything up to and
    including this payload is safe in the log.
    """

    source: str
    received_at: datetime
    media_type: str
    body: bytes
    cursor: bytes = b""

    def __post_init__(self) -> None:
        """Refuse a naive time."""
        _aware("received_at", self.received_at)

    def to_record(self) -> Record:
        """Pack for the log; bodies are deflated (zlib) when that saves space, which header `encoding` says."""
        headers = {
            "received_at": format_time(self.received_at).encode(),
            "media_type": self.media_type.encode(),
            "cursor": self.cursor,
        }
        body = self.body
        if len(body) >= _COMPRESS_FROM:
            packed = zlib.compress(body, _COMPRESS_LEVEL)
            if len(packed) < len(body):
                body = packed
                headers["encoding"] = b"deflate"
        return Record(key=self.source.encode(), value=body, headers=headers)

    @classmethod
    def from_record(cls, record: Record) -> Payload:
        """Unpack what `to_record` made."""
        body = record.value
        if record.headers.get("encoding") == b"deflate":
            body = zlib.decompress(body)
        return cls(
            source=record.key.decode(),
            received_at=parse_time(record.headers["received_at"].decode()),
            media_type=record.headers["media_type"].decode(),
            body=body,
            cursor=record.headers.get("cursor", b""),
        )


class Member(NamedTuple):
    """One immutable member of a stream, encoded once; checked when it is packed, and when it is unpacked.

    `id` identifies the member wherever the platform is reached: the path below its public address
    (`<stream>/members/<feature>/<time>`), or an absolute IRI for members that others minted.
    `entity` is the absolute IRI of the thing this member is a version or an observation of.
    `observed_at` is timezone-aware.
    `body` is one compact JSON-LD object in its model's own context, without `@context`: it starts with
    `{"@id":"<absolute IRI>"` and ends with `}`, so that a page can splice in what only the log knows.
    Members that belong together have the same `transaction`, in one topic; the last of them `closes` it.
    A tuple by name, like Record: the normaliser makes forty thousand a second.
    """

    id: str
    entity: str
    observed_at: datetime
    body: bytes
    point: Point | None = None
    transaction: str = ""
    closes: bool = False

    def to_record(self) -> Record:
        """Pack for `members.<stream>`: key = entity, value = body, the rest in headers.

        Raises:
            ValueError: its time is naive, or its body one that a page could not splice.

        """
        name, entity, observed_at, body, point, transaction, closes = self
        if observed_at.tzinfo is None:
            raise ValueError(f"observed_at of {name} must carry a time zone")
        _refuse_unspliceable(name, body)
        headers = {"id": name.encode(), "observed_at": format_time(observed_at).encode()}
        if point is not None:
            headers["point"] = f"{point.longitude!r} {point.latitude!r}".encode()
        if transaction:
            headers["transaction"] = transaction.encode()
            if closes:
                headers["closes"] = b"1"
        return Record(entity.encode(), body, headers)

    @classmethod
    def from_record(cls, record: Record) -> Member:
        """Unpack what `to_record` made.

        Raises:
            ValueError, KeyError: the record is not a member (somebody else wrote to the topic).

        """
        point = None
        if packed := record.headers.get("point"):
            longitude, latitude = packed.decode().split(" ")
            point = Point(longitude=float(longitude), latitude=float(latitude))
        name = record.headers["id"].decode()
        _refuse_unspliceable(name, record.value)
        return cls(
            id=name,
            entity=record.key.decode(),
            observed_at=parse_time(record.headers["observed_at"].decode()),
            point=point,
            body=record.value,
            transaction=record.headers.get("transaction", b"").decode(),
            closes="closes" in record.headers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A piece of input that did not become a member: what was wrong, where, and where the raw bytes are.

    `offset` is the entry of `raw.<source>` it came from; `path` names the place inside it (`$.results[17].lat`,
    `/miv/meetpunt[@unieke_id='29']/tijd_waarneming`); `detail` is the sentence for people; `excerpt` the offending
    bytes, at most 500 of them.
    """

    source: str
    offset: int
    path: str
    reason: Reason
    detail: str
    excerpt: bytes = b""

    def to_record(self) -> Record:
        """Pack for `rejected.<source>`."""
        return Record(
            key=self.reason.value.encode(),
            value=self.excerpt[:500],
            headers={
                "source": self.source.encode(),
                "offset": str(self.offset).encode(),
                "path": self.path.encode(),
                "detail": self.detail.encode(),
            },
        )

    @classmethod
    def from_record(cls, record: Record) -> Rejection:
        """Unpack what `to_record` made."""
        return cls(
            source=record.headers["source"].decode(),
            offset=int(record.headers["offset"]),
            path=record.headers["path"].decode(),
            reason=Reason(record.key.decode()),
            detail=record.headers["detail"].decode(),
            excerpt=record.value,
        )


def raw_topic(source: str) -> str:
    """Name the topic that keeps a source's payloads as received."""
    return f"raw.{source}"


def members_topic(stream: str) -> str:
    """Name the topic that carries a stream's members: one partition, one writer."""
    return f"members.{stream}"


def rejected_topic(source: str) -> str:
    """Name the topic that keeps what a source sent and we refused."""
    return f"rejected.{source}"


def state_topic(source: str) -> str:
    """Name the topic whose last entry is the normaliser's checkpoint: memory and raw offset, saved as one."""
    return f"state.{source}"
