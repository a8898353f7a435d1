"""Members that were read and not written yet: until nothing can come before them, or only until the page is taken."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction

from testbed.client.order import Bound, Key, Order

# A member's identity, its publication time and its line.
Line = tuple[bytes, Fraction | None, bytes]


class Waiting:
    """Keeps members in order, and says of each page when its last member is written."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._free: deque[tuple[int, Line]] = deque()
        self._sorted: list[tuple[Key, int, int, Line]] = []
        self._names: set[bytes] = set()
        self._count = 0
        self._left: dict[int, int] = {}
        self._closing: dict[int, Callable[[], None]] = {}

    def has(self, name: bytes) -> bool:
        """Say whether a member waits."""
        return name in self._names

    def times(self) -> list[Fraction]:
        """Return the time of the earliest member that waits for its turn, if one does."""
        return [self._sorted[0][0].time] if self._sorted else []

    def add(self, page: int, key: Key | None, line: Line) -> None:
        """Let a member of a page wait; without a key it waits for nothing."""
        self._names.add(line[0])
        self._left[page] = self._left.get(page, 0) + 1
        self._count += 1
        if key is None:
            self._free.append((page, line))
        else:
            heapq.heappush(self._sorted, (key, self._count, page, line))

    def close(self, page: int, done: Callable[[], None]) -> None:
        """Call `done` once all of the page's members are written: at once, if none waits."""
        if self._left.get(page):
            self._closing[page] = done
        else:
            done()

    def ready(self, until: Bound | None) -> Iterator[Line]:
        """Give the members that no member of a branch with this bound can precede; all, if there is no branch."""
        while self._free:
            yield from self._give(*self._free.popleft())
        while self._sorted and (until is None or not self._order.may_precede(until, self._sorted[0][0])):
            _, _, page, line = heapq.heappop(self._sorted)
            yield from self._give(page, line)

    def _give(self, page: int, line: Line) -> Iterator[Line]:
        self._names.discard(line[0])
        yield line
        self._left[page] -= 1
        if not self._left[page]:
            del self._left[page]
            if (done := self._closing.pop(page, None)) is not None:
                done()
