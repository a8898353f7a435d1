"""What a load scenario found: figures for the budget, series over time and latencies, as values that survive a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `row` names a row of budget.toml, or is a name of its own where there is no budget.

    `value` is in `unit` (`ratio`, `ms`, `MB`, `B`, `s`, `1/s`, `us`, `cores`, or `count`). `samples` are the values of
    each round that `value` is the median of, so that a reader sees the spread; `note` says in a phrase what was compared.
    """

    row: str
    value: float
    unit: str
    samples: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A quantity over time: `points` are pairs of seconds since the scenario began and the value in `unit`."""

    name: str
    unit: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A distribution of times in milliseconds: how many were taken, and the value at each of some percentiles.

    `percentiles` are pairs of percentile (0 to 100) and milliseconds, ascending. Times are counted from when a request
    was due, not from when it was sent, so that a server that stalls does not hide it (coordinated omission).
    """

    name: str
    count: int
    percentiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that one run of one scenario found.

    `began` is in UTC, `seconds` by the clock; `others` is how many cores were busy with what is no part of the run.
    `notes` are sentences for a reader: what was left out here and why, what looked odd.
    """

    scenario: str
    began: datetime
    seconds: float
    others: float
    figures: tuple[Figure, ...]
    series: tuple[Series, ...] = ()
    latencies: tuple[Latency, ...] = ()
    notes: tuple[str, ...] = field(default=())


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as plain values for a JSON document; `from_json` is the way back."""
    return {
        "scenario": outcome.scenario,
        "began": outcome.began.isoformat(),
        "seconds": outcome.seconds,
        "others": outcome.others,
        "figures": [
            {"row": each.row, "value": each.value, "unit": each.unit, "samples": list(each.samples), "note": each.note}
            for each in outcome.figures
        ],
        "series": [
            {"name": each.name, "unit": each.unit, "points": [list(point) for point in each.points]}
            for each in outcome.series
        ],
        "latencies": [
            {"name": each.name, "count": each.count, "percentiles": [list(pair) for pair in each.percentiles]}
            for each in outcome.latencies
        ],
        "notes": list(outcome.notes),
    }


def from_json(found: Mapping[str, Any]) -> Outcome:
    """Read what `to_json` wrote.

    Raises:
        KeyError: a part is missing.
        ValueError: a part is not what it should be.

    """
    return Outcome(
        scenario=found["scenario"],
        began=datetime.fromisoformat(found["began"]),
        seconds=float(found["seconds"]),
        others=float(found["others"]),
        figures=tuple(Figure(**{**each, "samples": tuple(each["samples"])}) for each in found["figures"]),
        series=tuple(
            Series(name=each["name"], unit=each["unit"], points=tuple((at, value) for at, value in each["points"]))
            for each in found["series"]
        ),
        latencies=tuple(
            Latency(
                name=each["name"],
                count=each["count"],
                percentiles=tuple((at, value) for at, value in each["percentiles"]),
            )
            for each in found["latencies"]
        ),
        notes=tuple(found["notes"]),
    )


def dumps(outcomes: tuple[Outcome, ...]) -> str:
    """Write several outcomes as one JSON document."""
    return json.dumps({"outcomes": [to_json(each) for each in outcomes]}, indent=1)
