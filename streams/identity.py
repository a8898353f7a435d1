"""Identity: the names of members, the same whenever and wherever they are made again."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import urlsplit

_SAFE = re.compile(r"[A-Za-z0-9._~-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9._~-]+")
# Characters of a slug before its hash; longer keys add nothing a person reads.
_LONGEST = 80


@lru_cache(maxsize=100_000)
def slug(key: str) -> str:
    """Make one path segment of an entity's key: itself when it is safe, else its safe part and 8 hex of its hash."""
    if _SAFE.fullmatch(key) and len(key) <= _LONGEST and key.strip("."):
        return key
    readable = key
    if key.startswith(("http://", "https://")):
        readable = _last_segment(key)
    readable = _UNSAFE.sub("-", readable).strip("-.")[:_LONGEST]
    mark = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{readable}-{mark}" if readable else mark


def _last_segment(key: str) -> str:
    try:
        path = urlsplit(key).path
    except ValueError:
        return ""
    return next((part for part in reversed(path.split("/")) if part), "")


def member_id(stream: str, key: str, observed_at: datetime, *, revision: bytes = b"", deletes: bool = False) -> str:
    """Return the identity of a member: stream, entity, observed time, and the digest of a revision or `deleted`."""
    return members_of(stream, key) + last_part(observed_at, revision=revision, deletes=deletes)


def members_of(stream: str, key: str) -> str:
    """Return what the identities of all members of an entity begin with; `last_part` comes behind it."""
    return f"{stream}/members/{slug(key)}/"


def last_part(observed_at: datetime, *, revision: bytes = b"", deletes: bool = False) -> str:
    """Return what tells the members of an entity from each other."""
    if revision or deletes:
        return f"{_compact(observed_at)}-{'deleted' if deletes else revision.hex()[:8]}"
    return _compact(observed_at)


def transaction_id(source: str, received_at: datetime, offset: int) -> str:
    """Return the key of what the members of one payload share: the source, when it was received, and its raw offset."""
    return f"{source}/{_compact(received_at)}-{offset}"


@lru_cache(maxsize=4096)
def _compact(moment: datetime) -> str:
    """Write a UTC time as part of a path, milliseconds only where there are any; remembered, for many share a time."""
    fraction = f"{moment.microsecond // 1000:03d}" if moment.microsecond >= 1000 else ""
    return f"{moment.isoformat()[:19].replace('-', '').replace(':', '')}{fraction}Z"
