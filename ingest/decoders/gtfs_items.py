"""GTFS-Realtime feeds (protobuf) to items: entities as objects with the names of the specification."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.transit import gtfs_realtime_pb2

from ingest.decoders.items import Break, Item, Spread, Wanted
from streams.record import Reason

_EXCERPT = 200
# Numbers of the fields of a FeedMessage, and the wire types of protobuf.
_HEADER, _ENTITY = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10


def gtfs_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the entities of a feed, or what `each` takes of them, such as `entity[*].trip_update.stop_time_update[*]`.

    An entity without that is no item. Fields that are not sent are not there; choices are the specification's words (`SCHEDULED`), one that it does not
    have is its number. The header is at the root (`$.header.timestamp`). An entity that cannot be read is one break; a
    feed that breaks off keeps what was before.
    """
    each = next((each for each in wanted.each if each.before == ("entity",)), None)
    if each is None:
        yield _refused(Reason.STRUCTURE, "$", f"a feed has no {wanted.each[0].text}; write each: entity[*]", body)
        return
    root: dict[str, Any] = {}
    fields, broken = _fields(body)
    header = b"".join(content for number, content in fields if number == _HEADER)
    if not header:
        yield _refused(Reason.MALFORMED, "$", broken or "the document is no GTFS-Realtime feed: it has no header", body)
        return
    try:
        root["header"] = _object(gtfs_realtime_pb2.FeedHeader.FromString(header))
    except DecodeError as error:
        yield _refused(Reason.MALFORMED, "$.header", f"the document is no GTFS-Realtime feed: {error}", body)
        return
    spread = Spread(each, root)
    place = "$.entity[*]" + ("" if each.inner else "".join(f".{step}" for step in each.after))
    for index, content in enumerate(content for number, content in fields if number == _ENTITY):
        try:
            entity = _object(gtfs_realtime_pb2.FeedEntity.FromString(content))
        except DecodeError as error:
            yield _refused(Reason.MALFORMED, f"$.entity[{index}]", f"the entity cannot be read: {error}", content)
        else:
            yield from spread.items(entity, place, index)
    if broken:
        yield _refused(Reason.MALFORMED, "$", broken, body[-_EXCERPT:])


def _refused(reason: Reason, path: str, detail: str, excerpt: bytes) -> Break:
    return Break(reason=reason, path=path, detail=detail, excerpt=excerpt[:_EXCERPT])


def _fields(body: bytes) -> tuple[list[tuple[int, bytes]], str]:
    """Cut a message into its fields, without reading what is in them; say where and why that ends too early."""
    fields: list[tuple[int, bytes]] = []
    position = 0
    while position < len(body):
        tag, start = _varint(body, position)
        number, wire = tag >> 3, tag & 7
        end = 0
        if wire == _BYTES:
            length, start = _varint(body, start)
            end = start + length
        elif wire in _FIXED:
            end = start + _FIXED[wire]
        elif wire == _VARINT:
            _, end = _varint(body, start)
        if not number or not position < start <= end <= len(body):
            return fields, f"the feed breaks off at byte {position} of {len(body)}"
        if wire == _BYTES:
            fields.append((number, body[start:end]))
        position = end
    return fields, ""


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """Read a number of variable length; return it and where it ends, 0 where it does not end."""
    value = 0
    for at in range(_LONGEST_VARINT):
        if position + at >= len(body):
            break
        byte = body[position + at]
        value |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            return value, position + at + 1
    return 0, 0


def _object(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_extension:
            continue
        if field.is_repeated:
            found[field.name] = [_value(field, it) for it in value]
        else:
            found[field.name] = _value(field, value)
    return found


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _object(value)
    if field.type == FieldDescriptor.TYPE_ENUM:
        names: Mapping[int, Any] = field.enum_type.values_by_number
        return names[value].name if value in names else value
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _shortest(value)
    return value


def _shortest(value: float) -> float:
    """Write a single-precision number as people would: 3.7303, not 3.7302999496459961."""
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return value
