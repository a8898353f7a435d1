"""Reading ahead: who goes on from leaf to leaf finds more and more of them read, who jumps about none."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ldes_server.ahead import MOST, Ahead


def misses(order: list[int]) -> int:
    """Ask for leaves in this order, each kept; return how often the store had to be asked."""
    ahead, ready, asked = Ahead(), set[int](), 0
    for index in order:
        if index not in ready:
            span = ahead.span("view", index)
            assert index in span
            ready.update(span)
            asked += 1
    return asked


def test_who_goes_on_asks_the_store_seldom() -> None:
    """A thousand leaves in order need fewer than thirty questions, in loose order a hundred and twenty."""
    assert misses(list(range(1000))) < 30
    dice = random.Random(5)
    mixed = [index for start in range(0, 1000, 8) for index in dice.sample(range(start, start + 8), 8)]
    assert misses(mixed) < 120


def test_copies_at_several_places_do_not_disturb_each_other() -> None:
    """Four copies by turns at different places ask little more often than each would alone."""
    order = [start + index for index in range(200) for start in (0, 1000, 2000, 3000)]
    assert misses(order) <= 4 * misses(list(range(200))) + 4


def test_who_jumps_about_is_given_what_was_asked_for() -> None:
    """Far apart, leaves are read one by one."""
    ahead = Ahead()
    assert all(len(ahead.span("view", index)) == 1 for index in range(0, 100_000, 97))
    assert not ahead.is_near("view", 50)
    assert not ahead.is_near("other", 99_958)


def test_leaves_that_were_never_kept_are_not_read_ahead_for_long() -> None:
    """Where nothing that is read ahead becomes ready, every other guess is one leaf at most."""
    ahead = Ahead()
    spans = [len(ahead.span("view", index)) for index in range(100)]
    assert max(spans) <= 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**12)), max_size=300))
def test_a_span_is_never_long_and_begins_where_it_was_asked(asked: list[tuple[str, int]]) -> None:
    """Whatever is asked, the leaf itself comes first and no more than sixty-three with it."""
    ahead = Ahead()
    for view, index in asked:
        span = ahead.span(view, index)
        assert span.start == index
        assert 1 <= len(span) <= MOST
        assert ahead.is_near(view, index)


def test_what_is_remembered_is_bounded() -> None:
    """Of a thousand views some hundred are remembered."""
    ahead = Ahead()
    for number in range(1000):
        ahead.span(number, 0)
    assert len(ahead) == 256
