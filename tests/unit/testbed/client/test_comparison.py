"""TREE-28 to TREE-35: comparing terms by value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode

from testbed.client.comparison import Family, Value, Verdict, compare, read_literal, read_value
from testbed.client.moments import parse_duration, parse_moment
from testbed.client.terms import RDF, XSD, Kind

TRUE, FALSE, UNKNOWN, ERROR = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN, Verdict.ERROR


def value(text: str, kind: str) -> Value:
    """Read a literal of an XSD type."""
    return read_literal(text, XSD + kind)


@pytest.mark.parametrize(
    ("left", "kind", "right", "verdict"),
    [
        (("2", "integer"), Kind.LESS, ("10", "integer"), TRUE),
        (("2", "integer"), Kind.LESS, ("10.0", "decimal"), TRUE),
        (("1e1", "double"), Kind.EQUAL, ("10", "int"), TRUE),
        (("0.1", "decimal"), Kind.EQUAL, ("0.1", "double"), TRUE),
        (("0.1", "float"), Kind.EQUAL, ("0.1", "double"), FALSE),
        (("INF", "double"), Kind.GREATER, ("99", "integer"), TRUE),
        (("NaN", "double"), Kind.EQUAL, ("NaN", "double"), FALSE),
        (("NaN", "double"), Kind.AT_LEAST, ("1", "double"), FALSE),
        (("NaN", "double"), Kind.NOT_EQUAL, ("1", "double"), TRUE),
        (("false", "boolean"), Kind.LESS, ("1", "boolean"), TRUE),
        (("9", "string"), Kind.LESS, ("10", "string"), FALSE),
        (("9", "string"), Kind.LESS, ("10", "integer"), ERROR),
        (("2026-01-01T00:00:00Z", "dateTime"), Kind.LESS, ("2027", "string"), ERROR),
        (("2026-01-01T00:00", "dateTime"), Kind.LESS, ("2026-01-01T00:00:00Z", "dateTime"), ERROR),
        (("5", "gYear"), Kind.EQUAL, ("5", "gYear"), ERROR),
        (("e\u0301", "string"), Kind.EQUAL, ("\u00e9", "string"), TRUE),
        (("Z", "string"), Kind.LESS, ("a", "string"), TRUE),
        (("\uff5e", "string"), Kind.LESS, ("\U0001f600", "string"), TRUE),
        (("abc", "string"), Kind.PREFIX, ("", "string"), TRUE),
        (("e\u0301a", "string"), Kind.PREFIX, ("\u00e9", "string"), TRUE),
        (("abc", "string"), Kind.SUBSTRING, ("bc", "string"), TRUE),
        (("abc", "string"), Kind.SUFFIX, ("ab", "string"), FALSE),
        (("12", "integer"), Kind.PREFIX, ("1", "string"), ERROR),
    ],
)
def test_literals_compare_by_value(left: tuple[str, str], kind: Kind, right: tuple[str, str], verdict: Verdict) -> None:
    """TREE-28, TREE-30, TREE-34, TREE-35: by value, by code point after NFC; what cannot be compared is an error."""
    assert compare(kind, value(*left), value(*right)) is verdict


def test_iris_compare_as_texts_and_other_terms_not_at_all() -> None:
    """TREE-31: IRIs are ordered by code point and are no strings; blank nodes have no order."""
    a, b = read_value(NamedNode("http://a/")), read_value(NamedNode("http://b/"))
    assert compare(Kind.LESS, a, b) is TRUE
    assert compare(Kind.EQUAL, a, read_value(Literal("http://a/"))) is ERROR
    assert compare(Kind.PREFIX, a, read_value(Literal("http://"))) is ERROR
    assert read_value(BlankNode("x")).family is Family.OTHER
    tagged = read_value(Literal("ja", language="nl"))
    assert tagged == read_literal("ja", RDF + "langString")
    assert compare(Kind.ANY, tagged, a) is TRUE


@pytest.mark.parametrize(
    ("left", "kind", "right", "verdict"),
    [
        ("2026-01-01T00:00:00Z", Kind.EQUAL, "2026-01-01T01:00:00+01:00", TRUE),
        ("2025-12-31T24:00:00Z", Kind.EQUAL, "2026-01-01T00:00:00Z", TRUE),
        ("2026-01-01T00:00:00.0001Z", Kind.GREATER, "2026-01-01T00:00:00.00001Z", TRUE),
        # A time without a zone is the 28 hours around it, the first included, the last not.
        ("2026-01-01T00:00:00", Kind.LESS, "2026-01-01T14:00:00Z", TRUE),
        ("2026-01-01T00:00:00", Kind.LESS, "2026-01-01T13:59:59Z", UNKNOWN),
        ("2026-01-01T00:00:00", Kind.GREATER, "2025-12-31T09:59:59Z", TRUE),
        ("2026-01-01T00:00:00", Kind.GREATER, "2025-12-31T10:00:00Z", UNKNOWN),
        ("2026-01-01T00:00:00", Kind.EQUAL, "2026-01-01T00:00:00", UNKNOWN),
        ("2026-01-01T00:00:00", Kind.NOT_EQUAL, "2026-01-03T00:00:00", TRUE),
        ("2026-01-01T00:00:00", Kind.EQUAL, "2026-01-03T00:00:00", FALSE),
        ("2026-01-01T00:00:00", Kind.AT_MOST, "2026-01-02T04:00:00", TRUE),
    ],
)
def test_times_compare_as_moments_and_periods(left: str, kind: Kind, right: str, verdict: Verdict) -> None:
    """TREE-32: with zones as moments, without as periods of 28 hours, which may overlap."""
    assert compare(kind, value(left, "dateTime"), value(right, "dateTime")) is verdict


WELL_INSIDE = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))  # noqa: DTZ001 - the strategy wants them so


@given(WELL_INSIDE, st.integers(-14 * 60, 14 * 60), WELL_INSIDE)
def test_moments_agree_with_the_calendar(first: datetime, minutes: int, second: datetime) -> None:
    """Times with zones compare as Python's own do, over the whole calendar."""
    left, right = first.replace(tzinfo=timezone(timedelta(minutes=minutes))), second.replace(tzinfo=UTC)
    expected = {
        Kind.LESS: left < right,
        Kind.AT_MOST: left <= right,
        Kind.EQUAL: left == right,
        Kind.NOT_EQUAL: left != right,
        Kind.AT_LEAST: left >= right,
        Kind.GREATER: left > right,
    }
    for kind, holds in expected.items():
        found = compare(kind, value(left.isoformat(), "dateTime"), value(right.isoformat(), "dateTime"))
        assert found is (TRUE if holds else FALSE)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00",
        "2026-1-01T00:00:00",
        "2026-02-29T00:00:00",
        "2026-13-01T00:00:00",
        "2026-01-01T24:00:01",
        "2026-01-01T00:60:00",
        "2026-01-01T00:00:60",
        "2026-01-01T00:00:00+14:01",
        "2026-01-01T00:00:00+1:00",
        "02026-01-01T00:00:00",
        "2026-01-01 00:00:00",
        "٢٠٢٦-01-01T00:00:00",
        "",
    ],
)
def test_invalid_times_are_refused(text: str) -> None:
    """TREE-34: seconds are not optional, days are those of the calendar, zones those of the earth."""
    with pytest.raises(ValueError, match=r"no xsd|no day|no time|no zone"):
        parse_moment(text)


