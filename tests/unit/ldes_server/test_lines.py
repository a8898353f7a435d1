"""Lines: the keys of an entity's members are in the order of their times, and a span of times is a span of keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.keys import key_of, line_of, mark_of, marked, span_of
from streams.identity import member_id

# From the first millisecond that keys know to the last.
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_MOMENTS = st.integers(0, 3_155_759_999_999).map(lambda count: _FIRST + timedelta(milliseconds=count))
_STREAM, _BEFORE, _ENTITY = "city", "city/members/thing", "https://data.example.org/city/entities/thing"


@given(one=_MOMENTS, other=_MOMENTS, low=_MOMENTS, high=_MOMENTS, step=st.integers(-1, 1))
def test_spans_of_times_are_spans_of_keys(
    one: datetime, other: datetime, low: datetime, high: datetime, step: int
) -> None:
    """A member's key must be in the span of keys exactly when its time is in that of times, and marks sort as times do."""
    moved = low + timedelta(microseconds=step)
    first, last = span_of(_BEFORE, moved, high)
    assert (first <= key_of(member_id(_STREAM, "thing", one)) <= last) is (moved <= one <= high)
    marks = [mark_of(member_id(_STREAM, "thing", moment)) for moment in (one, other)]
    assert (marks[0] < marks[1]) is (one < other)


@given(moment=_MOMENTS, revision=st.binary(min_size=4, max_size=8))
def test_everything_of_an_entity_is_on_its_line(moment: datetime, revision: bytes) -> None:
    """Members, revisions and deletions of an entity must be within its open span, and be found again by their marks."""
    first, last = span_of(_BEFORE, None, None)
    for each in (
        member_id(_STREAM, "thing", moment),
        member_id(_STREAM, "thing", moment, revision=revision),
        member_id(_STREAM, "thing", moment, deletes=True),
    ):
        assert line_of(each, _ENTITY) == _BEFORE
        assert first <= key_of(each) <= last
        assert marked(_BEFORE, mark_of(each)) == key_of(each)


@pytest.mark.parametrize(
    ("name", "entity", "line"),
    [
        ("city/members/a-1b2c3d4e/20261123T080000Z", "https://city.example.org/x/a", ""),
        (
            member_id("city", "https://city.example.org/é", datetime(2026, 1, 1, tzinfo=UTC)),
            "https://city.example.org/é",
            None,
        ),
        ("city/members/thing/1", _ENTITY, ""),
        ("city/members/20261123T080000Z-thing", _ENTITY, ""),
    ],
)
def test_only_ids_of_entity_and_time_are_on_a_line(name: str, entity: str, line: str | None) -> None:
    """Ids that others made in another form must be on no line, those of entities with IRIs of their own on theirs."""
    assert line_of(name, entity) == (name.rpartition("/")[0] if line is None else line)


def test_a_mark_that_is_none_is_refused() -> None:
    """Text of another length must not become a key."""
    with pytest.raises(ValueError, match="abcd"):
        marked(_BEFORE, "abcd")
