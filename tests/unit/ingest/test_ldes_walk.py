"""The state of a walk through an LDES: what its text form keeps, and how large it may get."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.connectors.ldes_walk import Walk

URL = "https://x.example/feed"
PAGES = st.integers(min_value=0, max_value=30)
FEEDS = st.lists(
    st.tuples(st.lists(PAGES, max_size=4), st.booleans(), st.integers(min_value=0, max_value=3)),
    min_size=1,
    max_size=31,
)


def page(number: int) -> str:
    """Name a page; 0 is the entry."""
    return f"{URL}/{number}" if number else URL


def step(walk: Walk, feed: list[tuple[list[int], bool, int]]) -> list[str]:
    """Read the next page of a feed in which each page has links, whether it is final, and members; return news."""
    at = walk.next
    assert at is not None
    links, final, count = feed[int(at.removeprefix(URL).lstrip("/") or 0) % len(feed)]
    members = [f"{at}#{number}" for number in range(count)]
    found = walk.news(at, "digest", members)
    walk.turn(at, "digest", members, links=[page(link) for link in links], final=final)
    return found or []


@given(FEEDS, st.integers(min_value=0, max_value=40))
def test_a_walk_that_is_taken_up_again_finds_what_the_other_finds(
    feed: list[tuple[list[int], bool, int]], stop: int
) -> None:
    """Whatever the shape of a feed, stopping after any page and reading the state again loses and doubles nothing."""
    whole, walk = [], Walk(URL)
    while walk.next is not None:
        whole += step(walk, feed)
    assert len(whole) == len(set(whole))
    found, walk = [], Walk(URL)
    for _ in range(stop):
        if walk.next is None:
            break
        found += step(walk, feed)
    walk = Walk.read(walk.pack(), URL)
    while walk.next is not None:
        found += step(walk, feed)
    assert sorted(found) == sorted(whole)


def test_members_of_open_pages_are_forgotten_before_the_cursor_bursts() -> None:
    """A page that may change and has more members than a record should carry gives them again when it changes."""
    for count, again in ((20_000, 1), (20_001, 20_002)):
        members = [f"m{number}" for number in range(count)]
        walk = Walk(URL)
        walk.turn(URL, "1", members, links=(), final=False)
        packed = walk.pack()
        assert len(packed) < 200_000
        walk = Walk.read(packed, URL)
        assert walk.news(URL, "1", members) is None
        assert len(walk.news(URL, "2", [*members, "new"]) or []) == again


def test_links_of_open_pages_are_not_written_down() -> None:
    """The root of a feed is read again anyway; of a final page what is left to read is kept."""
    links = [page(number) for number in range(1, 1001)]
    walk = Walk(URL)
    walk.turn(URL, "1", (), links=links, final=False)
    assert json.loads(walk.pack())["stack"] == []
    walk.turn(links[0], "1", (), links=[page(2000), page(2001)], final=True)
    assert json.loads(walk.pack())["stack"] == [page(2001), page(2000)]


@pytest.mark.parametrize(
    "cursor",
    [
        b"",
        b"{}",
        b"7",
        b'{"ldes":"x"}',
        Walk("https://y.example/").pack(),
        b'{"ldes":"%s","done":"?","live":{},"stack":[]}',
    ],
)
def test_a_cursor_of_something_else_begins_at_the_start(cursor: bytes) -> None:
    """What cannot be read, or is of another address, is a walk from the entry."""
    mine = json.loads(Walk(URL).pack())["ldes"].encode()
    assert Walk.read(cursor.replace(b"%s", mine), URL).next == URL
