"""GTFS-Realtime feeds (protobuf) to items: entities as objects with the names of the specification."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
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
_SINGLE = struct.Struct("f")
# Nine digits tell any two numbers of single precision apart; publishers write five or six.
_DIGITS = ("%.6g", "%.7g", "%.8g")


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
        name, read, is_many = _KNOWN.get(field) or _learnt(field)
        if is_many:
            found[name] = [read(it) for it in value]
        elif name:
            found[name] = value if read is None else read(value)
    return found


# What becomes of a field: its name (none of an extension), how its value is read, and whether it has several.
_KNOWN: dict[FieldDescriptor, tuple[str, Any, bool]] = {}


def _learnt(field: FieldDescriptor) -> tuple[str, Any, bool]:
    """Look a field up once: asking its description each time takes longer than reading it."""
    read: Callable[[Any], Any] | None = None
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        read = _object
    elif field.type == FieldDescriptor.TYPE_ENUM:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        read = partial(_named, names)
    elif field.type == FieldDescriptor.TYPE_FLOAT:
        read = _shortest
    elif field.is_repeated:
        read = _same
    found = ("" if field.is_extension else field.name, read, field.is_repeated and not field.is_extension)
    _KNOWN[field] = found
    return found


def _named(names: Mapping[int, str], number: int) -> Any:
    return names.get(number, number)


def _same(value: Any) -> Any:
    return value


def _shortest(value: float) -> float:
    """Write a single-precision number as people would: 3.7303, not 3.7302999496459961."""
    packed = _SINGLE.pack(value)
    for form in _DIGITS:
        short = float(form % value)
        if _SINGLE.pack(short) == packed:
            return short
    return value
