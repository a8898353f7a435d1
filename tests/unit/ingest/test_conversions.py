"""Conversions: publishers' values become the model's types, or a refusal with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest import conversions
from ingest.conversions import Refused, Spot, zone_of
from streams.record import Reason

BRUSSELS = zone_of("Europe/Brussels")


def spot(**words: Any) -> Spot:
    """Make the spot of a name called x."""
    return Spot(name="x", path="a.x", **words)


@pytest.mark.parametrize(
    ("value", "words", "number"),
    [
        ("12", {}, 12),
        (12, {}, 12),
        (12.0, {}, 12),
        ("-3", {}, -3),
        ("1.0", {}, 1),
        ("1e2", {}, 100),
        (2, {"factor": 3}, 6),
    ],
)
def test_whole_numbers_convert(value: object, words: dict[str, Any], number: int) -> None:
    """Numbers and texts of numbers become whole numbers when they are whole."""
    assert conversions.integer(value, spot(**words)) == number


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.5", Reason.TYPE),
        ("x", Reason.TYPE),
        (True, Reason.TYPE),
        ([], Reason.TYPE),
        ("nan", Reason.TYPE),
        (11, Reason.RANGE),
        ("-1", Reason.RANGE),
    ],
)
def test_what_is_no_whole_number_in_range_is_refused(value: object, reason: Reason) -> None:
    """A fraction, a word, a boolean and a list are of the wrong type; a number outside the range is refused as such."""
    with pytest.raises(Refused) as caught:
        conversions.integer(value, spot(minimum=0, maximum=10))
    assert caught.value.reason is reason
    assert caught.value.path == "a.x"


@pytest.mark.parametrize(
    ("value", "words", "number"),
    [
        ("14,695", {"comma": True}, 14.695),
        ("1.234,5", {"comma": True}, 1234.5),
        ("4.5", {"comma": True}, 4.5),
        (10, {"factor": 3.6}, 36.0),
        ("7", {}, 7.0),
    ],
)
def test_doubles_convert(value: object, words: dict[str, Any], number: float) -> None:
    """Decimal commas and units convert."""
    assert conversions.double(value, spot(**words)) == pytest.approx(number)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1e999"])
def test_numbers_that_are_none_are_refused(value: object) -> None:
    """What is not finite is out of range, because JSON cannot write it."""
    with pytest.raises(Refused) as caught:
        conversions.double(value, spot())
    assert caught.value.reason is Reason.RANGE


@pytest.mark.parametrize(
    ("value", "truth"), [("True", True), ("False", False), (1, True), (0, False), (True, True), ("nee", False)]
)
def test_booleans_convert(value: object, truth: bool) -> None:
    """The words and numbers that publishers use for true and false convert."""
    assert conversions.boolean(value, spot()) is truth


@pytest.mark.parametrize(
    ("value", "words", "time"),
    [
        ("2026-07-01T10:00:00+02:00", {}, datetime(2026, 7, 1, 8, tzinfo=UTC)),
        ("2026-07-01T10:00:00", {"zone": zone_of("+01:00")}, datetime(2026, 7, 1, 9, tzinfo=UTC)),
        ("2026-07-01T10:00:00", {"zone": BRUSSELS}, datetime(2026, 7, 1, 8, tzinfo=UTC)),
        ("2023-09-07  0:15:00.000", {"zone": BRUSSELS}, datetime(2023, 9, 6, 22, 15, tzinfo=UTC)),
        ("2026-10-25T02:30:00", {"zone": BRUSSELS}, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (1700000000, {"epoch": 1.0}, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000500", {"epoch": 1000.0}, datetime(2023, 11, 14, 22, 13, 20, 500000, tzinfo=UTC)),
        ("2026-07-01T10:00:00Z", {"plus": timedelta(seconds=60)}, datetime(2026, 7, 1, 10, 1, tzinfo=UTC)),
    ],
)
def test_times_convert_to_utc(value: object, words: dict[str, Any], time: datetime) -> None:
    """Zones, local times, the first of a doubled hour, epochs and added durations all end in UTC."""
    assert conversions.moment(value, spot(**words)) == time


@pytest.mark.parametrize(
    ("value", "words", "reason"),
    [
        ("2026-07-01T10:00:00", {}, Reason.TYPE),
        ("yesterday", {}, Reason.TYPE),
        ({}, {}, Reason.TYPE),
        ("2026-03-29T02:30:00", {"zone": BRUSSELS}, Reason.RANGE),
        (10**17, {"epoch": 1.0}, Reason.RANGE),
    ],
)
def test_impossible_times_are_refused(value: object, words: dict[str, Any], reason: Reason) -> None:
    """A time without zone, a word, an hour that the clock skipped and a time after all calendars are refused."""
    with pytest.raises(Refused) as caught:
        conversions.moment(value, spot(**words))
    assert caught.value.reason is reason


def test_split_columns_join() -> None:
    """A date and a time without leading zero make one time; with one of them absent there is none."""
    joined = conversions.joined("2026-07-01", "7:05")
    assert conversions.moment(joined, spot(zone=BRUSSELS)) == datetime(2026, 7, 1, 5, 5, tzinfo=UTC)
    assert conversions.joined("2026-07-01", "") is None


def test_lambert_coordinates_become_degrees() -> None:
    """Lambert 72 metres become longitude and latitude within the metre that the publisher itself states."""
    point = conversions.projected("144477,0917", "208290,6237", spot(comma=True), conversions.transformer(31370))
    assert point is not None
    assert point.longitude == pytest.approx(4.289767, abs=2e-5)
    assert point.latitude == pytest.approx(51.184582, abs=2e-5)


def test_places_off_the_globe_are_refused() -> None:
    """A latitude of 151 is out of range; an absent coordinate is no place at all."""
    with pytest.raises(Refused) as caught:
        conversions.place("3.7", "151", spot())
    assert caught.value.reason is Reason.RANGE
    assert conversions.place(None, 51, spot()) is None


def test_only_absolute_iris_are_iris() -> None:
    """A relative address and one with a space or a quote are refused."""
    assert conversions.iri("https://stad.gent/é", spot()) == "https://stad.gent/é"
    for wrong in ("page.html", "https://x/a b", 'https://x/"', 7, ""):
        with pytest.raises(Refused):
            conversions.iri(wrong, spot())
