"""Memory: what the normaliser remembers of every entity, packed into its checkpoint."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Entities of one source; twice the measuring points of Flanders' largest feed times ten. Bounds the checkpoint.
LIMIT = 100_000

_MAGIC = b"sfm1"
_ENTRY = struct.Struct("<Hq8sq?")
# No time: the entity has been seen, but nothing of it was published yet.
NEVER = -(1 << 62)


class Seen(NamedTuple):
    """The newest item of an entity: times in milliseconds since 1970, the digest of its content.

    `published` is the observed time of its last member; `revised` says that this member's id carries its digest.
    A tuple by name: four thousand of them are copied and compared every minute.
    """

    observed: int
    digest: bytes
    published: int
    revised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The newest item per entity key."""

    seen: Mapping[str, Seen] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Pack: about 30 bytes per entity."""
        parts = [_MAGIC]
        for key, seen in self.seen.items():
            name = key.encode("utf-8", "surrogatepass")
            parts.append(_ENTRY.pack(len(name), seen.observed, seen.digest, seen.published, seen.revised))
            parts.append(name)
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, packed: bytes) -> Memory:
        """Unpack what `to_bytes` made.

        Raises:
            ValueError: these bytes are something else.

        """
        if not packed.startswith(_MAGIC):
            raise ValueError("no memory of a normaliser")
        seen: dict[str, Seen] = {}
        at = len(_MAGIC)
        try:
            while at < len(packed):
                length, *rest = _ENTRY.unpack_from(packed, at)
                at += _ENTRY.size
                name = packed[at : at + length]
                if len(name) < length:
                    raise ValueError("the memory of a normaliser is cut off")
                seen[name.decode("utf-8", "surrogatepass")] = Seen(*rest)
                at += length
        except struct.error as error:
            raise ValueError("the memory of a normaliser is cut off") from error
        return cls(seen=seen)


def bounded(seen: dict[str, Seen]) -> dict[str, Seen]:
    """Forget the entities observed longest ago when there are more than `LIMIT`."""
    if len(seen) <= LIMIT:
        return seen
    newest = sorted(seen.items(), key=lambda entry: entry[1].observed, reverse=True)
    return dict(newest[: LIMIT * 9 // 10])
