"""When a disk will be full: parts that grow at a steady pace, of which some are dropped after a while; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

_DAY = timedelta(days=1)
# Nobody plans further; a disk that lasts longer is said never to be full.
HORIZON = timedelta(days=36_500)
# How exact the answer is.
_STEP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something on the disk: its `size` in bytes, the bytes that `daily` come, and how far back it reaches (`held`).

    `kept` is how long what came stays; None for ever.
    """

    name: str
    size: float
    daily: float
    held: timedelta
    kept: timedelta | None = None

    def growth(self, after: timedelta) -> float:
        """Return how many bytes more of the disk it will have taken after a while; never less than a while before.

        What it holds now is taken to have come evenly. Dropping makes room for what comes to this part, but gives the
        disk nothing back, as in PostgreSQL.
        """
        if self.kept is None:
            return max(0.0, self._net(after))
        turns = (self.kept - self.held, self.kept)
        seen = [after, *(turn for turn in turns if timedelta(0) < turn < after)]
        return max(0.0, *(self._net(moment) for moment in seen))

    def _net(self, after: timedelta) -> float:
        added = self.daily * (after / _DAY)
        if self.kept is None:
            return added
        # Of what there is now, the oldest goes first; of what comes, nothing before it has been kept so long.
        gone = max(0.0, (after - (self.kept - self.held)) / _DAY)
        held = self.held / _DAY
        old = self.size * min(1.0, gone / held) if held > 0 else (self.size if gone > 0 else 0.0)
        return added - old - self.daily * max(0.0, (after - self.kept) / _DAY)


def growth(parts: Iterable[Part], after: timedelta) -> float:
    """Return how many bytes more all parts will have taken after a while."""
    return sum(part.growth(after) for part in parts)


def full_after(parts: Sequence[Part], free: float) -> timedelta | None:
    """Return after how long so many free bytes will be taken, to ten minutes; None when that is beyond `HORIZON`."""
    return _first(lambda after: growth(parts, after) >= free)


def _first(holds: Callable[[timedelta], bool]) -> timedelta | None:
    """Halve the time until it is known when something begins to hold that holds from then on."""
    low, high = 0, HORIZON // _STEP
    if not holds(high * _STEP):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle * _STEP) else (middle + 1, high)
    return low * _STEP


def unlimited(parts: Iterable[Part], names: Iterable[str]) -> list[Part]:
    """Return the parts as they would be if those of these names were kept for ever."""
    forever = frozenset(names)
    return [replace(part, kept=None) if part.name in forever else part for part in parts]
