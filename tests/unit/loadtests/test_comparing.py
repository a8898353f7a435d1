"""Two runs compared: only what lies beyond the spread of the samples counts as a change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loadtests.budget import Row
from loadtests.comparing import Change, compare, table
from loadtests.outcome import Figure, Outcome

FAST = Row(name="fast", what="", reference="", unit="ratio", bound="least", aim=0.5, smoke=0.1)
SLOW = Row(name="slow", what="", reference="", unit="ms", bound="most", aim=10, smoke=100)
LOST = Row(name="lost", what="", reference="", unit="count", bound="most", aim=0, smoke=0)
ROWS = {row.name: row for row in (FAST, SLOW, LOST)}


def outcome(*figures: Figure) -> dict[str, Outcome]:
    """Make a run of one scenario."""
    began = datetime(2026, 11, 28, tzinfo=UTC)
    return {"one": Outcome(scenario="one", began=began, seconds=1, others=0, figures=figures)}


def figure(name: str, *samples: float, unit: str = "ratio") -> Figure:
    """Make a figure whose value is the middle sample."""
    ordered = sorted(samples)
    return Figure(row=name, value=ordered[len(ordered) // 2], unit=unit, samples=samples if len(samples) > 1 else ())


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (figure("fast", 0.4, 0.5, 0.6), figure("fast", 0.7, 0.8, 0.9), Change.BETTER),
        (figure("fast", 0.7, 0.8, 0.9), figure("fast", 0.4, 0.5, 0.6), Change.WORSE),
        (figure("slow", 5, 6, 7, unit="ms"), figure("slow", 8, 9, 9, unit="ms"), Change.WORSE),
        (figure("fast", 0.4, 0.5, 0.6), figure("fast", 0.6, 0.8, 0.9), Change.WITHIN),
        (figure("fast", 0.4), figure("fast", 0.9), Change.UNCLEAR),
        (figure("lost", 0, unit="count"), figure("lost", 3, unit="count"), Change.WORSE),
        (figure("lost", 0, unit="count"), figure("lost", 0, unit="count"), Change.WITHIN),
        (figure("own", 1, 2, 3, unit="s"), figure("own", 4, 5, 6, unit="s"), Change.OTHER),
    ],
)
def test_a_change_is_what_lies_beyond_the_spread(before: Figure, after: Figure, change: Change) -> None:
    """Samples that overlap are no change; which way is good is said by the row; a lost member needs no samples."""
    (found,) = compare(outcome(before), outcome(after), ROWS)
    assert found.change is change


def test_figures_of_one_run_only_are_shown() -> None:
    """What the other run lacks is named, not left out."""
    found = compare(outcome(figure("fast", 1, 2)), outcome(figure("slow", 1, 2, unit="ms")), ROWS)
    assert [(each.name, each.change) for each in found] == [("fast", Change.ONLY_BEFORE), ("slow", Change.ONLY_AFTER)]
    assert [each.ratio for each in found] == [None, None]


def test_the_table_begins_with_what_is_worse() -> None:
    """Worse stands before better, each with both values, their spreads and the ratio."""
    before = outcome(figure("fast", 0.1, 0.2, 0.3), figure("slow", 1, 2, 3, unit="ms"))
    after = outcome(figure("fast", 0.4, 0.5, 0.6), figure("slow", 4, 5, 6, unit="ms"))
    lines = table(compare(before, after, ROWS)).splitlines()
    assert lines[1].split() == [
        "worse",
        "one",
        "slow",
        "2",
        "ms",
        "(1",
        "to",
        "3",
        "of",
        "3)",
        "5",
        "ms",
        "(4",
        "to",
        "6",
        "of",
        "3)",
        "2.50",
    ]
    assert lines[2].split() == [
        "better",
        "one",
        "fast",
        "0.2×",
        "(0.1",
        "to",
        "0.3",
        "of",
        "3)",
        "0.5×",
        "(0.4",
        "to",
        "0.6",
        "of",
        "3)",
        "2.50",
    ]
