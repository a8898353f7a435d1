"""Current: answers that change, each kept with the version it shows, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from ldes_server.responses import Ready

# 32 MB: the roots and open pages of a hundred streams in every form, and the newest states of many thousand things.
CURRENT_BYTES = 32 * 1024 * 1024


class _Kept(NamedTuple):
    version: Hashable
    ready: Ready


class Current:
    """Answers by key, one version of each, up to `capacity` bytes; the one unused longest leaves first."""

    def __init__(self, capacity: int = CURRENT_BYTES) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """The bytes kept."""
        return self._size

    def get(self, key: Hashable, version: Hashable) -> Ready | None:
        """Return the answer under a key if it shows this version, and remember that it was used."""
        kept = self._kept.get(key)
        if kept is None or kept.version != version:
            return None
        self._kept.move_to_end(key)
        return kept.ready

    def put(self, key: Hashable, version: Hashable, ready: Ready) -> None:
        """Keep an answer in place of the one before; one larger than the whole memory is not kept."""
        if (before := self._kept.pop(key, None)) is not None:
            self._size -= len(before.ready.wire)
        if len(ready.wire) > self._capacity:
            return
        self._kept[key] = _Kept(version, ready)
        self._size += len(ready.wire)
        while self._size > self._capacity:
            _, gone = self._kept.popitem(last=False)
            self._size -= len(gone.ready.wire)
