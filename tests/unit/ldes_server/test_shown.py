"""What is shown to the lane for a while, and turns in making it."""

from __future__ import annotations

import asyncio

from ldes_server.responses import Ready, Variant, make_ready
from ldes_server.shown import Shown
from ldes_server.turns import Turns

JSON = Variant(media="application/ld+json")
ROOT, LEAF = b"/s/log", b"/s/log/0/4"


def ready(text: str) -> Ready:
    """Make an answer."""
    return make_ready(text.encode(), JSON, cache_control="public, max-age=1")


def test_an_answer_is_shown_until_its_time_is_over() -> None:
    """At the moment named nothing is shown any more."""
    shown, root = Shown(), ready("a")
    shown.put("s", ROOT, JSON, root, until=10.0)
    assert shown.get(ROOT, JSON.media, False, 9.9) is root
    assert shown.get(ROOT, JSON.media, False, 10.0) is None
    assert shown.get(ROOT, JSON.media, True, 9.9) is None
    assert shown.get(LEAF, JSON.media, False, 9.9) is None


def test_a_stream_that_changed_shows_nothing() -> None:
    """Dropping a stream leaves the others, and the bytes counted are those kept."""
    shown, other = Shown(), ready("other")
    shown.put("s", ROOT, JSON, ready("a"), until=10.0)
    shown.put("s", LEAF, JSON, ready("b"), until=10.0)
    shown.put("t", b"/t/log", JSON, other, until=10.0)
    shown.drop("s")
    shown.drop("s")
    assert len(shown) == 1
    assert shown.size == len(other.wire)
    assert shown.get(b"/t/log", JSON.media, False, 0.0) is other


def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    """One address shows one answer, counted once."""
    shown, newer = Shown(), ready("newer")
    shown.put("s", ROOT, JSON, ready("a"), until=10.0)
    shown.put("s", ROOT, JSON, newer, until=11.0)
    assert shown.get(ROOT, JSON.media, False, 10.5) is newer
    assert (len(shown), shown.size) == (1, len(newer.wire))


def test_memory_is_bounded() -> None:
    """However much is shown, no more bytes are kept than allowed, and the newest is among them."""
    size = len(ready("a").wire)
    shown = Shown(3 * size)
    for number in range(20):
        shown.put("s", b"/s/log/0/%d" % number, JSON, ready("a"), until=1.0)
        assert shown.size == len(shown) * size <= 3 * size
        assert shown.get(b"/s/log/0/%d" % number, JSON.media, False, 0.0) is not None


async def test_what_many_want_at_once_is_made_once() -> None:
    """Of many who want the same thing one makes it while the others wait; nothing is left behind."""
    turns, made, kept = Turns(), 0, set[str]()

    async def want(key: str) -> None:
        nonlocal made
        async with turns.of(key):
            if key not in kept:
                made += 1
                await asyncio.sleep(0)
                kept.add(key)

    async with asyncio.TaskGroup() as group:
        for key in "ab" * 10:
            group.create_task(want(key))
    assert made == 2
    assert len(turns) == 0


async def test_a_turn_is_given_on_by_who_is_cancelled() -> None:
    """When whoever was making it is cancelled, the next one does it."""
    turns, made = Turns(), list[str]()
    first_is_in = asyncio.Event()

    async def hang() -> None:
        async with turns.of("a"):
            first_is_in.set()
            await asyncio.Event().wait()

    async def make() -> None:
        async with turns.of("a"):
            made.append("a")

    async with asyncio.TaskGroup() as group:
        first = group.create_task(hang())
        await first_is_in.wait()
        group.create_task(make())
        await asyncio.sleep(0)
        assert made == []
        first.cancel()
    assert made == ["a"]
