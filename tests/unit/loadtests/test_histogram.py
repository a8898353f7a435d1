"""The histogram of times: percentiles to three digits, merged and packed without loss."""

from __future__ import annotations

import random

import pytest

from loadtests.histogram import PERCENTILES, Histogram


def test_percentiles_are_right_to_three_digits() -> None:
    """Of the times 1 to 10,000 ms in any order each percentile is the number it names."""
    histogram = Histogram()
    for milliseconds in random.Random(7).sample(range(1, 10_001), 10_000):
        histogram.add(milliseconds / 1000)
    latency = histogram.latency("all")
    assert (latency.name, latency.count) == ("all", 10_000)
    assert [at for at, _ in latency.percentiles] == list(PERCENTILES)
    for at, value in latency.percentiles:
        assert value == pytest.approx(max(at * 100, 1), rel=2e-3)


def test_times_out_of_range_are_kept_at_its_ends() -> None:
    """A time of nothing counts as a microsecond and an hour as ten minutes: no request is lost."""
    histogram = Histogram()
    for seconds in (0.0, -1.0, 3600.0):
        histogram.add(seconds)
    assert histogram.count == 3
    assert histogram.at(0) == pytest.approx(0.001)
    assert histogram.at(100) == pytest.approx(600_000, rel=1e-3)


def test_histograms_of_several_processes_are_one() -> None:
    """Packed, unpacked and merged they hold the times of both."""
    one, two = Histogram(), Histogram()
    for _ in range(99):
        one.add(0.010)
    two.add(0.500)
    one.merge(Histogram.from_bytes(two.to_bytes()))
    assert one.count == 100
    assert one.at(50) == pytest.approx(10, rel=2e-3)
    assert one.at(100) == pytest.approx(500, rel=2e-3)
    assert two.count == 1


def test_no_times_have_no_percentiles() -> None:
    """An empty histogram says so instead of showing zeros."""
    latency = Histogram().latency("none")
    assert (latency.count, latency.percentiles) == (0, ())
