"""Shown: the current answers of pages that change, where the fast lane finds them until the next version is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ldes_server.model import PageId
from ldes_server.responses import Ready, Variant

# The answers are those of `Current`, which keeps them anyway; this many may outlive their place there.
SHOWN_BYTES = 16 * 1024 * 1024

_Key = tuple[bytes, str, bool]


class Edition(NamedTuple):
    """An answer, the version that it shows (ascending), and the time until which it may be shown."""

    ready: Ready
    version: tuple[int, ...]
    until: float


class _Place:
    """Where one answer is shown, and whether anybody asked for it since."""

    __slots__ = ("asked", "expected", "page", "ready", "until", "variant", "version")

    def __init__(self, page: PageId, variant: Variant, edition: Edition) -> None:
        self.page = page
        self.variant = variant
        self.ready, self.version, self.until = edition
        self.asked = False
        self.expected = 0.0


class Shown:
    """Answers by raw path and representation, each for the time it may be shown; at most `capacity` bytes.

    Times are seconds of the clock that `get` is asked with.
    """

    def __init__(self, capacity: int = SHOWN_BYTES) -> None:
        self._capacity = capacity
        self._size = 0
        self._places: dict[_Key, _Place] = {}
        self._of: dict[str, set[_Key]] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def size(self) -> int:
        """The bytes kept."""
        return self._size

    def get(self, path: bytes, media: str, gzip: bool, now: float) -> Ready | None:
        """Return the answer for a raw path in one representation, unless its time is over."""
        place = self._places.get((path, media, gzip))
        if place is None or now >= place.until:
            return None
        place.asked = True
        return place.ready

    def put(self, stream: str, page: PageId, variant: Variant, edition: Edition) -> None:
        """Show an answer in place of the one before; an older version than is shown is left out."""
        key = _key(stream, page, variant)
        before = self._places.get(key)
        if before is not None and before.version > edition.version:
            return
        self._remove(stream, key)
        if self._size + len(edition.ready.wire) > self._capacity:
            # What matters comes back with the next request for it.
            self.clear()
        place = self._places[key] = _Place(page, variant, edition)
        place.expected = 0.0 if before is None else before.expected
        self._of.setdefault(stream, set()).add(key)
        self._size += len(edition.ready.wire)

    def expect(self, stream: str, page: PageId, variant: Variant, *, until: float) -> None:
        """Take it that somebody asks for a page that is shown, as far as what fades goes, at `until` or before."""
        place = self._places.get(_key(stream, page, variant))
        if place is not None:
            place.expected = until

    def forget(self, stream: str, page: PageId, variant: Variant) -> None:
        """Show one answer no longer."""
        self._remove(stream, _key(stream, page, variant))

    def fade(self, stream: str, *, until: float) -> None:
        """Show of a stream that changed what is asked for until `until` at most, and nothing else."""
        for key in tuple(self._of.get(stream, ())):
            place = self._places[key]
            if until <= place.expected:
                place.asked = True
            if place.asked:
                place.until = min(place.until, until)
            else:
                self._remove(stream, key)

    def pages(self, stream: str) -> list[tuple[PageId, Variant]]:
        """Return the pages of a stream that are shown."""
        places = [self._places[key] for key in self._of.get(stream, ())]
        return [(place.page, place.variant) for place in places]

    def asked(self, stream: str) -> Iterator[tuple[PageId, Variant]]:
        """Give the pages of a stream that were asked for since they were put here, the root last.

        Who sees by the root that a leaf is full must find it full.
        """
        places = [place for key in self._of.get(stream, ()) if (place := self._places[key]).asked]
        for place in sorted(places, key=lambda place: place.page.is_root):
            yield place.page, place.variant

    def drop(self, stream: str) -> None:
        """Show nothing of a stream."""
        for key in tuple(self._of.get(stream, ())):
            self._remove(stream, key)

    def clear(self) -> None:
        """Show nothing."""
        self._places.clear()
        self._of.clear()
        self._size = 0

    def _remove(self, stream: str, key: _Key) -> None:
        place = self._places.pop(key, None)
        if place is not None:
            self._size -= len(place.ready.wire)
            self._of[stream].discard(key)


def _key(stream: str, page: PageId, variant: Variant) -> _Key:
    return page.path(stream).encode(), variant.media, variant.gzip
