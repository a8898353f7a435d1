"""The query of a page's address: one form, one bucket to stay in, one spelling; anything else is refused."""

from __future__ import annotations

import pytest

from ldes_server.model import PageId
from ldes_server.page_query import is_within, read_page_query
from ldes_server.problems import Problem

LEAF = PageId(view="by-hour", build=1, bucket="2026.11.23", level=0, index=2)


@pytest.mark.parametrize(
    ("raw", "media"),
    [(b"", None), (b"format=csv", "text/csv"), (b"format=ndjson", "application/x-ndjson")],
)
def test_a_page_may_be_asked_for_by_format(raw: bytes, media: str | None) -> None:
    """The format of a page's address decides; without one the Accept header does."""
    for page_id in (LEAF, PageId(), PageId(level=0)):
        asked, odd = read_page_query(raw, page_id)
        assert (asked.media, asked.within, odd) == (media, "", None)


@pytest.mark.parametrize("key", ["2026", "2026.11", "2026.11.23"])
def test_a_walk_stays_in_a_bucket(key: str) -> None:
    """Any bucket that the page is in can bound a walk; in another order the parameters are redirected."""
    asked, odd = read_page_query(f"within={key}&format=csv".encode(), LEAF)
    assert (asked.media, asked.within, odd) == ("text/csv", key, None)
    asked, odd = read_page_query(f"format=csv&within={key}".encode(), LEAF)
    assert odd is not None
    assert odd.canonical == f"within={key}&format=csv"


@pytest.mark.parametrize(
    ("raw", "page_id", "said"),
    [
        (b"format=pdf", LEAF, "format=pdf"),
        (b"format=csv&x=1", LEAF, "'x'"),
        (b"format=csv&format=geojson", LEAF, "'format'"),
        (b"format=", LEAF, "format="),
        (b"x=1", LEAF, "'x'"),
        (b"within=2026", LEAF, "within=2026"),
        (b"within=&format=csv", LEAF, "within="),
        (b"within=2026.1&format=csv", LEAF, "within=2026.1"),
        (b"within=2026.11.23.10&format=csv", LEAF, "within=2026.11.23.10"),
        (b"within=2026&format=csv", PageId(view="by-hour", build=1, bucket="2026"), "'within'"),
        (b"within=2026&format=csv", PageId(level=0), "'within'"),
    ],
)
def test_what_no_page_has_is_refused(raw: bytes, page_id: PageId, said: str) -> None:
    """400 that names the parameter and the form of what the address takes."""
    with pytest.raises(Problem) as refused:
        read_page_query(raw, page_id)
    assert refused.value.status == 400
    assert said in refused.value.what
    assert "format" in refused.value.fix


def test_buckets_are_below_the_keys_that_they_continue() -> None:
    """A key is below its beginnings at a dot, and below nothing that only looks like one."""
    assert is_within("2026.11", "")
    assert is_within("2026.11", "2026")
    assert is_within("2026.11", "2026.11")
    assert not is_within("2026.11", "2026.1")
    assert not is_within("2026", "2026.11")
