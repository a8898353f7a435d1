"""When a disk is full: the forecast against a day-by-day account of what comes and goes."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from smartflanders.forecast import HORIZON, Part, full_after, growth, unlimited

DAY = timedelta(days=1)
DAYS = st.integers(min_value=1, max_value=400).map(lambda count: count * DAY)
BYTES = st.integers(min_value=0, max_value=10**12)


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Draw up to four parts, some of which are kept for ever."""
    return [
        Part(
            name=str(number),
            size=draw(BYTES),
            daily=draw(BYTES),
            held=draw(DAYS),
            kept=draw(st.none() | DAYS),
        )
        for number in range(draw(st.integers(0, 4)))
    ]


def account(part: Part, days: int) -> list[float]:
    """Live through so many days: each day's bytes come, what was kept long enough goes; the most there ever was."""
    held = part.held // DAY
    rows = deque([part.size / held] * held)
    most, grown = part.size, []
    for _ in range(days):
        rows.append(part.daily)
        while part.kept is not None and len(rows) > part.kept // DAY:
            rows.popleft()
        most = max(most, sum(rows))
        grown.append(most - part.size)
    return grown


@given(parts())
def test_growth_is_what_a_daily_account_finds(found: list[Part]) -> None:
    """Growth after whole days is what comes less what goes, and never less than it was the day before."""
    for part in found:
        told = [part.growth(day * DAY) for day in range(1, 60)]
        for one, other in zip(told, account(part, 59), strict=True):
            # Within a day the account takes before it adds.
            assert abs(one - other) <= 1e-6 * (part.size + part.daily * 60) + max(
                part.daily, part.size / (part.held / DAY)
            )
        assert told == sorted(told)


@given(parts(), BYTES)
def test_full_is_the_first_moment_at_which_the_room_is_taken(found: list[Part], free: int) -> None:
    """At the moment told the room is taken, ten minutes before it was not; None when it lasts for a hundred years."""
    after = full_after(found, free)
    if after is None:
        assert growth(found, HORIZON) < free
    else:
        assert growth(found, after) >= free
        assert not after or growth(found, after - timedelta(minutes=10)) < free


@given(parts(), BYTES, BYTES)
def test_more_room_and_less_kept_never_end_earlier(found: list[Part], free: int, more: int) -> None:
    """A larger disk is not full before a smaller one, and dropping does not fill a disk earlier than keeping."""
    never = HORIZON + DAY
    now = full_after(found, free)
    assert (full_after(found, free + more) or never) >= (now or (never if now is None else now))
    for name in (part.name for part in found):
        kept = full_after(unlimited(found, [name]), free)
        assert (never if kept is None else kept) <= (never if now is None else now)


@given(DAYS, BYTES, st.integers(min_value=1, max_value=10**9))
def test_what_is_dropped_at_the_pace_it_comes_never_fills_a_disk(kept: timedelta, room: int, daily: int) -> None:
    """A part that holds as much as it is to keep grows no more, however little room there is."""
    part = Part(name="members", size=daily * (kept / DAY), daily=daily, held=kept, kept=kept)
    # Rounding may make a byte of a terabyte.
    assert growth([part], HORIZON) <= 1 + 1e-9 * part.size
    assert full_after([part], room + 2 + 1e-9 * part.size) is None
    assert full_after(unlimited([part], ["members"]), room) is not None or room / daily > HORIZON / DAY
