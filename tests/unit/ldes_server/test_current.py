"""The memory for answers that change: one version each, bounded in bytes."""

from __future__ import annotations

from ldes_server.current import Current
from ldes_server.responses import Ready, Variant, make_ready

SIZE = len(make_ready(b"x" * 500, Variant(media="text/csv"), cache_control="no-store").wire)


def ready(text: bytes) -> Ready:
    """Make an answer of SIZE bytes."""
    return make_ready(text * 500, Variant(media="text/csv"), cache_control="no-store")


def test_only_the_version_asked_for_is_handed_out() -> None:
    """An answer of another version is as good as none; a newer one takes its place."""
    kept = Current(SIZE * 10)
    kept.put("a", 1, ready(b"1"))
    assert kept.get("a", 2) is None
    kept.put("a", 2, two := ready(b"2"))
    assert kept.get("a", 2) is two
    assert kept.get("a", 1) is None
    assert (len(kept), kept.size) == (1, SIZE)


def test_what_was_unused_longest_leaves_first() -> None:
    """Above its capacity the memory forgets what nobody asked for, never what was asked for just now."""
    kept = Current(SIZE * 2)
    for name in "ab":
        kept.put(name, 1, ready(b"x"))
    assert kept.get("a", 1)
    kept.put("c", 1, ready(b"y"))
    assert [kept.get(name, 1) is not None for name in "abc"] == [True, False, True]
    assert kept.size == SIZE * 2


def test_what_does_not_fit_is_not_kept() -> None:
    """An answer larger than the whole memory is handed out by its maker only, and the old one is forgotten."""
    kept = Current(SIZE)
    kept.put("a", 1, ready(b"x"))
    kept.put("a", 2, ready(b"yy"))
    assert (len(kept), kept.size) == (0, 0)
