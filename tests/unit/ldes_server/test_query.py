"""Query strings: known names only, each once, in one order; times and numbers in their forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.problems import Problem
from ldes_server.query import read_moment, read_place, read_query
from streams.record import format_time

FORMS = {"since": "a place", "at": "a time"}


@pytest.mark.parametrize(
    ("raw", "values", "canonical", "same"),
    [
        (b"", {}, "", True),
        (b"since=1", {"since": "1"}, "since=1", True),
        (b"since=2026-11-23T08:00:00%2B01:00", {"since": "2026-11-23T08:00:00+01:00"}, None, True),
        (b"at=2&since=1", {"since": "1", "at": "2"}, "since=1&at=2", False),
        (b"since=1&since=1", {"since": "1"}, "since=1", False),
        (b"since=", {"since": ""}, "since=", True),
    ],
)
def test_a_query_has_one_spelling(raw: bytes, values: dict[str, str], canonical: str | None, same: bool) -> None:
    """HTTP-33: names in our order, each once; whatever is asked in another way has the same canonical spelling."""
    query = read_query(raw, FORMS)
    assert query.values == values
    assert query.is_canonical is same
    assert read_query(query.canonical.encode(), FORMS).values == values
    assert canonical in (None, query.canonical)


@pytest.mark.parametrize("raw", [b"sinse=1", b"since=1&since=2", b"&".join([b"since=1"] * 30), b"%ff=1", b"=1"])
def test_a_query_that_cannot_be_meant_is_refused(raw: bytes) -> None:
    """An unknown name, a name with two values, and a flood are 400, and the answer names what there is."""
    with pytest.raises(Problem) as caught:
        read_query(raw, FORMS)
    assert caught.value.status == 400
    assert caught.value.near == ("since", "at")
    assert "since: a place" in caught.value.fix


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9990, 1, 1)),  # noqa: DTZ001 - the zone comes below
    st.integers(-14 * 60, 14 * 60),
)
def test_times_are_read_in_every_zone(moment: datetime, minutes: int) -> None:
    """A time is the same moment whatever zone it is written in, also with its plus sign lost on the way."""
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    assert read_place("since", text) == read_moment("at", text.replace("+", " ")) == moment
    assert read_moment("at", format_time(moment)) == moment


@given(st.integers(0, 10**18 - 1))
def test_numbers_are_sequence_numbers(number: int) -> None:
    """Digits are a sequence number where a place is asked for, and no time."""
    assert read_place("since", str(number)) == number
    with pytest.raises(Problem):
        read_moment("at", str(number))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "-1",
            "1.5",
            "١٢",
            "9" * 19,
            "2026-11-23",
            "2026-11-23T08:00:00",
            "2026-11-23T08:00Z",
            "20261123T080000Z",
        ),
        *(
            "2026-13-01T00:00:00Z",
            "2026-11-23T25:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "a" * 999,
        ),
    ],
)
def test_what_is_no_place_is_refused_with_the_form(text: str) -> None:
    """Anything else is 400 that names the parameter, what was sent, shortened, and how to write it."""
    with pytest.raises(Problem) as caught:
        read_place("since", text)
    assert caught.value.status == 400
    assert caught.value.what.startswith(f"since={text[:60]}")
    assert len(caught.value.what) < 120
    assert "2026-11-23T08:00:00Z" in caught.value.fix
