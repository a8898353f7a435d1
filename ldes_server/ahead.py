"""Ahead: guesses which leaves a reader asks for next, who goes from one to the next; pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

# At most so many leaves at once: 600 KB of compressed pages, a few milliseconds of the reader who happens to ask first.
# Several connections of a copy come to the end of what is ready together, and all of them take the slow way there.
MOST = 64
# Several connections of one reader ask for neighbours in any order.
_NEAR = 16
# Copies of one view that go on at different places at once, and views in some representation that are remembered.
_PLACES = 8
_VIEWS = 256


class Ahead:
    """Remembers for each view how far its leaves were read by those who copy it, and doubles the step while they go on.

    Only leaves that were not ready are asked about.
    """

    def __init__(self) -> None:
        # View -> for each copy the leaf before which everything was read, and its next step; the latest copy last.
        self._views: OrderedDict[Hashable, list[tuple[int, int]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._views)

    def is_near(self, view: Hashable, index: int) -> bool:
        """Whether a leaf is where a copy goes on: then it may be read already, or will be soon."""
        return any(_is_near(reach, index) for reach, _ in self._views.get(view, ()))

    def span(self, view: Hashable, index: int) -> range:
        """Return the leaves to read for whoever asks for this one: itself, and where a copy goes on some behind it."""
        places = self._views.setdefault(view, [])
        self._views.move_to_end(view)
        if len(self._views) > _VIEWS:
            self._views.popitem(last=False)
        known = next((place for place in places if _is_near(place[0], index)), None)
        if known is not None:
            places.remove(known)
        # What was read ahead and is not ready after all was never kept: no more of that.
        step = known[1] if known is not None and index >= known[0] else 1
        places.append((index + step, min(2 * step, MOST)))
        del places[:-_PLACES]
        return range(index, index + step)


def _is_near(reach: int, index: int) -> bool:
    return reach - _NEAR <= index < reach + _NEAR
