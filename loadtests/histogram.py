"""Times as an HDR histogram: three digits exact from a microsecond to ten minutes, in 200 KB whatever their number."""

from __future__ import annotations

from hdrh.histogram import HdrHistogram

from loadtests.outcome import Latency

_LEAST_US, _MOST_US, _DIGITS = 1, 600_000_000, 3
# What a report shows; the last is the worst.
PERCENTILES = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)


class Histogram:
    """Takes times one by one; not for two threads at once.

    A time below a microsecond counts as one, a time above ten minutes as ten minutes.
    """

    def __init__(self) -> None:
        self._held = HdrHistogram(_LEAST_US, _MOST_US, _DIGITS)

    def add(self, seconds: float) -> None:
        """Take one time."""
        self._held.record_value(min(max(round(seconds * 1e6), _LEAST_US), _MOST_US))

    def merge(self, other: Histogram) -> None:
        """Take every time of another histogram, which keeps them."""
        self._held.add(other._held)

    @property
    def count(self) -> int:
        """How many times were taken."""
        return int(self._held.get_total_count())

    def at(self, percentile: float) -> float:
        """Return the time in milliseconds that so many percent (0 to 100) of all times do not exceed; 0 when there are none."""
        if not self.count:
            return 0.0
        # The library rounds to the nearest rank, by which no percentile would be the least time.
        value = self._held.get_min_value() if percentile == 0 else self._held.get_value_at_percentile(percentile)
        return float(value) / 1000

    def latency(self, name: str) -> Latency:
        """Return what was taken as a value for an outcome."""
        shown = PERCENTILES if self.count else ()
        return Latency(name=name, count=self.count, percentiles=tuple((at, self.at(at)) for at in shown))

    def to_bytes(self) -> bytes:
        """Pack everything, to hand it to another process; `from_bytes` is the way back."""
        return bytes(self._held.encode())

    @classmethod
    def from_bytes(cls, packed: bytes) -> Histogram:
        """Unpack what `to_bytes` packed."""
        histogram = cls()
        histogram._held.decode_and_add(packed)
        return histogram
