"""What is shown to the lane for a while."""

from __future__ import annotations

from ldes_server.model import PageId
from ldes_server.responses import Ready, Variant, make_ready
from ldes_server.shown import Edition, Shown

JSON = Variant(media="application/ld+json")
ROOT, LEAF, OTHER = PageId(), PageId(level=0, index=4), PageId(level=0, index=5)


def path(page: PageId) -> bytes:
    """Return the address of a page of the stream `s`."""
    return page.path("s").encode()


def ready(text: str) -> Ready:
    """Make an answer."""
    return make_ready(text.encode(), JSON, cache_control="public, max-age=1")


def test_an_answer_is_shown_until_its_time_is_over() -> None:
    """At the moment named nothing is shown any more, and never in another form or elsewhere."""
    shown, root = Shown(), ready("a")
    shown.put("s", ROOT, JSON, Edition(root, (1,), 10.0))
    assert shown.get(path(ROOT), JSON.media, False, 9.9) is root
    assert shown.get(path(ROOT), JSON.media, False, 10.0) is None
    assert shown.get(path(ROOT), JSON.media, True, 9.9) is None
    assert shown.get(path(LEAF), JSON.media, False, 9.9) is None


def test_what_changed_fades_when_it_is_asked_for_and_goes_when_it_is_not() -> None:
    """After a change an answer that readers ask for stays for the grace it is given, never longer; others go at once."""
    shown, root, leaf = Shown(), ready("root"), ready("leaf")
    shown.put("s", ROOT, JSON, Edition(root, (1,), 10.0))
    shown.put("s", LEAF, JSON, Edition(leaf, (1,), 2.0))
    shown.put("s", OTHER, JSON, Edition(ready("other"), (1,), 10.0))
    for page in (ROOT, LEAF):
        assert shown.get(path(page), JSON.media, False, 1.0)
    shown.fade("s", until=3.0)
    shown.fade("s", until=4.0)
    assert shown.get(path(ROOT), JSON.media, False, 2.9) is root
    assert shown.get(path(ROOT), JSON.media, False, 3.0) is None
    assert shown.get(path(LEAF), JSON.media, False, 2.0) is None
    assert shown.get(path(OTHER), JSON.media, False, 1.0) is None
    assert (len(shown), shown.size) == (2, len(root.wire) + len(leaf.wire))


def test_what_is_expected_stays_as_if_it_were_asked_for() -> None:
    """A page that its readers are about to come to is kept and made anew through changes, until the moment named."""
    shown, leaf = Shown(), ready("leaf")
    shown.put("s", LEAF, JSON, Edition(leaf, (1,), 10.0))
    shown.expect("s", LEAF, JSON, until=4.0)
    shown.expect("s", OTHER, JSON, until=4.0)
    shown.fade("s", until=3.0)
    assert list(shown.asked("s")) == [(LEAF, JSON)]
    shown.put("s", LEAF, JSON, Edition(leaf, (2,), 10.0))
    assert list(shown.asked("s")) == []
    shown.fade("s", until=4.0)
    assert list(shown.asked("s")) == [(LEAF, JSON)]
    shown.put("s", LEAF, JSON, Edition(leaf, (3,), 10.0))
    shown.fade("s", until=4.1)
    assert len(shown) == 0


def test_pages_that_are_asked_for_are_named_with_the_root_last() -> None:
    """Only what somebody asked for since it was put is worth making anew."""
    shown = Shown()
    for page in (ROOT, LEAF, OTHER):
        shown.put("s", page, JSON, Edition(ready("a"), (1,), 10.0))
    for page in (ROOT, LEAF):
        shown.get(path(page), JSON.media, False, 1.0)
    assert list(shown.asked("s")) == [(LEAF, JSON), (ROOT, JSON)]
    shown.put("s", LEAF, JSON, Edition(ready("b"), (1,), 10.0))
    assert list(shown.asked("s")) == [(ROOT, JSON)]
    assert list(shown.asked("t")) == []


def test_a_stream_that_is_dropped_shows_nothing() -> None:
    """Dropping a stream leaves the others, and the bytes counted are those kept."""
    shown, other = Shown(), ready("other")
    shown.put("s", ROOT, JSON, Edition(ready("a"), (1,), 10.0))
    shown.put("s", LEAF, JSON, Edition(ready("b"), (1,), 10.0))
    shown.put("t", ROOT, JSON, Edition(other, (1,), 10.0))
    shown.drop("s")
    shown.drop("s")
    shown.forget("s", ROOT, JSON)
    assert len(shown) == 1
    assert shown.size == len(other.wire)
    assert shown.get(b"/t/log", JSON.media, False, 0.0) is other


def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    """One address shows one answer, counted once, for its own time."""
    shown, newer = Shown(), ready("newer")
    shown.put("s", ROOT, JSON, Edition(ready("a"), (1,), 10.0))
    shown.put("s", ROOT, JSON, Edition(newer, (1,), 11.0))
    assert shown.get(path(ROOT), JSON.media, False, 10.5) is newer
    assert (len(shown), shown.size) == (1, len(newer.wire))


def test_an_older_version_never_takes_the_place_of_a_newer() -> None:
    """Whoever saw a version of a page gets none of before it, whichever was made last."""
    shown, newer = Shown(), ready("newer")
    shown.put("s", ROOT, JSON, Edition(newer, (7, 0), 10.0))
    shown.put("s", ROOT, JSON, Edition(ready("older"), (6, 9), 20.0))
    assert shown.get(path(ROOT), JSON.media, False, 9.0) is newer
    assert shown.get(path(ROOT), JSON.media, False, 11.0) is None


def test_memory_is_bounded() -> None:
    """However much is shown, no more bytes are kept than allowed, and the newest is among them."""
    size = len(ready("a").wire)
    shown = Shown(3 * size)
    for number in range(20):
        page = PageId(level=0, index=number)
        shown.put("s", page, JSON, Edition(ready("a"), (1,), 1.0))
        assert shown.size == len(shown) * size <= 3 * size
        assert shown.get(path(page), JSON.media, False, 0.0) is not None
