"""What is watched while a scenario runs, as series over its seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from loadtests.outcome import Series


class Timeline:
    """Takes values as they are seen, from any thread, and gives them as series; `began` is its second zero."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.began = clock()
        self._points: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._totals: dict[str, tuple[float, float]] = {}

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return self._clock() - self.began

    def add(self, name: str, unit: str, value: float) -> None:
        """Note a value of now."""
        self._points.setdefault((name, unit), []).append((round(self.seconds, 3), value))

    def total(self, name: str, unit: str, total: float, *, every: float = 0.5) -> None:
        """Note how much there is of what only grows; once in `every` seconds its growth a second becomes a value.

        A total that fell began again at zero: it makes no value.
        """
        now = self.seconds
        since, before = self._totals.setdefault(name, (now, total))
        if total < before:
            self._totals[name] = (now, total)
        elif now - since >= every:
            self._totals[name] = (now, total)
            self.add(name, unit, (total - before) / (now - since))

    def sparse(self, name: str, unit: str, value: float, *, every: float = 0.5) -> None:
        """Note a value of now, unless one of this name was noted less than so many seconds ago."""
        points = self._points.get((name, unit))
        if not points or self.seconds - points[-1][0] >= every:
            self.add(name, unit, value)

    def series(self) -> tuple[Series, ...]:
        """Return everything noted so far, in the order in which names came up."""
        return tuple(
            Series(name=name, unit=unit, points=tuple(points)) for (name, unit), points in list(self._points.items())
        )
