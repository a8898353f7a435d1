"""What a scenario found survives a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from loadtests.outcome import Figure, Latency, Outcome, Series, dumps, from_json, to_json

OUTCOME = Outcome(
    scenario="write",
    began=datetime(2026, 11, 28, 17, 30, 1, 250_000, tzinfo=UTC),
    seconds=61.5,
    others=0.25,
    figures=(
        Figure(row="path", value=0.26, unit="ratio", samples=(0.25, 0.26, 0.31), note="of COPY"),
        Figure(row="disk", value=841.0, unit="B"),
    ),
    series=(Series(name="committed", unit="1/s", points=((0.5, 30_000.0), (1.0, 31_000.0))),),
    latencies=(Latency(name="head", count=7, percentiles=((50.0, 12.5), (100.0, 90.0))),),
    notes=("Kafka was not at hand.",),
)


def test_an_outcome_comes_back_as_it_was() -> None:
    """Written as JSON and read again it is equal, to the last sample, point and percentile."""
    assert from_json(json.loads(json.dumps(to_json(OUTCOME)))) == OUTCOME
    assert [from_json(each) for each in json.loads(dumps((OUTCOME, OUTCOME)))["outcomes"]] == [OUTCOME, OUTCOME]


def test_a_damaged_outcome_is_not_read() -> None:
    """A part that is missing or no time is an error, not a default."""
    plain = to_json(OUTCOME)
    with pytest.raises(KeyError):
        from_json({key: value for key, value in plain.items() if key != "figures"})
    with pytest.raises(ValueError, match="Invalid isoformat"):
        from_json({**plain, "began": "yesterday"})
