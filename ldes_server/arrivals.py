"""Arrivals: what a record of the member topic says of a member, or that no page could ever show it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from streams.record import Point, Record, parse_time
from vocab.lexical import is_iri
from vocab.versions import FINAL_KEY, TRANSACTION_KEY

# What a page or the writer itself adds, or a page says once for all members; a member that brings its own would say it
# twice (LDES-30).
RESERVED = frozenset({"generatedAtTime", "sequence", "@context", TRANSACTION_KEY, FINAL_KEY})
# Ids and entities are keys of b-trees, whose entries end at 2,700 bytes; real addresses end long before.
LONGEST_ADDRESS = 2000

_new: Any = tuple.__new__


class Arrival(NamedTuple):
    """A member as it came, and its body parsed; a tuple, as it is made for every record (see streams.record.Member)."""

    id: str
    entity: str
    observed_at: datetime
    point: Point | None
    transaction: str
    body: bytes
    parsed: Mapping[str, Any]


def read(record: Record) -> Arrival | None:
    """Read what `Member.to_record` packed; None for what a page could never show, however it came into the topic."""
    key, body, headers = record
    if not (body.startswith(b'{"@id":"') and body.endswith(b"}")):
        return None
    try:
        name, packed = headers["id"], headers.get("point")
        observed_at = parse_time(headers["observed_at"].decode())
        point = None if packed is None else _point(packed)
        transaction = headers["transaction"].decode() if "transaction" in headers else ""
        parsed = orjson.loads(body)
        if not (RESERVED.isdisjoint(parsed) and _is_named(body, parsed["@id"]) and len(transaction) <= LONGEST_ADDRESS):
            return None
        arrival = (name.decode(), key.decode(), observed_at, point, transaction, body, parsed)
    except (ValueError, KeyError, OverflowError):
        return None
    return _new(Arrival, arrival) if _is_address(name) and _is_address(key) else None


# Things that stand still say the same point again and again.
@lru_cache(maxsize=16_384)
def _point(packed: bytes) -> Point | None:
    if not packed:
        return None
    longitude, latitude = packed.decode().split(" ")
    return Point(longitude=float(longitude), latitude=float(latitude))


def _is_named(body: bytes, iri: object) -> bool:
    # Pages take the IRI from the start of the body as it stands, and put it between angle brackets.
    return isinstance(iri, str) and is_iri(iri) and body.startswith(b'{"@id":"%s"' % iri.encode())


def _is_address(text: bytes) -> bool:
    # PostgreSQL's text holds every character but NUL.
    return 0 < len(text) <= LONGEST_ADDRESS and b"\0" not in text
