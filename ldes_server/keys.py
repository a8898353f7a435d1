"""Keys: the 16 bytes that stand for a member's id in the index that keeps twins out."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any

from asyncpg.pgproto.pgproto import UUID

# The last part of an id that a mapping gave (streams.identity.last_part): observed time, then perhaps what tells revisions apart.
_MOMENT = re.compile(r"[0-9]{2}([0-9]{6})T([0-9]{6})([0-9]{3})?Z(?:-|$)")


def key_of(member_id: str) -> Any:
    """Return the key of a member's id, as the driver's own UUID, which it builds and sends in half the time of the standard one.

    Four bytes of a hash of what stands before the last slash, which is the entity's; seven of the observed time to the
    millisecond, as a number of fifteen digits, without the century; five of a hash of the whole. Ids of another form have
    twelve bytes of that hash behind the first four. So the members of an entity lie together in the order of their times, and
    what arrives touches about a page of the index for each entity, however many members are stored; in the order of a hash it
    was a page for each member. The migration 0008_pre_keys makes the same of what is stored.

    Two ids that differ meet with one chance in 2^40 where entity and millisecond are the same, as for revisions, and in 2^72
    where only the millisecond is.
    """
    digest = _digest(member_id)
    before, _, last = member_id.rpartition("/")
    moment = _moment(last)
    return UUID(_entity(before) + moment + digest[:5] if moment else _entity(before) + digest[:12])


def former(member_id: str) -> Any:
    """Return the key that releases before 0008_pre_keys gave, which `ldes.dropped` may still hold for a while."""
    return UUID(_digest(member_id))


def _digest(member_id: str) -> bytes:
    return blake2b(member_id.encode(), digest_size=16).digest()


@lru_cache(maxsize=65_536)
def _entity(before: str) -> bytes:
    # SHA-256, because the server can make it, too.
    return sha256(before.encode()).digest()[:4]


@lru_cache(maxsize=4096)
def _moment(last: str) -> bytes:
    """Return the time of the last part of an id in seven bytes; empty where it has none."""
    found = _MOMENT.match(last)
    if found is None:
        return b""
    day, time, milliseconds = found.groups()
    return int(f"{day}{time}{milliseconds or '000'}").to_bytes(7, "big")
