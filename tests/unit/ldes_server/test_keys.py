"""The keys that stand for members' ids: twins meet, others do not; what was observed at one time lies together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ldes_server.keys import former, key_of
from streams.identity import member_id

# Bounds without a zone, as Hypothesis wants them; the zone is the third argument.
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
IDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.builds(
        member_id,
        st.just("parking"),
        st.text(max_size=20),
        MOMENTS,
        revision=st.binary(max_size=8),
        deletes=st.booleans(),
    ),
)


@given(st.lists(IDS, unique=True, max_size=60))
def test_ids_that_differ_have_keys_that_differ(ids: list[str]) -> None:
    """No two ids meet in a key, whatever their form; the same id always has the same one."""
    assert len({key_of(each) for each in ids}) == len(ids)
    assert [key_of(each) for each in ids] == [key_of(each) for each in ids]
    assert all(key_of(each).bytes[-9:] == former(each).bytes[:9] or key_of(each) == former(each) for each in ids)


@given(st.text(min_size=1, max_size=20), st.lists(MOMENTS, min_size=2, max_size=20))
def test_members_lie_in_the_order_of_their_times(key: str, moments: list[datetime]) -> None:
    """Keys are ordered by the observed time to the millisecond, whatever the entity."""
    found = {
        moment: key_of(member_id("parking", f"{key}{moment.second}", moment)).bytes
        for moment in (each.replace(microsecond=each.microsecond // 1000 * 1000) for each in moments)
    }
    assert [found[moment] for moment in sorted(found)] == sorted(found.values())


def test_what_tells_two_members_of_a_moment_apart_is_at_the_end() -> None:
    """A revision and a deletion lie beside the member that they are of; so do those a millisecond later, behind them."""
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    alike = [
        member_id("parking", "savaanstraat", noon),
        member_id("parking", "savaanstraat", noon, revision=b"\x01\x02\x03\x04"),
        member_id("parking", "savaanstraat", noon, deletes=True),
    ]
    keys = [key_of(each).bytes for each in alike]
    assert len({each[:7] for each in keys}) == 1
    assert len(set(keys)) == 3
    later = key_of(member_id("parking", "savaanstraat", noon + timedelta(milliseconds=1))).bytes
    assert later > max(keys)
