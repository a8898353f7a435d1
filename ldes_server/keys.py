"""Keys: the 16 bytes that stand for a member's id in the index that keeps twins out."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from asyncpg.pgproto.pgproto import UUID

# The last part of an id as a mapping gives it (streams.identity.last_part): the observed time, then what tells revisions apart.
_MOMENT = re.compile(r"[0-9]{2}([0-9]{6})T([0-9]{6})([0-9]{3})?Z(?:-|$)")


def key_of(member_id: str) -> Any:
    """Return the key of a member's id: the driver's UUID, which it builds and sends in half the time of the standard one.

    Seven bytes of the observed time to the millisecond, a number of fifteen digits without the century, then nine of
    BLAKE2b over the id. What arrives was observed about now, so it is written into the last pages of the index; in the order
    of hashes each member was written into a page of its own, which costs the more the larger the index is. An id without a
    time has sixteen bytes of the hash. The migration 0008_pre_keys makes the same of what is stored.

    Two ids of the same millisecond meet with one chance in 2^72, others never or with one in 2^128.
    """
    digest = _digest(member_id)
    return UUID((_moment(member_id.rpartition("/")[2]) + digest)[:16])


def former(member_id: str) -> Any:
    """Return the key that releases before 0008_pre_keys gave, which `ldes.dropped` may still hold for a while."""
    return UUID(_digest(member_id))


def _digest(member_id: str) -> bytes:
    return blake2b(member_id.encode(), digest_size=16).digest()


@lru_cache(maxsize=4096)
def _moment(last: str) -> bytes:
    """Return the time of the last part of an id in seven bytes; empty where it has none."""
    found = _MOMENT.match(last)
    if found is None:
        return b""
    day, time, milliseconds = found.groups()
    return int(f"{day}{time}{milliseconds or '000'}").to_bytes(7, "big")
