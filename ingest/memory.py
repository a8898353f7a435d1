"""Memory: what the normaliser remembers of every entity, packed into its checkpoint."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Entities of one source; twice the measuring points of Flanders' largest feed times ten. Bounds the checkpoint.
LIMIT = 100_000

_MAGIC = b"sfm2"
# Of the release before: without the newest time, and with one flag less.
_OLDER = b"sfm1"
_NEWEST = struct.Struct("<q")
_ENTRY = struct.Struct("<Hq8sqB")
_REVISED, _DELETED = 1, 2
# No time: the entity has been seen, but nothing of it was published yet.
NEVER = -(1 << 62)


class Seen(NamedTuple):
    """The newest item of an entity: times in milliseconds since 1970, the digest of its content.

    `published` is the observed time of its last member; `revised` says that this member's id carries its digest,
    `deleted` that it is a deletion, which has the times for its own.
    A tuple by name: four thousand of them are copied and compared every minute.
    """

    observed: int
    digest: bytes
    published: int
    revised: bool
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The newest item per entity key; `newest` is the newest time of all payloads where absences count."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    newest: int = NEVER

    def to_bytes(self) -> bytes:
        """Pack: about 30 bytes per entity."""
        parts = [_MAGIC, _NEWEST.pack(self.newest)]
        for key, seen in self.seen.items():
            name = key.encode("utf-8", "surrogatepass")
            flags = seen.revised * _REVISED + seen.deleted * _DELETED
            parts.append(_ENTRY.pack(len(name), seen.observed, seen.digest, seen.published, flags))
            parts.append(name)
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, packed: bytes) -> Memory:
        """Unpack what `to_bytes` made.

        Raises:
            ValueError: these bytes are something else.

        """
        if not packed.startswith((_MAGIC, _OLDER)):
            raise ValueError("no memory of a normaliser")
        seen: dict[str, Seen] = {}
        at, newest = len(_MAGIC), NEVER
        try:
            if packed.startswith(_MAGIC):
                (newest,) = _NEWEST.unpack_from(packed, at)
                at += _NEWEST.size
            while at < len(packed):
                length, observed, digest, published, flags = _ENTRY.unpack_from(packed, at)
                at += _ENTRY.size
                name = packed[at : at + length]
                if len(name) < length:
                    raise ValueError("the memory of a normaliser is cut off")
                seen[name.decode("utf-8", "surrogatepass")] = Seen(
                    observed, digest, published, bool(flags & _REVISED), bool(flags & _DELETED)
                )
                at += length
        except struct.error as error:
            raise ValueError("the memory of a normaliser is cut off") from error
        return cls(seen=seen, newest=newest)


def bounded(seen: dict[str, Seen]) -> dict[str, Seen]:
    """Forget the entities observed longest ago when there are more than `LIMIT`."""
    if len(seen) <= LIMIT:
        return seen
    newest = sorted(seen.items(), key=lambda entry: entry[1].observed, reverse=True)
    return dict(newest[: LIMIT * 9 // 10])