def test_years_outside_the_calendar_of_python_are_times() -> None:
    """Years before 1 and after 9999 are valid and in order."""
    moments = [parse_moment(f"{year}-01-01T00:00:00Z") for year in ("-0044", "0000", "0001", "9999", "12026")]
    assert moments == sorted(moments, key=lambda moment: moment.since)
    assert parse_moment("1970-01-01T00:00:00.5Z").since == Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P1D", timedelta(days=1)),
        ("PT1H30M", timedelta(minutes=90)),
        ("P2Y", timedelta(days=730.5)),
        ("P1M", timedelta(days=30.4375)),
        ("-PT0.5S", timedelta(seconds=-0.5)),
        ("P1DT12H", timedelta(hours=36)),
    ],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    """RET-07: durations of every form; years and months at their average."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["P", "PT", "1D", "P1H", "PT1D", "P1.5D", "P999999999999Y", ""])
def test_invalid_durations_are_refused(text: str) -> None:
    """RET-07: a duration that is none says so."""
    with pytest.raises(ValueError, match=r"no xsd:duration|longer than"):
        parse_duration(text)


@given(
    st.text(max_size=40), st.sampled_from(["integer", "decimal", "double", "float", "boolean", "dateTime", "string"])
)
def test_no_literal_is_too_strange(text: str, kind: str) -> None:
    """Whatever a literal says, it has a value or none, and comparing it with itself ends."""
    read = value(text, kind)
    assert compare(Kind.EQUAL, read, read) in Verdict
    assert value("9" * 5000, "integer").family is Family.OTHER
