"""Figures: what a stream's coverage says in the catalogue: times, box and quality measurements; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ldes_server.box import Box
from ldes_server.coverage import Coverage
from ldes_server.descriptions import Entity
from ldes_server.model import Stream
from streams.record import format_time
from vocab.terms import SF


def dataset_figures(stream: Stream, coverage: Coverage | None, *, at: datetime) -> Entity:
    """Return what to add to a dataset: what holds without members, and with `coverage` what was measured at `at`."""
    figures: Entity = {"hasQualityMeasurement": list(_measurements(stream, coverage, at))}
    if coverage is not None:
        figures |= {
            "issued": format_time(coverage.since),
            "modified": format_time(coverage.published_to),
            "temporal": _period(coverage.observed_from, coverage.observed_to),
        }
        if coverage.box is not None:
            figures["spatial"] = [*stream.spatial, _location(coverage.box)]
    return {key: value for key, value in figures.items() if value}


def source_figures(coverage: Coverage) -> Entity:
    """Return what to add to the distribution that holds everything: since when what it holds was published."""
    return {"temporal": {"@type": "PeriodOfTime", "startDate": format_time(coverage.published_from)}}


def _period(start: datetime, end: datetime) -> Entity:
    return {"@type": "PeriodOfTime", "startDate": format_time(start), "endDate": format_time(end)}


def _location(box: Box) -> Entity:
    w, s, e, n = (format(side, ".6f") for side in (box.west, box.south, box.east, box.north))
    middle = ((box.west + box.east) / 2, (box.south + box.north) / 2)
    return {
        "@type": "Location",
        # Without a reference system WKT is CRS84, longitude first.
        "bbox": f"POLYGON (({w} {s}, {e} {s}, {e} {n}, {w} {n}, {w} {s}))",
        "centroid": f"POINT ({middle[0]:.6f} {middle[1]:.6f})",
    }


def _measurements(stream: Stream, coverage: Coverage | None, at: datetime) -> Iterator[Entity]:
    if stream.expected_every is not None:
        yield _measurement("expectedInterval", stream.expected_every)
    if coverage is not None:
        for metric, lag in (("medianLag", coverage.lag.median), ("highLag", coverage.lag.high)):
            yield {**_measurement(metric, lag), "measuredAt": format_time(at)}


def _measurement(metric: str, value: timedelta) -> dict[str, Any]:
    return {"@type": "QualityMeasurement", "isMeasurementOf": f"{SF}{metric}", "duration": duration(value)}


def duration(value: timedelta) -> str:
    """Write a duration as xsd:duration, in seconds, to the millisecond: `PT60S`, `PT1.25S`, `-PT2S`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    whole, rest = divmod(abs(milliseconds), 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{'-' if milliseconds < 0 else ''}PT{whole}{fraction}S"
