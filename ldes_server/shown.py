"""Shown: the current answers of what changes, where the fast lane finds them until it changes."""

from __future__ import annotations

from ldes_server.responses import Ready, Variant

# The answers are those of `Current`, which keeps them anyway; this many may outlive their place there.
SHOWN_BYTES = 16 * 1024 * 1024

_Key = tuple[bytes, str, bool]


class Shown:
    """Answers by raw path and representation, each for the time it is sure to be current; at most `capacity` bytes.

    Times are seconds of the clock that `get` is asked with.
    """

    def __init__(self, capacity: int = SHOWN_BYTES) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: dict[_Key, tuple[Ready, float]] = {}
        self._of: dict[str, set[_Key]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """The bytes kept."""
        return self._size

    def get(self, path: bytes, media: str, gzip: bool, now: float) -> Ready | None:
        """Return the answer for a raw path in one representation, unless its time is over."""
        found = self._kept.get((path, media, gzip))
        return found[0] if found is not None and now < found[1] else None

    def put(self, stream: str, path: bytes, variant: Variant, ready: Ready, *, until: float) -> None:
        """Show an answer of a stream until a time, or until the stream is dropped."""
        if self._size + len(ready.wire) > self._capacity:
            # All that matters comes back with the next request for it.
            self.clear()
        key = (path, variant.media, variant.gzip)
        before = self._kept.get(key)
        self._size += len(ready.wire) - (0 if before is None else len(before[0].wire))
        self._kept[key] = (ready, until)
        self._of.setdefault(stream, set()).add(key)

    def drop(self, stream: str) -> None:
        """Show nothing any more of a stream that changed."""
        for key in self._of.pop(stream, ()):
            self._size -= len(self._kept.pop(key)[0].wire)

    def clear(self) -> None:
        """Show nothing."""
        self._kept.clear()
        self._of.clear()
        self._size = 0
